#!/usr/bin/env python3
"""The table that the default method is defended by: default, gauss-newton, pursuit, gd, prec-gd and cg on a grid of problems, beside an oracle.

    python3 benches/defaults/defaults.py --out DIR [--program target/release/lowrank] [--seed 1,2] [--operators dense,entries]
    python3 benches/defaults/defaults.py --quick

Problems are made by `lowrank generate` and solved by `lowrank solve --backend cpu` with default flags. Writes problems.csv and
summary.md into DIR. Exits with 1 where gd recovers a noiseless problem that the default does not. Needs Python 3 and NumPy.
"""

import argparse
import csv
import dataclasses
import functools
import itertools
import json
import math
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

RANK, WIDE, SECONDS = 3, 20, 120
CONDITIONS, FACTORS, NOISES = (1, 10, 100), (1.5, 2, 3, 5, 10, 20), (0.0, 0.05, 0.2)
METHODS = {
    "default": [],
    "gauss-newton": ["--method", "gauss-newton"],
    "pursuit": ["--method", "pursuit"],
    "gd": ["--method", "gd", "--max-iterations", 5000],
    "prec-gd": ["--method", "prec-gd"],
    "cg": ["--method", "cg"],
}
# Relative error up to which a noiseless problem counts as recovered, and the same in units of the oracle's where there is noise.
EXACT, NOISY = 1e-3, 1.5
# Relative error above which a result that is not recovered is wrong, so that the exit status 0 would mislead.
WRONG = 0.5


@dataclasses.dataclass
class Ensemble:
    """A kind of measurements and of unknown matrix."""

    operator: str
    model: str = "psd"
    shape: tuple = (30, 30)
    made: tuple = ()
    complex: bool = False

    def freedom(self):
        n1, n2 = self.shape
        if self.complex:
            return 2 * n1 * RANK - RANK * RANK
        return RANK * (n1 + n2 - RANK) if self.model == "asymmetric" else n1 * RANK - RANK * (RANK - 1) // 2

    def measurements(self, factor):
        """How many they are, or None where there are not so many entries or Pauli strings."""
        m = math.ceil(factor * self.freedom())
        return None if self.operator in ("entries", "pauli") and m > math.prod(self.shape) else m

    def generate(self, condition):
        """Flags of `generate`, but for m, seed and noise. It wants the condition number of X for M = X S Xᵀ, the root of that of M."""
        size = {"psd": ["--n", self.shape[0], "--rank", RANK], "signed": ["--n", self.shape[0], "--signature", signature(RANK)],
                "asymmetric": ["--shape", f"{self.shape[0]},{self.shape[1]}", "--rank", RANK]}[self.model]
        of_flag = condition if self.model == "asymmetric" else condition ** 0.5
        return ["--operator", self.operator, "--model", self.model, *size, "--condition-number", f"{of_flag:.12g}", *self.made]

    def search(self, k):
        return ["--signature", signature(k)] if self.model == "signed" else ["--search-rank", k]


def signature(k):
    """Two positive columns to a negative one, as the truth has them."""
    return f"{k - k // 3},{k // 3}"


ENSEMBLES = {
    "dense": Ensemble("dense"),
    "dense-asymmetric": Ensemble("dense", "asymmetric", (30, 20)),
    "signed": Ensemble("dense", "signed"),
    # The matrices are written too, for the oracle; the program makes its own from the seed.
    "seeded": Ensemble("seeded", made=("--materialize",)),
    "rank_one": Ensemble("rank_one"),
    # 100x80: ten times the freedom of rank 3 (531) is two thirds of the entries, so that there is something to complete. Twenty
    # times as many would be more than all, and would still leave nothing to complete where the matrix is just large enough.
    "entries": Ensemble("entries", "asymmetric", (100, 80)),
    "sparse": Ensemble("sparse"),
    # Of 5 qubits there are 1024 strings, which is five and a half times the freedom of rank 3 (183).
    "pauli": Ensemble("pauli", shape=(32, 32), complex=True),
    "dense-complex": Ensemble("dense", shape=(20, 20), made=("--complex",), complex=True),
    "rank_one-complex": Ensemble("rank_one", shape=(20, 20), made=("--complex",), complex=True),
}

