//! Kinks of the outputs of maxout units.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!(
    "shared/step",
    "shared/rows",
    "shared/bits",
    "shared/groups",
    "shared/kinks",
    "shared/walk",
    "shared/selected",
    "maxout_kinks"
);

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::groups::largest_rows;
    use super::super::harness::device;
    use super::super::kinked::{Case, selected};
    use crate::network::{Grouping, pair_index};

    #[test]
    fn the_largest_row_passes_kinks() {
        let device = device();
        for (n_rows, units, [size, stride]) in [
            (vec![4], 1, [2, 1]),
            (vec![2, 0, 9], 3, [3, 1]),
            (vec![8, 5], 65, [2, 1]),
            (vec![9, 4], 12, [4, 3]),
            (vec![7], 35, [5, 7]),
        ] {
            let mut case = Case::new(&n_rows, [units * size, size, stride], units);
            let n_pairs = (size * (size - 1) / 2) as u32;
            case.enter(&[-1.0, 0.0, 1.0], |a, b| {
                let changes = largest_rows(a, b);
                let of_change = |w: &[(f64, usize)]| {
                    let (from, to) = (w[0].1.min(w[1].1), w[0].1.max(w[1].1));
                    (w[1].0 as f32, pair_index(size, from, to) as u32)
                };
                changes.windows(2).map(of_change).collect()
            });
            let grouping = Grouping { size, stride };
            let passes = |z: [&[f32]; 3], reached: &[bool], output: usize| {
                let side = |then: usize| {
                    let keys = |member: &usize| [1, then].map(|row| z[row][grouping.place(output, *member)]);
                    let best = (0..size)
                        .map(|member| keys(&member))
                        .fold([f32::MIN; 2], |best, keys| if keys > best { keys } else { best });
                    (0..size).find(|member| keys(member) == best).map(|member| grouping.place(output, member)).unwrap()
                };
                selected([side(0), side(2)], reached, z)
            };
            let crosses = |_: &[f32], _: f32, crossing: u32, output: usize| crossing / n_pairs == output as u32;
            case.check(
                &device,
                Stage::MaxoutKinks,
                None,
                passes,
                crosses,
                &format!("{n_rows:?} {units} {size} {stride}"),
            );
        }
    }
}
