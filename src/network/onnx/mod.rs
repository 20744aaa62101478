//! Networks from ONNX files.
//!
//! A graph is followed from its input to its output for one point (a batch of size 1) and becomes a [chain](chain::Chain) of
//! affine maps and activations; neighbouring affine maps are then composed in f64. Operators that are no link of such a chain are
//! refused by name.

mod activations;
mod affine;
mod call;
mod chain;
mod constants;
mod graph;
mod proto;
mod refusals;
mod shapes;
mod tensor;
#[cfg(test)]
mod tests;
mod translate;

use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;

use self::graph::Graph;
use self::proto::ModelProto;
use self::tensor::ExternalFiles;
use super::Network;
use crate::error::{Error, Result};

/// Reads the bytes of a model whose external data, if any, are beside `path`.
pub(super) fn parse(bytes: Vec<u8>, path: &Path) -> Result<Network> {
    let n_bytes = bytes.len();
    let model = ModelProto::decode(Bytes::from(bytes)).map_err(malformed)?;
    let graph = Graph::of_model(model)?;
    translate::chain(&graph, &ExternalFiles::beside(path), n_bytes)?.into_network()
}

fn malformed(error: prost::DecodeError) -> Error {
    Error::usage(format!("not an ONNX model, or a damaged one: {error}"))
}
