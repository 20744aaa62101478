//! Values of windows. Twin: [`Affine::add_product`](crate::network::Affine).

use super::wgsl;

pub(super) const SOURCE: &str =
    wgsl!("shared/step", "shared/pieces", "shared/values", "shared/windows", "shared/each", "window_values");

#[cfg(test)]
mod tests {
    use super::super::harness::device;
    use super::super::mapped::{expect_agreement, windows};
    use crate::network::Affine;

    #[test]
    fn equals_the_definition_at_odd_sizes() {
        let device = device();
        for (windows, n_rows, activation) in [
            (windows(1, [1, 1], [1, 1], [1, 1], [0; 4]), vec![1], "identity"),
            (windows(3, [5, 7], [3, 2], [2, 1], [1, 2, 1, 0]), vec![0, 5, 64], "relu"),
            (windows(33, [2, 2], [2, 2], [2, 2], [0; 4]), vec![9, 1, 30], "hard-tanh"),
            (windows(2, [1, 9], [1, 4], [1, 3], [0, 0, 3, 1]), vec![33], "abs"),
            (windows(2, [3, 4], [3, 3], [1, 1], [2, 2, 2, 2]), vec![5], "identity"),
        ] {
            expect_agreement(&device, Affine::WindowValues(windows), &n_rows, activation);
        }
    }
}
