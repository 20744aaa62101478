//! What streams through the pipeline.

use super::bends::Bend;
use crate::engine::cpu::affine::Rows;
use crate::engine::cpu::real::Real;

/// Where a source of values is in a block.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// The inputs of the layer.
    Inputs,
    /// Among the values kept, from this one on.
    Kept(usize),
}

impl Place {
    pub(super) fn among<'a, T>(self, [inputs, kept]: [Rows<'a, T>; 2]) -> Rows<'a, T> {
        match self {
            Self::Inputs => inputs,
            Self::Kept(at) => Rows { values: &kept.values[at..], ..kept },
        }
    }
}

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
    /// Row-major, where units tell which boundaries are knots: whether a value of `h` has a kink at the vertex, and one of `kept`. Nothing is
    /// known of vertices that are no boundaries, where none has.
    pub(super) kinks: Vec<u8>,
    pub(super) kept_kinks: Vec<u8>,
    /// How many of both are in a row, see [`Joined`](super::connected::Joined).
    pub(super) kink_widths: [usize; 2],
}

impl<T: Real> Block<T> {
    /// Room for so many values a row and kept ones, and kinks of both.
    pub(crate) fn new([width, kept_width]: [usize; 2], kink_widths: [usize; 2], capacity: usize) -> Self {
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
            kinks: vec![0; kink_widths[0] * capacity],
            kept_kinks: vec![0; kink_widths[1] * capacity],
            kink_widths,
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

    /// Whether they have kinks.
    pub(super) fn kinks(&self) -> [Rows<'_, u8>; 2] {
        let [width, kept_width] = self.kink_widths;
        [(&self.kinks, width), (&self.kept_kinks, kept_width)].map(|(values, stride)| Rows {
            values,
            stride,
            picked: None,
        })
    }

    pub(super) fn row(&self, ix: usize) -> &[T] {
        &self.h[ix * self.width..][..self.width]
    }
}
