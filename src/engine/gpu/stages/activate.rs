//! Activations and their derivatives.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "shared/range", "activate");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, agree, device, dice, run, words};
    use crate::engine::gpu::commands::piece_values;
    use crate::engine::gpu::device::Device;
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::Step;
    use crate::network::Activation;

    struct Case {
        step: Step,
        activation: Activation,
        rows: Vec<f32>,
        n_rows: Vec<u32>,
    }

    impl Case {
        fn new(n_rows: &[u32], units: u32, activation: &str) -> Self {
            let activation: Activation = activation.parse().unwrap();
            let n_breakpoints = activation.pieces().breakpoints.len() as u32;
            let rows_in = n_rows.iter().max().unwrap() + 2;
            let step = Step { rows_in, units, n_breakpoints, layer: 3, n_layers: 5, ..Step::default() };
            let mut rows = vec![f32::from_bits(DIRT); n_rows.len() * (rows_in * units) as usize];
            let mut die = dice(u64::from(units));
            for (network, &n) in n_rows.iter().enumerate() {
                let first = network * (rows_in * units) as usize;
                // Halves, some of which are exactly on a breakpoint.
                rows[first..][..(n * units) as usize].fill_with(|| die(13) as f32 / 2.0 - 3.0);
            }
            Self { step, activation, rows, n_rows: n_rows.to_vec() }
        }

        fn twin(&self) -> Vec<Option<f64>> {
            let pieces = self.activation.pieces();
            let (units, rows_in) = (self.step.units as usize, self.step.rows_in as usize);
            let value = |(ix, &x): (usize, &f32)| {
                let row = ix / units;
                let z = if row % 2 == 0 { x } else { self.rows[ix - units] };
                let piece = pieces.breakpoints.iter().filter(|&&tau| f64::from(z) > tau).count();
                let intercept = if row % 2 == 0 { pieces.intercepts[piece] } else { 0.0 };
                let exists = row % rows_in < self.n_rows[row / rows_in] as usize;
                exists.then_some(pieces.slopes[piece] * f64::from(x) + intercept)
            };
            self.rows.iter().enumerate().map(value).collect()
        }

        /// The rows and failures on the device.
        fn run(&self, device: &Device) -> (Vec<u32>, Vec<u32>) {
            let [x, y] = plan::groups((self.step.rows_in / 2 * self.step.units).div_ceil(64) as usize, 3);
            let n = self.n_rows.len();
            let (pieces, rows) = (words(&piece_values(&self.activation)), words(&self.rows));
            let buffers: [&[u32]; 4] = [&pieces, &rows, &self.n_rows, &vec![0; n]];
            let [_, rows, _, failures] = run(device, Stage::Activate, &self.step, [x, y, n as u32], buffers);
            (rows, failures)
        }
    }

    #[test]
    fn follows_the_chain_rule_at_odd_sizes() {
        let device = device();
        for (n_rows, units, activation) in [
            (vec![2], 1, "relu"),
            (vec![0, 10, 66], 7, "leaky-relu:0.1"),
            (vec![14, 2], 65, "hard-tanh"),
            (vec![6], 130, "soft-threshold:0.5"),
            (vec![4, 4], 33, "identity"),
        ] {
            let mut case = Case::new(&n_rows, units, activation);
            let twin = case.twin();
            let (rows, failures) = case.run(&device);
            // A product and a sum.
            assert!(agree(&twin, &rows, 3e-7), "{n_rows:?} {units} {activation}");
            assert_eq!(failures, vec![0; n_rows.len()]);
            let last = n_rows.len() - 1;
            let changed = last * (case.step.rows_in * units) as usize + units as usize - 1;
            case.rows[changed] = 1.75 - case.rows[changed];
            assert!(!agree(&twin, &case.run(&device).0, 3e-7), "{n_rows:?} {units} {activation}");
        }
    }

    #[test]
    fn values_and_derivatives_out_of_range_are_reported() {
        let device = device();
        for (row, value) in [(0, f32::INFINITY), (1, f32::MAX), (2, f32::from_bits(DIRT)), (3, f32::NEG_INFINITY)] {
            let mut case = Case::new(&[4, 4, 4], 3, "relu");
            case.rows[(case.step.rows_in * 3) as usize + row * 3 + 2] = value;
            assert_eq!(case.run(&device).1, [0, 2, 0], "{value} in row {row}");
        }
    }
}
