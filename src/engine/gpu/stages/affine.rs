//! Dense maps. Twin: [`Affine::add_product`](crate::network::Affine).

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "shared/values", "shared/tile", "affine");

#[cfg(test)]
mod tests {
    use super::super::harness::device;
    use super::super::mapped::{Case, expect_agreement};
    use crate::network::Affine;

    fn case(n_rows: &[u32], inputs: usize, units: usize, activation: &str) -> Case {
        Case::new(Affine::Dense { inputs, units }, n_rows, activation)
    }

    #[test]
    fn equals_the_plain_sum_at_odd_sizes() {
        let device = device();
        for (n_rows, inputs, units, activation) in [
            (vec![1], 1, 1, "identity"),
            (vec![0, 5, 64], 3, 7, "relu"),
            (vec![65, 9, 1, 130], 17, 65, "hard-tanh"),
            (vec![2, 2, 2], 16, 64, "leaky-relu:0.1"),
            (vec![33], 100, 130, "soft-threshold:0.5"),
        ] {
            expect_agreement(&device, Affine::Dense { inputs, units }, &n_rows, activation);
        }
    }

    #[test]
    fn parts_give_the_whole() {
        let device = device();
        let case = case(&[130, 70], 50, 9, "abs");
        let z = case.run_parts(&device, &[(0, 16), (16, 48), (48, 50)], &[(0, 1), (64, 2)]);
        assert!(case.agrees(&z));
        assert!(!case.agrees(&case.run_parts(&device, &[(0, 16), (16, 48)], &[(0, 3)])), "inputs are missing");
        assert!(!case.agrees(&case.run_parts(&device, &[(0, 50)], &[(0, 2)])), "rows are missing");
    }

    #[test]
    fn derivatives_have_no_bias() {
        let device = device();
        let mut case = case(&[130, 70], 50, 9, "identity");
        case.step.pairs = 1;
        assert!(case.agrees(&case.run(&device)));
        let z = case.run_parts(&device, &[(0, 16), (16, 50)], &[(0, 1), (64, 2)]);
        assert!(case.agrees(&z), "in parts");
        case.step.pairs = 0;
        assert!(!case.agrees(&z), "values have");
    }

    #[test]
    fn a_wrong_weight_is_noticed() {
        let device = device();
        let case = self::case(&[3, 70], 20, 11, "relu");
        let mut wrong = self::case(&[3, 70], 20, 11, "relu");
        wrong.weights[57] *= 1.0001;
        assert!(!case.agrees(&wrong.run(&device)));
    }
}
