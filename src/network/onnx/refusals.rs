//! Why an operator is no link of a piecewise-linear chain.

use super::graph::Node;
use crate::error::Error;

/// The error of an operator that is not read. `logits` is the name of its input where the node gives the network's output.
pub(super) fn of_operator(node: &Node, logits: Option<&str>) -> Error {
    let reason = match node.op.as_str() {
        "Sigmoid"
        | "Tanh"
        | "Gelu"
        | "Softplus"
        | "Softsign"
        | "Elu"
        | "Selu"
        | "Celu"
        | "Mish"
        | "Swish"
        | "HardSwish"
        | "Exp"
        | "Log"
        | "Erf"
        | "Sin"
        | "Cos"
        | "Sqrt"
        | "Pow"
        | "Reciprocal"
        | "Softmax"
        | "LogSoftmax"
        | "LayerNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "RMSNormalization"
        | "LpNormalization"
        | "MeanVarianceNormalization"
        | "LRN"
        | "ReduceMean"
        | "Attention" => "is not piecewise linear, so the network has no linear regions",
        "Sign" | "Floor" | "Ceil" | "Round" | "ThresholdedRelu" | "Hardmax" | "ArgMax" | "ArgMin" | "Greater"
        | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Equal" | "Not" | "TopK" => {
            "is not continuous, and regions are those of continuous piecewise-linear functions"
        }
        "Conv" | "ConvTranspose" | "MaxPool" | "AveragePool" | "LpPool" | "GlobalAveragePool" | "GlobalMaxPool"
        | "GlobalLpPool" | "Pad" => "is not read from ONNX: only dense layers are",
        "If" | "Loop" | "Scan" | "LSTM" | "GRU" | "RNN" => "is not read: only feed-forward networks are",
        _ => {
            "is not a supported operator (Gemm, MatMul, Add, Sub, Mul, Div, Neg, BatchNormalization, Relu, LeakyRelu, PRelu, Abs, \
             Clip, Min, Max, HardSigmoid, Shrink, Flatten, Reshape, Squeeze, Unsqueeze, Transpose, Identity, Dropout, Cast)"
        }
    };
    let advice = match (logits, node.op.as_str()) {
        (
            Some(logits),
            "Softmax" | "LogSoftmax" | "Sigmoid" | "Hardmax" | "ArgMax" | "ArgMin" | "TopK" | "Greater" | "Less",
        ) => {
            format!("; the regions of its input are well defined: make '{logits}' the graph's output")
        }
        _ => String::new(),
    };
    Error::usage(format!("{reason}{advice}"))
}

/// The error of an operator with more than one input that depends on the point.
pub(super) fn of_junction(node: &Node, computed: &[usize]) -> Error {
    let names: Vec<String> = computed.iter().map(|&ix| format!("'{}'", node.inputs[ix])).collect();
    let what = match node.op.as_str() {
        "Add" | "Sum" | "Sub" => "a residual connection",
        "Concat" => "layers side by side",
        _ => "branches",
    };
    Error::usage(format!("joins {}: {what}, which is not read, only layers one after the other", names.join(" and ")))
}

/// The error of a tensor that goes to a second node.
pub(super) fn of_branch(tensor: &str) -> Error {
    Error::usage(format!(
        "takes '{tensor}', which is also the input of another node: a branch or residual connection, which is not read, only layers \
         one after the other"
    ))
}
