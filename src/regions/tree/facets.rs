//! Facets at which the network's output does not change.
//!
//! Across a facet the output changes by a multiple of the facet's function, that is by its slope across it. If only one unit changes
//! piece there, that multiple is the unit's change of slope times what its activation adds to the outputs, a sum over paths of the layers
//! after it. Rounding bounds show for nearly every facet that this is not zero; whole numbers decide the others. If several units
//! change piece at the same facet, the change is followed through the layers in whole numbers.

use num_bigint::BigInt;
use num_traits::{Signed, Zero};

use super::walk::{Side, Stopped, Walker};
use crate::network::ActivationKind;
use crate::regions::frame::gamma;
use crate::regions::layer::Layer;
use crate::regions::model::Model;
use crate::regions::units::{Selected, Switch};

/// What the outputs of layers add to one combination of the network's, each with a bound on its error.
#[derive(Debug, Default)]
pub(super) struct Gains {
    /// By layer and output.
    gains: Vec<Vec<(f64, f64)>>,
    selected: Vec<Selected>,
}

impl Gains {
    fn compute<'p>(&mut self, model: &Model, pattern: impl Fn(usize) -> &'p [usize]) {
        let depth = model.layers.len();
        self.gains.resize_with(depth, Vec::new);
        for (gains, layer) in self.gains.iter_mut().zip(&model.layers) {
            gains.clear();
            gains.resize(layer.n_outputs(), (0.0, 0.0));
        }
        // A generic combination of the outputs.
        let n = model.layers[depth - 1].n_outputs();
        for output in 0..model.n_outputs {
            let factor = 1.0 + (output as f64 * 0.618_033_988_749_894_9).fract();
            add(&mut self.gains[depth - 1], &model.readout[output * n..][..n], (factor, 0.0), model.n_uses[depth - 1]);
        }
        for layer in (0..depth).rev() {
            let this = &model.layers[layer];
            let (before, after) = self.gains.split_at_mut(layer);
            let gains = &mut after[0];
            gains.iter_mut().for_each(|gain| gain.1 *= 1.01);
            this.select(pattern(layer), &mut self.selected);
            for (&(gain, error), &Selected { row, form }) in gains.iter().zip(&self.selected) {
                let slope = this.slopes[form];
                if slope == 0.0 || (gain, error) == (0.0, 0.0) {
                    continue;
                }
                let rounding = f64::EPSILON * (slope * gain).abs() + f64::MIN_POSITIVE;
                let factor = (slope * gain, slope.abs() * error + rounding);
                for term in this.terms.iter().filter(|term| term.source > 0) {
                    let (first, weights) = term.row(row);
                    let source = term.source - 1;
                    add(&mut before[source][first..], weights, factor, model.n_uses[source]);
                }
            }
        }
    }

    /// What a layer's outputs add where a unit crosses one of its switches alone, for as much as the switch's function rises; `None`
    /// where other switches must be crossed, too.
    fn of_switch(&self, layer: &Layer, ix: usize, unit: usize, switch: usize, pattern: &[usize]) -> Option<(f64, f64)> {
        let gains = &self.gains[ix];
        match layer.kind() {
            ActivationKind::Scalar(_) | ActivationKind::Maxout { .. } => Some(gains[unit]),
            ActivationKind::Crelu(_) => Some(sum(gains[unit], gains[layer.n_rows() + unit])),
            ActivationKind::GroupSort { .. } => {
                let fields = layer.field(unit, 0)..layer.field(unit, 0) + layer.n_switches();
                let (order, (i, j)) = (layer.order(&pattern[fields]), layer.pair(switch));
                let place = order.iter().position(|&member| member == i || member == j)?;
                let is_next = order.get(place + 1).is_some_and(|&member| member == i || member == j);
                let first = layer.rows_of(unit).start + place;
                is_next.then(|| sum(gains[first], (-gains[first + 1].0, gains[first + 1].1)))
            }
        }
    }
}

/// Adds multiples of weights to gains of which each is the sum of at most `n_terms`.
fn add(gains: &mut [(f64, f64)], weights: &[f64], (factor, error): (f64, f64), n_terms: usize) {
    for (gain, weight) in gains.iter_mut().zip(weights) {
        let term = weight * factor;
        gain.0 += term;
        if *weight != 0.0 && (factor != 0.0 || error != 0.0) {
            gain.1 += weight.abs() * error + f64::MIN_POSITIVE;
            gain.1 += term.abs() * gamma(n_terms);
        }
    }
}

