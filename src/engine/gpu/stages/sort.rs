//! Outputs of sorted groups.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/groups", "shared/outputs", "shared/each", "sort");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::groups::Case;
    use super::super::harness::{device, expect_difference};

    #[test]
    fn sorts_values_with_their_derivatives() {
        let device = device();
        for (n_rows, groups, [size, stride], spread) in [
            (vec![2], 1, [2, 1], false),
            (vec![0, 10, 66], 7, [3, 1], false),
            (vec![14, 2], 65, [5, 1], true),
            (vec![6], 3, [64, 1], true),
            (vec![4], 3, [2, 3], false),
            (vec![0, 10, 66], 12, [3, 4], true),
            (vec![9, 2], 35, [5, 7], true),
        ] {
            for with_derivatives in [0, 1] {
                let mut case = Case::new(&n_rows, groups, [size, stride], spread);
                case.step.pairs = with_derivatives;
                let twin = case.outputs_twin(case.step.units, |z| {
                    let mut order: Vec<usize> = (0..z.len()).collect();
                    order.sort_by(|&i, &j| z[j].total_cmp(&z[i]));
                    order
                });
                let place = format!("{n_rows:?} {groups} {size} {stride}");
                assert_eq!(case.outputs(&device, Stage::Sort, case.step.units), twin, "{place}");
                if stride > 1 {
                    case.step.group_stride = 1;
                    expect_difference(&case.outputs(&device, Stage::Sort, case.step.units), &twin, "neighbours");
                    case.step.group_stride = stride;
                }
                case.z.iter_mut().for_each(|z| *z = -2.0 * *z + 1.0);
                expect_difference(&case.outputs(&device, Stage::Sort, case.step.units), &twin, &place);
            }
        }
    }
}
