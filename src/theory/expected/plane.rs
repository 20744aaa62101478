//! Regions of planes.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, TAU};

use super::law::*;
use super::quadrature::*;

/// Expected number of activation regions on a whole plane, for hidden layers of these widths: 1 + N + N (N - 1) / 2
/// with N units in all, whatever the depth. Derived here at infinite width; it is the number of regions of N lines in
/// general position.
///
/// Needs at least two inputs and positive bias variance.
pub fn regions_in_plane(law: &GaussianLaw, widths: &[usize]) -> f64 {
    if !has_planes(law) {
        return f64::NAN;
    }
    let n: f64 = widths.iter().map(|&n| n as f64).sum();
    1.0 + n + pairs(n)
}

pub(super) fn has_planes(law: &GaussianLaw) -> bool {
    law.is_valid() && law.inputs > 1 && law.bias_variance > 0.0
}

/// Expected number of activation regions in a rectangle of a plane through the origin, for hidden layers of these
/// widths.
///
/// The rectangle is given in orthonormal coordinates of the plane, around the origin or not. Cells are convex, so that
/// a window has 1 + X + B / 2 of them, with X crossings of two boundaries inside and B boundary points on its rim; both
/// expectations are taken at infinite width. Derived here. The result is accurate to a relative 1e-9 and to rounding of
/// about 1e-15 N^2 for N units, which matters only in windows far from the origin. The cost grows with the square of
/// the depth.
///
/// Needs at least two inputs, positive bias variance and a finite rectangle.
pub fn regions_in_rectangle(law: &GaussianLaw, widths: &[usize], x: [f64; 2], y: [f64; 2]) -> f64 {
    let is_interval = |[low, high]: [f64; 2]| low <= high && low.is_finite() && high.is_finite();
    if !(has_planes(law) && is_interval(x) && is_interval(y)) {
        return f64::NAN;
    }
    // A layer whose ratio overflowed is all bias and has no boundaries.
    let layers: Vec<(f64, f64)> = widths
        .iter()
        .zip(law.ratios(widths.len()))
        .filter(|(n, ratio)| **n > 0 && ratio.is_finite())
        .map(|(&n, ratio)| (n as f64, ratio))
        .collect();
    1.0 + plane_crossings(&layers, x, y, ORDER) + 0.5 * rim_crossings(&layers, x, y)
}

/// E B: expected boundary points on the rim of a rectangle, for layers given as width and beta / A.
pub(super) fn rim_crossings(layers: &[(f64, f64)], x: [f64; 2], y: [f64; 2]) -> f64 {
    let sides = [(x[0], y), (x[1], y), (y[0], x), (y[1], x)];
    let on_side = |ratio: f64, (at, [from, to]): (f64, [f64; 2])| {
        let side = Window { from, to, distance2: at * at };
        side.cauchy_mass((side.distance2 + ratio).sqrt())
    };
    layers.iter().map(|&(n, ratio)| n * sides.iter().map(|&side| on_side(ratio, side)).sum::<f64>()).sum()
}

/// E X: expected crossings of pairs of boundaries in a rectangle, for layers given as width and beta / A, in order.
pub(super) fn plane_crossings(layers: &[(f64, f64)], x: [f64; 2], y: [f64; 2], order: usize) -> f64 {
    let Some(&(_, finest2)) = layers.first() else {
        return 0.0;
    };
    let rule = gauss_legendre(order);
    let same = |a: f64, b: f64| {
        let angle = |&(n, ratio): &(f64, f64)| {
            let w = ratio.sqrt();
            pairs(n) / TAU * (a / a.hypot(b).hypot(w) * b).atan2(w)
        };
        layers.iter().map(angle).sum::<f64>()
    };
    let density = |r2: f64| {
        let mut sum = 0.0;
        for (k, &(n, ratio)) in layers.iter().enumerate() {
            sum += n * layers[..k].iter().map(|&(m, other)| m * crossing_density(r2, other, ratio)).sum::<f64>();
        }
        sum
    };
    // Between the origin and the corner (a, b): two right triangles, or nothing to integrate for one layer.
    let different = |a: f64, b: f64| {
        if layers.len() < 2 || a == 0.0 || b == 0.0 {
            return 0.0;
        }
        let (p, q) = (a.abs(), b.abs());
        let sum =
            over_triangle(&rule, &density, finest2.sqrt(), p, q) + over_triangle(&rule, &density, finest2.sqrt(), q, p);
        sum.copysign(a * b.signum())
    };
    let corner = |a: f64, b: f64| same(a, b) + different(a, b);
    corner(x[1], y[1]) - corner(x[0], y[1]) - corner(x[1], y[0]) + corner(x[0], y[0])
}

