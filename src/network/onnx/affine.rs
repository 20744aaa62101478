//! Affine operators: products with matrices, arithmetic with constants, normalisation with fixed statistics.

use std::rc::Rc;

use super::call::{Call, Links};
use super::step::{Operand, Step};
use super::tensor::{Tensor, broadcast, n_elements};
use crate::error::{Error, Result};

/// `x W` or `W x` with a constant matrix, by the rules of numpy.
pub(super) fn matmul(call: &Call) -> Result<Links> {
    let x_first = call.shape(0).is_ok();
    let (x_ix, w_ix) = if x_first { (0, 1) } else { (1, 0) };
    let (x, matrix) = (call.shape(x_ix)?, call.weights(w_ix)?);
    let misfit = || misfit(x, &matrix.shape);
    // The matrix without leading sides of 1, by which it would be one of many.
    let leading = matrix.shape.len().saturating_sub(2);
    if matrix.shape[..leading].iter().any(|&side| side != 1) {
        return Err(misfit());
    }
    // The side that is summed over, all others of the point being 1.
    let summed = match (x.len(), x_first) {
        (0, _) => return Err(misfit()),
        (rank, false) if rank > 1 => rank - 2,
        (rank, _) => rank - 1,
    };
    let inputs = x[summed];
    let (units, units_first) = match (&matrix.shape[leading..], x_first) {
        (&[n], _) if n == inputs => (1, !x_first),
        (&[n, units], true) if n == inputs => (units, false),
        (&[units, n], false) if n == inputs => (units, true),
        _ => return Err(misfit()),
    };
    check_one_row(x, inputs)?;
    // Sides of the result: those of the point, with the units where the sum was.
    let mut shape = vec![1; leading.saturating_sub(x.len().saturating_sub(2))];
    shape.extend_from_slice(x);
    let at = shape.len() - x.len() + summed;
    if matrix.shape.len() == 1 {
        shape.remove(at);
    } else {
        shape[at] = units;
    }
    product(matrix, inputs, units, units_first, shape)
}

/// `alpha A B + beta C`, A or B being constant, and C.
pub(super) fn gemm(call: &Call) -> Result<Links> {
    let node = call.node;
    let is_transposed = |ix: usize| node.int(["transA", "transB"][ix], 0) != 0;
    let x_ix = usize::from(call.shape(0).is_err());
    let (x, matrix) = (call.shape(x_ix)?, call.weights(1 - x_ix)?);
    let misfit = || misfit(x, &matrix.shape);
    let (&[rows, columns], &[matrix_rows, matrix_columns]) = (x, matrix.shape.as_slice()) else {
        return Err(misfit());
    };
    // Of the two sides of x one is summed over, that of A's columns or B's rows, and the other is the batch.
    let x_sums_columns = is_transposed(x_ix) == (x_ix == 1);
    let inputs = if x_sums_columns { columns } else { rows };
    let units_first = is_transposed(1 - x_ix) == (x_ix == 0);
    let (n, units) = if units_first { (matrix_columns, matrix_rows) } else { (matrix_rows, matrix_columns) };
    if n != inputs {
        return Err(misfit());
    }
    check_one_row(x, inputs)?;
    let shape = if x_ix == 0 { vec![1, units] } else { vec![units, 1] };
    let mut links = product(matrix, inputs, units, units_first, shape)?;
    let alpha = node.float("alpha", 1.0);
    if alpha != 1.0 {
        links.steps.push(Step::Scale(operand(Tensor::scalar(alpha), &links.shape)?));
    }
    if call.optional(2)?.is_some() {
        let beta = node.float("beta", 1.0);
        let bias = map(call.weights(2)?, |c| beta * c);
        links.steps.push(Step::Shift(operand(bias, &links.shape)?));
    }
    Ok(links)
}

