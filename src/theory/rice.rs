//! The Kac-Rice formula for one level of a Gaussian process (Kac 1943; Rice 1944).

use std::f64::consts::{FRAC_1_PI, PI, SQRT_2};

/// Expected rate at which a process z crosses the level `u`, per unit of t, where z and dz/dt are jointly normal with mean 0.
///
/// `variance` is E z^2, positive; `drift` is E(z dz/dt) / E z^2, the regression of dz/dt on z; `remainder` is the variance of dz/dt that z
/// leaves open, E (dz/dt)^2 - drift^2 E z^2 (what rounding makes of it below 0 is taken for 0). The rate is the density of z at u
/// times E(|dz/dt| given z = u).
pub fn crossing_rate(variance: f64, drift: f64, remainder: f64, u: f64) -> f64 {
    let (std, v) = (variance.sqrt(), remainder.max(0.0).sqrt());
    if u == 0.0 {
        return FRAC_1_PI * v / std;
    }
    let m = drift * u;
    let mean_speed = if v > 0.0 {
        (2.0 / PI).sqrt() * v * (-0.5 * (m / v).powi(2)).exp() + m * libm::erf(m / (v * SQRT_2))
    } else {
        m.abs()
    };
    normal_density(u / std) / std * mean_speed
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
        for (q, c, v2, u) in
            [(2.0f64, 0.3, 1.5f64, 0.7f64), (0.5, -2.0, 0.1, -1.2), (1.0, 0.0, 4.0, 0.0), (3.0, 1.0, 1e-3, 2.0)]
        {
            let (m, v) = (c * u, f64::sqrt(v2));
            let n = 200_000;
            let (low, high) = (m - 12.0 * v, m + 12.0 * v);
            let step = (high - low) / f64::from(n);
            let speed = |i: i32| low + (f64::from(i) + 0.5) * step;
            let integral: f64 = (0..n).map(|i| speed(i).abs() * normal_density((speed(i) - m) / v) / v * step).sum();
            let expected = integral * normal_density(u / q.sqrt()) / q.sqrt();
            assert!((crossing_rate(q, c, v2, u) - expected).abs() < 1e-8 * expected, "{q} {c} {v2} {u}");
        }
        assert!((crossing_rate(1.0, 0.5, 0.0, 2.0) - normal_density(2.0)).abs() < 1e-15, "all of the speed is drift");
    }
}
