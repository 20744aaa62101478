//! Numbers of linear regions of convolutional ReLU networks, after Xiong, Huang, Yu, Liu, Zhu, Shao, "On the number of
//! linear regions of convolutional neural networks", ICML 2020.
//!
//! Layers have no padding and no pooling, the same stride in both directions, and one bias per filter.
//!
//! # Where the published formula is not the number of regions
//!
//! Theorem 1 of that paper gives the number of regions of one layer as a sum over vectors that satisfy Hall's condition
//! ([`xiong_2020_one_layer`]). With generic biases, the number of regions is that of the sets of linearly independent normals (Zaslavsky
//! 1975), and Hall's condition describes the independent sets of generic vectors with the supports of the windows. So it is right where weights
//! are not shared. With shared filters the normals are not generic: in one dimension no difference was ever found, but in two dimensions
//! there is one.
//!
//! **Counterexample.** Input 3 x 3 with one channel, two filters p and q of 2 x 2, stride 1: 8 normals in 9 dimensions. Any set of windows covers
//! enough inputs, so all 2^8 = 256 sets satisfy Hall's condition. But convolutions commute: with S_m the shift by m,
//!
//! sum_m q_m (S_m p) = p * q = sum_m p_m (S_m q),
//!
//! where m runs over the four positions of a 2 x 2 window, and S_m p, S_m q are exactly the 8 normals. This is a linear relation between
//! them, with coefficients that are generically not zero, and it is the only one: the 8 normals are dependent, any 7 of them are not. Hence there are
//! 255 regions, one fewer.
//!
//! The same relation holds between the 2 f_1 f_2 normals around any window of f_1 x f_2, on (2 f_1 - 1)(2 f_2 - 1) inputs, which are at least as many if
//! f_1, f_2 >= 2: Hall's condition does not see it. In one dimension 2 f normals on 2 f - 1 inputs are dependent anyway.
//!
//! ```
//! use linregions::theory::regions::arrangement::generic_conv_count;
//! use linregions::theory::regions::conv::{ConvLayer, xiong_2020_one_layer};
//!
//! # fn main() -> Result<(), linregions::theory::regions::Inapplicable> {
//! let layer = ConvLayer::new([3, 3], 1, [2, 2], 1, 2)?;
//! assert_eq!(xiong_2020_one_layer(&layer)?, 256u32.into());
//! assert_eq!(generic_conv_count(&layer, 7)?, 255u32.into());
//! # Ok(())
//! # }
//! ```

use num_bigint::BigUint;
use num_traits::{One, Zero};

use super::Inapplicable;
use super::arrangement::generic_conv_count;

/// Most bits of a result.
pub const MAX_BITS: f64 = 3e7;

/// Most elementary operations on 64-bit words, as estimated beforehand; they take in the order of ten seconds.
pub const MAX_WORK: f64 = 1e10;

/// Most vectors `t` that the search for genuinely two-dimensional layers may face, `prod_ij (min(d1, |S_ij|) + 1)`.
pub const MAX_VECTORS: f64 = 2e7;

/// One convolutional layer: `filters` filters of `kernel` size over all `channels` of an input image.
///
/// The fields are open to reading and changing; every function that takes a layer checks it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvLayer {
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Channels of the input, `d0`.
    pub channels: usize,
    /// Height and width of the filters.
    pub kernel: [usize; 2],
    /// Step between neighbouring positions, in both directions.
    pub stride: usize,
    /// Number of filters, `d1`.
    pub filters: usize,
}

impl ConvLayer {
    /// A layer with the given sizes.
    ///
    /// # Errors
    /// A size of 0, a kernel larger than the input, or sizes whose products overflow `usize`.
    pub fn new(
        input: [usize; 2],
        channels: usize,
        kernel: [usize; 2],
        stride: usize,
        filters: usize,
    ) -> Result<Self, Inapplicable> {
        let layer = Self { input, channels, kernel, stride, filters };
        layer.check()?;
        Ok(layer)
    }

