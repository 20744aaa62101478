//! A dual simplex for polytopes in a box that grow by one row at a time.
//!
//! The program is: minimise a fixed, generic cost over `lower <= w <= upper` and `row . w >= margin` for every row. Its dictionary (every
//! basic variable as a combination of the nonbasic ones; as many columns as the box has, one line per row) is small both in two
//! dimensions with a hundred rows and in 784 dimensions with twenty. It stays dual feasible when a row is added, so that the
//! child of a polytope starts from its parent's optimum: a few pivots, each one pass over the dictionary.
//!
//! The ratio test is the long-step one (bound flipping; Maros 2003, chapter 10.3): columns whose bounds are passed flip without
//! a pivot, which matters where hundreds of inputs lie in a box. The generic cost makes ties in it improbable, and with them cycles; a
//! limit on the pivots catches the rest.
//!
//! Nothing here is exact. A feasible answer is a point, an infeasible one a combination of rows, and both are checked elsewhere, with
//! the rows as they were given. That is also why this is no library's solver: microlp 0.7 takes 25 us for one more row on 15 rows in 2
//! dimensions and 800 us on 22 rows in 784, tens of times what this one does, and keeps the multipliers to itself.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering as AtomicOrdering};

use super::exact::Basis;
use super::frame::Frame;
use super::vector::{add_multiple, dot};

/// Pivots smaller than this fraction of the largest entry of their line are avoided.
const PIVOT_TOLERANCE: f64 = 1e-9;

/// Every row is at least this much inside, for rows of norm 1 to 2.
pub(crate) const MARGIN: f64 = 1e-9;

/// The fraction of the margin that may be missing, and by which ends may be passed.
const SLACK: f64 = 0.1;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The point is optimal.
    Feasible,
    /// The line of this number cannot reach its bound.
    Infeasible(usize),
    /// Too many pivots, or none large enough.
    Stalled,
}

/// The side on which a nonbasic variable rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Lower,
    Upper,
}

/// A dual feasible dictionary. Variables 0..dim are columns of the box, variable dim + i is the value of row i.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    dim: usize,
    /// One line per row, `dim` wide.
    table: Vec<f64>,
    /// The cost of every nonbasic variable.
    cost: Vec<f64>,
    /// Which variable each line, and each column, holds.
    basic: Vec<usize>,
    nonbasic: Vec<usize>,
    end: Vec<End>,
    /// Rows that hold with equality.
    tight: Vec<bool>,
    /// Values of the nonbasic and basic variables.
    at: Vec<f64>,
    value: Vec<f64>,
    candidates: Vec<Candidate>,
    pivot_line: Vec<f64>,
}

impl Clone for Dictionary {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    /// Keeps the memory that is there.
    fn clone_from(&mut self, from: &Self) {
        self.dim = from.dim;
        self.table.clone_from(&from.table);
        self.cost.clone_from(&from.cost);
        self.basic.clone_from(&from.basic);
        self.nonbasic.clone_from(&from.nonbasic);
        self.end.clone_from(&from.end);
        self.tight.clone_from(&from.tight);
        self.at.clone_from(&from.at);
        self.value.clone_from(&from.value);
    }
}

