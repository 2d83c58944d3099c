#!/usr/bin/env python3
"""Recovers a small problem of every operator and model on every backend and writes a table of errors and times.

    python3 benches/recovery.py --out DIR [--program target/release/lowrank] [--backends cpu,reference,gpu] [--quick]

Problems are made by `lowrank generate`, solved by `lowrank solve`, and judged by the report that it writes. Exits with 1
where an error is above what that problem allows. Needs nothing but Python's standard library.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

SIZE = {False: 60, True: 24}


# Operators of complex matrices, whose factors have twice the numbers and no second one; Pauli strings need a power of two.
COMPLEX = {"pauli": {False: 64, True: 32}, "cdp": SIZE}


def operators(program):
    """Their words and backends, as the program lists them."""
    found, word = {}, None
    for line in run(program, "list", "operators").splitlines():
        if line and not line.startswith(" "):
            word = line
        elif line.split()[:1] == ["backends"]:
            found[word] = line.replace(",", " ").split()[1:]
    return found


def cases(quick, operators):
    for operator in operators:
        # Entries are few of many only where the matrix is larger, and see nothing of surplus columns.
        n = COMPLEX.get(operator, SIZE)[quick] * (4 if operator == "entries" else 1)
        wide = n * 2 // 3
        columns = 3 if operator == "entries" else 6
        models = {
            "psd": (3 * n, ["--n", n, "--rank", 3], ["--search-rank", columns]),
            "signed": (3 * n, ["--model", "signed", "--n", n, "--signature", "2,1"],
                       ["--signature", "2,1" if operator == "entries" else "4,2"]),
            "asymmetric": (3 * (n + wide), ["--model", "asymmetric", "--shape", f"{n},{wide}", "--rank", 3],
                           ["--search-rank", columns]),
        }
        # Degrees of freedom of rank 3, times what the ensemble asks for: 8 n of n^2 Pauli strings where n is 32, and whole
        # patterns of n intensities.
        factor = {"rank_one": 14, "entries": 12, "pauli": 8 / 3, "cdp": 16}.get(operator, 10)
        if operator in COMPLEX:
            del models["asymmetric"]
        for model, (freedom, made, solved) in models.items():
            yield operator, model, made, solved, round(factor * freedom)


def run(program, *args):
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True)
    # 1 is a target that was missed, which the table shows.
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(map(str, args))}\n{done.stderr}")
    return done.stdout


def solve_command(said):
    """The command that `generate` proposes, as a list without the program's name."""
    lines = said.splitlines()
    at = max(i for i, line in enumerate(lines) if line.strip().startswith("lowrank solve"))
    return " ".join(line.strip() for line in lines[at:]).split()[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/lowrank")
    parser.add_argument("--backends", default="cpu,reference,gpu")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true", help="small sizes, for tests")
    parser.add_argument("--error", type=float, default=1e-3, help="relative error that every run must reach")
    args = parser.parse_args()
    program = str(pathlib.Path(args.program).resolve())
    rows, missed, machines = [], 0, {}
    with tempfile.TemporaryDirectory() as folder:
        known = operators(program)
        for operator, model, made, solved, measurements in cases(args.quick, known):
            problem = pathlib.Path(folder) / f"{operator}-{model}"
            said = run(program, "generate", "--operator", operator, *made, "--measurements", measurements,
                       "--seed", 7, "--out", problem)
            command = solve_command(said)
            if model == "signed":
                at = command.index("--signature")
                del command[at:at + 2]
            # What is proposed for entries holds some out and has a search rank of its own.
            for flag in ("--search-rank", "--holdout"):
                if flag in command:
                    at = command.index(flag)
                    del command[at:at + 2]
            for backend in args.backends.split(","):
                if backend not in known[operator]:
                    print(f"{operator:10} {model:10} {backend:9} has no kernels", flush=True)
                    continue
                report = problem / f"{backend}.json"
                run(program, *command, *solved, "--backend", backend, "--max-iterations", 4000, "--seed", 3,
                    "--stop-relative-error", args.error, "--observe", "every:20", "--report", report, "--quiet")
                found = json.loads(report.read_text())
                error, seconds = found["relative_error"], found["timing"]["solve"]
                good = error is not None and error <= args.error
                missed += not good
                machines[backend] = found["environment"]["adapter"]
                rows.append((operator, model, backend, measurements, found["iterations"], error, seconds, good))
                print(f"{operator:10} {model:10} {backend:9} {error if error is not None else float('nan'):.2e} "
                      f"{found['iterations']:5} iterations {seconds:8.2f} s {'' if good else 'MISSED'}", flush=True)
    n = SIZE[args.quick]
    text = [f"# Recovery of every operator and model on every backend\n",
            f"n = {n} (entries: {4 * n}; pauli: {COMPLEX['pauli'][args.quick]}; asymmetric: n x 2n/3), rank 3 (signed: two positive, one negative), search rank 6 (signed: 4,2; "
            f"entries: 3 and 2,1), random start, until the relative error is {args.error:g}.\n",
            f"Made by `python3 benches/recovery.py --out DIR{' --quick' if args.quick else ''}` on: "
            + "; ".join(f"{backend}: {adapter}" for backend, adapter in machines.items()) + ".\n",
            "| operator | model | backend | m | iterations | relative error | seconds |", "|---|---|---|---|---|---|---|"]
    for operator, model, backend, measurements, iterations, error, seconds, good in rows:
        shown = "none" if error is None else f"{error:.1e}"
        text.append(f"| {operator} | {model} | {backend} | {measurements} | {iterations} | "
                    f"{shown}{'' if good else ' (missed)'} | {seconds:.2f} |")
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "recovery.md").write_text("\n".join(text) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
