//! Depth first over the units: which sides of every breakpoint a polytope of inputs reaches.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::facets::Gains;
use super::parity::Parity;
use super::tally::{Joined, Tally};
use crate::regions::centre::Centre;
use crate::regions::exact::{ExactMap, ExactModel};
use crate::regions::lp::Dictionary;
use crate::regions::model::{Cut, Map, Model, Rows};
use crate::regions::vector::dot;

/// One side of one breakpoint of one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) layer: usize,
    pub(super) unit: usize,
    pub(super) breakpoint: usize,
    pub(super) is_above: bool,
}

/// What is known of one layer on the region of the layers before it.
#[derive(Debug, Default)]
pub(super) struct LayerState {
    pub(super) map: Map,
    /// Pre-activations at two points of the domain.
    pub(super) probes: Vec<[f64; 2]>,
    /// The piece of every unit.
    pub(super) pattern: Vec<usize>,
    /// Units and breakpoints that cut the region, a unit's in order.
    cuts: Vec<(usize, usize)>,
    pub(super) exact: OnceLock<ExactMap>,
}

/// A polytope: its optimal dictionary, and a point at which all its rows are certainly positive, where they are known.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) dictionary: Dictionary,
    pub(super) has_dictionary: bool,
    pub(super) witness: Vec<f64>,
    pub(super) has_witness: bool,
    /// Multipliers of its point nearest to the centre, or of an ancestor's.
    pub(super) multipliers: Vec<f64>,
}

/// Columns from which points near the centre are tried before a linear program.
const MANY_COLUMNS: usize = 16;

/// Which sides of a breakpoint a polytope reaches with an interior.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    BelowOnly,
    AboveOnly,
    /// Both, and the next node is the polytope's part on one of them.
    Both {
        is_above_ready: bool,
    },
}

/// The walk was asked to stop.
#[derive(Debug)]
pub(super) struct Stopped;

/// What all walks of one count share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) model: &'a Model,
    pub(super) exact: OnceLock<ExactModel>,
    /// Two generic points of the domain.
    pub(super) probes: [Vec<f64>; 2],
    pub(super) stop: &'a AtomicBool,
    /// Regions found so far.
    pub(super) found: &'a AtomicU64,
}

/// Where a walk goes: from the root through given decisions, and no farther than a limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    /// At each breakpoint that really cuts: above it or below?
    pub(super) start: Vec<bool>,
    /// Number of decisions after which a walk ends and notes them in [`Walker::ends`].
    pub(super) limit: Option<usize>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(model: &'a Model, stop: &'a AtomicBool, found: &'a AtomicU64) -> Self {
        let ends = || model.frame.lower.iter().zip(&model.frame.upper).enumerate();
        let between = |(j, (lo, hi)): (usize, (&f64, &f64)), irrational: f64| {
            lo + (hi - lo) * (0.1 + 0.8 * ((j + 1) as f64 * irrational).fract())
        };
        let probe = |irrational| ends().map(|end| between(end, irrational)).collect();
        let probes = [probe(std::f64::consts::SQRT_2), probe(std::f64::consts::E)];
        Self { model, exact: OnceLock::new(), probes, stop, found }
    }
}

/// One walk.
#[derive(Debug)]
pub(super) struct Walker<'a> {
    pub(super) shared: &'a Shared<'a>,
    route: Route,
    decisions: Vec<bool>,
    pub(super) ends: Vec<Vec<bool>>,
    pub(super) states: Vec<LayerState>,
    /// The rows of the polytope at hand, and the sides that they are.
    pub(super) rows: Rows,
    pub(super) sides: Vec<Side>,
    pub(super) nodes: Vec<Node>,
    pub(super) centre: Option<Centre>,
    pub(super) cut: Cut,
    pub(super) gains: Gains,
    pub(super) joined: Joined,
    /// Ends the walk at the first region that satisfies these constraints, or after so many decisions.
    pub(super) search: Option<(&'a Parity<'a>, u64)>,
    /// Number of constraints that are known to hold.
    n_holding: usize,
    pub(super) tally: Tally,
}

