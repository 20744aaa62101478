//! Changes of the largest row of maxout units.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!(
    "shared/step",
    "shared/range",
    "shared/rows",
    "shared/groups",
    "shared/walk",
    "shared/search",
    "maxout_crossings"
);

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::groups::{Case, agree, largest_rows};
    use super::super::harness::device;
    use crate::engine::gpu::layer::check;
    use crate::engine::gpu::step::{FAILED, RESULT_HEAD, RISING};
    use crate::network::Architecture;

    /// Of one unit, from the values at the row before, at the row, and at the next.
    fn changes([before, here, after]: [Option<&[f32]>; 3]) -> Vec<(f32, usize, usize)> {
        let (Some(here), Some(after)) = (here, after) else { return Vec::new() };
        let rows = largest_rows(here, after);
        let mut changes: Vec<_> = rows.windows(2).map(|w| (w[1].0 as f32, w[0].1, w[1].1)).collect();
        if let Some((_, last)) = before.and_then(|before| largest_rows(before, here).pop())
            && last != rows[0].1
        {
            changes.push((-1.0, last, rows[0].1));
        }
        changes
    }

    #[test]
    fn finds_what_the_definition_says_at_odd_sizes() {
        let device = device();
        let (mut inside, mut at_rows) = (0, 0);
        for (n_rows, units, [rank, stride], spread) in [
            (vec![1], 1, [2, 1], false),
            (vec![0, 2, 9], 3, [2, 1], false),
            (vec![20, 1], 65, [2, 1], false),
            (vec![7, 8, 2], 17, [3, 1], false),
            (vec![5, 30], 9, [5, 1], false),
            (vec![12], 3, [7, 1], true),
            (vec![4, 6], 70, [3, 1], true),
            (vec![3], 1, [64, 1], true),
            (vec![9, 2], 12, [3, 4], false),
            (vec![7], 35, [5, 7], true),
            (vec![0, 4], 130, [2, 65], true),
        ] {
            let mut case = Case::new(&n_rows, units, [rank, stride], spread);
            let (found, twin) = (case.search(&device, Stage::MaxoutCrossings), case.twin(changes));
            assert!(agree(&twin, &found), "{n_rows:?} {units} {rank} {stride}: {found:?} {twin:?}");
            inside += twin.inside.iter().filter(|&&n| n < 1 << 20).sum::<u32>();
            at_rows += twin.flags.iter().sum::<u32>();
            if n_rows.len() > 1 {
                case.z.iter_mut().step_by(5).for_each(|z| *z = 0.5 - *z);
                assert!(!agree(&twin, &case.search(&device, Stage::MaxoutCrossings)), "other pre-activations");
            }
        }
        assert!(inside > 100 && at_rows > 20, "{inside} {at_rows}");
    }

    /// Tangents of a parabola, each of which is the largest for a while: the longest walk there is, at the largest rank that plans admit.
    #[test]
    fn long_walks_run_to_their_end() {
        let rank = 150;
        let architecture = Architecture::parse("1-64", format!("maxout:{rank}").parse().unwrap(), 1).unwrap();
        check(&architecture).unwrap();
        let mut case = Case::new(&[2], 64, [rank, 1], true);
        let width = case.step.units as usize;
        for (ix, [a, b]) in (0..width).map(|ix| [ix, width + ix]).enumerate() {
            let s = (ix as u32 % rank) as f32 / rank as f32;
            (case.z[a], case.z[b]) = (-s * s, 2.0 * s - s * s);
        }
        case.step.rows_out = 64 * rank;
        let found = case.search(&device(), Stage::MaxoutCrossings);
        assert_eq!((found.inside[0], found.crossings[0].len() as u32), (64 * (rank - 1), 64 * (rank - 1)));
        let turns = found.crossings[0].chunks_exact(rank as usize - 1);
        for (ix, turn) in turns.flat_map(|unit| unit.iter().enumerate()) {
            let expected = (ix as f32 + 0.5) / rank as f32;
            assert!((turn.2 - expected).abs() < 1e-4, "turn {ix}: {turn:?}");
        }
    }

    /// The third row meets the first a little before the second does, which rounding hides: it is above the second all along.
    #[test]
    fn no_row_becomes_the_largest_before_the_one_before_it() {
        let mut case = Case::new(&[2], 1, [3, 1], false);
        case.z[..6].copy_from_slice(&[0.0, -1.0, -1.0, 0.0, 1.0, 1.0 + f32::EPSILON]);
        let found = case.search(&device(), Stage::MaxoutCrossings);
        assert_eq!(found.crossings[0], [(0, case.crossing(0, 0, 2) | RISING, 0.5)]);
    }

    #[test]
    fn values_out_of_range_are_reported() {
        let device = device();
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.25 * f32::MAX] {
            // The last row has no interval after it, but counts.
            for at in [0, 11] {
                let mut case = Case::new(&[2, 2], 2, [3, 1], true);
                case.z[at] = bad;
                let results = case.search(&device, Stage::MaxoutCrossings).results;
                assert_eq!((results[FAILED], results[RESULT_HEAD + 3 + FAILED]), (2, 0), "{bad} at {at}");
            }
        }
    }

    /// A list that is too short loses crossings, but not their number.
    #[test]
    fn more_crossings_than_room_are_counted() {
        let mut case = Case::new(&[30], 20, [3, 1], true);
        case.step.rows_out = 7;
        let found = case.search(&device(), Stage::MaxoutCrossings);
        assert_eq!((found.crossings[0].len(), &found.results), (7, &case.twin(changes).results));
    }
}