/// `+`, `-`, `*` and `/` with a constant.
pub(super) fn arithmetic(call: &Call) -> Result<Links> {
    let x_ix = usize::from(call.shape(0).is_err());
    let x = call.shape(x_ix)?;
    if call.inputs.len() == 1 {
        return Ok(Links::reshaped(x.to_vec()));
    }
    if call.inputs.len() > 2 {
        return Err(Error::usage("adds more than two tensors, some of them constants"));
    }
    let constant = call.weights(1 - x_ix)?;
    let shape = broadcast(x, &constant.shape).ok_or_else(|| misfit(x, &constant.shape))?;
    let negated = || map(constant, |c| -c);
    let steps = match (call.node.op.as_str(), x_ix) {
        ("Add" | "Sum", _) => vec![Step::Shift(operand(Rc::clone(constant), &shape)?)],
        ("Sub", 0) => vec![Step::Shift(operand(negated(), &shape)?)],
        ("Sub", _) => {
            let minus = Step::Scale(operand(Tensor::scalar(-1.0), &shape)?);
            vec![minus, Step::Shift(operand(Rc::clone(constant), &shape)?)]
        }
        ("Mul", _) => vec![Step::Scale(operand(Rc::clone(constant), &shape)?)],
        ("Div", 0) => {
            let inverse = map(constant, |c| 1.0 / c);
            if inverse.values.iter().any(|x| !x.is_finite()) {
                return Err(Error::usage(format!("divides by '{}', which holds 0", call.node.inputs[1])));
            }
            vec![Step::Scale(operand(inverse, &shape)?)]
        }
        _ => return Err(Error::usage("divides by what it computes, which is not piecewise linear")),
    };
    // More numbers than the point has would be copies of it.
    if n_elements(&shape) != n_elements(x) {
        return Err(misfit(x, &constant.shape));
    }
    Ok(Links { steps, shape })
}

/// `-x`.
pub(super) fn negate(call: &Call) -> Result<Links> {
    let shape = call.shape(0)?.to_vec();
    Ok(Links { steps: vec![Step::Scale(operand(Tensor::scalar(-1.0), &shape)?)], shape })
}

/// Normalisation by the statistics of the training data: one scale and shift per channel.
pub(super) fn batch_normalization(call: &Call) -> Result<Links> {
    let node = call.node;
    if node.int("training_mode", 0) != 0 || node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
        return Err(Error::usage("is in training mode: export the model for inference"));
    }
    if node.int("spatial", 1) == 0 {
        return Err(Error::usage("spatial = 0 is not supported: use operator set 9 or later"));
    }
    let shape = call.shape(0)?.to_vec();
    let channels = *shape.get(1).ok_or_else(|| Error::usage("its input has no channels"))?;
    let mut parameters = Vec::new();
    for ix in 1..5 {
        let tensor = call.weights(ix)?;
        if tensor.shape != [channels] {
            let name = &node.inputs[ix];
            return Err(Error::usage(format!("'{name}' has shape {:?}, expected [{channels}]", tensor.shape)));
        }
        parameters.push(&tensor.values);
    }
    let epsilon = node.float("epsilon", f64::from(1e-5f32));
    let scale: Vec<f64> = parameters[0].iter().zip(parameters[3]).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
    if let Some(channel) = scale.iter().position(|c| !c.is_finite()) {
        let variance = parameters[3][channel];
        return Err(Error::usage(format!("channel {channel} has variance {variance}: it must be positive")));
    }
    let shift = (0..channels).map(|c| parameters[1][c] - parameters[2][c] * scale[c]).collect();
    // One number per channel, for all positions behind it.
    let per_channel = |values: Vec<f64>| {
        let sides = [channels].into_iter().chain(shape[2..].iter().map(|_| 1)).collect();
        operand(Tensor { shape: sides, values, is_integer: false }, &shape)
    };
    Ok(Links { steps: vec![Step::Scale(per_channel(scale)?), Step::Shift(per_channel(shift)?)], shape })
}

fn product(matrix: &Rc<Tensor>, inputs: usize, units: usize, units_first: bool, shape: Vec<usize>) -> Result<Links> {
    if inputs == 0 || units == 0 {
        return Err(Error::usage(format!("weights of shape {:?} are empty", matrix.shape)));
    }
    Ok(Links { steps: vec![Step::Product { matrix: Rc::clone(matrix), inputs, units, units_first }], shape })
}

/// A constant for every coordinate of `shape`.
pub(super) fn operand(tensor: impl Into<Rc<Tensor>>, shape: &[usize]) -> Result<Operand> {
    let tensor = tensor.into();
    if broadcast(&tensor.shape, shape).as_deref() != Some(shape) {
        return Err(misfit(shape, &tensor.shape));
    }
    Ok(Operand { tensor, shape: shape.to_vec() })
}

fn map(tensor: &Tensor, f: impl Fn(f64) -> f64) -> Tensor {
    Tensor { shape: tensor.shape.clone(), values: tensor.values.iter().map(|&v| f(v)).collect(), is_integer: false }
}

/// A matrix is applied once to a point, not to each of its rows.
fn check_one_row(x: &[usize], inputs: usize) -> Result<()> {
    if n_elements(x) == Some(inputs) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "applies its weights to every row of a tensor of shape {x:?}: a point is one row, export with a batch of size 1 or an open one"
    )))
}

fn misfit(x: &[usize], constant: &[usize]) -> Error {
    Error::usage(format!("a constant of shape {constant:?} does not fit what is computed, of shape {x:?}"))
}
