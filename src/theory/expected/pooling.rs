//! Crossings of units with several pre-activations: maxout and sorted groups.

use std::f64::consts::{FRAC_1_PI, PI, SQRT_2, TAU};

use super::law::*;
use super::lines::crossings_on_segment;
use super::quadrature::*;

/// int f(x) Phi(x)^power dx over the line, for f that decays like a normal density.
pub(super) fn against_normal_power(power: f64, f: impl Fn(f64) -> f64) -> f64 {
    let rule = gauss_legendre(ORDER);
    let half = 0.125;
    let value = |x: f64| {
        let log = if x > 0.0 { (-0.5 * libm::erfc(x / SQRT_2)).ln_1p() } else { (0.5 * libm::erfc(-x / SQRT_2)).ln() };
        f(x) * (power * log).exp()
    };
    // Even 2^64 normal numbers have their maximum below 14.
    let panels = (0..104).map(|k| f64::from(k) * 0.25 - 12.0 + half);
    panels.map(|middle| rule.iter().map(|(x, weight)| half * weight * value(middle + half * x)).sum::<f64>()).sum()
}

/// c_K: expected changes of the maximum on a whole line, for a maxout unit of rank K in the first layer; 0 for K = 1, 1
/// for K = 2, 3/2 for K = 3. It is C(K, 2) E Phi(W)^(K - 2) with W ~ N(0, 1/2), to a relative 1e-12. Derived here. NaN
/// for K = 0.
pub fn maxout_factor(rank: usize) -> f64 {
    match rank {
        0 => f64::NAN,
        1 => 0.0,
        2 => 1.0,
        _ => {
            let k = rank as f64;
            pairs(k) * against_normal_power(k - 2.0, |x| (-x * x).exp() / PI.sqrt())
        }
    }
}

/// m_K = E max(Z_1..Z_K)^2 for independent standard normal numbers, to a relative 1e-12; 1 for K = 1 and K = 2. NaN for
/// K = 0.
///
/// Weights of variance 1 / (m_K fan-in) keep E z^2 from layer to layer: the maxout-He initialisation of Tseran and
/// Montufar (2021).
pub fn maxout_second_moment(rank: usize) -> f64 {
    match rank {
        0 => f64::NAN,
        1 | 2 => 1.0,
        _ => {
            let k = rank as f64;
            against_normal_power(k - 1.0, |x| k * x * x * (-0.5 * x * x).exp() / TAU.sqrt())
        }
    }
}

/// Expected changes of the maximum per maxout unit of each layer on a window of the line x0 + t d, at infinite width.
///
/// Line and window are as in [`crossings_on_segment`]; the K branches of a unit have independent weights and biases.
/// Rank 2 agrees with ReLU of the doubled gain. The whole line has [`maxout_factor`] in layer 1 and less below for rank
/// 3 or more. Derived here; quadrature is accurate to a relative 1e-11.
pub fn maxout_crossings_on_line(
    law: &PoolLaw,
    depth: usize,
    x0_norm2: f64,
    x0_dot_d: f64,
    d_norm2: f64,
    window: [f64; 2],
) -> Vec<f64> {
    match Window::new(x0_norm2, x0_dot_d, d_norm2, window) {
        Some(line) if law.is_valid() => maxout_crossings(law, depth, line, ORDER).unwrap_or(vec![f64::NAN; depth]),
        _ => vec![f64::NAN; depth],
    }
}

pub(super) fn maxout_crossings(law: &PoolLaw, depth: usize, line: Window, order: usize) -> Option<Vec<f64>> {
    let (factor, m) = (maxout_factor(law.size), maxout_second_moment(law.size));
    let increments = increments(law.inputs, law.weight_gain, law.bias_variance, law.weight_gain * m);
    let increments: Vec<f64> = increments.take(depth).collect();
    let unit = (line.distance2 + increments.first()?).sqrt();
    if unit == 0.0 {
        return None;
    }
    // Squared half-widths with their increments, and all lengths, in units of the first layer's half-width.
    let scale = |x: f64| x / unit / unit;
    let widths2: Vec<f64> = running_sums(increments.iter().copied()).map(|sum| scale(line.distance2 + sum)).collect();
    let (from, to) = (line.from / unit, line.to / unit);
    // Rates are even along the line.
    let parts = if from >= 0.0 {
        vec![[from, to]]
    } else if to <= 0.0 {
        vec![[-to, -from]]
    } else {
        vec![[0.0, -from], [0.0, to]]
    };
    let rule = gauss_legendre(order);
    // Second moments of later layers change from about m^(-l / 2) on, and not beyond the last half-width. Below 1e-18
    // there is nothing left to see, because the rate is no higher there.
    let finest = (0.5 * m.powf(-0.5 * depth as f64)).max(1e-18);
    let tail = (4.0 * widths2.last()?.sqrt()).min(1e150);
    let mut total = vec![0.0; depth];
    for (s, weight) in parts.into_iter().flat_map(|part| nodes(&rule, part, finest, tail)) {
        let h = s * s + 1.0;
        // The squared rate s/q - (r/q)^2, without the subtraction, and (r/q)^2.
        let (mut rate2, mut drift2) = ((1.0 / h).powi(2), (s / h).powi(2));
        for (l, sum) in total.iter_mut().enumerate() {
            *sum += factor * weight * FRAC_1_PI * rate2.sqrt();
            let Some(next) = widths2.get(l + 1) else { break };
            if next.is_infinite() {
                break;
            }
            // Shares of the next layer's variance from this layer and from its own bias, neither by subtraction.
            let (here, own) = ((s * s + widths2[l]) / (s * s + next), scale(increments[l + 1]) / (s * s + next));
            rate2 = here * (rate2 / m + own * drift2);
            drift2 *= here * here;
        }
    }
    Some(total)
}

/// Expected exchanges of order per value (not per group) of each layer of sorted groups, on a window of the line x0 + t
/// d, at infinite width: (g - 1) / 2 times a Cauchy mass.
///
/// Line and window are as in [`crossings_on_segment`]. Sorting keeps the sum of squares, so the law is that of the
/// identity. The whole line has g (g - 1) / 2 exchanges per group in every layer. Derived here.
pub fn groupsort_crossings_on_line(
    law: &PoolLaw,
    depth: usize,
    x0_norm2: f64,
    x0_dot_d: f64,
    d_norm2: f64,
    window: [f64; 2],
) -> Vec<f64> {
    let PoolLaw { inputs, weight_gain, bias_variance, size } = *law;
    let Some(above) = size.checked_sub(1) else {
        return vec![f64::NAN; depth];
    };
    let law = GaussianLaw { inputs, weight_gain, bias_variance, slopes: [1.0, 1.0] };
    let mut crossings = crossings_on_segment(&law, depth, x0_norm2, x0_dot_d, d_norm2, window);
    crossings.iter_mut().for_each(|x| *x *= 0.5 * above as f64);
    crossings
}
