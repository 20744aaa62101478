//! What fits on a device: pure arithmetic, without one.

use super::rates::RatesFrom;
use crate::engine::gpu::layer::{LayerShape, TOO_WIDE, is_too_wide};
use crate::engine::gpu::plan::{DeviceLimits, LANES, MAX_ITERATIONS, together, too_large};
use crate::error::{Error, Result};
use crate::network::RandomNetwork;
use crate::rice::RateLaw;

/// What one path needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) layers: Vec<LayerShape>,
    /// What the rates of every layer are made of.
    pub(super) rates: Vec<RatesFrom>,
    /// Layers whose pre-activations are computed, from the first on.
    pub(super) n_drawn: usize,
    /// Points of a path.
    pub(super) points: usize,
}

/// How many networks and paths of each are computed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) shape: Shape,
    pub(super) networks: usize,
    /// Paths of each network; fewer than there are only if `networks` is 1.
    pub(super) paths: usize,
    /// Workgroups that the device takes in one dimension.
    pub(super) max_groups: u32,
}

/// Bytes of the buffers of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) draws: u64,
    pub(super) weights: u64,
    /// The inputs of layers, in turn.
    pub(super) rows: [u64; 2],
    pub(super) n_rows: u64,
    pub(super) kept: u64,
    pub(super) moments: u64,
    pub(super) rates: u64,
    pub(super) failures: u64,
}

impl Sizes {
    fn all(&self) -> [(&'static str, u64); 9] {
        let [even, odd] = self.rows;
        [
            ("draws", self.draws),
            ("weights", self.weights),
            ("rows", even),
            ("rows", odd),
            ("row counts", self.n_rows),
            ("outputs kept for later layers", self.kept),
            ("moments", self.moments),
            ("rates", self.rates),
            ("failures", self.failures),
        ]
    }

    fn largest(&self) -> (&'static str, u64) {
        self.all().into_iter().max_by_key(|(_, bytes)| *bytes).expect("there are buffers")
    }

    /// All of them; what is read back is there twice, and what is kept.
    fn total(&self) -> u64 {
        let once = self.all().iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes));
        once.saturating_add(self.staging()).saturating_add(self.kept)
    }

    /// What is read back.
    pub(super) fn staging(&self) -> u64 {
        self.rates.saturating_add(self.failures)
    }
}

impl Shape {
    /// The shape of paths of so many `points`.
    ///
    /// # Errors
    /// A layer that the stages cannot handle in one go.
    pub(super) fn new(network: &RandomNetwork, points: usize) -> Result<Self> {
        let architecture = network.architecture();
        let layers = LayerShape::of(architecture);
        let laws = RateLaw::of_network(network);
        let mut rates = Vec::new();
        for (l, ((layer, shape), law)) in architecture.layers().iter().zip(&layers).zip(&laws).enumerate() {
            rates.push(RatesFrom::of(l, layer, *law));
            let what = if *law == Some(RateLaw::Pool) {
                "the GPU engine has no crossing rate of max-pooling".to_owned()
            } else if is_too_wide(layer) {
                TOO_WIDE.to_owned()
            } else if rates[l].iterations(layer, shape) > MAX_ITERATIONS - LANES {
                match shape.group_size() {
                    1 => format!(
                        "{} units of {} breakpoints each on {} inputs are more than the GPU engine takes",
                        shape.units,
                        shape.n_breakpoints(),
                        shape.inputs
                    ),
                    size => format!(
                        "units of {size} pre-activations, {} in all, are more than the GPU engine takes",
                        shape.units
                    ),
                }
            } else {
                continue;
            };
            return Err(Error::usage(format!(
                "architecture {architecture}, layer {}: {what}: use --engine cpu",
                l + 1
            )));
        }
        let n_drawn = RateLaw::n_drawn(&laws);
        Ok(Self { layers, rates, n_drawn, points })
    }

    /// Which of the two buffers the inputs of a layer are in, the last layer's outputs after it; the layer's pre-activations are in the
    /// other. Outputs that a stage makes go back to where the inputs were.
    pub(super) fn side(&self, layer: usize) -> usize {
        self.layers[..layer].iter().filter(|layer| !layer.makes_outputs()).count() % 2
    }

