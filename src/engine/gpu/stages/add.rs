//! Values added as they are, or kept.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "shared/values", "shared/each", "add");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::carried::Carried;
    use super::super::harness::{agree, device, dice, expect_difference, run, words};
    use crate::engine::gpu::plan;

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
                let mut carried = Carried::new(&n_rows, units, activation);
                carried.step.adds = adds;
                let (rows_in, n_paths) = (carried.step.rows_in, n_rows.len() as u32);
                let mut die = dice(u64::from(adds));
                let n = n_paths * rows_in * carried.step.to_stride;
                let z: Vec<f32> = (0..n).map(|_| die(41) as f32 / 4.0 - 5.0).collect();
                let mut twin: Vec<Option<f64>> = z.iter().map(|&z| Some(f64::from(z))).collect();
                for (path, &n) in n_rows.iter().enumerate() {
                    for (row, ix) in (0..n).flat_map(|row| (0..units).map(move |ix| (row, ix))) {
                        let to = carried.place(path as u32 * rows_in + row, ix);
                        twin[to] = Some(f64::from(adds) * f64::from(z[to]) + carried.value(path, row, ix));
                    }
                }
                let [nx, ny] = plan::groups((rows_in * units).div_ceil(64) as usize, 3);
                let on_device = |carried: &Carried| {
                    let buffers: [&[u32]; 4] = [&carried.pieces(), &words(&carried.x), &n_rows, &words(&z)];
                    let [_, _, _, z] = run(&device, Stage::Add, &carried.step, [nx, ny, n_paths], buffers);
                    z
                };
                let place = format!("{n_rows:?} {units} {activation}");
                let z = on_device(&carried);
                assert!(agree(&twin, &z, 0.0), "{place}");
                carried.change();
                expect_difference(&z, &on_device(&carried), &place);
            }
        }
    }
}
