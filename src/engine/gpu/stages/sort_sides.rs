//! The orders that pairs of sorted groups were last seen in.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/groups", "shared/order", "shared/remember", "sort_sides");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::device;
    use super::super::sort_flips::tests::{flips, grid};

    #[test]
    fn remembers_what_a_walk_remembers() {
        let device = device();
        for (n_rows, groups, [size, stride]) in [
            (vec![1], 1, [2, 1]),
            (vec![0, 3, 1], 70, [3, 1]),
            (vec![5], 9, [5, 1]),
            (vec![5], 12, [3, 4]),
            (vec![0, 3, 1], 130, [2, 65]),
        ] {
            let mut grid = grid(&n_rows, groups, [size, stride], 1);
            let twin = grid.twin(flips).2;
            assert_eq!(grid.remembered(&device, Stage::SortSides), twin, "{n_rows:?} {groups} {size} {stride}");
            if groups > 1 {
                grid.case.z.iter_mut().for_each(|z| *z = -*z);
                assert_ne!(grid.remembered(&device, Stage::SortSides), twin, "other pre-activations");
            }
        }
    }
}
