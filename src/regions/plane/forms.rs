//! Affine forms in f64 and values of them, with bounds on their rounding errors.

/// Products of magnitudes of at least this size do not vanish: an error bound is zero only where a form is exactly its constant.
pub(super) const FLOOR: f64 = 1e-150;
/// Covers the rounding of bounds themselves.
pub(super) const SLACK: f64 = 1.01;

/// Affine forms `a u + b v + c` of the units of a layer, and how far each may be from the exact one anywhere in the window.
#[derive(Clone, Debug, Default)]
pub(super) struct Forms {
    pub a: Vec<f64>,
    pub b: Vec<f64>,
    pub c: Vec<f64>,
    pub error: Vec<f64>,
}

impl Forms {
    pub(super) fn reset(&mut self, n: usize) {
        for values in [&mut self.a, &mut self.b, &mut self.c, &mut self.error] {
            values.clear();
            values.resize(n, 0.0);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.a.len()
    }

    /// The largest magnitude of a form in a window with coordinates up to `reach`.
    pub(super) fn magnitude(&self, ix: usize, reach: f64) -> f64 {
        (self.a[ix].abs() + self.b[ix].abs()) * reach + self.c[ix].abs()
    }
}

/// A value with a bound on its error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounded {
    pub value: f64,
    pub error: f64,
}

impl Bounded {
    /// The sign where it is certain.
    pub(super) fn sign(self) -> Option<i8> {
        match self.value {
            v if v > self.error => Some(1),
            v if v < -self.error => Some(-1),
            _ if self.error == 0.0 => Some(0),
            _ => None,
        }
    }
}

/// Bound on the relative rounding error of a sum of a bias and `n` products, in the sum of their magnitudes.
pub(super) fn dot_rounding(n: usize) -> f64 {
    (n + 2) as f64 * f64::EPSILON
}
