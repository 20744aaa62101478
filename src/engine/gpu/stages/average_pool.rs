//! Means of windows. Twin: [`Affine::add_product`](crate::network::Affine).

use super::wgsl;

pub(super) const SOURCE: &str =
    wgsl!("shared/step", "shared/pieces", "shared/values", "shared/windows", "shared/each", "average_pool");

#[cfg(test)]
mod tests {
    use super::super::harness::device;
    use super::super::mapped::{Case, expect_agreement, windows};
    use crate::network::Affine;

    #[test]
    fn equals_the_definition_at_odd_sizes() {
        let device = device();
        for (windows, n_rows, activation) in [
            (windows(1, [1, 1], [1, 1], [1, 1], [0; 4]), vec![1], "identity"),
            (windows(3, [5, 7], [3, 2], [2, 1], [1, 2, 1, 0]), vec![0, 5, 64], "relu"),
            (windows(65, [2, 2], [2, 2], [2, 2], [0; 4]), vec![9, 1, 30], "hard-tanh"),
            (windows(2, [1, 9], [1, 4], [1, 3], [0, 0, 3, 1]), vec![33], "abs"),
        ] {
            expect_agreement(&device, Affine::AveragePool(windows), &n_rows, activation);
        }
    }

    #[test]
    fn parts_give_the_whole() {
        let device = device();
        let case = Case::new(Affine::AveragePool(windows(3, [6, 5], [5, 5], [1, 1], [0; 4])), &[7, 3], "abs");
        assert!(case.agrees(&case.run_parts(&device, &[(0, 7), (7, 24), (24, 25)], &[(0, 1)])));
        assert!(!case.agrees(&case.run_parts(&device, &[(0, 24)], &[(0, 1)])), "a value is missing");
    }
}
