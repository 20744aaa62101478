//! Linear programs in whole numbers.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_traits::{Signed, Zero};

use super::inverse::inverse;

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

/// Where a search is: rows that are equal there, one column fewer, in which their combination is zero, and the ends of the others.
#[derive(Clone, Debug)]
pub(in crate::regions) struct Basis {
    pub(in crate::regions) rows: Vec<usize>,
    pub(in crate::regions) columns: Vec<usize>,
    /// Of every column of the cube whether it is 1 or 0, but for those of the basis.
    pub(in crate::regions) is_one: Vec<bool>,
}

/// Whether some point of the unit cube has all `rows` positive, but for `facet`, which is zero there.
///
/// Maximises the least row by a dual simplex in which coordinates change ends on the way as long as that gains (Maros 2003), from
/// `start` on if its multipliers have the right signs, else from the first row alone. Rows of later layers are combinations of the
/// first layer's, so that many bases have the same value: among them it goes for a direction, and by Bland's rule (1977) where a step
/// does not gain even there. It ends as soon as the least row cannot be positive any more. The work is that of the rows and columns of the
/// basis: few where a network has few units, however many inputs. `stop` is asked between steps; `None` says that it ended there.
pub(in crate::regions) fn has_interior(
    rows: &[ExactRow],
    facet: Option<usize>,
    start: Option<Basis>,
    stop: &dyn Fn() -> bool,
) -> Option<bool> {
    let Some(first) = (0..rows.len()).find(|&row| Some(row) != facet) else {
        return Some(rows.iter().all(has_zero));
    };
    let alone = || Basis { rows: vec![first], columns: Vec::new(), is_one: vec![false; rows[0].coefficients.len()] };
    let mut program = Program::new(rows, facet, start.unwrap_or_else(alone));
    loop {
        if stop() {
            return None;
        }
        let Some(dual) = program.dual() else {
            // Nothing but a start from elsewhere is no basis.
            program = Program::new(rows, facet, alone());
            continue;
        };
        let point = program.point(&dual);
        if !point.least.is_positive() {
            return Some(false);
        }
        if program.is_inside(&dual, &point) {
            return Some(true);
        }
        let leaving = program.leaving(&dual, &point).expect("a point outside is beyond a bound");
        let Some(step) = program.step(&dual, leaving) else { return Some(false) };
        program.take(step);
    }
}

/// Positive numbers of which nothing is known to be special: multiples of the golden ratio, less whole numbers.
fn generic(ix: usize) -> BigInt {
    BigInt::from((ix as u32 + 1).wrapping_mul(0x9e37_79b9) | 1)
}

/// Whether a function is zero somewhere in the unit cube.
fn has_zero(row: &ExactRow) -> bool {
    let of_sign = |is_positive: bool| row.coefficients.iter().filter(move |a| a.is_positive() == is_positive);
    let bound = |is_positive| &row.constant + of_sign(is_positive).sum::<BigInt>();
    !bound(true).is_negative() && !bound(false).is_positive()
}

/// The greatest least row, as a program over multipliers of the rows with sum 1 that are at least 0, but for the facet's, which may have any
/// sign and no part in the sum: the least maximum over the cube of a combination of rows and, with an infinitely small multiplier, of the
/// direction.
struct Program<'a> {
    rows: &'a [ExactRow],
    facet: Option<usize>,
    /// Of the coordinates, and of the least row.
    direction: Vec<BigInt>,
    along_least: BigInt,
    basis: Basis,
    /// Whether the last step has gained nothing.
    is_stuck: bool,
}

/// A number, and what is infinitely smaller and decides where that is zero.
type Graded = [BigInt; 2];

fn is_negative(graded: &Graded) -> bool {
    graded.iter().find(|part| !part.is_zero()).is_some_and(Signed::is_negative)
}

/// What belongs to a basis; everything is multiplied by `denominator`.
struct Dual {
    denominator: BigInt,
    /// The inverse of its rows in its columns and, last, in the least row, by which all of them but the facet are less.
    /// A line per column.
    inverse: Vec<Vec<BigInt>>,
    /// Of its rows.
    multipliers: Vec<Graded>,
    /// The coefficients of the combination of rows.
    combination: Vec<Graded>,
}

/// Where all rows of the basis are equal, but for the facet, which is zero; everything is multiplied by the basis' denominator.
struct Point {
    /// Coordinates of the basis' columns.
    coordinates: Vec<BigInt>,
    least: BigInt,
    values: Vec<BigInt>,
}

