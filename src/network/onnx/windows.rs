//! Operators with windows that slide over images and lines: convolutions and pooling.

use super::affine::operand;
use super::call::{Call, Links};
use super::graph::Node;
use super::step::Step;
use super::tensor::n_elements;
use crate::error::{Error, Result};
use crate::network::{Convolution, Windows};

/// Most values of all windows, and the largest number of an attribute.
const MAX_VALUES: usize = 1 << 40;

/// `Conv`, with its bias.
pub(super) fn convolution(call: &Call) -> Result<Links> {
    let (x, kernel) = (Image::of(call)?, call.weights(1)?);
    let name = &call.node.inputs[1];
    let misfit = |expected: String| {
        Error::usage(format!(
            "'{name}' has shape {:?} on an input of shape {:?}: expected {expected}",
            kernel.shape, x.shape
        ))
    };
    let &[filters, channels, ref sides @ ..] = kernel.shape.as_slice() else {
        return Err(misfit("filters x channels x sides".to_owned()));
    };
    let groups = usize::try_from(call.node.int("group", 1)).unwrap_or(0);
    if groups == 0 || channels.checked_mul(groups) != Some(x.channels) || !filters.is_multiple_of(groups) {
        return Err(misfit(format!("a kernel for {} channels in {groups} groups", x.channels)));
    }
    if sides.len() != x.sides.len() || filters == 0 || kernel.values.is_empty() {
        return Err(misfit(format!("filters x {channels} x {} sides", x.sides.len())));
    }
    if let Some(given) = call.node.ints("kernel_shape")
        && !given.iter().copied().eq(sides.iter().map(|&side| side as i64))
    {
        return Err(misfit(format!("its sides to be kernel_shape, {given:?}")));
    }
    let dilation = axes(call.node, "dilations", x.sides.len())?.unwrap_or([1; 2]);
    let mut full = padded_front(sides, 1);
    for (side, dilation) in full.iter_mut().zip(dilation) {
        let apart = (*side - 1).checked_mul(dilation).filter(|_| dilation > 0);
        *side = apart.ok_or_else(|| Error::usage(format!("its kernel is dilated by {dilation}")))?.saturating_add(1);
    }
    let windows = x.windows(call.node, full)?;
    let convolution = Convolution { windows, filters, groups };
    let shape = x.shape_of(&windows, filters)?;
    let mut steps = vec![Step::Convolve { convolution, kernel: kernel.clone(), dilation }];
    if call.optional(2)?.is_some() {
        let bias = call.weights(2)?;
        if bias.shape != [filters] {
            let name = &call.node.inputs[2];
            return Err(Error::usage(format!("'{name}' has shape {:?}, expected [{filters}]", bias.shape)));
        }
        let mut per_channel = bias.as_ref().clone();
        per_channel.shape.extend(shape[2..].iter().map(|_| 1));
        steps.push(Step::Shift(operand(per_channel, &shape)?));
    }
    Ok(Links { steps, shape })
}

/// `MaxPool` and `AveragePool`, and those of a whole channel.
pub(super) fn pool(call: &Call) -> Result<Links> {
    let (x, node) = (Image::of(call)?, call.node);
    let whole = padded_front(&x.sides, 1);
    let windows = match node.op.as_str() {
        "GlobalMaxPool" | "GlobalAveragePool" => x.of_size(whole, whole, [[0; 2]; 2]),
        "ReduceMean" => {
            let rank = x.shape.len() as i64;
            let axes = call.whole_numbers("axes", 1)?.unwrap_or_default();
            let mut axes: Vec<i64> = axes.iter().map(|&a| if a < 0 { a.saturating_add(rank) } else { a }).collect();
            axes.sort_unstable();
            if !axes.into_iter().eq(2..rank) {
                return Err(Error::usage(
                    "is read as the mean of every channel of an image alone, over all of its sides",
                ));
            }
            x.of_size(whole, whole, [[0; 2]; 2])
        }
        _ => {
            let kernel = axes(node, "kernel_shape", x.sides.len())?;
            let kernel = kernel.ok_or_else(|| Error::usage("its kernel_shape is missing"))?;
            if axes(node, "dilations", x.sides.len())?.is_some_and(|dilations| dilations != [1; 2]) {
                return Err(Error::usage("its windows are dilated, which is not read"));
            }
            x.windows(node, kernel)?
        }
    };
    let is_mean = matches!(node.op.as_str(), "AveragePool" | "GlobalAveragePool" | "ReduceMean");
    if is_mean && windows.padding != [[0; 2]; 2] {
        if node.int("count_include_pad", 0) == 0 {
            return Err(Error::usage(
                "takes means of fewer values at the edge (count_include_pad = 0), which is not read: count the padding, or leave it out",
            ));
        }
        if node.int("ceil_mode", 0) != 0 {
            return Err(Error::usage("takes means beyond the padding (ceil_mode = 1), which is not read"));
        }
    }
    windows.check()?;
    let mut shape = x.shape_of(&windows, x.channels)?;
    if node.op == "ReduceMean" && node.int("keepdims", 1) == 0 {
        shape.truncate(2);
    }
    let step = match is_mean || windows.area() == 1 {
        true => Step::AveragePool(windows),
        false => Step::MaxPool(windows),
    };
    Ok(Links { steps: vec![step], shape })
}

