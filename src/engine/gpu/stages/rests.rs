//! What pre-activations leave open of their derivatives. Twin: [`Affine::add_product`](crate::network::Affine) of squares.

use super::wgsl;

pub(super) const SOURCE: &str =
    wgsl!("shared/step", "shared/windows", "shared/sums", "shared/kac_rice", "shared/seen", "rests");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::device;
    use super::super::seen::{Case, cases, last};

    /// Whether the device has the twin's sums, given the moments before, but for rounding, and nothing else.
    fn agrees(case: &Case, before: &[u32], after: &[u32]) -> bool {
        let drift = |at: usize| match [0, 1].map(|order| f64::from(f32::from_bits(before[at + order]))) {
            [0.0, _] => 0.0,
            [square, product] => product / square,
        };
        let [unit, bias] = case.unit();
        let mut expected: Vec<Option<(f64, f64)>> = vec![None; before.len()];
        let sums =
            case.twin(drift, |h, dh, drift| [dh - drift * h, dh.abs() + (drift * h).abs()].map(|rest| rest * rest));
        for (at, [sum, size]) in sums {
            let bias = drift(at).powi(2) * bias;
            expected[at + 2] = Some((sum / unit + bias, size / unit + bias));
        }
        expected.iter().zip(before.iter().zip(after)).all(|(expected, (before, &bits))| match expected {
            Some((sum, size)) => (f64::from(f32::from_bits(bits)) - sum).abs() <= 1e-5 * size,
            None => bits == *before,
        })
    }

    #[test]
    fn are_those_of_all_that_units_see_at_odd_sizes() {
        let device = device();
        for (layer, n_rows) in cases() {
            for bias_variance in [0.0, 0.1, 2.0] {
                let mut case = Case::new(&layer, &n_rows, bias_variance);
                let before = case.run(&device, Stage::Squares, case.moments());
                let after = case.run(&device, Stage::Rests, before.clone());
                assert!(agrees(&case, &before, &after), "{layer:?} {n_rows:?} {bias_variance}");
                let last = case.x.len() - 1;
                let network = n_rows.iter().position(|&n| n > 0).unwrap();
                let values = case.x[last].len() / n_rows.len() * network + 2;
                case.x[last][values] += 0.5;
                // One value explains all of its derivative.
                let is_exact = layer.affine.inputs() == 1 && bias_variance == 0.0;
                assert!(is_exact || !agrees(&case, &before, &after), "{layer:?} {n_rows:?}: another value");
            }
        }
    }

    /// Where all is silent nothing has a drift.
    #[test]
    fn nothing_is_left_open_of_nothing() {
        let mut case = Case::new(&last("7-5-5+"), &[4], 0.0);
        case.x.iter_mut().flatten().for_each(|x| *x = 0.0);
        let device = device();
        let moments = case.run(&device, Stage::Squares, case.moments());
        let moments = case.run(&device, Stage::Rests, moments);
        assert_eq!(moments[..6], [0; 6]);
    }
}
