//! The shape of a network and its tensors: whether they agree.

use super::order::order;
use super::state::{Parameters, State};
use crate::error::{Error, Result};
use crate::files::Array;
use crate::network::{Activation, Affine, AffineWeights, Architecture};

/// The number of outputs, which the last tensor says.
pub(super) fn outputs(state: &State) -> Result<usize> {
    let last = state.layers.last().ok_or_else(|| Error::usage("the file has no weight tensor"))?;
    match *last.weight.shape {
        [outputs, inputs] if outputs > 0 && inputs > 0 => Ok(outputs),
        _ => Err(Error::usage(format!(
            "{}: weights of shape {:?}, but the last are those of the read-out, (out, in)",
            last.name, last.weight.shape
        ))),
    }
}

/// Puts dense layers into the order that their names say, or their shapes.
pub(super) fn put_in_order(state: &mut State, activation: &Activation) -> Result<()> {
    let sides = |ix: usize| <[usize; 2]>::try_from(&state.layers[ix].weight.shape[..]).ok();
    let follows = |taken: &[usize], next: usize| match (taken.last().map(|&last| sides(last)), sides(next)) {
        (_, None) | (Some(None), _) => false,
        (None, Some(_)) => true,
        (Some(Some([units, _])), Some([_, inputs])) => activation.outputs(units) == Some(inputs),
    };
    let order = order(&names(state), follows)?;
    state.put_in_order(&order);
    Ok(())
}

/// Puts the layers of an architecture, whose read-out may have any number of outputs, into the order that their names say, or their
/// shapes.
pub(super) fn put_in_order_of(architecture: &Architecture, state: &mut State) -> Result<()> {
    let is_line = architecture.input().len() == 2;
    let maps: Vec<Affine> = architecture.affine_maps().filter(|map| map.n_biases() > 0).collect();
    // Of another number an error says more.
    if maps.len() != state.layers.len() {
        return Ok(());
    }
    let follows = |taken: &[usize], next: usize| {
        let (expected, found) = (weight_shape(&maps[taken.len()], is_line), &state.layers[next].weight.shape);
        let is_readout = taken.len() + 1 == maps.len();
        found.len() == expected.len() && found[usize::from(is_readout)..] == expected[usize::from(is_readout)..]
    };
    let order = order(&names(state), follows)?;
    state.put_in_order(&order);
    Ok(())
}

fn names(state: &State) -> Vec<&str> {
    state.layers.iter().map(|layer| layer.module.as_str()).collect()
}

/// The architecture of dense layers that tensors have.
pub(super) fn of_dense(state: &State, activation: Activation) -> Result<Architecture> {
    if let Some(Parameters { name, .. }) = state.skips.first() {
        return Err(Error::usage(format!(
            "{name}: the map of a skip needs an architecture (--arch) that says where it is from"
        )));
    }
    let depth = state.layers.len() - 1;
    let mut sizes: Vec<usize> = Vec::with_capacity(depth + 2);
    for (ix, Parameters { name, weight, .. }) in state.layers.iter().enumerate() {
        let &[units, inputs] = weight.shape.as_slice() else {
            let advice = if weight.shape.len() > 2 {
                "; a network with convolutions needs its architecture (--arch)"
            } else {
                ""
            };
            return Err(Error::usage(format!(
                "{name}: weights of shape {:?}, expected (out, in){advice}",
                weight.shape
            )));
        };
        if units == 0 || inputs == 0 {
            return Err(Error::usage(format!("{name}: weights of shape {:?} are empty", weight.shape)));
        }
        match sizes.last() {
            None => sizes.push(inputs),
            Some(&before) if before != inputs => {
                return Err(Error::usage(format!(
                    "{name}: {inputs} inputs, but the layer before has {before} units (weights are out x in)"
                )));
            }
            Some(_) => {}
        }
        let width = if ix == depth { Some(units) } else { activation.outputs(units) };
        sizes.push(width.ok_or_else(|| {
            let size = activation.group_size();
            Error::usage(format!("{name}: {units} rows, no multiple of the {size} that {activation} joins"))
        })?);
    }
    let (input_dim, outputs) = (sizes[0], sizes[sizes.len() - 1]);
    Architecture::dense(input_dim, &sizes[1..sizes.len() - 1], activation, outputs)
}

