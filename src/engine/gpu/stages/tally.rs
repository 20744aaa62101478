//! Boundaries and knots from the flags of rows.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/rows", "tally");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, dice, expect_difference, run};
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::{BOUNDARIES, BOUNDARY, COINCIDENT, DEAD, KNOTS, RESULT_HEAD, Step};

    /// Walks along a path as the definition says: points are runs of coincident rows.
    fn twin(flags: &[u32]) -> (u32, u32) {
        let points: Vec<&[u32]> = flags.chunk_by(|_, next| next & COINCIDENT != 0).collect();
        let (mut boundaries, mut knots) = (0, 0);
        for (ix, point) in points.iter().enumerate() {
            if point.iter().all(|flag| flag & BOUNDARY == 0) {
                continue;
            }
            let dead_before = point[0] & DEAD != 0;
            let dead_after = points.get(ix + 1).map_or(dead_before, |next| next[0] & DEAD != 0);
            boundaries += 1;
            knots += u32::from(!(dead_before && dead_after));
        }
        (boundaries, knots)
    }

    #[test]
    fn counts_points_not_rows() {
        let device = device();
        let mut die = dice(1);
        let n_rows: [u32; 5] = [1, 0, 64, 65, 300];
        let step = Step { rows_in: 301, n_layers: 2, ..Step::default() };
        let mut flags: Vec<u32> = (0..5 * 301).map(|_| die(8)).collect();
        flags.iter_mut().step_by(301).for_each(|first| *first &= !COINCIDENT);
        // A long run of coincident rows.
        flags[4 * 301 + 100..][..90].fill(COINCIDENT);
        let stride = RESULT_HEAD + 2;
        let on_device = |flags: &[u32]| {
            let [x, y] = plan::groups(301usize.div_ceil(64), 2);
            let buffers: [&[u32]; 3] = [&n_rows, flags, &vec![0; 5 * stride]];
            let [_, _, results] = run(&device, Stage::Tally, &step, [x, y, 5], buffers);
            results
        };
        let mut expected = vec![0; 5 * stride];
        for (path, &n) in n_rows.iter().enumerate() {
            let (boundaries, knots) = twin(&flags[path * 301..][..n as usize]);
            expected[path * stride + BOUNDARIES] = boundaries;
            expected[path * stride + KNOTS] = knots;
        }
        assert_eq!(on_device(&flags), expected);
        assert!(expected[4 * stride + KNOTS] < expected[4 * stride + BOUNDARIES]);
        let boundary = (301 * 4..).find(|&ix| flags[ix] == BOUNDARY).unwrap();
        flags[boundary] = COINCIDENT;
        // Rows beyond the path's are of no account.
        flags[2 * 301 + 64..][..100].fill(DIRT);
        expect_difference(&expected, &on_device(&flags), "a flag");
    }
}
