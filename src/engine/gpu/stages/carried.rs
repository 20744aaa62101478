//! What the tests of stages share that carry values past maps as they are.

use super::harness::{dice, words};
use crate::engine::gpu::commands::piece_values;
use crate::engine::gpu::step::Step;
use crate::network::Activation;

/// Values of rows of some paths, which are part of wider rows, as are those that they are carried to.
pub(super) struct Carried {
    pub(super) step: Step,
    activation: Activation,
    pub(super) x: Vec<f32>,
    pub(super) n_rows: Vec<u32>,
}

impl Carried {
    /// Quarters, whose sums and halves are exact.
    pub(super) fn new(n_rows: &[u32], units: u32, activation: &str) -> Self {
        let activation: Activation = activation.parse().unwrap();
        let rows_in = n_rows.iter().max().unwrap() + 1;
        let step = Step {
            rows_in,
            units,
            n_breakpoints: activation.pieces().breakpoints.len() as u32,
            from_stride: units + 3,
            from_base: 2,
            to_stride: units + 9,
            to_base: 5,
            ..Step::default()
        };
        let mut die = dice(u64::from(units));
        let n = n_rows.len() as u32 * rows_in * step.from_stride;
        let x = (0..n).map(|_| die(41) as f32 / 4.0 - 5.0).collect();
        Self { step, activation, x, n_rows: n_rows.to_vec() }
    }

    /// Value `ix` of a row of a path, through the activation.
    pub(super) fn value(&self, path: usize, row: u32, ix: u32) -> f64 {
        let Step { rows_in, from_stride, from_base, .. } = self.step;
        let at = (path as u32 * rows_in + row) * from_stride + from_base + ix;
        self.activation.pieces().value(f64::from(self.x[at as usize]))
    }

    /// Where value `ix` of the row is carried to that is the `row`-th of all paths.
    pub(super) fn place(&self, row: u32, ix: u32) -> usize {
        (row * self.step.to_stride + self.step.to_base + ix) as usize
    }

    /// The activation as stages read it.
    pub(super) fn pieces(&self) -> Vec<u32> {
        words(&piece_values(&self.activation))
    }

    /// Other values than these.
    pub(super) fn change(&mut self) {
        self.x.iter_mut().for_each(|x| *x = 0.3 - *x);
    }
}
