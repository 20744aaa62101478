//! What fits on a device: pure arithmetic, without one.

use super::flags::Flags;
use super::kinks::words;
use super::layer::{self, LayerShape};
use crate::engine::Method;
use crate::error::{Error, Result};
use crate::network::Architecture;

/// Loop iterations of one invocation stay below this. A software device of wide use (Mesa 22's) silently stops at 65,535.
pub(super) const MAX_ITERATIONS: usize = 50_000;

/// Rows and columns of a tile of a dense map, and of a convolution.
pub(super) const DENSE_TILE: [usize; 2] = [64, 64];
pub(super) const CONVOLUTION_TILE: [usize; 2] = [128, 32];
/// Values that are summed at a time in a tile.
pub(super) const SLAB: usize = 16;

/// Invocations of a workgroup.
pub(super) const LANES: usize = 64;

/// What a device can do, as far as plans depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeviceLimits {
    /// Bytes of one buffer as a stage sees it.
    pub(super) binding: u64,
    /// Workgroups in one dimension.
    pub(super) groups: u32,
    /// Bytes of all buffers together.
    pub(super) memory: u64,
}

/// What one path needs: the network's layers, and the rows it has room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) layers: Vec<LayerShape>,
    /// Exact: rows before the first layer, then after the insertion of each. Sampled: vertices, then grid points of a pass.
    pub(super) rows: Vec<usize>,
    /// Grid points, for the sampled method.
    pub(super) grid: Option<usize>,
    /// Whether kinks are followed from unit to unit, to tell which boundaries are knots.
    pub(super) has_kinks: bool,
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
    pub(super) points: u64,
    /// One side of the ping-pong: rows after insertion, without groups.
    pub(super) x: u64,
    /// The other: pre-activations, without groups.
    pub(super) z: u64,
    pub(super) n_rows: u64,
    pub(super) intervals: u64,
    pub(super) entries: u64,
    pub(super) sources: u64,
    pub(super) flags: u64,
    pub(super) results: u64,
    pub(super) vertices: u64,
    pub(super) sides: u64,
    pub(super) kept: u64,
    pub(super) kinks: u64,
    pub(super) joined: u64,
    pub(super) reached: u64,
    pub(super) kept_kinks: u64,
}

impl Sizes {
    fn all(&self) -> [(&'static str, u64); 18] {
        [
            ("draws", self.draws),
            ("weights", self.weights),
            ("points", self.points),
            ("rows", self.x),
            ("pre-activations", self.z),
            ("row counts", self.n_rows),
            ("intervals", self.intervals),
            ("crossings", self.entries),
            ("sources", self.sources),
            ("flags", self.flags),
            ("results", self.results),
            ("vertices", self.vertices),
            ("sides", self.sides),
            ("outputs kept for later layers", self.kept),
            ("kinks", self.kinks),
            ("kinks of channels together", self.joined),
            ("kinks of pre-activations", self.reached),
            ("kinks kept for later layers", self.kept_kinks),
        ]
    }

    /// The largest buffer.
    fn largest(&self) -> (&'static str, u64) {
        self.all().into_iter().max_by_key(|(_, bytes)| *bytes).expect("there are buffers")
    }

    /// All of them; some are there twice or once per layer.
    pub(super) fn total(&self, n_levels: usize) -> u64 {
        let once = self.all().iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes));
        let levels = self.n_rows.saturating_mul(2 * n_levels as u64);
        let again = [self.flags, self.kept, self.results, self.kinks, self.kept_kinks, levels];
        again.iter().fold(once, |sum, bytes| sum.saturating_add(*bytes))
    }
}

impl Shape {
    /// The shape of an ensemble's or network's paths of at most `n_vertices` vertices, with a first guess at their rows.
    ///
    /// # Errors
    /// A layer that the stages cannot handle in one go.
    pub(super) fn new(
        architecture: &Architecture,
        method: Method,
        n_vertices: usize,
        limits: &DeviceLimits,
    ) -> Result<Self> {
        layer::check(architecture)?;
        let layers = LayerShape::of(architecture);
        let (rows, grid) = match method {
            Method::Exact => {
                let mut rows = vec![n_vertices];
                for layer in &layers {
                    let before = rows[rows.len() - 1];
                    // Half of all on a segment, more than is typical; what is not enough is found out.
                    let crossings = layer.most_crossings() * n_vertices.clamp(2, 8) / 4;
                    rows.push(before + crossings.clamp(14, 1 << 20));
                }
                (rows, None)
            }
            Method::Sampled { grid } => (vec![n_vertices, Self::pass(&layers, grid, limits)], Some(grid)),
        };
        let has_kinks = grid.is_none() && Flags::of(architecture).follow_units();
        Ok(Self { layers, rows, grid, has_kinks })
    }

