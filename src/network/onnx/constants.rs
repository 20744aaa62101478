//! Constants made of constants: what exporters leave of shapes and of transposed weights.

use std::rc::Rc;

use prost::Message;

use super::call::{Call, Value};
use super::proto::TensorProto;
use super::tensor::{Cast, ExternalFiles, Tensor, broadcast, cast, n_elements};
use super::{malformed, shapes};
use crate::error::{Error, Result};

/// The value of a node without inputs that depend on the point, of at most `limit` elements: small files must not become large.
pub(super) fn fold(call: &Call, files: &ExternalFiles, limit: usize) -> Result<Rc<Tensor>> {
    let node = call.node;
    if let "Identity" | "Dropout" = node.op.as_str() {
        return call.constant(0).map(Rc::clone);
    }
    let tensor = match node.op.as_str() {
        "Constant" => return literal(call, files).map(Rc::new),
        "Shape" => return shape_of(call).map(Rc::new),
        "Cast" => cast_constant(call),
        "Gather" => gather(call),
        "Concat" => concat(call, limit),
        "Transpose" => transposed(call),
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => {
            let tensor = call.constant(0)?;
            let shape = shapes::changed(call, &tensor.shape)?;
            Ok(Tensor { shape, values: tensor.values.clone(), is_integer: tensor.is_integer })
        }
        "Add" | "Sub" | "Mul" | "Div" => arithmetic(call, limit),
        _ => Err(Error::usage("has constant inputs only, and is not computed beforehand: simplify the model")),
    }?;
    if tensor.values.len() > limit { Err(too_large()) } else { Ok(Rc::new(tensor)) }
}

fn too_large() -> Error {
    Error::usage("is a constant far larger than the file: simplify the model")
}

fn literal(call: &Call, files: &ExternalFiles) -> Result<Tensor> {
    let node = call.node;
    let list = |values: Vec<f64>, is_integer| Tensor { shape: vec![values.len()], values, is_integer };
    if let Some(attribute) = node.attribute("value") {
        let bytes = attribute.t.clone().ok_or_else(|| Error::usage("its value is no tensor"))?;
        let proto = TensorProto::decode(bytes).map_err(malformed)?;
        return Tensor::decode(&proto, files);
    }
    if node.attribute("value_float").is_some() {
        return Ok(Tensor::scalar(node.float("value_float", 0.0)));
    }
    if let Some(value) = node.attribute("value_int") {
        return Ok(Tensor { shape: Vec::new(), values: vec![value.i as f64], is_integer: true });
    }
    if let Some(values) = node.attribute("value_floats") {
        return Ok(list(values.floats.iter().map(|&v| f64::from(v)).collect(), false));
    }
    if let Some(values) = node.ints("value_ints") {
        return Ok(list(values.iter().map(|&v| v as f64).collect(), true));
    }
    Err(Error::usage("its value is neither numbers nor a tensor"))
}

/// The shape of a tensor, whether or not it depends on the point.
fn shape_of(call: &Call) -> Result<Tensor> {
    let shape = match call.input(0) {
        Some(Value::Computed(shape)) => shape,
        _ => &call.constant(0)?.shape,
    };
    let rank = shape.len() as i64;
    let bound = |name: &str, default: i64| {
        let axis = call.node.int(name, default);
        (if axis < 0 { axis.saturating_add(rank) } else { axis }).clamp(0, rank) as usize
    };
    let (start, end) = (bound("start", 0), bound("end", rank));
    Ok(Tensor::integers(shape.get(start..end).unwrap_or_default().iter().map(|&side| side as f64)))
}

fn cast_constant(call: &Call) -> Result<Tensor> {
    let tensor = call.constant(0)?;
    let to = call.node.int("to", 0);
    let (convert, is_integer): (fn(f64) -> f64, bool) = match cast(to) {
        Some(Cast::Keep) => (|v| v, false),
        Some(Cast::Truncate) => (f64::trunc, true),
        Some(Cast::Round) | None => return Err(Error::usage(format!("a cast to element type {to} is not supported"))),
    };
    Ok(Tensor { shape: tensor.shape.clone(), values: tensor.values.iter().map(|&v| convert(v)).collect(), is_integer })
}

/// Elements of a list.
fn gather(call: &Call) -> Result<Tensor> {
    let (list, indices) = (call.constant(0)?, call.constant(1)?);
    if list.shape.len() != 1 {
        return Err(Error::usage(format!("takes parts of a constant of shape {:?}: simplify the model", list.shape)));
    }
    let n = list.values.len() as f64;
    let pick = |&index: &f64| {
        let at = if index < 0.0 { index + n } else { index };
        let value = (at >= 0.0).then(|| list.values.get(at as usize).copied()).flatten();
        value.ok_or_else(|| Error::usage(format!("index {index} of a list of {n}")))
    };
    let values = indices.values.iter().map(pick).collect::<Result<_>>()?;
    Ok(Tensor { shape: indices.shape.clone(), values, is_integer: list.is_integer })
}

/// Lists one after the other.
fn concat(call: &Call, limit: usize) -> Result<Tensor> {
    let lists: Vec<&Rc<Tensor>> = (0..call.inputs.len()).map(|ix| call.constant(ix)).collect::<Result<_>>()?;
    if let Some(other) = lists.iter().find(|list| list.shape.len() != 1) {
        return Err(Error::usage(format!("joins a constant of shape {:?}: simplify the model", other.shape)));
    }
    if lists.iter().map(|list| list.values.len()).sum::<usize>() > limit {
        return Err(too_large());
    }
    let values: Vec<f64> = lists.iter().flat_map(|list| list.values.iter().copied()).collect();
    Ok(Tensor { shape: vec![values.len()], values, is_integer: lists.iter().all(|list| list.is_integer) })
}

fn transposed(call: &Call) -> Result<Tensor> {
    let tensor = call.constant(0)?;
    let permutation = shapes::permutation(call, tensor.shape.len())?;
    let shape: Vec<usize> = permutation.iter().map(|&axis| tensor.shape[axis]).collect();
    // Elements to go on by one step along each new side.
    let stride = |axis: usize| tensor.shape[axis + 1..].iter().product::<usize>();
    let strides: Vec<usize> = permutation.iter().map(|&axis| stride(axis)).collect();
    let element = |flat: usize| {
        let sides = shape.iter().zip(&strides).rev();
        sides.fold((flat, 0), |(flat, at), (&side, &stride)| (flat / side, at + flat % side * stride)).1
    };
    let values = (0..tensor.values.len()).map(|flat| tensor.values[element(flat)]).collect();
    Ok(Tensor { shape, values, is_integer: tensor.is_integer })
}

fn arithmetic(call: &Call, limit: usize) -> Result<Tensor> {
    let (a, b) = (call.constant(0)?, call.constant(1)?);
    let is_integer = a.is_integer && b.is_integer;
    let f: fn(f64, f64) -> f64 = match call.node.op.as_str() {
        "Add" => |a, b| a + b,
        "Sub" => |a, b| a - b,
        "Mul" => |a, b| a * b,
        _ if is_integer => |a, b| (a / b).trunc(),
        _ => |a, b| a / b,
    };
    let shape = broadcast(&a.shape, &b.shape)
        .ok_or_else(|| Error::usage(format!("constants of shapes {:?} and {:?} do not fit", a.shape, b.shape)))?;
    if n_elements(&shape).is_none_or(|n| n > limit) {
        return Err(too_large());
    }
    let values = a.expand(&shape).into_iter().zip(b.expand(&shape)).map(|(a, b)| f(a, b)).collect();
    Ok(Tensor { shape, values, is_integer })
}
