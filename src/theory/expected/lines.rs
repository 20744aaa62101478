//! Crossings along lines and circles.

use std::f64::consts::{FRAC_1_PI, PI};

use super::law::*;

/// Expected crossings per unit of each of `depth` layers on the window low <= t <= high of the line x0 + t d, at
/// infinite width.
///
/// The line enters by |x0|^2, <x0, d> and |d|^2 > 0; the window may be infinite. Crossings of layer l follow a Cauchy
/// law along the line, centred at the point nearest to the origin, with half-width sqrt(dist^2 + beta_l / A_l) in arc
/// length. The whole line has exactly one crossing per unit, in any layer and for any parameters. Derived here from the
/// formula of Kac and Rice; the count on whole lines of He networks with one input is that of Kogan, Jananthan and
/// Kepner (2025).
///
/// NaN for zero biases on a line through the origin: there all crossings meet in one point, where the limit does not
/// apply.
pub fn crossings_on_segment(
    law: &GaussianLaw,
    depth: usize,
    x0_norm2: f64,
    x0_dot_d: f64,
    d_norm2: f64,
    window: [f64; 2],
) -> Vec<f64> {
    match Window::new(x0_norm2, x0_dot_d, d_norm2, window) {
        Some(line) if law.is_valid() => cauchy_masses(line, &law.ratios(depth)),
        _ => vec![f64::NAN; depth],
    }
}

pub(super) fn cauchy_masses(line: Window, ratios: &[f64]) -> Vec<f64> {
    let mass = |ratio: &f64| match line.distance2 + ratio {
        0.0 => f64::NAN,
        width2 => line.cauchy_mass(width2.sqrt()),
    };
    ratios.iter().map(mass).collect()
}

/// Expected crossings per unit of each layer on an arc of a circle around the origin, at infinite width: angle / pi
/// times R / sqrt(R^2 + beta_l / A_l). Derived here.
///
/// Needs at least two inputs, `radius` > 0 and a finite `angle` >= 0 in radians; more than a full turn counts crossings
/// again. Networks without biases have angle / pi.
pub fn crossings_on_circle(law: &GaussianLaw, depth: usize, radius: f64, angle: f64) -> Vec<f64> {
    if !(law.is_valid() && law.inputs > 1 && radius > 0.0 && radius.is_finite() && angle >= 0.0 && angle.is_finite()) {
        return vec![f64::NAN; depth];
    }
    law.ratios(depth).iter().map(|ratio| FRAC_1_PI * angle * (radius / radius.hypot(ratio.sqrt()))).collect()
}

/// Expected crossings per unit of each layer of a Gaussian ReLU network without biases, on a segment seen from the
/// origin under `angle` radians, exactly and at every width: angle / pi times the product of 1 - (n_k + 1) 2^(-n_k)
/// over earlier layers.
///
/// `widths` are those of the hidden layers. A whole line that misses the origin has angle pi. The product is the
/// probability that two or more units are active in each earlier layer. Weights are independent centred normal numbers
/// with one variance per layer; that variance does not matter. Derived here. Needs 0 <= angle <= pi.
pub fn bias_free_crossings(angle: f64, widths: &[usize]) -> Vec<f64> {
    if !(0.0..=PI).contains(&angle) {
        return vec![f64::NAN; widths.len()];
    }
    let mut crossings = angle / PI;
    widths
        .iter()
        .map(|&n| {
            let here = crossings;
            crossings *= 1.0 - (n as f64 + 1.0) * (-(n as f64)).exp2();
            here
        })
        .collect()
}
