//! From the nodes of a graph to layers.

use std::collections::HashMap;
use std::rc::Rc;

use super::affine::operand;
use super::call::{Call, Links, Value};
use super::form::Form;
use super::graph::{Graph, Node};
use super::layers::Layers;
use super::step::Step;
use super::tensor::{Cast, ExternalFiles, Tensor, broadcast, cast, n_elements};
use super::{activations, affine, constants, refusals, shapes, windows};
use crate::error::{Error, Result};
use crate::network::Network;

/// Constants may be so much larger than the file: only those of shapes are in any use.
const CONSTANTS_BESIDE_FILE: usize = 1 << 10;

/// Operators that take a tensor as an image.
const OF_IMAGES: [&str; 5] = ["Conv", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"];

/// The network that a graph is; constants made of constants have at most as many elements as the file has bytes.
pub(super) fn network(graph: &Graph, files: &ExternalFiles, n_bytes: usize) -> Result<Network> {
    let has_images = graph.nodes.iter().any(|node| OF_IMAGES.contains(&node.op.as_str()));
    let mut uses = HashMap::from([(graph.output.as_str(), 1)]);
    for node in graph.nodes.iter().filter(|node| node.op != "Shape") {
        node.inputs.iter().for_each(|name| *uses.entry(name).or_insert(0) += 1);
    }
    let mut translator = Translator {
        graph,
        files,
        values: HashMap::from([(graph.input.as_str(), Value::Computed(graph.input_shape.clone()))]),
        forms: HashMap::from([(graph.input.as_str(), Form::of_source(0))]),
        uses,
        constant_budget: n_bytes.saturating_add(CONSTANTS_BESIDE_FILE),
        layers: Layers::new(graph.input_shape.iter().product(), has_images),
    };
    for node in &graph.nodes {
        translator.node(node).map_err(|e| e.at(node))?;
    }
    let (Some(Value::Computed(shape)), Some(form)) =
        (translator.values.get(graph.output.as_str()), translator.forms.remove(graph.output.as_str()))
    else {
        return Err(Error::usage(format!("the output '{}' does not depend on the input", graph.output)));
    };
    translator.layers.into_network(form, shape)
}

struct Translator<'a> {
    graph: &'a Graph,
    files: &'a ExternalFiles,
    values: HashMap<&'a str, Value>,
    /// What the computed ones of them are.
    forms: HashMap<&'a str, Form>,
    /// How many nodes take a tensor, those that take its shape apart.
    uses: HashMap<&'a str, usize>,
    /// Elements that further constants may have.
    constant_budget: usize,
    layers: Layers,
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
                let logits = (*output == self.graph.output).then_some(node.inputs[ix].as_str());
                let links = links(&call, logits)?;
                let form = self.form(&node.inputs[ix]);
                self.give(output, form, links, call.shape(ix)?)?
            }
            several if matches!(node.op.as_str(), "Add" | "Sum" | "Sub") => self.sum(&call, output, several)?,
            several => return Err(refusals::of_junction(node, several)),
        };
        self.values.insert(output, value);
        Ok(())
    }

    /// What a tensor is; all nodes but the last that takes it get a copy, of what a layer gives.
    fn form(&mut self, name: &str) -> Form {
        match self.forms.get(name) {
            Some(form) if form.is_source() => form.clone(),
            _ => self.forms.remove(name).expect("taken once"),
        }
    }

    /// Keeps what links make of a tensor of shape `x`.
    fn give(&mut self, output: &'a str, form: Form, links: Links, x: &[usize]) -> Result<Value> {
        let mut form = form;
        for step in links.steps {
            form = self.layers.apply(step, form, x)?;
        }
        if self.uses.get(output).is_some_and(|&uses| uses > 1) {
            form = self.layers.settled(form, &links.shape)?;
        }
        self.forms.insert(output, form);
        Ok(Value::Computed(links.shape))
    }

    /// Adds or subtracts tensors of one shape.
    fn sum(&mut self, call: &Call, output: &'a str, computed: &[usize]) -> Result<Value> {
        let (node, shape) = (call.node, call.shape(computed[0])?);
        let is_alike = |&ix: &usize| call.shape(ix).is_ok_and(|other| is_same_shape(shape, other));
        if computed.len() != call.inputs.len() || !computed.iter().all(is_alike) {
            return Err(refusals::of_junction(node, computed));
        }
        let mut form = self.form(&node.inputs[computed[0]]);
        for &ix in &computed[1..] {
            let mut term = self.form(&node.inputs[ix]);
            if node.op == "Sub" {
                let minus = Step::Scale(operand(Tensor::scalar(-1.0), shape)?);
                term = self.layers.apply(minus, term, shape)?;
            }
            form = form.plus(term)?;
        }
        let shapes = computed.iter().map(|&ix| call.shape(ix)).collect::<Result<Vec<_>>>()?;
        let longest = shapes.into_iter().max_by_key(|shape| shape.len()).unwrap_or(shape);
        self.give(output, form, Links::reshaped(longest.to_vec()), shape)
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

/// What a node does with one input that depends on the point.
fn links(call: &Call, logits: Option<&str>) -> Result<Links> {
    let node = call.node;
    match node.op.as_str() {
        "Gemm" => affine::gemm(call),
        "MatMul" => affine::matmul(call),
        "Add" | "Sub" | "Mul" | "Div" | "Sum" => affine::arithmetic(call),
        "Neg" => affine::negate(call),
        "BatchNormalization" => affine::batch_normalization(call),
        "Conv" => windows::convolution(call),
        "MaxPool" | "AveragePool" | "GlobalMaxPool" | "GlobalAveragePool" | "ReduceMean" => windows::pool(call),
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

/// Whether two tensors have as many elements and the same sides, but for leading ones of 1.
fn is_same_shape(a: &[usize], b: &[usize]) -> bool {
    n_elements(a) == n_elements(b) && broadcast(a, b).is_some_and(|common| n_elements(&common) == n_elements(a))
}
