//! Weights that are drawn where they are used, a few inputs at a time, and not kept.

use super::real::Real;
use crate::network::{Affine, Layer, RandomMatrix, RandomNetwork, WeightLaw};

/// Weights that are at hand at a time, as many as stay in the cache, of inputs enough to feed the product.
const WEIGHTS: usize = 1 << 16;
const LEAST_INPUTS: usize = 32;

/// A layer of one draw.
#[derive(Clone, Copy)]
pub(super) struct RandomLayer<'a> {
    pub(super) network: &'a RandomNetwork,
    pub(super) draw: u64,
    /// From 0.
    pub(super) ix: usize,
}

/// Room for weights, and those drawn last.
#[derive(Default)]
pub(super) struct Drawn<T> {
    /// As they come from the generator.
    values: Vec<f32>,
    weights: Vec<T>,
    bias: Vec<T>,
}

impl<T: Real> Drawn<T> {
    /// Inputs whose weights are drawn at a time.
    pub(super) fn inputs_at_once(units: usize) -> usize {
        (WEIGHTS / units).max(LEAST_INPUTS)
    }

    /// Draws all weights of a map.
    pub(super) fn all(&mut self, matrix: &RandomMatrix) -> &[T] {
        matrix.draw(&mut self.values);
        T::take(&mut self.values, &mut self.weights);
        &self.weights
    }

    /// Draws the weights of some inputs, in ascending order, to so many units.
    pub(super) fn of_inputs(&mut self, matrix: &RandomMatrix, inputs: &[usize], units: usize) -> &[T] {
        self.values.resize(inputs.len() * units, 0.0);
        let mut values = self.values.as_mut_slice();
        for run in inputs.chunk_by(|a, b| a + 1 == *b) {
            let (of_run, rest) = values.split_at_mut(run.len() * units);
            matrix.draw_rows(run[0], of_run);
            values = rest;
        }
        T::take(&mut self.values, &mut self.weights);
        &self.weights
    }

    /// Bytes that it takes at most for a layer with these weights.
    pub(super) fn bytes(layer: &Layer, weights: WeightLaw) -> u128 {
        let at_once = |map: &Affine| match map {
            Affine::Dense { inputs, units } if weights.has_independent_rows() => {
                (*inputs).min(Self::inputs_at_once(*units)) as u128 * *units as u128
            }
            map => map.n_weights(),
        };
        let most = layer.maps().map(at_once).max().unwrap_or(0).max(layer.affine.n_biases() as u128);
        // Values become weights or biases by an exchange.
        most * (size_of::<f32>() + 2 * size_of::<T>()) as u128
    }

    /// Draws the biases of a layer.
    pub(super) fn draw_bias(&mut self, layer: RandomLayer) -> &[T] {
        layer.network.draw_bias(layer.draw, layer.ix, &mut self.values);
        T::take(&mut self.values, &mut self.bias);
        &self.bias
    }

    /// The biases drawn last.
    pub(super) fn bias(&self) -> &[T] {
        &self.bias
    }
}
