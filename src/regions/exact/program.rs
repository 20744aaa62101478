//! Linear programs in whole numbers.

use num_bigint::{BigInt, Sign};
use num_traits::{One, Signed, Zero};

/// An affine function on the unit cube.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::regions) struct ExactRow {
    pub(in crate::regions) coefficients: Vec<BigInt>,
    pub(in crate::regions) constant: BigInt,
}

impl ExactRow {
    pub(in crate::regions) fn is_zero(&self) -> bool {
        self.constant.is_zero() && self.coefficients.iter().all(Zero::is_zero)
    }
}

/// Whether some point of the unit cube has all `rows` positive, and `facet` zero where there is one.
///
/// Maximises the least row by a dual simplex with Bland's rule, in whole numbers (the fraction-free pivots of Edmonds 1967), and ends as
/// soon as that cannot be positive any more. `stop` is asked between pivots; `None` says that it ended there.
pub(in crate::regions) fn has_interior(
    rows: &[ExactRow],
    facet: Option<&ExactRow>,
    stop: &dyn Fn() -> bool,
) -> Option<bool> {
    let mut program = Program::new(rows, facet);
    loop {
        if stop() {
            return None;
        }
        // The least row is at most 1 - cost / denominator from here on.
        if program.cost_value >= program.denominator {
            return Some(false);
        }
        let Some(line) = program.leaving() else { return Some(true) };
        let Some(position) = program.entering(line) else { return Some(false) };
        program.pivot(line, position, stop);
    }
}

/// Basic variables as combinations of nonbasic ones, all of them at least 0: `basic = (value + line . nonbasic) / denominator`.
///
/// Variables 0..n are the cube's coordinates or what they lack to 1, variable n is what the least row lacks to 1, the others are
/// the rows.
struct Program {
    n: usize,
    lines: Vec<Vec<BigInt>>,
    values: Vec<BigInt>,
    basic: Vec<usize>,
    nonbasic: Vec<usize>,
    cost: Vec<BigInt>,
    cost_value: BigInt,
    denominator: BigInt,
}

impl Program {
    fn new(rows: &[ExactRow], facet: Option<&ExactRow>) -> Self {
        let n = rows.iter().chain(facet).next().map_or(0, |row| row.coefficients.len());
        let (mut lines, mut values) = (Vec::new(), Vec::new());
        for row in rows {
            // row - t, with t = 1 - lack.
            let mut line = row.coefficients.clone();
            line.push(BigInt::one());
            lines.push(line);
            values.push(&row.constant - 1);
        }
        for sign in [1, -1] {
            if let Some(row) = facet {
                let mut line: Vec<BigInt> = row.coefficients.iter().map(|a| a * sign).collect();
                line.push(BigInt::zero());
                lines.push(line);
                values.push(&row.constant * sign);
            }
        }
        let mut cost = vec![BigInt::zero(); n];
        cost.push(BigInt::one());
        Self {
            n,
            basic: (n + 1..=n + lines.len()).collect(),
            lines,
            values,
            nonbasic: (0..=n).collect(),
            cost,
            cost_value: BigInt::zero(),
            denominator: BigInt::one(),
        }
    }

    /// The first basic variable beyond a bound. One above 1 is replaced by what it lacks to 1.
    fn leaving(&mut self) -> Option<usize> {
        let beyond = |(line, &variable): (usize, &usize)| {
            let value = &self.values[line];
            let above = variable < self.n && *value > self.denominator;
            (value.is_negative() || above).then_some((variable, line, above))
        };
        let (_, line, above) = self.basic.iter().enumerate().filter_map(beyond).min()?;
        if above {
            self.values[line] = &self.denominator - &self.values[line];
            self.lines[line].iter_mut().for_each(|a| *a = -std::mem::take(a));
        }
        Some(line)
    }

    /// The nonbasic variable of least ratio, the first of equals.
    fn entering(&self, line: usize) -> Option<usize> {
        let entries = self.lines[line].iter().zip(&self.cost).zip(&self.nonbasic).enumerate();
        let rising = entries.filter(|(_, ((entry, _), _))| entry.is_positive());
        let best = rising.reduce(|best, candidate| {
            let (((a, ca), va), ((b, cb), vb)) = (best.1, candidate.1);
            if (cb * a, vb) < (ca * b, va) { candidate } else { best }
        });
        best.map(|(position, _)| position)
    }

    /// Ends anywhere on a stop.
    fn pivot(&mut self, line: usize, position: usize, stop: &dyn Fn() -> bool) {
        let pivot_line = std::mem::take(&mut self.lines[line]);
        let pivot_value = std::mem::take(&mut self.values[line]);
        let pivot = &pivot_line[position];
        let update = |entries: &mut [BigInt], value: &mut BigInt| {
            let factor = entries[position].clone();
            for (j, entry) in entries.iter_mut().enumerate() {
                if j != position {
                    *entry = (&*entry * pivot - &factor * &pivot_line[j]) / &self.denominator;
                }
            }
            *value = (&*value * pivot - &factor * &pivot_value) / &self.denominator;
        };
        for (r, entries) in self.lines.iter_mut().enumerate() {
            if stop() {
                return;
            }
            if r != line {
                update(entries, &mut self.values[r]);
            }
        }
        update(&mut self.cost, &mut self.cost_value);
        let pivot = pivot.clone();
        let mut entries: Vec<BigInt> = pivot_line.into_iter().map(|a| -a).collect();
        entries[position] = std::mem::replace(&mut self.denominator, pivot);
        self.lines[line] = entries;
        self.values[line] = -pivot_value;
        std::mem::swap(&mut self.basic[line], &mut self.nonbasic[position]);
    }
}

