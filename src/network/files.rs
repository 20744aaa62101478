//! Networks from `.safetensors`, `.npz` and `.onnx` files.

use std::io::Cursor;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use super::{Activation, AffineWeights, Architecture, Network, onnx};
use crate::error::{Error, Result};
use crate::files::{Array, parse_npy, read_bounded, read_bytes, size_limit};

impl Network {
    /// Reads a dense network.
    ///
    /// `.safetensors` and `.npz` hold tensors `W0, b0, W1, b1, ...` or those of a PyTorch Sequential (`0.weight`, `0.bias`,
    /// `2.weight`, ...), weights out x in, the last layer being the linear read-out without activation; the others have
    /// `activation`, or ReLU if none is given. Consecutive rows make a maxout unit or a sorted group.
    ///
    /// `.onnx` (operator set 7 or later) brings its own activations, which may differ from layer to layer. Its graph is a chain of
    /// affine operators (Gemm, MatMul, Add, Sub, Mul, Div, Neg, BatchNormalization), of which neighbouring ones become one layer,
    /// of activations (Relu, LeakyRelu, PRelu with one slope, Abs, Clip, Min, Max, HardSigmoid, Shrink) and of operators that do
    /// nothing to a point. An activation at the very end has an identity as read-out behind it. Larger weights may be in files
    /// beside the model.
    ///
    /// # Errors
    /// Everything that is wrong with the file is said with the name of the tensor or node; an activation given to an `.onnx` file.
    pub fn read(path: &Path, activation: Option<Activation>) -> Result<Self> {
        let kind = Kind::of(path).map_err(|e| e.at(path.display()))?;
        if kind == Kind::Onnx && activation.is_some() {
            let message = "an .onnx file brings its own activations: leave the activation out";
            return Err(Error::usage(message).at(path.display()));
        }
        let bytes = read_bytes(path)?;
        let activation = activation.unwrap_or_else(Activation::relu);
        let network = match kind {
            Kind::Onnx => onnx::parse(bytes, path),
            Kind::Safetensors => parse_safetensors(&bytes).and_then(|tensors| Self::from_tensors(tensors, activation)),
            Kind::Npz => parse_npz(&bytes).and_then(|tensors| Self::from_tensors(tensors, activation)),
        };
        network.map_err(|e| e.at(path.display()))
    }

    /// Whether a file has a name that [`Network::read`] takes.
    pub(crate) fn is_file_name(path: &Path) -> bool {
        Kind::of(path).is_ok()
    }

    fn from_tensors(tensors: Vec<(String, Array)>, activation: Activation) -> Result<Self> {
        let layers = pair_up(tensors)?;
        if layers.len() < 2 {
            return Err(Error::usage(
                "a network needs a hidden layer and a linear read-out: at least two weight tensors",
            ));
        }
        let depth = layers.len() - 1;
        let mut affine = Vec::with_capacity(layers.len());
        let mut sizes: Vec<usize> = Vec::with_capacity(layers.len() + 1);
        for (ix, (name, weight, bias)) in layers.into_iter().enumerate() {
            let &[units, inputs] = weight.shape.as_slice() else {
                return Err(Error::usage(format!("{name}: weights of shape {:?}, expected (out, in)", weight.shape)));
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
            let bias = match bias {
                None => vec![0.0; units],
                Some(bias) if bias.shape == [units] => bias.values,
                Some(bias) => {
                    return Err(Error::usage(format!("{name}: bias of shape {:?}, expected ({units},)", bias.shape)));
                }
            };
            if let Some(x) = weight.values.iter().chain(&bias).find(|x| !x.is_finite()) {
                return Err(Error::usage(format!("{name}: holds {x}")));
            }
            let transposed = (0..inputs).flat_map(|i| weight.values.iter().skip(i).step_by(inputs).copied());
            affine.push(AffineWeights::new(transposed.collect(), bias));
        }
        let (input_dim, outputs) = (sizes[0], sizes[sizes.len() - 1]);
        let architecture = Architecture::dense(input_dim, &sizes[1..sizes.len() - 1], activation, outputs)?;
        Network::new(architecture, affine)
    }
}

/// The kinds of network files.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Safetensors,
    Npz,
    Onnx,
}

impl Kind {
    fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("safetensors") => Ok(Self::Safetensors),
            Some("npz") => Ok(Self::Npz),
            Some("onnx") => Ok(Self::Onnx),
            _ => Err(Error::usage("unknown kind of network file: give .safetensors, .npz or .onnx")),
        }
    }
}

fn parse_safetensors(bytes: &[u8]) -> Result<Vec<(String, Array)>> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| Error::usage(format!("not a safetensors file: {e}")))?;
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        let values = match view.dtype() {
            Dtype::F32 => view.data().as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect(),
            Dtype::F64 => view.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            other => {
                return Err(Error::usage(format!("{name}: dtype {other:?}, save it as F32 or F64")));
            }
        };
        tensors.push((name, Array { shape: view.shape().to_vec(), values }));
    }
    Ok(tensors)
}

