"""Times the completion of matrices of ratings and of counts beside cmfrec and implicit, in one run on one machine.

Three tasks, each from generated data, each program in a process of its own:
  ratings   71 567 x 65 133, ten million ratings with the degrees of MovieLens 10M: rank 10, biases and noise; a tenth is held out.
            At most 50 factors for every program. The noise alone has an RMSE of 0.75.
  counts    the same positions with counts: 50 factors, the same objective (Hu, Koren & Volinsky 2008) for every program.
  exact     1000 x 1000 of rank 10 with condition number 1e5 and 4 entries per degree of freedom, without noise.
  large     one solve of --large rows and columns with a hundred entries each: memory, and seconds per iteration.
The peak of memory is that of the process, its data and the check of the result included. Nothing else should run. Programs that are
not installed are named and left out. Takes about ten minutes on two cores.

  python3 benches/versus/completion.py [--tasks ratings,counts,exact,large] [--share 0.1] [--rounds 3] [--out DIR]
"""
import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from machine import processor

RANK, NOISE, FACTORS, ALPHA = 10, 0.75, 50, 4.0
PEERS = {"lowrank": "lowrank", "cmfrec": "cmfrec", "implicit": "implicit"}


def ratings(share, seed=0):
    """Rows, columns, ratings, and which are held out. Users are log-normal, items follow Zipf's law."""
    rng = np.random.default_rng(seed)
    n1, n2, m = int(71_567 * share), int(65_133 * share), int(10_000_000 * share)
    users = np.exp(rng.normal(0, 1.2, n1))
    items = rng.permutation(1 / (np.arange(n2) + 200.0) ** 1.1)
    keys = np.zeros(0, np.int64)
    while len(keys) < m:
        a, b = rng.choice(n1, m // 2, p=users / users.sum()), rng.choice(n2, m // 2, p=items / items.sum())
        keys = np.unique(np.concatenate([keys, a * np.int64(n2) + b]))
    keys = rng.permutation(keys)[:m]
    rows, columns = (keys // n2).astype(np.int32), (keys % n2).astype(np.int32)
    left, right = rng.normal(size=(n1, RANK)), rng.normal(size=(n2, RANK)) * (0.5 / np.sqrt(RANK))
    values = 3.5 + rng.normal(0, 0.4, n1)[rows] + rng.normal(0, 0.5, n2)[columns] + products(left, right, rows, columns)
    values += rng.normal(0, NOISE, m)
    return {"shape": np.array([n1, n2]), "rows": rows, "columns": columns, "values": values, "held": rng.random(m) < 0.1}


def exact(share, seed=0):
    """Entries of a matrix of rank 10 with singular values from 1 to 1e-5."""
    rng = np.random.default_rng(seed)
    n = int(1000 * share)
    m = 4 * RANK * (2 * n - RANK)
    left, right = (np.linalg.qr(rng.normal(size=(n, RANK)))[0] for _ in range(2))
    left = left * np.geomspace(1, 1e-5, RANK)
    keys = rng.choice(n * n, min(m, n * n), replace=False)
    rows, columns = keys // n, keys % n
    values = products(left, right, rows, columns)
    return {"shape": np.array([n, n]), "rows": rows, "columns": columns, "values": values, "left": left, "right": right}


def large(size, seed=0):
    """A hundred entries per row of a square matrix of rank 10."""
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(size, RANK)).astype(np.float32), rng.normal(size=(size, RANK)).astype(np.float32)
    rows, columns = np.repeat(np.arange(size, dtype=np.int32), 100), rng.integers(0, size, 100 * size).astype(np.int32)
    return {"shape": np.array([size, size]), "rows": rows, "columns": columns, "values": products(left, right, rows, columns)}


def products(left, right, rows, columns):
    out = np.empty(len(rows))
    for first in range(0, len(rows), 100_000):
        part = slice(first, first + 100_000)
        out[part] = np.einsum("ij,ij->i", left[rows[part]], right[columns[part]])
    return out


def without_biases(data, train):
    """Mean and damped offsets of rows and columns, by turns; the same for every program that has none of its own."""
    (n1, n2), r, c, y = data["shape"], data["rows"][train], data["columns"][train], data["values"][train]
    mean, of_row, of_column = y.mean(), np.zeros(n1), np.zeros(n2)
    for _ in range(5):
        of_column = np.bincount(c, y - mean - of_row[r], n2) / (np.bincount(c, minlength=n2) + 5)
        of_row = np.bincount(r, y - mean - of_column[c], n1) / (np.bincount(r, minlength=n1) + 5)
    return mean, of_row, of_column


def rmse(predicted, wanted):
    return float(np.sqrt(np.mean((predicted - wanted) ** 2)))


def coo(data, train, values):
    from scipy.sparse import coo_matrix

    return coo_matrix((values, (data["rows"][train], data["columns"][train])), shape=tuple(data["shape"]))


def counts_of(data):
    """Counts from ratings: 1 to 5."""
    return np.clip(np.round(data["values"]), 1, 5)


def objective(left, right, data, counts, ridge):
    """Sum of c (Z - p)^2 over all entries plus ridge (|L|^2 + |R|^2), without a matrix of that size."""
    z, c = products(left, right, data["rows"], data["columns"]), 1 + ALPHA * counts
    whole = np.sum((left.T @ left) * (right.T @ right))
    return float(whole + np.sum(c * (z - 1) ** 2 - z**2) + ridge * (np.sum(left**2) + np.sum(right**2)))


# Programs: each returns a row of the table.

RIDGE_COUNTS = 10.0


def lowrank_ratings(data):
    import lowrank

    train, held = ~data["held"], data["held"]
    begun = time.perf_counter()
    mean, of_row, of_column = without_biases(data, train)
    r, c = data["rows"][train].astype(np.int64), data["columns"][train].astype(np.int64)
    entries = lowrank.operators.Entries(r, c, data["values"][train] - mean - of_row[r] - of_column[c], tuple(data["shape"]))
    # Of 10, 500, 1000 and 1500 the ridge with the least held-out error, on a fifth of the data.
    ridge = 500.0 * np.prod(data["shape"] / [71_567, 65_133]) ** 0.25
    solution = lowrank.solve(entries, search_rank=FACTORS, ridge=ridge, precision="f32", max_iterations=30)
    seconds = time.perf_counter() - begun
    r, c = data["rows"][held], data["columns"][held]
    predicted = mean + of_row[r] + of_column[c] + products(np.asarray(solution.left), np.asarray(solution.right), r, c)
    trial = solution.report["trials"][0]
    return {"seconds": seconds, "rmse": rmse(predicted, data["values"][held]), "iterations": trial["iterations"], "rank": trial["estimated_rank"]}


def cmfrec_ratings(data):
    import cmfrec

    train, held = ~data["held"], data["held"]
    matrix = coo(data, train, data["values"][train].astype(np.float32))
    # Of 0.03, 0.05, 0.07 and 0.1 the ridge per entry with the least held-out error, on a fifth of the data.
    model = cmfrec.CMF(k=FACTORS, lambda_=0.07, scale_lam=True, use_cg=True, niter=15, nthreads=os.cpu_count(), use_float=True, verbose=False, random_state=1)
    begun = time.perf_counter()
    model.fit(matrix)
    seconds = time.perf_counter() - begun
    predicted = model.predict(data["rows"][held], data["columns"][held])
    return {"seconds": seconds, "rmse": rmse(predicted, data["values"][held]), "iterations": 15, "rank": FACTORS}


def lowrank_counts(data):
    import lowrank

    counts = counts_of(data)
    begun = time.perf_counter()
    entries = lowrank.operators.Entries(data["rows"].astype(np.int64), data["columns"].astype(np.int64), counts, tuple(data["shape"]))
    solution = lowrank.solve(entries, implicit=ALPHA, ridge=RIDGE_COUNTS, search_rank=FACTORS, precision="f32", max_iterations=40)
    seconds = time.perf_counter() - begun
    loss = objective(np.asarray(solution.left), np.asarray(solution.right), data, counts, RIDGE_COUNTS)
    return {"seconds": seconds, "objective": loss, "iterations": solution.report["trials"][0]["iterations"]}


def implicit_counts(data):
    from implicit.als import AlternatingLeastSquares

    counts = counts_of(data)
    everything = np.ones(len(counts), bool)
    matrix = coo(data, everything, (1 + ALPHA * counts).astype(np.float32)).tocsr()
    model = AlternatingLeastSquares(factors=FACTORS, regularization=RIDGE_COUNTS, alpha=1.0, iterations=15, num_threads=os.cpu_count(), random_state=1)
    begun = time.perf_counter()
    model.fit(matrix, show_progress=False)
    seconds = time.perf_counter() - begun
    left, right = np.asarray(model.user_factors, float), np.asarray(model.item_factors, float)
    return {"seconds": seconds, "objective": objective(left, right, data, counts, RIDGE_COUNTS), "iterations": 15}


def relative_error(left, right, data):
    """|L R' - L0 R0'| / |L0 R0'| through Gram matrices is inexact near zero: the matrix is small enough to form."""
    truth = data["left"] @ data["right"].T
    return float(np.linalg.norm(left @ right.T - truth) / np.linalg.norm(truth))


def lowrank_exact(data):
    import lowrank

    begun = time.perf_counter()
    entries = lowrank.operators.Entries(data["rows"], data["columns"], data["values"], tuple(data["shape"]))
    solution = lowrank.solve(entries, precision="f64")
    seconds = time.perf_counter() - begun
    trial = solution.report["trials"][0]
    error = relative_error(np.asarray(solution.left), np.asarray(solution.right), data)
    return {"seconds": seconds, "error": error, "iterations": trial["iterations"], "rank": trial["estimated_rank"]}


def cmfrec_exact(data):
    import cmfrec

    everything = np.ones(len(data["rows"]), bool)
    model = cmfrec.CMF(k=RANK, lambda_=1e-12, use_cg=False, niter=500, nthreads=os.cpu_count(), center=False, user_bias=False, item_bias=False, verbose=False, random_state=1)
    begun = time.perf_counter()
    model.fit(coo(data, everything, data["values"]))
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "error": relative_error(model.A_, model.B_, data), "iterations": 500, "rank": RANK}


