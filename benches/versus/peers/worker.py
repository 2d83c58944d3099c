"""What the peer programs share: sizes, the problem, and a loop that takes a sample of every program when it is told to.

A worker prints one line of JSON when it is ready ({"ready": version}) and one a sample ({program: milliseconds}).
"""
import argparse
import json
import sys
import time

import numpy as np


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("n", type=int)
    parser.add_argument("measurements", type=int)
    parser.add_argument("search_rank", type=int)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


class Problem:
    """Packed rows (m, p), the same matrices in full (m, n*n), y, and a start (batch, n, k), all float32.

    The numbers are uniform and y is made up: the time of an iteration does not depend on them.
    """

    def __init__(self, args):
        rng = np.random.default_rng(1)
        self.n, self.m, self.k, self.batch = args.n, args.measurements, args.search_rank, args.batch
        self.rows, self.columns = np.triu_indices(self.n)
        self.twice = np.where(self.rows == self.columns, 1, 2).astype(np.float32)
        self.packed = rng.random((self.m, len(self.rows)), dtype=np.float32)
        self.packed -= np.float32(0.5)
        self.y = rng.random((self.batch, self.m), dtype=np.float32)
        self.start = rng.random((self.batch, self.n, self.k), dtype=np.float32) - np.float32(0.5)
        # So short a step that nothing grows.
        self.step = np.float32(1e-12)

    def full(self):
        full = np.zeros((self.m, self.n, self.n), np.float32)
        full[:, self.rows, self.columns] = self.packed
        full[:, self.columns, self.rows] = self.packed
        return full.reshape(self.m, self.n * self.n)


def agree(one, other):
    """Two programs that should make the same step, up to rounding."""
    scale = np.abs(np.asarray(one)).max()
    assert np.abs(np.asarray(one) - np.asarray(other)).max() <= 1e-3 * scale, "the programs disagree"


def serve(version, programs, seconds):
    """`programs` maps a name to a function that makes one iteration and waits until it is done."""
    for iterate in programs.values():
        iterate()
    print(json.dumps({"ready": version}), flush=True)
    for line in sys.stdin:
        if line.strip() != "sample":
            break
        times = {}
        for name, iterate in programs.items():
            iterate()
            laps, begin = [], time.perf_counter()
            while len(laps) < 3 or time.perf_counter() - begin < seconds:
                start = time.perf_counter()
                iterate()
                laps.append(1e3 * (time.perf_counter() - start))
            times[name] = sorted(laps)[len(laps) // 2]
        print(json.dumps(times), flush=True)
