//! Whether a polytope reaches a side of a switch: a known point, a point near the centre, a linear program, whole numbers.

use std::sync::atomic::Ordering;

use num_bigint::BigInt;

use super::walk::{Reached, Side, Stopped, Walker};
use crate::regions::centre::Guess;
use crate::regions::exact::{self, Basis, ExactMap, ExactModel, ExactRow};
use crate::regions::lp::Ended;

impl<'a> Walker<'a> {
    pub(super) fn write_cut(&mut self, side: Side) {
        let sign = if side.is_above { 1.0 } else { -1.0 };
        let Side { layer, unit, switch, .. } = side;
        self.shared.model.cut(&self.states[layer].map, layer, unit, switch, sign, &mut self.cut);
    }

    /// Which sides of a switch the polytope reaches. Where the switch is zero everywhere, that is below.
    pub(super) fn reached(&mut self, above: Side) -> Result<Reached, Stopped> {
        let below = Side { is_above: false, ..above };
        self.write_cut(above);
        let node = &self.nodes[self.rows.len()];
        Ok(match node.has_witness.then(|| self.cut.side(&node.witness)).flatten() {
            Some(true) if self.is_reached(below)? => Reached::Both { is_above_ready: false },
            Some(true) => Reached::AboveOnly,
            Some(false) if self.is_reached(above)? => Reached::Both { is_above_ready: true },
            Some(false) => Reached::BelowOnly,
            None => match (self.is_reached(below)?, self.is_reached(above)?) {
                (true, true) => Reached::Both { is_above_ready: true },
                (false, true) => Reached::AboveOnly,
                (_, false) => Reached::BelowOnly,
            },
        })
    }

    /// Whether the polytope has an interior on one side. If so, that part is the node after the polytope's.
    pub(super) fn is_reached(&mut self, side: Side) -> Result<bool, Stopped> {
        self.check_stop()?;
        self.tally.decisions += 1;
        if self.search.is_some_and(|(_, effort)| self.tally.decisions > effort) {
            return Err(Stopped);
        }
        self.write_cut(side);
        let frame = &self.shared.model.frame;
        if self.cut.is_nowhere_positive(frame) {
            return Ok(false);
        }
        let [node, child] = &mut self.nodes[self.rows.len()..][..2] else { unreachable!("there is a next node") };
        child.has_dictionary = false;
        child.has_witness = node.has_witness && self.cut.side(&node.witness) == Some(true);
        child.multipliers.clone_from(&node.multipliers);
        if child.has_witness {
            child.witness.clone_from(&node.witness);
            return Ok(true);
        }
        if let Some(certain) = self.is_near_centre() {
            return Ok(certain);
        }
        // A search takes the easy regions of many dimensions.
        if self.search.is_some() && self.centre.is_some() {
            return Ok(true);
        }
        self.tally.programs += 1;
        self.copy_dictionary();
        self.rows.push(&self.cut);
        let child = &mut self.nodes[self.rows.len()];
        child.dictionary.push(&self.cut.row);
        let stop = self.shared.stop;
        let ended = child.dictionary.solve(frame, stop, &mut self.tally.pivots);
        child.has_dictionary = ended == Ended::Feasible;
        let mut basis = None;
        let mut certain = None;
        match ended {
            Ended::Feasible => {
                child.dictionary.point(frame, &mut child.witness);
                child.has_witness = self.rows.all_hold(&child.witness);
                certain = child.has_witness.then_some(true);
            }
            Ended::Infeasible(line) => {
                let found = child.dictionary.infeasible_combination(frame, line);
                certain = self.rows.are_certainly_infeasible(frame, &found.multipliers).then_some(false);
                basis = Some(found.basis);
            }
            Ended::Stalled => {}
        }
        self.rows.pop();
        if let Some(certain) = certain {
            return Ok(certain);
        }
        self.check_stop()?;
        self.tally.close_calls += 1;
        self.sides.push(side);
        let reached = self.is_reached_exactly(None, basis);
        self.sides.pop();
        reached
    }

    /// Whether the polytope reaches the side of `cut`, if a point near the centre, the next node's witness then, or a contradiction of
    /// rows shows it.
    fn is_near_centre(&mut self) -> Option<bool> {
        let centre = self.centre.as_mut()?;
        let frame = &self.shared.model.frame;
        let child = &mut self.nodes[self.rows.len() + 1];
        centre.push(&self.cut.row);
        self.rows.push(&self.cut);
        let certain = match centre.guess(frame, &child.multipliers, None, self.shared.stop, &mut child.witness) {
            Guess::Point => {
                child.has_witness = self.rows.all_hold(&child.witness);
                child.multipliers.clear();
                child.multipliers.extend_from_slice(centre.multipliers());
                child.has_witness.then_some(true)
            }
            Guess::Contradiction => self.rows.are_certainly_infeasible(frame, centre.multipliers()).then_some(false),
            Guess::Unknown => None,
        };
        self.rows.pop();
        centre.pop();
        certain
    }

