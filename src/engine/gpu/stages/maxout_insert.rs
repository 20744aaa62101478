//! Rows of maxout layers after insertion.

use super::wgsl;

pub(super) const SOURCE: &str =
    wgsl!("shared/step", "shared/rows", "shared/groups", "shared/walk", "shared/refine", "maxout_insert");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::groups::{Case, Insertion, largest_rows};
    use super::super::harness::device;

    fn meetings(a: &[f32], b: &[f32]) -> Vec<(f32, usize, usize)> {
        largest_rows(a, b).windows(2).map(|w| (w[1].0 as f32, w[0].1.min(w[1].1), w[0].1.max(w[1].1))).collect()
    }

    #[test]
    fn makes_rows_and_flags_at_odd_sizes() {
        let device = device();
        for (n_rows, units, [rank, stride], spread) in [
            (vec![1], 1, [2, 1], false),
            (vec![2, 0, 9], 2, [2, 1], true),
            (vec![8, 5], 65, [3, 1], true),
            (vec![12, 3], 3, [5, 1], true),
            (vec![40], 4, [3, 1], false),
            (vec![6], 1, [33, 1], true),
            (vec![9, 2], 12, [3, 4], true),
            (vec![7], 35, [5, 7], true),
        ] {
            let mut insertion = Insertion::new(Case::new(&n_rows, units, [rank, stride], spread), meetings);
            let twin = insertion.twin(|z, source, _, a, b| {
                let here = meetings(a, b).into_iter().find(|(fraction, ..)| (fraction - source.fraction).abs() < 1e-6);
                if let Some((_, i, j)) = here {
                    z[j] = z[i];
                }
            });
            insertion.check(&device, Stage::MaxoutInsert, &twin, &format!("{n_rows:?} {units} {rank} {stride}"));
        }
    }
}
