//! Why an operator is not read.

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
        | "Attention" => "is not piecewise linear, so the network has no linear regions",
        "Sign" | "Floor" | "Ceil" | "Round" | "ThresholdedRelu" | "Hardmax" | "ArgMax" | "ArgMin" | "Greater"
        | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Equal" | "Not" | "TopK" => {
            "is not continuous, and regions are those of continuous piecewise-linear functions"
        }
        "ConvTranspose" | "LpPool" | "GlobalLpPool" | "MaxUnpool" | "Upsample" | "Resize" => {
            "is not read: of operators with windows only Conv, MaxPool, AveragePool and those of whole channels are"
        }
        "Pad" => "is not read: give the padding to the operator behind it",
        "If" | "Loop" | "Scan" | "LSTM" | "GRU" | "RNN" => "is not read: only feed-forward networks are",
        _ => {
            "is not a supported operator (Gemm, MatMul, Add, Sub, Mul, Div, Neg, BatchNormalization, Conv, MaxPool, AveragePool, \
             GlobalMaxPool, GlobalAveragePool, Relu, LeakyRelu, PRelu, Abs, Clip, Min, Max, HardSigmoid, Shrink, Flatten, Reshape, Squeeze, \
             Unsqueeze, Transpose, Identity, Dropout, Cast)"
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
        "Add" | "Sum" | "Sub" => "tensors of different shapes, or more than sums of them, which are not read",
        "Concat" => "layers side by side, which are not read, only sums of branches are",
        _ => "branches, of which only sums are read",
    };
    Error::usage(format!("joins {}: {what}", names.join(" and ")))
}
