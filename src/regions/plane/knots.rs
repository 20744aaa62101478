//! Across which edges the output changes its affine map, and the linear regions that follow.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::complex::{Complex, Edge};
use super::exact::{ExactCell, ExactNetwork};
use super::filter::{Bounded, Filter};
use super::pattern::PatternLayout;
use crate::network::{Layer, Network};

/// For each edge whether the output's gradient differs between its two cells, and how often exact arithmetic had to decide.
pub(super) struct Knots {
    pub is_knot: Vec<bool>,
    pub close_calls: u64,
}

/// Decides for all edges; the rim of the window has no second side and no knot. What is left when `stop` is set is not decided.
pub(super) fn knots(
    network: &Network,
    layout: &PatternLayout,
    directions: &[Vec<f64>; 2],
    complex: &Complex,
    filter: &Filter,
    exact: &ExactNetwork,
    stop: &AtomicBool,
) -> Knots {
    let walk = Walk { layers: network.architecture().layers(), layout, directions, complex, filter };
    let decide = |edge: &Edge| {
        let Some(other) = edge.cells.1.filter(|_| !stop.load(Ordering::Relaxed)) else { return (false, 0) };
        let patterns = [edge.cells.0, other].map(|cell| complex.pattern(cell as usize));
        match walk.changes(edge, patterns) {
            Some(is_knot) => (is_knot, 0),
            None => {
                let [here, there] = patterns.map(|pattern| ExactCell::new(exact, pattern).gradients());
                (here != there, 1)
            }
        }
    };
    let decisions: Vec<(bool, u64)> = complex.edges.par_iter().map(decide).collect();
    let close_calls = decisions.iter().map(|d| d.1).sum();
    Knots { is_knot: decisions.into_iter().map(|d| d.0).collect(), close_calls }
}

/// Numbers the linear regions: cells on both sides of an edge that is no knot are of the same. Returns the number of each cell's
/// region, in order of first cells, and how many there are.
pub(super) fn linear_regions(complex: &Complex, is_knot: &[bool]) -> (Vec<u32>, usize) {
    let mut parents: Vec<u32> = (0..complex.n_cells() as u32).collect();
    fn root(parents: &mut [u32], mut cell: u32) -> u32 {
        while parents[cell as usize] != cell {
            let above = parents[parents[cell as usize] as usize];
            parents[cell as usize] = above;
            cell = above;
        }
        cell
    }
    for (edge, &is_knot) in complex.edges.iter().zip(is_knot) {
        if let (false, Some(other)) = (is_knot, edge.cells.1) {
            let (a, b) = (root(&mut parents, edge.cells.0), root(&mut parents, other));
            // The lowest cell is the root.
            parents[a.max(b) as usize] = a.min(b);
        }
    }
    let mut n = 0;
    let mut regions = vec![0; parents.len()];
    for cell in 0..parents.len() as u32 {
        let root = root(&mut parents, cell);
        regions[cell as usize] = if root == cell {
            n += 1;
            n as u32 - 1
        } else {
            regions[root as usize]
        };
    }
    (regions, n)
}

/// A unit on different pieces in two cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flip {
    pub layer: usize,
    pub unit: usize,
    pub pieces: [usize; 2],
}

/// The units on different pieces in two patterns.
pub(super) fn flips(layers: &[Layer], layout: &PatternLayout, patterns: [&[u64]; 2]) -> Vec<Flip> {
    let mut flips = Vec::new();
    for (ix, layer) in layers.iter().enumerate() {
        let field = layout.layer(ix);
        let words = patterns.map(|pattern| field.of(pattern));
        if words[0] == words[1] {
            continue;
        }
        for unit in 0..layer.affine.units() {
            let pieces = words.map(|words| field.piece(words, unit));
            if pieces[0] != pieces[1] {
                flips.push(Flip { layer: ix, unit, pieces });
            }
        }
    }
    flips
}

struct Walk<'a> {
    layers: &'a [Layer],
    layout: &'a PatternLayout,
    directions: &'a [Vec<f64>; 2],
    complex: &'a Complex,
    filter: &'a Filter<'a>,
}

impl Walk<'_> {
    /// Whether the output changes slope across an edge, where f64 can tell.
    ///
    /// The derivative across the edge is followed on the first side, and its change through the layers after: the change is
    /// zero exactly where it dies. Where a single unit flips, its own slope is only a factor.
    fn changes(&self, edge: &Edge, patterns: [&[u64]; 2]) -> Option<bool> {
        let flips = flips(self.layers, self.layout, patterns);
        let single = match flips[..] {
            [flip] => Some(flip),
            _ => None,
        };
        let mut slope: Vec<Bounded> = Vec::new();
        let mut change;
        let mut first = 0;
        if let Some(Flip { layer, unit, pieces }) = single {
            let slopes = &self.filter.pieces(layer).slopes;
            change = vec![ZERO; self.layers[layer].affine.units()];
            let value = slopes[pieces[1]] - slopes[pieces[0]];
            change[unit] = Bounded { value, error: f64::EPSILON * value.abs() };
            first = layer + 1;
        } else {
            slope = self.direction_across(edge)?.iter().map(|&value| Bounded { value, error: 0.0 }).collect();
            change = vec![ZERO; slope.len()];
        }
        for layer in first..self.layers.len() {
            slope = self.filter.linear(layer, &slope);
            change = self.filter.linear(layer, &change);
            let (field, slopes) = (self.layout.layer(layer), &self.filter.pieces(layer).slopes);
            let words = patterns.map(|pattern| field.of(pattern));
            for (unit, change) in change.iter_mut().enumerate() {
                let [old, new] = words.map(|words| slopes[field.piece(words, unit)]);
                *change = times(*change, new);
                if let Some(slope) = slope.get_mut(unit) {
                    if old != new {
                        *change = plus(*change, times(*slope, new - old));
                    }
                    *slope = times(*slope, old);
                }
            }
        }
        let outputs = self.filter.linear(self.layers.len(), &change);
        let signs: Vec<Option<i8>> = outputs.into_iter().map(Bounded::sign).collect();
        if signs.iter().any(|sign| matches!(sign, Some(1 | -1))) {
            Some(true)
        } else if signs.iter().all(Option::is_some) {
            Some(false)
        } else {
            None
        }
    }

    /// One of the plane's directions, the one more nearly at right angles to an edge; `None` for edges too short to tell.
    fn direction_across(&self, edge: &Edge) -> Option<&Vec<f64>> {
        let [p, q] = edge.ends.map(|end| &self.complex.vertices[end as usize]);
        let [du, dv] = [0, 1].map(|axis| (p.at[axis] - q.at[axis]).abs());
        let certain = du.max(dv) > 4.0 * (p.radius + q.radius);
        certain.then(|| if du < dv { &self.directions[0] } else { &self.directions[1] })
    }
}

const ZERO: Bounded = Bounded { value: 0.0, error: 0.0 };

fn times(x: Bounded, factor: f64) -> Bounded {
    if factor == 0.0 {
        return ZERO;
    }
    let value = x.value * factor;
    let error = x.error * factor.abs() + f64::EPSILON * value.abs();
    // What underflows is not zero.
    let vanished = (value == 0.0 || error == 0.0) && (x.value != 0.0 || x.error != 0.0);
    Bounded { value, error: if vanished { error.max(f64::MIN_POSITIVE) } else { error } }
}

fn plus(x: Bounded, y: Bounded) -> Bounded {
    let value = x.value + y.value;
    Bounded { value, error: (x.error + y.error) * (1.0 + 2.0 * f64::EPSILON) + f64::EPSILON * value.abs() }
}