    /// Whether the sizes are those of a layer; [`ConvLayer::new`] has asked this already.
    ///
    /// # Errors
    /// As for [`ConvLayer::new`].
    pub fn check(&self) -> Result<(), Inapplicable> {
        let ([h, w], [kh, kw]) = (self.input, self.kernel);
        let sizes = [
            ("input height", h),
            ("input width", w),
            ("number of channels", self.channels),
            ("kernel height", kh),
            ("kernel width", kw),
            ("stride", self.stride),
            ("number of filters", self.filters),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, v)| *v == 0) {
            return Err(Inapplicable(format!("the {name} is 0; it must be at least 1")));
        }
        for (name, k, n) in [("height", kh, h), ("width", kw, w)] {
            if k > n {
                return Err(Inapplicable(format!(
                    "the kernel {name} {k} exceeds the input {name} {n}; without padding it must be at most {n}"
                )));
            }
        }
        let product = |a: [usize; 3]| a[0].checked_mul(a[1]).and_then(|p| p.checked_mul(a[2]));
        let [rows, cols] = self.output();
        for (name, factors) in [
            ("input height, width and channels", [h, w, self.channels]),
            ("output height, width and filters", [rows, cols, self.filters]),
        ] {
            if product(factors).is_none() {
                return Err(Inapplicable(format!(
                    "the product of {name}, {} * {} * {}, overflows; it must be at most {}",
                    factors[0],
                    factors[1],
                    factors[2],
                    usize::MAX
                )));
            }
        }
        Ok(())
    }

    /// Height and width of the output, `floor((input - kernel) / stride) + 1`; 0 where the sizes are invalid.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|a| {
            let steps = self.input[a].checked_sub(self.kernel[a]).and_then(|d| d.checked_div(self.stride));
            steps.map_or(0, |s| s.saturating_add(1))
        })
    }

    /// Number of positions of a filter, that is of outputs per filter.
    pub fn positions(&self) -> usize {
        let [rows, cols] = self.output();
        rows.saturating_mul(cols)
    }

    /// Input values seen from one position, `|S_ij|`.
    fn window(&self) -> usize {
        self.kernel[0].saturating_mul(self.kernel[1]).saturating_mul(self.channels)
    }

    /// The axis of the lines into which the positions fall such that windows on different lines are disjoint, if any.
    fn line_axis(&self) -> Option<usize> {
        let apart = |axis: usize| self.output()[axis] == 1 || self.stride >= self.kernel[axis];
        [1, 0].into_iter().find(|axis| apart(1 - axis))
    }

    /// Whether [`xiong_2020_one_layer`] is known to be the number of regions for generic shared filters and not only
    /// an upper bound.
    ///
    /// True for at most as many filters as channels (then all normals are independent, because a generic `d0 x d1`
    /// matrix of polynomials has full column rank), and for layers made of one-dimensional lines with disjoint
    /// windows. For the latter the published proof does not treat weight sharing; the equality was confirmed
    /// by exact counts on about a thousand lines with inputs up to 7, channels and strides up to 3, no exception.
    /// For the remaining layers, the genuinely two-dimensional ones, the formula is strictly too large at least where
    /// `d1 > d0`, the stride is 1 and both output sizes are at least `d0 (kernel - 1) + 1`.
    pub fn formula_is_exact(&self) -> bool {
        self.filters <= self.channels || self.line_axis().is_some()
    }
}

impl ConvNetwork {
    /// Weights of all filters, and one bias for each.
    pub fn n_parameters(&self) -> u128 {
        let of_layer = |l: &ConvLayer| (l.window() as u128 + 1) * l.filters as u128;
        self.layers.iter().map(of_layer).sum()
    }

    /// The width of a dense network of the same depth and input with as many parameters (weights and biases of its hidden layers), or a
    /// few less; `None` where even one unit a layer has more.
    ///
    /// So the numbers of regions of both can be compared for the same number of parameters, the comparison of Theorem 3.
    pub fn equal_dense_width(&self) -> Option<usize> {
        let first = self.layers.first()?;
        let inputs = (first.input[0] * first.input[1] * first.channels) as u128;
        let depth = self.layers.len() as u128;
        let parameters = |width: u128| (inputs + 1) * width + (depth - 1) * (width + 1) * width;
        let budget = self.n_parameters();
        let (mut fits, mut too_many) = (0, budget + 1);
        while fits + 1 < too_many {
            let middle = u128::midpoint(fits, too_many);
            if parameters(middle) <= budget { fits = middle } else { too_many = middle }
        }
        usize::try_from(fits).ok().filter(|&width| width > 0)
    }
}

