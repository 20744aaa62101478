//! Laws of random networks, and windows of lines.

use std::f64::consts::FRAC_1_PI;

/// A random network with activation a+ z for z > 0 and a- z for z < 0 in every layer.
///
/// Domain: at least one input, a positive gain, a bias variance that is not negative, and slopes that are not both 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianLaw {
    /// Input dimension n_0.
    pub inputs: usize,
    /// Weight variance times fan-in: 2 for He initialisation.
    pub weight_gain: f64,
    /// Variance of each bias.
    pub bias_variance: f64,
    /// The slopes a+ and a-: `[1.0, 0.0]` for ReLU, `[1.0, -1.0]` for the absolute value.
    pub slopes: [f64; 2],
}

impl GaussianLaw {
    pub(super) fn is_valid(&self) -> bool {
        let chi = self.chi();
        is_affine_law(self.inputs, self.weight_gain, self.bias_variance) && chi > 0.0 && chi.is_finite()
    }

    /// Factor by which E z^2 grows from layer to layer, but for the bias: weight gain times (a+^2 + a-^2) / 2.
    pub fn chi(&self) -> f64 {
        let [plus, minus] = self.slopes;
        0.5 * self.weight_gain * (plus * plus + minus * minus)
    }

    /// The coefficients A_l and beta_l of E z(x)^2 = A_l |x|^2 + beta_l for the pre-activation z of a unit in layer
    /// `l`, counted from 1; NaN for layer 0. Derived here.
    pub fn layer(&self, l: usize) -> (f64, f64) {
        if l == 0 || !self.is_valid() {
            return (f64::NAN, f64::NAN);
        }
        let chi = self.chi();
        // 1 + chi + ... + chi^(l - 1), with expm1 because chi is near 1 in any good initialisation.
        let sum = if chi == 1.0 { l as f64 } else { (l as f64 * (chi - 1.0).ln_1p()).exp_m1() / (chi - 1.0) };
        (self.weight_gain / self.inputs as f64 * chi.powf((l - 1) as f64), self.bias_variance * sum)
    }

    /// beta_l / A_l for layers 1 to `depth`.
    pub(super) fn ratios(&self, depth: usize) -> Vec<f64> {
        running_sums(increments(self.inputs, self.weight_gain, self.bias_variance, self.chi())).take(depth).collect()
    }
}

/// A random network of maxout units or of groups that are sorted.
///
/// Domain: at least one input, size at least 1, a positive gain, and a bias variance that is not negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolLaw {
    /// Input dimension n_0.
    pub inputs: usize,
    /// Weight variance times fan-in.
    pub weight_gain: f64,
    /// Variance of each bias.
    pub bias_variance: f64,
    /// Rank of a maxout unit, or number of values in a sorted group.
    pub size: usize,
}

impl PoolLaw {
    pub(super) fn is_valid(&self) -> bool {
        is_affine_law(self.inputs, self.weight_gain, self.bias_variance) && self.size > 0
    }
}

pub(super) fn is_affine_law(inputs: usize, weight_gain: f64, bias_variance: f64) -> bool {
    inputs > 0 && weight_gain > 0.0 && weight_gain.is_finite() && bias_variance >= 0.0 && bias_variance.is_finite()
}

/// bias_variance / A_l, the increments of beta_l / A_l from layer to layer; A_l and beta_l themselves can overflow in
/// deep networks.
pub(super) fn increments(inputs: usize, weight_gain: f64, bias_variance: f64, chi: f64) -> impl Iterator<Item = f64> {
    let a = std::iter::successors(Some(weight_gain / inputs as f64), move |a| Some(a * chi));
    // Without biases the ratio is 0, even where A_l underflows.
    a.map(move |a| if bias_variance > 0.0 { bias_variance / a } else { 0.0 })
}

pub(super) fn running_sums(increments: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
    increments.scan(0.0, |sum, x| {
        *sum += x;
        Some(*sum)
    })
}

/// A window of a line in arc length from the point nearest to the origin.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) from: f64,
    pub(super) to: f64,
    /// Squared distance of the line to the origin.
    pub(super) distance2: f64,
}

impl Window {
    pub(super) fn new(x0_norm2: f64, x0_dot_d: f64, d_norm2: f64, window: [f64; 2]) -> Option<Self> {
        let [low, high] = window;
        if !(x0_norm2 >= 0.0 && x0_norm2.is_finite() && d_norm2 > 0.0 && d_norm2.is_finite() && low <= high) {
            return None;
        }
        let (nearest, speed) = (-x0_dot_d / d_norm2, d_norm2.sqrt());
        let distance2 = x0_norm2 + x0_dot_d * nearest;
        // Rounding may make it slightly negative for a line through the origin; more breaks the Cauchy-Schwarz
        // inequality.
        (distance2 >= -1e-9 * x0_norm2).then(|| Self {
            from: (low - nearest) * speed,
            to: (high - nearest) * speed,
            distance2: distance2.max(0.0),
        })
    }

    /// Mass of the Cauchy law of this half-width at the point nearest to the origin.
    pub(super) fn cauchy_mass(&self, half_width: f64) -> f64 {
        let (x, y) = (self.from / half_width, self.to / half_width);
        // One arctangent of the angle between the ends, so that far windows do not cancel.
        let angle = match (x.is_finite(), y.is_finite()) {
            (true, true) if (x * y).is_finite() => (y - x).atan2(1.0 + x * y),
            (true, false) if y > 0.0 => 1f64.atan2(x),
            (false, true) if x < 0.0 => 1f64.atan2(-y),
            _ => y.atan() - x.atan(),
        };
        FRAC_1_PI * angle
    }
}

pub(super) fn pairs(n: f64) -> f64 {
    0.5 * n * (n - 1.0)
}
