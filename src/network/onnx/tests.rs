//! What is refused, by models made for it. That what is read is right is tested on models of others (`tests/onnx`).

use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;

use super::parse;
use super::proto::*;
use crate::network::Network;

fn bytes(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

fn node(op: &str, inputs: &[&str], output: &str, attributes: &[AttributeProto]) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        name: format!("the_{output}"),
        op_type: op.to_owned(),
        attribute: attributes.iter().map(bytes).collect(),
        domain: String::new(),
    }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), f, ..Default::default() }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i, ..Default::default() }
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: name.to_owned(), ints: ints.to_vec(), ..Default::default() }
}

fn text(name: &str, text: &'static str) -> AttributeProto {
    AttributeProto { name: name.to_owned(), s: Bytes::from_static(text.as_bytes()), ..Default::default() }
}

fn tensor(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: 1,
        float_data: values.to_vec(),
        name: name.to_owned(),
        ..Default::default()
    }
}

fn value(name: &str, dims: Option<&[Option<i64>]>) -> ValueInfoProto {
    let dim = |dims: &[Option<i64>]| dims.iter().map(|&dim_value| DimensionProto { dim_value }).collect();
    let shape = dims.map(|dims| TensorShapeProto { dim: dim(dims) });
    let tensor_type = Some(TensorTypeProto { shape });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}

/// A model from `x`, of an open batch and two coordinates, to `y`.
fn model(nodes: &[NodeProto], tensors: &[TensorProto]) -> ModelProto {
    ModelProto {
        graph: Some(GraphProto {
            node: nodes.iter().map(bytes).collect(),
            initializer: tensors.iter().map(bytes).collect(),
            input: vec![bytes(&value("x", Some(&[None, Some(2)])))],
            output: vec![bytes(&value("y", None))],
        }),
        opset_import: vec![bytes(&OperatorSetIdProto { domain: String::new(), version: 17 })],
    }
}

fn read(model: &ModelProto) -> crate::Result<Network> {
    parse(model.encode_to_vec(), Path::new("model.onnx"))
}

fn refuse(model: &ModelProto, parts: &[&str]) {
    let message = read(model).expect_err(parts[0]).to_string();
    assert!(parts.iter().all(|part| message.contains(part)), "{parts:?}: {message}");
}

