//! What the device says of paths.

use super::step::{Entry, Source};
use crate::engine::PathCounts;

/// What the device says of one path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The first layer whose pre-activations left the range of f32.
    pub(super) failed_layer: Option<usize>,
    /// Rows that a layer had no room for.
    pub(super) needed: Option<usize>,
    pub(super) boundaries: u64,
    pub(super) knots: Option<u64>,
    /// Of each layer.
    pub(super) crossings: Vec<u64>,
    /// Rows before the first layer and after each.
    pub(super) rows: Vec<usize>,
}

impl Outcome {
    /// The counts of a path of this length.
    pub(super) fn counts(&self, length: f64) -> PathCounts {
        PathCounts { length, crossings: self.crossings.clone(), boundaries: self.boundaries, knots: self.knots }
    }

    /// Joins what the passes over a grid found.
    pub(super) fn add(&mut self, other: Self) {
        self.failed_layer = match (self.failed_layer, other.failed_layer) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.needed = self.needed.max(other.needed);
        self.boundaries += other.boundaries;
        // Only the exact method, of one pass, has them.
        self.knots = other.knots;
        self.crossings.resize(other.crossings.len(), 0);
        self.crossings.iter_mut().zip(other.crossings).for_each(|(sum, n)| *sum += n);
        self.rows = other.rows;
    }
}

/// What one layer did on one path.
pub(super) struct LayerLog {
    pub(super) entries: Vec<Entry>,
    pub(super) sources: Vec<Source>,
}
