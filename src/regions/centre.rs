//! Points near the centre of the domain, for polytopes in many dimensions with few rows.
//!
//! The point of the domain nearest to its centre at which every row is at least a target is the centre plus a combination of rows with
//! multipliers of at least 0, clipped to the domain. The multipliers maximise the dual, a concave function made of quadratic pieces; its
//! slopes are what the rows lack at the point. They are found by a semismooth Newton method (Qi and Sun 1993; Mangasarian 2004 solves
//! linear programs in this way): the quadratic piece at hand is maximised with signs respected, and then a search along the line there
//! looks at all pieces. It starts from the multipliers of the parent polytope and mostly needs two or three passes over the rows. A row
//! asked to be 0, for a facet, has a multiplier of any sign.
//!
//! If the rows contradict each other the multipliers grow, until the combination is negative on the whole domain. Neither answer is
//! certain, for everything is subject to rounding: both are checked with the rows, and there is a linear program where they do not hold.

use std::sync::atomic::{AtomicBool, Ordering};

use super::frame::Frame;
use super::panel::Panel;
use super::quadratic::Quadratic;
use super::vector::dot;

/// What rows of norm 1 to 2 are to be.
const TARGET: f64 = 1e-5;

/// What is good enough: far above the rounding errors with which points are checked.
const ACCEPTED: f64 = 1e-7;

/// What a row may be off 0 on a facet, beside others that are more than half of their targets.
const OFF_FACET: f64 = 1e-7;

/// Added to squares of rows, which are at least about one over the number of columns, times that number: dependent rows have a largest
/// multiplier then.
const RIDGE: f64 = 1e-10;

/// Steps after which a search is given up.
const STEPS: usize = 40;

/// Slope along a line, as a fraction of its first one, at which the line is left.
const FLAT: f64 = 0.1;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// A point.
    Point,
    /// Multipliers of a combination that is nowhere positive.
    Contradiction,
    /// Neither.
    Unknown,
}

/// The rows of a polytope, relative to the centre of the domain, and the state of a search.
#[derive(Debug)]
pub(crate) struct Centre {
    centre: Vec<f64>,
    /// The columns that are not fixed, in which the rows are kept.
    columns: Vec<usize>,
    /// Half the domain's width in these.
    half: Vec<f64>,
    panel: Panel,
    /// The rows' values at the centre.
    offsets: Vec<f64>,
    ridge: f64,
    multipliers: Vec<f64>,
    /// The combination of rows by their multipliers, and the same clipped to the domain: the point, relative to the centre.
    pull: Vec<f64>,
    moved: Vec<f64>,
    products: Vec<f64>,
    slopes: Vec<f64>,
    /// The dual's quadratic piece, for the rows with a multiplier or that ask for one; its maximum, and the changes that lead there.
    piece: Quadratic,
    active: Vec<usize>,
    best: Vec<f64>,
    changes: Vec<(usize, f64)>,
    sweep: Vec<f64>,
}

