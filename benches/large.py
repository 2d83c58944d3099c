#!/usr/bin/env python3
"""Solves a problem whose matrices fill the memory, from their file.

    python3 benches/large.py --folder DIR [--n 1000] [--measurements 20000] [--rank 5] [--program target/release/lowrank]
                             [--out DIR] [--keep] [-- FLAGS OF SOLVE]

Writes packed Gaussian matrices in half precision, m·n(n+1) bytes, to DIR/A.npy with as many processes as there are cores,
and what they measure of a matrix of that rank with eigenvalues 1 to 3; a file of that size that is there already is used
again. Then it runs `lowrank solve` to a relative error of 1e-6 and prints seconds, readings and the most memory, pages of the file
included; with --out it writes them to large.json there. The matrices are deleted afterwards unless --keep is given. Needs NumPy.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import resource
import subprocess
import sys
import time

import numpy as np

# Below it half precision has subnormal numbers, which some devices read as 0.
LEAST = 2.0**-14


def truth(n, rank):
    """A factor X of M = XXᵀ."""
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((n, rank)))[0]
    return basis * np.sqrt(np.linspace(3.0, 1.0, rank))


def weights(n, rank):
    """Diagonal entries once and the others twice, in the order of packed rows; and the deviations of the Aᵢ's entries."""
    at = np.triu_indices(n)
    off = at[0] != at[1]
    x = truth(n, rank)
    return np.where(off, 2.0, 1.0) * np.einsum("ij,ij->i", x[at[0]], x[at[1]]), np.where(off, np.sqrt(0.5), 1.0).astype(np.float32)


def fill(task):
    """Writes some of the matrices and returns what they measure."""
    path, n, rank, first, last = task
    matrices = np.lib.format.open_memmap(path, mode="r+")
    weight, deviation = weights(n, rank)
    y = np.empty(last - first)
    for i in range(first, last):
        row = (np.random.default_rng([2, i]).standard_normal(len(deviation), dtype=np.float32) * deviation).astype(np.float16)
        row[np.abs(row) < LEAST] = 0
        matrices[i] = row
        y[i - first] = row.astype(np.float64) @ weight
    return y


def write(folder, n, m, rank):
    path, cores = folder / "A.npy", os.cpu_count() or 1
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(m, n * (n + 1) // 2)).flush()
    cuts = np.linspace(0, m, 8 * cores + 1).astype(int)
    tasks = [(path, n, rank, a, b) for a, b in zip(cuts, cuts[1:]) if b > a]
    with multiprocessing.Pool(cores) as pool:
        y = np.concatenate(pool.map(fill, tasks, chunksize=1))
    np.save(folder / "y.npy", y)
    np.save(folder / "X.npy", truth(n, rank))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--measurements", type=int, default=20_000)
    parser.add_argument("--rank", type=int, default=5)
    parser.add_argument("--program", default="target/release/lowrank")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("flags", nargs="*")
    args = parser.parse_args()
    n, m, rank, folder = args.n, args.measurements, args.rank, args.folder
    folder.mkdir(parents=True, exist_ok=True)
    size = m * n * (n + 1)
    known = all((folder / name).exists() for name in ("A.npy", "y.npy", "X.npy"))
    if not known or not size <= (folder / "A.npy").stat().st_size <= size + 4096:
        begin = time.perf_counter()
        write(folder, n, m, rank)
        print(f"{size / 1e9:.1f} GB written in {time.perf_counter() - begin:.0f} s", flush=True)
    report = folder / "report.json"
    command = [args.program, "solve", "--matrices", folder / "A.npy", "--layout", "packed", "--storage", "f16", "--observations", folder / "y.npy",
               "--truth", folder / "X.npy", "--backend", "cpu", "--stop-relative-error", "1e-6", "--report", report, *args.flags]
    begin = time.perf_counter()
    code = subprocess.run(list(map(str, command))).returncode
    seconds = time.perf_counter() - begin
    if code not in (0, 1):
        sys.exit(code)
    found = json.loads(report.read_text())
    best = found["trials"][0]
    row = {
        "n": n, "measurements": m, "rank": rank, "bytes": size, "seconds": round(seconds, 1), "seconds_of_solve": round(found["timing"]["solve"], 1),
        "readings": found["timing"]["passes"], "iterations": best["iterations"], "relative_error": best["relative_error"], "status": best["status"],
        "method": found["settings"].get("method"), "most_memory_gb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6, 1),
    }
    print(json.dumps(row))
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "large.json").write_text(json.dumps(row, indent=1) + "\n")
    if not args.keep:
        (folder / "A.npy").unlink()
    return code


if __name__ == "__main__":
    sys.exit(main())
