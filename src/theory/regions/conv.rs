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

mod layer;
mod matching;
#[cfg(test)]
mod tests;

use num_bigint::BigUint;
use num_traits::{One, Zero};

pub use self::layer::{ConvLayer, ConvNetwork};
use self::matching::Matching;
use super::Inapplicable;
use super::arrangement::generic_conv_count;
use super::sums::{binomial_sum, binomials};

/// Most bits of a result.
pub const MAX_BITS: f64 = 3e7;

/// Most elementary operations on 64-bit words, as estimated beforehand; they take in the order of ten seconds.
pub const MAX_WORK: f64 = 1e10;

/// Most vectors `t` that the search for genuinely two-dimensional layers may face, `prod_ij (min(d1, |S_ij|) + 1)`.
pub const MAX_VECTORS: f64 = 2e7;

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

/// `sum_{i <= k} C(n, i)`: regions of `n` hyperplanes in general position in `R^k` (Zaslavsky 1975).
fn zaslavsky(n: usize, k: usize) -> Result<BigUint, Inapplicable> {
    let bits = zaslavsky_bits(n, k);
    if k >= n {
        affordable("sum of binomials", bits, 0.0)?;
        return Ok(BigUint::one() << n);
    }
    affordable("sum of binomials", bits, k as f64 * (1.0 + bits / 64.0))?;
    Ok(binomial_sum(n, k))
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

    let choose: Vec<BigUint> = binomials(filters).take(most + 1).collect();
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
    let choose: Vec<BigUint> = binomials(layer.filters).take(most + 1).collect();
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
