//! The end of the pipeline.

use super::block::Block;
use crate::engine::knots::Layers;

/// Counts boundaries and knots at the end of the pipeline.
#[derive(Debug)]
pub(super) struct Tally {
    layers: Layers,
    pub(super) boundaries: u64,
    pub(super) knots: u64,
    position: f64,
    /// Layers that are constant on the last interval of positive length.
    constant: u64,
    /// The boundary at `position`, if one is there.
    pending: Option<Boundary>,
}

#[derive(Debug)]
struct Boundary {
    /// Layers of which a unit changes piece, see [`Layers`].
    crossed: u64,
    /// Layers that are constant before it.
    constant: u64,
}

impl Tally {
    pub(super) fn new(layers: Layers) -> Self {
        Self { layers, boundaries: 0, knots: 0, position: 0.0, constant: 0, pending: None }
    }

    /// Forgets the path before.
    pub(super) fn reset(&mut self) {
        (self.boundaries, self.knots, self.position, self.constant, self.pending) = (0, 0, 0.0, 0, None);
    }

    pub(super) fn take<T>(&mut self, block: &Block<T>) {
        for row in 0..block.rows {
            if block.position[row] > self.position {
                self.position = block.position[row];
                self.constant = block.constant[row];
                self.settle();
            }
            if block.crossed[row] != 0 {
                let boundary = Boundary { crossed: 0, constant: self.constant };
                self.pending.get_or_insert(boundary).crossed |= block.crossed[row];
            }
        }
    }

    /// Counts the boundary that is pending, before the interval at hand.
    fn settle(&mut self) {
        if let Some(Boundary { crossed, constant }) = self.pending.take() {
            self.boundaries += 1;
            self.knots += u64::from(self.layers.is_knot(crossed, [constant, self.constant]));
        }
    }

    pub(super) fn finish(&mut self) {
        self.settle();
    }
}
