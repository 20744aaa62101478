//! Pairs of sorted groups that changed order between grid points.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!(
    "shared/step",
    "shared/range",
    "shared/rows",
    "shared/groups",
    "shared/order",
    "shared/changes",
    "sort_flips"
);

#[cfg(test)]
pub(super) mod tests {
    use super::super::Stage;
    use super::super::groups::{Case, Grid};
    use super::super::harness::{DIRT, device, expect_difference};
    use crate::engine::gpu::step::FAILED;
    use crate::network::pairs;

    /// Paths of groups whose pairs were seen in an order before, 1 for the second above, or not.
    pub(in super::super) fn grid(n_rows: &[u32], groups: u32, [size, stride]: [u32; 2], layer: u32) -> Grid {
        Grid::new(Case::new(n_rows, groups, [size, stride], false), layer, size * (size - 1) / 2, -1..2)
    }

    /// A pair is compared where its values differ.
    pub(in super::super) fn flips(z: &[f32], known: &mut [i32]) -> u32 {
        let of_pair = |((i, j), known): ((usize, usize), &mut i32)| {
            if z[i] == z[j] {
                return 0;
            }
            let now = if z[j] > z[i] { 1 } else { -1 };
            u32::from(std::mem::replace(known, now) == -now)
        };
        pairs(z.len()).zip(known).map(of_pair).sum()
    }

    #[test]
    fn finds_what_a_walk_finds_at_odd_sizes() {
        let device = device();
        for (n_rows, groups, [size, stride], layer) in [
            (vec![1], 1, [2, 1], 0),
            (vec![0, 9, 30], 3, [3, 1], 1),
            (vec![20, 2], 65, [2, 1], 0),
            (vec![7, 40], 17, [5, 1], 1),
            (vec![3], 130, [4, 1], 1),
            (vec![9, 2], 12, [3, 4], 0),
            (vec![7, 40], 35, [5, 7], 1),
        ] {
            let mut grid = grid(&n_rows, groups, [size, stride], layer);
            let (flags, results, _) = grid.twin(flips);
            let place = format!("{n_rows:?} {groups} {size} {stride}");
            assert_eq!(grid.flips(&device, Stage::SortFlips), (flags, results.clone()), "{place}");
            if n_rows.len() > 1 {
                grid.case.z.iter_mut().step_by(3).for_each(|z| *z = 0.5 - *z);
                expect_difference(&results, &grid.flips(&device, Stage::SortFlips).1, "pre-activations");
            }
        }
        let mut grid = grid(&[2, 2], 3, [2, 1], 1);
        grid.case.z[5] = f32::from_bits(DIRT);
        assert_eq!(grid.flips(&device, Stage::SortFlips).1[FAILED], 1);
    }
}