/// Density of crossings of one boundary of each of two layers at squared distance `r2` from the origin; `low` <= `high`
/// are beta / A of the layers. Its integral over the plane is 1.
///
/// It is the density of zero of both pre-activations times the mean area of the parallelogram of their gradients: the
/// latter are Gaussian, of independent components along and across the ray from the origin, which gives the elliptic
/// integral.
pub(super) fn crossing_density(r2: f64, low: f64, high: f64) -> f64 {
    let (p, q) = (r2 + low, r2 + high);
    if q.is_infinite() {
        return 0.0;
    }
    // Variances along and across the ray are in the ratio low / p to high / q, of which the first is the least.
    FRAC_2_PI * (high / q).sqrt() * complete_elliptic_e(low / high * (q / p)) / (TAU * p.sqrt() * q.sqrt())
}

/// Complete elliptic integral of the second kind E(m) = int_0^{pi/2} sqrt(1 - m sin^2), for parameter m = 1 -
/// `complement` with `complement` in 0..=1, by the arithmetic-geometric mean.
pub(super) fn complete_elliptic_e(complement: f64) -> f64 {
    // The mean converges too slowly at m = 1, where the integral is 1.
    if complement < 1e-300 {
        return 1.0;
    }
    let (mut a, mut b) = (1.0, complement.min(1.0).sqrt());
    let (mut sum, mut power) = (0.5 * (1.0 - complement.min(1.0)), 0.5);
    // Convergence is quadratic: twelve steps reach rounding from the smallest complement.
    for _ in 0..16 {
        let c: f64 = 0.5 * (a - b);
        (a, b) = (0.5 * (a + b), (a * b).sqrt());
        power *= 2.0;
        sum += power * c * c;
        if c <= 1e-9 * a {
            break;
        }
    }
    FRAC_PI_2 / a * (1.0 - sum)
}

/// Integral of a function of r^2 over the right triangle with corners 0, (leg, 0), (leg, rise), both positive; `scale`
/// is the distance from the origin over which the function changes.
///
/// The circle of radius r has the angle phi in the triangle up to r = leg, and phi - acos(leg / r) beyond, which leaves
/// integrals over one variable; with r^2 = leg^2 + t^2 the second one is smooth.
pub(super) fn over_triangle(
    rule: &[(f64, f64)],
    density: &impl Fn(f64) -> f64,
    scale: f64,
    leg: f64,
    rise: f64,
) -> f64 {
    let phi = rise.atan2(leg);
    let near = nodes(rule, [0.0, leg], 0.5 * scale, f64::INFINITY);
    let near: f64 = near.iter().map(|(r, weight)| density(r * r) * r * weight).sum();
    let far = nodes(rule, [0.0, rise], 0.5 * leg, f64::INFINITY);
    // phi - atan(t / leg) in one arctangent.
    let angle = |t: f64| (leg * (rise - t)).atan2(leg * leg + rise * t);
    let far: f64 = far.iter().map(|&(t, weight)| density(leg * leg + t * t) * angle(t) * t * weight).sum();
    phi * near + far
}
