//! Rates of a dense layer of normal weights. Twin: [`crate::theory::rice::crossing_rate`].

use super::wgsl;

pub(super) const SOURCE: &str =
    wgsl!("shared/step", "shared/pieces", "shared/range", "shared/sums", "shared/kac_rice", "given_inputs");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, agree, device, dice, run, words};
    use crate::engine::gpu::commands::piece_values;
    use crate::engine::gpu::device::Device;
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::{NormalLaw, Step};
    use crate::network::Activation;
    use crate::theory::rice::crossing_rate;

    struct Case {
        step: Step,
        activation: Activation,
        weight_variance: f64,
        bias_variance: f64,
        rows: Vec<f32>,
        n_rows: Vec<u32>,
    }

    impl Case {
        fn new(n_rows: &[u32], inputs: usize, activation: &str, variances: [f64; 2]) -> Self {
            let activation: Activation = activation.parse().unwrap();
            let rows_in = n_rows.iter().max().unwrap() + 2;
            let step = Step {
                rows_in,
                inputs: inputs as u32,
                units: 5,
                n_breakpoints: activation.pieces().breakpoints.len() as u32,
                layer: 1,
                n_layers: 3,
                lanes: crate::engine::gpu::rice::lanes(inputs) as u32,
                ..Step::default()
            };
            let mut die = dice(inputs as u64);
            let mut rows = vec![f32::from_bits(DIRT); n_rows.len() * rows_in as usize * inputs];
            for (network, &n) in n_rows.iter().enumerate() {
                let first = network * rows_in as usize * inputs;
                rows[first..][..n as usize * inputs].fill_with(|| die(4001) as f32 / 1000.0 - 2.0);
            }
            let [weight_variance, bias_variance] = variances;
            Self { step, activation, weight_variance, bias_variance, rows, n_rows: n_rows.to_vec() }
        }

        fn rows(&self, network: usize, point: usize) -> (&[f32], &[f32]) {
            let (rows_in, inputs) = (self.step.rows_in as usize, self.step.inputs as usize);
            self.rows[(network * rows_in + 2 * point) * inputs..][..2 * inputs].split_at(inputs)
        }

        /// Of one point.
        fn rate(&self, (h, dh): (&[f32], &[f32])) -> f64 {
            let product =
                |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
            let variance = self.weight_variance * product(h, h) + self.bias_variance;
            if variance == 0.0 {
                return 0.0;
            }
            let drift = self.weight_variance * product(h, dh) / variance;
            let rest = h.iter().zip(dh).map(|(&h, &dh)| (f64::from(dh) - drift * f64::from(h)).powi(2)).sum::<f64>();
            let remainder = self.weight_variance * rest + drift * drift * self.bias_variance;
            let breakpoints = &self.activation.pieces().breakpoints;
            let sum: f64 = breakpoints.iter().map(|&tau| crossing_rate(variance, drift, remainder, tau, 0.0)).sum();
            f64::from(self.step.units) * sum
        }

        fn twin(&self) -> Vec<Option<f64>> {
            let Step { rows_in, layer, n_layers, .. } = self.step;
            let mut rates = Vec::new();
            for (network, &n) in self.n_rows.iter().enumerate() {
                for (point, l) in (0..rows_in / 2).flat_map(|p| (0..n_layers).map(move |l| (p, l))) {
                    let exists = l == layer && 2 * point < n;
                    rates.push(exists.then(|| self.rate(self.rows(network, point as usize))));
                }
            }
            rates
        }

        /// The rates and failures on the device.
        fn run(&self, device: &Device) -> (Vec<u32>, Vec<u32>) {
            let Step { rows_in, n_layers, lanes, .. } = self.step;
            let [x, y] = plan::groups((rows_in / 2).div_ceil(64 / lanes) as usize, 3);
            let n = self.n_rows.len();
            let law = NormalLaw::of_maps(&[self.weight_variance], self.bias_variance, 5.0);
            let (pieces, law, rows) = (words(&piece_values(&self.activation)), words(&law), words(&self.rows));
            let rates = vec![DIRT; n * (rows_in / 2 * n_layers) as usize];
            let buffers: [&[u32]; 6] = [&pieces, &law, &rows, &self.n_rows, &rates, &vec![0; n]];
            let [_, _, _, _, rates, failures] = run(device, Stage::GivenInputs, &self.step, [x, y, n as u32], buffers);
            (rates, failures)
        }
    }

    /// The density of a level of `k` standard deviations multiplies the relative error of the deviation by `k^2`.
    const ERROR: f64 = 1e-5;

    #[test]
    fn equals_the_formula_at_odd_sizes() {
        let device = device();
        for (n_rows, inputs, activation, variances) in [
            (vec![2], 1, "relu", [2.0, 0.01]),
            (vec![0, 10, 130], 2, "hard-tanh", [1.0, 0.5]),
            (vec![6, 38], 7, "relu6", [0.3, 0.0]),
            (vec![18], 65, "soft-threshold:0.5", [0.03, 0.01]),
            (vec![4, 2], 700, "hard-tanh", [0.003, 1.0]),
            (vec![4], 9, "identity", [1.0, 1.0]),
            // Laws whose variances leave the range of f32.
            (vec![8], 3, "hard-tanh", [1e60, 1e58]),
            (vec![8], 3, "relu", [1e-60, 1e-64]),
        ] {
            let mut case = Case::new(&n_rows, inputs, activation, variances);
            let (rates, failures) = case.run(&device);
            let place = format!("{n_rows:?} {inputs} {activation} {variances:?}");
            assert!(agree(&case.twin(), &rates, ERROR), "{place}");
            assert_eq!(failures, vec![0; n_rows.len()], "{place}");
            if activation != "identity" {
                let last = (n_rows.len() - 1) * case.step.rows_in as usize * inputs + 2 * inputs - 1;
                case.rows[last] += 0.1;
                assert!(!agree(&case.twin(), &rates, ERROR), "{place}: a derivative is another");
            }
        }
    }

    /// Far from the origin along a line almost through it, where values and derivatives are all but parallel; and on the other
    /// hand small drift, where the error function nearly cancels.
    #[test]
    fn does_not_cancel() {
        let device = device();
        for (size, activation, bias_variance) in
            [(1e6f32, "relu", 0.0), (1e4, "hard-tanh", 1.0), (1e-3, "hard-tanh", 1.0), (1e-12, "relu", 0.0)]
        {
            let mut case = Case::new(&[40], 20, activation, [0.1, bias_variance]);
            for pair in case.rows[..40 * 20].chunks_exact_mut(40) {
                let (h, dh) = pair.split_at_mut(20);
                dh.iter_mut().zip(&*h).for_each(|(dh, h)| *dh = h + 0.01 * *dh);
                h.iter_mut().for_each(|h| *h *= size);
            }
            // The sum of squares inherits the rounding of its terms: 2^-24 of the derivative's size, a hundred times what is left.
            assert!(agree(&case.twin(), &case.run(&device).0, 1e-4), "{size} {activation}");
        }
    }

    #[test]
    fn nothing_moves_where_all_is_silent_and_what_leaves_the_range_is_reported() {
        let device = device();
        let mut case = Case::new(&[4, 6], 11, "hard-tanh", [1.0, 0.0]);
        case.rows[..22].fill(0.0);
        let (rates, failures) = case.run(&device);
        assert_eq!((rates[1], failures), (0, vec![0, 0]));
        assert!(agree(&case.twin(), &rates, ERROR));
        for (row, value) in [(0, 1e30), (1, 1e30), (0, f32::INFINITY), (3, f32::from_bits(DIRT))] {
            let mut case = Case::new(&[4, 6], 11, "hard-tanh", [1.0, 0.0]);
            case.rows[row * 11 + 3] = value;
            assert_eq!(case.run(&device).1, [2, 0], "{value} in row {row}");
        }
    }
}
