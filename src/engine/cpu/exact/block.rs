//! What streams through the pipeline.

use super::bends::Bend;
use crate::engine::cpu::affine::Rows;
use crate::engine::cpu::real::Real;

/// Consecutive vertices of the path.
pub(crate) struct Block<T> {
    pub(super) width: usize,
    pub(super) kept_width: usize,
    pub(super) rows: usize,
    /// Row-major: the input of the next stage at every vertex.
    pub(super) h: Vec<T>,
    /// Row-major: the values from before it that the next stages add.
    pub(super) kept: Vec<T>,
    /// Arc length.
    pub(super) position: Vec<f64>,
    /// Earlier layers of which a unit changes piece at the vertex, see [`Layers`](crate::engine::knots::Layers).
    pub(super) crossed: Vec<u64>,
    /// Earlier layers that are constant between the vertex before and this one.
    pub(super) constant: Vec<u64>,
    /// Of a vertex with bends, which the stage before has inserted between two others, the fraction of their interval that it is at.
    pub(super) places: Vec<Option<T>>,
    /// In the order of rows.
    pub(super) bends: Vec<Bend<T>>,
}

impl<T: Real> Block<T> {
    pub(crate) fn new(width: usize, kept_width: usize, capacity: usize) -> Self {
        Self {
            width,
            kept_width,
            rows: 0,
            h: vec![T::default(); width * capacity],
            kept: vec![T::default(); kept_width * capacity],
            position: vec![0.0; capacity],
            crossed: vec![0; capacity],
            constant: vec![0; capacity],
            places: vec![None; capacity],
            bends: Vec::new(),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.rows = 0;
        self.bends.clear();
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows == self.position.len()
    }

    /// Appends a vertex of the path itself.
    pub(crate) fn push_point(&mut self, point: &[f64], position: f64) {
        let row = &mut self.h[self.rows * self.width..][..self.width];
        row.iter_mut().zip(point).for_each(|(h, &x)| *h = T::from_f64(x));
        self.position[self.rows] = position;
        self.crossed[self.rows] = 0;
        self.constant[self.rows] = 0;
        self.places[self.rows] = None;
        self.rows += 1;
    }

    /// The values and those kept, of some rows or of all.
    pub(super) fn rows<'a>(&'a self, picked: Option<&'a [usize]>) -> [Rows<'a, T>; 2] {
        [(&self.h, self.width), (&self.kept, self.kept_width)].map(|(values, stride)| Rows { values, stride, picked })
    }

    pub(super) fn row(&self, ix: usize) -> &[T] {
        &self.h[ix * self.width..][..self.width]
    }
}
