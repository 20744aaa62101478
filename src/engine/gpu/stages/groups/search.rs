//! What a search for crossings finds.

use super::ROOM;
use super::case::Case;
use crate::engine::gpu::device::Device;
use crate::engine::gpu::plan;
use crate::engine::gpu::stages::Stage;
use crate::engine::gpu::stages::harness::{DIRT, run, values, words};
use crate::engine::gpu::step::{Entry, Interval, RESULT_HEAD, RISING, Step};
use crate::network::pairs;

/// A crossing: the row, what crosses, and the fraction of the interval after the row, or -1.
pub(in crate::engine::gpu::stages) type Crossing = (u32, u32, f32);

/// What a search finds, in an order that does not depend on its threads.
#[derive(Debug, Default, PartialEq)]
pub(in crate::engine::gpu::stages) struct Found {
    /// Per path and row: number of crossings after it.
    pub(in crate::engine::gpu::stages) inside: Vec<u32>,
    /// Per path, sorted.
    pub(in crate::engine::gpu::stages) crossings: Vec<Vec<Crossing>>,
    pub(in crate::engine::gpu::stages) flags: Vec<u32>,
    pub(in crate::engine::gpu::stages) results: Vec<u32>,
}

impl Case {
    /// What a search finds by the definition: `changes` are those of one unit at a row (fraction -1) and after it, from the values at the
    /// row before, at the row, and at the next.
    pub(in crate::engine::gpu::stages) fn twin(
        &self,
        changes: impl Fn([Option<&[f32]>; 3]) -> Vec<(f32, usize, usize)>,
    ) -> Found {
        let Step { rows_in, units, group_size, layer, n_layers, .. } = self.step;
        let (rows, stride) = (self.n_rows.len() * rows_in as usize, RESULT_HEAD + n_layers as usize);
        let mut found = Found {
            inside: vec![DIRT; rows],
            flags: vec![0; rows],
            results: vec![0; self.n_rows.len() * stride],
            ..Found::default()
        };
        for (path, &n) in self.n_rows.iter().enumerate() {
            let mut crossings: Vec<Crossing> = Vec::new();
            for row in 0..n {
                let ix = path * rows_in as usize + row as usize;
                found.inside[ix] = 0;
                for unit in 0..units / group_size {
                    let before = row.checked_sub(1).map(|row| self.unit(path, row, unit));
                    let after = (row + 1 < n).then(|| self.unit(path, row + 1, unit));
                    let here = self.unit(path, row, unit);
                    for (fraction, from, to) in changes([before.as_deref(), Some(&here), after.as_deref()]) {
                        let rising = if to > from { RISING } else { 0 };
                        crossings.push((row, self.crossing(unit, from, to) | rising, fraction));
                        found.inside[ix] += u32::from(fraction >= 0.0);
                        found.flags[ix] |= u32::from(fraction < 0.0);
                    }
                }
            }
            found.results[path * stride + RESULT_HEAD + layer as usize] = crossings.len() as u32;
            found.crossings.push(sorted(crossings));
        }
        found
    }

    /// What a search finds on the device.
    pub(in crate::engine::gpu::stages) fn search(&self, device: &Device, stage: Stage) -> Found {
        let n_paths = self.n_rows.len() as u32;
        let Step { rows_in, rows_out, n_layers, .. } = self.step;
        let rows = (n_paths * rows_in) as usize;
        let [x, y] = plan::groups(rows_in as usize, 3);
        let buffers: [&[u32]; 7] = [
            &words(&self.z),
            &self.n_rows,
            &vec![DIRT; 4 * rows],
            &vec![DIRT; 4 * (n_paths * rows_out.max(ROOM)) as usize],
            &vec![0; n_paths as usize],
            &vec![0; rows],
            &vec![0; n_paths as usize * (RESULT_HEAD + n_layers as usize)],
        ];
        let [_, _, intervals, entries, n_entries, flags, results] =
            run(device, stage, &self.step, [x, y, n_paths], buffers);
        let (intervals, entries): (&[Interval], &[Entry]) = (values(&intervals), values(&entries));
        let of_path = |path: usize| {
            let all = &entries[path * rows_out as usize..][..n_entries[path].min(rows_out) as usize];
            // Those of an interval are together, those between its rows first.
            for interval in &intervals[path * rows_in as usize..][..self.n_rows[path] as usize] {
                if interval.first_entry + interval.n_entries <= rows_out {
                    let group = &all[interval.first_entry as usize..][..interval.n_entries as usize];
                    assert!(group.iter().all(|e| e.row == group[0].row && e.fraction >= 0.0 && e.leads == 0));
                }
                assert_eq!((interval.n_new, interval.new_row), (0, 0));
            }
            sorted(all.iter().map(|e| (e.row, e.crossing, e.fraction)).collect())
        };
        let inside = intervals.iter().map(|i| i.n_entries).collect();
        Found { inside, crossings: (0..n_paths as usize).map(of_path).collect(), flags, results }
    }
}

/// A device's division may be off by 2.5 units in the last place.
pub(in crate::engine::gpu::stages) fn agree(a: &Found, b: &Found) -> bool {
    let same = |(a, b): (&Crossing, &Crossing)| {
        (a.0, a.1) == (b.0, b.1) && (a.2 - b.2).abs() <= 4.0 * f32::EPSILON * a.2.abs()
    };
    let mut paths = a.crossings.iter().zip(&b.crossings);
    let crossings = paths.all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(same));
    crossings && (&a.inside, &a.flags, &a.results) == (&b.inside, &b.flags, &b.results)
}

fn sorted(mut crossings: Vec<Crossing>) -> Vec<Crossing> {
    crossings.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
    crossings
}

/// The largest rows of a unit along an interval, by evaluation between all points where two rows meet: where each begins.
pub(in crate::engine::gpu::stages) fn largest_rows(a: &[f32], b: &[f32]) -> Vec<(f64, usize)> {
    let f = f64::from;
    let meets = pairs(a.len()).filter_map(|(i, j)| {
        let (at_a, at_b) = (f(a[i]) - f(a[j]), f(b[j]) - f(b[i]));
        (at_a * at_b > 0.0).then(|| at_a / (at_a + at_b))
    });
    let mut cuts: Vec<f64> = meets.chain([0.0, 1.0]).collect();
    cuts.sort_by(f64::total_cmp);
    cuts.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
    let mut rows: Vec<(f64, usize)> = Vec::new();
    for cut in cuts.windows(2) {
        let middle = 0.5 * (cut[0] + cut[1]);
        let at = |row: usize| (1.0 - middle) * f(a[row]) + middle * f(b[row]);
        let row = (1..a.len()).fold(0, |top, row| if at(row) > at(top) + 1e-12 { row } else { top });
        if rows.last().is_none_or(|&(_, last)| last != row) {
            rows.push((cut[0], row));
        }
    }
    rows
}