/// The exponent of the number of regions of one layer as its filters become many: Theta(d1^e) with e the number of inputs that some
/// window covers.
///
/// Source: Xiong et al. 2020, asymptotics of Theorem 1.
pub fn xiong_2020_exponent(layer: &ConvLayer) -> usize {
    let covered = |axis: usize| {
        let (n, kernel, stride) = (layer.output()[axis], layer.kernel[axis], layer.stride);
        if stride >= kernel { n * kernel } else { (n.max(1) - 1) * stride + kernel }
    };
    covered(0) * covered(1) * layer.channels
}

/// Refuses results of more than [`MAX_BITS`] bits and computations of more than [`MAX_WORK`] word operations.
fn affordable(what: &str, bits: f64, work: f64) -> Result<(), Inapplicable> {
    if bits > MAX_BITS {
        return Err(Inapplicable(format!("{what}: the result may have {bits:.2e} bits; the limit is {MAX_BITS:.0e}")));
    }
    if work > MAX_WORK {
        return Err(Inapplicable(format!(
            "{what}: about {work:.2e} word operations are needed; the limit is {MAX_WORK:.0e}"
        )));
    }
    Ok(())
}

/// Upper estimate of the bits of `sum_{i <= k} C(n, i)`.
fn zaslavsky_bits(n: usize, k: usize) -> f64 {
    (n as f64).min(k as f64 * (n as f64 + 1.0).log2()) + 1.0
}

/// `C(n, 0), ..., C(n, k)` for `k <= n`.
fn binomials(n: usize, k: usize) -> impl Iterator<Item = BigUint> {
    let mut next = BigUint::one();
    (0..=k).map(move |i| {
        let follow = if i < n { &next * (n - i) / (i + 1) } else { BigUint::zero() };
        std::mem::replace(&mut next, follow)
    })
}

/// `sum_{i <= k} C(n, i)`: regions of `n` hyperplanes in general position in `R^k` (Zaslavsky 1975).
fn zaslavsky(n: usize, k: usize) -> Result<BigUint, Inapplicable> {
    let bits = zaslavsky_bits(n, k);
    if k >= n {
        affordable("sum of binomials", bits, 0.0)?;
        return Ok(BigUint::one() << n);
    }
    affordable("sum of binomials", bits, k as f64 * (1.0 + bits / 64.0))?;
    Ok(binomials(n, k).sum())
}

/// `base^exponent`.
fn power(base: &BigUint, exponent: usize) -> Result<BigUint, Inapplicable> {
    let bits = base.bits() as f64 * exponent as f64;
    let exponent = match u32::try_from(exponent) {
        Ok(e) => e,
        Err(_) if base.is_one() => 0,
        Err(_) => {
            return Err(Inapplicable(format!(
                "power: the result may have {bits:.2e} bits; the limit is {MAX_BITS:.0e}"
            )));
        }
    };
    affordable("power", if base.is_one() { 1.0 } else { bits }, 0.0)?;
    Ok(base.pow(exponent))
}

/// One line of `n` windows of `cap` values, each `shift < cap` after the one before.
///
/// A maximum matching may always use the earliest free values, so the values taken from the current window are its
/// first `u` ones, and `u` is all that later windows need to know.
fn line(filters: usize, cap: usize, shift: usize, n: usize) -> Result<BigUint, Inapplicable> {
    let most = filters.min(cap);
    let states = cap - shift + 1;
    let (positions, values) = (n as f64, shift as f64 * (n as f64 - 1.0) + cap as f64);
    let per_window = zaslavsky_bits(filters, cap);
    let bits = (positions * per_window).min(values * (positions * filters as f64 + 1.0).log2() + 1.0);
    let work = positions * states as f64 * (most + 1) as f64 * (1.0 + bits / 128.0) * (1.0 + per_window / 64.0);
    affordable("one-dimensional count", bits, work)?;

    let choose: Vec<BigUint> = binomials(filters, most).collect();
    let mut up_to = choose.clone();
    for t in 1..up_to.len() {
        let below = up_to[t - 1].clone();
        up_to[t] += below;
    }
    let mut ways = vec![BigUint::zero(); states];
    ways[0] = BigUint::one();
    for _ in 1..n {
        let mut next = vec![BigUint::zero(); states];
        for (u, w) in ways.iter().enumerate().filter(|(_, w)| !w.is_zero()) {
            let last = most.min(cap - u);
            // Up to `shift - u` more values stay in front of the next window.
            let mut t = 0;
            if u <= shift {
                t = last.min(shift - u);
                next[0] += w * &up_to[t];
                t += 1;
            }
            for (k, c) in choose.iter().enumerate().take(last + 1).skip(t) {
                next[u + k - shift] += w * c;
            }
        }
        ways = next;
    }
    Ok(ways.iter().enumerate().map(|(u, w)| w * &up_to[most.min(cap - u)]).sum())
}

