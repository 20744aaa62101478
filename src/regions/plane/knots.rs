//! Across which edges the output changes its affine map, and the linear regions that follow.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::complex::{Complex, Edge};
use super::exact::{ExactCell, ExactNetwork};
use super::filter::Filter;
use super::forms::Bounded;
use super::pattern::PatternLayout;
use crate::regions::units::{Selected, Units};

/// For each edge whether the output's gradient differs between its two cells, and how often exact arithmetic had to decide.
pub(super) struct Knots {
    pub is_knot: Vec<bool>,
    pub close_calls: u64,
}

/// Decides for all edges; the rim of the window has no second side and no knot. What is left when `stop` is set is not decided.
pub(super) fn knots(
    units: &[Units],
    layout: &PatternLayout,
    directions: &[Vec<f64>; 2],
    complex: &Complex,
    filter: &Filter,
    exact: &ExactNetwork,
    stop: &AtomicBool,
) -> Knots {
    let exactly = |direction: &Vec<f64>| direction.iter().map(|&value| Bounded { value, error: 0.0 }).collect();
    let axes: [Vec<Bounded>; 2] = directions.each_ref().map(exactly);
    let first = axes.each_ref().map(|axis| filter.linear(0, std::slice::from_ref(axis)));
    let walk = Walk { layers: units, layout, complex, filter, axes, first };
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

/// A field of a layer that differs in two cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flip {
    pub layer: usize,
    pub field: usize,
}

/// The fields that differ in two patterns.
pub(super) fn flips(layers: &[Units], layout: &PatternLayout, patterns: [&[u64]; 2]) -> Vec<Flip> {
    let of_layer = |layer: usize| {
        let field = layout.layer(layer);
        field.differing(patterns.map(|pattern| field.of(pattern))).map(move |field| Flip { layer, field })
    };
    (0..layers.len()).flat_map(of_layer).collect()
}

struct Walk<'a> {
    layers: &'a [Units],
    layout: &'a PatternLayout,
    complex: &'a Complex,
    filter: &'a Filter<'a>,
    /// The plane's directions, and how fast pre-activations of the first layer rise along them.
    axes: [Vec<Bounded>; 2],
    first: [Vec<Bounded>; 2],
}

impl Walk<'_> {
    /// Whether the output changes slope across an edge, where f64 can tell.
    ///
    /// The derivative across the edge is followed on the first side, and its change through the layers after: the change is
    /// zero exactly where it dies. Where a single field flips, the slope of its switch is only a factor.
    fn changes(&self, edge: &Edge, patterns: [&[u64]; 2]) -> Option<bool> {
        let flips = flips(self.layers, self.layout, patterns);
        let depth = self.layers.len();
        // Of the sources: slopes on the first side, and their changes.
        let mut slopes: Vec<Vec<Bounded>> = vec![Vec::new(); depth + 1];
        let mut changes = slopes.clone();
        let (mut first, mut across) = (0, None);
        if let [Flip { layer, field }] = flips[..] {
            let (units, of_layer) = (&self.layers[layer], self.layout.layer(layer));
            let (unit, n) = (units.unit_of(field), units.fields_per_unit());
            let [old, new] = patterns.map(|pattern| {
                let words = of_layer.of(pattern);
                let fields: Vec<usize> = (unit * n..(unit + 1) * n).map(|field| of_layer.get(words, field)).collect();
                units.outputs_of(unit, &fields)
            });
            let change = &mut changes[layer + 1];
            change.resize(units.n_outputs(), ZERO);
            for ((output, old), (_, new)) in old.into_iter().zip(new) {
                let value = units.jump(old, new);
                change[output] = Bounded { value, error: f64::EPSILON * value.abs() };
            }
            first = layer + 1;
        } else {
            let axis = self.axis_across(edge)?;
            slopes[0].clone_from(&self.axes[axis]);
            across = Some(axis);
        }
        for layer in first..depth {
            let slope = match (layer, &across) {
                (0, Some(axis)) => self.first[*axis].clone(),
                _ => self.filter.linear(layer, &slopes),
            };
            let change = self.filter.linear(layer, &changes);
            let at = |values: &[Bounded], row: usize| values.get(row).copied().unwrap_or(ZERO);
            let form_slopes = &self.filter.units(layer).slopes;
            let moved = |new: &Selected| times(at(&change, new.row), form_slopes[new.form]);
            if slope.is_empty() {
                if !change.iter().all(is_zero) {
                    changes[layer + 1] = self.outputs(layer, patterns[1]).iter().map(moved).collect();
                }
                continue;
            }
            let [old, new] = patterns.map(|pattern| self.outputs(layer, pattern));
            slopes[layer + 1] = old.iter().map(|old| times(slope[old.row], form_slopes[old.form])).collect();
            let of_output = |(old, new): (&Selected, &Selected)| {
                let [before, after] = [old, new].map(|selected| form_slopes[selected.form]);
                let moved = moved(new);
                if old == new {
                    return moved;
                }
                match old.row == new.row {
                    true => plus(moved, times(slope[new.row], after - before)),
                    false => plus(moved, plus(times(slope[new.row], after), times(slope[old.row], -before))),
                }
            };
            changes[layer + 1] = old.iter().zip(&new).map(of_output).collect();
        }
        let outputs = self.filter.linear(depth, &changes);
        let signs: Vec<Option<i8>> = outputs.into_iter().map(Bounded::sign).collect();
        if signs.iter().any(|sign| matches!(sign, Some(1 | -1))) {
            Some(true)
        } else if signs.iter().all(Option::is_some) {
            Some(false)
        } else {
            None
        }
    }

    /// What comes out of a layer on a pattern.
    fn outputs(&self, layer: usize, pattern: &[u64]) -> Vec<Selected> {
        let field = self.layout.layer(layer);
        self.layers[layer].outputs(&field.all(field.of(pattern)).collect::<Vec<_>>())
    }

    /// The one of the plane's directions that is more nearly at right angles to an edge; `None` for edges too short to tell.
    fn axis_across(&self, edge: &Edge) -> Option<usize> {
        let [p, q] = edge.ends.map(|end| &self.complex.vertices[end as usize]);
        let [du, dv] = [0, 1].map(|axis| (p.at[axis] - q.at[axis]).abs());
        let certain = du.max(dv) > 4.0 * (p.radius + q.radius);
        certain.then(|| usize::from(du >= dv))
    }
}

const ZERO: Bounded = Bounded { value: 0.0, error: 0.0 };

fn is_zero(x: &Bounded) -> bool {
    x.value == 0.0 && x.error == 0.0
}

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
