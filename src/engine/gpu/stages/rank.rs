//! Which crossings lead.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/rows", "rank");

#[cfg(test)]
pub(super) mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, dice, expect_difference, run, values, words};
    use crate::engine::gpu::step::{Entry, Interval, Step};

    /// The lists of two paths with three crossings at a time at few fractions, in no order, and some at rows.
    pub(in super::super) struct Lists {
        pub(in super::super) step: Step,
        pub(in super::super) n_rows: Vec<u32>,
        pub(in super::super) n_entries: Vec<u32>,
        pub(in super::super) intervals: Vec<Interval>,
        pub(in super::super) entries: Vec<Entry>,
    }

    impl Lists {
        pub(in super::super) fn new(n_rows: &[u32], room: u32) -> Self {
            let rows_in = n_rows.iter().max().unwrap() + 2;
            let step = Step { rows_in, rows_out: room, n_layers: 1, ..Step::default() };
            let mut die = dice(u64::from(room));
            let mut lists = Self {
                step,
                n_rows: n_rows.to_vec(),
                n_entries: Vec::new(),
                intervals: Vec::new(),
                entries: Vec::new(),
            };
            for &n in n_rows {
                let mut intervals = vec![Interval { new_row: DIRT, ..Interval::default() }; rows_in as usize];
                let mut entries: Vec<Entry> = Vec::new();
                // Groups come in the order in which workgroups happen to finish.
                for row in (0..n).rev() {
                    let inside = if row + 1 < n { die(6) } else { 0 };
                    let at_row = die(2);
                    let first_entry = if inside + at_row == 0 { 0 } else { entries.len() as u32 };
                    intervals[row as usize] = Interval { first_entry, n_entries: inside, n_new: 0, new_row: 0 };
                    for ix in 0..inside + at_row {
                        let fraction = if ix < inside { (die(4) + 1) as f32 / 8.0 } else { -1.0 };
                        entries.push(Entry { fraction, row, crossing: die(100), leads: 0 });
                    }
                }
                lists.n_entries.push(entries.len() as u32);
                assert!(entries.len() <= room as usize, "the test's lists fit");
                entries.resize(room as usize, Entry { fraction: 0.5, row: 0, crossing: DIRT, leads: 0 });
                lists.intervals.extend(intervals);
                lists.entries.extend(entries);
            }
            lists
        }

        /// The same after this stage.
        pub(in super::super) fn ranked(mut self) -> Self {
            for path in 0..self.n_rows.len() {
                let base = path * self.step.rows_out as usize;
                let all = &mut self.entries[base..][..self.n_entries[path] as usize];
                for ix in 0..all.len() {
                    let Entry { fraction, row, .. } = all[ix];
                    let is_first = !all[..ix].iter().any(|e| e.row == row && e.fraction == fraction);
                    if fraction >= 0.0 && is_first {
                        all[ix].leads = 1;
                        self.intervals[path * self.step.rows_in as usize + row as usize].n_new += 1;
                    }
                }
            }
            self
        }
    }

    #[test]
    fn one_of_equals_leads() {
        let device = device();
        for n_rows in [vec![1], vec![2, 3], vec![40, 0, 17]] {
            let on_device = |lists: &Lists| {
                let buffers: [&[u32]; 3] = [&lists.n_entries.clone(), &words(&lists.intervals), &words(&lists.entries)];
                let groups = [lists.step.rows_out.div_ceil(64), 1, lists.n_rows.len() as u32];
                let [_, intervals, entries] = run(&device, Stage::Rank, &lists.step, groups, buffers);
                (intervals, entries)
            };
            let lists = Lists::new(&n_rows, 300);
            let (intervals, entries) = on_device(&lists);
            let twin = lists.ranked();
            assert_eq!(values::<Interval>(&intervals), twin.intervals, "{n_rows:?}");
            assert_eq!(values::<Entry>(&entries), twin.entries, "{n_rows:?}");
            if n_rows.len() > 1 {
                let mut wrong = Lists::new(&n_rows, 300);
                let inside = wrong.entries.iter().position(|e| e.fraction > 0.0 && e.crossing != DIRT).unwrap();
                wrong.entries[inside].fraction = 0.99;
                expect_difference(&words(&twin.entries), &on_device(&wrong).1, "a fraction");
            }
        }
    }
}