/// 2 x 3, 3 and 3 x 1.
fn constants() -> Vec<TensorProto> {
    vec![
        tensor("W", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        tensor("b", &[3], &[0.5, -0.5, 0.0]),
        tensor("V", &[3, 1], &[1.0, -1.0, 2.0]),
        tensor("one", &[], &[1.0]),
    ]
}

/// A layer, the operator under test from `h` to `k`, and the read-out.
fn around(op: NodeProto, more: &[TensorProto]) -> ModelProto {
    let nodes = [
        node("Gemm", &["x", "W", "b"], "z", &[]),
        node("Relu", &["z"], "h", &[]),
        op,
        node("MatMul", &["k", "V"], "y", &[]),
    ];
    model(&nodes, &[&constants()[..], more].concat())
}

#[test]
fn the_model_around_is_read() {
    let network = read(&around(node("Identity", &["h"], "k", &[]), &[])).unwrap();
    assert_eq!(network.architecture().to_string(), "2-3");
    assert_eq!(network.affine()[0].weight, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(network.affine()[1].weight, [1.0, -1.0, 2.0]);
}

/// One product, written in every way there is.
#[test]
fn products_may_be_transposed_and_either_way_round() {
    let (row, column): (&[Option<i64>], &[Option<i64>]) = (&[None, Some(2)], &[Some(2), Some(1)]);
    let read = |op: &str, input: &[Option<i64>], factors: [&str; 2], transposed: [i64; 2]| {
        let attributes = [int("transA", transposed[0]), int("transB", transposed[1])];
        let nodes = [
            node(op, &factors, "z", &attributes),
            node("Relu", &["z"], "h", &[]),
            node("Flatten", &["h"], "k", &[int("axis", 0)]),
            node("MatMul", &["k", "V"], "y", &[]),
        ];
        let more = [
            tensor("Wt", &[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]),
            tensor("W1", &[1, 1, 2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            tensor("W1t", &[1, 3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]),
        ];
        let mut model = model(&nodes, &[&constants()[..], &more].concat());
        model.graph.as_mut().unwrap().input[0] = bytes(&value("x", Some(input)));
        read(&model)
    };
    for (op, input, factors, transposed) in [
        ("Gemm", row, ["x", "W"], [0, 0]),
        ("Gemm", row, ["x", "Wt"], [0, 1]),
        ("Gemm", column, ["x", "W"], [1, 0]),
        ("Gemm", column, ["x", "Wt"], [1, 1]),
        ("Gemm", column, ["Wt", "x"], [0, 0]),
        ("Gemm", column, ["W", "x"], [1, 0]),
        ("Gemm", row, ["Wt", "x"], [0, 1]),
        ("Gemm", row, ["W", "x"], [1, 1]),
        ("MatMul", row, ["x", "W"], [0, 0]),
        ("MatMul", row, ["x", "W1"], [0, 0]),
        ("MatMul", &[None, Some(1), Some(2)], ["x", "W1"], [0, 0]),
        ("MatMul", &[Some(2)], ["x", "W"], [0, 0]),
        ("MatMul", &[Some(2)], ["Wt", "x"], [0, 0]),
        ("MatMul", column, ["Wt", "x"], [0, 0]),
        ("MatMul", &[None, Some(2), Some(1)], ["Wt", "x"], [0, 0]),
        ("MatMul", &[None, Some(2), Some(1)], ["W1t", "x"], [0, 0]),
    ] {
        let network = read(op, input, factors, transposed).unwrap_or_else(|e| panic!("{op} {factors:?}: {e}"));
        assert_eq!(
            network.affine()[0].weight,
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            "{op} {input:?} {factors:?} {transposed:?}"
        );
    }
    for (op, input, factors, transposed) in [
        ("Gemm", row, ["x", "Wt"], [0, 0]),
        ("Gemm", row, ["x", "W"], [1, 0]),
        ("Gemm", column, ["W", "x"], [0, 0]),
        ("Gemm", row, ["x", "W1"], [0, 0]),
        ("MatMul", row, ["x", "Wt"], [0, 0]),
        ("MatMul", column, ["x", "W"], [0, 0]),
        ("MatMul", row, ["Wt", "x"], [0, 0]),
    ] {
        read(op, input, factors, transposed).expect_err(op);
    }
}

#[test]
fn operators_without_linear_regions_are_refused_by_name() {
    for (op, reason) in [
        ("Sigmoid", "not piecewise linear"),
        ("Tanh", "not piecewise linear"),
        ("Gelu", "not piecewise linear"),
        ("Softplus", "not piecewise linear"),
        ("Elu", "not piecewise linear"),
        ("Swish", "not piecewise linear"),
        ("Softmax", "not piecewise linear"),
        ("LayerNormalization", "not piecewise linear"),
        ("Sign", "not continuous"),
        ("ThresholdedRelu", "not continuous"),
        ("ConvTranspose", "with windows only Conv"),
        ("LpPool", "with windows only Conv"),
        ("Pad", "the operator behind it"),
        ("LSTM", "feed-forward"),
        ("Einsum", "not a supported operator"),
    ] {
        refuse(&around(node(op, &["h"], "k", &[]), &[]), &["node 'the_k'", op, reason]);
    }
    let mut custom = node("Relu", &["h"], "k", &[]);
    custom.domain = "com.example".to_owned();
    refuse(&around(custom, &[]), &["com.example.Relu", "not a supported operator"]);
    // In the middle there is no advice; at the end the regions are those of its input.
    let middle = read(&around(node("Softmax", &["h"], "k", &[]), &[])).unwrap_err().to_string();
    assert!(!middle.contains("output"), "{middle}");
    let nodes = [
        node("Gemm", &["x", "W", "b"], "z", &[]),
        node("Relu", &["z"], "h", &[]),
        node("MatMul", &["h", "V"], "logits", &[]),
        node("Softmax", &["logits"], "y", &[]),
    ];
    refuse(&model(&nodes, &constants()), &["Softmax", "make 'logits' the graph's output"]);
}

#[test]
fn joined_tensors_are_refused_unless_they_are_sums() {
    refuse(&around(node("Concat", &["h", "h"], "k", &[]), &[]), &["the_k", "side by side"]);
    refuse(&around(node("Mul", &["h", "h"], "k", &[]), &[]), &["the_k", "'h' and 'h'", "only sums"]);
    refuse(&around(node("Max", &["h", "z"], "k", &[]), &[]), &["the_k", "'h' and 'z'", "only sums"]);
    refuse(&around(node("Sum", &["h", "h", "one"], "k", &[]), &[]), &["the_k", "more than sums"]);
    refuse(&around(node("Add", &["h", "x"], "k", &[]), &[]), &["the_k", "'h' and 'x'", "different shapes"]);
    // Two layers of one tensor, neither behind the other.
    let nodes = [
        node("MatMul", &["x", "W"], "z", &[]),
        node("MatMul", &["x", "U"], "w", &[]),
        node("Relu", &["z"], "h", &[]),
        node("Abs", &["w"], "g", &[]),
        node("Add", &["h", "g"], "y", &[]),
    ];
    let tensors = [&constants()[..], &[tensor("U", &[2, 3], &[1.0; 6])]].concat();
    refuse(&model(&nodes, &tensors), &["the_g", "side by side"]);
    // The last layer is not the output's.
    let nodes = [
        node("Gemm", &["x", "W", "b"], "z", &[]),
        node("Relu", &["z"], "h", &[]),
        node("Shape", &["h"], "shape", &[]),
        node("Reshape", &["z", "shape"], "y", &[]),
    ];
    refuse(&model(&nodes, &constants()), &["not of the last layer"]);
}

/// Values by hand: `h = max(0, x W + b)`, then a sum of it, and the product with `V`.
#[test]
fn sums_are_layers_with_skips() {
    let outputs = |network: &Network| network.outputs(&[1.0, -1.0])[0];
    // z = (1 - 4 + 0.5, 2 - 5 - 0.5, 3 - 6), of which nothing is active; of -z all is.
    let z = [-2.5, -3.5, -3.0];
    let of = |sum: [f64; 3]| sum[0] - sum[1] + 2.0 * sum[2];
    let minus = |op: &str, inputs: [&str; 2]| {
        let nodes = [
            node("Gemm", &["x", "W", "b"], "z", &[]),
            node("Neg", &["z"], "n", &[]),
            node("Relu", &["n"], "h", &[]),
            node(op, &inputs, "k", &[]),
            node("MatMul", &["k", "V"], "y", &[]),
        ];
        read(&model(&nodes, &constants())).unwrap()
    };
    for (op, inputs, factor) in
        [("Add", ["h", "z"], 0.0), ("Sub", ["h", "z"], -2.0), ("Sub", ["z", "h"], 2.0), ("Sum", ["h", "h"], -2.0)]
    {
        let network = minus(op, inputs);
        let expected = of(z.map(|z| factor * z));
        assert!((outputs(&network) - expected).abs() < 1e-12, "{op} {inputs:?}: {} {expected}", outputs(&network));
    }
    // z is used twice: a layer, of which the sum is a skip.
    assert_eq!(minus("Add", ["h", "z"]).architecture().to_string(), "2-3x2-3~1");
    assert_eq!(minus("Sum", ["h", "h"]).architecture().to_string(), "2-3-3~1");
    // The usual residual layer, and one with a map of the input.
    let nodes = [
        node("Gemm", &["x", "W", "b"], "z", &[]),
        node("Abs", &["z"], "h", &[]),
        node("MatMul", &["h", "M"], "m", &[]),
        node("Add", &["m", "h"], "s", &[]),
        node("MatMul", &["x", "W"], "w", &[]),
        node("Sum", &["w", "s"], "t", &[]),
        node("Relu", &["t"], "k", &[]),
        node("MatMul", &["k", "V"], "y", &[]),
    ];
    let tensors = [&constants()[..], &[tensor("M", &[3, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0])]].concat();
    let network = read(&model(&nodes, &tensors)).unwrap();
    assert_eq!(network.architecture().to_string(), "2-3-3+~1");
    let h = z.map(f64::abs);
    let expected = [h[2] + h[0] - 3.0, h[0] + h[1] - 3.0, h[1] + h[2] - 3.0].map(|t| t.max(0.0));
    assert!((outputs(&network) - of(expected)).abs() < 1e-12);
}

#[test]
fn attributes_and_constants_that_do_not_fit_are_refused() {
    let cases: Vec<(NodeProto, Vec<TensorProto>, &[&str])> = vec![
        (node("MatMul", &["h", "M"], "k", &[]), vec![tensor("M", &[2, 3], &[0.0; 6])], &["[2, 3]", "does not fit"]),
        (node("MatMul", &["h", "M"], "k", &[]), vec![tensor("M", &[2, 3, 3], &[0.0; 18])], &["does not fit"]),
        (node("Gemm", &["h", "M"], "k", &[int("transB", 1)]), vec![tensor("M", &[3, 2], &[0.0; 6])], &["does not fit"]),
        (node("MatMul", &["h", "M"], "k", &[]), vec![tensor("M", &[3, 0], &[])], &["empty"]),
        (node("Add", &["h", "M"], "k", &[]), vec![tensor("M", &[4], &[0.0; 4])], &["does not fit"]),
        (node("Add", &["h", "M"], "k", &[]), vec![tensor("M", &[2, 1], &[0.0; 2])], &["does not fit"]),
        (node("Div", &["h", "M"], "k", &[]), vec![tensor("M", &[3], &[1.0, 0.0, 1.0])], &["'M'", "holds 0"]),
        (node("Div", &["one", "h"], "k", &[]), vec![], &["not piecewise linear"]),
        (node("Add", &["h", "M"], "k", &[]), vec![tensor("M", &[1], &[f32::NAN])], &["'M' holds NaN"]),
        (node("Mul", &["h", "M"], "k", &[]), vec![tensor("M", &[1], &[f32::INFINITY])], &["'M' holds inf"]),
        (node("PRelu", &["h", "M"], "k", &[]), vec![tensor("M", &[3], &[0.1, 0.1, 0.2])], &["slopes differ"]),
        (node("Clip", &["h", "one", "one"], "k", &[]), vec![], &["nothing but a constant"]),
        (node("Clip", &["h", "b"], "k", &[]), vec![], &["'b' is no bound"]),
        (node("Clip", &["h", "h"], "k", &[]), vec![], &["joins"]),
        (node("Max", &["h", "one", "one"], "k", &[]), vec![], &["3 tensors"]),
        (node("HardSigmoid", &["h"], "k", &[float("alpha", 0.0)]), vec![], &["hard-sigmoid", "not a finite"]),
        (node("Shrink", &["h"], "k", &[float("lambd", 1.0)]), vec![], &["not continuous"]),
        (node("Reshape", &["h", "M"], "k", &[]), vec![tensor("M", &[2], &[2.0, -1.0])], &["from [1, 3]"]),
        (node("Reshape", &["h", "M"], "k", &[]), vec![tensor("M", &[2], &[-1.0, -1.0])], &["to shape"]),
        (node("Flatten", &["h"], "k", &[int("axis", 3)]), vec![], &["axis 3"]),
        (node("Squeeze", &["h", "one"], "k", &[]), vec![], &["axis 1 has 3 elements"]),
        (node("Dropout", &["h", "one", "one"], "k", &[]), vec![], &["training"]),
        (node("Cast", &["h"], "k", &[int("to", 7)]), vec![], &["rounds"]),
        (node("BatchNormalization", &["h", "b", "b", "b"], "k", &[]), vec![], &["input 4 is missing"]),
        (node("BatchNormalization", &["h", "b", "b", "b", "one"], "k", &[]), vec![], &["'one'", "expected [3]"]),
        (node("BatchNormalization", &["h", "b", "b", "b", "b"], "k", &[]), vec![], &["variance -0.5"]),
        (node("BatchNormalization", &["h"], "k", &[int("training_mode", 1)]), vec![], &["training"]),
        (node("Relu", &["nowhere"], "k", &[]), vec![], &["'nowhere' is defined nowhere"]),
        (node("Relu", &["k"], "k", &[]), vec![], &["'k' is defined nowhere"]),
        (node("Relu", &["h"], "z", &[]), vec![], &["'z' is defined twice"]),
        (node("Relu", &["h"], "k", &[]), vec![tensor("W", &[0], &[])], &["'W' is defined twice"]),
        (node("Relu", &["h"], "k", &[]), vec![tensor("x", &[0], &[])], &["0 inputs"]),
    ];
    for (op, tensors, parts) in cases {
        refuse(&around(op, &tensors), parts);
    }
}

#[test]
fn tensors_of_wrong_size_or_type_are_refused() {
    let with = |change: &dyn Fn(&mut TensorProto)| {
        let mut weights = tensor("M", &[3, 3], &[1.0; 9]);
        change(&mut weights);
        around(node("MatMul", &["h", "M"], "k", &[]), &[weights])
    };
    read(&with(&|_| {})).unwrap();
    refuse(&with(&|t| t.dims[0] = 4), &["tensor 'M'", "9 values", "[4, 3]"]);
    refuse(&with(&|t| t.dims[0] = -3), &["tensor 'M'", "-3"]);
    refuse(&with(&|t| t.dims = vec![i64::MAX, i64::MAX]), &["tensor 'M'", "too large"]);
    refuse(&with(&|t| t.dims = vec![1; 1000]), &["tensor 'M'", "1000 sides"]);
    refuse(&with(&|t| t.raw_data = Bytes::from_static(&[0; 35])), &["tensor 'M'", "35 bytes"]);
    refuse(&with(&|t| t.data_type = 2), &["tensor 'M'", "UINT8"]);
    refuse(&with(&|t| t.data_type = 8), &["tensor 'M'", "STRING"]);
    refuse(&with(&|t| t.data_type = 99), &["tensor 'M'", "number 99"]);
    refuse(&with(&|t| t.data_location = 1), &["tensor 'M'", "without a location"]);
    for location in ["/etc/hostname", "../Cargo.toml", "..", ".", "", "a/b", "missing.data", "C:\\x", "a\0b"] {
        let entry = StringStringEntryProto { key: "location".to_owned(), value: location.to_owned() };
        let external = with(&|t| {
            t.data_location = 1;
            t.external_data = vec![bytes(&entry)];
        });
        refuse(&external, &["tensor 'M'", "in the model's own directory"]);
    }
}

#[test]
fn graphs_that_are_no_network_are_refused() {
    let good = || around(node("Identity", &["h"], "k", &[]), &[]);
    let with = |change: &dyn Fn(&mut GraphProto)| {
        let mut model = good();
        change(model.graph.as_mut().unwrap());
        model
    };
    let input = |name: &str, dims: Option<&[Option<i64>]>| bytes(&value(name, dims));
    refuse(&ModelProto { graph: None, ..good() }, &["no graph"]);
    refuse(&ModelProto { opset_import: Vec::new(), ..good() }, &["no version"]);
    let old = OperatorSetIdProto { domain: String::new(), version: 6 };
    refuse(&ModelProto { opset_import: vec![bytes(&old)], ..good() }, &["operator set 6", "7 or later"]);
    refuse(&with(&|g| g.input.clear()), &["0 inputs"]);
    refuse(&with(&|g| g.input.push(input("x2", None))), &["2 inputs (x, x2)"]);
    refuse(&with(&|g| g.output.push(input("h", None))), &["2 outputs (y, h)"]);
    refuse(&with(&|g| g.input[0] = input("x", None)), &["input 'x'", "shape is not given"]);
    refuse(&with(&|g| g.input[0] = input("x", Some(&[None, None]))), &["side 1 has no fixed size"]);
    refuse(&with(&|g| g.input[0] = input("x", Some(&[]))), &["single number"]);
    let huge = [Some(i64::MAX), Some(i64::MAX)];
    refuse(&with(&|g| g.input[0] = input("x", Some(&huge))), &["too large"]);
    refuse(&with(&|g| g.input[0] = input("x", Some(&[Some(4), Some(2)]))), &["every row", "batch of size 1"]);
    refuse(&with(&|g| g.output[0] = input("W", None)), &["'W' does not depend on the input"]);
    refuse(&with(&|g| g.node.clear()), &["'y' does not depend on the input"]);
    let linear = model(&[node("MatMul", &["x", "W"], "y", &[])], &constants());
    refuse(&linear, &["no activation"]);
    // A network too large for any memory, in a file of a hundred bytes.
    let mut wide = model(&[node("Relu", &["x"], "y", &[])], &[]);
    wide.graph.as_mut().unwrap().input[0] = input("x", Some(&[None, Some(1 << 40)]));
    refuse(&wide, &["2^34 weights"]);
    let mut wide = model(&[node("Relu", &["x"], "y", &[])], &[]);
    wide.graph.as_mut().unwrap().input[0] = input("x", Some(&[None, Some(1 << 17)]));
    refuse(&wide, &["GiB"]);
    // Constants that double from node to node.
    let mut nodes = vec![node("Concat", &["b", "b"], "c0", &[int("axis", 0)])];
    for ix in 0..40 {
        let before = format!("c{ix}");
        nodes.push(node("Concat", &[&before, &before], &format!("c{}", ix + 1), &[int("axis", 0)]));
    }
    nodes.push(node("Add", &["x", "c40"], "y", &[]));
    refuse(&model(&nodes, &constants()), &["far larger than the file"]);
}

/// An operator on images of 1 x 4 x 4, behind which there is an activation.
fn on_image(op: &str, attributes: &[AttributeProto], kernel: &[i64]) -> ModelProto {
    let inputs: &[&str] = if op == "Conv" { &["x", "K", "b"] } else { &["x"] };
    let n = kernel.iter().product::<i64>() as usize;
    let more = [tensor("K", kernel, &vec![0.5; n]), tensor("b", &kernel[..1], &vec![0.25; kernel[0] as usize])];
    let nodes = [node(op, inputs, "k", attributes), node("Relu", &["k"], "h", &[]), node("Flatten", &["h"], "y", &[])];
    let mut model = model(&nodes, &more);
    model.graph.as_mut().unwrap().input[0] = bytes(&value("x", Some(&[None, Some(1), Some(4), Some(4)])));
    model
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let reads = |op, attributes: &[AttributeProto], kernel: &[i64], text: &str| {
        let network = read(&on_image(op, attributes, kernel)).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(network.architecture().to_string(), text);
    };
    const SIDE: i64 = 1 << 33;
    let size = |n: i64| ints("kernel_shape", &[n, n]);
    reads("Conv", &[], &[2, 1, 3, 3], "1x4x4-c2k3");
    reads("Conv", &[ints("dilations", &[3, 1])], &[2, 1, 2, 2], "1x4x4-c2k4x2");
    reads("Conv", &[text("auto_pad", "SAME_LOWER")], &[2, 1, 2, 1], "1x4x4-c2k2x1p1:0x0:0");
    // One window alone has no stride, which may be larger than the image.
    reads("Conv", &[ints("strides", &[7, 7])], &[2, 1, 4, 4], "1x4x4-c2k4s4");
    reads("MaxPool", &[size(3), ints("strides", &[2, 2]), int("ceil_mode", 1)], &[1], "1x4x4-max3s2p0:1x0:1-c1k1");
    reads("AveragePool", &[size(3), int("ceil_mode", 1)], &[1], "1x4x4-avg3s1");
    reads("GlobalMaxPool", &[], &[1], "1x4x4-max-c1k1");
    let cases: Vec<(&str, Vec<AttributeProto>, &[i64], &str)> = vec![
        ("Conv", vec![], &[2, 2, 3, 3], "'K' has shape [2, 2, 3, 3] on an input of shape [1, 1, 4, 4]"),
        ("Conv", vec![], &[2, 1, 3], "2 sides"),
        ("Conv", vec![], &[2], "filters x channels x sides"),
        ("Conv", vec![], &[2, 1, 0, 3], "filters x 1 x 2 sides"),
        ("Conv", vec![], &[2, 1, 5, 3], "kernel of height 5 on an input of height 4"),
        ("Conv", vec![int("group", 0)], &[2, 1, 3, 3], "in 0 groups"),
        ("Conv", vec![int("group", 2)], &[2, 1, 3, 3], "in 2 groups"),
        ("Conv", vec![int("group", -1)], &[2, 1, 3, 3], "groups"),
        ("Conv", vec![size(2)], &[2, 1, 3, 3], "kernel_shape"),
        ("Conv", vec![ints("strides", &[1])], &[2, 1, 3, 3], "its strides are [1]"),
        ("Conv", vec![ints("strides", &[0, 1])], &[2, 1, 3, 3], "stride of 0"),
        ("Conv", vec![ints("strides", &[5, 1])], &[2, 1, 3, 3], "stride of 5 is larger"),
        ("Conv", vec![ints("pads", &[0, 0, -1, 0])], &[2, 1, 3, 3], "its pads are"),
        ("Conv", vec![ints("pads", &[3, 0, 0, 0])], &[2, 1, 3, 3], "padding of 3 is beyond"),
        ("Conv", vec![ints("pads", &[i64::MAX, 0, i64::MAX, 0])], &[2, 1, 3, 3], "its pads are"),
        ("Conv", vec![ints("dilations", &[0, 1])], &[2, 1, 3, 3], "dilated by 0"),
        ("Conv", vec![ints("dilations", &[1 << 39, 1])], &[2, 1, 3, 3], "kernel of height"),
        (
            "Conv",
            vec![ints("dilations", &[SIDE, SIDE]), text("auto_pad", "SAME_UPPER")],
            &[2, 1, 3, 3],
            "too many values",
        ),
        (
            "Conv",
            vec![ints("dilations", &[1 << 18, 1]), text("auto_pad", "SAME_UPPER")],
            &[70_000, 1, 2, 1],
            "2^34 weights",
        ),
        ("Conv", vec![text("auto_pad", "SAME")], &[2, 1, 3, 3], "auto_pad is 'SAME'"),
        ("MaxPool", vec![], &[1], "kernel_shape is missing"),
        ("MaxPool", vec![size(2), ints("dilations", &[2, 1])], &[1], "dilated"),
        ("MaxPool", vec![size(SIDE), ints("pads", &[SIDE - 1; 4])], &[1], "too many values"),
        ("AveragePool", vec![size(3), ints("pads", &[1; 4])], &[1], "count_include_pad = 0"),
        (
            "AveragePool",
            vec![size(3), ints("strides", &[2, 2]), int("ceil_mode", 1), int("count_include_pad", 1)],
            &[1],
            "ceil_mode = 1",
        ),
        ("ReduceMean", vec![ints("axes", &[1])], &[1], "mean of every channel"),
    ];
    for (op, attributes, kernel, message) in cases {
        refuse(&on_image(op, &attributes, kernel), &["node 'the_k'", message]);
    }
    // Two images are two points; a matrix is no image.
    for shape in [&[Some(2), Some(1), Some(4), Some(4)][..], &[None, Some(16)]] {
        let mut model = on_image("Conv", &[], &[2, 1, 3, 3]);
        model.graph.as_mut().unwrap().input[0] = bytes(&value("x", Some(shape)));
        refuse(&model, &["the_k", "a point is one image"]);
    }
}

/// Numbers for every channel go into the kernel behind them, where no padding keeps them out.
#[test]
fn numbers_of_channels_are_composed_with_kernels() {
    let nodes = [
        node("Mul", &["x", "factors"], "m", &[]),
        node("Add", &["m", "terms"], "a", &[]),
        node("Conv", &["a", "K"], "k", &[int("group", 2)]),
        node("Abs", &["k"], "h", &[]),
        node("Flatten", &["h"], "y", &[]),
    ];
    let kernel = [1.0, -2.0, 0.5, 3.0, -1.0, 1.5, 2.0, -0.25];
    let tensors = [
        tensor("factors", &[2, 1, 1], &[2.0, -3.0]),
        tensor("terms", &[2, 1, 1], &[0.5, -1.5]),
        tensor("K", &[4, 1, 1, 2], &kernel),
    ];
    let mut model = model(&nodes, &tensors);
    model.graph.as_mut().unwrap().input[0] = bytes(&value("x", Some(&[None, Some(2), Some(1), Some(3)])));
    let network = read(&model).unwrap();
    assert_eq!(network.architecture().to_string(), "2x1x3-c4k1x2g2");
    let x = [[1.0, -1.0, 2.0], [0.25, 3.0, -2.0]];
    let scaled = |c: usize, t: usize| [2.0, -3.0][c] * x[c][t] + [0.5, -1.5][c];
    let of = |f: usize, t: usize| {
        let window = [0, 1].map(|k| f64::from(kernel[2 * f + k]) * scaled(f / 2, t + k));
        (window[0] + window[1]).abs()
    };
    let expected: Vec<f64> = (0..4).flat_map(|f| [of(f, 0), of(f, 1)]).collect();
    assert_eq!(network.outputs(&x.concat()), expected);
}

#[test]
fn unneeded_nodes_do_not_matter() {
    let mut model = around(node("Identity", &["h"], "k", &[]), &[]);
    let dead = [node("Sigmoid", &["z"], "s", &[]), node("Softmax", &["s"], "t", &[])];
    model.graph.as_mut().unwrap().node.extend(dead.iter().map(bytes));
    read(&model).unwrap();
}