impl Dictionary {
    /// The box alone, at the end of every column where the cost is least.
    pub(crate) fn new(frame: &Frame) -> Self {
        let dim = frame.dim();
        // Multiples of the golden ratio: spread evenly, and no two nearly equal.
        let cost: Vec<f64> = (1..=dim)
            .map(|j| (0.5 + (j as f64 * 0.618_033_988_749_894_9).fract()) * if j % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        let end: Vec<End> = cost.iter().map(|&c| if c > 0.0 { End::Lower } else { End::Upper }).collect();
        let mut dictionary =
            Self { dim, cost, nonbasic: (0..dim).collect(), end, at: vec![0.0; dim], ..Self::default() };
        dictionary.rest(frame);
        dictionary
    }

    /// Adds a row: its value is a new basic variable.
    pub(crate) fn push(&mut self, row: &[f64]) {
        let start = self.table.len();
        let mut line = vec![0.0; self.dim];
        for (position, &variable) in self.nonbasic.iter().enumerate() {
            if variable < self.dim {
                line[position] = row[variable];
            }
        }
        for (r, &variable) in self.basic.iter().enumerate() {
            if variable < self.dim && row[variable] != 0.0 {
                add_multiple(row[variable], &self.table[r * self.dim..][..self.dim], &mut line);
            }
        }
        debug_assert_eq!(start, self.basic.len() * self.dim);
        self.table.extend_from_slice(&line);
        self.basic.push(self.dim + self.tight.len());
        self.tight.push(false);
        self.value.push(0.0);
    }

    /// Asks for equality in a row: the facet on it.
    pub(crate) fn set_tight(&mut self, row: usize) {
        self.tight[row] = true;
    }

    fn bounds(&self, frame: &Frame, variable: usize) -> (f64, f64) {
        match variable.checked_sub(self.dim) {
            None => (frame.lower[variable], frame.upper[variable]),
            Some(row) if self.tight[row] => (0.0, 0.0),
            Some(_) => (MARGIN, f64::INFINITY),
        }
    }

    /// Puts every nonbasic variable at its end, and the basic ones where they are then.
    fn rest(&mut self, frame: &Frame) {
        for position in 0..self.dim {
            let (lower, upper) = self.bounds(frame, self.nonbasic[position]);
            self.at[position] = if self.end[position] == End::Lower { lower } else { upper };
        }
        self.revalue();
    }

    fn revalue(&mut self) {
        let lines = self.table.chunks_exact(self.dim);
        self.value.iter_mut().zip(lines).for_each(|(value, line)| *value = dot(line, &self.at));
    }

    /// The program's optimum, from where the dictionary is; adds the number of pivots to `pivots`. A set `stop` ends it as too many
    /// pivots do.
    pub(crate) fn solve(&mut self, frame: &Frame, stop: &AtomicBool, pivots: &mut u64) -> Ended {
        self.rest(frame);
        for _ in 0..1000 + 100 * self.basic.len() {
            if stop.load(AtomicOrdering::Relaxed) {
                break;
            }
            let Some((line, wanted)) = self.worst_line(frame) else { return Ended::Feasible };
            let Some(position) = self.entering(frame, line, wanted) else { return Ended::Infeasible(line) };
            if !self.pivot(frame, line, position, wanted) {
                return Ended::Stalled;
            }
            *pivots += 1;
        }
        Ended::Stalled
    }

    /// The basic variable that is farthest beyond one of its bounds, and that bound.
    fn worst_line(&self, frame: &Frame) -> Option<(usize, f64)> {
        let mut worst = (SLACK * MARGIN, None);
        for (line, (&variable, &value)) in self.basic.iter().zip(&self.value).enumerate() {
            let (lower, upper) = self.bounds(frame, variable);
            let (excess, bound) =
                if lower - value > value - upper { (lower - value, lower) } else { (value - upper, upper) };
            if excess > worst.0 {
                worst = (excess, Some((line, bound)));
            }
        }
        worst.1
    }

    /// The nonbasic variable with which a line reaches its bound while the cost stays optimal. Those that stay in their bounds on the way
    /// flip to their other end.
    fn entering(&mut self, frame: &Frame, line: usize, wanted: f64) -> Option<usize> {
        let entries = &self.table[line * self.dim..][..self.dim];
        let mut missing = wanted - self.value[line];
        let rise = missing.signum();
        let largest = entries.iter().fold(0.0, |largest: f64, a| largest.max(a.abs()));
        self.candidates.clear();
        for (position, &entry) in entries.iter().enumerate() {
            let gain = if self.end[position] == End::Lower { rise * entry } else { -rise * entry };
            if gain > PIVOT_TOLERANCE * largest {
                let (lower, upper) = self.bounds(frame, self.nonbasic[position]);
                if lower < upper {
                    let ratio = self.cost[position].abs() / gain;
                    self.candidates.push(Candidate { ratio, position });
                }
            }
        }
        missing = missing.abs();
        let mut flipped = false;
        let mut found = None;
        // Few of many candidates are passed.
        let mut heap = BinaryHeap::from(std::mem::take(&mut self.candidates));
        while let Some(Candidate { position: nearest, .. }) = heap.pop() {
            let (lower, upper) = self.bounds(frame, self.nonbasic[nearest]);
            let reach = (upper - lower) * self.table[line * self.dim + nearest].abs();
            if reach >= missing {
                found = Some(nearest);
                break;
            }
            missing -= reach;
            flipped = true;
            self.end[nearest] = if self.end[nearest] == End::Lower { End::Upper } else { End::Lower };
            self.at[nearest] = if self.end[nearest] == End::Lower { lower } else { upper };
        }
        self.candidates = heap.into_vec();
        if found.is_some() && flipped {
            self.revalue();
        }
        found
    }

    /// Exchanges a basic variable, which goes to its bound, with a nonbasic one.
    fn pivot(&mut self, frame: &Frame, line: usize, position: usize, wanted: f64) -> bool {
        let dim = self.dim;
        let start = line * dim;
        let pivot = self.table[start + position];
        if pivot == 0.0 || !pivot.is_finite() {
            return false;
        }
        let step = (wanted - self.value[line]) / pivot;
        let entered = self.at[position] + step;
        self.pivot_line.clear();
        self.pivot_line.extend(self.table[start..start + dim].iter().map(|a| -a / pivot));
        self.pivot_line[position] = 1.0 / pivot;
        for (r, (entries, value)) in self.table.chunks_exact_mut(dim).zip(&mut self.value).enumerate() {
            let factor = entries[position];
            if r != line && factor != 0.0 {
                entries[position] = 0.0;
                add_multiple(factor, &self.pivot_line, entries);
                *value += factor * step;
            }
        }
        let factor = std::mem::take(&mut self.cost[position]);
        add_multiple(factor, &self.pivot_line, &mut self.cost);
        self.table[start..start + dim].copy_from_slice(&self.pivot_line);
        std::mem::swap(&mut self.basic[line], &mut self.nonbasic[position]);
        let (lower, _) = self.bounds(frame, self.nonbasic[position]);
        self.end[position] = if wanted == lower { End::Lower } else { End::Upper };
        self.at[position] = wanted;
        self.value[line] = entered;
        true
    }

    /// The point at which the program rests, in the box.
    pub(crate) fn point(&mut self, frame: &Frame, point: &mut Vec<f64>) {
        self.revalue();
        point.clear();
        point.resize(self.dim, 0.0);
        let basic = self.basic.iter().zip(&self.value);
        for (&variable, &value) in self.nonbasic.iter().zip(&self.at).chain(basic) {
            if variable < self.dim {
                point[variable] = value.clamp(frame.lower[variable], frame.upper[variable]);
            }
        }
    }

    /// The combination of rows by which an infeasible line shows that the program is.
    pub(crate) fn infeasible_combination(&self, frame: &Frame, line: usize) -> Combination {
        let mut multipliers = vec![0.0; self.tight.len()];
        let mut rows = Vec::new();
        let variable = self.basic[line];
        // A line below its lower bound, or above its upper one.
        let sign = if self.value[line] < self.bounds(frame, variable).0 { 1.0 } else { -1.0 };
        if let Some(row) = variable.checked_sub(self.dim) {
            multipliers[row] = sign;
            rows.push(row);
        }
        let entries = &self.table[line * self.dim..][..self.dim];
        for (&variable, &entry) in self.nonbasic.iter().zip(entries) {
            if let Some(row) = variable.checked_sub(self.dim) {
                let multiplier = -sign * entry;
                if self.tight[row] || multiplier > 0.0 {
                    multipliers[row] = multiplier;
                }
                rows.push(row);
            }
        }
        let is_cancelled = |v: &usize| *v < self.dim && *v != variable;
        let columns = self.basic.iter().copied().filter(is_cancelled).collect();
        let mut is_one = vec![false; self.dim];
        for (&variable, &end) in self.nonbasic.iter().zip(&self.end).filter(|(v, _)| **v < self.dim) {
            is_one[variable] = end == End::Upper;
        }
        Combination { multipliers, basis: Basis { rows, columns, is_one } }
    }
}

/// Multipliers of rows whose combination is nowhere positive, but for rounding.
#[derive(Debug)]
pub(crate) struct Combination {
    /// One per row, negative for tight rows only.
    pub(crate) multipliers: Vec<f64>,
    /// The rows that may have a part in it, and the columns that cancel then.
    pub(crate) basis: Basis,
}

/// A column that may enter, the nearest the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    ratio: f64,
    position: usize,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        other.ratio.total_cmp(&self.ratio).then(other.position.cmp(&self.position))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use microlp::{ComparisonOp, OptimizationDirection, Problem};

