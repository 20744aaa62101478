//! Points near the centre of the domain, for polytopes in many dimensions with few rows.
//!
//! The point nearest to the centre at which every row is at least a target is the centre plus a combination of rows with multipliers at
//! least 0, found from the Gram matrix of the rows alone by the dual method of Goldfarb and Idnani (1983): a few dozen numbers
//! instead of hundreds of columns, starting from the multipliers of the parent polytope. If the rows contradict each other the
//! same method ends with a combination that shows it. Neither answer is certain: the point need not lie in the domain and is moved there
//! column by column, and everything is subject to rounding, so both are checked with the rows. Where they hold, as they mostly do
//! when there are many more columns than rows, no linear program is needed.

use super::frame::Frame;
use super::vector::{add_multiple, dot};

/// What rows of norm 1 to 2 are to be.
const TARGET: f64 = 1e-5;

/// Tries after which a point outside of the domain is given up.
const ROUNDS: usize = 8;

/// A row whose distance from the span of others, squared, is below this fraction of its own size depends on them.
const DEPENDENT: f64 = 1e-10;

/// What was found.
#[derive(Debug, PartialEq)]
pub(crate) enum Guess {
    /// Multipliers of the nearest point.
    Point(Vec<f64>),
    /// Multipliers of a combination that is nowhere positive.
    Contradiction(Vec<f64>),
    /// Neither.
    Unknown,
}

/// The Gram matrix of the rows of a polytope, and their values at the centre.
#[derive(Debug)]
pub(crate) struct Centre {
    centre: Vec<f64>,
    /// 0 for columns that are fixed.
    is_free: Vec<f64>,
    /// The rows, without fixed columns.
    rows: Vec<Vec<f64>>,
    /// Line i has the products with rows 0 to i.
    gram: Vec<Vec<f64>>,
    values: Vec<f64>,
}

