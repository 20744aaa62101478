//! Changes of order in sorted groups.

use super::wgsl;

pub(super) const SOURCE: &str =
    wgsl!("shared/step", "shared/range", "shared/rows", "shared/groups", "shared/search", "sort_crossings");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::groups::{Case, agree};
    use super::super::harness::device;
    use crate::engine::gpu::step::{FAILED, RESULT_HEAD};
    use crate::network::pairs;

    /// The rows of a group from the highest to the lowest along the interval from `a` to `b`, close to `a`.
    fn order(a: &[f32], b: &[f32]) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..a.len()).collect();
        rows.sort_by(|&i, &j| a[j].total_cmp(&a[i]).then(b[j].total_cmp(&b[i])));
        rows
    }

    /// Of one group, from the values at the row before, at the row, and at the next: the pairs that are in another order.
    fn changes([before, here, after]: [Option<&[f32]>; 3]) -> Vec<(f32, usize, usize)> {
        let (Some(here), Some(after)) = (here, after) else { return Vec::new() };
        let exchanged = |from: &[usize], to: &[usize]| -> Vec<(usize, usize)> {
            let place = |order: &[usize], row: usize| order.iter().position(|&r| r == row).unwrap();
            let upper = |order: &[usize], (i, j)| if place(order, i) < place(order, j) { i } else { j };
            let of_pair = |pair: (usize, usize)| (upper(from, pair), upper(to, pair));
            pairs(here.len()).map(of_pair).filter(|(from, to)| from != to).collect()
        };
        let inside = exchanged(&order(here, after), &order(after, here)).into_iter().map(|(from, to)| {
            let (at_here, at_after) = (here[from] - here[to], after[to] - after[from]);
            (at_here / (at_here + at_after), from, to)
        });
        let at_row = before.map_or(Vec::new(), |before| exchanged(&order(here, before), &order(here, after)));
        inside.chain(at_row.into_iter().map(|(from, to)| (-1.0, from, to))).collect()
    }

    #[test]
    fn finds_what_the_definition_says_at_odd_sizes() {
        let device = device();
        let (mut inside, mut at_rows) = (0, 0);
        for (n_rows, groups, [size, stride], spread) in [
            (vec![1], 1, [2, 1], false),
            (vec![0, 2, 9], 3, [2, 1], false),
            (vec![20, 1], 65, [2, 1], false),
            (vec![7, 8, 2], 17, [3, 1], false),
            (vec![5, 12], 9, [5, 1], false),
            (vec![12], 3, [7, 1], true),
            (vec![4, 6], 70, [3, 1], true),
            (vec![2], 1, [33, 1], true),
            (vec![9, 2], 12, [3, 4], false),
            (vec![7], 21, [5, 7], true),
            (vec![0, 4], 130, [2, 65], true),
        ] {
            let mut case = Case::new(&n_rows, groups, [size, stride], spread);
            let (found, twin) = (case.search(&device, Stage::SortCrossings), case.twin(changes));
            assert!(agree(&twin, &found), "{n_rows:?} {groups} {size} {stride}: {found:?} {twin:?}");
            inside += twin.inside.iter().filter(|&&n| n < 1 << 20).sum::<u32>();
            at_rows += twin.flags.iter().sum::<u32>();
            if n_rows.len() > 1 {
                case.z.iter_mut().step_by(5).for_each(|z| *z = 0.5 - *z);
                assert!(!agree(&twin, &case.search(&device, Stage::SortCrossings)), "other pre-activations");
            }
        }
        assert!(inside > 100 && at_rows > 20, "{inside} {at_rows}");
    }

    #[test]
    fn values_out_of_range_are_reported() {
        let device = device();
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.25 * f32::MAX] {
            // The last row has no interval after it, but counts.
            for at in [0, 11] {
                let mut case = Case::new(&[2, 2], 2, [3, 1], true);
                case.z[at] = bad;
                let results = case.search(&device, Stage::SortCrossings).results;
                assert_eq!((results[FAILED], results[RESULT_HEAD + 3 + FAILED]), (2, 0), "{bad} at {at}");
            }
        }
    }

    /// A list that is too short loses crossings, but not their number.
    #[test]
    fn more_crossings_than_room_are_counted() {
        let mut case = Case::new(&[30], 20, [3, 1], true);
        case.step.rows_out = 7;
        let found = case.search(&device(), Stage::SortCrossings);
        assert_eq!((found.crossings[0].len(), &found.results), (7, &case.twin(changes).results));
    }
}
