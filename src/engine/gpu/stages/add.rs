//! Values added as they are, or kept.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "shared/values", "add");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{agree, device, dice, expect_difference, run, words};
    use crate::engine::gpu::commands::piece_values;
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::Step;
    use crate::network::Activation;

    #[test]
    fn adds_and_copies_parts_of_rows() {
        let device = device();
        for (n_rows, units, activation) in [
            (vec![1], 1, "identity"),
            (vec![0, 5, 64], 7, "relu"),
            (vec![9, 1, 30], 65, "hard-tanh"),
            (vec![3, 2], 130, "soft-threshold:0.5"),
        ] {
            for adds in [0, 1] {
                let activation: Activation = activation.parse().unwrap();
                let rows_in = n_rows.iter().max().unwrap() + 1;
                let step = Step {
                    rows_in,
                    units,
                    adds,
                    n_breakpoints: activation.pieces().breakpoints.len() as u32,
                    from_stride: units + 3,
                    from_base: 2,
                    to_stride: units + 9,
                    to_base: 5,
                    ..Step::default()
                };
                let rows = n_rows.len() as u32 * rows_in;
                let mut die = dice(u64::from(units));
                // Quarters, whose sums and halves are exact.
                let mut random = |n: u32| -> Vec<f32> { (0..n).map(|_| die(41) as f32 / 4.0 - 5.0).collect() };
                let (mut x, z) = (random(rows * step.from_stride), random(rows * step.to_stride));
                let mut twin: Vec<Option<f64>> = z.iter().map(|&z| Some(f64::from(z))).collect();
                for (row, value) in (0..rows).flat_map(|row| (0..units).map(move |value| (row, value))) {
                    if row % rows_in < n_rows[(row / rows_in) as usize] {
                        let to = (row * step.to_stride + step.to_base + value) as usize;
                        let before = if adds == 1 { f64::from(z[to]) } else { 0.0 };
                        let x = f64::from(x[(row * step.from_stride + step.from_base + value) as usize]);
                        twin[to] = Some(before + activation.pieces().value(x));
                    }
                }
                let pieces = words(&piece_values(&activation));
                let n_paths = n_rows.len() as u32;
                let [nx, ny] = plan::groups((rows_in * units).div_ceil(64) as usize, 3);
                let on_device = |x: &[f32]| {
                    let buffers: [&[u32]; 4] = [&pieces, &words(x), &n_rows, &words(&z)];
                    let [_, _, _, z] = run(&device, Stage::Add, &step, [nx, ny, n_paths], buffers);
                    z
                };
                let place = format!("{n_rows:?} {units} {activation}");
                let z = on_device(&x);
                assert!(agree(&twin, &z, 0.0), "{place}");
                x.iter_mut().for_each(|x| *x = 0.5 - *x);
                expect_difference(&z, &on_device(&x), &place);
            }
        }
    }
}