/// A tensor of channels.
struct Image<'a> {
    shape: &'a [usize],
    channels: usize,
    /// Length, or height and width.
    sides: Vec<usize>,
}

impl<'a> Image<'a> {
    fn of(call: &'a Call) -> Result<Self> {
        let shape = call.shape(0)?;
        match *shape {
            [1, channels, ref sides @ ..] if matches!(sides.len(), 1 | 2) => {
                Ok(Self { shape, channels, sides: sides.to_vec() })
            }
            _ => Err(Error::usage(format!(
                "takes a tensor of shape {shape:?}: a point is one image, 1 x channels x height x width, or one line, 1 x channels x length"
            ))),
        }
    }

    fn of_size(&self, kernel: [usize; 2], stride: [usize; 2], padding: [[usize; 2]; 2]) -> Windows {
        Windows { channels: self.channels, input: padded_front(&self.sides, 1), kernel, stride, padding }
    }

    /// Windows of this size with the strides and the padding of a node.
    fn windows(&self, node: &Node, kernel: [usize; 2]) -> Result<Windows> {
        let stride = axes(node, "strides", self.sides.len())?.unwrap_or([1; 2]);
        let mut windows = self.of_size(kernel, stride, [[0; 2]; 2]);
        windows.padding = match node.text("auto_pad").as_deref() {
            None | Some("" | "NOTSET") => pads(node, self.sides.len())?,
            Some("VALID") => [[0; 2]; 2],
            Some(same @ ("SAME_UPPER" | "SAME_LOWER")) => [0, 1].map(|axis| {
                let (input, stride) = (windows.input[axis], stride[axis].max(1));
                let end = ((input - 1) / stride * stride).saturating_add(kernel[axis]);
                let all = end.saturating_sub(input);
                let less = all / 2;
                if same == "SAME_UPPER" { [less, all - less] } else { [all - less, less] }
            }),
            Some(other) => return Err(Error::usage(format!("its auto_pad is '{other}'"))),
        };
        for axis in [0, 1] {
            let (input, kernel) = (windows.input[axis], kernel[axis]);
            let [before, after] = &mut windows.padding[axis];
            let all = input.saturating_add(*before).saturating_add(*after);
            if node.int("ceil_mode", 0) != 0 && all >= kernel && stride[axis] > 0 {
                // A last window that begins before the end of the image reaches further beyond it.
                let last = (all - kernel).div_ceil(stride[axis]) * stride[axis];
                if last < input + *before {
                    *after = (*after).max((last + kernel).saturating_sub(input + *before));
                }
            }
            // One window alone needs no stride, which may be larger than the image.
            if input + *before + *after == kernel {
                windows.stride[axis] = windows.stride[axis].min(input);
            }
        }
        windows.check()?;
        Ok(windows)
    }

    /// The shape of what so many filters give.
    fn shape_of(&self, windows: &Windows, filters: usize) -> Result<Vec<usize>> {
        let output = windows.output();
        let shape: Vec<usize> =
            [1, filters].into_iter().chain(output[2 - self.sides.len()..].iter().copied()).collect();
        let values = n_elements(&windows.kernel).zip(n_elements(&shape)).and_then(|(area, n)| n.checked_mul(area));
        match values {
            Some(values) if values <= MAX_VALUES => Ok(shape),
            _ => Err(Error::usage("has windows of too many values")),
        }
    }
}

/// Two numbers, of which the first is `missing` where there is but one.
fn padded_front(sides: &[usize], missing: usize) -> [usize; 2] {
    match *sides {
        [height, width] => [height, width],
        [length] => [missing, length],
        _ => [missing; 2],
    }
}

/// A size, if it is one.
fn whole(number: &i64) -> Option<usize> {
    usize::try_from(*number).ok().filter(|&n| n <= MAX_VALUES)
}

/// An attribute of one number for every side, if it is given.
fn axes(node: &Node, name: &str, sides: usize) -> Result<Option<[usize; 2]>> {
    let Some(given) = node.ints(name) else { return Ok(None) };
    let numbers: Vec<usize> = given.iter().filter_map(whole).collect();
    if given.len() != sides || numbers.len() != sides {
        return Err(Error::usage(format!("its {name} are {given:?}: expected {sides} numbers")));
    }
    Ok(Some(padded_front(&numbers, 1)))
}

/// Padding before and after each side.
fn pads(node: &Node, sides: usize) -> Result<[[usize; 2]; 2]> {
    let Some(given) = node.ints("pads") else { return Ok([[0; 2]; 2]) };
    let numbers: Vec<usize> = given.iter().filter_map(whole).collect();
    match *numbers {
        [top, left, bottom, right] if sides == 2 && given.len() == 4 => Ok([[top, bottom], [left, right]]),
        [left, right] if sides == 1 && given.len() == 2 => Ok([[0; 2], [left, right]]),
        _ => Err(Error::usage(format!("its pads are {given:?}: expected {} numbers that are not negative", 2 * sides))),
    }
}
