//! Units that changed piece between grid points.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "shared/range", "shared/rows", "flips");

#[cfg(test)]
pub(super) mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, dice, expect_difference, run, words};
    use crate::engine::gpu::commands::piece_values;
    use crate::engine::gpu::device::Device;
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::{BOUNDARIES, FAILED, RESULT_HEAD, Step};
    use crate::network::Activation;

    /// Pre-activations at grid points, small whole numbers that are often on a breakpoint.
    pub(in super::super) struct Case {
        pub(in super::super) step: Step,
        pub(in super::super) pieces: Vec<f32>,
        pub(in super::super) z: Vec<f32>,
        pub(in super::super) n_rows: Vec<u32>,
        pub(in super::super) sides: Vec<i32>,
        flags: Vec<u32>,
    }

    impl Case {
        pub(in super::super) fn new(n_rows: &[u32], units: u32, activation: &str, layer: u32) -> Self {
            let activation: Activation = activation.parse().unwrap();
            let n_breakpoints = activation.pieces().breakpoints.len() as u32;
            let rows_in = n_rows.iter().max().unwrap() + 1;
            let step = Step {
                rows_in,
                units,
                n_breakpoints,
                layer,
                n_layers: 2,
                bit: 1,
                side_base: 3,
                n_sides: 3 + units * n_breakpoints + 2,
                ..Step::default()
            };
            let mut die = dice(u64::from(units + layer));
            let z =
                (0..n_rows.len() as u32 * rows_in * units).map(|_| [0.0, 0.0, 1.0, 2.0, -1.0, -2.0][die(6) as usize]);
            let z = z.collect();
            let sides = (0..n_rows.len() as u32 * step.n_sides).map(|_| die(3) as i32 - 1).collect();
            let flags = (0..n_rows.len() as u32 * rows_in).map(|_| die(2)).collect();
            Self { step, pieces: piece_values(&activation), z, n_rows: n_rows.to_vec(), sides, flags }
        }

        /// Walks along every path and remembers the sides: flips, flags, results and the sides at the end.
        pub(in super::super) fn twin(&self) -> (Vec<u32>, Vec<u32>, Vec<i32>) {
            let Step { rows_in, units, n_breakpoints, layer, n_layers, side_base, n_sides, .. } = self.step;
            let stride = RESULT_HEAD + n_layers as usize;
            let (mut flags, mut sides) = (self.flags.clone(), self.sides.clone());
            let mut results = vec![0; self.n_rows.len() * stride];
            for (path, &n) in self.n_rows.iter().enumerate() {
                for row in 0..n {
                    let mut flips = 0;
                    for unit in 0..units {
                        let z = self.z[((path as u32 * rows_in + row) * units + unit) as usize];
                        let mut flipped = false;
                        for k in 0..n_breakpoints {
                            let tau = self.pieces[k as usize];
                            let was =
                                &mut sides[(path as u32 * n_sides + side_base + unit * n_breakpoints + k) as usize];
                            let now = i32::from(z > tau) - i32::from(z < tau);
                            flipped |= now * *was < 0;
                            *was = if now == 0 { *was } else { now };
                        }
                        flips += u32::from(flipped);
                    }
                    let flag = &mut flags[path * rows_in as usize + row as usize];
                    *flag = if layer == 0 { 0 } else { *flag } | u32::from(flips > 0);
                    results[path * stride + RESULT_HEAD + layer as usize] += flips;
                    if layer + 1 == n_layers {
                        results[path * stride + BOUNDARIES] += *flag;
                    }
                }
            }
            (flags, results, sides)
        }

        fn run(&self, device: &Device) -> (Vec<u32>, Vec<u32>) {
            let n_paths = self.n_rows.len() as u32;
            let Step { rows_in, n_layers, .. } = self.step;
            let [x, y] = plan::groups(rows_in as usize, 3);
            let buffers: [&[u32]; 6] = [
                &words(&self.pieces),
                &words(&self.z),
                &self.n_rows,
                &words(&self.sides),
                &self.flags,
                &vec![0; n_paths as usize * (RESULT_HEAD + n_layers as usize)],
            ];
            let [_, _, _, _, flags, results] = run(device, Stage::Flips, &self.step, [x, y, n_paths], buffers);
            (flags, results)
        }
    }

    #[test]
    fn finds_what_a_walk_finds_at_odd_sizes() {
        let device = device();
        for (n_rows, units, activation, layer) in [
            (vec![1], 1, "relu", 0),
            (vec![0, 9, 30], 3, "relu", 1),
            (vec![20, 2], 65, "abs", 0),
            (vec![7, 40], 17, "hard-tanh", 1),
            (vec![3], 130, "identity", 1),
        ] {
            let mut case = Case::new(&n_rows, units, activation, layer);
            let (flags, results, _) = case.twin();
            assert_eq!(case.run(&device), (flags.clone(), results.clone()), "{n_rows:?} {units} {activation}");
            if activation != "identity" && n_rows.len() > 1 {
                case.z.iter_mut().for_each(|z| *z = z.abs() + 1.5);
                expect_difference(&results, &case.run(&device).1, "pre-activations");
            }
        }
        let mut case = Case::new(&[2, 2], 3, "relu", 1);
        case.z[5] = f32::from_bits(DIRT);
        assert_eq!(case.run(&device).1[FAILED], 1);
    }
}
