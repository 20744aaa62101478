//! The exact method: a pipeline with one stage per hidden layer, through which vertices stream in blocks.
//!
//! A stage takes blocks of vertices, computes its pre-activations with one matrix product (those of vertices that the stage before has
//! inserted follow without one), inserts a new vertex wherever a unit crosses a breakpoint, and passes the activations on to the next stage as soon as a block of them is full. So memory
//! does not grow with the number of vertices, and blocks stay in the cache.
//!
//! A vertex is passed on only when the next one is known: whether a unit that is exactly on its breakpoint at a vertex changes
//! piece there depends on both neighbours. So a stage carries the last two vertices from block to block.

mod bends;
mod block;
mod connected;
mod groups;
mod kinks;
mod patterns;
mod rows;
mod stage;
mod tally;
mod units;

use std::sync::atomic::AtomicBool;

pub(super) use self::block::Block;
use self::kinks::Kinks;
use self::stage::{Pass, Stage};
use self::tally::Tally;
use super::halt::{Halt, check};
use super::real::Real;
use crate::engine::knots::Layers;
use crate::network::{AffineWeights, Architecture};
use crate::trace::Crossing;

/// Bytes that a layer takes to follow kinks, where units tell which boundaries are knots, in blocks of so many rows.
pub(super) fn bytes_for_kinks(architecture: &Architecture, layer: usize, rows: u128) -> u128 {
    match Layers::new(architecture) {
        Layers::Chain | Layers::Skips(_) => 0,
        Layers::Units => Kinks::<f32>::bytes(architecture, layer, rows),
    }
}

/// The stages of a network with the tally at their end. Blocks go down as they fill; no stage calls another, so depth is
/// not limited by the stack.
pub(crate) struct Pipeline<T> {
    stages: Vec<Stage<T>>,
    tally: Tally,
}

impl<T: Real> Pipeline<T> {
    /// For blocks of so many rows.
    pub(crate) fn new(architecture: &Architecture, rows: usize) -> Self {
        let layers = Layers::new(architecture);
        let stages = (0..architecture.depth()).map(|l| Stage::new(architecture, l, &layers, rows)).collect();
        Self { stages, tally: Tally::new(layers) }
    }

    /// Forgets the path before. With `log`, crossings are kept one by one.
    pub(crate) fn reset(&mut self, log: bool) {
        self.stages.iter_mut().for_each(|stage| stage.reset(log));
        self.tally.reset();
    }

    /// Takes the path's next vertices.
    pub(crate) fn advance(
        &mut self,
        weights: &[AffineWeights<T>],
        input: &Block<T>,
        stop: &AtomicBool,
    ) -> Result<(), Halt> {
        self.stages[0].load(input, &weights[0])?;
        self.drain(weights, 0, stop)
    }

    /// Ends the path: passes on the vertices that the stages held back.
    pub(crate) fn finish(&mut self, weights: &[AffineWeights<T>], stop: &AtomicBool) -> Result<(), Halt> {
        for layer in 0..self.stages.len() {
            if self.stages[layer].out.is_full() {
                self.flush(weights, layer, stop)?;
            }
            self.stages[layer].pass_last();
            self.flush(weights, layer, stop)?;
        }
        self.tally.finish();
        Ok(())
    }

    /// Passes on the block that stage `first` has loaded, and all blocks that fill below it.
    fn drain(&mut self, weights: &[AffineWeights<T>], first: usize, stop: &AtomicBool) -> Result<(), Halt> {
        let mut layer = first;
        loop {
            check(stop)?;
            let done = pulp::Arch::new().dispatch(Pass(&mut self.stages[layer]));
            if done {
                self.stages[layer].carry();
                if layer == first {
                    return Ok(());
                }
                layer -= 1;
                self.stages[layer].release();
            } else if self.hand_over(weights, layer)? {
                layer += 1;
            } else {
                self.stages[layer].release();
            }
        }
    }

    /// Sends what a stage has put out down to the end.
    fn flush(&mut self, weights: &[AffineWeights<T>], layer: usize, stop: &AtomicBool) -> Result<(), Halt> {
        if self.hand_over(weights, layer)? {
            self.drain(weights, layer + 1, stop)?;
        }
        self.stages[layer].release();
        Ok(())
    }

    /// Gives the output of a stage to the next, which then has a block to pass on (`true`), or to the tally.
    fn hand_over(&mut self, weights: &[AffineWeights<T>], layer: usize) -> Result<bool, Halt> {
        let (before, after) = self.stages.split_at_mut(layer + 1);
        let out = &before[layer].out;
        match after.first_mut() {
            Some(next) => next.load(out, &weights[layer + 1]).map(|()| true),
            None => {
                self.tally.take(out);
                Ok(false)
            }
        }
    }

    /// Crossings of each layer, boundaries and knots.
    pub(crate) fn counts(&self) -> (Vec<u64>, u64, u64) {
        (self.stages.iter().map(|stage| stage.crossings).collect(), self.tally.boundaries, self.tally.knots)
    }

    /// The crossings kept one by one.
    pub(crate) fn take_log(&mut self) -> Vec<Crossing> {
        self.stages.iter_mut().flat_map(|stage| stage.log.take().unwrap_or_default()).collect()
    }
}

#[cfg(test)]
mod tests;
