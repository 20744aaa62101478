//! The upper bound on the expected density: depth x width x activation complexity x scale.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::expected::{maxout_factor, maxout_second_moment};
use super::rice::homogeneous_gain;
use crate::network::{Activation, ActivationKind, BiasDensity, RandomNetwork};

/// One layer's share of a [`DensityBound`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerBound {
    /// Number of units, or of sorted groups.
    pub units: usize,
    /// Breakpoints of a unit's activation, kappa - 1; for maxout units and sorted groups pairs of their pre-activations.
    pub breakpoints: usize,
    /// Largest crossing rate of one breakpoint or pair of one unit, per unit length: the bound on the bias density times the bound
    /// on E|dz/dt|.
    pub scale: f64,
}

impl LayerBound {
    /// Bound on the layer's expected crossings per unit length.
    pub fn total(&self) -> f64 {
        self.units as f64 * self.breakpoints as f64 * self.scale
    }
}

/// An upper bound on the expected number of crossings per unit length, and so of boundaries and knots.
#[derive(Clone, Debug, PartialEq)]
pub struct DensityBound {
    /// One entry per hidden layer.
    pub layers: Vec<LayerBound>,
}

impl DensityBound {
    /// Bound on the expected crossings per unit length of all layers.
    pub fn total(&self) -> f64 {
        self.layers.iter().map(LayerBound::total).sum()
    }
}

/// The density bound of a random network, valid at every width and for every path that does not depend on the network;
/// `None` where some bias has no bounded density (zero bias), where the bound exceeds the range of f64, and for convolutions and skips.
///
/// Its shape, depth x width x activation complexity, is that of Goujon, Etemadi and Unser, "On the number of regions of
/// piecewise linear neural networks", J. Comput. Appl. Math. 441 (2024) 115667. The constants are derived here. Given
/// everything else, the bias of a unit of layer l has a density of at most C_l, so by Rice's formula each of its kappa - 1
/// breakpoints is crossed at an expected rate of at most C_l E|dz/dt| per unit length. All laws here are symmetric, so that the
/// signs of z and dz/dt flip together, and
///
/// E (dz_{l+1}/dt)^2 <= v_{l+1} n_l c_l E (dz_l/dt)^2
///
/// with v the variance of a weight, n the width and c_l = (a-^2 + a+^2) / 2 for a homogeneous activation of slopes a-, a+, else the
/// largest squared slope. E|dz/dt| is at most the root of that, and sqrt(2/pi) times it where weights are normal, since
/// dz/dt is normal given the layers before. For normal weights and biases the scale is then sqrt(A_l) / (pi s_b).
///
/// A maxout unit or sorted group switches only where the difference of two of its k pre-activations is 0. The difference of
/// their biases has a density, too, and their weights are uncorrelated, so that E (dz_i/dt - dz_j/dt)^2 is twice E (dz/dt)^2.
/// Sorting keeps the sum of squares: c = 1. For maxout c = k / 2: when all signs of a layer flip, the largest pre-activation
/// becomes the smallest, so twice the mean of the square of its derivative is at most the sum of all k. For normal weights and
/// biases the k are independent and of one law given the layers before, which gives both more exactly: c = m_k, and a pair is
/// the largest where it meets with probability c_k / C(k, 2) ([`maxout_second_moment`], [`maxout_factor`]).
pub fn density_upper(network: &RandomNetwork) -> Option<DensityBound> {
    if !network.architecture().is_dense_chain() {
        return None;
    }
    let gaussian_factor = if network.weights().is_gaussian() { std::f64::consts::FRAC_2_PI.sqrt() } else { 1.0 };
    let mut mean_square_slope = 1.0;
    let mut inputs_gain = 1.0;
    let mut layers = Vec::new();
    for layer in network.architecture().layers() {
        let affine = layer.affine;
        mean_square_slope *= inputs_gain * network.weights().variance(affine);
        let bias = network.bias().density(affine)?;
        let Unit { density, speed, gain } = Unit::new(&layer.activation, bias, network.weights().is_gaussian());
        layers.push(LayerBound {
            units: layer.groups(),
            breakpoints: layer.activation.n_switches(),
            scale: density * gaussian_factor * speed * mean_square_slope.sqrt(),
        });
        inputs_gain = gain * layer.outputs() as f64;
    }
    Some(DensityBound { layers }).filter(|bound| bound.total().is_finite())
}

/// What the bound needs to know of the units of a layer.
struct Unit {
    /// The largest density of the bias of what crosses, a pre-activation or a difference of two, times the probability that a
    /// crossing counts.
    density: f64,
    /// The root mean square of its derivative over that of a pre-activation.
    speed: f64,
    /// A bound on E (dh/dt)^2 / E (dz/dt)^2 for an output h.
    gain: f64,
}

