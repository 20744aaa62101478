//! Rates of a layer of normal weights, from the moments of its pre-activations. Twin: [`crate::theory::rice::Switches`].

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!(
    "shared/step",
    "shared/pieces",
    "shared/range",
    "shared/sums",
    "shared/groups",
    "shared/kac_rice",
    "given_moments"
);

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, agree, device, dice, run, words};
    use crate::engine::gpu::device::Device;
    use crate::engine::gpu::plan;
    use crate::engine::gpu::rice::{Processes, lanes};
    use crate::engine::gpu::step::{NormalLaw, Step};
    use crate::network::{Architecture, Layer};
    use crate::theory::rice::Switches;

    /// The square of a law's scale.
    const VARIANCE: f64 = 0.49;

    struct Case {
        layer: Layer,
        step: Step,
        moments: Vec<f32>,
        means: Vec<f32>,
        n_rows: Vec<u32>,
    }

    impl Case {
        /// Of the last layer of an architecture, with means or without.
        fn new(text: &str, activation: &str, n_rows: &[u32], has_means: bool) -> Self {
            let architecture = Architecture::parse(text, activation.parse().unwrap(), 1).unwrap();
            let layer = architecture.layers()[architecture.depth() - 1].clone();
            let rows_in = n_rows.iter().max().unwrap() + 2;
            let (n_laws, units) = (Processes::of(&layer).len(), layer.affine.units());
            let parts = if has_means { layer.groups() } else { n_laws };
            let step = Step {
                rows_in,
                units: units as u32,
                n_laws: n_laws as u32,
                n_breakpoints: Switches::of_layer(&layer).levels.len() as u32,
                group_size: layer.grouping().size as u32,
                group_stride: layer.grouping().stride as u32,
                adds: u32::from(has_means),
                layer: 1,
                n_layers: 3,
                lanes: lanes(parts) as u32,
                ..Step::default()
            };
            let mut die = dice(units as u64);
            let mut of_rows = |width: usize, per_point: usize, value: &mut dyn FnMut(u32) -> f32| {
                let per_network = rows_in as usize / 2 * per_point * width;
                let mut all = vec![f32::from_bits(DIRT); n_rows.len() * per_network];
                for (all, &n) in all.chunks_exact_mut(per_network).zip(n_rows) {
                    all[..n as usize / 2 * per_point * width].fill_with(|| value(die(1000)));
                }
                all
            };
            let mut order = 0;
            // A second moment is positive, a first of both signs.
            let moments = of_rows(n_laws, 3, &mut |die| {
                order += 1;
                match order % 3 {
                    1 => 0.1 + die as f32 / 500.0,
                    2 => die as f32 / 500.0 - 1.0,
                    _ => die as f32 / 1000.0,
                }
            });
            let means = of_rows(units, 2, &mut |die| die as f32 / 500.0 - 1.0);
            Self { layer, step, moments, means, n_rows: n_rows.to_vec() }
        }

        /// Of one point.
        fn rate(&self, network: usize, point: usize) -> f64 {
            let Step { rows_in, n_laws, units, adds, .. } = self.step;
            let (n_laws, units, grouping) = (n_laws as usize, units as usize, self.layer.grouping());
            let switches = Switches::of_layer(&self.layer);
            let law = |law: usize| {
                let at = 3 * ((network * rows_in as usize / 2 + point) * n_laws + law);
                let [square, product, rest] = [0, 1, 2].map(|order| f64::from(self.moments[at + order]));
                (VARIANCE * square, product / square, VARIANCE * rest)
            };
            if adds == 0 {
                let of_law = |(variance, drift, rest)| switches.rate(variance, drift, rest) / n_laws as f64;
                return (0..n_laws).map(law).map(of_law).sum();
            }
            let of_group = |group: usize| {
                let mean = |member: usize| {
                    let at = (network * rows_in as usize + 2 * point) * units + grouping.place(group, member);
                    [0, units].map(|row| f64::from(self.means[at + row]))
                };
                let means: Vec<[f64; 2]> = (0..grouping.size).map(mean).collect();
                let (filter, position) = (grouping.place(group, 0) / grouping.stride, group % grouping.stride);
                let filters_of_law = units / n_laws;
                let (variance, drift, rest) = law(filter / filters_of_law * grouping.stride + position);
                switches.rate_about(&means, variance, drift, rest)
            };
            (0..self.layer.groups()).map(of_group).sum()
        }

        fn twin(&self) -> Vec<Option<f64>> {
            let Step { rows_in, layer, n_layers, .. } = self.step;
            let mut rates = Vec::new();
            for (network, &n) in self.n_rows.iter().enumerate() {
                for (point, l) in (0..rows_in / 2).flat_map(|p| (0..n_layers).map(move |l| (p, l))) {
                    rates.push((l == layer && 2 * point < n).then(|| self.rate(network, point as usize)));
                }
            }
            rates
        }

        /// The rates and failures on the device.
        fn run(&self, device: &Device) -> (Vec<u32>, Vec<u32>) {
            let Step { rows_in, n_layers, n_laws, lanes, .. } = self.step;
            let [x, y] = plan::groups((rows_in / 2).div_ceil(64 / lanes) as usize, 3);
            let n = self.n_rows.len();
            let Switches { levels, multiplicity } = Switches::of_layer(&self.layer);
            let levels: Vec<f32> = levels.iter().map(|&level| level as f32).collect();
            let law = NormalLaw::of_maps(&[VARIANCE], 0.0, multiplicity / f64::from(n_laws));
            let buffers: [&[u32]; 7] = [
                &words(&levels),
                &words(&law),
                &words(&self.moments),
                &words(&self.means),
                &self.n_rows,
                &vec![DIRT; n * (rows_in / 2 * n_layers) as usize],
                &vec![0; n],
            ];
            let [_, _, _, _, _, rates, failures] =
                run(device, Stage::GivenMoments, &self.step, [x, y, n as u32], buffers);
            (rates, failures)
        }
    }

    /// The density of a level of `k` standard deviations multiplies the relative error of the deviation by `k^2`.
    const ERROR: f64 = 1e-5;

    #[test]
    fn equals_the_formula_at_odd_sizes() {
        let device = device();
        for (text, activation, n_rows) in [
            ("3-1", "relu", vec![2]),
            ("3-7", "hard-tanh", vec![0, 10, 130]),
            ("3-70", "soft-threshold:0.5", vec![6, 38]),
            ("3-12", "group-sort:4", vec![18]),
            ("3-10", "max-min", vec![4, 2]),
            ("3-20", "maxout:2", vec![4]),
            ("2x5x4-c6k2g2", "abs", vec![4, 6]),
            ("2x5x4-c12k2g2", "group-sort:3", vec![4, 6]),
            ("2x15-c4k2g2", "maxout:2", vec![10]),
            ("2x9-c6k3", "crelu", vec![10]),
        ] {
            for has_means in [false, true] {
                let mut case = Case::new(text, activation, &n_rows, has_means);
                let (rates, failures) = case.run(&device);
                let place = format!("{text} {activation} {n_rows:?} {has_means}");
                assert!(agree(&case.twin(), &rates, ERROR), "{place}");
                assert_eq!(failures, vec![0; n_rows.len()], "{place}");
                let changed = if has_means { &mut case.means } else { &mut case.moments };
                // Of the first point of the last network: a mean, or what a law leaves open.
                let first = changed.len() / n_rows.len() * (n_rows.len() - 1);
                changed[first + if has_means { 0 } else { 2 }] += 0.5;
                assert!(!agree(&case.twin(), &rates, ERROR), "{place}: another law");
            }
        }
    }

    #[test]
    fn nothing_moves_where_all_is_silent_and_what_leaves_the_range_is_reported() {
        let device = device();
        for has_means in [false, true] {
            let mut case = Case::new("2x5-c4k2", "relu", &[4, 6], has_means);
            case.moments[..12].fill(0.0);
            let (rates, failures) = case.run(&device);
            assert_eq!((rates[1], failures), (0, vec![0, 0]));
            for (at, value) in [(0, f32::INFINITY), (5, 2e38), (3, f32::from_bits(DIRT))] {
                let mut case = Case::new("2x5-c4k2", "relu", &[4, 6], has_means);
                case.moments[at] = value;
                assert_eq!(case.run(&device).1, [2, 0], "{value} at {at}");
            }
        }
    }
}
