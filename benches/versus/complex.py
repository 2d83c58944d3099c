"""One gradient of complex measurements: lowrank against NumPy and SciPy, in one run.

    python3 benches/versus/complex.py [--n 100] [--measurements 5000] [--qubits 8] [--side 256] [--patterns 12] [--rounds 5] [--csv FILE]

`dense`: Hermitian matrices in single precision and factors of k columns; NumPy forms U U^H and takes two products with the full
matrices. `pauli`: a fifth of the strings in double precision; NumPy gathers rows, all strings of a block at once. `cdp`: masks and
Fourier transforms of a picture in single precision, with scipy.fft on as many threads. Times are medians of rounds in turn.
"""

import argparse
import csv
import os
import statistics
import time

import numpy as np
import scipy.fft
from tomography import Strings

import lowrank


def normal(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def dense(rng, n, m, k):
    a = normal(rng, m, n, n).astype(np.complex64)
    a = (a + a.conj().swapaxes(1, 2)) / 2
    u = normal(rng, n, k).astype(np.complex64)
    y = rng.standard_normal(m).astype(np.float32)
    rows = a.reshape(m, n * n)

    def numpy_gradient():
        e = (rows @ (u @ u.conj().T).conj().ravel()).real - y
        return (rows.T @ e.astype(np.complex64)).reshape(n, n) @ u

    return lowrank.Dense(a), y, u, numpy_gradient, "f32"


def pauli(rng, qubits, k):
    n = 1 << qubits
    op = lowrank.Pauli.random(qubits, n * n // 5, 1)
    strings, u, y = Strings(op.strings), normal(rng, n, k), rng.standard_normal(n * n // 5)
    return op, y, u, lambda: strings.adjoint(strings.forward(u) - y, u), "f64"


def cdp(rng, side, patterns):
    masks = rng.choice([1, -1, 1j, -1j], size=(patterns, side, side)).astype(np.complex64)
    x = normal(rng, side, side).astype(np.complex64)
    y = rng.random(masks.size).astype(np.float32)
    workers = os.cpu_count()

    def scipy_gradient():
        far = scipy.fft.fft2(masks * x, workers=workers)
        e = (far.real**2 + far.imag**2) - y.reshape(masks.shape)
        # Intensities have a large mean in common, which lowrank leaves out.
        e -= e.mean()
        # The adjoint of the transform is side^2 times its inverse.
        back = scipy.fft.ifft2(e * far, workers=workers, norm="forward")
        return (masks.conj() * back).sum(axis=0).reshape(-1, 1)

    return lowrank.CodedDiffraction(masks), y, x.reshape(-1, 1), scipy_gradient, "f32"


def timed(run, seconds=0.3):
    """Return the time of one run, repeated for about that long."""
    start, runs = time.perf_counter(), 0
    while runs == 0 or time.perf_counter() - start < seconds:
        run()
        runs += 1
    return (time.perf_counter() - start) / runs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in [("n", 100), ("measurements", 5000), ("k", 4), ("qubits", 8), ("side", 256), ("patterns", 12), ("rounds", 5)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--csv")
    of = parser.parse_args()
    rng = np.random.default_rng(1)
    cases = {
        f"dense, n = {of.n}, m = {of.measurements}, k = {of.k}": dense(rng, of.n, of.measurements, of.k),
        f"pauli, {of.qubits} qubits, k = {of.k}": pauli(rng, of.qubits, of.k),
        f"cdp, {of.patterns} patterns of {of.side} x {of.side}": cdp(rng, of.side, of.patterns),
    }
    rows = []
    print("| measurements | lowrank | NumPy, SciPy | ratio | difference |\n|---|---|---|---|---|")
    for name, (op, y, u, other, precision) in cases.items():
        session = lowrank.Session(op, y, backend="cpu", precision=precision)
        own, theirs = session.gradient(u), other()
        # Both up to the scale s of the measurements.
        scale = np.vdot(theirs, own) / np.vdot(theirs, theirs)
        difference = np.linalg.norm(own - scale * theirs) / np.linalg.norm(own)
        assert difference < (1e-3 if precision == "f32" else 1e-10), (name, difference)
        times = [(timed(lambda: session.gradient(u)), timed(other)) for _ in range(of.rounds)]
        ours, their = (statistics.median(column) for column in zip(*times))
        rows.append([name, 1e3 * ours, 1e3 * their, their / ours, difference])
        print(f"| {name} | {1e3 * ours:.3g} ms | {1e3 * their:.3g} ms | {their / ours:.1f} | {difference:.0e} |", flush=True)
    if of.csv:
        with open(of.csv, "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["measurements", "lowrank_ms", "other_ms", "ratio", "difference"])
            out.writerows(rows)


if __name__ == "__main__":
    main()