impl Centre {
    pub(crate) fn new(frame: &Frame) -> Self {
        let ends = || frame.lower.iter().zip(&frame.upper);
        let columns: Vec<usize> = (0..frame.dim()).filter(|&j| frame.lower[j] < frame.upper[j]).collect();
        let panel = Panel::new(columns.len());
        let padded = || vec![0.0; panel.stride()];
        let mut half = padded();
        half.iter_mut().zip(&columns).for_each(|(half, &j)| *half = 0.5 * (frame.upper[j] - frame.lower[j]));
        Self {
            centre: ends().map(|(lo, hi)| 0.5 * (lo + hi)).collect(),
            ridge: RIDGE / frame.dim() as f64,
            columns,
            half,
            pull: padded(),
            moved: padded(),
            sweep: padded(),
            panel,
            offsets: Vec::new(),
            multipliers: Vec::new(),
            products: Vec::new(),
            slopes: Vec::new(),
            piece: Quadratic::default(),
            active: Vec::new(),
            best: Vec::new(),
            changes: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, row: &[f64]) {
        self.offsets.push(dot(row, &self.centre));
        self.panel.push(self.columns.iter().map(|&j| row[j]));
    }

    pub(crate) fn pop(&mut self) {
        self.offsets.pop();
        self.panel.pop();
    }

    /// The multipliers with which the last search ended.
    pub(crate) fn multipliers(&self) -> &[f64] {
        &self.multipliers
    }

    /// Looks for a point of the domain at which all rows are positive, but that of number `facet`, which is to be 0, and writes it.
    /// `start` has multipliers of the first rows. A set `stop` ends the search.
    pub(crate) fn guess(
        &mut self,
        frame: &Frame,
        start: &[f64],
        facet: Option<usize>,
        stop: &AtomicBool,
        point: &mut Vec<f64>,
    ) -> Guess {
        self.multipliers.clear();
        self.multipliers.extend_from_slice(start);
        self.multipliers.resize(self.panel.len(), 0.0);
        self.changes.clear();
        self.changes.extend(self.multipliers.iter().copied().enumerate().filter(|(_, y)| *y != 0.0));
        self.panel.combine(&self.changes, &mut self.pull);
        let guess = self.ascend(facet, stop);
        if guess == Guess::Point {
            point.clone_from(&self.centre);
            for (&j, moved) in self.columns.iter().zip(&self.moved) {
                point[j] = (point[j] + moved).clamp(frame.lower[j], frame.upper[j]);
            }
        }
        guess
    }

    fn ascend(&mut self, facet: Option<usize>, stop: &AtomicBool) -> Guess {
        for _ in 0..STEPS {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let spread = self.panel.clip(&self.pull, &self.half, &mut self.moved);
            if is_contradiction(&self.multipliers, &self.offsets, spread) {
                return Guess::Contradiction;
            }
            self.panel.products(&self.moved, &mut self.products);
            if self.is_inside(facet) {
                return Guess::Point;
            }
            self.slopes.clear();
            for (i, (offset, product)) in self.offsets.iter().zip(&self.products).enumerate() {
                self.slopes.push(target(facet, i) - offset - product - self.ridge * self.multipliers[i]);
            }
            self.maximise_piece(facet);
            let there = self.panel.along(&self.pull, &self.sweep, &self.half, 1.0);
            if is_contradiction(&self.best, &self.offsets, there.spread) {
                self.multipliers.clone_from(&self.best);
                return Guess::Contradiction;
            }
            if !self.search_line(facet) {
                return Guess::Unknown;
            }
        }
        Guess::Unknown
    }

    /// Whether the point is good enough.
    fn is_inside(&self, facet: Option<usize>) -> bool {
        let values = self.offsets.iter().zip(&self.products).map(|(offset, product)| offset + product);
        match facet {
            None => values.into_iter().all(|value| value > ACCEPTED),
            Some(facet) => values
                .enumerate()
                .all(|(i, value)| if i == facet { value.abs() < OFF_FACET } else { value > 0.5 * TARGET }),
        }
    }

    /// Writes the best multipliers of the quadratic piece, the changes to them and the sum of rows by these.
    fn maximise_piece(&mut self, facet: Option<usize>) {
        let Self { panel, piece, active, multipliers, best, .. } = self;
        active.clear();
        let moves = |&i: &usize| multipliers[i] > 0.0 || self.slopes[i] > 0.0 || facet == Some(i);
        active.extend((0..multipliers.len()).filter(moves));
        panel.gram(active, &self.pull, &self.half, &mut piece.hessian);
        piece.solution.clear();
        piece.solution.extend(active.iter().map(|&i| multipliers[i]));
        let slopes = active.iter().map(|&i| self.slopes[i]);
        let free = active.iter().position(|&i| facet == Some(i));
        piece.maximise(slopes, self.ridge, free, 0.5 * TARGET);
        best.clone_from(multipliers);
        self.changes.clear();
        for (&i, &y) in active.iter().zip(&piece.solution) {
            if y != multipliers[i] {
                self.changes.push((i, y - multipliers[i]));
                best[i] = y;
            }
        }
        panel.combine(&self.changes, &mut self.sweep);
    }

    /// Goes towards the best multipliers while the dual rises. `false` if it does not.
    fn search_line(&mut self, facet: Option<usize>) -> bool {
        let first: f64 = self.changes.iter().map(|&(i, change)| change * self.slopes[i]).sum();
        if first.is_nan() || first <= 0.0 {
            return false;
        }
        let (mut constant, mut damping) = (0.0, 0.0);
        for &(i, change) in &self.changes {
            constant += change * (target(facet, i) - self.offsets[i] - self.ridge * self.multipliers[i]);
            damping += self.ridge * change * change;
        }
        let (mut low, mut high, mut step) = (0.0, 1.0, 1.0);
        // The slope falls: Newton's method within what is known.
        for _ in 0..STEPS {
            let at = self.panel.along(&self.pull, &self.sweep, &self.half, step);
            let slope = constant - damping * step - at.product;
            if slope.abs() <= FLAT * first || (slope >= 0.0 && step == 1.0) {
                break;
            }
            if slope > 0.0 {
                low = step
            } else {
                high = step
            }
            let newton = step + slope / (at.derivative + damping);
            step = match newton {
                _ if low < newton && newton < high => newton,
                // Steps to contradictions may be too long by orders of magnitude.
                _ if low == 0.0 => 0.1 * high,
                _ => 0.5 * (low + high),
            };
        }
        if step == 1.0 {
            self.multipliers.clone_from(&self.best);
        } else {
            self.changes.iter().for_each(|&(i, change)| self.multipliers[i] += step * change);
        }
        self.pull.iter_mut().zip(&self.sweep).for_each(|(pull, sweep)| *pull += step * sweep);
        true
    }
}

fn target(facet: Option<usize>, row: usize) -> f64 {
    if facet == Some(row) { 0.0 } else { TARGET }
}

/// Whether a combination of rows seems negative on the whole domain; `spread` is the most by which it exceeds its value at the centre.
fn is_contradiction(multipliers: &[f64], offsets: &[f64], spread: f64) -> bool {
    let size: f64 = multipliers.iter().map(|y| y.abs()).sum();
    // Sums of a thousand terms are as wrong as this.
    size > 0.0 && dot(multipliers, offsets) + spread < -1e-11 * size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use crate::regions::Domain;
    use crate::regions::exact::{ExactRow, has_interior};

    static GO_ON: AtomicBool = AtomicBool::new(false);

    fn centre(rows: &[[f64; 4]]) -> (Frame, Centre) {
        let frame = Frame::new(&Domain::new_box(vec![-1.0; 3], vec![1.0; 3]).unwrap(), 3);
        let mut centre = Centre::new(&frame);
        rows.iter().for_each(|row| centre.push(row));
        (frame, centre)
    }

    fn is_near(a: &[f64], b: &[f64]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4)
    }

