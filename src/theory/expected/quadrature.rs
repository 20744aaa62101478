//! Gauss-Legendre rules.

use std::f64::consts::PI;

/// Nodes of the Gauss-Legendre rule on each panel of an integral.
pub(super) const ORDER: usize = 16;

/// Nodes and weights on 0 <= from <= x <= to, on panels that double from `finest` upwards. Beyond `tail` there is one
/// panel in 1 / x, so that `to` may be infinite where `tail` is not.
pub(super) fn nodes(rule: &[(f64, f64)], [from, to]: [f64; 2], finest: f64, tail: f64) -> Vec<(f64, f64)> {
    let near = to.min(tail);
    let finest = finest.max(f64::MIN_POSITIVE);
    let doubled = std::iter::successors(Some(finest), |x| Some(2.0 * x)).skip_while(|x| *x <= from);
    let mut ends = vec![from];
    ends.extend(doubled.take_while(|x| *x < near));
    ends.push(near);
    let panel = |low: f64, high: f64| {
        let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
        rule.iter().map(move |(x, weight)| (middle + half * x, half * weight))
    };
    let mut all = Vec::new();
    if near > from {
        ends.windows(2).for_each(|e| all.extend(panel(e[0], e[1])));
    }
    let start = from.max(tail);
    if to > start {
        all.extend(panel(to.recip(), start.recip()).map(|(u, weight)| (u.recip(), weight / u / u)));
    }
    all
}

/// Nodes and weights of the Gauss-Legendre rule on -1..1.
pub(super) fn gauss_legendre(order: usize) -> Vec<(f64, f64)> {
    let node = |i: usize| {
        let mut x = (PI * (i as f64 + 0.75) / (order as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..8 {
            let (mut p, mut last) = (1.0, 0.0);
            for k in 0..order {
                let k = k as f64;
                (p, last) = (((2.0 * k + 1.0) * x * p - k * last) / (k + 1.0), p);
            }
            slope = order as f64 * (x * p - last) / (x * x - 1.0);
            x -= p / slope;
        }
        (x, 2.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..order).map(node).collect()
}