/// The weights of every layer, and of the read-out last.
pub(super) fn weights(architecture: &Architecture, state: State) -> Result<Vec<AffineWeights<f64>>> {
    check_number(architecture, &state)?;
    let (mut layers, mut skips) = (state.layers.into_iter().enumerate(), state.skips.into_iter());
    let is_line = architecture.input().len() == 2;
    let mut affine = Vec::with_capacity(architecture.depth() + 1);
    for ix in 0..=architecture.depth() {
        let (map, layer) = (architecture.affine_map(ix), architecture.layers().get(ix));
        // The text of a deep architecture is long.
        let place = || match layer {
            Some(_) => format!("hidden layer {} of {architecture}", ix + 1),
            None => format!("the read-out of {architecture}"),
        };
        if map.n_biases() == 0 {
            affine.push(AffineWeights::default());
            continue;
        }
        let (number, parameters) = layers.next().expect("as many as were counted");
        let (weight, bias) = of_map(parameters, &map, is_line, &place)?;
        let mut weights = AffineWeights::new(weight, bias);
        let maps: Vec<Option<Affine>> =
            layer.map(|layer| layer.skips.iter().map(|skip| skip.map).collect()).unwrap_or_default();
        let n_mapped = maps.iter().flatten().count();
        let mut nth = 0;
        for map in maps {
            let Some(map) = map else {
                weights.skips.push(Vec::new());
                continue;
            };
            let parameters = skips.next().expect("as many as were counted");
            check_skip_name(&parameters.name, number, nth, n_mapped)?;
            nth += 1;
            let (weight, bias) = of_map(parameters, &map, is_line, &|| format!("the skip of {}", place()))?;
            weights.bias.iter_mut().zip(bias).for_each(|(b, more)| *b += more);
            weights.skips.push(weight);
        }
        affine.push(weights);
    }
    Ok(affine)
}

/// Refuses too few and too many tensors.
fn check_number(architecture: &Architecture, state: &State) -> Result<()> {
    let n_layers = architecture.affine_maps().filter(|map| map.n_biases() > 0).count();
    let n_skips = architecture.layers().iter().flat_map(|layer| &layer.skips).filter(|skip| skip.map.is_some()).count();
    for (what, found, n) in [
        ("weight tensors, the read-out's included", &state.layers, n_layers),
        (
            "weight tensors of skips (S1 for that of W1, or with skip, shortcut, downsample or projection in their names)",
            &state.skips,
            n_skips,
        ),
    ] {
        if found.len() != n {
            let names: Vec<&str> = found.iter().take(12).map(|parameters| parameters.name.as_str()).collect();
            let more = if found.len() > names.len() { ", ..." } else { "" };
            let names = if names.is_empty() {
                "none".to_owned()
            } else {
                format!("{}: {}{more}", found.len(), names.join(", "))
            };
            return Err(Error::usage(format!(
                "architecture {architecture} takes {n} {what}, but the file has {names}"
            )));
        }
    }
    Ok(())
}

/// Numbered tensors of skips have the number of their layer's.
fn check_skip_name(name: &str, layer: usize, nth: usize, n: usize) -> Result<()> {
    let expected = if n == 1 { format!("S{layer}") } else { format!("S{layer}_{nth}") };
    match name.contains('.') || name == expected {
        true => Ok(()),
        false => {
            Err(Error::usage(format!("tensor '{name}': the next skip with a map is that of W{layer}, '{expected}'")))
        }
    }
}

/// The weights, input-major, and the bias of a map.
fn of_map(
    parameters: Parameters,
    map: &Affine,
    is_line: bool,
    place: &dyn Fn() -> String,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let Parameters { name, weight, bias, .. } = parameters;
    let expected = weight_shape(map, is_line);
    let units = expected[0];
    if weight.shape != expected {
        return Err(Error::usage(format!(
            "{name}: weights of shape {}, but {} takes {}",
            sides(&weight.shape),
            place(),
            sides(&expected)
        )));
    }
    let bias = match bias {
        None => vec![0.0; units],
        Some(Array { shape, values }) if shape == [units] => values,
        Some(bias) => {
            return Err(Error::usage(format!("{name}: bias of shape {:?}, expected ({units},)", bias.shape)));
        }
    };
    if let Some(x) = weight.values.iter().chain(&bias).find(|x| !x.is_finite()) {
        return Err(Error::usage(format!("{name}: holds {x}")));
    }
    let row = weight.values.len() / units;
    let transposed = (0..row).flat_map(|i| weight.values.iter().skip(i).step_by(row).copied());
    Ok((transposed.collect(), bias))
}

/// The shape of a map's weights in a file.
fn weight_shape(map: &Affine, is_line: bool) -> Vec<usize> {
    let Affine::Convolution(convolution) = map else { return vec![map.units(), map.inputs()] };
    let [height, width] = convolution.windows.kernel;
    let (filters, channels) = (convolution.filters, convolution.channels_per_group());
    if is_line { vec![filters, channels, width] } else { vec![filters, channels, height, width] }
}

/// A shape as PyTorch writes it.
fn sides(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("({}{})", sides.join(", "), if shape.len() == 1 { "," } else { "" })
}
