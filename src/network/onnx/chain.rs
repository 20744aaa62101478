//! A chain of affine maps and activations, and the network it is.

use std::rc::Rc;
use std::sync::Arc;

use super::tensor::Tensor;
use crate::error::{Error, Result};
use crate::memory;
use crate::network::{Activation, AffineWeights, Architecture, Network};

/// What happens to every point in turn.
pub(super) struct Chain {
    /// Number of coordinates of a point.
    pub input_dim: usize,
    pub steps: Vec<Step>,
}

/// One link.
pub(super) enum Step {
    /// Multiplies by a matrix.
    Product {
        /// Inputs x units, or units x inputs.
        matrix: Rc<Tensor>,
        inputs: usize,
        units: usize,
        /// Whether the matrix is units x inputs.
        units_first: bool,
    },
    /// Multiplies every coordinate by a number of its own.
    Scale(Operand),
    /// Adds a number of its own to every coordinate.
    Shift(Operand),
    /// Applies an activation to every coordinate.
    Activate(Activation),
}

/// One number per coordinate.
pub(super) struct Operand {
    pub tensor: Rc<Tensor>,
    /// The shape of the coordinates, to which the tensor is repeated.
    pub shape: Vec<usize>,
}

impl Chain {
    /// The network: affine maps in a row are one, and two activations in a row have an affine map between them.
    pub(super) fn into_network(self) -> Result<Network> {
        let architecture = self.architecture()?;
        // The weights as they are built, and those of the map that is being composed.
        let weights: u128 = architecture.affine_maps().map(|map| map.n_weights()).sum();
        memory::check(&format!("network {architecture}"), 16 * weights, "give a smaller one")?;
        let (mut affine, mut open) = (Vec::with_capacity(architecture.depth() + 1), Map::Identity);
        for step in self.steps {
            match step {
                Step::Product { matrix, inputs, units, units_first } => {
                    let weight = if units_first { transposed(&matrix.values, inputs) } else { matrix.values.clone() };
                    open = open.then_product(weight, inputs, units);
                }
                Step::Scale(operand) => open = open.then_scale(&operand.values()),
                Step::Shift(operand) => open = open.then_shift(&operand.values()),
                Step::Activate(_) => {
                    let inputs = architecture.affine_map(affine.len()).inputs();
                    affine.push(std::mem::replace(&mut open, Map::Identity).dense(inputs));
                }
            }
        }
        affine.push(open.dense(architecture.affine_map(architecture.depth()).inputs()));
        Network::new(architecture, affine)
    }

    fn architecture(&self) -> Result<Architecture> {
        let (mut layers, mut width) = (Vec::new(), self.input_dim);
        for step in &self.steps {
            match step {
                Step::Product { units, .. } => width = *units,
                Step::Activate(activation) => layers.push((width, Arc::new(activation.clone()))),
                Step::Scale(_) | Step::Shift(_) => {}
            }
        }
        if layers.is_empty() {
            return Err(Error::usage("the graph has no activation: an affine function has one linear region"));
        }
        Architecture::new(self.input_dim, layers, width)
    }
}

impl Operand {
    fn values(&self) -> Vec<f64> {
        self.tensor.expand(&self.shape)
    }
}

/// An affine map that may be composed with more.
enum Map {
    Identity,
    /// Every coordinate by itself.
    Diagonal {
        scale: Vec<f64>,
        shift: Vec<f64>,
    },
    Dense(AffineWeights<f64>),
}

impl Map {
    fn then_scale(self, factors: &[f64]) -> Self {
        let multiply = |values: &mut [f64]| values.iter_mut().zip(factors).for_each(|(v, c)| *v *= c);
        match self {
            Self::Identity => Self::Diagonal { scale: factors.to_vec(), shift: vec![0.0; factors.len()] },
            Self::Diagonal { mut scale, mut shift } => {
                multiply(&mut scale);
                multiply(&mut shift);
                Self::Diagonal { scale, shift }
            }
            Self::Dense(mut map) => {
                map.weight.chunks_exact_mut(factors.len()).for_each(multiply);
                multiply(&mut map.bias);
                Self::Dense(map)
            }
        }
    }

    fn then_shift(self, terms: &[f64]) -> Self {
        let add = |values: &mut [f64]| values.iter_mut().zip(terms).for_each(|(v, c)| *v += c);
        match self {
            Self::Identity => Self::Diagonal { scale: vec![1.0; terms.len()], shift: terms.to_vec() },
            Self::Diagonal { scale, mut shift } => {
                add(&mut shift);
                Self::Diagonal { scale, shift }
            }
            Self::Dense(mut map) => {
                add(&mut map.bias);
                Self::Dense(map)
            }
        }
    }

    /// Goes on with a product; `weight` is inputs x units.
    fn then_product(self, mut weight: Vec<f64>, inputs: usize, units: usize) -> Self {
        match self {
            Self::Identity => Self::Dense(AffineWeights::new(weight, vec![0.0; units])),
            Self::Diagonal { scale, shift } => {
                let bias = product(&shift, &weight, units);
                for (row, c) in weight.chunks_exact_mut(units).zip(&scale) {
                    row.iter_mut().for_each(|w| *w *= c);
                }
                Self::Dense(AffineWeights::new(weight, bias))
            }
            Self::Dense(first) => {
                let rows = first.weight.chunks_exact(inputs);
                let composed = rows.flat_map(|row| product(row, &weight, units)).collect();
                Self::Dense(AffineWeights::new(composed, product(&first.bias, &weight, units)))
            }
        }
    }

    /// The weights of the map on so many coordinates.
    fn dense(self, inputs: usize) -> AffineWeights<f64> {
        let (scale, shift) = match self {
            Self::Dense(map) => return map,
            Self::Diagonal { scale, shift } => (scale, shift),
            Self::Identity => (vec![1.0; inputs], vec![0.0; inputs]),
        };
        let mut weight = vec![0.0; inputs * inputs];
        weight.iter_mut().step_by(inputs + 1).zip(scale).for_each(|(w, c)| *w = c);
        AffineWeights::new(weight, shift)
    }
}

/// A row times a matrix with `units` columns.
fn product(row: &[f64], matrix: &[f64], units: usize) -> Vec<f64> {
    let mut sums = vec![0.0; units];
    for (x, weights) in row.iter().zip(matrix.chunks_exact(units)) {
        sums.iter_mut().zip(weights).for_each(|(sum, w)| *sum += x * w);
    }
    sums
}

/// The transpose of a matrix with `columns` columns.
fn transposed(matrix: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns).copied()).collect()
}
