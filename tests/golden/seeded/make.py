#!/usr/bin/env python3
"""The numbers of `seeded` and `rademacher`, from their definition, in Python integers.

    make.py                 writes entries.json beside this file, which tests read
    make.py check DIR       compares a problem that `lowrank generate --materialize --layout full` wrote (needs NumPy)

The definition is that of src/operators/seeded/hash.rs, written again: nothing is shared with the program.
"""

import json
import math
import pathlib
import sys

WORD = 2**32
A, B, C = 0x21F0AAAD, 0x735A2D97, 0x9E3779B9


def mix(x):
    x ^= x >> 16
    x = x * A % WORD
    x ^= x >> 15
    x = x * B % WORD
    return x ^ x >> 15


def permute(number, words):
    low, high = number % WORD, number // WORD
    for plus in (0, C):
        high ^= mix((low + words[0] + plus) % WORD)
        low ^= mix((high + words[1] + plus) % WORD)
    return low, high


def row_key(seed, i):
    return permute(i, permute(seed, (0x243F6A88, 0x85A308D3)))


def word(key, q):
    x = (q * C + key[0]) % WORD
    x ^= x >> 15
    x = x * A % WORD
    x ^= key[1]
    x ^= x >> 13
    x = x * B % WORD
    return x ^ x >> 16


def number(operator, seed, i, q):
    """An integer: 128 times the entry for seeded, the entry for rademacher, before the weight beside the diagonal."""
    key = row_key(seed, i)
    if operator == "rademacher":
        return -1 if word(key, q // 32) >> q % 32 & 1 else 1
    return sum(word(key, q).to_bytes(4, "little")) - 510


def matrix(operator, seed, i, n1, n2, symmetric):
    """A_i as rows of floats, off-diagonal entries of symmetric ones divided by sqrt(2)."""
    unit = 1 if operator == "rademacher" else 128
    if not symmetric:
        return [[number(operator, seed, i, a * n2 + b) / unit for b in range(n2)] for a in range(n1)]

    def entry(a, b):
        a, b = min(a, b), max(a, b)
        q = a * n1 - a * (a - 1) // 2 + b - a
        return number(operator, seed, i, q) / unit * (1 if a == b else math.sqrt(0.5))

    return [[entry(a, b) for b in range(n2)] for a in range(n1)]


def write():
    rows = [0, 1, 2, 1000, 2**32 - 1, 2**32, 2**63 + 12345]
    columns = [0, 1, 31, 32, 33, 500_499, 2**32 - 1]
    numbers = [
        [operator, seed, i, q, number(operator, seed, i, q)]
        for operator in ("seeded", "rademacher")
        for seed in (0, 7, 2**32, 2**64 - 1)
        for i in rows
        for q in columns
    ]
    # Row 2 of seed 7.
    matrices = [
        [operator, model, shape, matrix(operator, 7, 2, *shape, model == "psd")]
        for operator in ("seeded", "rademacher")
        for model, shape in (("psd", (4, 4)), ("asymmetric", (3, 5)))
    ]
    line = lambda rows: ",\n".join(map(json.dumps, rows))
    text = f'{{"numbers": [\n{line(numbers)}\n],\n"matrices": [\n{line(matrices)}\n]}}\n'
    pathlib.Path(__file__).with_name("entries.json").write_text(text)


def check(folder):
    import numpy

    folder = pathlib.Path(folder)
    problem = json.loads((folder / "problem.json").read_text())
    (n1, n2), symmetric = problem["shape"], problem["model"] != "asymmetric"
    stored = numpy.load(folder / "A.npy")
    made = numpy.array([
        matrix(problem["operator"], problem["seeds"]["operator"], i, n1, n2, symmetric)
        for i in range(problem["measurements"])
    ])
    off = numpy.abs(stored - made).max()
    assert off == 0 if stored.dtype == numpy.float64 else off < 2e-7, off
    if problem["model"] == "psd":
        x = numpy.load(folder / "X.npy")
        m = x @ x.T
    else:
        truth = numpy.load(folder / "X.npz")
        right = truth["right"] if "right" in truth else truth["left"] * numpy.repeat([1, -1], truth["signature"].astype(int))
        m = truth["left"] @ right.T
    y = numpy.load(folder / "y.npy")
    error = numpy.linalg.norm(numpy.einsum("iab,ab->i", made, m) - y) / numpy.linalg.norm(y)
    gram = numpy.einsum("iab,iab->", made, made) / (made.shape[0] * (n1 * (n1 + 1) / 2 if symmetric else n1 * n2))
    print(f"A is the definition (largest difference {off:g}); |A(M) - y|/|y| = {error:.2e}; variance {gram:.4f}")
    assert error < 1e-13 or problem["noise_std"] > 0


if __name__ == "__main__":
    check(sys.argv[2]) if sys.argv[1:2] == ["check"] else write()
