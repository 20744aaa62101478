#!/usr/bin/env python3
"""Makes the convolutional networks, paths and expected values of this directory.

    pip install torch numpy safetensors onnx onnxscript
    python3 make.py

Networks are saved by PyTorch's own means: the state_dict as .safetensors, the graph as .onnx. Outputs are PyTorch's own, in f64. Knots are
found in them alone, with no look at any unit: on a fine grid, outputs that are linear have second differences of zero.
"""

import itertools
import json
import pathlib

import numpy as np
import onnx
import torch
from safetensors.torch import save_file
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
GRID = 100_001
N_PATHS = 3
N_POINTS = 6
# Of the way from point to point: of many knots some are too close to each other to be told apart.
SHARE = {"resnet": 0.125, "pre-activation": 0.125, "projection": 0.375}


class Basic(nn.Module):
    """A block of He, Zhang, Ren and Sun (2016)."""

    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters),
        )
        self.shortcut = nn.Sequential()
        if (inputs, stride) != (filters, 1):
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


class PreActivation(nn.Module):
    """Normalisation and activation first: the sum has none, and goes on both ways."""

    def __init__(self, channels):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x):
        return x + self.conv2(torch.relu(self.bn2(self.conv1(torch.relu(self.bn1(x))))))


class Inverted(nn.Module):
    """An inverted residual with a linear bottleneck, of Sandler and others (2018)."""

    def __init__(self, channels, wide):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, wide, 1), nn.ReLU6(), nn.Conv2d(wide, wide, 3, 1, 1, groups=wide), nn.BatchNorm2d(wide), nn.ReLU6(),
            nn.Conv2d(wide, channels, 1),
        )

    def forward(self, x):
        return x + self.body(x)


class Projection(nn.Module):
    """A sum with a map of 3 x 3 and a stride, which no text says."""

    def __init__(self, channels, filters):
        super().__init__()
        self.main = nn.Sequential(nn.Conv2d(channels, filters, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(filters, filters, 3, 1, 1))
        self.side = nn.Conv2d(channels, filters, 3, 2, 1)

    def forward(self, x):
        return torch.relu(self.main(x) + self.side(x))


class MeanOfSides(nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3))


# Name: input, modules, activation and architecture where a state_dict can be read with them, architecture of the graph.
NETWORKS = {
    "lenet": (
        [1, 9, 8],
        lambda: [
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3), nn.ReLU(), nn.AvgPool2d(2, 1), nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3),
        ],
        "relu",
        "1x9x8-c4k3p1-max2-c6k3-avg2s1-5",
        "1x9x8-c4k3p1-max2-c6k3-avg-5",
    ),
    "resnet": (
        [2, 9, 8],
        lambda: [
            nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), Basic(4, 4, 1), Basic(4, 6, 2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2),
        ],
        "relu",
        "2x9x8-c4k3p1-[c4k3p1-c4k3p1]-[c6k3s2p1-c6k3p1]-avg",
        "2x9x8-c4k3p1-c4k3p1-c4k3p1~1-c6k3s2p1-c6k3p1+3-avg",
    ),
    "line": (
        [2, 17],
        lambda: [
            nn.Conv1d(2, 4, 3, 2, 1, bias=False), nn.LeakyReLU(0.125), nn.MaxPool1d(3, 2, 1), nn.Conv1d(4, 6, 2, groups=2),
            nn.BatchNorm1d(6), nn.LeakyReLU(0.125), nn.Flatten(), nn.Linear(24, 2),
        ],
        "leaky-relu:0.125",
        "2x17-c4k3s2p1-max3s2p1-c6k2g2",
        "2x17-c4k3s2p1-max3s2p1-c6k2g2",
    ),
    "pre-activation": (
        [1, 5, 6],
        lambda: [nn.Conv2d(1, 3, 3, padding=1), PreActivation(3), PreActivation(3), nn.ReLU(), MeanOfSides(), nn.Linear(3, 2)],
        None,
        None,
        "1x5x6-c3k3p1-c3k1g3-c3k3p1-c3k3p1~1-c3k1g3-c3k3p1-c3k3p1~4-avg",
    ),
    "inverted": (
        [2, 6, 5],
        lambda: [nn.Conv2d(2, 3, 3, (1, 2), (1, 0)), Inverted(3, 5), Inverted(3, 4), nn.Flatten(), nn.Linear(36, 2)],
        None,
        None,
        "2x6x5-c3k3s1x2p1x0-c5k1-c5k3p1g5-c3k1~1-c4k1-c4k3p1g4-c3k1~4",
    ),
    "projection": (
        [1, 8, 8],
        lambda: [Projection(1, 3), Projection(3, 4), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 2)],
        None,
        None,
        "1x8x8-c3k3p1-max2-c3k3p1+-c4k3p1-max2-c4k3p1+3-max",
    ),
    "dilated": (
        [2, 8, 9],
        lambda: [
            nn.Conv2d(2, 4, 3, padding=2, dilation=2), nn.Hardtanh(), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Conv2d(4, 4, (4, 2)), nn.ReLU(), nn.AvgPool2d((1, 3), (1, 1), (0, 1)), nn.Conv2d(4, 3, (1, 3)),
        ],
        None,
        None,
        "2x8x9-c4k5p2-max3s2p0:1x0:0-c4k4x2-avg1x3s1p0x1",
    ),
}