fn parse_npz(bytes: &[u8]) -> Result<Vec<(String, Array)>> {
    let not_npz = |e: zip::result::ZipError| Error::usage(format!("not an .npz file: {e}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(not_npz)?;
    let mut tensors = Vec::new();
    let mut budget = size_limit();
    for ix in 0..archive.len() {
        let entry = archive.by_index(ix).map_err(not_npz)?;
        let name = entry.name().map_err(not_npz)?.trim_end_matches(".npy").to_owned();
        let npy = read_bounded(entry, budget).map_err(|e| Error::usage(format!("{name}: {e}")))?;
        budget -= npy.len() as u64;
        tensors.push((name.clone(), parse_npy(&npy).map_err(|e| e.at(name))?));
    }
    Ok(tensors)
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Weight,
    Bias,
}

/// Sorts tensors by layer and joins each weight with its bias: (layer name, weight, bias).
fn pair_up(tensors: Vec<(String, Array)>) -> Result<Vec<(String, Array, Option<Array>)>> {
    // W0, W1, ... leave no number out; a Sequential counts its activations, too.
    let mut numbers: Vec<u32> = tensors.iter().filter_map(|(name, _)| name.strip_prefix('W')?.parse().ok()).collect();
    numbers.sort_unstable();
    if let Some((missing, _)) = (0..).zip(&numbers).find(|(expected, number)| expected != *number) {
        return Err(Error::usage(format!("tensor 'W{missing}' is missing, or another is there twice")));
    }
    let mut named = Vec::new();
    for (name, array) in tensors {
        let (layer, role) = layer_and_role(&name).ok_or_else(|| {
            Error::usage(format!("tensor '{name}': expected W0, b0, W1, b1, ... or 0.weight, 0.bias, 2.weight, ..."))
        })?;
        named.push((natural_key(layer), layer.to_owned(), role, array));
    }
    // Weight before bias of the same layer.
    named.sort_by(|a, b| a.0.cmp(&b.0).then((a.2 == Role::Bias).cmp(&(b.2 == Role::Bias))));
    let mut layers: Vec<(String, Array, Option<Array>)> = Vec::new();
    for (_, layer, role, array) in named {
        match (role, layers.last_mut()) {
            (Role::Weight, last) => {
                if last.is_some_and(|(before, ..)| *before == layer) {
                    return Err(Error::usage(format!("layer '{layer}' has two weight tensors")));
                }
                layers.push((layer, array, None));
            }
            (Role::Bias, Some((before, _, bias @ None))) if *before == layer => *bias = Some(array),
            (Role::Bias, _) => {
                return Err(Error::usage(format!("layer '{layer}' has a bias without a weight")));
            }
        }
    }
    Ok(layers)
}

fn layer_and_role(name: &str) -> Option<(&str, Role)> {
    let numbered = |prefix| name.strip_prefix(prefix).filter(|ix| ix.parse().is_ok_and(|n: u32| n.to_string() == **ix));
    numbered("W")
        .map(|ix| (ix, Role::Weight))
        .or_else(|| numbered("b").map(|ix| (ix, Role::Bias)))
        .or_else(|| name.strip_suffix(".weight").map(|layer| (layer, Role::Weight)))
        .or_else(|| name.strip_suffix(".bias").map(|layer| (layer, Role::Bias)))
}

/// A key that sorts `fc2` before `fc10`: runs of digits compare as numbers.
pub(crate) fn natural_key(text: &str) -> Vec<(u128, String)> {
    text.as_bytes()
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
        .map(|run| {
            let run = String::from_utf8_lossy(run).into_owned();
            (run.parse().unwrap_or(u128::MAX), run)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize]) -> (String, Array) {
        let n: usize = shape.iter().product();
        (name.to_owned(), Array { shape: shape.to_vec(), values: (0..n).map(|v| v as f64).collect() })
    }

    #[test]
    fn layers_are_put_in_numerical_order_and_transposed() {
        let shuffled = vec![
            tensor("10.weight", &[1, 4]),
            tensor("0.bias", &[3]),
            tensor("2.weight", &[4, 3]),
            tensor("0.weight", &[3, 2]),
            tensor("10.bias", &[1]),
        ];
        let network = Network::from_tensors(shuffled, Activation::relu()).unwrap();
        assert_eq!(network.architecture().to_string(), "2-3-4");
        assert_eq!(network.affine()[0].weight, [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        assert_eq!(network.affine()[1].bias, [0.0; 4], "a missing bias is zero");
    }

    #[test]
    fn wrong_tensors_are_refused_by_name() {
        let cases: [(Vec<(String, Array)>, &str); 9] = [
            (vec![tensor("W0", &[3, 2]), tensor("W2", &[1, 3])], "'W1' is missing"),
            (vec![tensor("W0", &[3, 2]), tensor("W00", &[1, 3])], "'W1' is missing"),
            (vec![tensor("W0", &[3, 2])], "at least two"),
            (vec![tensor("W0", &[3, 2]), tensor("W1", &[1, 4])], "4 inputs"),
            (vec![tensor("W0", &[3, 2]), tensor("b0", &[2]), tensor("W1", &[1, 3])], "bias of shape [2]"),
            (vec![tensor("W0", &[3, 2]), tensor("b1", &[2])], "bias without a weight"),
            (vec![tensor("W0", &[3]), tensor("W1", &[1, 3])], "expected (out, in)"),
            (vec![tensor("W0", &[0, 2]), tensor("W1", &[1, 0])], "are empty"),
            (vec![tensor("W0", &[3, 2]), tensor("running_mean", &[3])], "running_mean"),
        ];
        for (tensors, expected) in cases {
            let message = Network::from_tensors(tensors, Activation::relu()).expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
