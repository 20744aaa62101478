//! Small concave quadratic programs in multipliers that are at least 0: the active-set method of Lawson and Hanson (1974, chapter 23).

/// A program in a few multipliers `y`: the maximum of a quadratic function of them. Keeps its memory.
#[derive(Debug, Default)]
pub(super) struct Quadratic {
    /// Minus the second derivatives, one line per multiplier; only the lower half is read.
    pub(super) hessian: Vec<f64>,
    /// Multipliers to begin with, and those that were found.
    pub(super) solution: Vec<f64>,
    /// The slope at `y = 0`.
    linear: Vec<f64>,
    /// Multipliers that are not held at 0.
    passive: Vec<usize>,
    factor: Vec<f64>,
    wanted: Vec<f64>,
}

impl Quadratic {
    /// Improves the solution to the maximum over multipliers of at least 0, but for slopes up to `tolerance`; that of number `free` may
    /// have any sign. `slopes` are those at the solution so far; `ridge` is added to the diagonal.
    pub(super) fn maximise(
        &mut self,
        slopes: impl Iterator<Item = f64>,
        ridge: f64,
        free: Option<usize>,
        tolerance: f64,
    ) {
        self.linear.clear();
        self.linear.extend(slopes);
        let n = self.linear.len();
        for i in 0..n {
            self.hessian[i * n + i] += ridge;
        }
        for i in 0..n {
            self.linear[i] += (0..n).map(|j| self.entry(i, j) * self.solution[j]).sum::<f64>();
        }
        self.passive.clear();
        self.passive.extend(0..n);
        for _ in 0..5 * n + 10 {
            self.solve_passive(ridge);
            let falling = self.passive.iter().zip(&self.wanted).filter(|&(&i, &z)| z < 0.0 && Some(i) != free);
            let solution = &mut self.solution;
            let blocking =
                falling.map(|(&i, z)| (solution[i] / (solution[i] - z), i)).min_by(|a, b| a.0.total_cmp(&b.0));
            let step = blocking.map_or(1.0, |(step, _)| step);
            for (&i, wanted) in self.passive.iter().zip(&self.wanted) {
                solution[i] += step * (wanted - solution[i]);
                if Some(i) != free {
                    solution[i] = solution[i].max(0.0);
                }
            }
            if let Some((_, blocking)) = blocking {
                solution[blocking] = 0.0;
                self.passive.retain(|&i| Some(i) == free || solution[i] > 0.0);
                continue;
            }
            let held = (0..n).filter(|i| !self.passive.contains(i));
            match held.map(|i| (self.slope(i), i)).max_by(|a, b| a.0.total_cmp(&b.0)) {
                Some((slope, i)) if slope > tolerance => self.passive.push(i),
                _ => return,
            }
        }
    }

    fn entry(&self, i: usize, j: usize) -> f64 {
        entry(&self.hessian, self.linear.len(), i, j)
    }

    /// The slope by one multiplier.
    fn slope(&self, i: usize) -> f64 {
        self.linear[i] - self.solution.iter().enumerate().map(|(j, y)| self.entry(i, j) * y).sum::<f64>()
    }

    /// The maximum over passive multipliers of any sign, by a Cholesky factor.
    fn solve_passive(&mut self, ridge: f64) {
        let (m, n) = (self.passive.len(), self.linear.len());
        self.factor.clear();
        self.factor.resize(m * m, 0.0);
        self.wanted.clear();
        for i in 0..m {
            let (before, line) = self.factor.split_at_mut(i * m);
            for j in 0..i {
                let known = sum_of_products(&line[..j], &before[j * m..]);
                line[j] = (entry(&self.hessian, n, self.passive[i], self.passive[j]) - known) / before[j * m + j];
            }
            // Rounding may leave less than the ridge, or nothing.
            let rest = self.hessian[self.passive[i] * (n + 1)] - sum_of_products(&line[..i], &line[..i]);
            line[i] = rest.max(0.5 * ridge).sqrt();
            let known = sum_of_products(&line[..i], &self.wanted);
            self.wanted.push((self.linear[self.passive[i]] - known) / line[i]);
        }
        for i in (0..m).rev() {
            self.wanted[i] /= self.factor[i * m + i];
            let (wanted, rest) = self.wanted.split_at_mut(i);
            for (w, f) in wanted.iter_mut().zip(&self.factor[i * m..]) {
                *w -= f * rest[0];
            }
        }
    }
}

/// An entry of a symmetric matrix of which the lower half is there.
fn entry(hessian: &[f64], n: usize, i: usize, j: usize) -> f64 {
    hessian[i.max(j) * n + i.min(j)]
}

/// Of as many entries as `a` has.
fn sum_of_products(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    /// A concave program is solved exactly where no slope leads up: none at positive multipliers, none above 0 at those that are 0.
    #[test]
    fn no_slope_leads_up_from_the_solution() {
        let (mut held, mut negative) = (0, 0);
        for seed in 0..400u64 {
            let stream = Stream::new(seed, 0, 0);
            let number = |ix: usize| f64::from(stream.word(ix as u64)) / 2f64.powi(31) - 1.0;
            let n = 1 + seed as usize % 9;
            // Of lower rank than there are multipliers in every other program.
            let rank = if seed % 2 == 0 { n + 1 } else { n.div_ceil(2) };
            let rows: Vec<Vec<f64>> = (0..n).map(|i| (0..rank).map(|k| number(20 * i + k)).collect()).collect();
            let products = |i: usize, j: usize| rows[i].iter().zip(&rows[j]).map(|(a, b)| a * b).sum::<f64>();
            let slopes: Vec<f64> = (0..n).map(|i| number(1000 + i)).collect();
            let start: Vec<f64> = (0..n).map(|i| number(2000 + i).max(0.0)).collect();
            let free = (seed % 3 == 0).then_some(n - 1);
            let ridge = 1e-6;
            let mut program = Quadratic {
                hessian: (0..n * n)
                    .map(|ix| if ix % n <= ix / n { products(ix / n, ix % n) } else { f64::NAN })
                    .collect(),
                solution: start.clone(),
                ..Quadratic::default()
            };
            program.maximise(slopes.iter().copied(), ridge, free, 1e-9);
            for i in 0..n {
                let y = &program.solution;
                let bent: f64 = (0..n).map(|j| products(i, j) * (y[j] - start[j])).sum();
                // The ridge is felt from 0, not from the start.
                let slope = slopes[i] - bent - ridge * (y[i] - start[i]);
                let size = y.iter().fold(1.0, |m: f64, y| m.max(y.abs()));
                assert!(slope < 1e-8 * size, "seed {seed}: slope {slope} at {i} of {y:?}");
                if free == Some(i) {
                    negative += usize::from(y[i] < 0.0);
                } else {
                    assert!(y[i] >= 0.0, "seed {seed}");
                    held += usize::from(y[i] == 0.0);
                }
                if y[i] > 0.0 || free == Some(i) {
                    assert!(slope > -1e-8 * size, "seed {seed}: slope {slope} at {i} of {y:?}");
                }
            }
        }
        assert!(held > 500 && negative > 30, "{held} {negative}");
    }
}
