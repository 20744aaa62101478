//! The flags of a given network.

use std::path::{Path, PathBuf};

use clap::Args;

use super::file_of_flag;
use crate::error::{Error, Result};
use crate::network::{Activation, Network};

/// The file of one network, and what the file does not say.
#[derive(Debug, Args)]
pub(super) struct NetworkFlags {
    /// The network: .safetensors or .npz with tensors W0, b0, W1, ... or 0.weight, 0.bias, 2.weight, ... (out x in), the last layer
    /// being the linear read-out; or .onnx
    #[arg(long = "network", value_name = "FILE")]
    file: PathBuf,

    /// Activation of the hidden layers: relu, leaky-relu:SLOPE, abs, hard-tanh, relu6, soft-threshold:LAMBDA, identity or
    /// spline:FILE; .onnx brings its own [default: relu]
    #[arg(long)]
    activation: Option<String>,
}

impl NetworkFlags {
    /// Reads the network.
    pub(super) fn read(&self) -> Result<Network> {
        let activation: Option<Activation> =
            self.activation.as_deref().map(str::parse).transpose().map_err(|e: Error| e.at("--activation"))?;
        Network::read(&self.file, activation)
    }

    /// The files that it is read from.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.file.as_path()).chain(self.activation.as_deref().and_then(file_of_flag))
    }
}
