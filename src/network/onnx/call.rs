//! One node with what its inputs are.

use std::rc::Rc;

use super::graph::Node;
use super::step::Step;
use super::tensor::Tensor;
use crate::error::{Error, Result};

/// What is known of a tensor of the graph.
#[derive(Clone)]
pub(super) enum Value {
    /// It is the same for every point.
    Constant(Rc<Tensor>),
    /// It depends on the point; the shape is that for one.
    Computed(Vec<usize>),
}

/// What a node does to the one tensor that it takes, and the shape of what it gives.
pub(super) struct Links {
    pub steps: Vec<Step>,
    pub shape: Vec<usize>,
}

impl Links {
    /// Nothing but another shape.
    pub(super) fn reshaped(shape: Vec<usize>) -> Self {
        Self { steps: Vec::new(), shape }
    }
}

/// A node with the values of its inputs.
pub(super) struct Call<'a> {
    pub node: &'a Node,
    pub opset: i64,
    /// `None` for one that is left out.
    pub inputs: Vec<Option<Value>>,
}

impl Call<'_> {
    /// The value of an input; `None` where it is left out.
    pub(super) fn input(&self, ix: usize) -> Option<&Value> {
        self.inputs.get(ix)?.as_ref()
    }

    /// The indices of the inputs that depend on the point.
    pub(super) fn computed(&self) -> Vec<usize> {
        (0..self.inputs.len()).filter(|&ix| matches!(self.input(ix), Some(Value::Computed(_)))).collect()
    }

    /// The shape of an input that depends on the point.
    pub(super) fn shape(&self, ix: usize) -> Result<&[usize]> {
        match self.input(ix) {
            Some(Value::Computed(shape)) => Ok(shape),
            _ => Err(Error::usage(format!("input {ix} is missing, or constant where it may not be"))),
        }
    }

    /// A constant input that may be left out.
    pub(super) fn optional(&self, ix: usize) -> Result<Option<&Rc<Tensor>>> {
        match self.input(ix) {
            None => Ok(None),
            Some(Value::Constant(tensor)) => Ok(Some(tensor)),
            Some(Value::Computed(_)) => Err(Error::usage(format!(
                "input '{}' depends on the network's input, but only a constant can be there",
                self.node.inputs[ix]
            ))),
        }
    }

    /// A constant input.
    pub(super) fn constant(&self, ix: usize) -> Result<&Rc<Tensor>> {
        self.optional(ix)?.ok_or_else(|| Error::usage(format!("input {ix} is missing")))
    }

    /// A constant input of finite numbers: weights.
    pub(super) fn weights(&self, ix: usize) -> Result<&Rc<Tensor>> {
        let tensor = self.constant(ix)?;
        match tensor.values.iter().find(|x| !x.is_finite()) {
            Some(x) => Err(Error::usage(format!("'{}' holds {x}", self.node.inputs[ix]))),
            None => Ok(tensor),
        }
    }

    /// A constant input of one finite number.
    pub(super) fn number(&self, ix: usize) -> Result<f64> {
        let tensor = self.weights(ix)?;
        let single = tensor.single();
        single.ok_or_else(|| {
            Error::usage(format!("'{}' has shape {:?}, expected one number", self.node.inputs[ix], tensor.shape))
        })
    }

    /// Whole numbers, given as an attribute or, by newer operators, as an input.
    pub(super) fn whole_numbers(&self, attribute: &str, input: usize) -> Result<Option<Vec<i64>>> {
        if let Some(numbers) = self.node.ints(attribute) {
            return Ok(Some(numbers.to_vec()));
        }
        Ok(self.optional(input)?.map(|tensor| tensor.values.iter().map(|&x| x as i64).collect()))
    }
}
