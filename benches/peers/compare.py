"""Compares linregions with what people write instead: python3 benches/peers/compare.py

Needs `pip install numpy torch` and `cargo build --release`. One thread everywhere. All answers are checked before any time is
taken; times are medians of runs that take turns.

1. Exact counting along lines through given weights: a straightforward numpy counter, vectorised over vertices and units.
2. The density to a standard error of 1 %: dense sampling with torch (fresh networks, activation patterns at equally spaced grid points),
   with as many grid points as keep its bias below the same 1 %, against `estimate` with `--method exact`, `rice` and `rice-features`.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

SHAPES = {"2-64x3": [2] + [64] * 3, "2-64x10": [2] + [64] * 10, "64-512x10": [64] + [512] * 10, "784-512x3": [784] + [512] * 3}
LINES = {"2-64x3": 4000, "2-64x10": 1000, "64-512x10": 20, "784-512x3": 60}
BIAS_STD = 0.1
LENGTH = 2.0
RUNS = 5


def he_network(rng, sizes):
    """Weights (out x in) and biases of the hidden layers, float32."""
    return [
        (
            rng.standard_normal((n_out, n_in), dtype=np.float32) * np.float32(math.sqrt(2 / n_in)),
            rng.standard_normal(n_out, dtype=np.float32) * np.float32(BIAS_STD),
        )
        for n_in, n_out in zip(sizes, sizes[1:])
    ]


def random_segment(rng, dim):
    start, step = rng.standard_normal((2, dim), dtype=np.float32)
    return np.stack([start, start + LENGTH * step / np.linalg.norm(step)])


def exact_crossings(network, ends):
    """Crossings of every layer: vertices are inserted where a unit changes sign."""
    h, counts = ends, []
    for weight, bias in network:
        z = h @ weight.T + bias
        interval, unit = np.nonzero((z[:-1] > 0) != (z[1:] > 0))
        counts.append(len(interval))
        before, after = z[interval, unit], z[interval + 1, unit]
        fraction = before / (before - after)
        new = (1 - fraction)[:, None] * z[interval] + fraction[:, None] * z[interval + 1]
        new[np.arange(len(unit)), unit] = 0
        order = np.argsort(np.concatenate([np.arange(len(z)), interval + fraction]), kind="stable")
        h = np.maximum(np.concatenate([z, new])[order], 0)
    return counts


def linregions(program, *args):
    """Runs an estimate; its row of all crossings, and the time of the whole process."""
    command = [program, "estimate", "--engine", "cpu", "--threads", "1", "--quiet", "--format", "json", *args]
    start = time.perf_counter()
    output = subprocess.run(command, check=True, capture_output=True).stdout
    seconds = time.perf_counter() - start
    return json.loads(output)["rows"][0], seconds


def agree(name, ours, mean, error):
    difference, total = ours["mean_density"] - mean, math.hypot(ours["std_error"] or 0, error)
    assert abs(difference) < 5 * total, f"{name}: {ours['mean_density']} and {mean} differ by {difference / total} errors"


def lines(program):
    print(f"exact counting along a line of length {LENGTH:g}, given weights, one thread, medians of {RUNS} runs in turn\n")
    print(f"{'network':<12}{'numpy, ms':>12}{'linregions, ms':>16}{'ratio':>8}")
    for name, sizes in SHAPES.items():
        rng = np.random.default_rng(0)
        # Both find the same density over many networks.
        few = {"2-64x3": 400, "2-64x10": 100}.get(name, 30)
        densities = [sum(exact_crossings(he_network(rng, sizes), random_segment(rng, sizes[0]))) / LENGTH for _ in range(few)]
        ours, _ = linregions(program, "--arch", name, "--networks", str(few), "--seed", "1")
        agree(name, ours, statistics.mean(densities), statistics.stdev(densities) / math.sqrt(few))

        network, n_lines = he_network(rng, sizes), LINES[name]
        segments = [random_segment(rng, sizes[0]) for _ in range(n_lines)]
        numpy_times, our_times = [], []
        for _ in range(RUNS):
            start = time.perf_counter()
            for segment in segments:
                exact_crossings(network, segment)
            numpy_times.append((time.perf_counter() - start) / n_lines)
            # More lines of one network cost no more weights.
            shape = ["--arch", name, "--networks", "1", "--paths-per-network"]
            many, few = (linregions(program, *shape, str(n))[1] for n in (11 * n_lines, n_lines))
            our_times.append((many - few) / (10 * n_lines))
        theirs, ours = statistics.median(numpy_times), statistics.median(our_times)
        print(f"{name:<12}{1e3 * theirs:>12.3f}{1e3 * ours:>16.4f}{theirs / ours:>8.1f}", flush=True)


def dense_sampling(torch, sizes, n_networks, grid):
    """Sign changes between neighbouring grid points, per unit length, of each network."""
    t = torch.linspace(0, LENGTH, grid)[:, None]
    densities = []
    for _ in range(n_networks):
        start, step = torch.randn(sizes[0]), torch.randn(sizes[0])
        h, n = start + t * step / step.norm(), 0
        for n_in, n_out in zip(sizes, sizes[1:]):
            z = torch.addmm(BIAS_STD * torch.randn(n_out), h, torch.randn(n_in, n_out) * math.sqrt(2 / n_in))
            active = z > 0
            n += int((active[1:] != active[:-1]).sum())
            h = z.relu_()
        densities.append(n / LENGTH)
    return densities


def one_percent(program):
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("\nthe density to a standard error of 1 %, whole processes or functions, one thread\n")
    print(f"{'network':<12}{'grid':>6}{'networks':>10}{'torch, s':>10}", end="")
    print(f"{'exact, s':>10}{'rice, s':>10}{'features, s':>13}{'torch/rice':>12}{'torch/features':>16}")
    # Grid points that find 99 % of the crossings (shown by the check below), and networks for 1 %.
    for name, grid in {"2-64x3": 256, "2-64x10": 256, "784-512x3": 256}.items():
        sizes = SHAPES[name]
        pilot = dense_sampling(torch, sizes, 100, grid)
        wanted = max(30, math.ceil((statistics.stdev(pilot) / statistics.mean(pilot) / 0.01) ** 2))
        truth, _ = linregions(program, "--arch", name, "--method", "rice", "--target-error", "0.1%")
        with torch.inference_mode():
            start = time.perf_counter()
            densities = dense_sampling(torch, sizes, wanted, grid)
            seconds = time.perf_counter() - start
        mean, error = statistics.mean(densities), statistics.stdev(densities) / math.sqrt(wanted)
        assert abs(mean / truth["mean_density"] - 1) < 0.01 + 5 * error / mean, f"{name}: {mean}, not {truth['mean_density']}"
        times = {}
        for method in ("exact", "rice", "rice-features"):
            runs = [linregions(program, "--arch", name, "--method", method, "--target-error", "1%") for _ in range(RUNS)]
            assert all(row["std_error"] <= 0.0101 * row["mean_density"] for row, _ in runs)
            times[method] = statistics.median(seconds for _, seconds in runs)
        print(
            f"{name:<12}{grid:>6}{wanted:>10}{seconds:>10.2f}{times['exact']:>10.3f}{times['rice']:>10.4f}"
            f"{times['rice-features']:>13.4f}{seconds / times['rice']:>12.0f}{seconds / times['rice-features']:>16.0f}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="target/release/linregions")
    program = parser.parse_args().program
    lines(program)
    one_percent(program)
