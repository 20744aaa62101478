//! The graph of a model: its one input, its one output, and the nodes between them.

use std::collections::{HashMap, HashSet};
use std::fmt;

use prost::Message;
use prost::bytes::Bytes;

use super::malformed;
use super::proto::{AttributeProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto};
use super::tensor::{check_rank, n_elements};
use crate::error::{Error, Result};

/// Older operators broadcast by other rules.
const MIN_OPSET: i64 = 7;

/// A model's computation.
pub(super) struct Graph {
    /// Version of the operators.
    pub opset: i64,
    /// Those that the output depends on, in topological order.
    pub nodes: Vec<Node>,
    /// Constants by name.
    pub initializers: HashMap<String, TensorProto>,
    /// Name of the network's input.
    pub input: String,
    /// Its shape for one point: a symbolic batch has size 1.
    pub input_shape: Vec<usize>,
    /// Name of the network's output.
    pub output: String,
}

/// An operator with its inputs and outputs.
pub(super) struct Node {
    place: String,
    /// The operator.
    pub op: String,
    /// Names; an empty one is left out.
    pub inputs: Vec<String>,
    /// Names; an empty one is not used.
    pub outputs: Vec<String>,
    attributes: HashMap<String, AttributeProto>,
}

impl Graph {
    pub(super) fn of_model(model: ModelProto) -> Result<Self> {
        let opset = opset(&model.opset_import)?;
        let graph = model.graph.ok_or_else(|| Error::usage("not an ONNX model: it has no graph"))?;
        let mut initializers = HashMap::new();
        for bytes in &graph.initializer {
            let tensor = TensorProto::decode(bytes.clone()).map_err(malformed)?;
            if let Some(twice) = initializers.insert(tensor.name.clone(), tensor) {
                return Err(defined_twice(&twice.name));
            }
        }
        let (input, input_shape) = single(&graph.input, "input", |name| !initializers.contains_key(name))?;
        let (output, _) = single(&graph.output, "output", |_| true)?;
        let input_shape = one_point(&input, input_shape)?;
        let mut defined: HashSet<String> = initializers.keys().cloned().chain([input.clone()]).collect();
        // From the output backwards, so that nodes that it does not depend on are left out.
        let (mut nodes, mut needed) = (Vec::new(), HashSet::from([output.clone()]));
        for (ix, bytes) in graph.node.iter().enumerate().rev() {
            let node = Node::decode(ix, bytes)?;
            for name in node.outputs.iter().filter(|name| !name.is_empty()) {
                if !defined.insert(name.clone()) {
                    return Err(defined_twice(name).at(&node));
                }
            }
            if node.outputs.iter().any(|name| needed.contains(name)) {
                needed.extend(node.inputs.iter().filter(|name| !name.is_empty()).cloned());
                nodes.push(node);
            }
        }
        nodes.reverse();
        Ok(Self { opset, nodes, initializers, input, input_shape, output })
    }
}

/// The version of the standard operators.
fn opset(imports: &[Bytes]) -> Result<i64> {
    for import in imports {
        let import = OperatorSetIdProto::decode(import.clone()).map_err(malformed)?;
        if is_standard(&import.domain) {
            return match import.version {
                version if version >= MIN_OPSET => Ok(version),
                version => Err(Error::usage(format!("operator set {version}: export it with {MIN_OPSET} or later"))),
            };
        }
    }
    Err(Error::usage("not an ONNX model: it names no version of the standard operators"))
}

fn is_standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

fn defined_twice(name: &str) -> Error {
    Error::usage(format!("tensor '{name}' is defined twice"))
}

/// The only one of a graph's inputs or outputs that counts: its name and, where given, its shape; 0 is a side of any size.
fn single(values: &[Bytes], what: &str, counts: impl Fn(&str) -> bool) -> Result<(String, Option<Vec<usize>>)> {
    let (mut first, mut n, mut names) = (None, 0, Vec::new());
    for bytes in values {
        let value = ValueInfoProto::decode(bytes.clone()).map_err(malformed)?;
        if counts(&value.name) {
            if n < 3 {
                names.push(value.name.clone());
            }
            n += 1;
            first.get_or_insert(value);
        }
    }
    let Some(value) = first.filter(|_| n == 1) else {
        let names = if n == 0 { String::new() } else { format!(" ({})", names.join(", ")) };
        return Err(Error::usage(format!("the graph has {n} {what}s{names}: a network has one")));
    };
    let shape = value.r#type.and_then(|kind| kind.tensor_type).and_then(|tensor| tensor.shape);
    let side = |value: Option<i64>| usize::try_from(value.unwrap_or(0)).unwrap_or(0);
    Ok((value.name, shape.map(|shape| shape.dim.iter().map(|dim| side(dim.dim_value)).collect())))
}

/// The input's shape with a batch of one point.
fn one_point(input: &str, shape: Option<Vec<usize>>) -> Result<Vec<usize>> {
    let place = || format!("input '{input}'");
    let mut shape = shape.ok_or_else(|| Error::usage("its shape is not given").at(place()))?;
    match shape.first_mut() {
        None => return Err(Error::usage("it is a single number, not an array").at(place())),
        Some(batch @ 0) => *batch = 1,
        Some(_) => {}
    }
    if let Some(axis) = shape.iter().position(|&side| side == 0) {
        let message = format!("side {axis} has no fixed size: only the first, the batch, may be open");
        return Err(Error::usage(message).at(place()));
    }
    check_rank(shape.len()).map_err(|e| e.at(place()))?;
    n_elements(&shape).ok_or_else(|| Error::usage(format!("shape {shape:?} is too large")).at(place()))?;
    Ok(shape)
}

impl Node {
    fn decode(ix: usize, bytes: &Bytes) -> Result<Self> {
        let proto = NodeProto::decode(bytes.clone()).map_err(malformed)?;
        let op = if is_standard(&proto.domain) { proto.op_type } else { format!("{}.{}", proto.domain, proto.op_type) };
        let place = match (proto.name.as_str(), proto.output.first()) {
            ("", Some(output)) => format!("node {ix} ({op} of '{output}')"),
            ("", None) => format!("node {ix} ({op})"),
            (name, _) => format!("node '{name}' ({op})"),
        };
        let mut attributes = HashMap::new();
        for attribute in &proto.attribute {
            let attribute = AttributeProto::decode(attribute.clone()).map_err(|e| malformed(e).at(&place))?;
            attributes.insert(attribute.name.clone(), attribute);
        }
        Ok(Self { place, op, inputs: proto.input, outputs: proto.output, attributes })
    }

    /// An attribute, if it is given.
    pub(super) fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attributes.get(name)
    }

    /// A number, or its default.
    pub(super) fn float(&self, name: &str, default: f64) -> f64 {
        self.attribute(name).map_or(default, |attribute| f64::from(attribute.f))
    }

    /// A whole number, or its default.
    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    /// A text, if it is given.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.attribute(name).map(|attribute| String::from_utf8_lossy(&attribute.s).into_owned())
    }

    /// A list of whole numbers, if it is given.
    pub(super) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }
}

/// How an error names it.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}