fn sum((a, a_error): (f64, f64), (b, b_error): (f64, f64)) -> (f64, f64) {
    (a + b, a_error + b_error + f64::EPSILON * (a + b).abs())
}

/// A function's values at two points of the domain, by which multiples of one another are found.
struct Coincidence {
    values: [f64; 2],
    error: f64,
}

impl Walker<'_> {
    /// Notes the facets of the polytope at hand, a region of the whole network, at which the output does not change.
    pub(super) fn note_invisible_facets(&mut self) -> Result<(), Stopped> {
        let model = self.shared.model;
        let mut gains = std::mem::take(&mut self.gains);
        gains.compute(model, |layer| &self.states[layer].pattern);
        let mut result = Ok(());
        for facet in 0..self.sides.len() {
            let side = self.sides[facet];
            let layer = &model.layers[side.layer];
            // Both neighbours have the row, and the one below notes the facet; but at parts of maxout units they may have two rows
            // of one zero.
            let is_of_both = matches!(layer.kind(), ActivationKind::Maxout { .. });
            if side.is_above && !is_of_both || result.is_err() {
                continue;
            }
            let coincident = self.coincident(side);
            let twins = layer.twins(side.unit);
            let pattern = &self.states[side.layer].pattern;
            let of_twins = twins.clone().map(|unit| gains.of_switch(layer, side.layer, unit, side.switch, pattern));
            let gain = of_twins.reduce(|a, b| Some(sum(a?, b?))).flatten();
            let is_single = coincident.is_empty() && gain.is_some();
            if is_single && gain.is_some_and(|(gain, error)| gain.abs() > error) {
                continue;
            }
            let beyond = if is_single && gain == Some((0.0, 0.0)) {
                // No path leads to the outputs.
                let mut pattern: Vec<Vec<usize>> = self.states.iter().map(|s| s.pattern.clone()).collect();
                let field = layer.field_beyond(side.switch, side.is_above);
                twins.for_each(|unit| pattern[side.layer][layer.field(unit, side.switch)] = field);
                Some(pattern)
            } else {
                self.beyond(side, &coincident)
            };
            let Some(beyond) = beyond else { continue };
            let here = pack(model, self.states.iter().map(|state| &state.pattern[..]));
            let there = pack(model, beyond.iter().map(|pattern| &pattern[..]));
            if self.joined.are(&here, &there) {
                continue;
            }
            match self.has_facet(facet) {
                Ok(true) => {
                    self.joined.join(&here, &there);
                    self.tally.edges.push((here, there));
                }
                Ok(false) => {}
                Err(stopped) => result = Err(stopped),
            }
        }
        self.gains = gains;
        result
    }

    fn coincidence(&self, layer: usize, unit: usize, switch: usize) -> Coincidence {
        let state = &self.states[layer];
        let shape = &self.shared.model.layers[layer];
        let Switch { plus, minus, breakpoint } = shape.switch(unit, switch);
        let tau = breakpoint.map_or(0.0, |breakpoint| shape.breakpoints[breakpoint]);
        // Constants are coefficients of the last column.
        let constants = self.shared.probes.each_ref().map(|probe| probe[probe.len() - 1]);
        let less = |ix: usize| minus.map_or(0.0, |minus| state.probes[minus][ix]);
        let values = [0, 1].map(|ix| state.probes[plus][ix] - less(ix) - tau * constants[ix]);
        let rounding = 2.0 * gamma(self.shared.model.frame.dim() + 4);
        let of_row = |row: usize| state.map.errors[row] + rounding * (state.map.norms[row] + tau.abs());
        Coincidence { values, error: of_row(plus) + minus.map_or(0.0, of_row) }
    }

    /// Other switches, from its layer on, that may be zero wherever a side's is: for maxout those of the row that is largest.
    fn coincident(&self, side: Side) -> Vec<(usize, usize, usize)> {
        let this = self.coincidence(side.layer, side.unit, side.switch);
        let mut found = Vec::new();
        for layer in side.layer..self.states.len() {
            let shape = &self.shared.model.layers[layer];
            for unit in (0..shape.n_units()).filter(|&u| shape.twin[u] == u) {
                for switch in 0..shape.n_switches() {
                    let is_maximum = matches!(shape.kind(), ActivationKind::Maxout { .. });
                    let is_of_largest = || {
                        let (i, j) = shape.pair(switch);
                        [i, j].contains(&self.states[layer].pattern[unit])
                    };
                    if (layer, unit, switch) == (side.layer, side.unit, side.switch)
                        || shape.is_fixed(unit, switch)
                        || is_maximum && !is_of_largest()
                    {
                        continue;
                    }
                    if may_be_parallel(&this, &self.coincidence(layer, unit, switch)) {
                        found.push((layer, unit, switch));
                    }
                }
            }
        }
        found
    }

    /// The pattern beyond the facet on a side, if the output does not change there.
    fn beyond(&self, side: Side, coincident: &[(usize, usize, usize)]) -> Option<Vec<Vec<usize>>> {
        let model = self.shared.model;
        let exact = self.exact_model();
        let facet = self.exact_above(side.layer, side.unit, side.switch);
        let n_inputs = facet.len() - 1;
        // All functions that vanish on the facet are known by one coefficient.
        let column = (0..n_inputs).find(|&c| !facet[c].is_zero())?;
        let rises = facet[column].is_positive() != side.is_above;
        let mut pattern: Vec<Vec<usize>> = self.states.iter().map(|s| s.pattern.clone()).collect();
        // Changes of the slopes across the facet, here to there, of the sources of layers.
        let mut changes: Vec<Vec<BigInt>> = vec![Vec::new(); model.layers.len() + 1];
        for (layer, shape) in model.layers.iter().enumerate().skip(side.layer) {
            let mut on_facet: Vec<(usize, usize)> = coincident
                .iter()
                .filter(|&&(l, unit, switch)| {
                    l == layer && are_parallel(&self.exact_above(l, unit, switch), &facet, column)
                })
                .map(|&(_, unit, switch)| (unit, switch))
                .collect();
            if layer == side.layer {
                on_facet.push((side.unit, side.switch));
            }
            let change = exact.propagate(model, layer, &changes);
            let here = |row: usize| {
                let slope = &self.exact_of_row(layer, row)[column];
                if rises { slope.clone() } else { -slope }
            };
            for unit in 0..shape.n_units() {
                let of_unit = on_facet.iter().filter(|(u, _)| *u == shape.twin[unit]);
                let switches: Vec<usize> = of_unit.map(|&(_, switch)| switch).collect();
                if !switches.is_empty() {
                    shape.cross(&mut pattern[layer], unit, &switches, |row| here(row) + &change[row]);
                }
            }
            let outputs = [&self.states[layer].pattern, &pattern[layer]].map(|pattern| shape.outputs(pattern));
            let of_output = |(old, new): (&Selected, &Selected)| {
                let [before, after] = [old, new].map(|selected| exact.slope(layer, selected.form));
                match old == new {
                    true => before * &change[old.row],
                    false => after * (here(new.row) + &change[new.row]) - before * here(old.row),
                }
            };
            changes[layer + 1] = outputs[0].iter().zip(&outputs[1]).map(of_output).collect();
        }
        exact.propagate(model, model.layers.len(), &changes).iter().all(Zero::is_zero).then_some(pattern)
    }
}

