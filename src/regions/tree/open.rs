//! What the units of a layer leave open on the region of the layers before it.

use super::walk::{Reached, Side, Stopped, Walker};
use crate::network::ActivationKind;

/// The field of a pair of rows whose order is not known.
pub(super) const OPEN: usize = usize::MAX;

/// What a unit leaves open on the region of the layers before it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Choice {
    /// The side of a switch.
    Side { unit: usize, switch: usize },
    /// Which row of a maxout unit is largest: one of so many in the state's list, from the first on.
    Largest { unit: usize, first: usize, n: usize },
}

impl Choice {
    pub(super) fn unit(self) -> usize {
        match self {
            Self::Side { unit, .. } | Self::Largest { unit, .. } => unit,
        }
    }
}

impl Walker<'_> {
    /// Notes the breakpoints of a unit that cut the polytope at hand.
    pub(super) fn open_pieces(&mut self, layer: usize, unit: usize) -> Result<(), Stopped> {
        let mut piece = 0;
        for switch in 0..self.shared.model.layers[layer].n_switches() {
            match self.reached(Side { layer, unit, switch, is_above: true })? {
                Reached::BelowOnly => break,
                Reached::AboveOnly => piece = switch + 1,
                Reached::Both { .. } => self.states[layer].choices.push(Choice::Side { unit, switch }),
            }
        }
        self.states[layer].pattern[unit] = piece;
        Ok(())
    }

    /// Notes the rows of a maxout unit of which no other is at least as large on all of the polytope at hand.
    pub(super) fn open_maximum(&mut self, layer: usize, unit: usize) -> Result<(), Stopped> {
        let shape = &self.shared.model.layers[layer];
        let mut members: Vec<usize> = Vec::new();
        for member in shape.members(unit) {
            let mut is_beaten = false;
            let mut kept = Vec::with_capacity(members.len() + 1);
            for (ix, &other) in members.iter().enumerate() {
                let (switch, _) = shape.comparison(member, other);
                match self.reached(Side { layer, unit, switch, is_above: true })? {
                    Reached::BelowOnly => {
                        is_beaten = true;
                        kept.extend(&members[ix..]);
                        break;
                    }
                    Reached::AboveOnly => {}
                    Reached::Both { .. } => kept.push(other),
                }
            }
            members = kept;
            if !is_beaten {
                members.push(member);
            }
        }
        let state = &mut self.states[layer];
        state.pattern[unit] = members[0];
        if members.len() > 1 {
            state.choices.push(Choice::Largest { unit, first: state.members.len(), n: members.len() });
            state.members.extend(members);
        }
        Ok(())
    }

    /// Notes the pairs of rows of a sorted group that are in both orders on the polytope at hand.
    pub(super) fn open_order(&mut self, layer: usize, unit: usize, size: usize) -> Result<(), Stopped> {
        let shape = &self.shared.model.layers[layer];
        let fields = shape.field(unit, 0)..shape.field(unit, 0) + shape.n_switches();
        self.states[layer].pattern[fields].fill(OPEN);
        // As by insertion, so that a pair follows from others wherever it can.
        for (i, j) in (1..size).flat_map(|j| (0..j).map(move |i| (i, j))) {
            let (switch, _) = shape.comparison(i, j);
            if let Some(is_above) = self.known_order(layer, unit, switch) {
                self.states[layer].pattern[shape.field(unit, switch)] = usize::from(is_above);
                continue;
            }
            let is_above = match self.reached(Side { layer, unit, switch, is_above: true })? {
                Reached::BelowOnly => 0,
                Reached::AboveOnly => 1,
                Reached::Both { .. } => {
                    self.states[layer].choices.push(Choice::Side { unit, switch });
                    OPEN
                }
            };
            self.states[layer].pattern[shape.field(unit, switch)] = is_above;
        }
        Ok(())
    }

    /// Whether the second row of a pair is above the first, where they are copies or a row between them says it.
    pub(super) fn known_order(&self, layer: usize, unit: usize, switch: usize) -> Option<bool> {
        let shape = &self.shared.model.layers[layer];
        let ActivationKind::GroupSort { size } = *shape.kind() else { return None };
        if shape.compares_copies(unit, switch) {
            return Some(false);
        }
        let is_above = |a: usize, b: usize| {
            let (switch, is_above) = shape.comparison(a, b);
            match self.states[layer].pattern[shape.field(unit, switch)] {
                OPEN => None,
                field => Some((field == 1) == is_above),
            }
        };
        let (i, j) = shape.pair(switch);
        (0..size).filter(|&m| m != i && m != j).find_map(|m| match (is_above(j, m), is_above(m, i)) {
            (Some(first), Some(second)) if first == second => Some(first),
            _ => None,
        })
    }
}
