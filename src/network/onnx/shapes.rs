//! Operators that change nothing but a shape.

use super::call::Call;
use super::tensor::{check_rank, n_elements};
use crate::error::{Error, Result};

/// The shape that a shape operator gives a tensor of shape `x`, its first input.
pub(super) fn changed(call: &Call, x: &[usize]) -> Result<Vec<usize>> {
    let shape = match call.node.op.as_str() {
        "Flatten" => flatten(call, x),
        "Reshape" => reshape(call, x),
        "Squeeze" => squeeze(call, x),
        "Unsqueeze" => unsqueeze(call, x),
        other => Err(Error::usage(format!("{other} is no change of shape"))),
    }?;
    check_rank(shape.len())?;
    Ok(shape)
}

/// The axis, counted from the end where it is negative.
fn axis(axis: i64, rank: usize) -> Result<usize> {
    let from_end = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    let axis_of = from_end.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank);
    axis_of.ok_or_else(|| Error::usage(format!("axis {axis} of a tensor of {rank} sides")))
}

fn flatten(call: &Call, x: &[usize]) -> Result<Vec<usize>> {
    let first = match call.node.int("axis", 1) {
        end if end == x.len() as i64 => x.len(),
        other => axis(other, x.len())?,
    };
    Ok(vec![x[..first].iter().product(), x[first..].iter().product()])
}

fn reshape(call: &Call, x: &[usize]) -> Result<Vec<usize>> {
    let target = &call.constant(1)?.values;
    let keeps_zero = call.node.int("allowzero", 0) != 0;
    let mut open = None;
    let mut shape = Vec::with_capacity(target.len());
    for (ix, &side) in target.iter().enumerate() {
        shape.push(match side {
            -1.0 if open.replace(ix).is_none() => 1,
            0.0 if !keeps_zero && ix < x.len() => x[ix],
            side if side >= 0.0 => side as usize,
            _ => return Err(Error::usage(format!("to shape {target:?}"))),
        });
    }
    let n: usize = x.iter().product();
    if let (Some(ix), Some(given @ 1..)) = (open, n_elements(&shape))
        && n.is_multiple_of(given)
    {
        shape[ix] = n / given;
    }
    if n_elements(&shape) != Some(n) {
        return Err(Error::usage(format!(
            "to shape {target:?} from {x:?}, which is one point: export with a batch of size 1 or an open one"
        )));
    }
    Ok(shape)
}

fn squeeze(call: &Call, x: &[usize]) -> Result<Vec<usize>> {
    let Some(axes) = call.whole_numbers("axes", 1)? else {
        return Ok(x.iter().copied().filter(|&side| side != 1).collect());
    };
    let axes: Vec<usize> = axes.iter().map(|&a| axis(a, x.len())).collect::<Result<_>>()?;
    if let Some(&wide) = axes.iter().find(|&&a| x[a] != 1) {
        return Err(Error::usage(format!("axis {wide} has {} elements, not 1", x[wide])));
    }
    Ok((0..x.len()).filter(|axis| !axes.contains(axis)).map(|axis| x[axis]).collect())
}

fn unsqueeze(call: &Call, x: &[usize]) -> Result<Vec<usize>> {
    let axes = call.whole_numbers("axes", 1)?.ok_or_else(|| Error::usage("its axes are missing"))?;
    let rank = x.len() + axes.len();
    check_rank(rank)?;
    let axes: Vec<usize> = axes.iter().map(|&a| axis(a, rank)).collect::<Result<_>>()?;
    let mut sides = x.iter().copied();
    let shape: Vec<usize> = (0..rank).filter_map(|a| if axes.contains(&a) { Some(1) } else { sides.next() }).collect();
    if shape.len() == rank { Ok(shape) } else { Err(Error::usage(format!("axes {axes:?} name one twice"))) }
}

/// The shape after a permutation of the axes, if the order of the elements stays what it is.
pub(super) fn transpose(call: &Call, x: &[usize]) -> Result<Vec<usize>> {
    let permutation = permutation(call, x.len())?;
    let moved: Vec<usize> = permutation.iter().copied().filter(|&axis| x[axis] != 1).collect();
    if !moved.is_sorted() {
        return Err(Error::usage(format!(
            "reorders the coordinates of a point (axes {permutation:?} of shape {x:?}), which is not supported"
        )));
    }
    Ok(permutation.iter().map(|&axis| x[axis]).collect())
}

/// The axes in their new order.
pub(super) fn permutation(call: &Call, rank: usize) -> Result<Vec<usize>> {
    let Some(axes) = call.node.ints("perm") else { return Ok((0..rank).rev().collect()) };
    let axes: Vec<usize> = axes.iter().map(|&a| axis(a, rank)).collect::<Result<_>>()?;
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if sorted.into_iter().eq(0..rank) {
        Ok(axes)
    } else {
        Err(Error::usage(format!("axes {axes:?} are no permutation")))
    }
}
