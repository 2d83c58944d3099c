"""Seconds until a matrix is recovered to relative errors of 1e-3, 1e-6 and 1e-10: lowrank beside what people write in Python.

    python3 benches/versus/solve.py [--n 200] [--rank 5] [--measurements 10000] [--k 5,20,200] [--kappa 1,10,100]
                                    [--limit 40] [--rounds 3] [--out DIR]

One process holds the Gaussian matrices once, packed, in single precision. Every program reads those and the same observations, and is
told nothing of the truth; its errors are computed from the truth beside it, and count into its time. Times begin when the data lies
in memory, and include every choice that a program makes for itself.

  default, pursuit, cg, gd        lowrank's methods with default flags; for 1e-10 with --precision mixed.
  NumPy gd                        the paper's descent as one writes it: full matrices, two products a step, a small random start.
  NumPy gd, packed                the same with packed matrices, half the bytes, and the better start.
  NumPy ScaledGD, packed          preconditioned by (U'U + l I)^-1 with l = the norm of the residual for k > rank, else 0.
  SciPy L-BFGS, packed            scipy.optimize.minimize on f and its gradient, two products an evaluation; JAX L-BFGS takes both from
                                  jax.value_and_grad.
  SciPy least squares, packed     scipy.optimize.least_squares, trust region with lsmr, products with the Jacobian.

The better start is the spectrum of A*(y) for k = rank, and a small random one for k > rank, where surplus columns of noise would take
long to leave. Descent takes the longest step of {0.5, 0.4, 0.3, ...}/s_1 that descends, where s_1 is the largest value of that spectrum;
attempts with longer steps are not counted. For 1e-10 the programs on packed matrices run again in double precision. A run ends after
--limit seconds; ">" marks times that were not reached. Medians of rounds; nothing else should run.
"""
import argparse
import csv
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np
import scipy
import scipy.optimize
import scipy.sparse.linalg

import lowrank
from machine import processor

LEVELS = (1e-3, 1e-6, 1e-10)
SINGLE = 2


class Reached(Exception):
    """All levels are reached, or the time is up."""


class Clock:
    """Seconds at which the levels were first reached."""

    def __init__(self, truth, levels, limit):
        self.truth, self.levels, self.limit = truth, levels, limit
        self.gram = truth.T @ truth
        self.norm = np.linalg.norm(self.gram)
        self.reached, self.begin = {}, time.perf_counter()

    def error(self, u):
        u = np.asarray(u, np.float64)
        # ||UU' - XX'||^2 cancels near the solution; ||[U X] diag(1, -1) [U X]'|| does not.
        both = np.hstack([u, self.truth])
        r = np.linalg.qr(both, mode="r")
        signs = np.r_[np.ones(u.shape[1]), -np.ones(self.truth.shape[1])]
        return np.linalg.norm((r * signs) @ r.T) / self.norm

    def look(self, u):
        error, seconds = self.error(u), time.perf_counter() - self.begin
        for level in self.levels:
            if error <= level:
                self.reached.setdefault(level, seconds)
        if len(self.reached) == len(self.levels) or seconds > self.limit:
            raise Reached
        return error


class Problem:
    """Rows F, full (m, n*n) or packed (m, p) with entries beside the diagonal that count twice; y, and products with them."""

    def __init__(self, rows, y, n, rank, better):
        self.f, self.y, self.n, self.m, self.rank, self.better = rows, y.astype(rows.dtype), n, len(y), rank, better
        self.at = np.triu_indices(n)
        self.twice = np.where(self.at[0] == self.at[1], 1, 2).astype(rows.dtype)
        self.full = rows.shape[1] == n * n

    def forward(self, z):
        return self.f @ (z.ravel() if self.full else self.twice * z[self.at])

    def adjoint(self, e):
        if self.full:
            return (e @ self.f).reshape(self.n, self.n)
        g = np.zeros((self.n, self.n), self.f.dtype)
        g[self.at] = e @ self.f
        return np.triu(g) + np.triu(g, 1).T

    def gradient(self, u):
        e = self.forward(u @ u.T) - self.y
        return e, self.adjoint(e) @ u / self.m

    def start(self, k):
        values, vectors = np.linalg.eigh(self.adjoint(self.y) / self.m)
        if self.better and k == self.rank:
            u = vectors[:, -k:] * np.sqrt(np.maximum(values[-k:], 0))
        else:
            u = 1e-5 * np.sqrt(values[-1] / self.n) * np.random.default_rng(0).standard_normal((self.n, k))
        return values[-1], u.astype(self.f.dtype)


def descent(problem, k, clock, preconditioned):
    """The longest step that descends; only that attempt is timed, with its start."""
    for step in (0.5, 0.4, 0.3, 0.2, 0.1):
        clock.reached, clock.begin = {}, time.perf_counter()
        size, u = problem.start(k)
        first = None
        while True:
            e, g = problem.gradient(u)
            loss = float(e @ e)
            first = loss if first is None else first
            if not loss <= 4 * first:
                break
            if preconditioned:
                damping = 0.0 if k == problem.rank else np.sqrt(loss / problem.m)
                u = u - step * np.linalg.solve(u.T @ u + damping * np.eye(k, dtype=u.dtype), g.T).T
            else:
                u = u - step / size * g
            clock.look(u)