    #[test]
    fn points_and_contradictions_are_found() {
        // x + y >= 1 and x - y >= 0: the nearest point is (1/2, 1/2, 0).
        let (frame, mut pair) = centre(&[[1.0, 1.0, 0.0, -1.0], [1.0, -1.0, 0.0, 0.0]]);
        let mut point = Vec::new();
        assert_eq!(pair.guess(&frame, &[], None, &GO_ON, &mut point), Guess::Point);
        assert!(is_near(&point, &[0.5, 0.5, 0.0, 1.0]), "{point:?}");
        // On x + y = 1 without the other row, from beyond it.
        pair.pop();
        pair.push(&[1.0, 0.0, 0.0, -0.75]);
        assert_eq!(pair.guess(&frame, &[3.0], Some(0), &GO_ON, &mut point), Guess::Point);
        assert!(is_near(&point, &[0.75, 0.25, 0.0, 1.0]) && (point[0] + point[1] - 1.0).abs() < 1e-6, "{point:?}");
        // Beyond the box in x alone, but not together with y.
        let (frame, mut far) = centre(&[[1.0, 0.9, 0.0, -1.83], [0.0, 0.0, 1.0, -0.5]]);
        assert_eq!(far.guess(&frame, &[], None, &GO_ON, &mut point), Guess::Point);
        assert!(point[0] <= 1.0 && point[0] + 0.9 * point[1] > 1.83 && point[2] > 0.5, "{point:?}");
        // x > 0.2, y > 0.2, x + y < 0.3.
        let rows = [[1.0, 0.0, 0.0, -0.2], [0.0, 1.0, 0.0, -0.2], [-1.0, -1.0, 0.0, 0.3]];
        let (frame, mut three) = centre(&rows);
        let is_shown = |y: &[f64]| y[0] > 0.0 && y.iter().all(|v| (v / y[0] - 1.0).abs() < 1e-3);
        assert_eq!(three.guess(&frame, &[], None, &GO_ON, &mut point), Guess::Contradiction);
        assert!(is_shown(three.multipliers()), "{:?}", three.multipliers());
        let (_, mut two) = centre(&rows[..2]);
        assert_eq!(two.guess(&frame, &[], None, &GO_ON, &mut point), Guess::Point);
        assert_eq!(three.guess(&frame, two.multipliers(), None, &GO_ON, &mut point), Guess::Contradiction);
        assert!(is_shown(three.multipliers()), "from the parent's: {:?}", three.multipliers());
        // x > 1 is nowhere in the box; x = 1 with y > 0.2 is a facet of nothing.
        let (frame, mut edge) = centre(&[[1.0, 0.0, 0.0, -1.0], [0.0, 1.0, 0.0, -0.2]]);
        assert_ne!(edge.guess(&frame, &[], None, &GO_ON, &mut point), Guess::Point);
    }

