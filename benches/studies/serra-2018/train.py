#!/usr/bin/env python3
"""Trains the networks of Serra, Tjandraatmadja and Ramalingam (ICML 2018): two hidden layers of 22 ReLU units together on MNIST.

    pip install numpy scikit-learn
    python3 train.py

Writes one .npz per network (W0, b0, W1, b1, W2, b2; weights out x in, float32, the last layer is the read-out before the
softmax) and summary.csv. The same seeds give the same networks on the same processor and the same versions of the libraries.
"""

import os

# Before numpy is loaded: one thread of BLAS always sums in the same order, and is faster on matrices this small.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import csv
import gzip
import pathlib
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

HERE = pathlib.Path(__file__).resolve().parent
UNITS = 22
TEST_IMAGES = 2000
COLUMNS = [
    "n1",
    "n2",
    "seed",
    "train_accuracy",
    "test_accuracy",
    "train_loss",
    "test_loss",
    "never_active_1",
    "never_active_2",
]


def read_idx(path, header):
    """The bytes of a gzipped IDX file after its header."""
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), dtype=np.uint8, offset=header)


def read_digits():
    """Images (10,000 x 784, pixels in [0, 1]) and labels."""
    images = read_idx(HERE / "mnist-10k-images-idx3-ubyte.gz", 16).reshape(-1, 28 * 28)
    labels = read_idx(HERE / "mnist-10k-labels-idx1-ubyte.gz", 8)
    return (images / 255).astype(np.float32), labels


def train(n1, seed, epochs, images, labels):
    """One trained network with n1 and 22 - n1 hidden units."""
    network = MLPClassifier(
        hidden_layer_sizes=(n1, UNITS - n1),
        activation="relu",
        solver="adam",
        alpha=0,
        batch_size=64,
        learning_rate_init=0.001,
        max_iter=epochs,
        # Never stop early: every network sees the same number of images.
        n_iter_no_change=epochs,
        tol=0,
        random_state=100 * seed + n1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.fit(images, labels)


def never_active(network, images):
    """For each hidden layer the number of units that are active on no image."""
    counts, h = [], images
    for weight, bias in zip(network.coefs_[:-1], network.intercepts_[:-1]):
        h = np.maximum(h @ weight + bias, 0)
        counts.append(int((h.max(axis=0) == 0).sum()))
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--splits",
        type=int,
        nargs="+",
        default=range(1, UNITS),
        metavar="N1",
        help="units of the first layer (default: 1 to 21)",
    )
    parser.add_argument("--networks", type=int, default=10, help="networks per split (default: 10)")
    parser.add_argument("--epochs", type=int, default=40, help="passes over the 8,000 training images (default: 40)")
    parser.add_argument(
        "--out", type=pathlib.Path, default=HERE / "networks", help="directory of the networks (default: networks)"
    )
    args = parser.parse_args()
    if not all(1 <= n1 < UNITS for n1 in args.splits):
        parser.error(f"--splits: each of 1 to {UNITS - 1}, so that both layers have units")

    images, labels = read_digits()
    train_set = images[:-TEST_IMAGES], labels[:-TEST_IMAGES]
    test_set = images[-TEST_IMAGES:], labels[-TEST_IMAGES:]
    args.out.mkdir(parents=True, exist_ok=True)
    with open(args.out / "summary.csv", "w", newline="") as file:
        summary = csv.writer(file, lineterminator="\n")
        summary.writerow(COLUMNS)
        for n1 in args.splits:
            for seed in range(args.networks):
                start = time.perf_counter()
                network = train(n1, seed, args.epochs, *train_set)
                tensors = {}
                for layer, (weight, bias) in enumerate(zip(network.coefs_, network.intercepts_)):
                    tensors[f"W{layer}"] = np.ascontiguousarray(weight.T, dtype=np.float32)
                    tensors[f"b{layer}"] = bias.astype(np.float32)
                np.savez_compressed(args.out / f"n1-{n1:02}-seed-{seed}.npz", **tensors)

                accuracy = [network.score(*part) for part in (train_set, test_set)]
                loss = [log_loss(y, network.predict_proba(x.astype(np.float64))) for x, y in (train_set, test_set)]
                inactive = never_active(network, train_set[0])
                summary.writerow(
                    [n1, UNITS - n1, seed, *(f"{a:.6g}" for a in accuracy), *(f"{l:.6g}" for l in loss), *inactive]
                )
                file.flush()
                print(
                    f"{n1:2}-{UNITS - n1:2} seed {seed}: test accuracy {accuracy[1]:.4f}, training loss {loss[0]:.4f} "
                    f"({time.perf_counter() - start:.1f} s)",
                    flush=True,
                )


if __name__ == "__main__":
    main()
