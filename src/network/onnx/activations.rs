//! Operators that are piecewise-linear functions of every coordinate.

use super::call::{Call, Links};
use super::step::Step;
use crate::error::{Error, Result};
use crate::network::Activation;

/// An activation as a step; none where it changes nothing.
pub(super) fn activation(call: &Call) -> Result<Links> {
    // That of Max and Min may come second.
    let shape = call.shape(call.computed()[0])?.to_vec();
    let node = call.node;
    let activation = match node.op.as_str() {
        "Relu" => Some(Activation::relu()),
        "LeakyRelu" => leaky(node.float("alpha", f64::from(0.01f32)))?,
        "PRelu" => leaky(common_slope(call)?)?,
        "Abs" => Some("abs".parse()?),
        "Clip" => clip(call)?,
        "Max" => at_least_or_most(call, |c| between(c, f64::INFINITY))?,
        "Min" => at_least_or_most(call, |c| between(f64::NEG_INFINITY, c))?,
        "HardSigmoid" => Some(hard_sigmoid(node.float("alpha", f64::from(0.2f32)), node.float("beta", 0.5))?),
        "Shrink" => Some(shrink(node.float("lambd", 0.5), node.float("bias", 0.0))?),
        other => return Err(Error::usage(format!("{other} is no activation"))),
    };
    Ok(Links { steps: activation.map(Step::Activate).into_iter().collect(), shape })
}

fn leaky(slope: f64) -> Result<Option<Activation>> {
    if slope == 1.0 {
        return Ok(None);
    }
    if slope == 0.0 {
        return Ok(Some(Activation::relu()));
    }
    Activation::spline(&format!("leaky-relu:{slope}"), vec![0.0], vec![slope, 1.0], [0.0; 2]).map(Some)
}

/// The slope below zero that all units share.
fn common_slope(call: &Call) -> Result<f64> {
    let slopes = &call.weights(1)?.values;
    let first = *slopes.first().ok_or_else(|| Error::usage(format!("'{}' is empty", call.node.inputs[1])))?;
    match slopes.iter().find(|&&slope| slope != first) {
        None => Ok(first),
        Some(other) => Err(Error::usage(format!(
            "its slopes differ ({first} and {other}): a layer's units must share one activation, train with a single slope"
        ))),
    }
}

/// Bounds are attributes before operator set 11, then inputs; either may be missing.
fn clip(call: &Call) -> Result<Option<Activation>> {
    let bound = |name: &str, input: usize, open: f64| -> Result<f64> {
        if call.opset < 11 {
            return Ok(call.node.float(name, open));
        }
        match call.optional(input)? {
            None => Ok(open),
            Some(tensor) => match tensor.single() {
                Some(bound) if !bound.is_nan() => Ok(bound),
                _ => Err(Error::usage(format!("'{}' is no bound: give one number", call.node.inputs[input]))),
            },
        }
    };
    let (low, high) = (bound("min", 1, f64::NEG_INFINITY)?, bound("max", 2, f64::INFINITY)?);
    // The default of old exporters for a bound that is none.
    let open = |bound: f64| if bound.abs() >= f64::from(f32::MAX) { bound * f64::INFINITY } else { bound };
    between(open(low), open(high))
}

/// `max(x, c)` or `min(x, c)`.
fn at_least_or_most(call: &Call, clip: impl Fn(f64) -> Result<Option<Activation>>) -> Result<Option<Activation>> {
    match call.inputs.len() {
        1 => Ok(None),
        2 => clip(call.number(1 - call.computed()[0])?),
        n => Err(Error::usage(format!("compares {n} tensors: at most one constant is supported"))),
    }
}

/// The identity between two bounds, constant outside.
fn between(low: f64, high: f64) -> Result<Option<Activation>> {
    if low.is_nan() || high.is_nan() || low >= high {
        return Err(Error::usage(format!("bounds {low} and {high} leave nothing but a constant")));
    }
    let name = match (low, high) {
        (0.0, f64::INFINITY) => return Ok(Some(Activation::relu())),
        (-1.0, 1.0) => "hard-tanh".to_owned(),
        (0.0, 6.0) => "relu6".to_owned(),
        _ => format!("clip:{low}:{high}"),
    };
    let finite: Vec<f64> = [low, high].into_iter().filter(|bound| bound.is_finite()).collect();
    let Some(&anchor) = finite.first() else { return Ok(None) };
    let slopes: &[f64] = match (low.is_finite(), high.is_finite()) {
        (true, true) => &[0.0, 1.0, 0.0],
        (true, false) => &[0.0, 1.0],
        _ => &[1.0, 0.0],
    };
    Activation::spline(&name, finite, slopes.to_vec(), [anchor, anchor]).map(Some)
}

/// `max(0, min(1, alpha x + beta))`.
fn hard_sigmoid(alpha: f64, beta: f64) -> Result<Activation> {
    let (zero, one) = (-beta / alpha, (1.0 - beta) / alpha);
    let breakpoints = if alpha > 0.0 { vec![zero, one] } else { vec![one, zero] };
    let name = format!("hard-sigmoid:{alpha}:{beta}");
    let anchor = [breakpoints[0], if alpha > 0.0 { 0.0 } else { 1.0 }];
    Activation::spline(&name, breakpoints, vec![0.0, alpha, 0.0], anchor).map_err(|e| e.at(name))
}

/// Soft thresholding where the pieces meet.
fn shrink(lambda: f64, bias: f64) -> Result<Activation> {
    if lambda != bias {
        return Err(Error::usage(format!(
            "jumps at its threshold (lambd {lambda}, bias {bias}): it is not continuous"
        )));
    }
    format!("soft-threshold:{lambda}").parse()
}
