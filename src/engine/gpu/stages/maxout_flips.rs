//! Maxout units whose largest row changed between grid points.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!(
    "shared/step",
    "shared/range",
    "shared/rows",
    "shared/groups",
    "shared/lead",
    "shared/changes",
    "maxout_flips"
);

#[cfg(test)]
pub(super) mod tests {
    use super::super::Stage;
    use super::super::groups::{Case, Grid};
    use super::super::harness::{DIRT, device, expect_difference};
    use crate::engine::gpu::step::FAILED;

    /// Paths of units whose largest row, from 1, was seen before or not.
    pub(in super::super) fn grid(n_rows: &[u32], units: u32, [rank, stride]: [u32; 2], layer: u32) -> Grid {
        Grid::new(Case::new(n_rows, units, [rank, stride], false), layer, 1, 0..rank as i32 + 1)
    }

    /// A unit is compared where one row is alone the largest.
    pub(in super::super) fn flips(z: &[f32], known: &mut [i32]) -> u32 {
        let largest = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let rows: Vec<i32> = (1..).zip(z).filter(|(_, z)| **z == largest).map(|(row, _)| row).collect();
        let &[row] = rows.as_slice() else { return 0 };
        let before = std::mem::replace(&mut known[0], row);
        u32::from(before != 0 && before != row)
    }

    #[test]
    fn finds_what_a_walk_finds_at_odd_sizes() {
        let device = device();
        for (n_rows, units, [rank, stride], layer) in [
            (vec![1], 1, [2, 1], 0),
            (vec![0, 9, 30], 3, [3, 1], 1),
            (vec![20, 2], 65, [2, 1], 0),
            (vec![7, 40], 17, [5, 1], 1),
            (vec![3], 130, [4, 1], 1),
            (vec![9, 2], 12, [3, 4], 0),
            (vec![7, 40], 35, [5, 7], 1),
        ] {
            let mut grid = grid(&n_rows, units, [rank, stride], layer);
            let (flags, results, _) = grid.twin(flips);
            let place = format!("{n_rows:?} {units} {rank} {stride}");
            assert_eq!(grid.flips(&device, Stage::MaxoutFlips), (flags, results.clone()), "{place}");
            if n_rows.len() > 1 {
                grid.case.z.iter_mut().step_by(3).for_each(|z| *z = 0.5 - *z);
                expect_difference(&results, &grid.flips(&device, Stage::MaxoutFlips).1, "pre-activations");
            }
        }
        let mut grid = grid(&[2, 2], 3, [2, 1], 1);
        grid.case.z[5] = f32::from_bits(DIRT);
        assert_eq!(grid.flips(&device, Stage::MaxoutFlips).1[FAILED], 1);
    }
}
