#!/usr/bin/env python3
"""Counts the activation regions of every network of train.py in the box [0, 1]^784 with linregions.

    python3 count.py

Appends one row per network to counts.csv as soon as it is counted, and skips those that are already there: interrupted, the same command
goes on where it was. It needs no package.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BOUNDS = ["montufar_2017_upper", "serra_2018_upper"]
COLUMNS = [
    "n1",
    "n2",
    "seed",
    "activation_regions",
    "linear_regions",
    "complete",
    "seconds",
    *BOUNDS,
    "test_accuracy",
    "train_loss",
    "method",
]


def counted(path):
    """The networks of complete rows (n1, seed). A row that was cut off is removed, and a new file gets its header."""
    text = path.read_text() if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    if not whole:
        path.write_text(",".join(COLUMNS) + "\n")
        return set()
    rows = csv.DictReader(whole.splitlines())
    if rows.fieldnames != COLUMNS:
        sys.exit(f"{path}:1: other columns than {','.join(COLUMNS)}: give another --out")
    return {(row["n1"], row["seed"]) for row in rows}


def count(program, network, options):
    """The JSON of `linregions count` for one network."""
    command = [
        program,
        "count",
        "--network",
        network,
        "--activation",
        "relu",
        "--box",
        "0,1",
        "--format",
        "json",
        "--quiet",
        *options,
    ]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    except OSError as e:
        sys.exit(f"{program}: {e.strerror}: say with --program where linregions is")
    if done.returncode != 0:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="linregions", help="the program (default: linregions on the path)")
    parser.add_argument(
        "--networks",
        type=pathlib.Path,
        default=HERE / "networks",
        help="directory that train.py wrote (default: networks)",
    )
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "counts.csv", help="results (default: counts.csv)")
    parser.add_argument("--splits", type=int, nargs="+", metavar="N1", help="count these sizes of the first layer only")
    parser.add_argument("--seeds", type=int, nargs="+", help="count these seeds only")
    parser.add_argument("options", nargs="*", help="more options of linregions count, after --")
    args = parser.parse_args()

    summary = args.networks / "summary.csv"
    if not summary.exists():
        parser.error(f"{summary} is missing: run train.py first")
    with open(summary, newline="") as file:
        trained = list(csv.DictReader(file))
    # One network of every split first, so that a part of the results is already a figure.
    trained.sort(key=lambda row: (int(row["seed"]), int(row["n1"])))
    done = counted(args.out)
    with open(args.out, "a", newline="") as file:
        results = csv.DictWriter(file, COLUMNS, lineterminator="\n", extrasaction="ignore")
        for row in trained:
            n1, seed = int(row["n1"]), int(row["seed"])
            if (
                (args.splits and n1 not in args.splits)
                or (args.seeds and seed not in args.seeds)
                or (row["n1"], row["seed"]) in done
            ):
                continue
            found = count(args.program, args.networks / f"n1-{n1:02}-seed-{seed}.npz", args.options)
            bounds = {bound["id"]: bound["value"] for bound in found.pop("bounds")}
            found["complete"] = str(found["complete"]).lower()
            results.writerow({**row, **found, **{name: bounds[name] for name in BOUNDS}})
            file.flush()
            print(
                f"{n1:2}-{row['n2']:>2} seed {seed}: {found['activation_regions']} activation regions, {found['seconds']:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