/// Whether two functions agree up to a factor at both probes, within their errors.
fn may_be_parallel(a: &Coincidence, b: &Coincidence) -> bool {
    let ([a1, a2], [b1, b2]) = (a.values, b.values);
    let cross = (a1 * b2 - a2 * b1).abs();
    let bound = a.error * (b1.abs() + b2.abs()) + b.error * (a1.abs() + a2.abs()) + 2.0 * a.error * b.error;
    let rounding = 4.0 * f64::EPSILON * ((a1 * b2).abs() + (a2 * b1).abs());
    cross <= 2.0 * (bound + rounding)
}

fn are_parallel(row: &[BigInt], facet: &[BigInt], column: usize) -> bool {
    row.iter().zip(facet).all(|(a, b)| a * &facet[column] == b * &row[column])
}

/// A pattern in as few bits a field as its layer needs.
pub(super) fn pack<'p>(model: &Model, pattern: impl Iterator<Item = &'p [usize]>) -> Vec<u8> {
    let (mut bytes, mut used) = (vec![0u8], 0);
    for (layer, pieces) in model.layers.iter().zip(pattern) {
        let bits = layer.bits();
        for &piece in pieces {
            for bit in 0..bits {
                if used == 8 {
                    bytes.push(0);
                    used = 0;
                }
                let last = bytes.len() - 1;
                bytes[last] |= u8::from(piece >> bit & 1 == 1) << used;
                used += 1;
            }
        }
    }
    bytes
}
