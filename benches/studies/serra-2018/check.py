#!/usr/bin/env python3
"""Bounds the exact counts from below by sampling, and repeats small ones by linear programming.

    pip install numpy scipy
    python3 check.py networks/n1-02-seed-0.npz ... [--exact]

Prints, for each network, the stable units (of one sign on all of the box, by interval arithmetic), the numbers of activation
patterns seen at random points, with --exact the number of activation regions and with --dives an unbiased estimate of it with its
standard error. It shares no code with linregions.
"""

import argparse
import copy
import csv
import sys

import numpy as np
from scipy.optimize import linprog

COLUMNS = [
    "network",
    "stable_1",
    "stable_2",
    "uniform",
    "vertices",
    "mixtures",
    "all",
    "exact",
    "estimate",
    "std_error",
]


def read_network(path):
    """Weights (out x in) and biases of the hidden layers."""
    with np.load(path) as file:
        return [(file[f"W{layer}"].astype(np.float64), file[f"b{layer}"].astype(np.float64)) for layer in (0, 1)]


def patterns(pre_activations, second):
    """The activation patterns, as integers, of points given by the first layer's pre-activations."""
    weight, bias = second
    after = np.maximum(pre_activations, 0) @ weight.T + bias
    bits = np.hstack([pre_activations > 0, after > 0])
    return bits @ (1 << np.arange(bits.shape[1]))


def stable_units(layers):
    """For each layer the number of units that have one sign on all of [0, 1]^n0, by interval arithmetic."""
    low, high = np.zeros(layers[0][0].shape[1]), np.ones(layers[0][0].shape[1])
    counts = []
    for weight, bias in layers:
        plus, minus = np.maximum(weight, 0), np.minimum(weight, 0)
        low, high = plus @ low + minus @ high + bias, plus @ high + minus @ low + bias
        counts.append(int(((low >= 0) | (high <= 0)).sum()))
        low, high = np.maximum(low, 0), np.maximum(high, 0)
    return counts


def sample(layers, points, generator):
    """Patterns seen at points of three kinds.

    Uniform points stay near the centre of a box of many dimensions, where few units change sign. The first layer maps the box onto
    a zonotope: its vertices, and convex combinations of few of them, reach everywhere, and cost no product with the inputs.
    """
    (weight, bias), second = layers
    seen = {"uniform": set(), "vertices": set(), "mixtures": set()}
    chunk = 20_000
    for _ in range(points // chunk):
        uniform = generator.random((chunk, weight.shape[1]), dtype=np.float32)
        seen["uniform"].update(patterns(uniform @ weight.T.astype(np.float32) + bias, second))
    # The corner of the box that is furthest in a random direction of the first layer's pre-activations.
    directions = generator.standard_normal((chunk, weight.shape[0])) / np.linalg.norm(weight, axis=1)
    corners = (directions @ weight > 0) @ weight.T + bias
    seen["vertices"].update(patterns(corners, second))
    for _ in range(points // chunk):
        few = corners[generator.integers(chunk, size=(chunk, 4))]
        shares = generator.dirichlet([0.5] * 4, chunk)
        seen["mixtures"].update(patterns(np.einsum("pk,pku->pu", shares, few), second))
    return seen


class Branch:
    """The part of the box on which the units so far have given signs; None of its points is on a boundary of one of them."""

    def __init__(self, layers):
        inputs = layers[0][0].shape[1]
        self.layers, self.layer, self.unit = layers, 0, 0
        # The layer's input as an affine function of x, and that of the next layer as far as it is known.
        self.slope, self.offset = np.eye(inputs), np.zeros(inputs)
        self.next_slope, self.next_offset = [], []
        # rows x + offsets > 0, rows of length 1.
        self.rows, self.offsets = np.empty((0, inputs)), np.empty(0)
        self.point = np.full(inputs, 0.5)

    def child(self, slope, offset, active, point, row=None, constant=0.0):
        child = copy.copy(self)
        child.unit, child.point = self.unit + 1, point
        child.next_slope = [*self.next_slope, slope if active else 0 * slope]
        child.next_offset = [*self.next_offset, offset if active else 0.0]
        if row is not None:
            child.rows, child.offsets = np.vstack([self.rows, row]), np.append(self.offsets, constant)
        if child.unit == len(self.layers[self.layer][1]):
            child.slope, child.offset = np.array(child.next_slope), np.array(child.next_offset)
            child.next_slope, child.next_offset = [], []
            child.layer, child.unit = self.layer + 1, 0
        return child

    def children(self):
        """The one or two parts in which the next unit has one sign, with a ball of radius 1e-7 inside; None if there is no next unit."""
        if self.layer == len(self.layers):
            return None
        weight, bias = self.layers[self.layer]
        slope, offset = weight[self.unit] @ self.slope, weight[self.unit] @ self.offset + bias[self.unit]
        length = np.linalg.norm(slope)
        if length == 0:
            return [self.child(slope, offset, offset > 0, self.point)]
        found = []
        for sign in (1, -1):
            row, constant = sign * slope / length, sign * offset / length
            # The point of this branch is in one of them: a clear margin there needs no linear program.
            clear = row @ self.point + constant > 1e-6
            point = self.point if clear else centre(np.vstack([self.rows, row]), np.append(self.offsets, constant))
            if point is not None:
                found.append(self.child(slope, offset, sign > 0, point, row, constant))
        return found


def centre(rows, offsets):
    """The point of the box furthest from all boundaries of rows x + offsets > 0; None if it is within 1e-7 of one."""
    inputs = rows.shape[1]
    objective = np.append(np.zeros(inputs), -1.0)
    constraints = np.column_stack([-rows, np.ones(len(rows))])
    solved = linprog(objective, A_ub=constraints, b_ub=offsets, bounds=[(0, 1)] * inputs + [(None, 1)], method="highs")
    assert solved.status == 0, solved.message
    return solved.x[:-1] if solved.x[-1] > 1e-7 else None


def exact_count(branch):
    """Number of activation regions by depth-first search."""
    children = branch.children()
    return 1 if children is None else sum(exact_count(child) for child in children)


def dive(layers, generator):
    """An unbiased estimate of the number of activation regions: the product of branchings on a random way down (Knuth, 1975).

    Where few branches are open deep down, large products are rare, and so the mean of few dives is often too small.
    """
    branch, product = Branch(layers), 1
    while (children := branch.children()) is not None:
        product *= len(children)
        branch = children[generator.integers(len(children))]
    return product


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", help=".npz files of train.py")
    parser.add_argument("--points", type=int, default=1_000_000, help="random points of each kind (default: 1000000)")
    parser.add_argument("--exact", action="store_true", help="count exactly, too: for small counts")
    parser.add_argument(
        "--dives",
        type=int,
        default=0,
        help="random ways through the search tree, for an unbiased estimate of large counts",
    )
    args = parser.parse_args()
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(COLUMNS)
    for path in args.networks:
        layers = read_network(path)
        seen = sample(layers, args.points, np.random.default_rng(0))
        everything = set().union(*seen.values())
        exact = exact_count(Branch(layers)) if args.exact else ""
        generator = np.random.default_rng(1)
        dives = [dive(layers, generator) for _ in range(args.dives)]
        estimate = (
            [f"{np.mean(dives):.6g}", f"{np.std(dives, ddof=1) / len(dives) ** 0.5:.3g}"]
            if len(dives) > 1
            else ["", ""]
        )
        rows.writerow(
            [
                path.rsplit("/", 1)[-1],
                *stable_units(layers),
                *map(len, seen.values()),
                len(everything),
                exact,
                *estimate,
            ]
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