    /// The widest rows in a buffer.
    fn widest(&self, side: usize) -> usize {
        let drawn = self.layers[..self.n_drawn].iter().enumerate();
        let widths = drawn.flat_map(|(l, layer)| {
            [(self.side(l), layer.inputs), (1 - self.side(l), layer.units), (self.side(l + 1), layer.outputs())]
        });
        // Means are where the pre-activations will be.
        let means = self
            .rates
            .iter()
            .enumerate()
            .filter(|(_, rates)| matches!(rates, RatesFrom::Moments { has_means: true, .. }));
        let means = means.map(|(l, _)| (1 - self.side(l), self.layers[l].units));
        let all = widths.chain(means).chain([(0, self.layers[0].inputs)]);
        all.filter(|&(at, _)| at == side).map(|(_, width)| width).max().unwrap_or(0)
    }

    /// Floating-point operations on one path: products, and rates from rows that are about as wide as the inputs.
    fn work(&self) -> f64 {
        let products = self.layers[..self.n_drawn].iter().map(|l| 4.0 * l.n_products as f64);
        let rates = self.layers.iter().zip(&self.rates).map(|(layer, rates)| match rates {
            RatesFrom::Moments { laws, patches, .. } => 8.0 * *laws as f64 * *patches as f64,
            RatesFrom::Nothing | RatesFrom::Inputs | RatesFrom::PreActivations => 8.0 * layer.inputs as f64,
        });
        self.points as f64 * products.chain(rates).sum::<f64>()
    }

    /// Bytes of the buffers for so many networks with so many paths each. Too large a number saturates.
    pub(super) fn sizes(&self, networks: usize, paths: usize) -> Sizes {
        let words = |factors: &[usize]| factors.iter().fold(4, |product: u64, &f| product.saturating_mul(f as u64));
        let rows = |side| words(&[networks, paths, self.points, 2, self.widest(side)]);
        let weights = self.layers[..self.n_drawn].iter().map(|l| words(&[networks, l.n_parameters])).max();
        let kept = self.layers.iter().map(|l| l.kept).max().unwrap_or(0);
        let laws = self.rates.iter().map(|rates| if let RatesFrom::Moments { laws, .. } = rates { *laws } else { 0 });
        Sizes {
            draws: words(&[networks, 2]),
            weights: weights.unwrap_or(0),
            rows: [rows(0), rows(1)],
            n_rows: words(&[networks]),
            kept: words(&[networks, paths, self.points, 2, kept]),
            moments: words(&[networks, paths, self.points, 3, laws.max().unwrap_or(0)]),
            rates: words(&[networks, paths, self.points, self.layers.len()]),
            failures: words(&[networks]),
        }
    }
}

impl Plan {
    /// As many of `networks` networks with `paths` paths each as fit on the device and make at most `work` floating-point operations.
    ///
    /// # Errors
    /// If a single path does not fit: what it would need.
    pub(super) fn fit(
        shape: Shape,
        networks: usize,
        paths: usize,
        limits: &DeviceLimits,
        work: f64,
        what: &str,
    ) -> Result<Self> {
        let fits = |networks: usize, paths: usize| {
            let sizes = shape.sizes(networks, paths);
            networks <= limits.groups as usize && sizes.largest().1 <= limits.binding && sizes.total() <= limits.memory
        };
        let by_work = ((work / shape.work()) as usize).max(1);
        let (networks, paths) = together(networks, paths, by_work, fits);
        if paths == 0 {
            let (sizes, points) = (shape.sizes(1, 1), shape.points);
            let path = format!("{what}: one path with {points} points");
            let remedy = ": use --engine cpu, fewer points or narrower layers";
            return Err(too_large(&path, sizes.total(), sizes.largest(), limits, remedy));
        }
        Ok(Self { shape, networks, paths, max_groups: limits.groups })
    }

    /// Whether a batch made for this plan has room for another plan's.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.shape == other.shape && self.paths == other.paths && self.networks >= other.networks
    }

    /// Points of a network.
    pub(super) fn points(&self) -> usize {
        self.paths * self.shape.points
    }

    /// Points of a batch.
    pub(super) fn n_points(&self) -> usize {
        self.networks * self.points()
    }

    /// Bytes of its buffers.
    pub(super) fn sizes(&self) -> Sizes {
        self.shape.sizes(self.networks, self.paths)
    }

    /// Bytes of the host's memory that its batches take: points in f64 while they are drawn, with as much again unused, then in f32, as
    /// rows and as they are sent; their factors; rates as they are read, and in f64; weights as they are drawn and sent.
    pub(super) fn host_bytes(&self) -> u128 {
        let sizes = self.sizes();
        let coordinates = 8 * self.n_points() as u128 * self.shape.layers[0].inputs as u128;
        6 * coordinates + 16 * self.n_points() as u128 + 4 * u128::from(sizes.rates) + 3 * u128::from(sizes.weights)
    }
}