def lowrank_large(data):
    import lowrank

    begun = time.perf_counter()
    entries = lowrank.operators.Entries(data.pop("rows"), data.pop("columns"), data.pop("values"), tuple(data["shape"]))
    opened = time.perf_counter() - begun
    seconds = []
    for count in (2, 7):
        begun = time.perf_counter()
        lowrank.solve(entries, search_rank=RANK, method="cg", precision="f32", max_iterations=count, diagnose=False)
        seconds.append(time.perf_counter() - begun)
    return {"seconds": opened + seconds[1], "opening": opened, "seconds per iteration": (seconds[1] - seconds[0]) / 5}


TASKS = {
    "ratings": {"lowrank": lowrank_ratings, "cmfrec": cmfrec_ratings},
    "counts": {"lowrank": lowrank_counts, "implicit": implicit_counts},
    "exact": {"lowrank": lowrank_exact, "cmfrec": cmfrec_exact},
    "large": {"lowrank": lowrank_large},
}


def work(task, program, file):
    with np.load(file) as stored:
        data = dict(stored)
    row = TASKS[task][program](data)
    # The kernel's record of this process alone: that of getrusage begins with its parent's.
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peak = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), None)
    version = getattr(importlib.import_module(PEERS[program]), "__version__", None) or importlib.metadata.version(program)
    print(json.dumps({**row, "peak gigabytes": peak and peak / 1e6, "version": version}))


