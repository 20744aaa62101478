//! The columns in which linear programs are posed: the inputs, moved and scaled exactly, and one column for constants.

use super::Domain;

/// Every affine function of the input is a row over `dim` columns: its coefficients, and its constant as the coefficient of the
/// last column.
///
/// In a box the last column is fixed at 1. On all of R^n rows are homogeneous: the cone over a region, cut off by -1 <= x <= 1 and
/// 0 <= s <= 1, has an interior exactly if the region has one, so that R^n becomes a box of one more dimension.
///
/// Input j is `origin[j] + 2^exponent[j] w[j]`. The scale, a power of two, and the origin, 0 or an end of the box, make the ends of
/// `w[j]` exact.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    /// Largest magnitude in each column.
    pub(crate) magnitude: Vec<f64>,
    origin: Vec<f64>,
    scale: Vec<f64>,
}

/// What an input adds to a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Added {
    /// Its largest magnitude over the domain.
    pub(crate) size: f64,
    /// Whether the row has no error by it.
    pub(crate) is_exact: bool,
}

impl Frame {
    pub(crate) fn new(domain: &Domain, n_inputs: usize) -> Self {
        let mut frame =
            Self { lower: vec![], upper: vec![], magnitude: vec![], origin: vec![0.0; n_inputs], scale: vec![] };
        for input in 0..n_inputs {
            let (mut lo, mut hi) = match domain {
                Domain::Everywhere => (-1.0, 1.0),
                Domain::Box { lower, upper } => (lower[input], upper[input]),
            };
            // Far from zero the ends differ by an exact number.
            if lo > 0.0 && hi <= 2.0 * lo {
                (lo, hi, frame.origin[input]) = (0.0, hi - lo, lo);
            } else if hi < 0.0 && lo >= 2.0 * hi {
                (lo, hi, frame.origin[input]) = (lo - hi, 0.0, hi);
            }
            let scale = power_of_two(lo.abs().max(hi.abs()));
            frame.push(lo / scale, hi / scale);
            frame.scale.push(scale);
        }
        match domain {
            Domain::Everywhere => frame.push(0.0, 1.0),
            Domain::Box { .. } => frame.push(1.0, 1.0),
        }
        frame
    }

    fn push(&mut self, lower: f64, upper: f64) {
        self.lower.push(lower);
        self.upper.push(upper);
        self.magnitude.push(lower.abs().max(upper.abs()));
    }

    /// Number of columns: the inputs and one more.
    pub(crate) fn dim(&self) -> usize {
        self.lower.len()
    }

    /// Adds a multiple of an input to a row.
    pub(crate) fn add_input(&self, weight: f64, input: usize, row: &mut [f64]) -> Added {
        let coefficient = weight * self.scale[input];
        let moved = weight * self.origin[input];
        let was_empty = row[input] == 0.0;
        row[input] += coefficient;
        row[self.dim() - 1] += moved;
        // A product by a power of two is exact unless it leaves the range of normal numbers.
        let is_exact = was_empty && moved == 0.0 && (weight == 0.0 || coefficient.abs() >= f64::MIN_POSITIVE);
        Added { size: coefficient.abs() * self.magnitude[input] + moved.abs(), is_exact }
    }

    /// The largest magnitude of an input.
    pub(crate) fn reach(&self, input: usize) -> f64 {
        self.magnitude[input] * self.scale[input] + self.origin[input].abs()
    }

    /// The largest value of a row over the domain, by ordinary arithmetic.
    pub(crate) fn largest(&self, row: &[f64]) -> f64 {
        let ends = self.lower.iter().zip(&self.upper);
        row.iter().zip(ends).map(|(&a, (&lo, &hi))| if a > 0.0 { a * hi } else { a * lo }).sum()
    }

    /// The sum of magnitudes of a row over the domain, rounded up.
    pub(crate) fn norm(&self, row: &[f64]) -> f64 {
        let sum: f64 = row.iter().zip(&self.magnitude).map(|(a, x)| a.abs() * x).sum();
        sum * (1.0 + 2.0 * gamma(self.dim() + 1))
    }
}

/// A bound on the relative error of `n` roundings in a row (Higham 2002, Lemma 3.1), itself rounded up.
pub(crate) fn gamma(n: usize) -> f64 {
    let nu = n as f64 * 0.5 * f64::EPSILON;
    1.01 * nu / (1.0 - nu)
}

/// A power of two within a factor of two of a positive number, for numbers of ordinary size.
pub(crate) fn power_of_two(x: f64) -> f64 {
    2f64.powi((x.log2().floor() as i32).clamp(-1000, 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_boxes_are_moved_exactly() {
        let domain = Domain::new_box(vec![1000.0, -3.0, 0.0, -1e-5], vec![1000.5, -2.0, 4.0, 1e-5]).unwrap();
        let frame = Frame::new(&domain, 4);
        assert_eq!(frame.origin, [1000.0, -2.0, 0.0, 0.0]);
        for (column, sides) in [(0.0, 0.5), (-1.0, 0.0), (0.0, 4.0), (-1e-5, 1e-5)].into_iter().enumerate() {
            let scale = frame.scale[column];
            assert_eq!((frame.lower[column] * scale, frame.upper[column] * scale), sides);
            assert!((1.0..=2.0).contains(&frame.magnitude[column]), "{}", frame.magnitude[column]);
        }
        assert_eq!((frame.lower[4], frame.upper[4]), (1.0, 1.0));
    }
}
