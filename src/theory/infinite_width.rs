//! The expected density in the limit of infinite width.
//!
//! With independent normal weights and biases, the pre-activations of a layer tend to independent Gaussian processes along any
//! curve. Their crossing rates need only q = E z^2, r = E z dz/dt and s = E (dz/dt)^2 at each point (Kac 1943; Rice 1944):
//! the rate of crossing the level u is the density of z at u times E(|dz/dt| given z = u). From layer to layer q, r and s follow from
//! truncated moments of the normal law on the pieces of the activation, or those of the largest of several normal variables. In a
//! convolution of many channels they do so at every position.

mod average;
mod chain;
mod edges;
mod spatial;

use std::f64::consts::SQRT_2;

pub use self::average::density;
use self::chain::ChainLaw;
use self::spatial::SpatialLaw;
use super::expected::maxout_second_moment;
use super::rice::{self, homogeneous_gain, normal_density};
use crate::network::{Activation, ActivationKind, Affine, BiasLaw, Pieces, RandomNetwork};
use crate::path::Path;

/// The second moments of a layer's pre-activations at a point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// E z^2.
    pub q: f64,
    /// E z dz/dt.
    pub r: f64,
    /// E (dz/dt)^2.
    pub s: f64,
}

impl Moments {
    const ZERO: Self = Self { q: 0.0, r: 0.0, s: 0.0 };

    /// Adds a multiple of others.
    fn add(&mut self, factor: f64, others: &Self) {
        self.q += factor * others.q;
        self.r += factor * others.r;
        self.s += factor * others.s;
    }

    /// Expected rate at which z crosses the level `u`.
    pub fn crossing_rate(&self, u: f64) -> f64 {
        let Self { q, r, s } = *self;
        if q <= 0.0 {
            return 0.0;
        }
        rice::crossing_rate(q, r / q, s - r * r / q, u, 0.0)
    }

    /// The moments of the next layer, with weights of variance `weight_gain` / inputs and biases of variance `bias_variance`.
    fn next(&self, outputs: Outputs, weight_gain: f64, bias_variance: f64) -> Self {
        let Self { q, r, s } = self.of_outputs(outputs);
        Self { q: weight_gain * q + bias_variance, r: weight_gain * r, s: weight_gain * s }
    }

    /// The moments of the layer's outputs.
    fn of_outputs(&self, outputs: Outputs) -> Self {
        let Self { q, r, s } = *self;
        let pieces = match outputs {
            Outputs::Pieces(pieces) if q <= 0.0 => return Self { q: pieces.value(0.0).powi(2), ..Self::ZERO },
            Outputs::Pieces(pieces) => pieces,
            Outputs::Sorted => return *self,
            // The derivative of the largest is its regression on the value, of which the square has the mean m q, and a rest that is
            // independent of the choice.
            Outputs::Largest { second_moment: m } => {
                let drift2 = if q > 0.0 { r * r / q } else { 0.0 };
                return Self { q: m * q, r: m * r, s: s + (m - 1.0) * drift2 };
            }
        };
        let std = q.sqrt();
        // E of sigma^2, sigma sigma' z, sigma'^2 and sigma'^2 z^2.
        let (mut square, mut mixed, mut slope, mut slope_z) = (0.0, 0.0, 0.0, 0.0);
        for (piece, (&a, &c)) in pieces.slopes.iter().zip(&pieces.intercepts).enumerate() {
            let low = piece.checked_sub(1).map_or(f64::NEG_INFINITY, |k| pieces.breakpoints[k]);
            let high = pieces.breakpoints.get(piece).map_or(f64::INFINITY, |&tau| tau);
            let [m0, m1, m2] = truncated_moments(low, high, std);
            square += a * a * m2 + 2.0 * a * c * m1 + c * c * m0;
            mixed += a * (a * m2 + c * m1);
            slope += a * a * m0;
            slope_z += a * a * m2;
        }
        Self { q: square, r: mixed * r / q, s: slope * (s - r * r / q) + slope_z * (r / q).powi(2) }
    }
}

/// What second moments of outputs depend on.
#[derive(Clone, Copy)]
enum Outputs<'a> {
    Pieces(&'a Pieces<f64>),
    /// The pre-activations in another order, which keeps sums of squares.
    Sorted,
    /// The largest of several, with the second moment of that of standard normal numbers.
    Largest {
        second_moment: f64,
    },
}

impl<'a> Outputs<'a> {
    fn of(activation: &'a Activation) -> Self {
        match activation.kind() {
            // Outputs of a unit are rectified normal variables of one law.
            ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => Self::Pieces(pieces),
            ActivationKind::Maxout { rank } => Self::Largest { second_moment: maxout_second_moment(*rank) },
            ActivationKind::GroupSort { .. } => Self::Sorted,
        }
    }
}