/// What is beyond its bound at a point, by how much, and the change of the multipliers that brings it back, times the denominator.
struct Leaving {
    variable: Variable,
    amount: BigInt,
    /// Of the basis' rows.
    multipliers: Vec<BigInt>,
    /// Of the row that is beyond, if it is one: 1 or -1.
    sign: i32,
}

/// In the order of Bland's rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Variable {
    Column(usize),
    Row(usize),
}

struct Step {
    leaving: Leaving,
    entering: Variable,
    gains: bool,
}

/// A multiplier or a coefficient of the combination that becomes zero, after `value / slope`.
struct Event {
    value: Graded,
    slope: BigInt,
    variable: Variable,
}

impl Event {
    fn cmp(&self, other: &Self) -> Ordering {
        let parts = self.value.iter().zip(&other.value);
        let compare = parts.map(|(this, that)| (this * &other.slope).cmp(&(that * &self.slope)));
        compare.fold(Ordering::Equal, Ordering::then).then(self.variable.cmp(&other.variable))
    }
}

impl<'a> Program<'a> {
    /// The direction is one for which the start is best: there its rows have infinitely small multipliers, and the combination
    /// infinitely small coefficients in favour of its ends.
    fn new(rows: &'a [ExactRow], facet: Option<usize>, basis: Basis) -> Self {
        let toward = |(column, &is_one): (usize, &bool)| match basis.columns.contains(&column) {
            true => BigInt::zero(),
            false => generic(column) * if is_one { 1 } else { -1 },
        };
        let mut direction: Vec<BigInt> = basis.is_one.iter().enumerate().map(toward).collect();
        let mut along_least = BigInt::zero();
        for &row in &basis.rows {
            for (part, coefficient) in direction.iter_mut().zip(&rows[row].coefficients) {
                *part -= coefficient * generic(row);
            }
            if Some(row) != facet {
                along_least += generic(row);
            }
        }
        Self { rows, facet, direction, along_least, basis, is_stuck: false }
    }

    /// Nothing where the basis' rows do not determine a combination of theirs with multipliers of the right signs.
    fn dual(&mut self) -> Option<Dual> {
        let Basis { rows, columns, .. } = &self.basis;
        if rows.len() != columns.len() + 1 {
            return None;
        }
        let line = |&row: &usize| -> Vec<BigInt> {
            let coefficients = columns.iter().map(|&column| self.rows[row].coefficients[column].clone());
            coefficients.chain([BigInt::from(-self.share(row))]).collect()
        };
        let (inverse, denominator) = inverse(rows.iter().map(line).collect())?;
        let great: Vec<BigInt> = inverse[columns.len()].iter().map(|entry| -entry).collect();
        // In the basis' columns they outweigh the direction.
        let parts: Vec<&BigInt> =
            columns.iter().map(|&column| &self.direction[column]).chain([&self.along_least]).collect();
        let against =
            |ix: usize| -> BigInt { -parts.iter().zip(&inverse).map(|(&part, line)| part * &line[ix]).sum::<BigInt>() };
        let small: Vec<BigInt> = (0..rows.len()).map(against).collect();
        let along = self.direction.iter().map(|part| part * &denominator);
        let small_combination = self.combine(&small).into_iter().zip(along).map(|(sum, part)| sum + part);
        let combination: Vec<Graded> =
            self.combine(&great).into_iter().zip(small_combination).map(Graded::from).collect();
        let multipliers: Vec<Graded> = great.into_iter().zip(small).map(Graded::from).collect();
        let is_wrong = |(row, multiplier): (&usize, &Graded)| Some(*row) != self.facet && is_negative(multiplier);
        if rows.iter().zip(&multipliers).any(is_wrong) {
            return None;
        }
        for (is_one, coefficient) in self.basis.is_one.iter_mut().zip(&combination) {
            if coefficient.iter().any(|part| !part.is_zero()) {
                *is_one = !is_negative(coefficient);
            }
        }
        Some(Dual { denominator, inverse, multipliers, combination })
    }

    /// What a row counts in the sum of the multipliers.
    fn share(&self, row: usize) -> i32 {
        i32::from(Some(row) != self.facet)
    }

