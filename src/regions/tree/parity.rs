//! Searching for one region whose pattern satisfies parity constraints.

use std::sync::atomic::{AtomicBool, AtomicU64};

use super::walk::{Route, Shared, Walker};
use crate::random::Stream;
use crate::regions::Work;
use crate::regions::model::Model;

/// Parity constraints on the bits of a pattern: bit (layer, unit, breakpoint) says whether the unit is above the breakpoint.
#[derive(Debug)]
pub(crate) struct Parity<'a> {
    model: &'a Model,
    /// The first bit of every layer, and their number.
    offsets: Vec<usize>,
    /// Each with its last bit, in the order of these, which differ.
    constraints: Vec<Constraint>,
    is_contradictory: bool,
}

#[derive(Clone, Debug)]
struct Constraint {
    bits: Vec<bool>,
    is_odd: bool,
    last: usize,
}

/// How a search ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Whether there is such a region; `false` also where the effort did not suffice.
    pub(crate) is_found: bool,
    pub(crate) work: Work,
}

impl<'a> Parity<'a> {
    /// So many random constraints: every bit with probability 1/2, and a random parity.
    pub(crate) fn new(model: &'a Model, stream: &Stream, n_constraints: u32) -> Self {
        let mut offsets = vec![0];
        for layer in &model.layers {
            offsets.push(offsets[offsets.len() - 1] + layer.n_units() * layer.breakpoints.len());
        }
        let n_bits = offsets[model.layers.len()];
        let words = (n_bits as u64 + 1).div_ceil(32);
        let bit = |c: u32, b: usize| stream.word(u64::from(c) * words + b as u64 / 32) >> (b % 32) & 1 == 1;
        let random =
            (0..n_constraints).map(|c| ((0..n_bits).map(|b| bit(c, b)).collect::<Vec<bool>>(), bit(c, n_bits)));
        let mut constraints: Vec<Constraint> = Vec::new();
        let mut is_contradictory = false;
        // Sums of constraints say the same: each is reduced until its last bit is its own.
        for (mut bits, mut is_odd) in random {
            let last = loop {
                let Some(last) = bits.iter().rposition(|&b| b) else { break None };
                let Some(other) = constraints.iter().find(|c| c.last == last) else { break Some(last) };
                bits.iter_mut().zip(&other.bits).for_each(|(a, b)| *a ^= b);
                is_odd ^= other.is_odd;
            };
            match last {
                Some(last) => constraints.push(Constraint { bits, is_odd, last }),
                None => is_contradictory |= is_odd,
            }
        }
        constraints.sort_by_key(|c| c.last);
        Self { model, offsets, constraints, is_contradictory }
    }

    /// Looks for a region, depth first, deciding at most `effort` breakpoints.
    pub(crate) fn search(&self, effort: u64, stop: &AtomicBool) -> Found {
        let found = AtomicU64::new(0);
        let shared = Shared::new(self.model, stop, &found);
        let mut walker = Walker::new(&shared, Route::default());
        walker.search = Some((self, effort));
        // Ends at the first region.
        if !self.is_contradictory {
            let _ = walker.run();
        }
        Found { is_found: walker.tally.regions > 0, work: walker.tally.work() }
    }

    /// Number of the first constraint, from `first` on, that is not decided when the bits of the layers before `layer` and of its first `units` units
    /// are; `None` if one of those that are decided does not hold.
    pub(super) fn check<'p>(
        &self,
        first: usize,
        (layer, units): (usize, usize),
        pattern: impl Fn(usize) -> &'p [usize],
    ) -> Option<usize> {
        let n_breakpoints = |l: usize| self.model.layers[l].breakpoints.len();
        let decided = self.offsets[layer] + units * n_breakpoints(layer);
        let mut next = first;
        while let Some(constraint) = self.constraints.get(next).filter(|c| c.last < decided) {
            let mut is_odd = false;
            for l in 0..=layer {
                let n = n_breakpoints(l);
                for (unit, &piece) in pattern(l).iter().enumerate() {
                    // Units with the weights of an earlier one have its piece.
                    let piece = if self.model.layers[l].twin[unit] == unit { piece } else { 0 };
                    let start = self.offsets[l] + unit * n;
                    if start <= constraint.last {
                        is_odd ^= constraint.bits[start..start + piece].iter().filter(|&&b| b).count() % 2 == 1;
                    }
                }
            }
            if is_odd != constraint.is_odd {
                return None;
            }
            next += 1;
        }
        Some(next)
    }
}
