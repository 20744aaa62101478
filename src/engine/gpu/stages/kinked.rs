//! What the tests of the stages share that tell which outputs have kinks: paths with old and new rows, and what the definitions say.

use super::Stage;
use super::harness::{DIRT, dice, expect_difference, run, words};
use crate::engine::gpu::device::Device;
use crate::engine::gpu::kinks::words as words_of;
use crate::engine::gpu::plan;
use crate::engine::gpu::step::{Entry, Interval, NEW, NO_CROSSING, RISING, Source, Step};
use crate::network::Grouping;

const ROOM: u32 = 600;

/// Rows of pre-activations of some paths, which of them are reached by kinks, and new rows at their crossings.
pub(super) struct Case {
    pub(super) step: Step,
    n_rows: Vec<u32>,
    z: Vec<f32>,
    /// Of every old row.
    reached: Vec<bool>,
    sources: Vec<Source>,
    n_rows_out: Vec<u32>,
    intervals: Vec<Interval>,
    entries: Vec<Entry>,
}

impl Case {
    /// Rows of so many pre-activations, in units of a size and a stride, with so many outputs.
    pub(super) fn new(n_rows: &[u32], [width, size, stride]: [usize; 3], outputs: usize) -> Self {
        let step = Step {
            rows_in: n_rows.iter().max().unwrap() + 1,
            rows_out: ROOM,
            units: width as u32,
            group_size: size as u32,
            group_stride: stride as u32,
            from_stride: words_of(width) as u32,
            to_stride: words_of(outputs) as u32,
            outputs: outputs as u32,
            ..Step::default()
        };
        let rows = n_rows.len() * step.rows_in as usize;
        let mut die = dice(width as u64);
        Self {
            n_rows: n_rows.to_vec(),
            z: vec![0.0; rows * width],
            reached: (0..rows * width).map(|_| die(3) == 0).collect(),
            sources: vec![Source::default(); n_rows.len() * ROOM as usize],
            n_rows_out: vec![0; n_rows.len()],
            intervals: vec![Interval::default(); rows],
            entries: vec![Entry::default(); n_rows.len() * ROOM as usize],
            step,
        }
    }

    fn row(&self, path: usize, row: u32) -> &[f32] {
        let width = self.step.units as usize;
        &self.z[(path * self.step.rows_in as usize + row as usize) * width..][..width]
    }

    /// Sets pre-activations, which are often one of these `levels`, and new rows where `crossings` of some units are in every second interval:
    /// fractions, and what crosses of a unit with these values at its ends.
    pub(super) fn enter(&mut self, levels: &[f32], crossings: impl Fn(&[f32], &[f32]) -> Vec<(f32, u32)>) {
        let Step { rows_in, units, group_size, group_stride, n_breakpoints, .. } = self.step;
        let mut die = dice(u64::from(units) + 100);
        for z in &mut self.z {
            *z = match die(2) {
                1 if !levels.is_empty() => levels[die(levels.len() as u32) as usize],
                _ => die(4001) as f32 / 1000.0 - 2.0,
            };
        }
        let grouping = Grouping { size: group_size as usize, stride: group_stride as usize };
        let n_switches = if group_size == 1 { n_breakpoints } else { group_size * (group_size - 1) / 2 };
        for (path, &n) in self.n_rows.clone().iter().enumerate() {
            let (mut all, mut entries) = (Vec::new(), Vec::new());
            for row in 0..n {
                all.push(Source { row, fraction: 0.0, crossing: NO_CROSSING });
                let first_entry = entries.len() as u32;
                let mut found = Vec::new();
                for unit in 0..(units / group_size).min(4) * u32::from(row % 2 == 0 && row + 1 < n) {
                    let of_row = |row: u32| -> Vec<f32> {
                        (0..grouping.size).map(|m| self.row(path, row)[grouping.place(unit as usize, m)]).collect()
                    };
                    let of_unit = crossings(&of_row(row), &of_row(row + 1)).into_iter();
                    found.extend(of_unit.map(|(fraction, switch)| (fraction, unit * n_switches + switch)));
                }
                let crossing = |crossing: u32| crossing | if crossing.is_multiple_of(2) { RISING } else { 0 };
                entries.extend(found.iter().map(|&(fraction, c)| Entry {
                    fraction,
                    row,
                    crossing: crossing(c),
                    leads: 0,
                }));
                // Crossings at rows are behind those of the interval.
                entries.push(Entry { fraction: -1.0, row, crossing: 0, leads: 0 });
                self.intervals[path * rows_in as usize + row as usize] =
                    Interval { first_entry, n_entries: found.len() as u32, n_new: 0, new_row: 0 };
                found.sort_by(|a, b| a.0.total_cmp(&b.0));
                found.dedup_by_key(|found| found.0);
                all.extend(found.iter().map(|&(fraction, crossing)| Source { row: row | NEW, fraction, crossing }));
            }
            assert!(all.len().max(entries.len()) <= ROOM as usize, "the test's rows fit");
            self.n_rows_out[path] = all.len() as u32;
            self.sources[path * ROOM as usize..][..all.len()].copy_from_slice(&all);
            self.entries[path * ROOM as usize..][..entries.len()].copy_from_slice(&entries);
        }
    }

