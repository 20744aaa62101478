//! Counting by a mixed-integer program, after Serra, Tjandraatmadja and Ramalingam (ICML 2018): a check by other means, for small networks.
//!
//! A unit's pre-activation `z`, activation `h` and binary `b` satisfy `h >= z`, `h >= 0`, `h <= z + (1 - b) M` and `h <= b M'`, with the M of
//! each unit from bounds on `z` over the box: intervals, tightened by the linear relaxation of the layers before. Inputs and units are scaled to
//! their ranges, of which active units exceed the part [`ACTIVE`], in place of the program's objective, which would find the largest such number. Every pattern of binaries that is found is
//! excluded by a cut, until there is none. That inactive units may be zero admits patterns without an interior; each is
//! checked in whole numbers before it counts.
//!
//! Solutions come from microlp, a branch-and-bound solver in f64 with a tolerance of 1e-7: regions in which no point has all active units above
//! [`ACTIVE`] are missed, so that the count is a lower bound, though it rarely differs from the number.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, SolveOptions, Variable};

use super::exact::{self, ExactMap, ExactModel, ExactRow};
use super::model::Model;
use super::{Count, Domain, Method, Work};
use crate::error::{Error, Result};
use crate::network::{Network, Pieces};

/// What active units exceed, as a part of their largest magnitude in the box.
pub const ACTIVE: f64 = 1e-5;

/// Larger networks are refused: every region takes a program of its own, with a cut for each region before. 200 regions of 20 units take
/// half a minute.
pub const MAX_UNITS: usize = 24;

/// Between two looks at the stop.
const SLICE: Duration = Duration::from_millis(100);

/// An affine expression of the program's variables.
#[derive(Clone, Debug, Default)]
struct Expression {
    terms: Vec<(Variable, f64)>,
    constant: f64,
}

impl Expression {
    /// Adds a multiple of another; every variable has one term.
    fn add(&mut self, factor: f64, other: &Self) {
        self.constant += factor * other.constant;
        for &(variable, term) in &other.terms {
            match self.terms.iter_mut().find(|(v, _)| *v == variable) {
                Some((_, sum)) => *sum += factor * term,
                None => self.terms.push((variable, factor * term)),
            }
        }
    }

    fn times(&self, factor: f64) -> Self {
        let mut product = Self::default();
        product.add(factor, self);
        product
    }

    fn plus(&self, more: &[(Variable, f64)]) -> LinearExpr {
        let mut sum = LinearExpr::empty();
        self.terms.iter().chain(more).for_each(|&(variable, factor)| sum.add(variable, factor));
        sum
    }
}

/// What the program knows of a unit.
#[derive(Clone, Debug)]
enum Unit {
    Fixed(bool),
    Free(Variable),
}

/// Counts the activation regions of a network of rectified linear units, and layers without breakpoints, in a box.
///
/// # Errors
/// Other activations, all of R^n, more than [`MAX_UNITS`] units, and failures of the solver.
pub fn count(network: &Network, domain: &Domain, found: &AtomicU64, stop: &AtomicBool) -> Result<Count> {
    let refuse = |what: String| Err(Error::usage(format!("--method milp {what}; use --method tree")));
    let Domain::Box { lower, upper } = domain else {
        return refuse("needs a box: its constants bound every unit".to_owned());
    };
    let is_relu =
        |p: &Pieces<f64>| (&p.breakpoints[..], &p.slopes[..], &p.intercepts[..]) == (&[0.0], &[0.0, 1.0], &[0.0; 2]);
    let architecture = network.architecture();
    let mut n_units = 0;
    for layer in architecture.layers() {
        match layer.activation.scalar() {
            Some(pieces) if pieces.breakpoints.is_empty() => {}
            Some(pieces) if is_relu(pieces) => n_units += layer.outputs(),
            _ => return refuse(format!("is about relu, not {}", layer.name())),
        }
    }
    if n_units > MAX_UNITS {
        return refuse(format!("takes at most {MAX_UNITS} units, but the network has {n_units}"));
    }
    let model = Model::new(network, domain, 1, stop)?;
    let exact = ExactModel::new(&model);
    let mut work = Work::default();
    let (mut problem, units) = formulate(&model, lower, upper, &mut work)?;
    let mut regions = 0;
    while let Some(active) = solve(&problem, &units, stop, &mut work)? {
        if has_interior(&model, &exact, &active, stop) {
            regions += 1;
            found.fetch_add(1, Ordering::Relaxed);
        }
        let free = || {
            units.iter().zip(&active).filter_map(|(unit, &on)| match unit {
                Unit::Free(variable) => Some((*variable, if on { -1.0 } else { 1.0 })),
                Unit::Fixed(_) => None,
            })
        };
        let cut: Vec<(Variable, f64)> = free().collect();
        if cut.is_empty() {
            break;
        }
        let n_active = cut.iter().filter(|(_, factor)| *factor < 0.0).count();
        problem.add_constraint(&cut[..], ComparisonOp::Ge, 1.0 - n_active as f64);
    }
    Ok(Count {
        method: Method::Milp,
        // A box has a region.
        activation_regions: regions.max(1),
        linear_regions: None,
        is_complete: false,
        confidence: None,
        work,
    })
}