# --------------------------------------------------------------------------------------------------- running the program


class Program:
    """The program, run in a folder, so that its commands read the same everywhere."""

    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def run(self, *flags):
        """Exit code (None if it took too long), standard output, last line of standard error."""
        try:
            done = subprocess.run([self.path, *map(str, flags)], cwd=self.folder, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return None, "", f"no end within {SECONDS} s"
        return done.returncode, done.stdout, (done.stderr.strip().splitlines() or [""])[-1]

    def generate(self, flags):
        """Makes a problem and gives the command that is proposed to solve it, without what this table chooses itself."""
        code, said, complaint = self.run("generate", *flags)
        if code != 0:
            sys.exit(f"generate {' '.join(map(str, flags))}: {complaint}")
        lines = said.splitlines()
        first = max(at for at, line in enumerate(lines) if line.strip().startswith("lowrank solve"))
        command = " ".join(line.strip() for line in lines[first:]).split()[1:]
        for flag in ("--signature", "--search-rank", "--holdout"):
            if flag in command:
                at = command.index(flag)
                del command[at:at + 2]
        return command

    def solve(self, row, flags):
        """Runs a method and fills in its row."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        start = time.monotonic()
        code, _, complaint = self.run(*flags, "--report", report.name, "--quiet")
        # By the clock: a report times the last fit alone where the program makes several to choose a ridge.
        row.seconds, row.exit = time.monotonic() - start, "" if code is None else code
        if not report.exists():
            row.status = complaint
            print(f"{row.name()}, {row.method}: {complaint}", file=sys.stderr, flush=True)
            return
        found = json.loads(report.read_text())
        row.ran, row.status = ran(found), found["status"]
        row.error = math.nan if found["relative_error"] is None else found["relative_error"]
        row.passes = found["timing"]["passes"]


def ran(report):
    """The method that ran: as asked, or, where that was left to the program, as its notice says."""
    method = report["settings"]["method"]
    said = (re.match(r"method (\S+): chosen", notice) for notice in report["notices"])
    return next((match[1] for match in said if match), method) if method in (None, "auto") else method


@dataclasses.dataclass
class Row:
    """A line of problems.csv. The oracle has one too, without what only a run has."""

    operator: str
    kappa: float
    k: int
    m_over_freedom: float
    noise: float
    seed: int
    method: str
    ran: str = ""
    error: float = math.nan
    passes: float = math.nan
    seconds: float = math.nan
    status: str = ""
    exit: object = ""

    def problem(self):
        return self.operator, self.kappa, self.k, self.m_over_freedom, self.noise, self.seed

    def name(self):
        made = f"{self.operator} kappa={self.kappa} k={self.k} m={self.m_over_freedom:g}x noise={self.noise:g}"
        return f"{made} seed={self.seed}"


# ------------------------------------------------------------------------------------------------------------ the oracle


def truth(folder):
    """The matrix M of a problem."""
    if (folder / "X.npy").exists():
        left = np.load(folder / "X.npy")
        return left @ left.conj().T
    with np.load(folder / "X.npz") as held:
        left, right = held["left"], held["right"] if "right" in held else held["left"]
        if "signature" in held:
            positive, negative = held["signature"].astype(int)
            right = right * np.r_[np.ones(positive), -np.ones(negative)]
        return left @ right.T


def tangent_basis(m, model):
    """Orthonormal matrices that span the tangent space at M of the matrices of its rank, symmetric ones where the model is."""
    if model == "asymmetric":
        left, _, right = np.linalg.svd(m)
        pairs = [(i, j) for i in range(len(left)) for j in range(len(right)) if i < RANK or j < RANK]
        return np.stack([np.outer(left[:, i], right[j]) for i, j in pairs])
    values, vectors = np.linalg.eigh(m)
    vectors = vectors[:, np.argsort(-np.abs(values))]
    halves = [(np.outer(vectors[:, i], vectors[:, j].conj()), 0.5 if i == j else 0.5 ** 0.5)
              for i in range(RANK) for j in range(i, len(vectors))]
    if np.iscomplexobj(m):
        halves += [(1j * outer, weight) for outer, weight in halves if weight != 0.5]
    return np.stack([weight * (outer + outer.conj().T) for outer, weight in halves])


def entries(folder):
    table = np.loadtxt(folder / "entries.csv", delimiter=",", skiprows=1)
    return table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2]


def observations(folder):
    return entries(folder)[2] if (folder / "entries.csv").exists() else np.load(folder / "y.npy").ravel()


def coordinates(file):
    """A Matrix Market file as a full array."""
    lines = (line for line in file.read_text().splitlines() if not line.startswith("%"))
    rows, columns, _ = map(int, next(lines).split())
    array = np.zeros((rows, columns))
    for line in lines:
        i, j, value = line.split()
        array[int(i) - 1, int(j) - 1] += float(value)
    return array


def widened(array):
    """Numbers in double precision."""
    return array.astype(complex if np.iscomplexobj(array) else float)


def pauli(word):
    """A Pauli string as a matrix."""
    letters = {"I": np.eye(2), "X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}
    return functools.reduce(np.kron, (letters[letter] for letter in word))


def measured(folder, stack):
    """What the operator of a problem says of every matrix of a stack: an (m, d) array."""
    if (folder / "entries.csv").exists():
        rows, columns, _ = entries(folder)
        return stack[:, rows, columns].T
    if (folder / "a.npy").exists():
        a = widened(np.load(folder / "a.npy"))
        return np.stack([np.sum((a.conj() @ z) * a, axis=1).real for z in stack], axis=1)
    if (folder / "strings.txt").exists():
        words = (folder / "strings.txt").read_text().split()
        return np.stack([np.einsum("ij,dij->d", pauli(word).conj(), stack).real for word in words])
    a = widened(np.load(folder / "A.npy")) if (folder / "A.npy").exists() else coordinates(folder / "A.mtx")
    a, n = a.reshape(len(a), -1), stack.shape[1]
    if np.iscomplexobj(a):
        return (a.conj() @ stack.reshape(len(stack), -1).T).real
    if a.shape[1] == stack[0].size:
        return a @ stack.reshape(len(stack), -1).T
    # Of packed matrices the upper triangle is there, and what is off the diagonal counts twice.
    i, j = np.triu_indices(n)
    return a @ (stack[:, i, j] * np.where(i == j, 1, 2)).T


class Oracle:
    """Least squares in the tangent space of the true matrix: the error that nobody beats by much."""

    def __init__(self, folder, model):
        m = truth(folder)
        basis = tangent_basis(m, model)
        self.found = np.tensordot(basis.conj(), m).real
        self.features = measured(folder, basis)
        misfit = np.linalg.norm(self.features @ self.found - observations(folder)) / np.linalg.norm(observations(folder))
        if misfit > 1e-5:
            sys.exit(f"{folder}: the truth and the noiseless observations differ by {misfit:.1e}: read wrongly here")

    def errors(self, columns):
        """Relative errors for several vectors of observations."""
        solutions = np.linalg.lstsq(self.features, np.stack(columns, axis=1), rcond=None)[0]
        return np.linalg.norm(solutions - self.found[:, None], axis=0) / np.linalg.norm(self.found)


# -------------------------------------------------------------------------------------------------------------- the grid


@dataclasses.dataclass
class Grid:
    operators: list
    conditions: tuple = CONDITIONS
    ranks: tuple = (RANK, 2 * RANK, WIDE)
    factors: tuple = FACTORS
    noises: tuple = NOISES


QUICK = Grid(["dense", "rank_one", "entries"], (10,), (RANK, WIDE), (2, 5), (0.0, 0.05))


class Table:
    """The rows, as they come about, and the commands of every problem."""

    def __init__(self, program, out):
        self.program, self.rows, self.commands = program, [], {}
        self.file = (out / "problems.csv").open("w", newline="")
        self.writer = csv.DictWriter(self.file, [field.name for field in dataclasses.fields(Row)], lineterminator="\n")
        self.writer.writeheader()

    def add(self, row):
        self.rows.append(row)
        said = {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in dataclasses.asdict(row).items()}
        self.writer.writerow(said)
        self.file.flush()

    def fill(self, grid, seed):
        for name, condition, factor in itertools.product(grid.operators, grid.conditions, grid.factors):
            m = ENSEMBLES[name].measurements(factor)
            if m is not None:
                # Another truth and other measurements everywhere, and the same ones in the miniature as in the whole table.
                own = 1000 * seed + 10 * CONDITIONS.index(condition) + FACTORS.index(factor)
                self.measure(grid, (name, condition, factor), m, own)

    def measure(self, grid, of, m, seed):
        """All noises, search ranks and methods of one truth and one set of measurements."""
        name, condition, factor = of
        ensemble, folder = ENSEMBLES[name], f"{name}-{seed}"
        made = [*ensemble.generate(condition), "--measurements", m, "--seed", seed]
        self.program.generate([*made, "--out", f"{folder}/clean"])
        clean = self.program.folder / folder / "clean"
        rms = float(np.sqrt(np.mean(observations(clean) ** 2)))
        flags = {noise: [*made, "--noise-std", f"{noise * rms:.6g}", "--out", f"{folder}/noise-{noise:g}"] for noise in grid.noises}
        commands = {noise: self.program.generate(of_noise) for noise, of_noise in flags.items()}
        noisy = [observations(clean.parent / f"noise-{noise:g}") for noise in grid.noises]
        errors = Oracle(clean, ensemble.model).errors(noisy)
        for (noise, error), k in itertools.product(zip(grid.noises, errors), grid.ranks):
            head = (name, condition, k, factor, noise, seed)
            command = [*commands[noise], *ensemble.search(k), "--backend", "cpu"]
            self.commands[head] = [["generate", *flags[noise]], command]
            self.solve(head, command)
            self.add(Row(*head, "oracle", error=float(error)))
        shutil.rmtree(self.program.folder / folder)

    def solve(self, head, command):
        found = []
        for method, flags in METHODS.items():
            row = Row(*head, method)
            self.program.solve(row, [*command, *flags])
            self.add(row)
            found.append(f"{method} {row.error:.1e} ({row.seconds:.2f} s)")
        print(f"{Row(*head, '').name():64} {', '.join(found)}", file=sys.stderr, flush=True)


# ----------------------------------------------------------------------------------------------------------- the summary


def counted(oracle):
    """Whether a problem counts: with noise only where knowing the tangent space is of use."""
    return oracle.noise == 0 or oracle.error < 1


def recovered(row, oracle):
    return row.error <= (EXACT if row.noise == 0 else NOISY * oracle.error)


def misleads(row, oracle):
    return row.exit in (0, "0") and row.error > WRONG and not recovered(row, oracle)


def by_problem(rows):
    """{problem: {method: row}} of the problems that count."""
    problems = {}
    for row in rows:
        problems.setdefault(row.problem(), {})[row.method] = row
    return {problem: rows for problem, rows in problems.items() if counted(rows["oracle"])}


def only_gd(problems):
    """The problems that gd recovers and the default does not."""
    def has(rows, method):
        return recovered(rows[method], rows["oracle"])
    if not {"default", "gd"} <= set(METHODS):
        return {}
    return {problem: rows for problem, rows in problems.items() if has(rows, "gd") and not has(rows, "default")}


def summary_line(operator, noise, problems):
    """A row of the summary: shares, median passes, and the problems that only gd recovers."""
    def share(method):
        return f"{100 * statistics.fmean(recovered(rows[method], rows['oracle']) for rows in problems.values()):.0f} %"

    def passes(method):
        known = [rows[method].passes for rows in problems.values() if not math.isnan(rows[method].passes)]
        return f"{statistics.median(known):.0f}" if known else "-"
    wrong = sum(misleads(rows["default"], rows["oracle"]) for rows in problems.values()) if "default" in METHODS else 0
    shares = map(share, (*METHODS, "oracle"))
    return [operator, f"{noise:g}", str(len(problems)), *shares, *map(passes, METHODS), str(wrong), str(len(only_gd(problems)))]


def aligned(table):
    """Lines of a Markdown table whose columns are as wide as what is in them."""
    widths = [max(map(len, column)) for column in zip(*table)]
    table = [table[0], ["-" * width for width in widths], *table[1:]]
    return ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in table]


def summary(table, grid, words, seconds):
    """The text of summary.md."""
    problems = by_problem(table.rows)
    lines = [["operator", "noise", "problems", *METHODS, "oracle", *(f"passes {method}" for method in METHODS), "misleading", "only gd"]]
    for operator, noise in itertools.product(grid.operators, grid.noises):
        of = {problem: rows for problem, rows in problems.items() if (problem[0], problem[4]) == (operator, noise)}
        if of:
            lines.append(summary_line(operator, noise, of))
    text = [f"# What each method recovers\n\nMade by `{words}` in {seconds:.0f} s.\n", *aligned(lines), "",
            f"Shares of problems recovered: relative error up to {EXACT:g} without noise, up to {NOISY:g} times the oracle's with it.",
            f"Passes: median over all problems of the row. Misleading: results of the default with an error above {WRONG:g} that are",
            "not recovered and end with exit status 0. Only gd: problems that gd recovers and the default does not.\n"]
    return "\n".join(text + misses(only_gd(problems), table.commands)) + "\n"


def misses(problems, commands):
    """What is said of each problem that only gd recovers, with the commands that make and solve it."""
    lines = [f"Problems that gd recovers and the default does not: {len(problems)}."]
    for problem, rows in problems.items():
        gave = ", ".join(f"{method} {row.error:.1e}" for method, row in rows.items())
        lines += [f"\n- {rows['gd'].name()}: {gave}\n", "```"]
        lines += [" ".join(["lowrank", *map(str, command)]) for command in commands[problem]] + ["```"]
    return lines


def chosen_operators(text):
    operators = text.split(",")
    unknown = [name for name in operators if name not in ENSEMBLES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no operator {', '.join(unknown)}; there are {', '.join(ENSEMBLES)}")
    return operators


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/lowrank")
    parser.add_argument("--out", type=pathlib.Path, help="folder for problems.csv and summary.md; --quick goes without")
    parser.add_argument("--operators", type=chosen_operators, help=f"some of {','.join(ENSEMBLES)}")
    parser.add_argument("--methods", help=f"some of {','.join(METHODS)}")
    parser.add_argument("--seed", type=lambda text: [int(seed) for seed in text.split(",")], default=[1], help="one or more")
    parser.add_argument("--quick", action="store_true", help="a miniature, for tests")
    args = parser.parse_args()
    if args.out is None and not args.quick:
        parser.error("--out is needed, unless --quick is given")
    if args.methods:
        unknown = set(args.methods.split(",")) - set(METHODS)
        if unknown:
            parser.error(f"--methods: no {', '.join(sorted(unknown))}; there are {', '.join(METHODS)}")
        for method in set(METHODS) - set(args.methods.split(",")):
            del METHODS[method]
    grid = QUICK if args.quick else Grid(list(ENSEMBLES))
    grid.operators = args.operators or grid.operators
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        out = args.out or pathlib.Path(scratch)
        out.mkdir(parents=True, exist_ok=True)
        table = Table(Program(str(pathlib.Path(args.program).resolve()), pathlib.Path(scratch)), out)
        for seed in args.seed:
            table.fill(grid, seed)
        words = " ".join(["python3 benches/defaults/defaults.py", *sys.argv[1:]])
        text = summary(table, grid, words, time.monotonic() - start)
        (out / "summary.md").write_text(text)
    print(text, end="")
    return 1 if any(problem[4] == 0 for problem in only_gd(by_problem(table.rows))) else 0


if __name__ == "__main__":
    sys.exit(main())