/// Assigns values of the input to positions, an integral flow. Values that lie in the same windows form a class.
struct Matching {
    /// Classes in the window of a position, positions whose window holds a class.
    classes: Vec<Vec<usize>>,
    covers: Vec<Vec<usize>>,
    /// Free values of each class, and values of each class given to each position (`position * classes + class`).
    free: Vec<usize>,
    given: Vec<usize>,
    /// Search marks: the round in which a class or position was last met, and from where.
    round: u64,
    class_from: Vec<(u64, usize)>,
    position_from: Vec<(u64, usize)>,
}

impl Matching {
    fn new(layer: &ConvLayer) -> Self {
        // Along one axis: maximal runs of coordinates that lie in the same windows, as (length, windows).
        let runs = |axis: usize| {
            let (n, k, s) = (layer.output()[axis], layer.kernel[axis], layer.stride);
            let mut ends: Vec<usize> = (0..n).flat_map(|i| [i * s, i * s + k]).collect();
            ends.sort_unstable();
            ends.dedup();
            let runs: Vec<(usize, Vec<usize>)> = ends
                .windows(2)
                .map(|e| (e[1] - e[0], (0..n).filter(|i| i * s <= e[0] && e[1] <= i * s + k).collect()))
                .collect();
            runs
        };
        let cols = layer.output()[1];
        let mut m = Self {
            classes: vec![Vec::new(); layer.positions()],
            covers: Vec::new(),
            free: Vec::new(),
            given: Vec::new(),
            round: 0,
            class_from: Vec::new(),
            position_from: vec![(0, 0); layer.positions()],
        };
        for (height, i) in runs(0) {
            for (width, j) in runs(1) {
                let covers: Vec<usize> = i.iter().flat_map(|i| j.iter().map(move |j| i * cols + j)).collect();
                covers.iter().for_each(|&p| m.classes[p].push(m.free.len()));
                m.covers.push(covers);
                m.free.push(height * width * layer.channels);
                m.class_from.push((0, 0));
            }
        }
        m.given = vec![0; m.classes.len() * m.free.len()];
        m
    }

    fn index(&self, position: usize, class: usize) -> usize {
        position * self.free.len() + class
    }

    /// Gives one more value to position `p`, by an augmenting path; false if Hall's condition forbids it.
    fn augment(&mut self, p: usize) -> bool {
        self.round += 1;
        let round = self.round;
        self.position_from[p].0 = round;
        let mut queue = vec![p];
        while let Some(q) = queue.pop() {
            for a in 0..self.classes[q].len() {
                let k = self.classes[q][a];
                if self.class_from[k].0 == round {
                    continue;
                }
                self.class_from[k] = (round, q);
                if self.free[k] > 0 {
                    self.free[k] -= 1;
                    self.shift_along(p, k);
                    return true;
                }
                for b in 0..self.covers[k].len() {
                    let r = self.covers[k][b];
                    if self.position_from[r].0 != round && self.given[self.index(r, k)] > 0 {
                        self.position_from[r] = (round, k);
                        queue.push(r);
                    }
                }
            }
        }
        false
    }

    /// Moves one value along the path found from position `p` to class `k`.
    fn shift_along(&mut self, p: usize, mut k: usize) {
        loop {
            let q = self.class_from[k].1;
            let gain = self.index(q, k);
            self.given[gain] += 1;
            if q == p {
                return;
            }
            k = self.position_from[q].1;
            let loss = self.index(q, k);
            self.given[loss] -= 1;
        }
    }

    /// Takes all values back from position `p`; the others keep theirs, so the matching stays valid.
    fn clear(&mut self, p: usize) {
        for a in 0..self.classes[p].len() {
            let k = self.classes[p][a];
            let at = self.index(p, k);
            self.free[k] += std::mem::take(&mut self.given[at]);
        }
    }