fn failed(error: &microlp::Error) -> Error {
    Error::failed(format!("the mixed-integer solver gave up: {error}; use --method tree"))
}

/// The program, and the units in order.
fn formulate(model: &Model, lower: &[f64], upper: &[f64], work: &mut Work) -> Result<(Problem, Vec<Unit>)> {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    // The same with binaries from 0 to 1, for bounds on later layers.
    let mut relaxed = Problem::new(OptimizationDirection::Minimize);
    // Of every source: the input, then the outputs of layer after layer.
    let mut values: Vec<Vec<Expression>> = vec![Vec::new()];
    let mut ranges: Vec<Vec<[f64; 2]>> = vec![Vec::new()];
    for (&lo, &hi) in lower.iter().zip(upper) {
        let variable = problem.add_var(0.0, (0.0, 1.0));
        relaxed.add_var(0.0, (0.0, 1.0));
        values[0].push(Expression { terms: vec![(variable, hi - lo)], constant: lo });
        ranges[0].push([lo, hi]);
    }
    let mut units = Vec::new();
    for (l, layer) in model.layers.iter().enumerate() {
        let (mut activations, mut next_ranges) = (Vec::new(), Vec::new());
        // The source, the input of it and the weight of everything that a row is made of.
        let made_of = |row: usize| {
            layer.terms.iter().flat_map(move |term| term.inputs(row).map(|(input, w)| (term.source, input, w)))
        };
        // All units of a layer are bounded by the layers before it alone.
        let pre_activations: Vec<Expression> = (0..layer.n_rows())
            .map(|row| {
                let mut z = Expression { terms: Vec::new(), constant: layer.bias[row] };
                made_of(row).for_each(|(source, input, w)| z.add(w, &values[source][input]));
                z
            })
            .collect();
        let is_linear = layer.breakpoints.is_empty();
        let mut bounds = Vec::new();
        for (row, z) in pre_activations.iter().enumerate() {
            let mut range = [layer.bias[row]; 2];
            for (source, input, w) in made_of(row) {
                let [lo, hi] = ranges[source][input];
                range[0] += (w * lo).min(w * hi);
                range[1] += (w * lo).max(w * hi);
            }
            let size = range[0].abs().max(range[1].abs());
            if l > 0 && !is_linear && !z.terms.is_empty() && size > 0.0 {
                let scaled = z.times(1.0 / size);
                for (end, sign) in [(0, 1.0), (1, -1.0)] {
                    work.programs += 1;
                    if let Some(bound) = extreme(&relaxed, &scaled, sign) {
                        range[end] = if end == 0 { range[0].max(size * bound) } else { range[1].min(size * bound) };
                    }
                }
            }
            // Room for the solver's tolerance.
            let room = 1e-6 * size;
            bounds.push([range[0] - room, range[1] + room]);
        }
        for (z, [lo, hi]) in pre_activations.into_iter().zip(bounds) {
            if is_linear {
                let (slope, intercept) = (layer.slopes[0], layer.intercepts[0]);
                let [a, b] = [lo, hi].map(|end| slope * end + intercept);
                next_ranges.push([a.min(b), a.max(b)]);
                let mut h = z.times(slope);
                h.constant += intercept;
                activations.push(h);
                continue;
            }
            next_ranges.push([lo.max(0.0), hi.max(0.0)]);
            if hi <= 0.0 || lo >= 0.0 {
                units.push(Unit::Fixed(hi > 0.0));
                activations.push(if hi > 0.0 { z } else { Expression::default() });
                continue;
            }
            // In units of the largest magnitude.
            let size = hi.max(-lo);
            let (z, lo, hi) = (z.times(1.0 / size), lo / size, hi / size);
            let binary = problem.add_binary_var(0.0);
            let h = problem.add_var(0.0, (0.0, hi));
            relaxed.add_var(0.0, (0.0, 1.0));
            relaxed.add_var(0.0, (0.0, hi));
            for p in [&mut problem, &mut relaxed] {
                let minus = z.times(-1.0);
                p.add_constraint(minus.plus(&[(h, 1.0)]), ComparisonOp::Ge, z.constant);
                p.add_constraint(minus.plus(&[(h, 1.0), (binary, -lo)]), ComparisonOp::Le, z.constant - lo);
                p.add_constraint([(h, 1.0), (binary, -hi)], ComparisonOp::Le, 0.0);
            }
            problem.add_constraint([(h, 1.0), (binary, -ACTIVE)], ComparisonOp::Ge, 0.0);
            units.push(Unit::Free(binary));
            activations.push(Expression { terms: vec![(h, size)], constant: 0.0 });
        }
        values.push(activations);
        ranges.push(next_ranges);
    }
    Ok((problem, units))
}