    /// Grid points of one pass.
    fn pass(layers: &[LayerShape], grid: usize, limits: &DeviceLimits) -> usize {
        const TYPICAL: usize = 1 << 14;
        let by_loops = layers.iter().map(|l| MAX_ITERATIONS / l.look_back()).min().unwrap_or(TYPICAL);
        let widest = layers.iter().map(|l| l.units.max(l.outputs()) + l.kept).max().unwrap_or(1);
        let by_memory = (limits.binding.min(limits.memory / 4) / (4 * widest as u64)) as usize;
        grid.min(TYPICAL).min(by_loops).min(by_memory).max(1)
    }

    /// Rows that come into a layer.
    pub(super) fn rows_in(&self, layer: usize) -> usize {
        if self.grid.is_some() { self.rows[layer.min(1)] } else { self.rows[layer] }
    }

    /// Rows after a layer's insertion.
    pub(super) fn rows_out(&self, layer: usize) -> usize {
        if self.grid.is_some() { self.rows[1] } else { self.rows[layer + 1] }
    }

    /// Sides that a path has to remember.
    pub(super) fn n_sides(&self) -> usize {
        self.layers.iter().map(LayerShape::n_sides).sum()
    }

    /// Floating-point operations of the maps on one full path, and comparisons within groups.
    pub(super) fn work(&self) -> f64 {
        let passes = self.grid.map_or(1, |grid| grid.div_ceil(self.rows[1]));
        let rows = |l: usize| if l == 0 { self.rows[0] } else { self.rows_in(l) * passes };
        let per_row = |s: &LayerShape| 2.0 * (s.n_products as f64 + s.units as f64 * s.comparisons() as f64);
        let layer = |(l, s): (usize, &LayerShape)| rows(l) as f64 * per_row(s) + s.ordering(l);
        self.layers.iter().enumerate().map(layer).sum()
    }

