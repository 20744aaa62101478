//! Rows after insertion.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "shared/rows", "insert");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, dice, random_flags, run, values, words};
    use crate::engine::gpu::commands::piece_values;
    use crate::engine::gpu::device::Device;
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::{COINCIDENT, CONSTANT, CONSTANT_SHIFT, CROSSED, NEW, NO_CROSSING, Source, Step};
    use crate::network::Activation;

    struct Case {
        step: Step,
        activation: Activation,
        z: Vec<f32>,
        sources: Vec<Source>,
        n_rows_out: Vec<u32>,
        flags: Vec<u32>,
    }

    impl Case {
        /// Paths whose every second interval has new rows, at the crossings of its first units and at other fractions.
        fn new(n_rows: &[u32], units: u32, activation: &str) -> Self {
            let activation: Activation = activation.parse().unwrap();
            let breakpoints = activation.pieces().breakpoints.clone();
            let (rows_in, rows_out) = (n_rows.iter().max().unwrap() + 1, 300);
            let step = Step {
                rows_in,
                rows_out,
                units,
                n_breakpoints: breakpoints.len() as u32,
                n_layers: 2,
                bit: 2,
                keeps_rows: 1,
                ..Step::default()
            };
            let mut die = dice(u64::from(units));
            // Often constant: many values on a flat piece.
            let z: Vec<f32> =
                (0..n_rows.len() as u32 * rows_in * units).map(|_| die(1000) as f32 / 100.0 - 9.0).collect();
            let mut z = z;
            if units > 2 {
                // The last unit is a copy of the first: they cross together.
                z.chunks_exact_mut(units as usize).for_each(|row| row[units as usize - 1] = row[0]);
            }
            let flags = (0..n_rows.len() as u32 * rows_in).map(|_| random_flags(&mut die)).collect();
            let mut sources = vec![Source::default(); n_rows.len() * rows_out as usize];
            let mut n_rows_out = Vec::new();
            for (path, &n) in n_rows.iter().enumerate() {
                let mut all = Vec::new();
                for row in 0..n {
                    all.push(Source { row, fraction: 0.0, crossing: NO_CROSSING });
                    if row % 2 == 1 || row + 1 == n {
                        continue;
                    }
                    let mut new = vec![(0.0, NO_CROSSING), (1.0, NO_CROSSING)];
                    for (unit, (k, tau)) in
                        (0..units.min(3)).flat_map(|u| breakpoints.iter().enumerate().map(move |b| (u, b)))
                    {
                        let at = ((path as u32 * rows_in + row) * units + unit) as usize;
                        let (a, b, tau) = (z[at], z[at + units as usize], *tau as f32);
                        if (a < tau && b > tau) || (a > tau && b < tau) {
                            new.push(((tau - a) / (b - a), unit * breakpoints.len() as u32 + k as u32));
                        }
                    }
                    new.sort_by(|a, b| a.0.total_cmp(&b.0));
                    new.dedup_by_key(|n| n.0);
                    all.extend(new.iter().map(|&(fraction, crossing)| Source { row: row | NEW, fraction, crossing }));
                }
                n_rows_out.push(all.len() as u32);
                sources[path * rows_out as usize..][..all.len()].copy_from_slice(&all);
            }
            Self { step, activation, z, sources, n_rows_out, flags }
        }

        /// Pre-activation of one unit at a source, from the definition.
        fn value(&self, path: u32, source: Source, unit: u32) -> f32 {
            let Step { rows_in, units, n_breakpoints, .. } = self.step;
            let at = ((path * rows_in + (source.row & !NEW)) * units + unit) as usize;
            let a = self.z[at];
            if source.row & NEW == 0 {
                return a;
            }
            let b = self.z[at + units as usize];
            let pieces = self.activation.pieces().map(|v| v as f32);
            let mut value = (1.0 - source.fraction) * a + source.fraction * b;
            for (k, &tau) in pieces.breakpoints.iter().enumerate() {
                let straddles = (a < tau && b > tau) || (a > tau && b < tau);
                let is_here =
                    source.crossing == unit * n_breakpoints + k as u32 || (tau - a) / (b - a) == source.fraction;
                if straddles && is_here {
                    value = tau;
                }
            }
            value
        }

        fn twin(&self) -> (Vec<u32>, Vec<u32>) {
            let n_paths = self.n_rows_out.len() as u32;
            let Step { rows_in, rows_out, units, .. } = self.step;
            let pieces = self.activation.pieces().map(|v| v as f32);
            let activate = |z: f32| {
                let piece = pieces.breakpoints.iter().filter(|&&tau| z > tau).count();
                pieces.slopes[piece] * z + pieces.intercepts[piece]
            };
            let mut flags = vec![DIRT; (n_paths * rows_out) as usize];
            let mut z = vec![DIRT; (n_paths * rows_out * units) as usize];
            for path in 0..n_paths {
                let mut before: Option<Source> = None;
                for row in 0..self.n_rows_out[path as usize] {
                    let source = self.sources[(path * rows_out + row) as usize];
                    let is_new = source.row & NEW != 0;
                    let here: Vec<f32> = (0..units).map(|u| self.value(path, source, u)).collect();
                    let to = ((path * rows_out + row) * units) as usize;
                    z[to..to + units as usize].copy_from_slice(&words(&here));
                    let end = (source.row & !NEW) + u32::from(is_new);
                    let old = self.flags[(path * rows_in + end) as usize];
                    let mut now = if is_new { self.step.bit } else { old & CROSSED } | (old & CONSTANT);
                    if let Some(before) = before {
                        let ends_interval = before.row & NEW != 0 && before.fraction == 1.0;
                        let zero_length = (is_new && source.fraction == 0.0) || (!is_new && ends_interval);
                        if zero_length || old & COINCIDENT != 0 {
                            now |= COINCIDENT;
                        }
                        let still =
                            (0..units).zip(&here).all(|(u, &h)| activate(h) == activate(self.value(path, before, u)));
                        if still && pieces.slopes.contains(&0.0) {
                            now |= self.step.bit << CONSTANT_SHIFT;
                        }
                    }
                    flags[(path * rows_out + row) as usize] = now;
                    before = Some(source);
                }
            }
            (z, flags)
        }

        fn run(&self, device: &Device) -> (Vec<u32>, Vec<u32>) {
            let n_paths = self.n_rows_out.len() as u32;
            let Step { rows_out, units, .. } = self.step;
            let [x, y] = plan::groups(rows_out as usize, 7);
            let buffers: [&[u32]; 7] = [
                &words(&piece_values(&self.activation)),
                &words(&self.z),
                &words(&self.sources),
                &self.n_rows_out,
                &self.flags,
                &vec![DIRT; (n_paths * rows_out) as usize],
                &vec![DIRT; (n_paths * rows_out * units) as usize],
            ];
            let [_, _, _, _, _, flags, z] = run(device, Stage::Insert, &self.step, [x, y, n_paths], buffers);
            (z, flags)
        }
    }

    /// Mixed values may be rounded once less where the device fuses; everything else is exact.
    fn close(a: &[u32], b: &[u32]) -> bool {
        let near = |a: f32, b: f32| (a - b).abs() <= 4.0 * f32::EPSILON * 16.0;
        a.iter()
            .zip(b)
            .zip(values::<f32>(a).iter().zip(values::<f32>(b)))
            .all(|((a, b), (&x, &y))| a == b || near(x, y))
    }

    #[test]
    fn makes_rows_and_flags_at_odd_sizes() {
        let device = device();
        let (mut dead, mut coincident) = (0, 0);
        for (n_rows, units, activation) in [
            (vec![1], 1, "relu"),
            (vec![2, 0, 9], 2, "relu"),
            (vec![8, 5], 65, "abs"),
            (vec![12, 3], 3, "hard-tanh"),
            (vec![5], 4, "identity"),
            (vec![6], 1, "soft-threshold:0.5"),
        ] {
            let case = Case::new(&n_rows, units, activation);
            let ((z, flags), (twin_z, twin_flags)) = (case.run(&device), case.twin());
            let place = format!("{n_rows:?} {units} {activation}");
            assert!(close(&z, &twin_z), "{place}");
            assert_eq!(flags, twin_flags, "{place}");
            dead += flags.iter().filter(|&&f| f != DIRT && f & CONSTANT != 0).count();
            coincident += flags.iter().filter(|&&f| f != DIRT && f & COINCIDENT != 0).count();
        }
        assert!(dead > 5 && coincident > 5, "{dead} {coincident}");
    }

    #[test]
    fn crossing_units_are_exactly_on_their_breakpoints() {
        let case = Case::new(&[80], 3, "relu");
        let (z, _) = case.run(&device());
        let z: &[f32] = values(&z);
        let mut n = 0;
        for (row, source) in case.sources[..case.n_rows_out[0] as usize].iter().enumerate() {
            if source.crossing != NO_CROSSING {
                assert_eq!(z[row * 3 + source.crossing as usize], 0.0);
                if source.crossing == 0 {
                    assert_eq!(z[row * 3 + 2], 0.0, "the copy crosses, too");
                }
                n += 1;
            }
        }
        assert!(n > 3, "{n}");
    }

    #[test]
    fn a_wrong_fraction_is_noticed_and_rows_are_kept_only_if_wanted() {
        let device = device();
        let mut case = Case::new(&[9], 3, "relu");
        let (twin, twin_flags) = case.twin();
        let new = case.sources.iter().position(|s| s.row & NEW != 0 && s.fraction > 0.1 && s.fraction < 0.9).unwrap();
        case.sources[new].fraction += 1e-3;
        assert!(!close(&case.run(&device).0, &twin));
        case.sources[new].fraction -= 1e-3;
        case.step.keeps_rows = 0;
        let (z, flags) = case.run(&device);
        assert!(z.iter().all(|&word| word == DIRT));
        assert_eq!(flags, twin_flags);
    }
}