    /// The coefficients of a combination of the basis' rows.
    fn combine(&self, multipliers: &[BigInt]) -> Vec<BigInt> {
        let mut sums = vec![BigInt::zero(); self.basis.is_one.len()];
        for (&row, multiplier) in self.basis.rows.iter().zip(multipliers) {
            for (sum, coefficient) in sums.iter_mut().zip(&self.rows[row].coefficients) {
                *sum += coefficient * multiplier;
            }
        }
        sums
    }

    fn point(&self, dual: &Dual) -> Point {
        let Basis { rows, columns, .. } = &self.basis;
        // With the basis' columns at zero.
        let mut ends = self.basis.is_one.clone();
        columns.iter().for_each(|&column| ends[column] = false);
        let at_ends = |row: &ExactRow| -> BigInt {
            let ones = row.coefficients.iter().zip(&ends).filter(|&(_, &is_one)| is_one);
            ones.fold(row.constant.clone(), |sum, (coefficient, _)| sum + coefficient)
        };
        let constants: Vec<BigInt> = self.rows.iter().map(at_ends).collect();
        let solve = |line: &Vec<BigInt>| -> BigInt {
            -line.iter().zip(rows).map(|(entry, &row)| entry * &constants[row]).sum::<BigInt>()
        };
        let mut coordinates: Vec<BigInt> = dual.inverse.iter().map(solve).collect();
        let least = coordinates.pop().expect("the last line is the least row's");
        let value = |(row, constant): (&ExactRow, &BigInt)| {
            let terms = columns.iter().zip(&coordinates).map(|(&column, x)| &row.coefficients[column] * x);
            constant * &dual.denominator + terms.sum::<BigInt>()
        };
        let values = self.rows.iter().zip(&constants).map(value).collect();
        Point { coordinates, least, values }
    }

    /// Whether a point is one of those asked for.
    fn is_inside(&self, dual: &Dual, point: &Point) -> bool {
        let is_right = |(row, value): (usize, &BigInt)| match Some(row) == self.facet {
            true => value.is_zero(),
            false => value.is_positive(),
        };
        point.coordinates.iter().all(|x| !x.is_negative() && *x <= dual.denominator)
            && point.values.iter().enumerate().all(is_right)
    }

    /// What is farthest beyond a bound, or the first after a step that has gained nothing; `None` if nothing is.
    fn leaving(&self, dual: &Dual, point: &Point) -> Option<Leaving> {
        let columns = self.basis.columns.iter().zip(&point.coordinates).enumerate().filter_map(|(ix, (&column, x))| {
            let (amount, sign) = if x.is_negative() { (-x, -1) } else { (x - &dual.denominator, 1) };
            amount.is_positive().then_some((amount, Variable::Column(column), ix, sign))
        });
        let rows = point.values.iter().enumerate().filter_map(|(row, value)| {
            let (amount, sign) = match Some(row) == self.facet {
                true => (value.abs(), if value.is_positive() { -1 } else { 1 }),
                false => (&point.least - value, 1),
            };
            amount.is_positive().then_some((amount, Variable::Row(row), row, sign))
        });
        let all = columns.chain(rows);
        let (amount, variable, ix, sign) = match self.is_stuck {
            true => all.min_by_key(|beyond| beyond.1),
            false => all.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1))),
        }?;
        let multipliers = match variable {
            Variable::Column(_) => dual.inverse[ix].iter().map(|entry| entry * sign).collect(),
            Variable::Row(row) => self.against(dual, row, sign),
        };
        Some(Leaving { variable, amount, multipliers, sign })
    }

    /// How the multipliers of the basis' rows follow that of another row, so that its columns and their sum stay as they are.
    fn against(&self, dual: &Dual, row: usize, sign: i32) -> Vec<BigInt> {
        let columns = self.basis.columns.iter().map(|&column| self.rows[row].coefficients[column].clone());
        let entries: Vec<BigInt> = columns.chain([BigInt::from(-self.share(row))]).collect();
        let change = |ix: usize| -> BigInt {
            let terms = entries.iter().zip(&dual.inverse).map(|(entry, line)| entry * &line[ix]);
            terms.sum::<BigInt>() * -sign
        };
        (0..self.basis.rows.len()).map(change).collect()
    }

    /// How far multipliers can go: until one is zero, or the last of the coefficients that pass zero and leave a gain. `None` if forever.
    fn step(&self, dual: &Dual, leaving: Leaving) -> Option<Step> {
        let mut events = Vec::new();
        let basis = self.basis.rows.iter().zip(&dual.multipliers).zip(&leaving.multipliers);
        for ((&row, value), slope) in basis {
            if Some(row) != self.facet && slope.is_negative() {
                events.push(Event { value: value.clone(), slope: -slope, variable: Variable::Row(row) });
            }
        }
        let mut slopes = self.combine(&leaving.multipliers);
        if let Variable::Row(row) = leaving.variable {
            for (slope, coefficient) in slopes.iter_mut().zip(&self.rows[row].coefficients) {
                *slope += coefficient * &dual.denominator * leaving.sign;
            }
        }
        for (column, (slope, value)) in slopes.into_iter().zip(&dual.combination).enumerate() {
            let falls = if self.basis.is_one[column] { slope.is_negative() } else { slope.is_positive() };
            if falls && !self.basis.columns.contains(&column) {
                let value = value.each_ref().map(|part| if self.basis.is_one[column] { part.clone() } else { -part });
                events.push(Event { value, slope: slope.abs(), variable: Variable::Column(column) });
            }
        }
        events.sort_unstable_by(Event::cmp);
        let mut gain = leaving.amount.clone();
        let last = events.into_iter().find(|event| match event.variable {
            Variable::Row(_) => true,
            // Beyond, the coordinate is at the other end.
            Variable::Column(_) => {
                gain -= &event.slope;
                self.is_stuck || !gain.is_positive()
            }
        })?;
        Some(Step { leaving, entering: last.variable, gains: last.value.iter().any(|part| !part.is_zero()) })
    }

    fn take(&mut self, Step { leaving, entering, gains }: Step) {
        let Basis { rows, columns, is_one } = &mut self.basis;
        match leaving.variable {
            Variable::Column(column) => {
                columns.retain(|&c| c != column);
                is_one[column] = leaving.sign > 0;
            }
            Variable::Row(row) => rows.push(row),
        }
        match entering {
            Variable::Column(column) => columns.push(column),
            Variable::Row(row) => rows.retain(|&r| r != row),
        }
        self.is_stuck = !gains;
    }
}

