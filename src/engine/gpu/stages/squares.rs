//! Second moments of pre-activations, given what they see. Twin: [`Affine::add_product`](crate::network::Affine) of squares.

use super::wgsl;

pub(super) const SOURCE: &str =
    wgsl!("shared/step", "shared/windows", "shared/sums", "shared/kac_rice", "shared/seen", "squares");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device};
    use super::super::seen::{Case, Term, cases};

    /// Whether the device has the twin's sums, of squares and of products, but for rounding, and nothing else.
    fn agrees(case: &Case, moments: &[u32]) -> bool {
        let terms: [Term; 2] = [|h, _, _| [h * h; 2], |h, dh, _| [h * dh, (h * dh).abs()]];
        let [unit, bias] = case.unit();
        let mut expected = vec![None; moments.len()];
        for (order, term) in terms.into_iter().enumerate() {
            for (at, [sum, size]) in case.twin(|_| 0.0, term) {
                let bias = if order == 0 { bias } else { 0.0 };
                expected[at + order] = Some((sum / unit + bias, size / unit + bias));
            }
        }
        expected.iter().zip(moments).all(|(expected, &bits)| match expected {
            Some((sum, size)) => (f64::from(f32::from_bits(bits)) - sum).abs() <= 1e-5 * size,
            None => bits == DIRT,
        })
    }

    #[test]
    fn are_those_of_all_that_units_see_at_odd_sizes() {
        let device = device();
        for (layer, n_rows) in cases() {
            for bias_variance in [0.0, 0.1, 2.0] {
                let mut case = Case::new(&layer, &n_rows, bias_variance);
                let moments = case.run(&device, Stage::Squares, case.moments());
                assert!(agrees(&case, &moments), "{layer:?} {n_rows:?} {bias_variance}");
                // The middle of the last map's first values is in some window.
                let last = case.x.len() - 1;
                let network = n_rows.iter().position(|&n| n > 0).unwrap();
                let values = case.x[last].len() / n_rows.len() * network + 2;
                case.x[last][values] += 0.5;
                assert!(!agrees(&case, &moments), "{layer:?} {n_rows:?}: another value");
            }
        }
    }
}