def flat(problem, k, clock):
    """f and its gradient of a flat vector in double precision, as SciPy wants them; the clock looks at every evaluation."""
    _, u = problem.start(k)
    shape = u.shape

    def f(x):
        u = x.reshape(shape).astype(problem.f.dtype)
        clock.look(u)
        e, g = problem.gradient(u)
        return float(e @ e) / (4 * problem.m), g.ravel().astype(np.float64)

    return f, u.ravel().astype(np.float64)


def lbfgs(problem, k, clock):
    f, x = flat(problem, k, clock)
    scipy.optimize.minimize(f, x, jac=True, method="L-BFGS-B", options={"maxiter": 100000, "maxfun": 100000, "ftol": 0, "gtol": 0})


def jax_lbfgs(problem, k, clock):
    import jax
    import jax.numpy as jnp

    f = problem.jax
    twice, y, at = jnp.asarray(problem.twice), jnp.asarray(problem.y), problem.at

    def loss(u, f, y):
        e = f @ (twice * (u @ u.T)[at]) - y
        return e @ e / (4 * problem.m)

    both = jax.jit(jax.value_and_grad(loss))
    _, u = problem.start(k)
    both(jnp.asarray(u), f, y)[0].block_until_ready()
    clock.begin = time.perf_counter()
    _, u = problem.start(k)
    shape = u.shape

    def evaluate(x):
        u = x.reshape(shape).astype(np.float32)
        clock.look(u)
        value, g = both(jnp.asarray(u), f, y)
        return float(value), np.asarray(g, np.float64).ravel()

    x = u.ravel().astype(np.float64)
    scipy.optimize.minimize(evaluate, x, jac=True, method="L-BFGS-B", options={"maxiter": 100000, "maxfun": 100000, "ftol": 0, "gtol": 0})


def least_squares(problem, k, clock):
    _, u = problem.start(k)
    shape, scale = u.shape, 1 / np.sqrt(problem.m)

    def matrix(x):
        return x.reshape(shape).astype(problem.f.dtype)

    def residual(x):
        u = matrix(x)
        clock.look(u)
        return scale * (problem.forward(u @ u.T) - problem.y).astype(np.float64)

    def jacobian(x):
        u = matrix(x)

        def forward(v):
            clock.look(u)
            w = u @ matrix(v).T
            return scale * problem.forward(w + w.T)

        def transposed(e):
            return 2 * scale * (problem.adjoint(e.astype(problem.f.dtype)) @ u).ravel()

        return scipy.sparse.linalg.LinearOperator((problem.m, x.size), matvec=forward, rmatvec=transposed, dtype=np.float64)

    options = {"method": "trf", "tr_solver": "lsmr", "ftol": None, "xtol": None, "gtol": 3e-16, "max_nfev": 100000}
    scipy.optimize.least_squares(residual, u.ravel().astype(np.float64), jac=jacobian, **options)


PEERS = {
    "NumPy gd": lambda *of: descent(*of, False),
    "NumPy gd, packed": lambda *of: descent(*of, False),
    "NumPy ScaledGD, packed": lambda *of: descent(*of, True),
    "SciPy L-BFGS, packed": lbfgs,
    "JAX L-BFGS, packed": jax_lbfgs,
    "SciPy least squares, packed": least_squares,
}
OWN = ("default", "pursuit", "cg", "gd")


def peer(name, problem, k, truth, levels, limit):
    clock = Clock(truth, levels, limit)
    try:
        PEERS[name](problem, k, clock)
    except (Reached, ValueError, np.linalg.LinAlgError):
        pass
    return clock.reached


def own(name, operator, y, k, truth, level, limit):
    """Seconds of one run that ends at the error `level`, and its passes over the matrices."""
    options = {} if name == "default" else {"method": name}
    precision = "mixed" if level < 1e-7 else "f32"
    begin = time.perf_counter()
    found = lowrank.solve(
        operator, y, truth=truth, search_rank=k, backend="cpu", precision=precision, stop_relative_error=level,
        stop_time=limit, max_iterations=1000000, **options,
    )
    seconds = time.perf_counter() - begin
    reached = Clock(truth, (), 0).error(found.best.left) <= level
    return {level: seconds} if reached else {}, found.report["timing"]["passes"]