def randomise(model, seed):
    """Weights that keep values apart, and statistics that are not those of a new network."""
    generator = torch.Generator().manual_seed(seed)
    normal = lambda like: torch.randn(like.shape, generator=generator)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear)):
                module.weight.copy_(normal(module.weight) * (2 / module.weight[0].numel()) ** 0.5)
                if module.bias is not None:
                    module.bias.copy_(0.3 * normal(module.bias))
            elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.weight.copy_(1 + 0.3 * normal(module.weight))
                module.bias.copy_(0.3 * normal(module.bias))
                module.running_mean.copy_(0.3 * normal(module.running_mean))
                module.running_var.copy_((1 + 0.3 * normal(module.running_var)) ** 2)


def knots(model, start, end):
    """Places in (0, 1) where the outputs change slope; nothing where some are too close to each other to tell."""
    t = torch.linspace(0, 1, GRID, dtype=torch.float64)
    with torch.no_grad():
        chunks = [model((start + s[:, None] * (end - start)).reshape(-1, *model.shape)).flatten(1) for s in t.split(4000)]
    y = torch.cat(chunks).numpy()
    second = np.abs(y[2:] - 2 * y[1:-1] + y[:-2]).max(1)
    noise, is_kink = 1e-13 * np.abs(y).max(), second > 1e-12 * np.abs(y).max()
    # No second difference is between rounding and kinks.
    assert not ((second > noise) & ~is_kink & ~np.roll(is_kink, 1) & ~np.roll(is_kink, -1)).any(), "unclear second differences"
    at = 1 + np.flatnonzero(is_kink)
    groups = np.split(at, 1 + np.flatnonzero(np.diff(at) > 1)) if len(at) else []
    found = []
    for ix, group in enumerate(groups):
        if len(group) > 2:
            return None
        # Where the lines on both sides, from their ends as far as the next kinks, meet.
        first, last = group[0] - 1, group[-1] + 1
        before = groups[ix - 1][-1] + 1 if ix else 0
        after = groups[ix + 1][0] - 1 if ix + 1 < len(groups) else GRID - 1
        if first - before < 3 or after - last < 3:
            return None
        left, right = (y[first] - y[before]) / (first - before), (y[after] - y[last]) / (after - last)
        output = np.argmax(np.abs(left - right))
        # The lines on both sides from a place nearby; of two kinks in one cell those of different outputs do not meet in one place.
        gap = y[first] - y[last] + right * (last - first)
        place = (gap / (right - left))[output]
        if np.abs(gap - place * (right - left)).max() > 1e-11 * np.abs(y).max():
            return None
        found.append((first + place) / (GRID - 1))
    return found


def save_onnx(model, shape, path):
    example = (torch.zeros(1, *shape),)
    torch.onnx.export(
        model.eval(), example, path, input_names=["x"], output_names=["y"], external_data=False, verbose=False
    )
    # Without the exporter's traces, which name files and lines of the machine.
    exported = onnx.load(path)
    graph = exported.graph
    for item in [exported, graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info]:
        del item.metadata_props[:]
        item.doc_string = ""
    del graph.value_info[:]
    onnx.save(exported, path)


def main():
    torch.set_num_threads(1)
    values = {}
    for seed, (name, (shape, modules, activation, text, graph)) in enumerate(NETWORKS.items()):
        model = nn.Sequential(*modules()).eval()
        randomise(model, seed)
        save_onnx(model, shape, HERE / f"{name}.onnx")
        if activation:
            save_file(model.state_dict(), HERE / f"{name}.safetensors")
        model = model.double()
        model.shape = shape
        rng = np.random.default_rng(seed)
        size = int(np.prod(shape))
        # Multiples of 1/64, whose decimals are exact.
        points = np.rint(64 * 1.5 * rng.standard_normal((N_POINTS, size))) / 64
        with torch.no_grad():
            outputs = model(torch.tensor(points).reshape(-1, *shape)).flatten(1).tolist()
        paths = []
        for a, b in itertools.combinations(points, 2):
            ends = np.stack([a, a + (b - a) * SHARE.get(name, 0.5)])
            places = knots(model, *torch.tensor(ends)) if len(paths) < N_PATHS else None
            if places is not None:
                paths.append({"ends": ends.tolist(), "knots": places})
        assert len(paths) == N_PATHS, name
        print(name, [len(path["knots"]) for path in paths], flush=True)
        values[name] = {
            "activation": activation, "architecture": text, "graph": graph, "points": points.tolist(), "outputs": outputs,
            "paths": paths,
        }
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in values.items())
    (HERE / "values.json").write_text(f"{{{rows}}}\n")


if __name__ == "__main__":
    main()
