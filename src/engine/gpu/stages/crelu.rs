//! Outputs of CReLU, and their derivatives.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/outputs", "shared/each", "crelu");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, dice, expect_difference, run, words};
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::Step;

    #[test]
    fn gives_both_signs_of_every_pre_activation() {
        let device = device();
        for (n_rows, units) in [(vec![1], 1), (vec![0, 10, 66], 7), (vec![14, 2], 65), (vec![3], 130)] {
            let rows_in = n_rows.iter().max().unwrap() + 1;
            for pairs in [0, 1] {
                let step = Step { rows_in, units, pairs, ..Step::default() };
                let mut die = dice(u64::from(units));
                let n_paths = n_rows.len() as u32;
                // Some are zero.
                let mut z: Vec<f32> = (0..n_paths * rows_in * units).map(|_| die(9) as f32 - 4.0).collect();
                let mut twin = vec![DIRT; 2 * z.len()];
                let rows: Vec<&[f32]> = z.chunks_exact(units as usize).collect();
                for row in 0..n_paths * rows_in {
                    if row % rows_in < n_rows[(row / rows_in) as usize] {
                        // Derivatives go with the values before them.
                        let values = rows[(row - row % rows_in % (1 + pairs)) as usize];
                        let both = || rows[row as usize].iter().zip(values);
                        let above = both().map(|(&z, &value)| if value > 0.0 { z } else { 0.0 });
                        let below = both().map(|(&z, &value)| if value > 0.0 { 0.0 } else { 0.0 - z });
                        let outputs: Vec<f32> = above.chain(below).collect();
                        twin[(row * 2 * units) as usize..][..outputs.len()].copy_from_slice(&words(&outputs));
                    }
                }
                let [nx, ny] = plan::groups((rows_in * units).div_ceil(64) as usize, 3);
                let on_device = |z: &[f32]| {
                    let buffers: [&[u32]; 3] = [&words(z), &n_rows, &vec![DIRT; 2 * z.len()]];
                    let [_, _, outputs] = run(&device, Stage::Crelu, &step, [nx, ny, n_paths], buffers);
                    outputs
                };
                assert_eq!(on_device(&z), twin, "{n_rows:?} {units} {pairs}");
                z.iter_mut().for_each(|z| *z = 0.5 - *z);
                expect_difference(&on_device(&z), &twin, "other pre-activations");
            }
        }
    }
}
