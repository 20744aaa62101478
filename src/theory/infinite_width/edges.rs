//! Random straight edges without a preferred direction.

use std::f64::consts::SQRT_2;

use super::gauss_nodes;
use crate::path::{PathLaw, StartLaw};
use crate::theory::rice::normal_density;

/// Normal numbers beyond this many standard deviations are left out.
const FAR: f64 = 7.0;
/// The widest panel of a rule, in standard deviations of a normal law.
const PANEL: f64 = 1.2;
/// The finest panel, in the same unit: what is thinner weighs less than anybody sees.
const FINEST: f64 = 1e-7;

/// The law of the edges of random paths: a point of the edge has independent normal coordinates, and the edge goes from there to both sides in
/// any direction.
///
/// A segment that goes to one side only is half of such an edge, of which the other half is its image.
#[derive(Clone, Copy, Debug)]
pub(super) struct IsotropicEdges {
    dim: usize,
    /// Standard deviation of a coordinate.
    std: f64,
    /// To either side; `None` for the root of the sum of `dim` squares of other such coordinates.
    reach: Option<f64>,
}

/// A node of the mean over all places on edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) value: f64,
    pub(super) weight: f64,
}

impl IsotropicEdges {
    /// `None` for paths of other laws, or none of positive length.
    pub(super) fn of_law(law: &PathLaw, dim: usize) -> Option<Self> {
        let (std, reach) = match *law {
            PathLaw::Segment { start: StartLaw::Normal(std), length } => (std, Some(length)),
            // The middle of two points and half their difference are independent.
            PathLaw::Chord { start: StartLaw::Normal(std) }
            | PathLaw::Polyline { start: StartLaw::Normal(std), .. } => (std / SQRT_2, None),
            _ => return None,
        };
        (std > 0.0 && reach.is_none_or(|reach| reach > 0.0)).then_some(Self { dim, std, reach })
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// Distances of lines to the origin. The nodes resolve what changes over `scale` near 0.
    pub(super) fn distances(&self, scale: f64) -> Vec<Node> {
        let mut nodes = root_of_squares(self.dim - 1, scale / self.std);
        nodes.iter_mut().for_each(|node| node.value *= self.std);
        nodes
    }

    /// Distances along the line from its point nearest to the origin: of a random place on an edge. The nodes resolve what changes over
    /// `scale` near 0.
    pub(super) fn offsets(&self, scale: f64) -> Vec<Node> {
        let reaches = match self.reach {
            Some(reach) => vec![Node { value: reach / self.std, weight: 1.0 }],
            None => root_of_squares(self.dim, PANEL),
        };
        let mean_reach: f64 = reaches.iter().map(|node| node.weight * node.value).sum();
        let (near, far) = (reaches[0].value - FAR, reaches[reaches.len() - 1].value + FAR);
        // Between `near` and `far` fewer and fewer edges reach so far.
        let widest = |x: f64| (0.5 * (near - x)).max(PANEL);
        gauss_nodes(&panels([0.0, far], scale / self.std, widest))
            .into_iter()
            .map(|(x, weight)| {
                let mean: f64 = reaches.iter().map(|node| node.weight * covered(x, node.value)).sum();
                Node { value: self.std * x, weight: weight * mean / mean_reach }
            })
            .collect()
    }
}

/// The probability that a normal number is within `reach` of `x`.
fn covered(x: f64, reach: f64) -> f64 {
    // The difference would lose its digits.
    if reach < 0.01 {
        return 2.0 * reach * normal_density(x) * (1.0 + reach * reach * (x * x - 1.0) / 6.0);
    }
    0.5 * (libm::erfc((x - reach) / SQRT_2) - libm::erfc((x + reach) / SQRT_2))
}

/// The root of the sum of the squares of `n` standard normal numbers (chi law).
fn root_of_squares(n: usize, scale: f64) -> Vec<Node> {
    if n == 0 {
        return vec![Node { value: 0.0, weight: 1.0 }];
    }
    let power = (n - 1) as f64;
    let mode = power.sqrt();
    let log_density = |x: f64| if power > 0.0 { power * (x / mode).ln() } else { 0.0 } - 0.5 * (x * x - power);
    let ends = panels([(mode - FAR).max(0.0), mode + FAR], scale, |_| PANEL);
    let node = |(value, weight): (f64, f64)| Node { value, weight: weight * log_density(value).exp() };
    let mut nodes: Vec<Node> = gauss_nodes(&ends).into_iter().map(node).collect();
    let sum: f64 = nodes.iter().map(|node| node.weight).sum();
    nodes.iter_mut().for_each(|node| node.weight /= sum);
    nodes
}

/// Ends of panels that double away from 0, half of `scale` the finest, up to the widest there may be.
fn panels([from, to]: [f64; 2], scale: f64, widest: impl Fn(f64) -> f64) -> Vec<f64> {
    let finest = (0.5 * scale).max(FINEST);
    let next = |&x: &f64| (x < to).then(|| (x + widest(x).min(x.max(finest))).min(to));
    std::iter::successors(Some(from), next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums over nodes of products with functions of the distance and the offset, against moments of the law.
    #[test]
    fn moments_of_edges_are_those_of_their_law() {
        for (dim, std, length) in
            [(1, 1.0, 2.0), (2, 0.5, 3.0), (3, 2.0, 1e-300), (3, 2.0, 0.03), (9, 1.0, 1e4), (784, 1.0, 39.6)]
        {
            let segments = PathLaw::Segment { start: StartLaw::Normal(std), length };
            let chords = PathLaw::Chord { start: StartLaw::Normal(std) };
            let mean = |nodes: &[Node], f: fn(f64) -> f64| nodes.iter().map(|n| n.weight * f(n.value)).sum::<f64>();
            let is = |got: f64, expected: f64| (got - expected).abs() <= 1e-9 * expected.abs().max(1e-9);
            for scale in [1e-9, 0.1, 1e3] {
                let edges = IsotropicEdges::of_law(&segments, dim).unwrap();
                let (distances, offsets) = (edges.distances(scale), edges.offsets(scale));
                assert!(is(mean(&distances, |_| 1.0), 1.0) && is(mean(&offsets, |_| 1.0), 1.0));
                assert!(is(mean(&distances, |d| d * d), (dim - 1) as f64 * std * std), "{dim}");
                // E (m + s)^2 over m normal and s uniform on (0, length).
                assert!(is(mean(&offsets, |t| t * t), std * std + length * length / 3.0), "{dim} {scale}");

                let edges = IsotropicEdges::of_law(&chords, dim).unwrap();
                let (distances, offsets) = (edges.distances(scale), edges.offsets(scale));
                let half = 0.5 * std * std;
                assert!(is(mean(&distances, |d| d * d), (dim - 1) as f64 * half), "{dim}");
                // Long chords weigh more: E h^3 / E h = half (dim + 1) for the half length h.
                assert!(is(mean(&offsets, |t| t * t), half * (1.0 + (dim + 1) as f64 / 3.0)), "{dim} {scale}");
            }
        }
    }
}
