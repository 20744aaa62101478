//! The rows that maxout units were last seen on.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/groups", "shared/lead", "shared/remember", "maxout_sides");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::device;
    use super::super::maxout_flips::tests::{flips, grid};

    #[test]
    fn remembers_what_a_walk_remembers() {
        let device = device();
        for (n_rows, units, [rank, stride]) in [
            (vec![1], 1, [2, 1]),
            (vec![0, 3, 1], 70, [3, 1]),
            (vec![5], 9, [5, 1]),
            (vec![5], 12, [3, 4]),
            (vec![0, 3, 1], 130, [2, 65]),
        ] {
            let mut grid = grid(&n_rows, units, [rank, stride], 1);
            let twin = grid.twin(flips).2;
            assert_eq!(grid.remembered(&device, Stage::MaxoutSides), twin, "{n_rows:?} {units} {rank} {stride}");
            if units > 1 {
                grid.case.z.iter_mut().for_each(|z| *z = -*z);
                assert_ne!(grid.remembered(&device, Stage::MaxoutSides), twin, "other pre-activations");
            }
        }
    }
}
