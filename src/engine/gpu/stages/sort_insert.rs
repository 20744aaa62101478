//! Rows of sorted groups after insertion.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/rows", "shared/groups", "shared/refine", "sort_insert");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::groups::{Case, Insertion};
    use super::super::harness::device;
    use crate::network::pairs;

    fn meetings(a: &[f32], b: &[f32]) -> Vec<(f32, usize, usize)> {
        let meet = |&(i, j): &(usize, usize)| (a[i] > a[j] && b[i] < b[j]) || (a[i] < a[j] && b[i] > b[j]);
        let meeting = |(i, j): (usize, usize)| ((a[i] - a[j]) / ((a[i] - a[j]) + (b[j] - b[i])), i, j);
        pairs(a.len()).filter(meet).map(meeting).collect()
    }

    #[test]
    fn makes_rows_and_flags_at_odd_sizes() {
        let device = device();
        let mut together = 0;
        for (n_rows, groups, [size, stride], spread) in [
            (vec![1], 1, [2, 1], false),
            (vec![2, 0, 9], 2, [2, 1], true),
            (vec![8, 5], 65, [3, 1], true),
            (vec![12, 3], 3, [5, 1], true),
            (vec![40], 4, [4, 1], false),
            (vec![6], 1, [33, 1], true),
            (vec![9, 2], 12, [3, 4], true),
            (vec![7], 35, [5, 7], true),
        ] {
            let mut insertion = Insertion::new(Case::new(&n_rows, groups, [size, stride], spread), meetings);
            let several = std::cell::Cell::new(0);
            let twin = insertion.twin(|z, source, _, a, b| {
                // One after the other, in the order of the pairs.
                let here = meetings(a, b).into_iter().filter(|(fraction, ..)| *fraction == source.fraction);
                let n = here.map(|(_, i, j)| z[j] = z[i]).count();
                several.set(several.get() + usize::from(n > 1));
            });
            insertion.check(&device, Stage::SortInsert, &twin, &format!("{n_rows:?} {groups} {size} {stride}"));
            together += several.get();
        }
        assert!(together > 10, "pairs of a group that meet together: {together}");
    }
}