#[cfg(test)]
mod tests {
    use num_rational::BigRational;
    use proptest::prelude::*;

    use super::*;

    fn row(coefficients: &[i64], constant: i64) -> ExactRow {
        ExactRow { coefficients: coefficients.iter().map(|&a| a.into()).collect(), constant: constant.into() }
    }

    fn interior(rows: &[ExactRow], facet: Option<usize>) -> bool {
        has_interior(rows, facet, None, &|| false).expect("not stopped")
    }

    #[test]
    fn thin_and_flat_polytopes_are_told_apart() {
        // x > 1/2 and x < 1/2 + 10^-18 has an interior, x < 1/2 has none.
        let huge = 1_000_000_000_000_000_000;
        let above = row(&[2], -1);
        assert!(interior(&[above.clone(), row(&[-huge], huge / 2 + 1)], None));
        assert!(!interior(&[above.clone(), row(&[-huge], huge / 2)], None));
        assert!(!interior(&[above, row(&[-2], 1)], None));
        // Only the corner (1, 1) has x + y >= 2.
        assert!(!interior(&[row(&[1, 1], -2)], None));
        assert!(interior(&[row(&[100, 100], -199)], None));
    }

    #[test]
    fn facets_have_an_interior_of_their_own() {
        let (x, y) = (row(&[1, 0], 0), row(&[0, 1], 0));
        let diagonal = row(&[1, -1], 0);
        assert!(interior(&[x, y, diagonal.clone()], Some(2)));
        assert!(!interior(&[row(&[1, -1], 0), diagonal.clone()], Some(1)));
        assert!(!interior(&[row(&[1, 1], -2), diagonal], Some(1)), "a point");
        assert!(!interior(&[row(&[1, 1], 1)], Some(0)), "outside of the cube");
        assert!(interior(&[row(&[1, 1], -2)], Some(0)), "at a corner");
        assert!(interior(&[row(&[4, 0], -1), row(&[2, 1], -1)], Some(0)));
    }