/// Invocations that work on one point with rows of such a width: few enough that each has something to do, and neighbours read
/// neighbouring values.
pub(in crate::engine::gpu) fn lanes(width: usize) -> usize {
    const PER_LANE: usize = 8;
    width.div_ceil(PER_LANE).next_power_of_two().min(LANES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Architecture};

    const LIMITS: DeviceLimits = DeviceLimits { binding: 1 << 27, groups: 65_535, memory: 1 << 30 };

    fn shape(text: &str, activation: Activation, weights: &str, points: usize) -> Result<Shape> {
        let architecture = Architecture::parse(text, activation, 1).unwrap();
        let bias = "normal:0.1".parse().unwrap();
        Shape::new(&RandomNetwork::new(architecture, weights.parse().unwrap(), bias, 0).unwrap(), points)
    }

    fn relu(text: &str, weights: &str, points: usize) -> Shape {
        shape(text, Activation::relu(), weights, points).unwrap()
    }

    #[test]
    fn plans_fill_the_device_and_no_more() {
        for (text, weights, points) in [
            ("2-64x3", "he-normal", 1),
            ("784-512x3", "he-normal", 3),
            ("1-1", "he-normal", 1),
            ("3-7x200", "laplace:1", 64),
            ("2-1000-4000-3", "torch", 1),
        ] {
            let shape = relu(text, weights, points);
            for paths in [1, 37, 4096, 1_000_000] {
                let place = format!("{text} {points} {paths}");
                let plan = Plan::fit(shape.clone(), 1_000_000, paths, &LIMITS, f64::INFINITY, "here").unwrap();
                let fits = |networks: usize, paths: usize| {
                    let sizes = shape.sizes(networks, paths);
                    sizes.all().iter().all(|(_, bytes)| *bytes <= LIMITS.binding)
                        && sizes.total() <= LIMITS.memory
                        && networks <= 65_535
                };
                assert!(fits(plan.networks, plan.paths), "{place}");
                if plan.paths == paths {
                    assert!(!fits(plan.networks + 1, paths), "{place}");
                } else {
                    assert!(plan.networks == 1 && !fits(1, plan.paths + 1), "{place}");
                }
            }
        }
    }

    #[test]
    fn work_bounds_a_batch_but_one_network_is_always_tried() {
        let shape = relu("2-64x3", "he-normal", 2);
        // Two products, of 2 and of 64 inputs, twice; the last layer has none.
        assert_eq!(shape.work(), 2.0 * (4.0 * (128.0 + 4096.0) + 8.0 * 130.0));
        let fit = |paths, work| Plan::fit(shape.clone(), 1000, paths, &LIMITS, work, "").unwrap();
        assert_eq!(fit(5, 1.0).networks, 1);
        assert_eq!(fit(5, 50.5 * shape.work()).networks, 10);
        assert_eq!((fit(5, f64::INFINITY).networks, fit(5, f64::INFINITY).paths), (1000, 5));
    }

    /// Levels alternate between the buffers; the law says which are there.
    #[test]
    fn buffers_hold_the_levels_that_are_needed() {
        let shape = relu("3-100-5-70-9", "he-normal", 4);
        let sizes = shape.sizes(2, 10);
        assert_eq!(sizes.rows, [4 * 80 * 2 * 5, 4 * 80 * 2 * 100]);
        assert_eq!((sizes.weights, sizes.rates), (4 * 2 * 101 * 5, 4 * 80 * 4));
        let sizes = relu("3-100-5-70-9", "laplace:1", 4).sizes(2, 10);
        assert_eq!((sizes.rows[0], sizes.weights), (4 * 80 * 2 * 9, 4 * 2 * 71 * 9));
        // 5 maxout units of 15 pre-activations go back to where 3 inputs were, sorted groups to where these are.
        let maxout = self::shape("3-5-9-20", "maxout:3".parse().unwrap(), "he-normal", 4).unwrap();
        assert_eq!(maxout.sizes(2, 10).rows, [4 * 80 * 2 * 9, 4 * 80 * 2 * 27]);
        let sorted = self::shape("3-8-40-4", "max-min".parse().unwrap(), "he-normal", 4).unwrap();
        assert_eq!(sorted.sizes(2, 10).rows, [4 * 80 * 2 * 40; 2]);
        // Outputs kept for later layers, laws at 9 positions, and means where pre-activations are not computed.
        let skips = relu("1x9-c4k3p1-c4k3p1~1-c4k3p1~1", "he-normal", 4).sizes(2, 10);
        assert_eq!(skips.rows, [4 * 80 * 2 * 36; 2]);
        assert_eq!((skips.kept, skips.moments), (4 * 80 * 2 * 36, 4 * 80 * 3 * 9));
        assert_eq!(skips.weights, 4 * 2 * 52);
        let once = skips.draws + skips.weights + 2 * skips.rows[0] + skips.n_rows + skips.moments;
        assert_eq!(skips.total(), once + 2 * (skips.kept + skips.staging()));
        assert_eq!(relu("3-6-6~1", "he-normal", 4).sizes(2, 10).rows, [4 * 80 * 2 * 6; 2]);
        assert_eq!(relu("3-6-6", "he-normal", 4).sizes(2, 10).rows, [4 * 80 * 2 * 3, 4 * 80 * 2 * 6]);
        let one = relu("3-100", "he-normal", 1);
        assert_eq!((one.n_drawn, one.sizes(1, 1).rows[1], one.sizes(1, 1).weights), (0, 0, 0));
    }

    #[test]
    fn what_does_not_fit_alone_is_refused_with_its_size() {
        let fit = |shape| Plan::fit(shape, 1, 7, &LIMITS, 1.0, "here").map_err(|error| error.to_string());
        let error = fit(relu("2-40000x3", "he-normal", 1)).unwrap_err();
        assert!(error.contains("here") && error.contains("weights") && error.contains("128 MiB"), "{error}");
        let error = fit(relu("784-1", "he-normal", 100_000)).unwrap_err();
        assert!(error.contains("100000 points") && error.contains("rows"), "{error}");
        // Numbers that no machine holds.
        assert!(fit(relu("784-1", "he-normal", usize::MAX / 4)).unwrap_err().contains("--engine cpu"));
    }

    #[test]
    fn loops_stay_short() {
        let many = |n: usize| {
            let points: Vec<f64> = (0..n).map(|k| k as f64).collect();
            let slopes: Vec<f64> = (0..=n).map(|k| (k % 2) as f64).collect();
            Activation::spline("many", points, slopes, [0.0, 0.0]).unwrap()
        };
        assert!(shape("2-3x2", many(49_000), "he-normal", 1).is_ok());
        assert!(shape("2-64x2", many(6_000), "laplace:1", 1).is_ok());
        assert!(shape("1x90-c2k3", many(6_000), "he-normal", 1).is_ok());
        assert!(shape("2-300-300~1", "group-sort:300".parse().unwrap(), "he-normal", 1).is_ok());
        let wide = Activation::identity();
        let error = shape("70000x1-c70000k1g70000", wide, "he-normal", 1).unwrap_err().to_string();
        assert!(error.contains("in more groups than") && error.contains("--engine cpu"), "{error}");
        let error = shape("2-400-400~1", "group-sort:400".parse().unwrap(), "he-normal", 1).unwrap_err().to_string();
        assert!(error.contains("layer 2: units of 400 pre-activations") && error.contains("--engine cpu"), "{error}");
        for (text, n, weights) in
            [("2-3x2", 51_000, "he-normal"), ("2-64x2", 7_000, "laplace:1"), ("1x90-c2k3", 9_000, "he-normal")]
        {
            let error = shape(text, many(n), weights, 1).unwrap_err().to_string();
            assert!(error.contains("layer 1") && error.contains("--engine cpu"), "{error}");
        }
        assert_eq!([1, 8, 9, 64, 65, 512, 513, 100_000].map(lanes), [1, 1, 2, 8, 16, 64, 64, 64]);
    }
}
