//! The expected density in the limit of infinite width.
//!
//! With independent normal weights and biases, the pre-activations of a layer tend to independent Gaussian processes along any
//! curve. Their crossing rates need only q = E z^2, r = E z dz/dt and s = E (dz/dt)^2 at each point (Kac 1943; Rice 1944):
//! the rate of crossing the level u is the density of z at u times E(|dz/dt| given z = u). From layer to layer q, r and s follow from
//! truncated moments of the normal law on the pieces of the activation.

use std::f64::consts::{FRAC_1_PI, PI, SQRT_2};

use crate::ensemble::Ensemble;
use crate::error::Result;
use crate::network::{Pieces, RandomNetwork};
use crate::path::Path;

/// Numbers drawn to average over a path law.
const AVERAGE_COORDINATES: u128 = 1 << 17;
const MAX_AVERAGE_PATHS: u128 = 1 << 16;

/// Cost of a path by quadrature, as a multiple of that by closed form.
const QUADRATURE_COST: u128 = 16;

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
    /// Expected rate at which z crosses the level `u`.
    pub fn crossing_rate(&self, u: f64) -> f64 {
        let Self { q, r, s } = *self;
        if q <= 0.0 {
            return 0.0;
        }
        let v = (s - r * r / q).max(0.0).sqrt();
        if u == 0.0 {
            return FRAC_1_PI * v / q.sqrt();
        }
        let m = r * u / q;
        let mean_speed = if v > 0.0 {
            (2.0 / PI).sqrt() * v * (-0.5 * (m / v).powi(2)).exp() + m * libm::erf(m / (v * SQRT_2))
        } else {
            m.abs()
        };
        normal_density(u / q.sqrt()) / q.sqrt() * mean_speed
    }

    /// The moments of the next layer, whose weights have variance `weight_gain` / width and whose biases have variance
    /// `bias_variance`.
    fn next(&self, pieces: &Pieces<f64>, weight_gain: f64, bias_variance: f64) -> Self {
        let Self { q, r, s } = *self;
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
        Self {
            q: weight_gain * square + bias_variance,
            r: weight_gain * mixed * r / q,
            s: weight_gain * (slope * (s - r * r / q) + slope_z * (r / q).powi(2)),
        }
    }
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

fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// Whether the law applies to a network: independent normal weights, and biases that are normal or zero.
fn applies(network: &RandomNetwork) -> bool {
    use crate::network::BiasLaw;
    network.weights().is_gaussian() && matches!(network.bias(), BiasLaw::Zero | BiasLaw::Normal(_))
}

/// The expected number of crossings of one unit of each layer along a path, in the limit of infinite width; `None` where the
/// law does not apply: weights that are not independent normal, biases that are neither normal nor zero, or zero biases on a path
/// through the origin, where crossings meet.
pub fn crossings_per_unit(network: &RandomNetwork, path: &Path) -> Option<Vec<f64>> {
    if !applies(network) {
        return None;
    }
    let mut total = vec![0.0; network.architecture().depth()];
    for edge in 0..path.n_vertices() - 1 {
        let on_edge = edge_crossings(network, Line::of_edge(path, edge))?;
        total.iter_mut().zip(on_edge).for_each(|(sum, x)| *sum += x);
    }
    Some(total)
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
        let (x, u) = (path.vertex(edge), path.direction(edge));
        let from: f64 = x.iter().zip(&u).map(|(x, u)| x * u).sum();
        let distance2 = x.iter().zip(&u).map(|(x, u)| (x - from * u).powi(2)).sum();
        Self { from, to: from + path.positions()[edge + 1] - path.positions()[edge], distance2 }
    }
}