    /// Bytes of the buffers for so many networks with so many paths each.
    pub(super) fn sizes(&self, networks: usize, paths: usize) -> Sizes {
        let n_paths = networks.saturating_mul(paths) as u64;
        // What is far too large saturates.
        let per_path = |words: usize| n_paths.saturating_mul(4).saturating_mul(words as u64);
        let per_network = |words: usize| (networks as u64).saturating_mul(4).saturating_mul(words as u64);
        let over_layers = |size: &dyn Fn(usize) -> usize| (0..self.layers.len()).map(size).max().unwrap_or(0);
        let sampled = self.grid.is_some();
        let rows_in = over_layers(&|l| self.rows_in(l));
        let rows_out = over_layers(&|l| self.rows_out(l));
        let z = over_layers(&|l| self.rows_in(l) * self.layers[l].units);
        // Nothing is computed on the rows after the last layer.
        let last = self.layers.len() - usize::from(!sampled);
        let x = (0..last).map(|l| self.rows_out(l) * self.layers[l].units).max().unwrap_or(1);
        // Outputs that a stage makes go back to where the pre-activations before insertion were.
        let made = (0..self.layers.len() - 1).filter(|&l| self.layers[l].makes_outputs());
        let made = made.map(|l| self.rows_out(l) * self.layers[l].outputs()).max();
        let (x, z) = made.map_or((x, z), |made| (x.max(z).max(made), x.max(z).max(made)));
        // Bits, and one of the read-out for every row behind the last layer.
        let kinks = |size: &dyn Fn(usize) -> usize| if self.has_kinks { over_layers(size) } else { 0 };
        let readout = if self.has_kinks { self.rows[self.layers.len()] } else { 0 };
        let crossing_list = if sampled { 1 } else { rows_out };
        Sizes {
            draws: per_network(2),
            weights: per_network(over_layers(&|l| self.layers[l].n_parameters)),
            points: per_path(self.rows[0] * self.layers[0].inputs),
            x: per_path(x),
            z: per_path(z),
            n_rows: per_path(1),
            intervals: per_path(4 * if sampled { 1 } else { rows_in }),
            entries: per_path(4 * crossing_list),
            sources: per_path(3 * rows_out),
            flags: per_path(rows_in.max(rows_out)),
            results: per_path(super::step::RESULT_HEAD + self.layers.len()),
            vertices: per_path(3 * if sampled { self.rows[0] } else { 1 }),
            sides: per_path(if sampled { self.n_sides().max(1) } else { 1 }),
            kept: per_path(over_layers(&|l| self.rows_in(l) * self.layers[l].kept)),
            kinks: per_path(kinks(&|l| self.rows_out(l) * words(self.layers[l].outputs()))),
            joined: per_path(kinks(&|l| self.rows_in(l) * words(self.layers[l].joined))),
            reached: per_path(kinks(&|l| self.rows_in(l) * words(self.layers[l].units)).max(readout)),
            kept_kinks: per_path(kinks(&|l| self.rows_in(l) * self.layers[l].kept_kinks)),
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
            networks * paths <= limits.groups as usize
                && sizes.largest().1 <= limits.binding
                && sizes.total(shape.rows.len()) <= limits.memory
        };
        let by_work = ((work / shape.work().max(1.0)) as usize).max(1);
        let (networks, paths) = together(networks, paths, by_work, fits);
        // The loop of one workgroup over all rows of a path.
        const MAX_ROWS: usize = 5 << 18;
        let rows = shape.rows.iter().copied().max().unwrap_or(0);
        if paths == 0 || rows > MAX_ROWS {
            let sizes = shape.sizes(1, 1);
            let path = format!("{what}: one path with {rows} vertices");
            let remedy =
                format!(", and at most {MAX_ROWS} vertices: use --engine cpu, shorter paths or narrower layers");
            return Err(too_large(&path, sizes.total(shape.rows.len()), sizes.largest(), limits, &remedy));
        }
        Ok(Self { shape, networks, paths, max_groups: limits.groups })
    }

    /// Whether a batch made for this plan has room for another plan's.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.shape == other.shape && self.paths == other.paths && self.networks >= other.networks
    }

    /// Number of paths in a batch.
    pub(super) fn n_paths(&self) -> usize {
        self.networks * self.paths
    }

    /// Bytes of its buffers.
    pub(super) fn sizes(&self) -> Sizes {
        self.shape.sizes(self.networks, self.paths)
    }
}

/// How many of `networks` networks, and paths of each, are computed together: several networks with all their `paths`, `by_work` paths
/// if there are so many that fit, or a part of one network.
pub(super) fn together(
    networks: usize,
    paths: usize,
    by_work: usize,
    fits: impl Fn(usize, usize) -> bool,
) -> (usize, usize) {
    if fits(1, paths) {
        (most(networks.min(by_work.div_ceil(paths)), |n| fits(n, paths)), paths)
    } else {
        (1, most(paths, |p| fits(1, p)))
    }
}

/// What is said of something that does not fit on a device, with the size of its largest buffer.
pub(super) fn too_large(
    what: &str,
    total: u64,
    (name, bytes): (&str, u64),
    limits: &DeviceLimits,
    remedy: &str,
) -> Error {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Error::usage(format!(
        "{what} needs {:.1} MiB on the device, {:.1} MiB for its {name}, but there are {:.0} MiB, {:.0} MiB for one buffer{remedy}",
        mib(total),
        mib(bytes),
        mib(limits.memory),
        mib(limits.binding)
    ))
}

/// The largest number up to `limit` for which `fits` holds; it holds for all below it.
fn most(limit: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut yes, mut no) = (0, limit + 1);
    while yes + 1 < no {
        let middle = usize::midpoint(yes, no);
        if fits(middle) { yes = middle } else { no = middle }
    }
    yes
}

