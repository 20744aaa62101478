//! Rows to insert.

use super::ROOM;
use super::case::Case;
use crate::engine::gpu::device::Device;
use crate::engine::gpu::plan;
use crate::engine::gpu::stages::Stage;
use crate::engine::gpu::stages::harness::{DIRT, dice, random_flags, run, values, words};
use crate::engine::gpu::step::{COINCIDENT, CONSTANT, CROSSED, NEW, NO_CROSSING, Source, Step};
use crate::network::pairs;

/// Rows to insert into a case, and the flags of its rows.
pub(in crate::engine::gpu::stages) struct Insertion {
    pub(in crate::engine::gpu::stages) case: Case,
    pub(in crate::engine::gpu::stages) sources: Vec<Source>,
    pub(in crate::engine::gpu::stages) n_rows_out: Vec<u32>,
    flags: Vec<u32>,
}

impl Insertion {
    /// Into every second interval, where `meetings` of the first two units say that rows meet, and at other fractions.
    pub(in crate::engine::gpu::stages) fn new(
        case: Case,
        meetings: impl Fn(&[f32], &[f32]) -> Vec<(f32, usize, usize)>,
    ) -> Self {
        let (mut sources, mut n_rows_out) = (Vec::new(), Vec::new());
        for (path, &n) in case.n_rows.iter().enumerate() {
            let mut all = Vec::new();
            for row in 0..n {
                all.push(Source { row, fraction: 0.0, crossing: NO_CROSSING });
                if row % 2 == 1 || row + 1 == n {
                    continue;
                }
                let mut new = vec![(0.0, NO_CROSSING), (0.3, NO_CROSSING), (1.0, NO_CROSSING)];
                for unit in 0..(case.step.units / case.step.group_size).min(2) {
                    let meetings = meetings(&case.unit(path, row, unit), &case.unit(path, row + 1, unit));
                    new.extend(meetings.iter().map(|&(fraction, i, j)| (fraction, case.crossing(unit, i, j))));
                }
                new.sort_by(|a, b| a.0.total_cmp(&b.0));
                new.dedup_by_key(|new| new.0);
                all.extend(new.iter().map(|&(fraction, crossing)| Source { row: row | NEW, fraction, crossing }));
            }
            n_rows_out.push(all.len() as u32);
            assert!(all.len() <= ROOM as usize, "the test's rows fit");
            all.resize(ROOM as usize, Source::default());
            sources.extend(all);
        }
        let mut die = dice(n_rows_out.len() as u64);
        let flags = (0..case.n_rows.len() as u32 * case.step.rows_in).map(|_| random_flags(&mut die)).collect();
        Self { case, sources, n_rows_out, flags }
    }

    /// The rows by the definition: `meet` makes the rows of a unit equal that meet at a source, given their values before and after it.
    pub(in crate::engine::gpu::stages) fn twin(
        &self,
        meet: impl Fn(&mut [f32], &Source, u32, &[f32], &[f32]),
    ) -> (Vec<u32>, Vec<u32>) {
        let Step { rows_in, units, group_size, .. } = self.case.step;
        let n_paths = self.n_rows_out.len();
        let mut flags = vec![DIRT; n_paths * ROOM as usize];
        let mut z = vec![DIRT; n_paths * (ROOM * units) as usize];
        for (path, &n) in self.n_rows_out.iter().enumerate() {
            let mut before = Source::default();
            for row in 0..n as usize {
                let to = path * ROOM as usize + row;
                let source = self.sources[to];
                let (is_new, old) = (source.row & NEW != 0, source.row & !NEW);
                let mut values = Vec::new();
                for unit in 0..units / group_size {
                    let mut mixed = self.case.unit(path, old, unit);
                    if is_new {
                        let (a, b) = (mixed.clone(), self.case.unit(path, old + 1, unit));
                        mixed.iter_mut().zip(&b).for_each(|(z, b)| {
                            *z = (1.0 - source.fraction) * *z + source.fraction * b;
                        });
                        meet(&mut mixed, &source, unit, &a, &b);
                    }
                    values.extend(mixed);
                }
                let values = self.case.grouping().scatter(values);
                z[to * units as usize..][..units as usize].copy_from_slice(&words(&values));
                let end = self.flags[path * rows_in as usize + old as usize + usize::from(is_new)];
                let zero_length = match is_new {
                    true => source.fraction == 0.0,
                    false => before.row & NEW != 0 && before.fraction == 1.0,
                };
                flags[to] = if is_new { self.case.step.bit } else { end & CROSSED } | (end & CONSTANT);
                if row > 0 && (zero_length || end & COINCIDENT != 0) {
                    flags[to] |= COINCIDENT;
                }
                before = source;
            }
        }
        (z, flags)
    }

    /// The rows and flags on the device.
    pub(in crate::engine::gpu::stages) fn run(&self, device: &Device, stage: Stage) -> (Vec<u32>, Vec<u32>) {
        let n_paths = self.n_rows_out.len() as u32;
        let [x, y] = plan::groups(ROOM as usize, 7);
        let buffers: [&[u32]; 6] = [
            &words(&self.case.z),
            &words(&self.sources),
            &self.n_rows_out,
            &self.flags,
            &vec![DIRT; (n_paths * ROOM) as usize],
            &vec![DIRT; (n_paths * ROOM * self.case.step.units) as usize],
        ];
        let [_, _, _, _, flags, z] = run(device, stage, &self.case.step, [x, y, n_paths], buffers);
        (z, flags)
    }

    /// Compares a stage with the definition, in all ways.
    pub(in crate::engine::gpu::stages) fn check(
        &mut self,
        device: &Device,
        stage: Stage,
        twin: &(Vec<u32>, Vec<u32>),
        place: &str,
    ) {
        // Mixed values may be rounded once less where the device fuses; everything else is exact.
        let close = |a: &[u32]| {
            let (a, b): (&[f32], &[f32]) = (values(a), values(&twin.0));
            a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || (a - b).abs() <= 64.0 * f32::EPSILON)
        };
        let (z, flags) = self.run(device, stage);
        assert!(close(&z) && flags == twin.1, "{place}");
        for (&source, row) in self.sources.iter().zip(z.chunks_exact(self.case.step.units as usize)) {
            if source.row & NEW == 0 || source.crossing == NO_CROSSING {
                continue;
            }
            let size = self.case.size();
            let n_pairs = size * (size - 1) / 2;
            let unit = source.crossing as usize / n_pairs;
            let (i, j) = pairs(size).nth(source.crossing as usize % n_pairs).unwrap();
            let [a, b] = [i, j].map(|member| row[self.case.grouping().place(unit, member)]);
            assert_eq!(a, b, "{place}: rows that meet are equal");
        }
        self.case.step.keeps_rows = 0;
        let (none, same) = self.run(device, stage);
        assert!(none.iter().all(|&word| word == DIRT) && same == twin.1, "{place}: flags alone");
        self.case.step.keeps_rows = 1;
        if let Some(new) = self.sources.iter().position(|s| s.row & NEW != 0 && s.fraction > 0.1 && s.fraction < 0.9) {
            self.sources[new].fraction += 1e-3;
            assert!(!close(&self.run(device, stage).0), "{place}: another fraction");
        }
    }
}
