//! The end of the pipeline.

use super::block::Block;

/// Counts boundaries and knots at the end of the pipeline.
///
/// A boundary is a knot unless on both sides of it some layer is constant along the path: then the output is constant on both
/// sides. With continuous weight laws nothing else can hide a kink but with probability zero.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) boundaries: u64,
    pub(super) knots: u64,
    position: f64,
    /// Whether the output is constant on the last interval of positive length.
    dead: bool,
    /// The boundary at `position`, if one is there: whether the output is constant before it.
    pending: Option<bool>,
}

impl Tally {
    pub(super) fn take<T>(&mut self, block: &Block<T>) {
        for row in 0..block.rows {
            if block.position[row] > self.position {
                self.position = block.position[row];
                self.dead = block.dead[row];
                self.settle(self.dead);
            }
            if block.boundary[row] && self.pending.is_none() {
                self.pending = Some(self.dead);
            }
        }
    }

    fn settle(&mut self, dead_after: bool) {
        if let Some(dead_before) = self.pending.take() {
            self.boundaries += 1;
            self.knots += u64::from(!(dead_before && dead_after));
        }
    }

    pub(super) fn finish(&mut self) {
        self.settle(self.dead);
    }
}