    /// Between hyperplanes through the centre of a cube, b1 < b2 < b3 < b1 + gap: every row depends on two others in all columns.
    #[test]
    fn dependent_rows_of_many_columns_are_decided() {
        let planes: Vec<Vec<i64>> = (0..3u32).map(|k| (0..200).map(|j| weight(200 * k + j)).collect()).collect();
        let between = |low: usize, high: usize, gap: i64| {
            let slope: Vec<i64> = planes[high].iter().zip(&planes[low]).map(|(b, a)| 2 * (b - a)).collect();
            row(&slope, 2 * gap - slope.iter().sum::<i64>() / 2)
        };
        for (gap, expected) in [(1, true), (0, false), (-1, false)] {
            let rows = [between(0, 1, 0), between(1, 2, 0), between(2, 0, gap)];
            assert_eq!(interior(&rows, None), expected, "{gap}");
            assert_eq!(interior(&rows, Some(2)), expected, "{gap}");
        }
    }

    /// A whole number of either sign below 10^12.
    fn weight(ix: u32) -> i64 {
        i64::from(ix.wrapping_mul(0x9e37_79b9) as i32) * 400 + i64::from(ix)
    }

    /// An affine function and whether it must be positive rather than not negative.
    type Inequality = (Vec<BigRational>, bool);

    /// Whether inequalities have a solution, by the elimination of Fourier and Motzkin; the constant is the last entry.
    fn have_solution(mut inequalities: Vec<Inequality>) -> bool {
        while inequalities[0].0.len() > 1 {
            let (lower, rest): (Vec<_>, Vec<_>) = inequalities.into_iter().partition(|(row, _)| row[0].is_positive());
            let (upper, level): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(row, _)| row[0].is_negative());
            let mut left: Vec<Inequality> = level;
            for (a, a_strict) in &lower {
                for (b, b_strict) in &upper {
                    left.push((a.iter().zip(b).map(|(x, y)| x / &a[0] - y / &b[0]).collect(), *a_strict || *b_strict));
                }
            }
            left.iter_mut().for_each(|(row, _)| drop(row.remove(0)));
            left.sort();
            left.dedup();
            if left.is_empty() {
                return true;
            }
            inequalities = left;
        }
        inequalities.iter().all(|(row, strict)| if *strict { row[0].is_positive() } else { !row[0].is_negative() })
    }

    fn by_elimination(rows: &[ExactRow], facet: Option<usize>) -> bool {
        let n = rows[0].coefficients.len();
        let rational = |value: &BigInt| BigRational::from(value.clone());
        let unit = |ix: usize, sign: i64, constant: i64| -> Inequality {
            let entry = |j: usize| BigRational::from(BigInt::from(if j == ix { sign } else { 0 }));
            ((0..n).map(entry).chain([BigRational::from(BigInt::from(constant))]).collect(), false)
        };
        let mut inequalities: Vec<Inequality> = (0..n).flat_map(|ix| [unit(ix, 1, 0), unit(ix, -1, 1)]).collect();
        for (ix, row) in rows.iter().enumerate() {
            let entries: Vec<_> = row.coefficients.iter().chain([&row.constant]).map(rational).collect();
            if facet == Some(ix) {
                inequalities.push((entries.iter().map(|entry| -entry).collect(), false));
            }
            inequalities.push((entries, facet != Some(ix)));
        }
        have_solution(inequalities)
    }

    fn rows_and_more() -> impl Strategy<Value = (Vec<ExactRow>, Option<usize>, Option<Basis>)> {
        (1usize..4, 1usize..6).prop_flat_map(|(n, m)| {
            // Small numbers touch often.
            let rows = prop::collection::vec((prop::collection::vec(-2i64..3, n), -3i64..4), m);
            let rows = rows.prop_map(|rows| rows.iter().map(|(a, b)| row(a, *b)).collect());
            let basis = (0..m.min(n + 1)).prop_flat_map(move |k| {
                let all = |n: usize| (0..n).collect::<Vec<_>>();
                let rows = prop::sample::subsequence(all(m), k + 1);
                let ends = prop::collection::vec(any::<bool>(), n);
                (rows, prop::sample::subsequence(all(n), k), ends).prop_map(|(rows, columns, is_one)| Basis {
                    rows,
                    columns,
                    is_one,
                })
            });
            (rows, prop::option::of(0..m), prop::option::of(basis))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]

        /// Any start gives the answer of another method.
        #[test]
        fn interiors_agree_with_elimination((rows, facet, start) in rows_and_more()) {
            prop_assert_eq!(has_interior(&rows, facet, start, &|| false).unwrap(), by_elimination(&rows, facet));
        }
    }
}
