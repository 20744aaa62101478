//! Rates of a layer over its biases alone. Twin: [`crate::network::BiasDensity::at`].

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "shared/sums", "given_weights");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, agree, device, dice, run, words};
    use crate::engine::gpu::commands::piece_values;
    use crate::engine::gpu::device::Device;
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::{Density, Step};
    use crate::network::{Activation, BiasDensity};

    struct Case {
        step: Step,
        activation: Activation,
        density: BiasDensity,
        rows: Vec<f32>,
        weights: Vec<f32>,
        n_rows: Vec<u32>,
    }

    impl Case {
        fn new(n_rows: &[u32], filters: usize, positions: usize, activation: &str, density: BiasDensity) -> Self {
            let units = filters * positions;
            let activation: Activation = activation.parse().unwrap();
            let rows_in = n_rows.iter().max().unwrap() + 2;
            let step = Step {
                rows_in,
                units: units as u32,
                n_breakpoints: activation.pieces().breakpoints.len() as u32,
                layer: 0,
                n_layers: 2,
                group_stride: positions as u32,
                weights_stride: 4 * filters as u32 + 2,
                bias_base: 3 * filters as u32 + 1,
                lanes: crate::engine::gpu::rice::lanes(units) as u32,
                ..Step::default()
            };
            let mut die = dice(units as u64);
            let mut value = || die(4001) as f32 / 1000.0 - 2.0;
            let mut rows = vec![f32::from_bits(DIRT); n_rows.len() * rows_in as usize * units];
            for (network, &n) in n_rows.iter().enumerate() {
                rows[network * rows_in as usize * units..][..n as usize * units].fill_with(&mut value);
            }
            let weights = std::iter::repeat_with(value).take(n_rows.len() * (4 * filters + 2)).collect();
            Self { step, activation, density, rows, weights, n_rows: n_rows.to_vec() }
        }

        fn twin(&self) -> Vec<Option<f64>> {
            let (rows_in, units) = (self.step.rows_in as usize, self.step.units as usize);
            let rate = |network: usize, point: usize| -> f64 {
                let (z, dz) = self.rows[(network * rows_in + 2 * point) * units..][..2 * units].split_at(units);
                let Step { weights_stride, bias_base, group_stride, .. } = self.step;
                let bias = &self.weights[network * weights_stride as usize + bias_base as usize..];
                let bias = bias.iter().flat_map(|bias| std::iter::repeat_n(bias, group_stride as usize));
                let unit = |((&z, &dz), &bias): ((&f32, &f32), &f32)| {
                    let there = |tau: &f64| self.density.at(tau - (f64::from(z) - f64::from(bias)));
                    f64::from(dz).abs() * self.activation.pieces().breakpoints.iter().map(there).sum::<f64>()
                };
                z.iter().zip(dz).zip(bias).map(unit).sum()
            };
            let mut rates = Vec::new();
            for (network, &n) in self.n_rows.iter().enumerate() {
                for point in 0..rows_in / 2 {
                    rates.extend([(2 * point < n as usize).then(|| rate(network, point)), None]);
                }
            }
            rates
        }

        fn run(&self, device: &Device) -> Vec<u32> {
            let Step { rows_in, lanes, .. } = self.step;
            let [x, y] = plan::groups((rows_in / 2).div_ceil(64 / lanes) as usize, 3);
            let n = self.n_rows.len();
            let (pieces, density) = (words(&piece_values(&self.activation)), words(&[Density::from(self.density)]));
            let (rows, weights) = (words(&self.rows), words(&self.weights));
            let buffers: [&[u32]; 6] =
                [&pieces, &density, &rows, &self.n_rows, &weights, &vec![DIRT; n * rows_in as usize]];
            let [_, _, _, _, _, rates] = run(device, Stage::GivenWeights, &self.step, [x, y, n as u32], buffers);
            rates
        }
    }

    #[test]
    fn equals_the_sum_over_units_at_odd_sizes() {
        let device = device();
        let (normal, uniform) = (BiasDensity::Normal { std: 0.7 }, BiasDensity::Uniform { half_width: 1.2345 });
        for (n_rows, [filters, positions], activation, density) in [
            (vec![2], [1, 1], "relu", normal),
            (vec![0, 10, 130], [7, 1], "hard-tanh", normal),
            (vec![18, 4], [65, 1], "relu6", uniform),
            (vec![6], [130, 1], "soft-threshold:0.5", uniform),
            (vec![2, 4], [700, 1], "hard-tanh", normal),
            (vec![4], [9, 1], "identity", uniform),
            (vec![6, 10], [5, 7], "hard-tanh", normal),
            (vec![4], [9, 1], "relu", BiasDensity::Normal { std: 1e-30 }),
        ] {
            let mut case = Case::new(&n_rows, filters, positions, activation, density);
            let rates = case.run(&device);
            // Exponents of up to 20 have errors of so many roundings.
            let place = format!("{n_rows:?} {filters} {positions} {activation} {density:?}");
            assert!(agree(&case.twin(), &rates, 1e-5), "{place}");
            if activation != "identity" && density != (BiasDensity::Normal { std: 1e-30 }) {
                case.weights.iter_mut().for_each(|w| *w *= 1.01);
                case.density = BiasDensity::Normal { std: 0.71 };
                assert!(!agree(&case.twin(), &rates, 1e-5), "{place}: other biases");
            }
        }
    }
}
