#!/usr/bin/env python3
"""Makes the networks, paths and expected counts of this directory.

    pip install torch numpy safetensors onnx onnxscript
    python3 make.py

Networks are PyTorch Sequentials, saved by PyTorch's own means: the state_dict as .safetensors, the graph as .onnx. Counts come from
the definitions in exact rational arithmetic, with no rounding anywhere: on every interval of a path the input of a layer is an affine
function of t, which is split where a pre-activation passes a breakpoint. The script checks them against PyTorch's own forward pass.
"""

import csv
import math
import pathlib
from fractions import Fraction

import numpy as np
import onnx
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent

# Name of the activation in linregions: its module, breakpoints, slopes and values at 0.
ACTIVATIONS = {
    "relu": (torch.nn.ReLU(), [0], [0, 1]),
    "leaky-relu:0.1": (torch.nn.LeakyReLU(0.1), [0], [Fraction(0.1), 1]),
    "hard-tanh": (torch.nn.Hardtanh(), [-1, 1], [0, 1, 0]),
}

# Name, activation, sizes (inputs, hidden layers, outputs), scale of the vertices of its paths, seed.
NETWORKS = [
    ("relu", "relu", [3, 8, 8, 2], 3, 0),
    ("leaky-relu", "leaky-relu:0.1", [5, 16, 16, 16, 1], 4, 1),
    ("hard-tanh", "hard-tanh", [2, 12, 12, 1], 8, 2),
    ("trained", "relu", [2, 16, 16, 1], 2, 3),
    # Inactive layers hide boundaries from the output, and its second unit is a copy of the first.
    ("narrow", "relu", [3, 6, 3, 2, 1], 3, 21),
]
VERTICES = [2, 2, 3, 4, 6]


def copy_first_unit(linear):
    with torch.no_grad():
        linear.weight[1], linear.bias[1] = linear.weight[0], linear.bias[0]


def train(model):
    """Fits a product of sines on the square [-2, 2]^2."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(500):
        x = 4 * torch.rand(128, 2) - 2
        target = torch.sin(2 * x[:, :1]) * torch.sin(3 * x[:, 1:])
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), target).backward()
        optimizer.step()


class Pieces:
    """A continuous piecewise-linear activation with sigma(0) = 0: slopes and intercepts of its pieces."""

    def __init__(self, breakpoints, slopes):
        self.breakpoints = [Fraction(tau) for tau in breakpoints]
        self.slopes = [Fraction(slope) for slope in slopes]
        self.intercepts = [Fraction(0)]
        for tau, before, after in zip(self.breakpoints, self.slopes, self.slopes[1:]):
            self.intercepts.append(self.intercepts[-1] + (before - after) * tau)
        at_zero = self.intercepts[self.piece(0)]
        self.intercepts = [c - at_zero for c in self.intercepts]

    def piece(self, z):
        """Piece of a pre-activation; on a breakpoint the lower one."""
        return sum(tau < z for tau in self.breakpoints)


def dot(row, vector):
    return sum((w * v for w, v in zip(row, vector)), Fraction(0))


def rational_layers(model):
    """Weights (out x in) and biases of a Sequential as fractions."""
    exact = lambda values: [exact(v) if isinstance(v, list) else Fraction(v) for v in values]
    linear = [m for m in model if isinstance(m, torch.nn.Linear)]
    return [(exact(m.weight.double().tolist()), exact(m.bias.double().tolist())) for m in linear]


def intervals_of_edge(layers, activation, start, end):
    """The maximal open intervals of t in (0, 1) on which no pre-activation passes a breakpoint on the way from start to end.

    Each is (begin, end, pattern of all units, slope of the output in t, output at its middle).
    """
    # Intervals with the layer's input on them, p + q t.
    queue = [(Fraction(0), Fraction(1), (), start, [b - a for a, b in zip(start, end)])]
    for weight, bias in layers[:-1]:
        following = []
        for begin, stop, pattern, p, q in queue:
            z = [dot(row, p) + b for row, b in zip(weight, bias)]
            slope = [dot(row, q) for row in weight]
            cuts = {(tau - z_i) / s for z_i, s in zip(z, slope) if s for tau in activation.breakpoints}
            ends = [begin, *sorted(t for t in cuts if begin < t < stop), stop]
            for left, right in zip(ends, ends[1:]):
                middle = (left + right) / 2
                pieces = [activation.piece(z_i + s * middle) for z_i, s in zip(z, slope)]
                value = [activation.slopes[k] * z_i + activation.intercepts[k] for k, z_i in zip(pieces, z)]
                change = [activation.slopes[k] * s for k, s in zip(pieces, slope)]
                following.append((left, right, pattern + tuple(pieces), value, change))
        queue = following
    weight, bias = layers[-1]
    for begin, stop, pattern, p, q in queue:
        slope = [dot(row, q) for row in weight]
        output = [dot(row, p) + b + s * (begin + stop) / 2 for row, b, s in zip(weight, bias, slope)]
        yield begin, stop, pattern, slope, output


def count(layers, activation, vertices):
    """Crossings, boundaries and knots along a polyline, and the arc lengths of its boundaries."""
    crossings = knots = 0
    positions, length = [], 0.0
    last_pattern = None
    for start, end in zip(vertices, vertices[1:]):
        edge = math.dist(start, end)
        last_slope = None
        for begin, _, pattern, slope, _ in intervals_of_edge(layers, activation, start, end):
            if last_pattern is not None and pattern != last_pattern:
                # At a vertex the slope changes with the direction, too: paths are chosen so that no boundary is there.
                assert last_slope is not None, "a boundary at a vertex"
                crossings += sum(abs(a - b) for a, b in zip(pattern, last_pattern))
                knots += slope != last_slope
                positions.append(length + float(begin) * edge)
            last_pattern, last_slope = pattern, slope
        length += edge
    # An f64 counter must see every boundary by itself.
    assert all(b - a > 1e-9 * length for a, b in zip([0.0, *positions], [*positions, length])), "boundaries too close"
    return crossings, knots, positions


def check_with_torch(model, layers, activation, vertices, crossings):
    """PyTorch's own outputs and patterns, in f64 on points of the path, agree with the exact ones."""
    double = torch.nn.Sequential(*model).double()
    flips = 0
    for start, end in zip(vertices, vertices[1:]):
        a, b = (torch.tensor([float(x) for x in v], dtype=torch.float64) for v in (start, end))
        for begin, stop, _, _, output in intervals_of_edge(layers, activation, start, end):
            expected = torch.tensor([float(y) for y in output], dtype=torch.float64)
            # PyTorch's slope 0.1 is a double, too.
            assert torch.allclose(double(a + float((begin + stop) / 2) * (b - a)), expected, rtol=1e-9, atol=1e-9)
        h = a + torch.linspace(0, 1, 20001, dtype=torch.float64)[:, None] * (b - a)
        for module in double:
            h = module(h)
            if isinstance(module, torch.nn.Linear) and module is not double[-1]:
                pieces = sum((h > float(tau)).long() for tau in activation.breakpoints)
                flips += int(pieces.diff(dim=0).abs().sum())
    assert flips == crossings, f"{flips} flips on a fine grid, {crossings} crossings"
    model.float()