    /// By the definitions: `passes` says whether an output has a kink at an old row, from the pre-activations before, at and after it and
    /// which are reached; `crosses` whether a crossing at a new row with these pre-activations and fraction makes one.
    fn twin(
        &self,
        passes: &impl Fn([&[f32]; 3], &[bool], usize) -> bool,
        crosses: &impl Fn(&[f32], f32, u32, usize) -> bool,
    ) -> Vec<u32> {
        let Step { rows_in, units, outputs, to_stride, .. } = self.step;
        let mut kinks = vec![DIRT; self.n_rows.len() * (ROOM * to_stride) as usize];
        for (path, &n) in self.n_rows_out.iter().enumerate() {
            for row in 0..n {
                let to = (path as u32 * ROOM + row) * to_stride;
                let words = &mut kinks[to as usize..][..to_stride as usize];
                words.fill(0);
                let source = self.sources[path * ROOM as usize + row as usize];
                let old = source.row & !NEW;
                let ix = path * rows_in as usize + old as usize;
                for output in 0..outputs as usize {
                    let kink = if source.row & NEW == 0 {
                        let reached = &self.reached[ix * units as usize..][..units as usize];
                        row > 0
                            && row + 1 < n
                            && passes([old - 1, old, old + 1].map(|row| self.row(path, row)), reached, output)
                    } else {
                        let f = source.fraction;
                        let ends = self.row(path, old).iter().zip(self.row(path, old + 1));
                        let mixed: Vec<f32> = ends.map(|(a, b)| (1.0 - f) * a + f * b).collect();
                        let Interval { first_entry, n_entries, .. } = self.intervals[ix];
                        let entries =
                            &self.entries[path * ROOM as usize + first_entry as usize..][..n_entries as usize];
                        let mut here = entries.iter().filter(|entry| entry.fraction == f);
                        here.any(|entry| crosses(&mixed, f, entry.crossing & !RISING, output))
                    };
                    words[output / 32] |= u32::from(kink) << (output % 32);
                }
            }
        }
        kinks
    }

    fn run(&self, device: &Device, stage: Stage, functions: Option<&[u32]>) -> Vec<u32> {
        let n_paths = self.n_rows.len() as u32;
        let [x, y] = plan::groups((ROOM * self.step.outputs.div_ceil(64)) as usize, 701);
        let groups = [x, y, n_paths];
        let mut reached = Vec::new();
        for row in self.reached.chunks_exact(self.step.units as usize) {
            reached
                .extend(row.chunks(32).map(|bits| bits.iter().rev().fold(0, |word, &bit| word << 1 | u32::from(bit))));
        }
        let buffers: [&[u32]; 7] = [
            &words(&self.z),
            &words(&self.sources),
            &self.n_rows_out,
            &words(&self.intervals),
            &words(&self.entries),
            &reached,
            &vec![DIRT; (n_paths * ROOM * self.step.to_stride) as usize],
        ];
        let [a, b, c, d, e, f, g] = buffers;
        match functions {
            None => run(device, stage, &self.step, groups, buffers)[6].clone(),
            Some(functions) => run(device, stage, &self.step, groups, [a, b, c, d, e, f, g, functions])[6].clone(),
        }
    }

    /// Compares a stage with the definitions, see [`Case::twin`], and with those of other values.
    pub(super) fn check(
        &mut self,
        device: &Device,
        stage: Stage,
        functions: Option<&[u32]>,
        passes: impl Fn([&[f32]; 3], &[bool], usize) -> bool,
        crosses: impl Fn(&[f32], f32, u32, usize) -> bool,
        place: &str,
    ) {
        let twin = self.twin(&passes, &crosses);
        assert_eq!(self.run(device, stage, functions), twin, "{place}");
        self.reached.iter_mut().for_each(|reached| *reached = !*reached);
        let other = self.twin(&passes, &crosses);
        assert_eq!(self.run(device, stage, functions), other, "{place}");
        expect_difference(&twin, &other, place);
    }
}

/// Whether an output has a kink that is one pre-activation before a row and one after it: if both are the same function on one side, it is
/// that of the other.
pub(super) fn selected([before, after]: [usize; 2], reached: &[bool], z: [&[f32]; 3]) -> bool {
    let are_equal = |row: usize| z[row][before] == z[row][after];
    match (are_equal(0), are_equal(2)) {
        _ if before == after => reached[before],
        (_, true) => reached[before],
        (true, false) => reached[after],
        (false, false) => true,
    }
}
