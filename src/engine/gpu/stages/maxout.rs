//! Outputs of maxout units.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "maxout");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::groups::Case;
    use super::super::harness::{device, expect_difference};

    #[test]
    fn takes_the_largest_value_with_its_derivative() {
        let device = device();
        for (n_rows, units, rank, spread) in
            [(vec![2], 1, 2, false), (vec![0, 10, 66], 7, 3, false), (vec![14, 2], 65, 5, true), (vec![6], 3, 64, true)]
        {
            for with_derivatives in [0, 1] {
                let mut case = Case::new(&n_rows, units, rank, spread);
                case.step.pairs = with_derivatives;
                let twin = case.outputs_twin(units, |z| {
                    let largest = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    vec![z.iter().position(|&z| z == largest).unwrap()]
                });
                let place = format!("{n_rows:?} {units} {rank}");
                assert_eq!(case.outputs(&device, Stage::Maxout, units), twin, "{place}");
                case.z.iter_mut().for_each(|z| *z = -2.0 * *z + 1.0);
                expect_difference(&case.outputs(&device, Stage::Maxout, units), &twin, &place);
            }
        }
    }
}