impl Unit {
    fn new(activation: &Activation, bias: BiasDensity, normal_weights: bool) -> Self {
        let difference = match bias {
            BiasDensity::Normal { .. } => bias.at(0.0) * FRAC_1_SQRT_2,
            BiasDensity::Uniform { .. } => bias.at(0.0),
        };
        match activation.kind() {
            ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => {
                let largest = pieces.slopes.iter().fold(0.0, |c: f64, a| c.max(a * a));
                Self { density: bias.at(0.0), speed: 1.0, gain: homogeneous_gain(activation).unwrap_or(largest) }
            }
            ActivationKind::GroupSort { .. } => Self { density: difference, speed: SQRT_2, gain: 1.0 },
            ActivationKind::Maxout { rank } => match bias {
                BiasDensity::Normal { .. } if normal_weights => {
                    let largest = maxout_factor(*rank) / activation.n_switches() as f64;
                    Self { density: difference * largest, speed: SQRT_2, gain: maxout_second_moment(*rank) }
                }
                _ => Self { density: difference, speed: SQRT_2, gain: 0.5 * *rank as f64 },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Architecture};
    use crate::path::Path;
    use crate::theory::infinite_width::crossings_per_unit;
    use std::f64::consts::PI;

    fn bound(shape: &str, activation: &str, weights: &str, bias: &str) -> Option<DensityBound> {
        let activation: Activation = activation.parse().unwrap();
        let architecture = Architecture::parse(shape, activation, 1).unwrap();
        let network = RandomNetwork::new(architecture, weights.parse().unwrap(), bias.parse().unwrap(), 0).unwrap();
        density_upper(&network)
    }

    fn assert_close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12 * b.abs(), "{a} {b}");
    }

    #[test]
    fn he_relu_is_the_number_of_units_times_one_constant() {
        let he = bound("5-64x3-7", "relu", "he-normal", "normal:0.1").unwrap();
        assert_close(he.total(), (2.0f64 / 5.0).sqrt() * 199.0 / (PI * 0.1));
    }

    #[test]
    fn torch_default_shrinks_by_root_six_per_layer() {
        let torch = bound("3-10-20-30", "relu", "torch", "torch").unwrap();
        let layer =
            |n: f64, before: f64, l: i32| n * (before / 3.0).sqrt() * 6f64.powf(-0.5 * f64::from(l)) / 12f64.sqrt();
        assert_close(torch.total(), layer(10.0, 3.0, 0) + layer(20.0, 10.0, 1) + layer(30.0, 20.0, 2));
    }

    #[test]
    fn uniform_bias_and_other_activations() {
        let uniform = bound("2-8", "hard-tanh", "lecun-normal", "uniform:2").unwrap();
        assert_close(uniform.total(), 8.0 * 2.0 * 0.25 * (2.0 / PI).sqrt() * 0.5f64.sqrt());
        let deep = bound("2-8x2", "soft-threshold:1", "normal:0.5", "normal:1").unwrap();
        let scale = |m: f64| m.sqrt() / PI;
        assert_close(deep.total(), 16.0 * (scale(0.25) + scale(0.25 * 8.0 * 0.25)));
        // Orthonormal columns, then rows: E (dz/dt)^2 = 1/8, then (1/8) (1/8) 8 / 2.
        let orthogonal = bound("2-8-4", "relu", "orthogonal", "normal:1").unwrap();
        let scale = |m: f64| m.sqrt() / (2.0 * PI).sqrt();
        assert_close(orthogonal.total(), 8.0 * scale(0.125) + 4.0 * scale(0.125 / 8.0 * 8.0 / 2.0));
    }

    /// Near the origin one layer crosses at exactly the bounding rate: that of infinite width for normal laws, the mean speed of
    /// a difference times the highest density of a difference for uniform biases.
    #[test]
    fn groups_of_one_layer_reach_their_bound_at_the_origin() {
        let path = Path::from_points(2, &[-0.5e-6, 0.0, 0.5e-6, 0.0]).unwrap();
        for (activation, groups) in [("maxout:2", 8.0), ("maxout:5", 8.0), ("max-min", 4.0), ("group-sort:4", 2.0)] {
            let architecture = Architecture::parse("2-8", activation.parse().unwrap(), 1).unwrap();
            let network =
                RandomNetwork::new(architecture, "he-normal".parse().unwrap(), "normal:0.1".parse().unwrap(), 0);
            let network = network.unwrap();
            let rate = groups * crossings_per_unit(&network, &path).unwrap()[0] / path.length();
            let bound = density_upper(&network).unwrap().total();
            assert!(rate <= bound * (1.0 + 1e-12) && rate > bound * (1.0 - 1e-9), "{activation}: {rate} {bound}");
        }
        let uniform = bound("2-8", "max-min", "lecun-normal", "uniform:2").unwrap();
        assert_close(uniform.total(), 4.0 * 0.25 * (2.0 / PI).sqrt());
    }

    #[test]
    fn slopes_grow_through_maxout_by_half_its_rank_and_not_through_sorting() {
        // E (dz/dt)^2 = 1/2, then (1/8) 8 c / 2.
        let first = 0.25 * (2.0 / PI).sqrt();
        let maxout = bound("2-8x2", "maxout:4", "lecun-normal", "uniform:2").unwrap();
        assert_close(maxout.total(), 8.0 * 6.0 * first * (1.0 + 2.0f64.sqrt()));
        let sorted = bound("2-8x2", "group-sort:4", "lecun-normal", "uniform:2").unwrap();
        assert_close(sorted.total(), 2.0 * 6.0 * first * 2.0);
        // Normal biases, too: c_4 for the six pairs, m_4 for the slopes.
        let normal = bound("2-8x2", "maxout:4", "lecun-normal", "normal:1").unwrap();
        let (c, m): (f64, f64) = (1.824_520_34, 1.551_328_9);
        let expected = 8.0 * c * 0.5f64.sqrt() / PI * (1.0 + m.sqrt());
        assert!((normal.total() - expected).abs() < 1e-7 * expected);
    }

    #[test]
    fn zero_bias_has_no_bound() {
        assert_eq!(bound("2-8", "relu", "he-normal", "zero"), None);
    }
}
