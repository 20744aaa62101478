//! Pre-activations of a layer.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "affine");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, dice, run, values, words};
    use crate::engine::gpu::commands::piece_values;
    use crate::engine::gpu::device::Device;
    use crate::engine::gpu::step::Step;
    use crate::network::Activation;

    struct Case {
        step: Step,
        activation: Activation,
        x: Vec<f32>,
        weights: Vec<f32>,
        n_rows: Vec<u32>,
    }

    impl Case {
        fn new(n_rows: &[u32], inputs: usize, units: usize, activation: &str) -> Self {
            let activation: Activation = activation.parse().unwrap();
            let rows_in = n_rows.iter().max().unwrap() + 1;
            let (paths, paths_per_network) = (n_rows.len() as u32, 2);
            let step = Step {
                paths_per_network,
                rows_in,
                inputs: inputs as u32,
                units: units as u32,
                n_breakpoints: activation.pieces().breakpoints.len() as u32,
                input_end: inputs as u32,
                ..Step::default()
            };
            let mut die = dice(inputs as u64);
            let mut random = |n: usize| -> Vec<f32> { (0..n).map(|_| die(4001) as f32 / 1000.0 - 2.0).collect() };
            let mut x = random((paths * rows_in) as usize * inputs);
            for (path, &n) in n_rows.iter().enumerate() {
                // Rows that a path does not have are dirty.
                let (first, end) = (path * rows_in as usize + n as usize, (path + 1) * rows_in as usize);
                x[first * inputs..end * inputs].fill(f32::from_bits(DIRT));
            }
            let weights = random(paths.div_ceil(paths_per_network) as usize * (inputs + 1) * units);
            Self { step, activation, x, weights, n_rows: n_rows.to_vec() }
        }

        /// In f64, with the sum of magnitudes; `None` where nothing is written.
        fn twin(&self) -> Vec<Option<(f64, f64)>> {
            let Step { rows_in, inputs, units, paths_per_network, .. } = self.step;
            let mut z = Vec::new();
            for (path, &n) in (0u32..).zip(&self.n_rows) {
                let network = &self.weights[(path / paths_per_network * (inputs + 1) * units) as usize..];
                for (row, unit) in (0..rows_in).flat_map(|r| (0..units).map(move |u| (r, u))) {
                    let mut sum = (0.0, 0.0);
                    for input in 0..=inputs {
                        let h = match input < inputs {
                            true => f64::from(self.x[((path * rows_in + row) * inputs + input) as usize]),
                            // Derivatives, every other row where rows are pairs, have no bias.
                            false => f64::from(1 - (row & self.step.pairs)),
                        };
                        let h = if input < inputs { self.activation.pieces().value(h) } else { h };
                        let product = h * f64::from(network[(input * units + unit) as usize]);
                        sum = (sum.0 + product, sum.1 + product.abs());
                    }
                    z.push((row < n).then_some(sum));
                }
            }
            z
        }

        /// On the device, with inputs and rows in parts.
        fn run(&self, device: &Device, input_parts: &[(u32, u32)], row_bases: &[(u32, u32)]) -> Vec<u32> {
            let mut z = vec![DIRT; self.n_rows.len() * (self.step.rows_in * self.step.units) as usize];
            for &(input_base, input_end) in input_parts {
                for &(row_base, tiles) in row_bases {
                    let step = Step { input_base, input_end, row_base, ..self.step };
                    let groups = [self.step.units.div_ceil(64), tiles, self.n_rows.len() as u32];
                    let pieces = words(&piece_values(&self.activation));
                    let buffers: [&[u32]; 5] =
                        [&pieces, &words(&self.x), &words(&self.weights), &self.n_rows, &z.clone()];
                    [_, _, _, _, z] = run(device, Stage::Affine, &step, groups, buffers);
                }
            }
            z
        }

        /// Whether the device agrees but for the rounding of sums.
        fn agrees(&self, z: &[u32]) -> bool {
            let unit_roundoff = 0.5 * f64::from(f32::EPSILON);
            let growth = f64::from(self.step.inputs + 4) * unit_roundoff;
            self.twin().iter().zip(values::<f32>(z)).zip(z).all(|((twin, &z), &bits)| match twin {
                Some((sum, size)) => (f64::from(z) - sum).abs() <= growth * size,
                None => bits == DIRT,
            })
        }
    }

    #[test]
    fn equals_the_plain_sum_at_odd_sizes() {
        let device = device();
        for (n_rows, inputs, units, activation) in [
            (vec![1], 1, 1, "identity"),
            (vec![0, 5, 64], 3, 7, "relu"),
            (vec![65, 9, 1, 130], 17, 65, "hard-tanh"),
            (vec![2, 2, 2], 16, 64, "leaky-relu:0.1"),
            (vec![33], 100, 130, "soft-threshold:0.5"),
        ] {
            let case = Case::new(&n_rows, inputs, units, activation);
            let tiles = case.step.rows_in.div_ceil(64);
            let whole = (0, inputs as u32);
            assert!(case.agrees(&case.run(&device, &[whole], &[(0, tiles)])), "{n_rows:?} {inputs} {units}");
        }
    }

    #[test]
    fn parts_give_the_whole() {
        let device = device();
        let case = Case::new(&[130, 70], 50, 9, "abs");
        let z = case.run(&device, &[(0, 16), (16, 48), (48, 50)], &[(0, 1), (64, 2)]);
        assert!(case.agrees(&z));
        assert!(!case.agrees(&case.run(&device, &[(0, 16), (16, 48)], &[(0, 3)])), "inputs are missing");
        assert!(!case.agrees(&case.run(&device, &[(0, 50)], &[(0, 2)])), "rows are missing");
    }

    #[test]
    fn derivatives_have_no_bias() {
        let device = device();
        let mut case = Case::new(&[130, 70], 50, 9, "identity");
        case.step.pairs = 1;
        assert!(case.agrees(&case.run(&device, &[(0, 50)], &[(0, 3)])));
        let z = case.run(&device, &[(0, 16), (16, 50)], &[(0, 1), (64, 2)]);
        assert!(case.agrees(&z), "in parts");
        case.step.pairs = 0;
        assert!(!case.agrees(&z), "values have");
    }

    #[test]
    fn a_wrong_weight_is_noticed() {
        let device = device();
        let case = Case::new(&[3, 70], 20, 11, "relu");
        let mut wrong = Case::new(&[3, 70], 20, 11, "relu");
        wrong.weights[57] *= 1.0001;
        let tiles = case.step.rows_in.div_ceil(64);
        assert!(!case.agrees(&wrong.run(&device, &[(0, 20)], &[(0, tiles)])));
    }
}
