//! Where rows go when new ones are inserted.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/rows", "scan");

#[cfg(test)]
pub(super) mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, expect_difference, run, values, words};
    use super::super::rank::tests::Lists;
    use crate::engine::gpu::device::Device;
    use crate::engine::gpu::step::{FAILED, Interval, NEEDED, NO_CROSSING, RESULT_HEAD, Source};

    /// Lists with the rows' places, and the sources of old rows; the others dirty.
    pub(in super::super) fn scanned(mut lists: Lists) -> (Lists, Vec<Source>, Vec<u32>) {
        let dirty = Source { row: DIRT, fraction: f32::from_bits(DIRT), crossing: DIRT };
        let mut sources = vec![dirty; lists.n_rows.len() * lists.step.rows_out as usize];
        let mut n_rows_out = Vec::new();
        for (path, &n) in lists.n_rows.iter().enumerate() {
            let mut next = 0;
            for row in 0..n {
                let interval = &mut lists.intervals[path * lists.step.rows_in as usize + row as usize];
                interval.new_row = next;
                sources[path * lists.step.rows_out as usize + next as usize] =
                    Source { row, fraction: 0.0, crossing: NO_CROSSING };
                next += 1 + interval.n_new;
            }
            n_rows_out.push(next);
        }
        (lists, sources, n_rows_out)
    }

    const STRIDE: usize = RESULT_HEAD + 1;

    fn on_device(device: &Device, lists: &Lists, results: &[u32]) -> (Vec<u32>, Vec<u32>, Vec<u32>, Vec<u32>) {
        let (n_paths, rows_out) = (lists.n_rows.len() as u32, lists.step.rows_out);
        let sources = vec![DIRT; 3 * (n_paths * rows_out) as usize];
        let dirty = vec![DIRT; n_paths as usize];
        let buffers: [&[u32]; 6] =
            [&lists.n_rows, &lists.n_entries, &words(&lists.intervals), &sources, &dirty, results];
        let [_, _, intervals, sources, n_rows_out, results] =
            run(device, Stage::Scan, &lists.step, [1, 1, n_paths], buffers);
        (intervals, sources, n_rows_out, results)
    }

    #[test]
    fn rows_keep_their_order_and_leave_room() {
        let device = device();
        // More rows than the workgroup has invocations, too.
        for n_rows in [vec![1], vec![255, 256], vec![257, 0, 700]] {
            let lists = Lists::new(&n_rows, 4000).ranked();
            let (intervals, sources, n_rows_out, results) = on_device(&device, &lists, &vec![0; STRIDE * n_rows.len()]);
            let (twin, twin_sources, twin_rows) = scanned(lists);
            assert_eq!(values::<Interval>(&intervals), twin.intervals, "{n_rows:?}");
            assert_eq!(sources, words(&twin_sources), "{n_rows:?}");
            assert_eq!(n_rows_out, twin_rows, "{n_rows:?}");
            assert!(results.iter().all(|&r| r == 0));
            if n_rows.len() > 1 {
                let mut wrong = Lists::new(&n_rows, 4000).ranked();
                wrong.intervals[3].n_new += 1;
                let found = on_device(&device, &wrong, &vec![0; STRIDE * n_rows.len()]);
                expect_difference(&twin_rows, &found.2, "a number of new rows");
            }
        }
    }

    #[test]
    fn a_path_without_room_or_result_goes_no_further() {
        let device = device();
        let mut lists = Lists::new(&[10, 20, 30], 4000).ranked();
        let mut results = vec![0; 3 * STRIDE];
        results[STRIDE + FAILED] = 1;
        lists.n_entries[2] = 3990;
        let (_, _, n_rows_out, results) = on_device(&device, &lists, &results);
        assert!(n_rows_out[0] >= 10 && n_rows_out[1] == 0 && n_rows_out[2] == 0, "{n_rows_out:?}");
        assert_eq!((results[NEEDED], results[2 * STRIDE + NEEDED]), (0, 4020));
    }
}
