//! What later layers add, at the rows after insertion.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "shared/rows", "keep");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::carried::Carried;
    use super::super::harness::{DIRT, agree, device, run, words};
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::{NEW, NO_CROSSING, Source};

    #[test]
    fn old_rows_stay_and_new_ones_are_between_them() {
        let device = device();
        for (n_rows, units, activation) in [
            (vec![1], 1, "identity"),
            (vec![2, 0, 9], 7, "relu"),
            (vec![8, 5], 65, "abs"),
            (vec![30, 3], 130, "hard-tanh"),
        ] {
            let rows_out = 100;
            let mut carried = Carried::new(&n_rows, units, activation);
            carried.step.rows_out = rows_out;
            let n_paths = carried.n_rows.len() as u32;
            let mut sources = vec![Source::default(); (n_paths * rows_out) as usize];
            let mut n_rows_out = Vec::new();
            let mut twin = vec![None; (n_paths * rows_out * carried.step.to_stride) as usize];
            for (path, &n) in n_rows.iter().enumerate() {
                // Two new rows after every second.
                let of_row = |row: u32| {
                    let fractions = if row.is_multiple_of(2) && row + 1 < n { vec![0.0, 0.25, 0.7] } else { vec![] };
                    let old = Source { row, fraction: 0.0, crossing: NO_CROSSING };
                    let new = fractions.into_iter().map(move |f| Source { row: row | NEW, fraction: f, crossing: 3 });
                    std::iter::once(old).chain(new)
                };
                let all: Vec<Source> = (0..n).flat_map(of_row).collect();
                n_rows_out.push(all.len() as u32);
                let first = path as u32 * rows_out;
                for (row, source) in (first..).zip(&all) {
                    for ix in 0..units {
                        let (from, f) = (source.row & !NEW, f64::from(source.fraction));
                        let value = |row| carried.value(path, row, ix);
                        let kept = match source.row & NEW {
                            0 => value(from),
                            _ => (1.0 - f) * value(from) + f * value(from + 1),
                        };
                        twin[carried.place(row, ix)] = Some(kept);
                    }
                }
                sources[first as usize..][..all.len()].copy_from_slice(&all);
            }
            let [nx, ny] = plan::groups(rows_out as usize, 7);
            let on_device = |carried: &Carried| {
                let kept = vec![DIRT; twin.len()];
                let buffers: [&[u32]; 5] =
                    [&carried.pieces(), &words(&carried.x), &words(&sources), &n_rows_out, &kept];
                let [_, _, _, _, kept] = run(&device, Stage::Keep, &carried.step, [nx, ny, n_paths], buffers);
                kept
            };
            // Values of up to 5 that may cancel.
            let close = |kept: &[u32]| {
                let shifted = |v: &Option<f64>| v.map(|v| v + 10.0);
                let twin: Vec<Option<f64>> = twin.iter().map(shifted).collect();
                let kept: Vec<u32> = kept
                    .iter()
                    .map(|&bits| if bits == DIRT { DIRT } else { (f32::from_bits(bits) + 10.0).to_bits() })
                    .collect();
                agree(&twin, &kept, 4.0 * f64::from(f32::EPSILON))
            };
            let place = format!("{n_rows:?} {units} {activation}");
            assert!(close(&on_device(&carried)), "{place}");
            carried.change();
            assert!(!close(&on_device(&carried)), "{place}: other values");
        }
    }
}
