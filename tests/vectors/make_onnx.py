"""Writes onnx/*.onnx, small models that use every operator that is read, and onnx/values.json, their values at some points.

The models are made by onnx.helper and checked by onnx.checker; the values are those of ONNX Runtime. (The evaluator of the ONNX
project itself, onnx.reference, takes batch normalisation before operator set 14 as training, against the specification.)
Needs numpy, onnx and onnxruntime: python make_onnx.py
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent / "onnx"
N_POINTS = 8
rng = np.random.default_rng(2024)
values = {}


def array(*shape, kind=np.float32):
    return rng.normal(size=shape).astype(kind)


def node(op, inputs, output, **attributes):
    """Some nodes have names, some have none, as in the wild."""
    name = "" if op == "Add" else f"{op.lower()}_{output}"
    return helper.make_node(op, inputs, [output] if isinstance(output, str) else output, name=name, **attributes)


def save(name, opset, input_shape, nodes, constants, activations, kind=TensorProto.FLOAT, old=False, external=None, raw=True, rank=2, architecture=None):
    """One point is what the shape says with a batch of 1; `activations` are (units, name) of each hidden layer."""
    initializers = [
        numpy_helper.from_array(value, key)
        if raw
        else helper.make_tensor(key, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape, value.flatten().tolist())
        for key, value in constants.items()
    ]
    inputs = [helper.make_tensor_value_info("x", kind, input_shape)]
    if old:
        inputs += [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in initializers]
    outputs = [helper.make_tensor_value_info("y", kind, ["o0", "o1"][:rank])]
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 3 if old else 8
    onnx.checker.check_model(model, full_check=True)
    point_shape = [side if isinstance(side, int) else 1 for side in input_shape]
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    points = [2 * rng.normal(size=point_shape).astype(dtype) for _ in range(N_POINTS)]
    file = HERE / f"{name}.onnx"
    if external:
        onnx.save(model, file, save_as_external_data=True, location=external, size_threshold=0)
    else:
        onnx.save(model, file)
    session = onnxruntime.InferenceSession(file)
    results = [session.run(None, {"x": point})[0] for point in points]
    values[name] = {
        "activations": activations,
        **({"architecture": architecture} if architecture else {}),
        "points": [point.flatten().tolist() for point in points],
        "values": [np.asarray(result).flatten().tolist() for result in results],
    }


# Gemm with all its attributes; bounds as attributes; constants listed among the inputs, as old files have them.
save(
    "gemm-9",
    9,
    [1, 4],
    [
        node("Gemm", ["x", "W0", "b0"], "z0", alpha=0.5, beta=2.0, transB=1),
        node("LeakyRelu", ["z0"], "h0", alpha=0.25),
        node("Dropout", ["h0"], ["d0", "mask"], ratio=0.5),
        node("Gemm", ["d0", "W1", "b1"], "z1"),
        node("Clip", ["z1"], "h1", min=-0.25, max=0.75),
        node("Gemm", ["h1", "W2", "b2"], "z2", alpha=-1.5),
        node("Clip", ["z2"], "h2", min=0.0),
        node("Gemm", ["W3", "h2", "b3"], "y", transB=1),
    ],
    {
        "W0": array(5, 4), "b0": array(5), "W1": array(5, 3), "b1": array(1, 3), "W2": array(3, 6), "b2": array(1),
        "W3": array(2, 6), "b3": array(2, 1),
    },
    [[5, "leaky-relu:0.25"], [3, "clip:-0.25:0.75"], [6, "relu"]],
    old=True,
    raw=False,
)

# What a framework leaves of an image classifier: an open batch, normalisation, dropout, batch normalisation behind a product.
save(
    "matmul-13",
    13,
    ["batch", 1, 2, 3],
    [
        node("Sub", ["x", "mean"], "centred"),
        node("Div", ["centred", "std"], "scaled"),
        node("Flatten", ["scaled"], "flat", axis=1),
        node("MatMul", ["flat", "W0"], "p0"),
        node("Add", ["b0", "p0"], "z0"),
        node("BatchNormalization", ["z0", "gamma", "beta", "running_mean", "running_var"], "n0", epsilon=0.125),
        node("Relu", ["n0"], "h0"),
        node("Dropout", ["h0", "ratio", "training"], "d0"),
        node("Constant", [], "W1", value=numpy_helper.from_array(array(7, 4))),
        node("MatMul", ["d0", "W1"], "z1"),
        node("HardSigmoid", ["z1"], "h1", alpha=0.25, beta=0.375),
        node("Identity", ["h1"], "i1"),
        node("MatMul", ["i1", "W2"], "y"),
    ],
    {
        "mean": array(1, 2, 1), "std": np.array([[0.5, 2.0, 4.0]], np.float32), "W0": array(6, 7), "b0": array(7),
        "gamma": array(7), "beta": array(7), "running_mean": array(7), "running_var": array(7) ** 2,
        "ratio": np.float32(0.5).reshape(()), "training": np.array(False), "W2": array(4, 3),
    },
    [[7, "relu"], [4, "hard-sigmoid:0.25:0.375"]],
)

# Verification benchmarks: columns, the matrix on the left, no batch; one-sided bounds as inputs; equal slopes.
save(
    "column-11",
    11,
    [5, 1],
    [
        node("MatMul", ["W0", "x"], "p0"),
        node("Add", ["p0", "b0"], "z0"),
        node("PRelu", ["z0", "slopes"], "h0"),
        node("MatMul", ["W1", "h0"], "p1"),
        node("Sub", ["b1", "p1"], "z1"),
        node("Clip", ["z1", "", "high"], "h1"),
        node("MatMul", ["W2", "h1"], "z2"),
        node("Clip", ["z2", "low"], "h2"),
        node("MatMul", ["W3", "h2"], "y"),
    ],
    {
        "W0": array(4, 5), "b0": array(4, 1), "slopes": np.full((4, 1), -0.5, np.float32), "W1": array(3, 4), "b1": array(3, 1),
        "high": np.float32(0.5).reshape(()), "W2": array(6, 3), "low": np.float32(0.125).reshape(()), "W3": array(1, 6),
    },
    [[4, "leaky-relu:-0.5"], [3, "clip:-inf:0.5"], [6, "clip:0.125:inf"]],
)

# Activations first, last and behind each other with a normalisation between them; f64; a shape computed from the input's.
save(
    "shapes-18",
    18,
    ["n", 3, 2],
    [
        node("Abs", ["x"], "a"),
        node("BatchNormalization", ["a", "gamma0", "beta0", "mean0", "var0"], "n0"),
        node("Shape", ["x"], "shape"),
        node("Gather", ["shape", "zero"], "batch"),
        node("Unsqueeze", ["batch", "axis"], "batch1"),
        node("Concat", ["batch1", "minus"], "target", axis=0),
        node("Reshape", ["n0", "target"], "flat"),
        node("Transpose", ["W0"], "W0t", perm=[1, 0]),
        node("MatMul", ["flat", "W0t"], "z0"),
        node("Relu", ["z0"], "h0"),
        node("Mul", ["h0", "two"], "m0"),
        node("Add", ["m0", "shift"], "s0"),
        node("Max", ["third", "s0"], "h1"),
        node("Min", ["h1", "one"], "h2"),
        node("Neg", ["h2"], "g2"),
        node("Unsqueeze", ["g2", "axis"], "u2"),
        node("Squeeze", ["u2", "axis"], "v2"),
        node("Gemm", ["v2", "W1"], "z3"),
        node("Gemm", ["z3", "W2", "b2"], "z4"),
        node("Shrink", ["z4"], "y", lambd=0.25, bias=0.25),
    ],
    {
        "gamma0": array(3, kind=np.float64), "beta0": array(3, kind=np.float64), "mean0": array(3, kind=np.float64),
        "var0": array(3, kind=np.float64) ** 2, "zero": np.array(0), "axis": np.array([0]), "minus": np.array([-1]),
        "W0": array(5, 6, kind=np.float64), "two": np.array(2.0), "shift": array(5, kind=np.float64), "third": np.array([-0.375]),
        "one": np.array(1.0), "W1": array(5, 2, kind=np.float64), "W2": array(2, 4, kind=np.float64),
        "b2": array(4, kind=np.float64),
    },
    [[6, "abs"], [5, "relu"], [5, "clip:-0.375:inf"], [5, "clip:-inf:1"], [4, "soft-threshold:0.25"]],
    kind=TensorProto.DOUBLE,
)

# Weights in 16 bits, cast before they are used, in a file of their own.
save(
    "half-17",
    17,
    ["n", 2],
    [
        node("Cast", ["W0h"], "W0", to=TensorProto.FLOAT),
        node("MatMul", ["x", "W0"], "z0"),
        node("Clip", ["z0", "minus", "one"], "h0"),
        node("MatMul", ["h0", "W1"], "z1"),
        node("Clip", ["z1", "zero", "six"], "h1"),
        node("MatMul", ["h1", "W2"], "y"),
    ],
    {
        "W0h": array(2, 3, kind=np.float16), "minus": np.float32(-1).reshape(()), "one": np.float32(1).reshape(()),
        "zero": np.float32(0).reshape(()), "six": np.float32(6).reshape(()), "W1": array(3, 4), "W2": array(4),
    },
    [[3, "hard-tanh"], [4, "relu6"]],
    external="half-17.data",
    rank=1,
)

# Images: normalisation that padding keeps from the kernel behind it, padding of every kind, groups, one number for every place.
save(
    "image-13",
    13,
    ["batch", 2, 6, 7],
    [
        node("Sub", ["x", "mean"], "centred"),
        node("Div", ["centred", "std"], "scaled"),
        node("Conv", ["scaled", "W0", "b0"], "z0", group=2, pads=[0, 1, 1, 0], strides=[1, 2]),
        node("Mul", ["z0", "gain"], "m0"),
        node("Relu", ["m0"], "h0"),
        node("BatchNormalization", ["h0", "gamma", "beta", "running_mean", "running_var"], "n0"),
        node("Conv", ["n0", "W1"], "z1", auto_pad="SAME_UPPER", strides=[2, 2], kernel_shape=[2, 3]),
        node("Clip", ["z1", "minus", "one"], "h1"),
        node("AveragePool", ["h1"], "a1", kernel_shape=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1),
        node("Add", ["a1", "places"], "s1"),
        node("Flatten", ["s1"], "f1"),
        node("MatMul", ["f1", "W2"], "y"),
    ],
    {
        "mean": array(1, 2, 1, 1), "std": np.array([[[0.5]], [[2.0]]], np.float32), "W0": array(4, 1, 3, 2), "b0": array(4),
        "gain": array(4, 1, 1), "gamma": array(4), "beta": array(4), "running_mean": array(4), "running_var": array(4) ** 2 + 1,
        "W1": array(3, 4, 2, 3), "minus": np.float32(-1).reshape(()), "one": np.float32(1).reshape(()), "places": array(1, 3, 4, 3),
        "W2": array(36, 2),
    },
    [[84, "identity"], [80, "relu"], [80, "identity"], [18, "hard-tanh"], [36, "identity"]],
    architecture="2x6x7-c2k1g2-c4k3x2s1x2p0:1x1:0g2-c4k1g4-c3k2x3s2p0:1x0:1-avg2s1p1",
)

# Lines: a shift that goes into the bias, dilation, an activation behind pooling, the difference of two maps.
save(
    "line-17",
    17,
    [1, 3, 11],
    [
        node("Sub", ["x", "mean"], "centred"),
        node("Conv", ["centred", "W0", "b0"], "z0", dilations=[2]),
        node("Abs", ["z0"], "h0"),
        node("MaxPool", ["h0"], "p0", kernel_shape=[2], strides=[2], auto_pad="SAME_LOWER"),
        node("Sub", ["p0", "shift"], "q0"),
        node("Relu", ["q0"], "r0"),
        node("Conv", ["r0", "W1"], "a1"),
        node("Conv", ["r0", "W2", "b2"], "c1", pads=[1, 1]),
        node("Sub", ["a1", "c1"], "z1"),
        node("LeakyRelu", ["z1"], "h1", alpha=0.25),
        node("GlobalMaxPool", ["h1"], "g1"),
        node("Reshape", ["g1", "target"], "f1"),
        node("Gemm", ["f1", "W3", "b3"], "y"),
    ],
    {
        "mean": array(3, 1), "W0": array(4, 3, 3), "b0": array(4), "shift": array(4, 1) ** 2, "W1": array(2, 4, 1), "W2": array(2, 4, 3), "b2": array(2),
        "target": np.array([1, -1]), "W3": array(2, 3), "b3": array(3),
    },
    [[28, "abs"], [32, "maxout:2"], [16, "relu"], [8, "leaky-relu:0.25"], [8, "maxout:4"]],
    architecture="3x11-c4k5-max2p1:0-c4k1g4-c2k1+3-max",
)

# An image made of a row of numbers and back: numbers for every coordinate, windows of one value, the mean of every channel.
save(
    "reshape-18",
    18,
    ["n", 12],
    [
        node("Reshape", ["x", "image"], "i"),
        node("Conv", ["i", "W0", "b0"], "z0"),
        node("Flatten", ["z0"], "f0"),
        node("BatchNormalization", ["f0", "gamma", "beta", "running_mean", "running_var"], "n0"),
        node("Relu", ["n0"], "h0"),
        node("Reshape", ["h0", "image2"], "i2"),
        node("MaxPool", ["i2"], "p2", kernel_shape=[1, 1], strides=[2, 2]),
        node("ReduceMean", ["p2", "axes"], "m2", keepdims=0),
        node("MatMul", ["m2", "W1"], "y"),
    ],
    {
        "image": np.array([-1, 1, 3, 4]), "W0": array(2, 1, 2, 2), "b0": array(2), "gamma": array(12), "beta": array(12), "running_mean": array(12),
        "running_var": array(12) ** 2 + 1, "image2": np.array([0, 2, 2, 3]), "axes": np.array([-1, -2]), "W1": array(2, 3),
    },
    [[12, "identity"], [12, "relu"], [4, "identity"], [2, "identity"]],
    architecture="1x3x4-c2k2-12-avg1s2-avg",
)

(HERE / "values.json").write_text(json.dumps(values, indent=1) + "\n")
