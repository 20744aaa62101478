#!/usr/bin/env python3
"""Draws the figures of the experiment from counts.csv: regions.svg and error.svg, and the same as PNG.

pip install matplotlib
python3 figures.py
"""

import argparse
import csv
import pathlib
import statistics

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = pathlib.Path(__file__).resolve().parent
# One column of a paper, in inches.
WIDTH, HEIGHT = 9 / 2.54, 7.5 / 2.54
# Okabe and Ito's colours, told apart by all kinds of sight; line styles tell them apart in print.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
STYLE = {
    "font.size": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "svg.hashsalt": "serra-2018",
}


def read_counts(path):
    """The rows of networks that were counted to the end."""
    with open(path, newline="") as file:
        return [row for row in csv.DictReader(file) if row["complete"] == "true"]


def new_figure():
    return plt.subplots(figsize=(WIDTH, HEIGHT), layout="constrained")


def save(figure, directory, name):
    figure.savefig(directory / f"{name}.svg", metadata={"Date": None})
    figure.savefig(directory / f"{name}.png", dpi=300)
    plt.close(figure)


def regions(rows, directory):
    """Counts and both upper bounds over the width of the first layer."""
    widths = sorted({int(row["n1"]) for row in rows})
    counts = [[int(row["activation_regions"]) for row in rows if int(row["n1"]) == n1] for n1 in widths]
    bound = lambda name: [int(next(row[name] for row in rows if int(row["n1"]) == n1)) for n1 in widths]
    figure, axes = new_figure()
    axes.plot(widths, bound("montufar_2017_upper"), ":", color=GREEN, label="upper bound, Montúfar 2017")
    axes.plot(widths, bound("serra_2018_upper"), "--", color=ORANGE, label="upper bound, Serra et al. 2018")
    mean = [statistics.fmean(c) for c in counts]
    spread = [[m - min(c) for m, c in zip(mean, counts)], [max(c) - m for m, c in zip(mean, counts)]]
    networks = {len(c) for c in counts}
    many = f"{min(networks)}" if len(networks) == 1 else f"{min(networks)} to {max(networks)}"
    label = f"counted: mean, least and most of {many} networks"
    axes.errorbar(widths, mean, spread, fmt="o-", markersize=2.5, capsize=1.5, elinewidth=0.8, color=BLUE, label=label)
    axes.set_yscale("log")
    axes.set_xticks(range(1, 22, 2))
    axes.set_xlabel("units of the first layer, of 22 in both")
    axes.set_ylabel("activation regions in $[0, 1]^{784}$")
    figure.legend(loc="outside upper center", frameon=False)
    save(figure, directory, "regions")


def error(rows, directory):
    """Test error against the count, one point per network."""
    figure, axes = new_figure()
    points = axes.scatter(
        [int(row["activation_regions"]) for row in rows],
        [100 * (1 - float(row["test_accuracy"])) for row in rows],
        c=[int(row["n1"]) for row in rows],
        cmap="cividis",
        s=9,
        edgecolors="#444444",
        linewidths=0.2,
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_yticks([5, 10, 20, 50, 100])
    axes.yaxis.set_minor_formatter("")
    axes.set_xlabel("activation regions in $[0, 1]^{784}$")
    axes.set_ylabel("test error, %")
    figure.colorbar(
        points,
        ax=axes,
        location="top",
        shrink=0.8,
        aspect=40,
        ticks=range(1, 22, 4),
        label="units of the first layer, of 22 in both",
    )
    save(figure, directory, "error")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--counts", type=pathlib.Path, default=HERE / "counts.csv", help="results of count.py (default: counts.csv)"
    )
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="directory of the figures (default: this one)")
    args = parser.parse_args()
    rows = read_counts(args.counts)
    if not rows:
        parser.error(f"{args.counts} has no network that was counted to the end")
    with plt.rc_context(STYLE):
        regions(rows, args.out)
        error(rows, args.out)


if __name__ == "__main__":
    main()