def save_onnx(model, inputs, path):
    example = (torch.zeros(1, inputs),)
    torch.onnx.export(
        model.eval(), example, path, input_names=["x"], output_names=["y"], external_data=False, verbose=False
    )
    # Without the exporter's traces, which name files and lines of the machine.
    exported = onnx.load(path)
    graph = exported.graph
    for item in [exported, graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info]:
        del item.metadata_props[:]
        item.doc_string = ""
    onnx.save(exported, path)


def polylines(generator, dim, scale):
    """Polylines whose coordinates are multiples of 1/64, so that their decimals are exact."""
    for n_vertices in VERTICES:
        yield [
            [Fraction(int(x), 64) for x in np.rint(64 * scale * row)]
            for row in generator.standard_normal((n_vertices, dim))
        ]


def main():
    with open(HERE / "expected.csv", "w", newline="") as file:
        expected = csv.writer(file, lineterminator="\n")
        expected.writerow(["network", "activation", "path", "crossings", "boundaries", "knots", "mean_position"])
        for name, kind, sizes, scale, seed in NETWORKS:
            torch.manual_seed(seed)
            module, breakpoints, slopes = ACTIVATIONS[kind]
            modules = []
            for before, after in zip(sizes, sizes[1:]):
                modules += [torch.nn.Linear(before, after), module]
            model = torch.nn.Sequential(*modules[:-1])
            if name == "trained":
                train(model)
            elif name == "narrow":
                copy_first_unit(model[0])
            layers, activation = rational_layers(model), Pieces(breakpoints, slopes)
            with open(HERE / f"{name}-paths.csv", "w", newline="") as paths_file:
                paths = csv.writer(paths_file, lineterminator="\n")
                paths.writerow(["path", *(f"x{i}" for i in range(sizes[0]))])
                for path, vertices in enumerate(polylines(np.random.default_rng(seed), sizes[0], scale)):
                    paths.writerows([path, *map(float, vertex)] for vertex in vertices)
                    crossings, knots, positions = count(layers, activation, vertices)
                    check_with_torch(model, layers, activation, vertices, crossings)
                    expected.writerow(
                        [name, kind, path, crossings, len(positions), knots, repr(sum(positions) / len(positions))]
                    )
                    print(name, path, crossings, len(positions), knots, flush=True)
            save_file(model.state_dict(), HERE / f"{name}.safetensors")
            save_onnx(model, sizes[0], HERE / f"{name}.onnx")


if __name__ == "__main__":
    main()