/// The least value of `sign` times an expression, times `sign`; none where the solver does not say.
fn extreme(relaxed: &Problem, z: &Expression, sign: f64) -> Option<f64> {
    let mut problem = relaxed.clone();
    let value = problem.add_var(sign, (-2.0, 2.0));
    problem.add_constraint(z.plus(&[(value, -1.0)]), ComparisonOp::Eq, -z.constant);
    let solution = problem.solve().ok()?.into_solution().ok()?;
    Some(sign * solution.objective())
}

/// A pattern that is not excluded: which units are active.
fn solve(problem: &Problem, units: &[Unit], stop: &AtomicBool, work: &mut Work) -> Result<Option<Vec<bool>>> {
    let mut options = SolveOptions::default();
    options.time_limit = Some(SLICE);
    work.programs += 1;
    let mut outcome = match problem.solve_with(options) {
        Ok(outcome) => outcome,
        Err(microlp::Error::Infeasible) => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    loop {
        if let Some(solution) = outcome.solution() {
            let active = units.iter().map(|unit| match unit {
                Unit::Fixed(on) => *on,
                Unit::Free(variable) => solution.var_value(*variable) > 0.5,
            });
            return Ok(Some(active.collect()));
        }
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        outcome = match outcome.resume() {
            Ok(outcome) => outcome,
            Err(microlp::Error::Infeasible) => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
    }
}

/// Whether the region of a pattern has an interior, in whole numbers.
fn has_interior(model: &Model, exact: &ExactModel, active: &[bool], stop: &AtomicBool) -> bool {
    let mut rows: Vec<ExactRow> = Vec::new();
    let mut active = active.iter();
    let mut patterns: Vec<Vec<usize>> = Vec::new();
    let mut maps: Vec<ExactMap> = Vec::new();
    for (l, layer) in model.layers.iter().enumerate() {
        maps.push(ExactMap::new(model, l, |before| &patterns[before]));
        for row in 0..layer.n_rows() {
            // Those of the layers before are all there.
            let known = |l: usize, row: usize| maps[l].row(row, |_| unreachable!("made with its layer"));
            maps[l].row(row, |map| exact.row(model, (l, row), map, known));
        }
        let is_linear = layer.breakpoints.is_empty();
        let pattern: Vec<usize> = match is_linear {
            true => vec![0; layer.n_rows()],
            false => active.by_ref().take(layer.n_rows()).map(|&on| usize::from(on)).collect(),
        };
        for (unit, &piece) in pattern.iter().enumerate().filter(|_| !is_linear) {
            let above = exact.above(model, (l, unit, 0), |row| maps[l].row(row, |_| unreachable!("made above")));
            let row = exact.over_domain(&above, piece == 1);
            // A unit that is zero everywhere is inactive.
            if piece == 1 || !row.is_zero() {
                rows.push(row);
            }
        }
        patterns.push(pattern);
    }
    rows.is_empty() || exact::has_interior(&rows, None, None, &|| stop.load(Ordering::Relaxed)) == Some(true)
}
