"""What a call from Python costs beside the library's own time: n = 100, m = 3000.

`report["timing"]` is the library's clock around loading and iterating. The first table is the whole call against it, for arrays that
are used in place and for full ones that are packed first; the second is Python's part alone, from a run of no iterations.
Rounds take turns; medians.
"""

import argparse
import statistics
import time

import numpy as np

import lowrank


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--measurements", type=int, default=3000)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    n, m = args.n, args.measurements
    truth = lowrank.problem.psd(n, rank=3, seed=7)
    op = lowrank.Dense.gaussian(n, m, 8)
    y = truth.measure(op)
    packed = np.stack([op.sensing_matrix(i)[np.triu_indices(n)] for i in range(m)]).astype("f4")
    full = np.stack([op.sensing_matrix(i) for i in range(m)]).astype("f4")
    keywords = {"search_rank": 20, "max_iterations": args.iterations, "stall_window": 0, "backend": "cpu"}
    given = {"an operator": op, "packed float32": packed, "full float32": full}
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in given}
    for _ in range(args.rounds + 1):
        for name, A in given.items():
            started = time.perf_counter()
            operator = A if isinstance(A, lowrank.Operator) else lowrank.Dense(A, storage="f32")
            loaded = time.perf_counter()
            s = lowrank.solve(operator, y, **keywords)
            s.left, s.trace, s.report
            ended = time.perf_counter()
            timing = s.report["timing"]
            found[name].append((loaded - started, ended - loaded, timing["setup"] + timing["solve"]))
    print(f"n = {n}, m = {m}, k = 20, {args.iterations} iterations, medians of {args.rounds} rounds after one")
    print(f"{'given':<16} {'reading A, s':>12} {'solve(), s':>12} {'library, s':>12} {'overhead':>9}")
    for name, rounds in found.items():
        read, call, library = (statistics.median(values) for values in zip(*rounds[1:]))
        over = statistics.median((call - inner) / inner for _, call, inner in rounds[1:])
        print(f"{name:<16} {read:12.4f} {call:12.4f} {library:12.4f} {100 * over:8.2f}%")


if __name__ == "__main__":
    main()