def page(rows, args):
    """The table as Markdown."""
    lines = [
        "# Seconds to a relative error\n",
        f"n = {args.n}, rank {args.rank}, m = {args.measurements}, Gaussian matrices in single precision, {args.rounds} round(s), at most "
        f"{args.limit:g} s a run. Made by `python3 benches/versus/solve.py`; `solve.csv` has every number.\n",
        "| κ(M) | k | program | 10⁻³ | 10⁻⁶ | 10⁻¹⁰ | times the default at 10⁻⁶ |", "|---|---|---|---|---|---|---|",
    ]
    by = {(r["kappa"], r["k"], r["program"], r["error"]): r for r in rows}
    for kappa, k, program in dict.fromkeys((r["kappa"], r["k"], r["program"]) for r in rows):
        of = [by[kappa, k, program, level] for level in LEVELS]
        cells = [f"{float(r['seconds']):.2f}" if r["seconds"] else f"> {args.limit:g}" if r["tried"] else "–" for r in of]
        own = by.get((kappa, k, "default", LEVELS[1]), {}).get("seconds")
        ratio = f"{float(of[1]['seconds']) / float(own):.1f}" if own and of[1]["seconds"] else f"> {args.limit / float(own):.0f}" if own else ""
        lines.append(f"| {kappa:g} | {k} | {program} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--rank", type=int, default=5)
    parser.add_argument("--measurements", type=int, default=10000)
    parser.add_argument("--k", default="5,20,200")
    parser.add_argument("--kappa", default="1,10,100", help="condition numbers of M")
    parser.add_argument("--programs", default="; ".join([*OWN, *PEERS]), help="with semicolons between")
    parser.add_argument("--limit", type=float, default=40, help="seconds of one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    import warnings

    warnings.simplefilter("ignore")
    n, m, programs = args.n, args.measurements, [name.strip() for name in args.programs.split(";")]
    rng = np.random.default_rng(args.seed)
    at = np.triu_indices(n)
    packed = rng.standard_normal((m, len(at[0])), np.float32)
    # Normal beside the diagonal with variance 1/2, as symmetrised Gaussian matrices have.
    packed *= np.where(at[0] == at[1], 1, np.sqrt(0.5)).astype(np.float32)
    twice = np.where(at[0] == at[1], 1, 2).astype(np.float32)
    operator = lowrank.Dense(packed)
    double = packed.astype(np.float64) if set(programs) & set(PEERS) else None
    full = None
    if "NumPy gd" in programs:
        full = np.empty((m, n, n), np.float32)
        full[:, at[0], at[1]] = packed
        full[:, at[1], at[0]] = packed
        full = full.reshape(m, n * n)
    try:
        import jax.numpy as jnp

        on_jax = jnp.asarray(packed)
    except ImportError:
        on_jax = None
        programs = [name for name in programs if not name.startswith("JAX")]
        print("jax is not installed: left out")
    rows = []
    for kappa in map(float, args.kappa.split(",")):
        basis, _ = np.linalg.qr(rng.standard_normal((n, args.rank)))
        truth = basis * np.sqrt(np.geomspace(1, 1 / kappa, args.rank))
        matrix = truth @ truth.T
        y = np.concatenate([packed[i : i + 500].astype(np.float64) @ (twice * matrix[at]) for i in range(0, m, 500)])
        for k in map(int, args.k.split(",")):
            found = {(name, level): [] for name in programs for level in LEVELS}
            passes = {}
            for _ in range(args.rounds):
                for name in programs:
                    # A program that ran out of time is not asked again.
                    if None in found[name, LEVELS[0]]:
                        continue
                    if name in OWN:
                        for level in LEVELS:
                            reached, count = own(name, operator, y, k, truth, level, args.limit)
                            found[name, level].append(reached.get(level))
                            passes[name, level] = count
                            if not reached:
                                break
                        continue
                    whole = name == "NumPy gd"
                    problem = Problem(full if whole else packed, y, n, args.rank, not whole)
                    problem.jax = on_jax
                    reached = peer(name, problem, k, truth, LEVELS[:SINGLE], args.limit)
                    for level in LEVELS[:SINGLE]:
                        found[name, level].append(reached.get(level))
                    # What single precision did not reach in time, double does not either.
                    if len(reached) == SINGLE and not whole and not name.startswith("JAX"):
                        reached = peer(name, Problem(double, y, n, args.rank, True), k, truth, LEVELS[SINGLE:], args.limit)
                        found[name, LEVELS[SINGLE]].append(reached.get(LEVELS[SINGLE]))
            for name in programs:
                for level in LEVELS:
                    times = found[name, level]
                    value = statistics.median(times) if times and None not in times else None
                    rows.append(
                        {
                            "n": n, "rank": args.rank, "measurements": m, "kappa": kappa, "k": k, "program": name, "error": level,
                            "seconds": "" if value is None else f"{value:.4f}", "tried": len(times),
                            "passes": "" if passes.get((name, level)) is None else f"{passes[name, level]:.2f}",
                        }
                    )
                line = "  ".join(f"{r['seconds'] or ('>' + format(args.limit, '.0f') if r['tried'] else '-'):>9}" for r in rows[-3:])
                print(f"kappa={kappa:<5g} k={k:<4} {name:<28} {line}", flush=True)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "README.md").write_text(page(rows, args))
        with (args.out / "solve.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        about = {"processor": processor(), "cores": os.cpu_count(), "numpy": np.__version__, "scipy": scipy.__version__, "lowrank": lowrank.__version__}
        (args.out / "solve.json").write_text(json.dumps({**about, "limit_seconds": args.limit, "rounds": args.rounds}, indent=2) + "\n")


if __name__ == "__main__":
    main()