    /// Whole numbers from -8 to 8, over 8.
    fn eighths(word: u32) -> f64 {
        f64::from(word % 129) / 8.0 - 8.0
    }

    /// Rows added one by one, and facets on two of them, against whole numbers.
    #[test]
    fn answers_are_those_of_whole_numbers() {
        // By answer, of polytopes and of facets.
        let mut seen = [[0; 3]; 2];
        for seed in 0..150u64 {
            let n = [3, 16, 20, 33][seed as usize % 4];
            let frame = Frame::new(&Domain::new_box(vec![-1.0; n], vec![1.0; n]).unwrap(), n);
            let mut centre = Centre::new(&frame);
            let stream = Stream::new(seed, 0, 0);
            let (mut rows, mut exact) = (Vec::<Vec<f64>>::new(), Vec::new());
            let (mut start, mut point) = (Vec::new(), Vec::new());
            for r in 0..2 * n {
                let mut whole: Vec<f64> = (0..=n).map(|j| eighths(stream.word((r * (n + 1) + j) as u64))).collect();
                // Rows that depend on others, as those of later layers do.
                if r % 3 == 2 {
                    whole = exact_sum(&rows[r - 1], &rows[r - 2], whole[0]);
                }
                let scale = 1.0 / (32.0 * n as f64);
                centre.push(&whole.iter().map(|a| a * scale).collect::<Vec<f64>>());
                let eight = |a: f64| num_bigint::BigInt::from((8.0 * a) as i64);
                // Over the unit cube: x = 2 w - 1.
                let constant = eight(whole[n]) - whole[..n].iter().map(|&a| eight(a)).sum::<num_bigint::BigInt>();
                exact.push(ExactRow { coefficients: whole[..n].iter().map(|&a| 2 * eight(a)).collect(), constant });
                rows.push(whole);
                let mut reaches = false;
                for (kind, facet) in [None, Some(r / 2), Some(r)].into_iter().enumerate() {
                    let is_there = has_interior(&exact, facet, None, &|| false).unwrap();
                    let guess = centre.guess(&frame, &start, facet, &GO_ON, &mut point);
                    seen[kind.min(1)][guess as usize] += 1;
                    let values: Vec<f64> = rows.iter().map(|row| dot(row, &point)).collect();
                    match guess {
                        Guess::Point => {
                            assert!(is_there, "seed {seed}, {r} rows, facet {facet:?}");
                            assert!(point[..n].iter().all(|x| x.abs() <= 1.0));
                            for (i, &value) in values.iter().enumerate() {
                                let is_good = if facet == Some(i) { value.abs() < 1e-3 } else { value > 0.0 };
                                assert!(is_good, "seed {seed}, {r} rows, facet {facet:?}: {values:?}");
                            }
                        }
                        Guess::Contradiction => assert!(!is_there, "seed {seed}, {r} rows, facet {facet:?}"),
                        Guess::Unknown => {}
                    }
                    if facet.is_none() {
                        reaches = is_there;
                        start = centre.multipliers().to_vec();
                    }
                    if !reaches {
                        break;
                    }
                }
                if !reaches {
                    break;
                }
            }
        }
        let [polytopes, facets] = seen;
        assert!(polytopes[..2].iter().chain(&facets[..2]).all(|&n| n > 30), "{seen:?}");
        assert!(polytopes[2] + facets[2] <= 5, "{seen:?}");
    }

    /// Half the sum of two rows, in eighths, and a constant.
    fn exact_sum(a: &[f64], b: &[f64], constant: f64) -> Vec<f64> {
        let mut sum: Vec<f64> = a.iter().zip(b).map(|(a, b)| -((a + b) * 4.0).trunc() / 8.0).collect();
        if let Some(last) = sum.last_mut() {
            *last += constant;
        }
        sum
    }
}
