//! Networks from `.safetensors`, `.npz` and `.onnx` files.

mod order;
mod shape;
mod state;
mod tensors;

use std::path::Path;

use self::state::State;
use super::{Activation, Architecture, Network, onnx};
use crate::error::{Error, Result};
use crate::files::{Array, read_bytes};

/// What a file of tensors does not say of its network.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The activation of the hidden layers; ReLU if none is given.
    pub activation: Option<Activation>,
    /// The text of the input and the hidden layers, see [`Architecture::parse`]; without it they are dense, as the tensors are.
    pub architecture: Option<String>,
}

impl Network {
    /// Reads a network that its file describes: [`Network::read_with`] an activation alone.
    ///
    /// # Errors
    /// Those of [`Network::read_with`].
    pub fn read(path: &Path, activation: Option<Activation>) -> Result<Self> {
        Self::read_with(path, &ReadOptions { activation, architecture: None })
    }

    /// Reads a network.
    ///
    /// `.safetensors` and `.npz` hold tensors `W0, b0, W1, b1, ...` or those of a PyTorch module (`0.weight`, `0.bias`,
    /// `2.weight`, ...), in the order of the layers, numbers in names being compared as numbers; names that differ in letters (`body.weight`,
    /// `head.weight`) are in the only order in which shapes follow each other. The last is the linear read-out without activation; the others have the activation. A missing bias is zero. Weights of dense layers are out x in, and
    /// consecutive rows make a maxout unit or a sorted group. With an architecture there may be convolutions, whose kernels are
    /// filters x channels of a group x height x width (x length for lines) on values in the order channel, height, width; pooling
    /// has no tensors. The map of the skip of the layer of `W3` is `S3` (`S3_0, S3_1, ...` if it has several), or in the order of
    /// layers what has `skip`, `shortcut`, `downsample` or `projection` in its PyTorch name. The statistics of a
    /// normalisation right behind an affine map in a Sequential (`1.running_mean` behind `0.weight`) are composed with it.
    ///
    /// `.onnx` (operator set 7 or later) brings its own activations, which may differ from layer to layer. Its graph is made of
    /// affine operators (Gemm, MatMul, Conv, Add, Sub, Mul, Div, Neg, BatchNormalization), of which neighbouring ones become one
    /// layer, of pooling (MaxPool, AveragePool, those of whole channels), of activations (Relu, LeakyRelu, PRelu with one slope, Abs,
    /// Clip, Min, Max, HardSigmoid, Shrink), of sums of tensors before (residual connections, which become skips) and of operators
    /// that do nothing to a point. Affine maps that are no single map have the identity as an activation between them; an
    /// activation or pooling at the very end has an identity as read-out behind it. Larger weights may be in files beside the model.
    ///
    /// # Errors
    /// Everything that is wrong with the file is said with the name of the tensor or node; an activation or architecture given to an
    /// `.onnx` file.
    pub fn read_with(path: &Path, options: &ReadOptions) -> Result<Self> {
        let kind = Kind::of(path).map_err(|e| e.at(path.display()))?;
        let activation = options.activation.clone().unwrap_or_else(Activation::relu);
        if let Some(text) = &options.architecture {
            Architecture::parse(text, activation.clone(), 1)?;
        }
        if kind == Kind::Onnx {
            let given =
                [("activations", options.activation.is_some()), ("architecture", options.architecture.is_some())];
            if let Some((what, _)) = given.iter().find(|(_, is_given)| *is_given) {
                let message = format!("an .onnx file brings its own {what}: leave it out");
                return Err(Error::usage(message).at(path.display()));
            }
        }
        let bytes = read_bytes(path)?;
        let text = options.architecture.as_deref();
        let network = match kind {
            Kind::Onnx => onnx::parse(bytes, path),
            Kind::Safetensors => {
                tensors::parse_safetensors(&bytes).and_then(|tensors| Self::from_tensors(tensors, activation, text))
            }
            Kind::Npz => tensors::parse_npz(&bytes).and_then(|tensors| Self::from_tensors(tensors, activation, text)),
        };
        network.map_err(|e| e.at(path.display()))
    }

    /// Whether a file has a name that [`Network::read`] takes.
    pub(crate) fn is_file_name(path: &Path) -> bool {
        Kind::of(path).is_ok()
    }

    fn from_tensors(tensors: Vec<(String, Array)>, activation: Activation, text: Option<&str>) -> Result<Self> {
        let mut state = State::of_tensors(tensors)?;
        if state.layers.len() < 2 && text.is_none() {
            return Err(Error::usage(
                "a network needs a hidden layer and a linear read-out: at least two weight tensors",
            ));
        }
        let architecture = match text {
            Some(text) => {
                shape::put_in_order_of(&Architecture::parse(text, activation.clone(), 1)?, &mut state)?;
                Architecture::parse(text, activation, shape::outputs(&state)?)?
            }
            None => {
                shape::put_in_order(&mut state, &activation)?;
                shape::of_dense(&state, activation)?
            }
        };
        let affine = shape::weights(&architecture, state)?;
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
mod tests;