/// Parts of a map's inputs that one invocation of a tile of so many rows can sum in its loops; `n_breakpoints` is that of the activation
/// applied to them. Parts start at multiples of 16.
pub(super) fn input_parts(inputs: usize, tile_rows: usize, n_breakpoints: usize) -> Vec<(usize, usize)> {
    // Of a slab: loads with their activations, products.
    let per_slab = 20 + SLAB * tile_rows / LANES * n_breakpoints + SLAB + SLAB + 1;
    parts(inputs, (MAX_ITERATIONS / per_slab).max(1) * SLAB)
}

/// Parts of a window's values that one invocation can sum in its loops.
pub(super) fn window_parts(area: usize, n_breakpoints: usize) -> Vec<(usize, usize)> {
    parts(area, (MAX_ITERATIONS / (n_breakpoints + 1)).max(1))
}

fn parts(n: usize, part: usize) -> Vec<(usize, usize)> {
    (0..n).step_by(part).map(|base| (base, n.min(base + part))).collect()
}

/// Dispatches over all rows of a product, so many a tile, that each make at most `work` floating-point operations: the first row of each,
/// and its number of tiles.
pub(super) fn row_parts(rows: usize, tile_rows: usize, work_per_row: f64, work: f64) -> Vec<(usize, usize)> {
    let tiles = rows.div_ceil(tile_rows);
    let part = ((work / (work_per_row * tile_rows as f64)) as usize).clamp(1, u16::MAX as usize);
    (0..tiles).step_by(part).map(|tile| (tile * tile_rows, part.min(tiles - tile))).collect()
}