/// The standard deviation of each layer's pre-activations at this distance from the origin, as if all layers were wide and what a layer
/// adds together were independent.
pub(crate) fn pre_activation_stds(network: &RandomNetwork, distance: f64) -> Vec<f64> {
    let architecture = network.architecture();
    let gain = |map: &Affine| match map.n_weights() {
        0 => 1.0,
        _ => network.weights().variance(*map) * map.fan_in() as f64,
    };
    // Of the input and of the outputs of every layer.
    let mut mean_squares = vec![distance * distance / architecture.input_dim() as f64];
    let mut stds = Vec::with_capacity(architecture.depth());
    for (l, layer) in architecture.layers().iter().enumerate() {
        let bias = if layer.affine.n_biases() > 0 { network.bias().std(layer.affine).powi(2) } else { 0.0 };
        let skips = layer.skips.iter().map(|skip| skip.map.as_ref().map_or(1.0, gain) * mean_squares[skip.source]);
        let q = gain(&layer.affine) * mean_squares[l] + bias + skips.sum::<f64>();
        stds.push(q.sqrt());
        mean_squares.push(match q > 0.0 {
            true => Moments { q, r: 0.0, s: 0.0 }.next(Outputs::of(&layer.activation), 1.0, 0.0).q,
            false => layer.activation.scalar().map_or(0.0, |pieces| pieces.value(0.0).powi(2)),
        });
    }
    stds
}

/// E[Z^k; low < Z < high] for k = 0, 1, 2 and Z normal with mean 0.
fn truncated_moments(low: f64, high: f64, std: f64) -> [f64; 3] {
    let (a, b) = (low / std, high / std);
    let times_density = |x: f64| {
        if x.is_finite() { x * normal_density(x) } else { 0.0 }
    };
    let mass = 0.5 * (libm::erfc(-b / SQRT_2) - libm::erfc(-a / SQRT_2));
    [mass, std * (normal_density(a) - normal_density(b)), std * std * (mass + times_density(a) - times_density(b))]
}

/// The expected number of crossings of one unit, or sorted group, of each layer along a path, in the limit of infinite width, of
/// convolutions that of many channels; `None` where the law does not apply: pools, skips without a map, groups of the input's channels, weights
/// that are not independent normal, biases that are neither normal nor zero, or zero biases on a path through the origin, where crossings meet.
pub fn crossings_per_unit(network: &RandomNetwork, path: &Path) -> Option<Vec<f64>> {
    let law = Law::of_network(network)?;
    let mut total = vec![0.0; network.architecture().depth()];
    let layers = network.architecture().layers().iter();
    law.add_crossings(path, &mut total)
        .then(|| total.iter().zip(layers).map(|(total, layer)| total / layer.groups() as f64).collect())
}

/// The law of a network.
enum Law<'a> {
    Chain(ChainLaw<'a>),
    Spatial(SpatialLaw<'a>),
}

impl<'a> Law<'a> {
    /// `None` where there is none.
    fn of_network(network: &'a RandomNetwork) -> Option<Self> {
        let is_normal = network.weights().is_gaussian() && matches!(network.bias(), BiasLaw::Zero | BiasLaw::Normal(_));
        match network.architecture().is_dense_chain() {
            _ if !is_normal => None,
            true => Some(Self::Chain(ChainLaw::of_network(network))),
            false => SpatialLaw::of_network(network).map(Self::Spatial),
        }
    }

    /// Adds the expected crossings of every layer; `false` where it does not apply to the path.
    fn add_crossings(&self, path: &Path, total: &mut [f64]) -> bool {
        match self {
            Self::Chain(law) => law.add_crossings(path, total),
            Self::Spatial(law) => law.add_crossings(path, total),
        }
    }
}

/// The factor by which an activation multiplies all second moments; `None` where values and derivatives have different ones.
fn common_gain(activation: &Activation) -> Option<f64> {
    let one_factor = !matches!(activation.kind(), ActivationKind::Maxout { rank: 3.. });
    homogeneous_gain(activation).filter(|_| one_factor)
}

/// A straight edge, by its invariants.
#[derive(Clone, Copy)]
struct Line {
    /// Arc length from the point nearest to the origin to either end.
    from: f64,
    to: f64,
    /// Squared distance of the line to the origin.
    distance2: f64,
}

impl Line {
    fn of_edge(path: &Path, edge: usize) -> Self {
        let length = path.positions()[edge + 1] - path.positions()[edge];
        let ends = || path.vertex(edge).iter().zip(path.vertex(edge + 1)).map(|(a, b)| (a, (b - a) / length));
        let from: f64 = ends().map(|(x, u)| x * u).sum();
        let distance2 = ends().map(|(x, u)| (x - from * u).powi(2)).sum();
        Self { from, to: from + length, distance2 }
    }
}

/// Nodes and weights of Gauss-Legendre rules on panels with these ends.
fn gauss_nodes(ends: &[f64]) -> Vec<(f64, f64)> {
    const RULE: [(f64, f64); 4] = [
        (0.183_434_642_495_649_8, 0.362_683_783_378_362),
        (0.525_532_409_916_329, 0.313_706_645_877_887_3),
        (0.796_666_477_413_626_7, 0.222_381_034_453_374_47),
        (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
    ];
    let panel = |ends: &[f64]| {
        let (middle, half) = (0.5 * (ends[0] + ends[1]), 0.5 * (ends[1] - ends[0]));
        RULE.into_iter().flat_map(move |(x, w)| [(middle - half * x, half * w), (middle + half * x, half * w)])
    };
    ends.windows(2).flat_map(panel).collect()
}
