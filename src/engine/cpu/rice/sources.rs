//! What the layers of a network get at some points.

use super::super::activate::Activate;
use super::super::halt::Halt;
use super::super::real::{AllFinite, Real};
use super::slopes::Differentiate;
use crate::rice::Points;

/// The network's inputs, then the outputs of every layer, as long as they are needed: values at all points, then derivatives.
pub(super) struct Sources<T> {
    rows: Vec<Vec<T>>,
    /// What sources that are no longer needed were in.
    spare: Vec<Vec<T>>,
}

impl<T: Real> Sources<T> {
    /// Those of a network of so many layers.
    pub(super) fn new(depth: usize) -> Self {
        Self { rows: vec![Vec::new(); depth + 1], spare: Vec::new() }
    }

    pub(super) fn rows(&self) -> &[Vec<T>] {
        &self.rows
    }

    /// Puts the points themselves in place of all that was there.
    pub(super) fn start(&mut self, points: &Points) -> Result<(), Halt> {
        let mut inputs = self.room(&[]);
        inputs.clear();
        inputs.extend(points.x.iter().chain(&points.direction).map(|&x| T::from_f64(x)));
        if !pulp::Arch::new().dispatch(AllFinite(&inputs)) {
            return Err(Halt::Overflow { layer: 0 });
        }
        self.rows[0] = inputs;
        Ok(())
    }

    /// Adds `len` outputs of layer `ix` (from 0), whose pre-activations are `z`, and keeps no others than these.
    pub(super) fn activate(&mut self, ix: usize, activation: &Activate<T>, z: &[T], len: usize, kept: &[usize]) {
        let mut h = self.room(kept);
        h.resize(len, T::default());
        pulp::Arch::new().dispatch(Differentiate { activation, z, h: &mut h });
        self.rows[ix + 1] = h;
    }

    /// The memory of a source that is no longer kept.
    fn room(&mut self, kept: &[usize]) -> Vec<T> {
        let others = self.rows.iter_mut().enumerate().filter(|(source, h)| !h.is_empty() && !kept.contains(source));
        self.spare.extend(others.map(|(_, h)| std::mem::take(h)));
        self.spare.pop().unwrap_or_default()
    }
}