    /// Sum over all `t` on positions `p, p + 1, ...` that the values still allow, of the products of `choose[t]`.
    fn sum(&mut self, p: usize, choose: &[BigUint]) -> BigUint {
        let mut total = BigUint::zero();
        for (t, c) in choose.iter().enumerate() {
            if t > 0 && !self.augment(p) {
                break;
            }
            if p + 1 == self.classes.len() {
                total += c;
            } else {
                total += c * self.sum(p + 1, choose);
            }
        }
        self.clear(p);
        total
    }
}

/// A genuinely two-dimensional layer: search through the vectors `t`.
fn plane(layer: &ConvLayer) -> Result<BigUint, Inapplicable> {
    let (n, most) = (layer.positions(), layer.filters.min(layer.window()));
    // If even the largest vector satisfies Hall's condition, the choices at different positions are independent.
    if n <= 512 && n.saturating_mul(most) <= 4096 {
        let mut m = Matching::new(layer);
        if (0..n).all(|p| (0..most).all(|_| m.augment(p))) {
            return power(&zaslavsky(layer.filters, most)?, n);
        }
    }
    let log_vectors = n as f64 * (most as f64 + 1.0).log10();
    if log_vectors > MAX_VECTORS.log10() {
        return Err(Inapplicable(format!(
            "genuinely two-dimensional layer with {n} positions and up to {most} active units at each: the search \
             would face about 10^{log_vectors:.0} vectors, the limit is {MAX_VECTORS:.0e}"
        )));
    }
    let choose: Vec<BigUint> = binomials(layer.filters, most).collect();
    Ok(Matching::new(layer).sum(0, &choose))
}

/// The one-layer formula of Xiong et al. 2020 (Theorem 1): `sum over t in K_N of prod_ij C(d1, t_ij)`.
///
/// `K_N` holds the vectors `t`, one number for each position, with `sum_{J} t <= |union of the windows over J|` for
/// every set `J` of positions. By Hall's theorem this counts the independent sets of the transversal matroid of
/// the windows: the number of regions of the locally connected layer (weights not shared) with generic parameters.
///
/// For the convolutional layer itself, with shared filters, the value is always an upper bound, and the theorem claims
/// equality for generic parameters. Equality holds where [`ConvLayer::formula_is_exact`] says so; for
/// genuinely two-dimensional layers it can fail (3x3x1 input, two 2x2 filters, stride 1: formula 256, truth 255), and
/// [`one_layer_regions`] gives the number itself.
///
/// # Errors
/// An invalid layer; a result or computation beyond [`MAX_BITS`] or [`MAX_WORK`]; a genuinely two-dimensional layer
/// beyond [`MAX_VECTORS`].
pub fn xiong_2020_one_layer(layer: &ConvLayer) -> Result<BigUint, Inapplicable> {
    layer.check()?;
    let (n, d1, cap) = (layer.positions(), layer.filters, layer.window());
    // All normals are independent, even with shared filters: see `formula_is_exact`.
    if d1 <= layer.channels {
        return zaslavsky(n * d1, n * d1);
    }
    let Some(axis) = layer.line_axis() else { return plane(layer) };
    let length = layer.output()[axis];
    let shift = layer.stride.saturating_mul(layer.kernel[1 - axis]).saturating_mul(layer.channels);
    if length == 1 || shift >= cap {
        return power(&zaslavsky(d1, cap)?, n);
    }
    power(&line(d1, cap, shift, length)?, layer.output()[1 - axis])
}

/// Number of regions of a one-layer convolutional ReLU network with generic parameters and shared filters.
///
/// The formula [`xiong_2020_one_layer`] where it is exact, else the exact count [`generic_conv_count`] with a fixed
/// seed; of its tiny probability of error only values too small can come.
///
/// # Errors
/// The refusals of whichever of the two applies.
pub fn one_layer_regions(layer: &ConvLayer) -> Result<BigUint, Inapplicable> {
    layer.check()?;
    if layer.formula_is_exact() {
        return xiong_2020_one_layer(layer);
    }
    generic_conv_count(layer, 2020).map_err(|e| {
        Inapplicable(format!(
            "the layer is genuinely two-dimensional, where the published formula is only an upper bound: {e}"
        ))
    })
}

/// Convolutional ReLU layers one after the other; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvNetwork {
    layers: Vec<ConvLayer>,
}

