//! Crossings between rows and at rows.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "shared/range", "shared/rows", "crossings");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, dice, expect_difference, run, values, words};
    use crate::engine::gpu::commands::piece_values;
    use crate::engine::gpu::device::Device;
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::{Entry, FAILED, Interval, RESULT_HEAD, RISING, Step};
    use crate::network::Activation;

    const ROOM: u32 = 500;

    /// What the stage finds, in an order that does not depend on its threads.
    #[derive(Debug, Default, PartialEq)]
    struct Found {
        /// Per path and row: number of crossings after it.
        inside: Vec<u32>,
        /// Per path: sorted by row and crossing, with the fraction.
        entries: Vec<Vec<(u32, u32, Fraction)>>,
        flags: Vec<u32>,
        results: Vec<u32>,
    }

    /// A device's division may be off by 2.5 units in the last place.
    #[derive(Clone, Copy, Debug)]
    struct Fraction(f32);

    impl PartialEq for Fraction {
        fn eq(&self, other: &Self) -> bool {
            (self.0 - other.0).abs() <= 3.0 * f32::EPSILON * self.0.abs()
        }
    }

    struct Case {
        step: Step,
        pieces: Vec<f32>,
        z: Vec<f32>,
        n_rows: Vec<u32>,
    }

    impl Case {
        /// Small whole numbers, so that units are often exactly on a breakpoint.
        fn new(n_rows: &[u32], units: u32, activation: &str) -> Self {
            let activation: Activation = activation.parse().unwrap();
            let rows_in = n_rows.iter().max().unwrap() + 1;
            let step = Step {
                rows_in,
                rows_out: ROOM,
                units,
                n_breakpoints: activation.pieces().breakpoints.len() as u32,
                layer: 1,
                n_layers: 3,
                bit: 2,
                ..Step::default()
            };
            let mut die = dice(u64::from(units));
            let z = (0..n_rows.len() as u32 * rows_in * units).map(|_| die(5) as f32 - 2.0).collect();
            Self { step, pieces: piece_values(&activation), z, n_rows: n_rows.to_vec() }
        }

        fn twin(&self) -> Found {
            let Step { rows_in, units, n_breakpoints, layer, n_layers, .. } = self.step;
            let stride = RESULT_HEAD + n_layers as usize;
            let mut found = Found {
                inside: vec![DIRT; self.n_rows.len() * rows_in as usize],
                flags: vec![0; self.n_rows.len() * rows_in as usize],
                results: vec![0; self.n_rows.len() * stride],
                ..Found::default()
            };
            for (path, &n) in self.n_rows.iter().enumerate() {
                let mut entries = Vec::new();
                for row in 0..n {
                    let at = |row: u32, unit: u32| self.z[((path as u32 * rows_in + row) * units + unit) as usize];
                    let ix = path * rows_in as usize + row as usize;
                    found.inside[ix] = 0;
                    for (unit, k) in (0..units).flat_map(|u| (0..n_breakpoints).map(move |k| (u, k))) {
                        let (tau, which) = (self.pieces[k as usize], unit * n_breakpoints + k);
                        let a = at(row, unit);
                        if a.is_nan() || a.abs() >= 0.25 * f32::MAX {
                            found.results[path * stride + FAILED] = n_layers - layer;
                        }
                        if row + 1 == n {
                            continue;
                        }
                        let b = at(row + 1, unit);
                        let rising = if b > tau { RISING } else { 0 };
                        if (a < tau && b > tau) || (a > tau && b < tau) {
                            found.inside[ix] += 1;
                            entries.push((row, which | rising, Fraction((tau - a) / (b - a))));
                        }
                        if a == tau && row > 0 && (at(row - 1, unit) > tau) != (b > tau) {
                            found.flags[ix] |= self.step.bit;
                            entries.push((row, which | rising, Fraction(-1.0)));
                        }
                    }
                }
                found.results[path * stride + RESULT_HEAD + layer as usize] = entries.len() as u32;
                entries.sort_unstable_by_key(|&(row, crossing, _)| (row, crossing));
                found.entries.push(entries);
            }
            found
        }

        fn run(&self, device: &Device) -> Found {
            let n_paths = self.n_rows.len() as u32;
            let Step { rows_in, n_layers, .. } = self.step;
            let rows = (n_paths * rows_in) as usize;
            let intervals = vec![DIRT; 4 * rows];
            let entries = vec![DIRT; 4 * (n_paths * ROOM) as usize];
            let results = vec![0; n_paths as usize * (RESULT_HEAD + n_layers as usize)];
            let [x, y] = plan::groups(rows_in as usize, 3);
            let buffers: [&[u32]; 8] = [
                &words(&self.pieces),
                &words(&self.z),
                &self.n_rows,
                &intervals,
                &entries,
                &vec![0; n_paths as usize],
                &vec![0; rows],
                &results,
            ];
            let [_, _, _, intervals, entries, n_entries, flags, results] =
                run(device, Stage::Crossings, &self.step, [x, y, n_paths], buffers);
            let intervals: &[Interval] = values(&intervals);
            let entries: &[Entry] = values(&entries);
            let of_path = |path: usize| {
                let all = &entries[path * ROOM as usize..][..n_entries[path] as usize];
                // Those of an interval are together, those between its rows first.
                for interval in &intervals[path * rows_in as usize..][..self.n_rows[path] as usize] {
                    let group = &all[interval.first_entry as usize..][..interval.n_entries as usize];
                    assert!(group.iter().all(|e| e.row == group[0].row && e.fraction >= 0.0 && e.leads == 0));
                    assert_eq!((interval.n_new, interval.new_row), (0, 0));
                }
                let mut sorted: Vec<(u32, u32, Fraction)> =
                    all.iter().map(|e| (e.row, e.crossing, Fraction(e.fraction))).collect();
                sorted.sort_unstable_by_key(|&(row, crossing, _)| (row, crossing));
                sorted
            };
            let inside = intervals.iter().map(|i| i.n_entries).collect();
            Found { inside, entries: (0..n_paths as usize).map(of_path).collect(), flags, results }
        }
    }

    #[test]
    fn finds_what_the_definition_says_at_odd_sizes() {
        let device = device();
        for (n_rows, units, activation) in [
            (vec![1], 1, "relu"),
            (vec![0, 2, 9], 3, "relu"),
            (vec![20, 1], 65, "abs"),
            (vec![7, 8, 2], 17, "hard-tanh"),
            (vec![3], 130, "identity"),
        ] {
            let case = Case::new(&n_rows, units, activation);
            let found = case.run(&device);
            assert_eq!(found, case.twin(), "{n_rows:?} {units} {activation}");
        }
        let mut case = Case::new(&[9], 5, "relu");
        let twin = case.twin();
        case.z[12] = -case.z[12] + 1.0;
        expect_difference(&twin.inside, &case.run(&device).inside, "a pre-activation");
    }

    #[test]
    fn values_out_of_range_are_reported() {
        let device = device();
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.25 * f32::MAX, -f32::MAX] {
            // The last row has no interval after it, but counts.
            for at in [0, 5] {
                let mut case = Case::new(&[2, 2], 3, "relu");
                case.z[at] = bad;
                let results = case.run(&device).results;
                assert_eq!((results[FAILED], results[7 + FAILED]), (2, 0), "{bad} at {at}");
            }
        }
    }

    /// A list that is too short loses crossings, but not their number.
    #[test]
    fn more_crossings_than_room_are_counted() {
        let mut case = Case::new(&[30], 40, "relu");
        case.step.rows_out = 7;
        let (step, rows) = (case.step, 31);
        let buffers: [&[u32]; 8] = [
            &words(&case.pieces),
            &words(&case.z),
            &case.n_rows,
            &vec![DIRT; 4 * rows],
            &[DIRT; 4 * 8],
            &[0],
            &vec![0; rows],
            &[0; RESULT_HEAD + 3],
        ];
        let [_, _, _, _, entries, n_entries, _, _] = run(&device(), Stage::Crossings, &step, [30, 1, 1], buffers);
        assert_eq!(n_entries[0] as usize, case.twin().entries[0].len());
        assert!(n_entries[0] > 7 && entries[4 * 7..] == [DIRT; 4] && entries[..4 * 7].iter().all(|&w| w != DIRT));
    }
}
