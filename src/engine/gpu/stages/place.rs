//! The rows of new crossings.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/rows", "place");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{device, expect_difference, run, values, words};
    use super::super::rank::tests::Lists;
    use super::super::scan::tests::scanned;
    use crate::engine::gpu::step::{Entry, NEW, RISING, Source};

    fn twin(lists: &Lists, sources: &mut [Source]) {
        for path in 0..lists.n_rows.len() {
            let base = path * lists.step.rows_out as usize;
            let all = &lists.entries[base..][..lists.n_entries[path] as usize];
            let mut leaders: Vec<&Entry> = all.iter().filter(|e| e.leads == 1).collect();
            leaders.sort_by(|a, b| a.row.cmp(&b.row).then(a.fraction.total_cmp(&b.fraction)));
            for group in leaders.chunk_by(|a, b| a.row == b.row) {
                let interval = lists.intervals[path * lists.step.rows_in as usize + group[0].row as usize];
                for (entry, row) in group.iter().zip(interval.new_row + 1..) {
                    sources[base + row as usize] =
                        Source { row: entry.row | NEW, fraction: entry.fraction, crossing: entry.crossing & !RISING };
                }
            }
        }
    }

    #[test]
    fn new_rows_are_in_order_of_their_fractions() {
        let device = device();
        for n_rows in [vec![1], vec![2, 3], vec![60, 0, 17]] {
            let (mut lists, old, _) = scanned(Lists::new(&n_rows, 500).ranked());
            lists.entries.iter_mut().step_by(2).for_each(|e| e.crossing |= RISING);
            let on_device = |lists: &Lists| {
                let buffers: [&[u32]; 4] =
                    [&lists.n_entries, &words(&lists.intervals), &words(&lists.entries), &words(&old)];
                let groups = [lists.step.rows_out.div_ceil(64), 1, lists.n_rows.len() as u32];
                let [_, _, _, sources] = run(&device, Stage::Place, &lists.step, groups, buffers);
                sources
            };
            let mut sources = old.clone();
            twin(&lists, &mut sources);
            // By bits: what stays dirty is NaN.
            assert_eq!(on_device(&lists), words(&sources), "{n_rows:?}");
            let ends = values::<Source>(&words(&sources)).iter().filter(|s| s.row & NEW != 0).count();
            if n_rows.len() > 1 {
                assert!(ends > 0);
                let leader = lists.entries.iter().position(|e| e.leads == 1).unwrap();
                lists.entries[leader].fraction *= 0.5;
                expect_difference(&words(&sources), &on_device(&lists), "a fraction");
            }
        }
    }
}