def text(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(task, rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [f"**{task}**", "", "| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return "\n".join(lines + ["| " + " | ".join(text(row.get(name, "")) for name in names) + " |" for row in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="ratings,counts,exact,large", help="tasks, with commas between")
    parser.add_argument("--share", type=float, default=1.0, help="share of the sizes of ratings, counts and exact")
    parser.add_argument("--large", type=int, default=300_000, help="rows of the task large")
    parser.add_argument("--rounds", type=int, default=1, help="runs of every program by turns; medians of the times count")
    parser.add_argument("--out", type=Path, help="folder for completion.json and completion.md")
    parser.add_argument("--worker", nargs=3, metavar=("TASK", "PROGRAM", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return work(*args.worker)
    results, tables = {}, []
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    for task in args.tasks.split(","):
        if task not in TASKS:
            parser.error(f"--tasks: found {task!r}; allowed: {', '.join(TASKS)}")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "data.npz"
            made = large(args.large) if task == "large" else exact(args.share) if task == "exact" else ratings(args.share)
            np.savez(file, **made)
            del made
            runs = {}
            for _ in range(args.rounds):
                for program in TASKS[task]:
                    if importlib.util.find_spec(PEERS[program]) is None:
                        print(f"{program} is not installed: left out", file=sys.stderr)
                        continue
                    command = [sys.executable, "-W", "ignore", __file__, "--worker", task, program, str(file)]
                    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
                    runs.setdefault(program, []).append(json.loads(done.stdout.splitlines()[-1]))
        rows = [
            {"program": program, **of[0], "seconds": statistics.median(run["seconds"] for run in of)} for program, of in runs.items()
        ]
        results[task] = {program: of for program, of in runs.items()}
        tables.append(table(task, rows))
        print(tables[-1], "\n", flush=True)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        about = {"machine": processor(), "cores": os.cpu_count(), "python": platform.python_version()}
        (args.out / "completion.json").write_text(json.dumps({"about": about, "arguments": vars(args) | {"out": None}, "runs": results}, indent=1) + "\n")
        asked = f"--tasks {args.tasks} --share {args.share} --large {args.large} --rounds {args.rounds}"
        head = f"Made by `python3 benches/versus/completion.py {asked}` on {os.cpu_count()} cores. What the tasks are stands there."
        (args.out / "completion.md").write_text("\n\n".join([head, *tables]) + "\n")


if __name__ == "__main__":
    import importlib.metadata

    main()