/// Whether some combination of all these rows in which the coefficients of `cancelled` are zero shows that they are not all positive at once:
/// no multiplier negative but that of `free`, nor the combination positive anywhere in the cube. `stop` ends the search for one.
pub(in crate::regions) fn combination_is_infeasible(
    rows: &[ExactRow],
    cancelled: &[usize],
    free: Option<usize>,
    stop: &dyn Fn() -> bool,
) -> bool {
    let Some(multipliers) = null_vector(rows, cancelled, stop) else { return false };
    let signs = || multipliers.iter().enumerate().filter(|(row, _)| Some(*row) != free).map(|(_, y)| y.sign());
    let (plus, minus) = (signs().any(|s| s == Sign::Plus), signs().any(|s| s == Sign::Minus));
    if plus == minus {
        return false;
    }
    let turn = if minus { -1 } else { 1 };
    let combine = |of: &dyn Fn(&ExactRow) -> &BigInt| -> BigInt {
        rows.iter().zip(&multipliers).map(|(row, y)| of(row) * y).sum::<BigInt>() * turn
    };
    let mut bound = combine(&|row| &row.constant);
    for column in 0..rows[0].coefficients.len() {
        let coefficient = combine(&|row| &row.coefficients[column]);
        if coefficient.is_positive() {
            bound += coefficient;
        }
    }
    !bound.is_positive()
}

/// Multipliers, unique but for a factor, with which `rows` cancel in one column fewer than there are rows.
fn null_vector(rows: &[ExactRow], columns: &[usize], stop: &dyn Fn() -> bool) -> Option<Vec<BigInt>> {
    let n = columns.len();
    if rows.len() != n + 1 {
        return None;
    }
    // One equation per column; fraction-free elimination (Bareiss 1968), with pivots anywhere.
    let mut equations: Vec<Vec<BigInt>> =
        columns.iter().map(|&c| rows.iter().map(|row| row.coefficients[c].clone()).collect()).collect();
    let mut order: Vec<usize> = (0..=n).collect();
    let mut denominator = BigInt::one();
    for step in 0..n {
        if stop() {
            return None;
        }
        let found = (step..n).find_map(|e| (step..=n).find(|&u| !equations[e][u].is_zero()).map(|u| (e, u)));
        let (equation, unknown) = found?;
        equations.swap(step, equation);
        equations.iter_mut().for_each(|e| e.swap(step, unknown));
        order.swap(step, unknown);
        let (pivot_equation, pivot) = (equations[step].clone(), equations[step][step].clone());
        for (e, equation) in equations.iter_mut().enumerate() {
            if e != step {
                let factor = equation[step].clone();
                for (entry, pivot_entry) in equation.iter_mut().zip(&pivot_equation) {
                    *entry = (&*entry * &pivot - &factor * pivot_entry) / &denominator;
                }
            }
        }
        denominator = pivot;
    }
    // Now denominator * y[step] + equations[step][n] * y[n] = 0.
    let mut multipliers = vec![BigInt::zero(); n + 1];
    for step in 0..n {
        multipliers[order[step]] = -&equations[step][n];
    }
    multipliers[order[n]] = denominator;
    Some(multipliers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(coefficients: &[i64], constant: i64) -> ExactRow {
        ExactRow { coefficients: coefficients.iter().map(|&a| a.into()).collect(), constant: constant.into() }
    }

    fn contradict(rows: &[ExactRow]) -> bool {
        combination_is_infeasible(rows, &[0], None, &|| false)
    }

    fn interior(rows: &[ExactRow], facet: Option<&ExactRow>) -> bool {
        has_interior(rows, facet, &|| false).expect("not stopped")
    }

    #[test]
    fn thin_and_flat_polytopes_are_told_apart() {
        // x > 1/2 and x < 1/2 + 10^-18 has an interior, x < 1/2 has none.
        let huge = 1_000_000_000_000_000_000;
        let above = row(&[2], -1);
        assert!(interior(&[above.clone(), row(&[-huge], huge / 2 + 1)], None));
        assert!(!interior(&[above.clone(), row(&[-huge], huge / 2)], None));
        assert!(!interior(&[above.clone(), row(&[-2], 1)], None));
        assert!(contradict(&[above.clone(), row(&[-2], 1)]));
        assert!(!contradict(&[above.clone(), row(&[-2], 2)]));
        assert!(!contradict(&[above, row(&[2], 1)]), "both point the same way");
        // Only the corner (1, 1) has x + y >= 2.
        assert!(!interior(&[row(&[1, 1], -2)], None));
        assert!(interior(&[row(&[100, 100], -199)], None));
    }

    #[test]
    fn facets_have_an_interior_of_their_own() {
        let (x, y) = (row(&[1, 0], 0), row(&[0, 1], 0));
        let diagonal = row(&[1, -1], 0);
        assert!(interior(&[x.clone(), y.clone()], Some(&diagonal)));
        assert!(!interior(&[row(&[1, -1], 0)], Some(&diagonal)));
        assert!(!interior(&[row(&[1, 1], -2)], Some(&diagonal)), "a point");
        assert!(!interior(&[], Some(&row(&[1, 1], 1))), "outside of the cube");
        assert!(interior(&[row(&[2, 1], -1)], Some(&row(&[4, 0], -1))));
    }
}