fn edge_crossings(network: &RandomNetwork, line: Line) -> Option<Vec<f64>> {
    let layers = network.architecture().layers();
    let gain = |l: usize| network.weights().variance(layers[l].affine) * layers[l].affine.inputs() as f64;
    let bias = |l: usize| network.bias().std(layers[l].affine).powi(2);
    let input_variance = gain(0) / layers[0].affine.inputs() as f64;
    // Half-width of the region along the line where layer 1 has most of its crossings of 0.
    let width = |a: f64, beta: f64| (line.distance2 + beta / a).sqrt();
    if width(input_variance, bias(0)) == 0.0 {
        return None;
    }
    if let Some(slopes) = layers.iter().map(|l| l.activation.homogeneous_slopes()).collect::<Option<Vec<_>>>() {
        // q = A |x|^2 + beta: crossings of 0 follow a Cauchy law along the line.
        let (mut a, mut beta) = (input_variance, bias(0));
        return Some(
            (0..layers.len())
                .map(|l| {
                    let w = width(a, beta);
                    let crossings = FRAC_1_PI * ((line.to / w).atan() - (line.from / w).atan());
                    if l + 1 < layers.len() {
                        let (minus, plus) = slopes[l];
                        let chi = 0.5 * (minus * minus + plus * plus) * gain(l + 1);
                        (a, beta) = (chi * a, chi * beta + bias(l + 1));
                    }
                    crossings * (layers[l].activation.kappa() - 1) as f64
                })
                .collect(),
        );
    }
    let mut total = vec![0.0; layers.len()];
    for (t, weight) in nodes(line, width(input_variance, bias(0))) {
        let mut moments = Moments {
            q: input_variance * (line.distance2 + t * t) + bias(0),
            r: input_variance * t,
            s: input_variance,
        };
        for (l, layer) in layers.iter().enumerate() {
            let pieces = layer.activation.pieces();
            total[l] += weight * pieces.breakpoints.iter().map(|&tau| moments.crossing_rate(tau)).sum::<f64>();
            if l + 1 < layers.len() {
                moments = moments.next(pieces, gain(l + 1), bias(l + 1));
            }
        }
    }
    Some(total)
}

/// Nodes and weights of an integral along a line: Gauss-Legendre rules on panels that double away from the point nearest to the
/// origin. All moments are functions of `scale`^2 + t^2, so rates are smooth in log t beyond `scale` and smooth in t below.
fn nodes(line: Line, scale: f64) -> Vec<(f64, f64)> {
    const RULE: [(f64, f64); 4] = [
        (0.183_434_642_495_649_8, 0.362_683_783_378_362),
        (0.525_532_409_916_329, 0.313_706_645_877_887_3),
        (0.796_666_477_413_626_7, 0.222_381_034_453_374_47),
        (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
    ];
    let reach = line.from.abs().max(line.to.abs());
    // Below a billionth of a billionth of the line there is nothing left to see.
    let finest = (0.5 * scale).max(1e-18 * reach);
    let doubled: Vec<f64> = std::iter::successors(Some(finest), |x| Some(2.0 * x)).take_while(|x| *x < reach).collect();
    let ends = doubled.iter().rev().map(|x| -x).chain([0.0]).chain(doubled.iter().copied());
    let inner = ends.filter(|t| *t > line.from && *t < line.to);
    let ends: Vec<f64> = std::iter::once(line.from).chain(inner).chain([line.to]).collect();
    let panel = |ends: &[f64]| {
        let (middle, half) = (0.5 * (ends[0] + ends[1]), 0.5 * (ends[1] - ends[0]));
        RULE.into_iter().flat_map(move |(x, w)| [(middle - half * x, half * w), (middle + half * x, half * w)])
    };
    ends.windows(2).flat_map(panel).collect()
}

/// The infinite-width density of each layer's crossings, averaged over an ensemble's path law; `None` where it does not apply.
/// Its sum over layers is also that of boundaries and knots.
///
/// The average is over [fixed paths](crate::path::RandomPath::covering) of the law, so that it does not depend on how many networks
/// are drawn. Its relative error is about 0.1 % for the default segments in two dimensions, more where the paths reach much
/// farther than the biases matter.
///
/// # Errors
/// A path too long for a 64-bit number.
pub fn density(ensemble: &Ensemble) -> Result<Option<Vec<f64>>> {
    let network = &ensemble.network;
    let closed_form = network.architecture().layers().iter().all(|l| l.activation.homogeneous_slopes().is_some());
    let depth = network.architecture().depth().div_ceil(16) as u128;
    let cost = ensemble.path.n_coordinates() * depth * if closed_form { 1 } else { QUADRATURE_COST };
    let n = (AVERAGE_COORDINATES / cost).clamp(1, MAX_AVERAGE_PATHS);
    let mut crossings = vec![0.0; network.architecture().depth()];
    let mut length = 0.0;
    for path in ensemble.path.covering(n as u64) {
        let path = path?;
        let Some(per_unit) = crossings_per_unit(network, &path) else {
            return Ok(None);
        };
        for ((sum, x), layer) in crossings.iter_mut().zip(per_unit).zip(network.architecture().layers()) {
            *sum += x * layer.affine.units() as f64;
        }
        length += path.length();
    }
    Ok((length > 0.0).then(|| crossings.iter().map(|c| c / length).collect()))
}