/// The workgroups for `n` rows or blocks: in two dimensions where one, of `most` workgroups, is not enough.
pub(super) fn groups(n: usize, most: u32) -> [u32; 2] {
    let y = n.div_ceil(most as usize).max(1);
    [n.div_ceil(y).max(1) as u32, y as u32]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Activation;

    const LIMITS: DeviceLimits = DeviceLimits { binding: 1 << 27, groups: 65_535, memory: 1 << 30 };

    fn shape(text: &str, method: Method, n_vertices: usize) -> Shape {
        activated(text, "relu", method, n_vertices)
    }

    fn activated(text: &str, activation: &str, method: Method, n_vertices: usize) -> Shape {
        let architecture = Architecture::parse(text, activation.parse().unwrap(), 1).unwrap();
        Shape::new(&architecture, method, n_vertices, &LIMITS).unwrap()
    }

    fn fit(shape: &Shape, networks: usize, paths: usize, limits: &DeviceLimits, work: f64) -> Result<Plan> {
        Plan::fit(shape.clone(), networks, paths, limits, work, "here")
    }

    #[test]
    fn plans_fill_the_device_and_no_more() {
        for (text, method, vertices) in [
            ("2-64x3", Method::Exact, 2),
            ("784-512x3", Method::Exact, 2),
            ("1-1", Method::Exact, 1),
            ("3-7x12", Method::Sampled { grid: 1000 }, 9),
            ("2-64x3", Method::Sampled { grid: 1_000_000_000 }, 2),
        ] {
            let shape = shape(text, method, vertices);
            for paths in [1, 3, 1000] {
                let plan = fit(&shape, 1_000_000, paths, &LIMITS, f64::INFINITY).unwrap();
                let fits = |networks: usize, paths: usize| {
                    let sizes = shape.sizes(networks, paths);
                    sizes.all().iter().all(|(_, bytes)| *bytes <= LIMITS.binding)
                        && sizes.total(shape.rows.len()) <= LIMITS.memory
                        && networks * paths <= 65_535
                };
                let place = format!("{text} {method:?} {paths}: {plan:?}");
                assert!(fits(plan.networks, plan.paths), "{place}");
                if plan.paths == paths {
                    assert!(!fits(plan.networks + 1, paths), "{place}");
                } else {
                    assert!(plan.networks == 1 && !fits(1, plan.paths + 1), "{place}");
                }
            }
        }
    }

    /// What rows are as wide as, before and after units of several pre-activations.
    #[test]
    fn buffers_hold_what_comes_before_and_after_groups() {
        for method in [Method::Exact, Method::Sampled { grid: 100 }] {
            let shape = activated("2-5-7", "maxout:3", method, 2);
            let widest = (0..2).map(|l| [shape.rows_in(l), shape.rows_out(l)].map(|rows| rows * [15, 21][l]));
            // Rows after the last layer are not kept by the exact method.
            let needed = match method {
                Method::Exact => widest.take(1).flatten().chain([shape.rows_in(1) * 21]).max(),
                Method::Sampled { .. } => widest.flatten().max(),
            };
            let sizes = shape.sizes(3, 2);
            assert_eq!((sizes.x, sizes.z), (4 * 6 * needed.unwrap() as u64, sizes.x), "{method:?}");
            assert_eq!(sizes.weights, 4 * 3 * 6 * 21);
            let relu = self::shape("2-15-21", method, 2);
            assert_eq!(shape.rows[0], relu.rows[0]);
        }
        assert_eq!(activated("2-6x2", "group-sort:3", Method::Sampled { grid: 9 }, 2).n_sides(), 12);
    }

    /// Two outputs of each pre-activation, more weights in skips than in the map, and what is kept meanwhile.
    #[test]
    fn buffers_hold_outputs_and_what_is_kept() {
        let crelu = activated("2-6-4", "crelu", Method::Exact, 2);
        // Three pre-activations with six outputs; the second layer has two.
        assert_eq!(crelu.sizes(1, 1).z, 4 * 6 * crelu.rows[1] as u64);
        let skips = shape("50-3-3+-4+0+1", Method::Exact, 2);
        let sizes = skips.sizes(5, 1);
        assert_eq!(sizes.weights, 4 * 5 * (3 * 4 + 4 + 50 * 4 + 3 * 4));
        assert_eq!(sizes.kept, 4 * 5 * skips.rows[2] as u64 * 53);
        let without = Sizes { kept: 0, ..sizes };
        assert_eq!(sizes.total(3) - without.total(3), 2 * sizes.kept);
        let sampled = shape("50-3-3+-4+0+1", Method::Sampled { grid: 100 }, 2);
        assert_eq!(sampled.sizes(1, 1).kept, 4 * 100 * 53);
        assert!(!crelu.has_kinks && !skips.has_kinks && !sampled.has_kinks);
        assert!(shape("1x9-c3k3", Method::Exact, 2).has_kinks);
        assert!(!shape("1x9-c3k3", Method::Sampled { grid: 5 }, 2).has_kinks);
    }

    /// A bit of every value of every row, in whole words.
    #[test]
    fn buffers_hold_kinks() {
        let bytes = |rows: &[usize]| 4 * *rows.iter().max().expect("rows") as u64;
        // 16 pre-activations, 80 and 5, of 6 and 4 positions.
        let shape = self::shape("2x6-c4k3-c40k3-5", Method::Exact, 2);
        let (rows, sizes) = (&shape.rows, shape.sizes(7, 3));
        assert_eq!(sizes.kinks, 21 * bytes(&[rows[1], 3 * rows[2], rows[3]]));
        assert_eq!(sizes.joined, 21 * bytes(&[rows[0], rows[1]]));
        assert_eq!(sizes.reached, 21 * bytes(&[rows[0], 3 * rows[1], rows[2], rows[3]]));
        assert_eq!(sizes.kept_kinks, 0);
        // 72 values from behind the first layer to the third; nothing of the input.
        let shape = self::shape("1x8-c9k3p1-[c9k3p1-c9k3p1]-4+", Method::Exact, 2);
        let sizes = shape.sizes(1, 1);
        assert_eq!(sizes.kept_kinks, 4 * 3 * shape.rows[2] as u64);
        let without = Sizes { kinks: 0, kept_kinks: 0, ..sizes };
        assert_eq!(sizes.total(3) - without.total(3), 2 * (sizes.kinks + sizes.kept_kinks));
        for (text, method) in [("2-64x3", Method::Exact), ("1x8-c9k3", Method::Sampled { grid: 50 })] {
            let Sizes { kinks, joined, reached, kept_kinks, .. } = self::shape(text, method, 2).sizes(3, 3);
            assert_eq!([kinks, joined, reached, kept_kinks], [0; 4], "{text}");
        }
    }

    #[test]
    fn work_bounds_a_batch_but_one_network_is_always_tried() {
        let shape = shape("2-64x3", Method::Exact, 2);
        assert_eq!(fit(&shape, 1000, 1, &LIMITS, 1.0).unwrap().networks, 1);
        let plan = fit(&shape, 1000, 1, &LIMITS, 10.5 * shape.work()).unwrap();
        assert_eq!((plan.networks, plan.paths), (10, 1));
        assert_eq!(fit(&shape, 7, 2, &LIMITS, f64::INFINITY).unwrap().networks, 7);
    }

    #[test]
    fn what_does_not_fit_alone_is_refused_with_its_size() {
        let wide = shape("2-40000x2", Method::Exact, 2);
        let error = fit(&wide, 1, 1, &LIMITS, 1.0).unwrap_err().to_string();
        assert!(error.contains("here") && error.contains("weights") && error.contains("128 MiB"), "{error}");
        let vast = activated("64x128x256-c70k3p1-avg", "identity", Method::Exact, 2);
        let error = fit(&vast, usize::MAX, 1 << 40, &LIMITS, f64::INFINITY).unwrap_err().to_string();
        assert!(error.contains("for its rows") && error.contains("MiB"), "{error}");
        let long = shape("2-1", Method::Exact, 2_000_000);
        assert!(fit(&long, 1, 1, &LIMITS, 1.0).unwrap_err().to_string().contains("2000014 vertices"), "rows");
        let architecture = Architecture::parse("1-60000", Activation::relu(), 1).unwrap();
        let error = Shape::new(&architecture, Method::Exact, 2, &LIMITS).unwrap_err().to_string();
        assert!(error.contains("60000 breakpoints") && error.contains("--engine cpu"), "{error}");
    }

    #[test]
    fn loops_stay_short() {
        for (inputs, n_breakpoints) in [(1, 0), (784, 1), (150_528, 0), (100_000, 7), (50, 10_000)] {
            for (tile_rows, loads) in [(64, 16), (128, 32)] {
                let parts = input_parts(inputs, tile_rows, n_breakpoints);
                assert_eq!((parts[0].0, parts[parts.len() - 1].1), (0, inputs));
                assert!(parts.windows(2).all(|w| w[0].1 == w[1].0 && w[1].0 % 16 == 0));
                let longest = parts.iter().map(|(a, b)| (b - a).div_ceil(16)).max().unwrap();
                let per_slab = 53 + loads * n_breakpoints;
                assert!(longest == 1 || longest * per_slab <= MAX_ITERATIONS, "{inputs} {n_breakpoints}");
            }
            let parts = window_parts(inputs, n_breakpoints);
            assert_eq!((parts[0].0, parts[parts.len() - 1].1), (0, inputs));
            assert!(parts.windows(2).all(|w| w[0].1 == w[1].0));
            assert!(parts.iter().all(|(a, b)| (b - a) * (n_breakpoints + 1) <= MAX_ITERATIONS));
        }
        let shape = shape("2-4096", Method::Sampled { grid: 1_000_000 }, 2);
        assert!(shape.rows[1] * 64 * 2 <= MAX_ITERATIONS, "{shape:?}");
        let shape = activated("2-4096", "maxout:3", Method::Sampled { grid: 1_000_000 }, 2);
        assert!(shape.rows[1] > 1 && shape.rows[1] * 64 * 5 <= MAX_ITERATIONS, "{shape:?}");
        let shape = activated("2-4096", "group-sort:4", Method::Sampled { grid: 1_000_000 }, 2);
        assert!(shape.rows[1] > 1 && shape.rows[1] * 64 * 5 <= MAX_ITERATIONS, "{shape:?}");
    }

    #[test]
    fn parts_and_groups_cover_every_row() {
        for (rows, work) in [(1, 1.0), (64, 1e3), (65, 1e4), (100_000, 1e5), (5_000_000, 1e12)] {
            for tile in [64, 128] {
                let parts = row_parts(rows, tile, 10.0, work);
                assert_eq!(parts[0].0, 0);
                assert!(parts.windows(2).all(|w| w[0].0 + w[0].1 * tile == w[1].0));
                let (first, tiles) = parts[parts.len() - 1];
                assert!(first + tiles * tile >= rows && tiles <= 65_535);
            }
        }
        for n in [0, 1, 65_535, 65_536, 1_000_000, 100_000_000] {
            let [x, y] = groups(n, LIMITS.groups);
            assert!(x as usize * y as usize >= n && x <= 65_535 && y <= 65_535, "{n}");
        }
    }
}