impl ConvNetwork {
    /// A network of the given layers, first to last.
    ///
    /// # Errors
    /// No layers; an invalid layer; a layer whose input is not the output of the layer before. Layers are counted
    /// from 1 in the messages.
    pub fn new(layers: Vec<ConvLayer>) -> Result<Self, Inapplicable> {
        if layers.is_empty() {
            return Err(Inapplicable("a convolutional network needs at least one layer".to_owned()));
        }
        for (i, layer) in layers.iter().enumerate() {
            layer.check().map_err(|e| Inapplicable(format!("layer {}: {e}", i + 1)))?;
        }
        for (i, pair) in layers.windows(2).enumerate() {
            let ([h, w], c) = (pair[0].output(), pair[0].filters);
            if pair[1].input != [h, w] || pair[1].channels != c {
                let ([h2, w2], c2) = (pair[1].input, pair[1].channels);
                return Err(Inapplicable(format!(
                    "layer {} takes {h2}x{w2} inputs with {c2} channels, but layer {} gives {h}x{w} with {c}",
                    i + 2,
                    i + 1
                )));
            }
        }
        Ok(Self { layers })
    }

    /// The layers, first to last; never empty.
    pub fn layers(&self) -> &[ConvLayer] {
        &self.layers
    }
}

/// Upper bound on the number of regions of a convolutional ReLU network (Xiong et al. 2020, Theorem 2):
/// `R_{N''} prod_{l >= 2} sum_{i <= D} C(n_l d_l, i)`, where `N''` is the first layer, `D` the dimension of the
/// input, `n_l` the positions and `d_l` the filters of layer `l`.
///
/// Valid for all parameters: the one-layer formula for `R_{N''}` is an upper bound even where it is not exact.
///
/// # Errors
/// The refusals of [`xiong_2020_one_layer`] for the first layer; sums or products beyond [`MAX_BITS`], [`MAX_WORK`].
pub fn xiong_2020_upper(network: &ConvNetwork) -> Result<BigUint, Inapplicable> {
    let [first, later @ ..] = network.layers() else {
        return Err(Inapplicable("the network has no layers".to_owned()));
    };
    let dimension = first.input[0] * first.input[1] * first.channels;
    let mut bound = xiong_2020_one_layer(first).map_err(|e| Inapplicable(format!("layer 1: {e}")))?;
    for (i, layer) in later.iter().enumerate() {
        let factor = zaslavsky(layer.positions() * layer.filters, dimension);
        let factor = factor.map_err(|e| Inapplicable(format!("layer {}: {e}", i + 2)))?;
        affordable("upper bound", (bound.bits() + factor.bits()) as f64, 0.0)?;
        bound *= factor;
    }
    Ok(bound)
}

/// Lower bound on the largest number of regions of a convolutional ReLU network over its parameters (Xiong et al. 2020,
/// Theorem 2): `R_{N'} prod_{l < L} floor(d_l / d0)^(n_l d0)`, where `n_l` are the positions and `d_l` the filters of
/// layer `l`, `d0` the channels of the input, and `N'` the last layer reduced to `d0` input channels.
///
/// Hypothesis: `d_l >= d0` for all layers before the last. In place of the published formula the factor `R_{N'}` is the
/// true number of regions, [`one_layer_regions`], since for two-dimensional layers the formula may exceed it.
///
/// # Errors
/// The hypothesis fails; `N'` is beyond the limits of [`one_layer_regions`]; the result is beyond [`MAX_BITS`].
pub fn xiong_2020_lower(network: &ConvNetwork) -> Result<BigUint, Inapplicable> {
    let [before @ .., last] = network.layers() else {
        return Err(Inapplicable("the network has no layers".to_owned()));
    };
    let d0 = network.layers()[0].channels;
    if let Some((i, l)) = before.iter().enumerate().find(|(_, l)| l.filters < d0) {
        return Err(Inapplicable(format!(
            "layer {} has {} filters; the lower bound needs at least as many as the {d0} input channels in every \
             layer but the last",
            i + 1,
            l.filters
        )));
    }
    let reduced = ConvLayer::new(last.input, d0, last.kernel, last.stride, last.filters)?;
    let mut bound =
        one_layer_regions(&reduced).map_err(|e| Inapplicable(format!("last layer with {d0} input channels: {e}")))?;
    for l in before {
        // d0 <= d_l, and positions * d_l is known not to overflow.
        let factor = power(&BigUint::from(l.filters / d0), l.positions() * d0)?;
        affordable("lower bound", (bound.bits() + factor.bits()) as f64, 0.0)?;
        bound *= factor;
    }
    Ok(bound)
}

#[cfg(test)]
mod tests;
