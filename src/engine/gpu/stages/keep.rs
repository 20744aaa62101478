//! What later layers add, at the rows after insertion.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "shared/rows", "keep");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, agree, device, dice, run, words};
    use crate::engine::gpu::commands::piece_values;
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::{NEW, NO_CROSSING, Source, Step};
    use crate::network::Activation;

    #[test]
    fn old_rows_stay_and_new_ones_are_between_them() {
        let device = device();
        for (n_rows, units, activation) in [
            (vec![1], 1, "identity"),
            (vec![2, 0, 9], 7, "relu"),
            (vec![8, 5], 65, "abs"),
            (vec![30, 3], 130, "hard-tanh"),
        ] {
            let activation: Activation = activation.parse().unwrap();
            let (rows_in, rows_out) = (n_rows.iter().max().unwrap() + 1, 100);
            let step = Step {
                rows_in,
                rows_out,
                units,
                n_breakpoints: activation.pieces().breakpoints.len() as u32,
                from_stride: units + 3,
                from_base: 2,
                to_stride: units + 9,
                to_base: 5,
                ..Step::default()
            };
            let mut die = dice(u64::from(units));
            let n_paths = n_rows.len() as u32;
            let mut x: Vec<f32> =
                (0..n_paths * rows_in * step.from_stride).map(|_| die(4001) as f32 / 1000.0 - 2.0).collect();
            let mut sources = vec![Source::default(); (n_paths * rows_out) as usize];
            let mut n_rows_out = Vec::new();
            let mut twin = vec![None; (n_paths * rows_out * step.to_stride) as usize];
            for (path, &n) in (0..).zip(&n_rows) {
                // Two new rows after every second.
                let of_row = |row: u32| {
                    let fractions = if row.is_multiple_of(2) && row + 1 < n { vec![0.0, 0.25, 0.7] } else { vec![] };
                    let old = Source { row, fraction: 0.0, crossing: NO_CROSSING };
                    let new = fractions.into_iter().map(move |f| Source { row: row | NEW, fraction: f, crossing: 3 });
                    std::iter::once(old).chain(new)
                };
                let all: Vec<Source> = (0..n).flat_map(of_row).collect();
                n_rows_out.push(all.len() as u32);
                for (row, source) in (0..).zip(&all) {
                    let value = |row: u32, i: u32| {
                        let at = (path * rows_in + row) * step.from_stride + step.from_base + i;
                        activation.pieces().value(f64::from(x[at as usize]))
                    };
                    for i in 0..units {
                        let (from, f) = (source.row & !NEW, f64::from(source.fraction));
                        let kept = match source.row & NEW {
                            0 => value(from, i),
                            _ => (1.0 - f) * value(from, i) + f * value(from + 1, i),
                        };
                        twin[((path * rows_out + row) * step.to_stride + step.to_base + i) as usize] = Some(kept);
                    }
                }
                sources[(path * rows_out) as usize..][..all.len()].copy_from_slice(&all);
            }
            let pieces = words(&piece_values(&activation));
            let [nx, ny] = plan::groups(rows_out as usize, 7);
            let on_device = |x: &[f32]| {
                let kept = vec![DIRT; twin.len()];
                let buffers: [&[u32]; 5] = [&pieces, &words(x), &words(&sources), &n_rows_out, &kept];
                let [_, _, _, _, kept] = run(&device, Stage::Keep, &step, [nx, ny, n_paths], buffers);
                kept
            };
            // Values of up to 2 that may cancel.
            let close = |kept: &[u32]| {
                let shifted = |v: &Option<f64>| v.map(|v| v + 4.0);
                let twin: Vec<Option<f64>> = twin.iter().map(shifted).collect();
                let kept: Vec<u32> = kept
                    .iter()
                    .map(|&bits| if bits == DIRT { DIRT } else { (f32::from_bits(bits) + 4.0).to_bits() })
                    .collect();
                agree(&twin, &kept, 4.0 * f64::from(f32::EPSILON))
            };
            let place = format!("{n_rows:?} {units} {activation}");
            assert!(close(&on_device(&x)), "{place}");
            x.iter_mut().for_each(|x| *x = 0.3 - *x);
            assert!(!close(&on_device(&x)), "{place}: other values");
        }
    }
}
