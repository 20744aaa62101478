//! From the nodes of a graph to a chain.

use std::collections::HashMap;
use std::rc::Rc;

use super::call::{Call, Links, Value};
use super::chain::Chain;
use super::graph::{Graph, Node};
use super::tensor::{Cast, ExternalFiles, Tensor, cast};
use super::{activations, affine, constants, refusals, shapes};
use crate::error::{Error, Result};

/// Constants may be so much larger than the file: only those of shapes are in any use.
const CONSTANTS_BESIDE_FILE: usize = 1 << 10;

/// The chain that a graph is; constants made of constants have at most as many elements as the file has bytes.
pub(super) fn chain(graph: &Graph, files: &ExternalFiles, n_bytes: usize) -> Result<Chain> {
    let mut translator = Translator {
        graph,
        files,
        values: HashMap::from([(graph.input.as_str(), Value::Computed(graph.input_shape.clone()))]),
        head: &graph.input,
        constant_budget: n_bytes.saturating_add(CONSTANTS_BESIDE_FILE),
        chain: Chain { input_dim: graph.input_shape.iter().product(), steps: Vec::new() },
    };
    for node in &graph.nodes {
        translator.node(node).map_err(|e| e.at(node))?;
    }
    if translator.head != graph.output {
        return Err(Error::usage(format!("the output '{}' does not depend on the input", graph.output)));
    }
    Ok(translator.chain)
}

struct Translator<'a> {
    graph: &'a Graph,
    files: &'a ExternalFiles,
    values: HashMap<&'a str, Value>,
    /// The tensor that the chain so far computes.
    head: &'a str,
    /// Elements that further constants may have.
    constant_budget: usize,
    chain: Chain,
}

impl<'a> Translator<'a> {
    fn node(&mut self, node: &'a Node) -> Result<()> {
        let inputs = node.inputs.iter().map(|name| self.value(name)).collect::<Result<_>>()?;
        let call = Call { node, opset: self.graph.opset, inputs };
        let output = node.outputs.first().filter(|name| !name.is_empty());
        let output = output.ok_or_else(|| Error::usage("only its first output is read, which it does not have"))?;
        let computed = call.computed();
        let value = match computed.as_slice() {
            // A shape is known whatever the point is.
            [] => self.constant(&call)?,
            [_] if node.op == "Shape" => self.constant(&call)?,
            &[ix] => {
                if node.inputs[ix] != self.head {
                    return Err(refusals::of_branch(&node.inputs[ix]));
                }
                let logits = (*output == self.graph.output).then_some(node.inputs[ix].as_str());
                let links = links(&call, logits)?;
                self.chain.steps.extend(links.steps);
                self.head = output;
                Value::Computed(links.shape)
            }
            several => return Err(refusals::of_junction(node, several)),
        };
        self.values.insert(output, value);
        Ok(())
    }

    fn constant(&mut self, call: &Call) -> Result<Value> {
        let tensor = constants::fold(call, self.files, self.constant_budget)?;
        if call.node.op != "Constant" {
            self.constant_budget -= tensor.values.len().min(self.constant_budget);
        }
        Ok(Value::Constant(tensor))
    }

    /// What is known of a tensor; `None` where the name says that there is none.
    fn value(&mut self, name: &'a str) -> Result<Option<Value>> {
        if name.is_empty() {
            return Ok(None);
        }
        if let Some(value) = self.values.get(name) {
            return Ok(Some(value.clone()));
        }
        let Some(proto) = self.graph.initializers.get(name) else {
            return Err(Error::usage(format!("its input '{name}' is defined nowhere before it")));
        };
        let tensor = Tensor::decode(proto, self.files).map_err(|e| e.at(format!("tensor '{name}'")))?;
        let value = Value::Constant(Rc::new(tensor));
        self.values.insert(name, value.clone());
        Ok(Some(value))
    }
}

/// The links of a node with one input that depends on the point.
fn links(call: &Call, logits: Option<&str>) -> Result<Links> {
    let node = call.node;
    match node.op.as_str() {
        "Gemm" => affine::gemm(call),
        "MatMul" => affine::matmul(call),
        "Add" | "Sub" | "Mul" | "Div" | "Sum" => affine::arithmetic(call),
        "Neg" => affine::negate(call),
        "BatchNormalization" => affine::batch_normalization(call),
        "Relu" | "LeakyRelu" | "PRelu" | "Abs" | "Clip" | "Max" | "Min" | "HardSigmoid" | "Shrink" => {
            activations::activation(call)
        }
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => shapes::changed(call, call.shape(0)?).map(Links::reshaped),
        "Transpose" => shapes::transpose(call, call.shape(0)?).map(Links::reshaped),
        "Identity" => Ok(Links::reshaped(call.shape(0)?.to_vec())),
        "Dropout" => match call.optional(2)?.and_then(|training| training.single()) {
            Some(training) if training != 0.0 => {
                Err(Error::usage("is in training mode: export the model for inference"))
            }
            _ => Ok(Links::reshaped(call.shape(0)?.to_vec())),
        },
        "Cast" => match cast(node.int("to", 0)) {
            Some(Cast::Keep) => Ok(Links::reshaped(call.shape(0)?.to_vec())),
            _ => Err(Error::usage("rounds what it computes, which is not continuous")),
        },
        _ => Err(refusals::of_operator(node, logits)),
    }
}
