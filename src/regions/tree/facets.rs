//! Facets at which the network's output does not change.
//!
//! Across a facet the output changes by a multiple of the facet's function, that is by its slope across it. If only one unit changes
//! piece there, that multiple is the unit's change of slope times what its activation adds to the outputs, a sum over paths of the layers
//! after it. Rounding bounds show for nearly every facet that this is not zero; whole numbers decide the others. If several units
//! change piece at the same facet, the change is followed through the layers in whole numbers.

use num_bigint::BigInt;
use num_traits::{Signed, Zero};

use super::walk::{Side, Stopped, Walker};
use crate::regions::frame::gamma;
use crate::regions::model::Model;

/// What a unit's activation adds to one combination of the outputs, with a bound on its error.
#[derive(Debug, Default)]
pub(super) struct Gains {
    /// By layer and unit.
    gains: Vec<Vec<(f64, f64)>>,
}

impl Gains {
    fn compute<'p>(&mut self, model: &Model, pattern: impl Fn(usize) -> &'p [usize]) {
        let depth = model.layers.len();
        self.gains.resize_with(depth, Vec::new);
        for layer in (0..depth).rev() {
            let n = model.layers[layer].n_units;
            let (before, after) = self.gains.split_at_mut(layer + 1);
            let gains = &mut before[layer];
            gains.clear();
            gains.resize(n, (0.0, 0.0));
            let mut add = |weights: &[f64], factor: f64, error: f64| {
                for (gain, weight) in gains.iter_mut().zip(weights) {
                    let term = weight * factor;
                    gain.0 += term;
                    if *weight != 0.0 && (factor != 0.0 || error != 0.0) {
                        gain.1 += weight.abs() * error + f64::MIN_POSITIVE;
                        gain.1 += term.abs() * gamma(depth_of_sum(model, layer));
                    }
                }
            };
            match after.first() {
                // A generic combination of the outputs.
                None => (0..model.n_outputs).for_each(|output| {
                    let factor = 1.0 + (output as f64 * 0.618_033_988_749_894_9).fract();
                    add(&model.readout[output * n..][..n], factor, 0.0);
                }),
                Some(after) => {
                    let (next, pieces) = (&model.layers[layer + 1], pattern(layer + 1));
                    for (unit, &(gain, error)) in after.iter().enumerate() {
                        let slope = next.pieces.slopes[pieces[unit]];
                        if slope != 0.0 {
                            let rounding = f64::EPSILON * (slope * gain).abs() + f64::MIN_POSITIVE;
                            let is_zero = gain == 0.0 && error == 0.0;
                            let error = if is_zero { 0.0 } else { slope.abs() * error + rounding };
                            add(next.row(unit), slope * gain, error);
                        }
                    }
                }
            }
            gains.iter_mut().for_each(|gain| gain.1 *= 1.01);
        }
    }
}