impl Centre {
    pub(crate) fn new(frame: &Frame) -> Self {
        let ends = || frame.lower.iter().zip(&frame.upper);
        Self {
            centre: ends().map(|(lo, hi)| 0.5 * (lo + hi)).collect(),
            is_free: ends().map(|(lo, hi)| if lo < hi { 1.0 } else { 0.0 }).collect(),
            rows: Vec::new(),
            gram: Vec::new(),
            values: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, row: &[f64]) {
        self.values.push(dot(row, &self.centre));
        let row: Vec<f64> = row.iter().zip(&self.is_free).map(|(a, free)| a * free).collect();
        self.rows.push(row);
        let row = &self.rows[self.rows.len() - 1];
        self.gram.push(self.rows.iter().map(|other| dot(row, other)).collect());
    }

    pub(crate) fn pop(&mut self) {
        self.values.pop();
        self.rows.pop();
        self.gram.pop();
    }

    fn product(&self, i: usize, j: usize) -> f64 {
        if i < j { self.gram[j][i] } else { self.gram[i][j] }
    }

    /// Looks for a point of the domain at which all rows are positive, and writes it; `start` has the multipliers of the polytope without its
    /// last rows.
    pub(crate) fn guess(&self, frame: &Frame, start: &[f64], point: &mut Vec<f64>) -> Guess {
        let mut targets = vec![TARGET; self.rows.len()];
        let first = match self.nearest(&targets, start) {
            Guess::Point(multipliers) => multipliers,
            other => return other,
        };
        let mut multipliers = first.clone();
        for _ in 0..ROUNDS {
            point.clone_from(&self.centre);
            for (row, &y) in self.rows.iter().zip(&multipliers) {
                if y != 0.0 {
                    add_multiple(y, row, point);
                }
            }
            let mut is_inside = true;
            for (x, (&lo, &hi)) in point.iter_mut().zip(frame.lower.iter().zip(&frame.upper)) {
                is_inside &= (lo..=hi).contains(x);
                *x = x.clamp(lo, hi);
            }
            if is_inside {
                return Guess::Point(first);
            }
            // What moving to the domain costs is asked for on top.
            let moved: Vec<f64> = point.iter().zip(&self.centre).map(|(x, c)| x - c).collect();
            let mut all_hold = true;
            for ((row, value), target) in self.rows.iter().zip(&self.values).zip(&mut targets) {
                let missing = TARGET - (value + dot(row, &moved));
                if missing > 0.5 * TARGET {
                    *target += 2.0 * missing;
                    all_hold = false;
                }
            }
            if all_hold {
                return Guess::Point(first);
            }
            match self.nearest(&targets, &[]) {
                Guess::Point(next) => multipliers = next,
                _ => return Guess::Unknown,
            }
        }
        Guess::Unknown
    }

    /// The multipliers of the nearest point with all rows at their targets or above.
    fn nearest(&self, targets: &[f64], start: &[f64]) -> Guess {
        let n = self.rows.len();
        let mut multipliers = start.to_vec();
        multipliers.resize(n, 0.0);
        // Rows that are at their targets exactly.
        let mut active: Vec<usize> = (0..n).filter(|&i| multipliers[i] > 0.0).collect();
        let mut factor = Vec::new();
        let mut reached = vec![0.0; n];
        for _ in 0..10 * n + 50 {
            for (i, reached) in reached.iter_mut().enumerate() {
                *reached = self.values[i] + active.iter().map(|&j| multipliers[j] * self.product(i, j)).sum::<f64>();
            }
            let missing = |&i: &usize| (targets[i] - reached[i]) / self.gram[i][i].sqrt();
            let wanting = (0..n).filter(|&i| targets[i] - reached[i] > 0.5 * TARGET && !active.contains(&i));
            let Some(row) = wanting.max_by(|a, b| missing(a).total_cmp(&missing(b))) else {
                return Guess::Point(multipliers);
            };
            if self.gram[row][row] <= 0.0 {
                return Guess::Unknown;
            }
            let mut lacks = targets[row] - reached[row];
            loop {
                let mut direction: Vec<f64> = active.iter().map(|&j| self.product(row, j)).collect();
                let products = direction.clone();
                if !self.factorise(&active, &mut factor) {
                    return Guess::Unknown;
                }
                solve_factored(&factor, &mut direction);
                let rate = self.gram[row][row] - dot(&direction, &products);
                let is_dependent = rate <= DEPENDENT * self.gram[row][row];
                let whole = if is_dependent { f64::INFINITY } else { lacks / rate };
                let ratios = active.iter().zip(&direction).enumerate().filter(|(_, (_, d))| **d > 0.0);
                let blocking = ratios
                    .map(|(ix, (&j, d))| (multipliers[j] / d, ix))
                    .min_by(|a, b| a.0.total_cmp(&b.0))
                    .filter(|(step, _)| *step < whole);
                let step = blocking.map_or(whole, |(step, _)| step);
                if step.is_infinite() {
                    let mut contradiction = vec![0.0; n];
                    contradiction[row] = 1.0;
                    active.iter().zip(&direction).for_each(|(&j, d)| contradiction[j] = (-d).max(0.0));
                    return Guess::Contradiction(contradiction);
                }
                multipliers[row] += step;
                active.iter().zip(&direction).for_each(|(&j, d)| multipliers[j] = (multipliers[j] - step * d).max(0.0));
                let Some((_, ix)) = blocking else { break };
                multipliers[active.swap_remove(ix)] = 0.0;
                lacks -= step * if is_dependent { 0.0 } else { rate };
            }
            active.push(row);
        }
        Guess::Unknown
    }

    /// The Cholesky factor of the Gram matrix of some rows, line by line.
    fn factorise(&self, active: &[usize], factor: &mut Vec<Vec<f64>>) -> bool {
        factor.clear();
        for (ix, &i) in active.iter().enumerate() {
            let mut line: Vec<f64> = Vec::with_capacity(ix + 1);
            for (jx, &j) in active[..ix].iter().enumerate() {
                let known = dot(&line[..jx], &factor[jx][..jx]);
                line.push((self.product(i, j) - known) / factor[jx][jx]);
            }
            let square = self.gram[i][i] - dot(&line, &line);
            if square <= 0.0 {
                return false;
            }
            line.push(square.sqrt());
            factor.push(line);
        }
        true
    }
}

/// Solves a system with its Cholesky factor.
fn solve_factored(factor: &[Vec<f64>], x: &mut [f64]) {
    for i in 0..x.len() {
        let known = dot(&factor[i][..i], &x[..i]);
        x[i] = (x[i] - known) / factor[i][i];
    }
    for i in (0..x.len()).rev() {
        let known: f64 = (i + 1..x.len()).map(|j| factor[j][i] * x[j]).sum();
        x[i] = (x[i] - known) / factor[i][i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regions::Domain;

    fn centre(rows: &[[f64; 4]]) -> (Frame, Centre) {
        let frame = Frame::new(&Domain::new_box(vec![-1.0; 3], vec![1.0; 3]).unwrap(), 3);
        let mut centre = Centre::new(&frame);
        rows.iter().for_each(|row| centre.push(row));
        (frame, centre)
    }

    #[test]
    fn points_and_contradictions_are_found() {
        // x + y >= 1 and x - y >= 0: the nearest point is (1/2, 1/2, 0).
        let (frame, pair) = centre(&[[1.0, 1.0, 0.0, -1.0], [1.0, -1.0, 0.0, 0.0]]);
        let mut point = Vec::new();
        assert!(matches!(pair.guess(&frame, &[], &mut point), Guess::Point(_)));
        let near = [0.5, 0.5, 0.0, 1.0];
        assert!(point.iter().zip(near).all(|(a, b)| (a - b).abs() < 1e-4), "{point:?}");
        // Beyond the box in x alone, but not together with y.
        let (frame, far) = centre(&[[1.0, 0.9, 0.0, -1.83], [0.0, 0.0, 1.0, -0.5]]);
        assert!(matches!(far.guess(&frame, &[], &mut point), Guess::Point(_)));
        assert!(point[0] <= 1.0 && point[0] + 0.9 * point[1] > 1.83 && point[2] > 0.5, "{point:?}");
        // x > 0.2, y > 0.2, x + y < 0.3.
        let rows = [[1.0, 0.0, 0.0, -0.2], [0.0, 1.0, 0.0, -0.2], [-1.0, -1.0, 0.0, 0.3]];
        let (frame, three) = centre(&rows);
        let Guess::Contradiction(y) = three.guess(&frame, &[], &mut point) else { panic!("there is none") };
        assert!(y.iter().all(|y| (y - 1.0).abs() < 1e-9), "{y:?}");
        let Guess::Point(start) = centre(&rows[..2]).1.guess(&frame, &[], &mut point) else { panic!("(0.2, 0.2)") };
        assert!(
            matches!(three.guess(&frame, &start, &mut point), Guess::Contradiction(_)),
            "from the parent's multipliers"
        );
    }
}
