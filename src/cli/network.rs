//! The flags of a given network.

use std::path::{Path, PathBuf};

use clap::Args;

use super::file_of_flag;
use crate::error::{Error, Result};
use crate::network::{Activation, Architecture, Network, ReadOptions};

/// The file of one network, and what the file does not say.
#[derive(Debug, Args)]
pub(super) struct NetworkFlags {
    /// The network: .safetensors or .npz with tensors W0, b0, W1, ... or 0.weight, 0.bias, 2.weight, ... (out x in), the last layer
    /// being the linear read-out; or .onnx
    #[arg(long = "network", value_name = "FILE")]
    file: PathBuf,

    /// Activation of the hidden layers: relu, leaky-relu:SLOPE, abs, hard-tanh, relu6, soft-threshold:LAMBDA, identity, spline:FILE,
    /// crelu (relu of all rows, then of all their negatives), maxout:RANK, group-sort:SIZE or max-min, of consecutive rows;
    /// .onnx brings its own [default: relu]
    #[arg(long)]
    activation: Option<String>,

    /// Input and hidden layers of a .safetensors or .npz file with convolutions (kernels out x in x height x width) or skips (S1 the
    /// map of that of W1), as in estimate: for example 1x28x28-c8k3-max2-64; the read-out is the last tensor [default: dense]
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
}

impl NetworkFlags {
    /// Reads the network.
    pub(super) fn read(&self) -> Result<Network> {
        Network::read_with(&self.file, &read_options(self.activation.as_deref(), self.arch.as_deref())?)
    }

    /// How errors name it.
    pub(super) fn name(&self) -> impl std::fmt::Display {
        self.file.display()
    }

    /// The files that it is read from.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.file.as_path()).chain(self.activation.as_deref().and_then(file_of_flag))
    }
}

/// What the flags say of a network that its file may not.
pub(super) fn read_options(activation: Option<&str>, arch: Option<&str>) -> Result<ReadOptions> {
    let activation: Option<Activation> =
        activation.map(str::parse).transpose().map_err(|e: Error| e.at("--activation"))?;
    if let Some(arch) = arch {
        let activation = activation.clone().unwrap_or_else(Activation::relu);
        Architecture::parse(arch, activation, 1).map_err(|e| e.at("--arch"))?;
    }
    Ok(ReadOptions { activation, architecture: arch.map(str::to_owned) })
}