/// Terms of the sum that a gain is.
fn depth_of_sum(model: &Model, layer: usize) -> usize {
    4 + model.layers.get(layer + 1).map_or(model.n_outputs, |next| next.n_units)
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
            // Both neighbours have the row; the one below notes the facet.
            if side.is_above || result.is_err() {
                continue;
            }
            let coincident = self.coincident(side);
            let twins = model.layers[side.layer].twins(side.unit);
            let (gain, error) = twins
                .clone()
                .map(|u| gains.gains[side.layer][u])
                .fold((0.0, 0.0), |(g, e), (gain, error): (f64, f64)| {
                    (g + gain, e + error + f64::EPSILON * (g + gain).abs())
                });
            if coincident.is_empty() && gain.abs() > error {
                continue;
            }
            let beyond = if coincident.is_empty() && (gain, error) == (0.0, 0.0) {
                // No path leads to the outputs.
                let mut pattern: Vec<Vec<usize>> = self.states.iter().map(|s| s.pattern.clone()).collect();
                twins.for_each(|unit| pattern[side.layer][unit] = side.breakpoint + 1);
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

    fn coincidence(&self, layer: usize, unit: usize, breakpoint: usize) -> Coincidence {
        let state = &self.states[layer];
        let shape = &self.shared.model.layers[layer];
        let tau = shape.pieces.breakpoints[breakpoint];
        // Constants are coefficients of the last column.
        let constants = self.shared.probes.each_ref().map(|probe| probe[probe.len() - 1]);
        let values = [0, 1].map(|ix| state.probes[unit][ix] - tau * constants[ix]);
        let rounding = 2.0 * gamma(self.shared.model.frame.dim() + 4);
        let error = state.map.errors[unit] + rounding * (state.map.norms[unit] + tau.abs());
        Coincidence { values, error }
    }

    /// Other units, from its layer on, that may be on a breakpoint wherever a side's unit is.
    fn coincident(&self, side: Side) -> Vec<(usize, usize, usize)> {
        let this = self.coincidence(side.layer, side.unit, side.breakpoint);
        let mut found = Vec::new();
        for layer in side.layer..self.states.len() {
            let shape = &self.shared.model.layers[layer];
            for unit in (0..shape.n_units).filter(|&u| shape.twin[u] == u && !shape.is_constant[u]) {
                if (layer, unit) == (side.layer, side.unit) {
                    continue;
                }
                for breakpoint in 0..shape.pieces.breakpoints.len() {
                    let other = self.coincidence(layer, unit, breakpoint);
                    if may_be_parallel(&this, &other) {
                        found.push((layer, unit, breakpoint));
                    }
                }
            }
        }
        found
    }

    /// The pattern beyond the facet on a side below a breakpoint, if the output does not change there.
    fn beyond(&self, side: Side, coincident: &[(usize, usize, usize)]) -> Option<Vec<Vec<usize>>> {
        let model = self.shared.model;
        let exact = self.exact_model();
        let facet = self.exact_above(side.layer, side.unit, side.breakpoint);
        let n_inputs = facet.len() - 1;
        // All functions that vanish on the facet are known by one coefficient.
        let column = (0..n_inputs).find(|&c| !facet[c].is_zero())?;
        let rises = facet[column].is_positive();
        let mut pattern: Vec<Vec<usize>> = self.states.iter().map(|s| s.pattern.clone()).collect();
        // The change of the slope across the facet, here to there.
        let mut changes: Vec<BigInt> = vec![BigInt::zero(); model.layers[side.layer].n_units];
        for (layer, shape) in model.layers.iter().enumerate().skip(side.layer) {
            let mut on_facet: Vec<(usize, usize)> = coincident
                .iter()
                .filter(|&&(l, unit, breakpoint)| {
                    l == layer && are_parallel(&self.exact_above(l, unit, breakpoint), &facet, column)
                })
                .map(|&(_, unit, breakpoint)| (unit, breakpoint))
                .collect();
            if layer == side.layer {
                on_facet.push((side.unit, side.breakpoint));
            }
            let mut activated = vec![BigInt::zero(); shape.n_units];
            for unit in 0..shape.n_units {
                let old = exact.slope(layer, self.states[layer].pattern[unit]);
                match on_facet.iter().find(|(u, _)| *u == shape.twin[unit]) {
                    None => activated[unit] = old * &changes[unit],
                    Some(&(twin, breakpoint)) => {
                        let slope = &self.exact_map(layer).rows[twin][column];
                        let here = if rises { slope.clone() } else { -slope };
                        let there = &here + &changes[unit];
                        let piece = breakpoint + usize::from(there.is_positive());
                        pattern[layer][unit] = piece;
                        activated[unit] = exact.slope(layer, piece) * there - old * here;
                    }
                }
            }
            changes = exact.propagate(layer + 1, &activated);
        }
        changes.iter().all(Zero::is_zero).then_some(pattern)
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

/// A pattern in as few bits a unit as its layer's pieces need.
pub(super) fn pack<'p>(model: &Model, pattern: impl Iterator<Item = &'p [usize]>) -> Vec<u8> {
    let (mut bytes, mut used) = (vec![0u8], 0);
    for (layer, pieces) in model.layers.iter().zip(pattern) {
        let bits = usize::BITS - (layer.pieces.slopes.len() - 1).leading_zeros();
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