    /// Makes the next node's dictionary one of the polytope at hand, optimal if that can be.
    fn copy_dictionary(&mut self) {
        let n = self.rows.len();
        let frame = &self.shared.model.frame;
        let known = (0..=n).rev().find(|&ix| self.nodes[ix].has_dictionary).expect("the root has one");
        let (before, after) = self.nodes.split_at_mut(n + 1);
        let child = &mut after[0];
        child.dictionary.clone_from(&before[known].dictionary);
        if known == n {
            return;
        }
        self.rows.iter().skip(known).for_each(|(row, _)| child.dictionary.push(row));
        let node = &mut before[n];
        node.dictionary.clone_from(&child.dictionary);
        if node.dictionary.solve(frame, self.shared.stop, &mut self.tally.pivots) == Ended::Feasible {
            node.has_dictionary = true;
            child.dictionary.clone_from(&node.dictionary);
        }
    }

    /// Whether all sides at hand have a common interior, or one on the facet of one of them; in whole numbers, from a basis on that may
    /// be near to the answer.
    fn is_reached_exactly(&mut self, facet: Option<usize>, start: Option<Basis>) -> Result<bool, Stopped> {
        let rows: Vec<ExactRow> =
            self.sides.iter().map(|&side| self.exact_row(side)).collect::<Result<_, Stopped>>()?;
        exact::has_interior(&rows, facet, start, &|| self.is_stopped()).ok_or(Stopped)
    }

    fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    fn exact_row(&self, side: Side) -> Result<ExactRow, Stopped> {
        self.check_stop()?;
        let above = self.exact_above(side.layer, side.unit, side.switch);
        Ok(self.exact_model().over_domain(&above, side.is_above))
    }

    pub(super) fn exact_model(&self) -> &'a ExactModel {
        self.shared.exact.get_or_init(|| ExactModel::new(self.shared.model))
    }

    /// The exact function that is positive above a switch.
    pub(super) fn exact_above(&self, layer: usize, unit: usize, switch: usize) -> Vec<BigInt> {
        self.exact_model().above(self.shared.model, (layer, unit, switch), |row| self.exact_of_row(layer, row))
    }

    /// The exact function that a row of a layer is on the polytope at hand.
    pub(super) fn exact_of_row(&self, layer: usize, row: usize) -> &[BigInt] {
        let (model, pattern) = (self.shared.model, |l: usize| &self.states[l].pattern[..]);
        let map = self.states[layer].exact.get_or_init(|| ExactMap::new(model, layer, pattern));
        let of_layer = |l, row| self.exact_of_row(l, row);
        map.row(row, |map| self.exact_model().row(model, (layer, row), map, of_layer))
    }

    /// Whether the polytope has a facet on one of its rows.
    pub(super) fn has_facet(&mut self, facet: usize) -> Result<bool, Stopped> {
        self.check_stop()?;
        let frame = &self.shared.model.frame;
        if let Some(centre) = &mut self.centre {
            let [node, scratch] = &mut self.nodes[self.rows.len()..][..2] else { unreachable!("there is a next node") };
            let stop = self.shared.stop;
            let certain = match centre.guess(frame, &node.multipliers, Some(facet), stop, &mut scratch.witness) {
                Guess::Point => self.rows.all_hold_on(facet, frame, &scratch.witness).then_some(true),
                Guess::Contradiction => {
                    self.rows.are_certainly_infeasible(frame, centre.multipliers()).then_some(false)
                }
                Guess::Unknown => None,
            };
            if let Some(certain) = certain {
                return Ok(certain);
            }
        }
        self.copy_dictionary();
        let scratch = &mut self.nodes[self.rows.len() + 1];
        scratch.dictionary.set_tight(facet);
        self.tally.programs += 1;
        let mut basis = None;
        match scratch.dictionary.solve(frame, self.shared.stop, &mut self.tally.pivots) {
            Ended::Feasible => {
                scratch.dictionary.point(frame, &mut scratch.witness);
                if self.rows.all_hold_on(facet, frame, &scratch.witness) {
                    return Ok(true);
                }
            }
            Ended::Infeasible(line) => {
                let found = scratch.dictionary.infeasible_combination(frame, line);
                if self.rows.are_certainly_infeasible(frame, &found.multipliers) {
                    return Ok(false);
                }
                basis = Some(found.basis);
            }
            Ended::Stalled => {}
        }
        self.check_stop()?;
        self.tally.close_calls += 1;
        self.is_reached_exactly(Some(facet), basis)
    }
}
