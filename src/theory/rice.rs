//! The Kac-Rice formula for one level of a Gaussian process (Kac 1943; Rice 1944).

use std::f64::consts::{FRAC_1_PI, PI, SQRT_2};

use super::expected::{maxout_factor, maxout_second_moment};
use crate::network::{Activation, ActivationKind, Layer, pairs};

/// Expected rate at which a process z crosses the level `u`, which moves at the given `speed`, per unit of t, where z and dz/dt are jointly
/// normal with mean 0. A process with a mean crosses where its deviation crosses the level less the mean.
///
/// `variance` is E z^2, positive; `drift` is E(z dz/dt) / E z^2, the regression of dz/dt on z; `remainder` is the variance of dz/dt that z
/// leaves open, E (dz/dt)^2 - drift^2 E z^2 (what rounding makes of it below 0 is taken for 0). The rate is the density of z at u
/// times E(|dz/dt - speed| given z = u).
pub fn crossing_rate(variance: f64, drift: f64, remainder: f64, u: f64, speed: f64) -> f64 {
    let (std, v) = (variance.sqrt(), remainder.max(0.0).sqrt());
    if u == 0.0 && speed == 0.0 {
        return FRAC_1_PI * v / std;
    }
    let m = drift * u - speed;
    let mean_speed = if v > 0.0 {
        (2.0 / PI).sqrt() * v * (-0.5 * (m / v).powi(2)).exp() + m * libm::erf(m / (v * SQRT_2))
    } else {
        m.abs()
    };
    normal_density(u / std) / std * mean_speed
}

/// Where the units of a layer change piece, when their pre-activations are independent processes of one normal law.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Switches {
    /// The levels that a pre-activation crosses.
    pub(crate) levels: Vec<f64>,
    /// Changes in the layer for each crossing of a level by one pre-activation: their number, or for groups what makes of the
    /// zeros of one process those of the differences that count, see [`expected`](super::expected).
    pub(crate) multiplicity: f64,
}

impl Switches {
    pub(crate) fn of_layer(layer: &Layer) -> Self {
        let (levels, per_group) = match layer.activation.kind() {
            ActivationKind::Scalar(_) | ActivationKind::Crelu(_) => (layer.activation.breakpoints().to_vec(), 1.0),
            ActivationKind::Maxout { rank } => (vec![0.0], maxout_factor(*rank)),
            ActivationKind::GroupSort { .. } => (vec![0.0], layer.activation.n_switches() as f64),
        };
        Self { levels, multiplicity: layer.groups() as f64 * per_group }
    }

    /// Expected rate of changes in the layer, from the moments that [`crossing_rate`] takes.
    pub(crate) fn rate(&self, variance: f64, drift: f64, remainder: f64) -> f64 {
        let per_process: f64 = self.levels.iter().map(|&u| crossing_rate(variance, drift, remainder, u, 0.0)).sum();
        self.multiplicity * per_process
    }

    /// Expected rate of changes of one unit, sorted group or maxout unit of rank 2, whose pre-activations have these means and derivatives of
    /// means.
    pub(crate) fn rate_about(&self, means: &[[f64; 2]], variance: f64, drift: f64, remainder: f64) -> f64 {
        if let [[mean, slope]] = *means {
            let rate = |&u: &f64| crossing_rate(variance, drift, remainder, u - mean, -slope);
            return self.levels.iter().map(rate).sum();
        }
        let rate = |(i, j): (usize, usize)| {
            let [mean, slope] = [0, 1].map(|order| means[i][order] - means[j][order]);
            crossing_rate(2.0 * variance, drift, 2.0 * remainder, -mean, -slope)
        };
        pairs(means.len()).map(rate).sum()
    }
}

/// E h^2 / E z^2 for an output h and normal pre-activations z of mean 0, where the activation is positively homogeneous.
pub(crate) fn homogeneous_gain(activation: &Activation) -> Option<f64> {
    match activation.kind() {
        ActivationKind::Scalar(_) => {
            activation.homogeneous_slopes().map(|(minus, plus)| 0.5 * (minus * minus + plus * plus))
        }
        ActivationKind::Crelu(_) => Some(0.5),
        ActivationKind::Maxout { rank } => Some(maxout_second_moment(*rank)),
        ActivationKind::GroupSort { .. } => Some(1.0),
    }
}

/// The standard normal density.
pub(crate) fn normal_density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the integral of |y| over the joint density of (z, dz/dt) at z = u, by the midpoint rule.
    #[test]
    fn equals_the_integral_over_speeds() {
        for (q, c, v2, u, w) in [
            (2.0f64, 0.3, 1.5f64, 0.7f64, 0.0f64),
            (0.5, -2.0, 0.1, -1.2, 0.0),
            (1.0, 0.0, 4.0, 0.0, 0.0),
            (3.0, 1.0, 1e-3, 2.0, 0.0),
            (2.0, 0.3, 1.5, 0.7, -0.4),
            (1.0, 0.2, 0.3, 0.0, 1.3),
        ] {
            let (m, v) = (c * u, f64::sqrt(v2));
            let n = 200_000;
            let (low, high) = (m - 12.0 * v, m + 12.0 * v);
            let step = (high - low) / f64::from(n);
            let speed = |i: i32| low + (f64::from(i) + 0.5) * step;
            let integral: f64 =
                (0..n).map(|i| (speed(i) - w).abs() * normal_density((speed(i) - m) / v) / v * step).sum();
            let expected = integral * normal_density(u / q.sqrt()) / q.sqrt();
            assert!((crossing_rate(q, c, v2, u, w) - expected).abs() < 1e-8 * expected, "{q} {c} {v2} {u} {w}");
        }
        assert!(
            (crossing_rate(1.0, 0.5, 0.0, 2.0, 0.0) - normal_density(2.0)).abs() < 1e-15,
            "all of the speed is drift"
        );
    }
}
