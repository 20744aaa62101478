//! Convolutions. Twin: [`Affine::add_product`](crate::network::Affine).

use super::wgsl;

pub(super) const SOURCE: &str =
    wgsl!("shared/step", "shared/pieces", "shared/values", "shared/windows", "shared/tile", "convolution");

#[cfg(test)]
mod tests {
    use super::super::harness::device;
    use super::super::mapped::{Case, expect_agreement, windows};
    use crate::network::{Affine, Convolution, Windows};

    fn case(windows: Windows, filters: usize, groups: usize, n_rows: &[u32], activation: &str) -> Case {
        Case::new(Affine::Convolution(Convolution { windows, filters, groups }), n_rows, activation)
    }

    #[test]
    fn equals_the_definition_at_odd_sizes() {
        let device = device();
        for (windows, filters, groups, n_rows, activation) in [
            (windows(1, [1, 1], [1, 1], [1, 1], [0; 4]), 1, 1, vec![1], "identity"),
            (windows(2, [4, 5], [3, 2], [1, 1], [1, 1, 1, 1]), 3, 1, vec![0, 5, 64], "relu"),
            (windows(4, [5, 7], [3, 3], [2, 3], [0, 2, 1, 0]), 6, 2, vec![9, 1, 30], "hard-tanh"),
            (windows(3, [1, 9], [1, 4], [1, 2], [0, 0, 3, 3]), 3, 3, vec![33], "leaky-relu:0.1"),
            (windows(2, [6, 6], [1, 1], [2, 2], [0; 4]), 65, 1, vec![2, 2, 2], "soft-threshold:0.5"),
            (windows(6, [9, 3], [2, 3], [1, 1], [1, 0, 2, 0]), 70, 2, vec![3, 8], "abs"),
        ] {
            let map = Affine::Convolution(Convolution { windows, filters, groups });
            expect_agreement(&device, map, &n_rows, activation);
        }
    }

    #[test]
    fn parts_give_the_whole() {
        let device = device();
        // Patches of 45 values, 12 of each row.
        let windows = windows(5, [4, 3], [3, 3], [1, 1], [1, 1, 1, 1]);
        let case = case(windows, 9, 1, &[30, 17], "abs");
        let z = case.run_parts(&device, &[(0, 16), (16, 32), (32, 45)], &[(0, 1), (128, 2)]);
        assert!(case.agrees(&z));
        assert!(!case.agrees(&case.run_parts(&device, &[(0, 32)], &[(0, 3)])), "values are missing");
        assert!(!case.agrees(&case.run_parts(&device, &[(0, 45)], &[(0, 2)])), "patches are missing");
    }

    #[test]
    fn derivatives_have_no_bias() {
        let device = device();
        let mut case = case(windows(2, [3, 3], [2, 2], [1, 1], [0; 4]), 5, 1, &[30, 18], "identity");
        case.step.pairs = 1;
        let z = case.run(&device);
        assert!(case.agrees(&z));
        case.step.pairs = 0;
        assert!(!case.agrees(&z), "values have");
    }

    #[test]
    fn wrong_weights_and_windows_are_noticed() {
        let device = device();
        let on = |windows: Windows| case(windows, 6, 2, &[3, 20], "relu");
        let case = on(windows(4, [4, 4], [3, 3], [1, 1], [0, 2, 1, 1]));
        let mut wrong = on(windows(4, [4, 4], [3, 3], [1, 1], [0, 2, 1, 1]));
        wrong.weights[wrong.step.weights_base as usize + 57] *= 1.0001;
        assert!(!case.agrees(&wrong.run(&device)));
        assert!(!case.agrees(&on(windows(4, [4, 4], [3, 3], [1, 1], [2, 0, 1, 1])).run(&device)), "padding");
    }
}
