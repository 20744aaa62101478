//! What streams through the pipeline.

use crate::engine::cpu::real::Real;

/// Consecutive vertices of the path.
pub(crate) struct Block<T> {
    pub(super) width: usize,
    pub(super) rows: usize,
    /// Row-major: the input of the next stage at every vertex.
    pub(super) h: Vec<T>,
    /// Arc length.
    pub(super) position: Vec<f64>,
    /// Whether a unit of an earlier layer changes piece at the vertex.
    pub(super) boundary: Vec<bool>,
    /// Whether some earlier layer is constant between the vertex before and this one.
    pub(super) dead: Vec<bool>,
}

impl<T: Real> Block<T> {
    pub(crate) fn new(width: usize, capacity: usize) -> Self {
        Self {
            width,
            rows: 0,
            h: vec![T::default(); width * capacity],
            position: vec![0.0; capacity],
            boundary: vec![false; capacity],
            dead: vec![false; capacity],
        }
    }

    pub(crate) fn clear(&mut self) {
        self.rows = 0;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows == self.position.len()
    }

    /// Appends a vertex of the path itself.
    pub(crate) fn push_point(&mut self, point: &[f64], position: f64) {
        let row = &mut self.h[self.rows * self.width..][..self.width];
        row.iter_mut().zip(point).for_each(|(h, &x)| *h = T::from_f64(x));
        self.position[self.rows] = position;
        self.boundary[self.rows] = false;
        self.dead[self.rows] = false;
        self.rows += 1;
    }

    pub(super) fn row(&self, ix: usize) -> &[T] {
        &self.h[ix * self.width..][..self.width]
    }
}
