//! Kinks of outputs that are functions of one pre-activation.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/rows", "shared/bits", "shared/kinks", "kinks");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{device, words};
    use super::super::kinked::Case;
    use crate::engine::gpu::kinks::functions;
    use crate::network::{Activation, Pieces};

    /// The slope of a function before and after a point at which a pre-activation of these slopes is.
    fn slopes(pieces: &Pieces<f64>, here: f64, [before, after]: [f64; 2]) -> [f64; 2] {
        [before, after].map(|z| {
            let inside = here + 1e-3 * (z - here);
            pieces.slopes[pieces.lower_piece(inside)] * (z - here).abs()
        })
    }

    #[test]
    fn kinks_pass_and_begin_at_odd_sizes() {
        let device = device();
        for (n_rows, units, activation) in [
            (vec![40], 1, "relu"),
            (vec![2, 0, 9], 7, "hard-tanh"),
            (vec![8, 5], 65, "soft-threshold:1"),
            (vec![12, 3], 130, "crelu"),
            (vec![7], 64, "abs"),
            (vec![5, 6], 33, "identity"),
        ] {
            let activation: Activation = activation.parse().unwrap();
            let pieces = activation.scalar().cloned().unwrap_or_else(|| Activation::relu().pieces().clone());
            let outputs = activation.outputs(units).unwrap();
            let below = Pieces { slopes: vec![-1.0, 0.0], ..pieces.clone() };
            let function = |output: usize| if output < units { &pieces } else { &below };
            let mut case = Case::new(&n_rows, [units, 1, 1], outputs);
            case.step.n_breakpoints = pieces.breakpoints.len() as u32;
            case.enter(&pieces.breakpoints.iter().map(|&tau| tau as f32).collect::<Vec<_>>(), |a, b| {
                let straddles = |tau: f32| (a[0] < tau && tau < b[0]) || (b[0] < tau && tau < a[0]);
                let crossed =
                    pieces.breakpoints.iter().map(|&tau| tau as f32).enumerate().filter(|(_, tau)| straddles(*tau));
                crossed.map(|(k, tau)| ((tau - a[0]) / (b[0] - a[0]), k as u32)).collect()
            });
            let passes = |z: [&[f32]; 3], reached: &[bool], output: usize| {
                let unit = output % units;
                let [before, here, after] = z.map(|z| f64::from(z[unit]));
                let breakpoints = &function(output).breakpoints;
                let is_above = |z: f64| breakpoints.contains(&here) && z > here;
                let slopes = slopes(function(output), here, [before, after]);
                match breakpoints.contains(&here) && is_above(before) != is_above(after) {
                    true => slopes != [0.0; 2],
                    // The same piece on both sides: that of the value itself, or above a breakpoint that is only touched.
                    false => {
                        let inside = if is_above(before) { here + 1e-3 } else { here };
                        reached[unit] && function(output).slopes[function(output).lower_piece(inside)] != 0.0
                    }
                }
            };
            let n = pieces.breakpoints.len() as u32;
            let crosses = |_: &[f32], _: f32, crossing: u32, output: usize| crossing / n == (output % units) as u32;
            let functions = words(&functions(activation.kind()));
            case.check(&device, Stage::Kinks, Some(functions.as_slice()), passes, crosses, &activation.to_string());
        }
    }
}