impl<'a> Walker<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, route: Route) -> Self {
        let model = shared.model;
        let state = |n: usize| LayerState { pattern: vec![0; n], ..LayerState::default() };
        let dictionary = Dictionary::new(&model.frame);
        let mut root = Node { dictionary, has_dictionary: true, has_witness: true, ..Node::default() };
        root.dictionary.point(&model.frame, &mut root.witness);
        Self {
            shared,
            route,
            decisions: Vec::new(),
            ends: Vec::new(),
            states: model.layers.iter().map(|layer| state(layer.n_units)).collect(),
            rows: Rows::default(),
            sides: Vec::new(),
            nodes: vec![root, Node::default()],
            centre: (model.frame.dim() >= MANY_COLUMNS).then(|| Centre::new(&model.frame)),
            cut: Cut::default(),
            gains: Gains::default(),
            joined: Joined::default(),
            search: None,
            n_holding: 0,
            tally: Tally::default(),
        }
    }

    /// Counts all regions on the route. What was found before a stop is in the tally.
    pub(super) fn run(&mut self) -> Result<(), Stopped> {
        self.layer(0)
    }

    pub(super) fn check_stop(&self) -> Result<(), Stopped> {
        if self.shared.stop.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }

    /// Counts within the polytope at hand, which is a region of the layers before `layer`.
    fn layer(&mut self, layer: usize) -> Result<(), Stopped> {
        let model = self.shared.model;
        if layer == model.layers.len() {
            self.tally.regions += 1;
            self.shared.found.fetch_add(1, Ordering::Relaxed);
            if self.search.is_some() {
                return Err(Stopped);
            }
            return self.note_invisible_facets();
        }
        let (before, rest) = self.states.split_at_mut(layer);
        let state = &mut rest[0];
        model.map(layer, before.last().map(|s| (&s.map, &s.pattern[..])), &mut state.map);
        state.exact = OnceLock::new();
        state.cuts.clear();
        state.probes.clear();
        let rows = state.map.rows.chunks_exact(model.frame.dim());
        state.probes.extend(rows.map(|row| self.shared.probes.each_ref().map(|probe| dot(row, probe))));
        let shape = &model.layers[layer];
        for unit in (0..shape.n_units).filter(|&u| shape.twin[u] == u) {
            let mut piece = 0;
            for breakpoint in 0..shape.pieces.breakpoints.len() {
                match self.reached(Side { layer, unit, breakpoint, is_above: true })? {
                    Reached::BelowOnly => break,
                    Reached::AboveOnly => piece = breakpoint + 1,
                    Reached::Both { .. } => self.states[layer].cuts.push((unit, breakpoint)),
                }
            }
            self.states[layer].pattern[unit] = piece;
        }
        self.cut_by(layer, 0)
    }

    /// Counts within the polytope at hand from the layer's cut of number `first` on.
    fn cut_by(&mut self, layer: usize, first: usize) -> Result<(), Stopped> {
        let mut next = first;
        while let Some(&(unit, breakpoint)) = self.states[layer].cuts.get(next) {
            if !self.constraints_hold(layer, unit) {
                return Ok(());
            }
            let above = Side { layer, unit, breakpoint, is_above: true };
            let below = Side { is_above: false, ..above };
            let after_unit = || {
                let cuts = &self.states[layer].cuts;
                next + cuts[next..].iter().take_while(|(u, _)| *u == unit).count()
            };
            let after = [after_unit(), next + 1];
            // The polytope may be smaller than when the cut was listed.
            match self.reached(above)? {
                Reached::BelowOnly => {
                    self.states[layer].pattern[unit] = breakpoint;
                    next = after[0];
                }
                Reached::AboveOnly => {
                    self.states[layer].pattern[unit] = breakpoint + 1;
                    next = after[1];
                }
                Reached::Both { is_above_ready } => {
                    if self.route.limit.is_some_and(|limit| self.decisions.len() == limit) {
                        self.ends.push(self.decisions.clone());
                        return Ok(());
                    }
                    let only = self.route.start.get(self.decisions.len()).copied();
                    let n_holding = self.n_holding;
                    let sides = if is_above_ready { [above, below] } else { [below, above] };
                    for (side, is_ready) in sides.into_iter().zip([true, false]) {
                        if only.is_none_or(|only| only == side.is_above) {
                            self.enter(side, is_ready)?;
                            self.decisions.push(side.is_above);
                            self.states[layer].pattern[unit] = breakpoint + usize::from(side.is_above);
                            if self.search.is_none() || self.nodes[self.rows.len()].has_witness {
                                self.cut_by(layer, after[usize::from(side.is_above)])?;
                            }
                            self.n_holding = n_holding;
                            self.decisions.pop();
                            self.leave();
                        }
                    }
                    return Ok(());
                }
            }
        }
        let (shape, state) = (&self.shared.model.layers[layer], &mut self.states[layer]);
        for unit in 0..shape.n_units {
            state.pattern[unit] = state.pattern[shape.twin[unit]];
        }
        let n_units = shape.n_units;
        if self.constraints_hold(layer, n_units) { self.layer(layer + 1) } else { Ok(()) }
    }

    /// Whether the constraints of a search hold as far as they are decided, with the units of the layer before `unit`.
    fn constraints_hold(&mut self, layer: usize, unit: usize) -> bool {
        let Some((parity, _)) = self.search else { return true };
        let next = parity.check(self.n_holding, (layer, unit), |l| &self.states[l].pattern[..]);
        self.n_holding = next.unwrap_or(self.n_holding);
        next.is_some()
    }

    /// Goes to the part of the polytope on one side, which has an interior. It may be ready as the next node.
    fn enter(&mut self, side: Side, is_ready: bool) -> Result<(), Stopped> {
        if !is_ready {
            let reached = self.is_reached(side)?;
            debug_assert!(reached, "a side that was found has been lost");
        }
        self.write_cut(side);
        self.rows.push(&self.cut);
        self.sides.push(side);
        if let Some(centre) = &mut self.centre {
            centre.push(&self.cut.row);
        }
        if self.nodes.len() < self.rows.len() + 2 {
            self.nodes.push(Node::default());
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.rows.pop();
        self.sides.pop();
        if let Some(centre) = &mut self.centre {
            centre.pop();
        }
    }
}
