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
        for (n_rows, groups, size) in [(vec![1], 1, 2), (vec![0, 3, 1], 70, 3), (vec![5], 9, 5)] {
            let mut grid = grid(&n_rows, groups, size, 1);
            let twin = grid.twin(flips).2;
            assert_eq!(grid.remembered(&device, Stage::SortSides), twin, "{n_rows:?} {groups} {size}");
            if groups > 1 {
                grid.case.z.iter_mut().for_each(|z| *z = -*z);
                assert_ne!(grid.remembered(&device, Stage::SortSides), twin, "other pre-activations");
            }
        }
    }
}
