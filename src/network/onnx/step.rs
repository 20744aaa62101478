//! What nodes do to a tensor that depends on the point.

use std::rc::Rc;

use super::numbers::Numbers;
use super::tensor::Tensor;
use crate::error::Result;
use crate::network::{Activation, Convolution, Windows};

/// What happens to a tensor.
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
    /// Convolves without bias; the kernel is filters x patch, and its windows' values may be apart.
    Convolve { convolution: Convolution, kernel: Rc<Tensor>, dilation: [usize; 2] },
    /// Takes means of windows.
    AveragePool(Windows),
    /// Takes the largest values of windows.
    MaxPool(Windows),
    /// Applies an activation to every coordinate.
    Activate(Activation),
}

impl Step {
    /// Whether it takes the tensor as an image.
    pub(super) fn has_windows(&self) -> bool {
        matches!(self, Self::Convolve { .. } | Self::AveragePool(_) | Self::MaxPool(_))
    }
}

/// One number per coordinate.
pub(super) struct Operand {
    pub tensor: Rc<Tensor>,
    /// The shape of the coordinates, to which the tensor is repeated.
    pub shape: Vec<usize>,
}

impl Operand {
    /// The numbers, without the repetitions along the last sides.
    pub(super) fn numbers(&self) -> Result<Numbers> {
        let sides = self.tensor.shape.len();
        let side = |axis: usize| (axis + sides).checked_sub(self.shape.len()).map_or(1, |axis| self.tensor.shape[axis]);
        let kept = (0..self.shape.len()).rposition(|axis| side(axis) != 1).map_or(0, |axis| axis + 1);
        let (leading, repeated) = self.shape.split_at(kept);
        let own = sides.saturating_sub(repeated.len());
        super::check_size(leading.iter().map(|&side| side as u128).product())?;
        let kept = Tensor {
            shape: self.tensor.shape[..own].to_vec(),
            values: self.tensor.values.clone(),
            is_integer: self.tensor.is_integer,
        };
        Ok(Numbers::repeated(kept.expand(leading), repeated.iter().product()))
    }
}
