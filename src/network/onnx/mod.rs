//! Networks from ONNX files.
//!
//! A graph is followed from its input to its output for one point (a batch of size 1). Every tensor on the way is an affine
//! [form](form::Form) of what [layers](layers::Layers) before it give, composed in f64, until an activation or pooling makes a layer
//! of it: of a sum one term becomes the layer's affine map and the others its skips. Operators that do not fit are refused by name.

mod activations;
mod affine;
mod call;
mod constants;
mod form;
mod graph;
mod layers;
mod numbers;
mod proto;
mod refusals;
mod shapes;
mod step;
mod tensor;
#[cfg(test)]
mod tests;
mod translate;
mod windows;

use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;

use self::graph::Graph;
use self::proto::ModelProto;
use self::tensor::ExternalFiles;
use super::Network;
use crate::error::{Error, Result};
use crate::memory;
use crate::random::Stream;

/// Fewer weights than this need no look at the memory.
const SMALL: u128 = 1 << 16;

/// Reads the bytes of a model whose external data, if any, are beside `path`.
pub(super) fn parse(bytes: Vec<u8>, path: &Path) -> Result<Network> {
    let n_bytes = bytes.len();
    let model = ModelProto::decode(Bytes::from(bytes)).map_err(malformed)?;
    let graph = Graph::of_model(model)?;
    translate::network(&graph, &ExternalFiles::beside(path), n_bytes)
}

/// Refuses more weights than a network can have, or than fit into memory twice, before they are made.
fn check_size(weights: u128) -> Result<()> {
    if weights > u128::from(Stream::LEN) {
        return Err(Error::usage("more than 2^34 weights"));
    }
    if weights > SMALL { memory::check("a layer of it", 16 * weights, "give a smaller one") } else { Ok(()) }
}

fn malformed(error: prost::DecodeError) -> Error {
    Error::usage(format!("not an ONNX model, or a damaged one: {error}"))
}
