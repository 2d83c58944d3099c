"""Quantum states: lowrank against the momentum method of arXiv 2104.07006 (MiFGD), restated in NumPy, in one run.

    python3 benches/versus/tomography.py [--qubits 6,7,8] [--rank 1,4] [--shots 8192] [--rounds 3] [--csv FILE]

Each state is random, of equal eigenvalues, and seen through a fifth of the Pauli strings with that many shots each. MiFGD is
U' = Z - eta A*(A(Z Z^H) - y) Z, Z' = U' + mu (U' - U), mu = 1/4, with the rank given, from the spectral start; its step eta is the
largest of {1, 1/2, 1/4, ...}/||M|| that descends. Its Pauli strings are gathered: row a of P U is a phase times row a^x of U, for
all strings of a block at once. Times are medians of rounds in turn; a run of MiFGD ends at the infidelity that lowrank reached, or
after 1000 iterations. `gather` compares one gradient alone.
"""

import argparse
import csv
import time

import numpy as np

import lowrank


class Strings:
    """Vectorised gathers of Pauli strings in NumPy."""

    BLOCK = 1 << 22

    def __init__(self, words):
        bits = np.array([[("IXYZ".index(c)) for c in word] for word in words])
        q = bits.shape[1]
        weights = 1 << np.arange(q - 1, -1, -1)
        self.x = ((bits == 1) | (bits == 2)) @ weights
        self.z = ((bits == 2) | (bits == 3)) @ weights
        self.turns = (-1j) ** ((bits == 2).sum(axis=1) % 4)
        self.n = 1 << q
        self.rows = np.arange(self.n)

    def blocks(self):
        step = max(1, self.BLOCK // self.n)
        for start in range(0, len(self.x), step):
            of = slice(start, start + step)
            at = self.rows[None, :] ^ self.x[of, None]
            odd = np.bitwise_count((self.z[of, None] & self.rows[None, :]).astype(np.uint32)) & 1
            yield of, at, self.turns[of, None] * (1.0 - 2.0 * odd)

    def forward(self, u):
        out = np.empty(len(self.x))
        for of, at, phase in self.blocks():
            out[of] = np.einsum("ma,mak,ak->m", phase, u[at], u.conj(), optimize=True).real
        return out

    def adjoint(self, r, v):
        out = np.zeros_like(v)
        for of, at, phase in self.blocks():
            out += np.einsum("m,ma,mak->ak", r[of], phase, v[at], optimize=True)
        return out


def fidelity(x, u):
    return (np.linalg.svd(x.conj().T @ u, compute_uv=False).sum() / np.linalg.norm(x) / np.linalg.norm(u)) ** 2


def leading(strings, y, rank, steps=8):
    """Leading eigenvalues and vectors of the sum of y_i P_i, by subspace iteration: the matrix is not formed."""
    v = np.random.default_rng(2).standard_normal((strings.n, min(rank + 4, strings.n))).astype(complex)
    for _ in range(steps):
        v, _ = np.linalg.qr(strings.adjoint(y, v))
    values, small = np.linalg.eigh(v.conj().T @ strings.adjoint(y, v))
    return values[-rank:], v @ small[:, -rank:]


def mifgd(strings, y, rank, x, wanted, most=1000, mu=0.25):
    """Iterations and factor of the momentum method."""
    s = strings.n / len(y)
    values, vectors = leading(strings, y, rank)
    values = s * values
    u = vectors * np.sqrt(np.maximum(values, 0))
    z, eta, last = u.copy(), 1.0 / values[-1], np.inf
    for t in range(1, most + 1):
        e = strings.forward(z) - y
        loss = e @ e
        if loss > 1.5 * last:
            eta, z, last = eta / 2, u.copy(), np.inf
            continue
        last = loss
        after = z - eta * s * strings.adjoint(e, z)
        z, u = after + mu * (after - u), after
        if 1 - fidelity(x, u) <= wanted:
            break
    return t, u


def timed(f):
    started = time.perf_counter()
    found = f()
    return time.perf_counter() - started, found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--qubits", default="6,7,8")
    parser.add_argument("--rank", default="1,4")
    parser.add_argument("--shots", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--csv")
    args = parser.parse_args()
    rows = []
    for q in map(int, args.qubits.split(",")):
        for rank in map(int, args.rank.split(",")):
            n = 1 << q
            pauli = lowrank.Pauli.random(q, n * n // 5, seed=q)
            truth = lowrank.problem.hermitian(n, rank=rank, seed=rank)
            x = truth.left / np.linalg.norm(truth.left)
            exact = pauli.forward(x)
            ones = np.random.default_rng(1).binomial(args.shots, np.clip((1 + exact) / 2, 0, 1))
            y = 2 * ones / args.shots - 1
            strings = Strings(pauli.strings)
            assert np.allclose(strings.forward(x), exact)
            times = {"lowrank": [], "mifgd": [], "gather": [], "numpy gather": []}
            for _ in range(args.rounds):
                seconds, fit = timed(lambda: lowrank.solve(pauli, y, backend="cpu", search_rank=8))
                times["lowrank"].append(seconds)
                lost = 1 - fit.best.fidelity(x)
                seconds, (iterations, u) = timed(lambda: mifgd(strings, y, rank, x, 1.05 * lost))
                times["mifgd"].append(seconds)
                own, _ = timed(lambda: pauli.adjoint_apply(pauli.forward(x) - y, x))
                theirs, _ = timed(lambda: strings.adjoint(strings.forward(x) - y, x))
                times["gather"].append(own)
                times["numpy gather"].append(theirs)
            m = {name: float(np.median(of)) for name, of in times.items()}
            rows.append(
                {
                    "qubits": q, "rank": rank, "strings": len(y), "shots": args.shots,
                    "fidelity": 1 - lost, "found rank": fit.best.estimated_rank, "seconds": m["lowrank"],
                    "mifgd fidelity": fidelity(x, u), "mifgd iterations": iterations, "mifgd seconds": m["mifgd"],
                    "ratio": m["mifgd"] / m["lowrank"], "gradient ratio": m["numpy gather"] / m["gather"],
                }
            )
            print("  ".join(f"{k} {v:.4g}" for k, v in rows[-1].items()), flush=True)
    if args.csv:
        with open(args.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