    use super::*;
    use crate::random::Stream;
    use crate::regions::Domain;
    use crate::regions::exact::{ExactRow, has_interior};

    /// Numbers from -8 to 8 in eighths, so that they are whole numbers elsewhere.
    fn eighths(word: u32) -> f64 {
        f64::from(word % 129) / 8.0 - 8.0
    }

    /// Rows added one by one, against another solver's optimum and against whole numbers.
    #[test]
    fn optima_are_those_of_another_solver() {
        let mut ended = [0; 2];
        for seed in 0..300u64 {
            let n = [1, 2, 3, 5, 20][seed as usize % 5];
            let n_rows = [4, 9, 12, 14, 30][seed as usize % 5];
            let frame = Frame::new(&Domain::new_box(vec![-1.0; n], vec![1.0; n]).unwrap(), n);
            let mut dictionary = Dictionary::new(&frame);
            let cost = dictionary.cost.clone();
            let mut problem = Problem::new(OptimizationDirection::Minimize);
            let columns: Vec<_> = (0..n).map(|j| problem.add_var(cost[j], (frame.lower[j], frame.upper[j]))).collect();
            let stream = Stream::new(seed, 0, 0);
            let mut exact: Vec<ExactRow> = Vec::new();
            let mut point = Vec::new();
            for r in 0..n_rows {
                let whole: Vec<f64> = (0..=n).map(|j| eighths(stream.word((r * (n + 1) + j) as u64))).collect();
                let norm = 16.0 * n as f64;
                let row: Vec<f64> = whole.iter().map(|a| a / norm).collect();
                dictionary.push(&row);
                let terms: Vec<_> = columns.iter().copied().zip(row.iter().copied()).collect();
                problem.add_constraint(&terms[..], ComparisonOp::Ge, MARGIN - row[n]);
                // Over the unit cube: x = 2 w - 1.
                let eight = |a: f64| num_bigint::BigInt::from((8.0 * a) as i64);
                let constant = eight(whole[n]) - whole[..n].iter().map(|&a| eight(a)).sum::<num_bigint::BigInt>();
                exact.push(ExactRow { coefficients: whole[..n].iter().map(|&a| 2 * eight(a)).collect(), constant });
                let answer = dictionary.solve(&frame, &AtomicBool::new(false), &mut 0);
                assert_eq!(
                    answer == Ended::Feasible,
                    has_interior(&exact, None, None, &|| false).unwrap(),
                    "seed {seed}, {r} rows"
                );
                if answer != Ended::Feasible {
                    assert_eq!(problem.solve().err(), Some(microlp::Error::Infeasible), "seed {seed}, {r} rows");
                    ended[1] += 1;
                    break;
                }
                ended[0] += 1;
                dictionary.point(&frame, &mut point);
                let value: f64 = cost.iter().zip(&point).map(|(c, x)| c * x).sum::<f64>() - cost[n];
                let other = problem.solve().unwrap().into_solution().unwrap().objective();
                assert!((value - other).abs() < 1e-6, "seed {seed}, {r} rows: {value} {other}");
            }
        }
        assert!(ended.iter().all(|&n| n > 100), "{ended:?}");
    }
}
