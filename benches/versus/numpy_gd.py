"""One gradient descent iteration as one would write it in NumPy, timed: packed matrices, and the full ones.

usage: numpy_gd.py DIR [--search-rank K] [--repetitions R]     DIR as `lowrank generate --layout packed` writes it
prints one line a program: name, median milliseconds an iteration
"""
import argparse
import statistics
import time
from pathlib import Path

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path)
parser.add_argument("--search-rank", type=int, default=20)
parser.add_argument("--repetitions", type=int, default=15)
parser.add_argument("--full", action="store_true", help="also the full matrices: needs twice the memory")
args = parser.parse_args()

A = np.load(args.folder / "A.npy")
y = np.load(args.folder / "y.npy").astype(np.float32)
m, p = A.shape
n = int((np.sqrt(8 * p + 1) - 1) / 2)
rows, columns = np.triu_indices(n)
twice = np.where(rows == columns, 1, 2).astype(np.float32)
U = (1e-3 * np.random.default_rng(0).standard_normal((n, args.search_rank))).astype(np.float32)
step = np.float32(0.25 / m)


def packed(U):
    e = A @ (twice * (U @ U.T)[rows, columns]) - y
    G = np.zeros((n, n), np.float32)
    G[rows, columns] = e @ A
    G = np.triu(G) + np.triu(G, 1).T
    return U - step * (G @ U)


def median_milliseconds(iterate, U):
    iterate(U)
    times = []
    for _ in range(args.repetitions):
        start = time.perf_counter()
        U = iterate(U)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


print(f"numpy_packed {median_milliseconds(packed, U):.4f}")
if args.full:
    F = np.zeros((m, n, n), np.float32)
    F[:, rows, columns] = A
    F[:, columns, rows] = A
    F = F.reshape(m, n * n)

    def full(U):
        e = F @ (U @ U.T).ravel() - y
        return U - step * ((e @ F).reshape(n, n) @ U)

    print(f"numpy_full {median_milliseconds(full, U):.4f}")
