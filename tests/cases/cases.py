#!/usr/bin/env python3
"""Problems as people bring them: made from a seed, solved by the program with default flags, judged by NumPy.

    python3 tests/cases/cases.py [--program target/release/lowrank] [--seeds 1,2,3] [--only few,stars] [--keep DIR]

Prints a row a case: whether it holds, its name, what was found, the bound, and where the bound comes from. Exits with 1 where
one does not hold. The bounds are meant for every seed. Needs Python 3 and NumPy.
"""

import argparse
import dataclasses
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

SECONDS = 60

# --------------------------------------------------------------------------------------------------- running the program


@dataclasses.dataclass
class Answer:
    """What a run left: its exit code (None if it did not end), the matrix (None if none was written), report and messages."""

    code: int | None
    matrix: np.ndarray | None
    report: dict
    messages: str

    def trouble(self):
        """Why there is nothing to judge, in a few words."""
        last = (self.messages.strip().splitlines() or ["no message"])[-1]
        return last if self.code is None else f"exit {self.code}: {last}"


@dataclasses.dataclass
class Row:
    """A case that was judged. `holds` stands where the judgement is not `found <= bound`."""

    name: str
    found: object
    bound: object
    why: str
    answer: Answer
    holds: bool | None = None

    def good(self):
        if self.holds is not None:
            return self.holds
        return self.found is not None and bool(self.found <= self.bound)

    def line(self):
        missing = f" [{self.answer.trouble()}]" if self.found is None else ""
        verdict = "ok" if self.good() else "BAD"
        return f"{verdict:4} {self.name:38} {shown(self.found):12} {shown(self.bound):10} {self.why}{missing}"


def shown(value):
    if value is None or isinstance(value, str):
        return value or "none"
    return f"{value:.3g}"


class Problem:
    """A folder of input files, and the program that is run in it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        folder.mkdir(parents=True, exist_ok=True)

    def arrays(self, **named):
        for name, array in named.items():
            np.save(self.folder / f"{name}.npy", array)

    def triplets(self, name, rows, columns, values):
        """Lines of row,column,value with every digit that nine of them can hold."""
        lines = (f"{i},{j},{v:.9g}\n" for i, j, v in zip(rows, columns, values))
        (self.folder / name).write_text("".join(lines))

    def compressed_rows(self, name, columns, values, width):
        """A sparse matrix with as many nonzeros in every row, as SciPy's .npz file of compressed rows has it."""
        m, each = columns.shape
        np.savez(self.folder / name, indices=columns.ravel(), indptr=np.arange(0, m * each + 1, each), data=values.ravel(),
                 shape=np.array([m, width]), format=np.array(b"csr"))

    def solve(self, *flags):
        out, report = self.folder / "out.npz", self.folder / "out.json"
        for file in (out, report):
            file.unlink(missing_ok=True)
        command = [self.program, "solve", *flags, "--backend", "cpu", "--out", out.name, "--report", report.name]
        try:
            done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=SECONDS)
            code, messages = done.returncode, done.stderr
        except subprocess.TimeoutExpired:
            code, messages = None, f"no end within {SECONDS} s"
        return Answer(code, product(out) if out.exists() else None, json.loads(report.read_text()) if report.exists() else {}, messages)

    def sensing(self, *flags):
        return self.solve("--matrices", "A.npy", "--observations", "y.npy", *flags)


def product(file):
    """The matrix that a file of factors stands for, with the mean and the biases where it has them."""
    with np.load(file) as held:
        left = held["left"][0].astype(float)
        right = held["right"][0].astype(float) if "right" in held else left
        z = left @ right.T
        for name, shape in (("mean", (1, 1)), ("row_bias", (-1, 1)), ("column_bias", (1, -1))):
            if name in held:
                z = z + held[name].reshape(shape)
    return z


# ------------------------------------------------------------------------------------------------- making and judging


def distance(z, truth):
    """Relative error in the Frobenius norm; None where there is nothing to compare."""
    if z is None or z.shape != truth.shape:
        return None
    return float(np.linalg.norm(z - truth) / np.linalg.norm(truth))


def symmetric(a):
    return (a + a.transpose(0, 2, 1)) / 2


def gaussian(rng, m, n):
    return symmetric(rng.standard_normal((m, n, n)))


def measure(matrices, z):
    return matrices.reshape(len(matrices), -1) @ z.ravel()


def psd(rng, n, rank):
    x = rng.standard_normal((n, rank))
    return x @ x.T


def draw(rng, matrix, m):
    """m entries of a matrix, each at most once, evenly drawn."""
    rows, columns = np.divmod(rng.choice(matrix.size, m, replace=False), matrix.shape[1])
    return rows, columns, matrix[rows, columns]


@dataclasses.dataclass
class Ratings:
    """Entries of a matrix: rows, columns, values."""

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    def where(self, chosen):
        return Ratings(self.rows[chosen], self.columns[chosen], self.values[chosen])

    def rmse(self, matrix):
        return float(np.sqrt(np.mean((matrix[self.rows, self.columns] - self.values) ** 2)))


def ratings(rng, shape, m, exponents):
    """Whole stars from 1 to 5 with biases, five tastes and noise; degrees fall off by powers. A tenth is the test."""
    n1, n2 = shape
    popular = [rng.permutation(np.arange(1, n + 1) ** -power) for n, power in zip(shape, exponents)]
    chance = np.outer(*popular).ravel()
    tastes = rng.standard_normal((n1, 5)) @ rng.standard_normal((5, n2)) / np.sqrt(5)
    liked = 3.6 + 0.45 * rng.standard_normal((n1, 1)) + 0.5 * rng.standard_normal((1, n2)) + 0.54 * tastes
    rows, columns = np.divmod(rng.choice(n1 * n2, m, replace=False, p=chance / chance.sum()), n2)
    stars = np.clip(np.round(liked[rows, columns] + 0.7 * rng.standard_normal(m)), 1, 5)
    every, test = Ratings(rows, columns, stars), rng.random(m) < 0.1
    return every.where(~test), every.where(test)


def biases(train, shape, damping=5, rounds=10):
    """The mean and what rows and columns add to it, as a matrix."""
    mean, of_rows, of_columns = train.values.mean(), np.zeros(shape[0]), np.zeros(shape[1])
    for _ in range(rounds):
        left = train.values - mean - of_columns[train.columns]
        of_rows = np.bincount(train.rows, left, shape[0]) / (np.bincount(train.rows, minlength=shape[0]) + damping)
        left = train.values - mean - of_rows[train.rows]
        of_columns = np.bincount(train.columns, left, shape[1]) / (np.bincount(train.columns, minlength=shape[1]) + damping)
    return mean + of_rows[:, None] + of_columns[None, :]


def ridge_factor(index, count, features, values, ridge):
    """A row a group of `index`: the ridge regression of the group's values on its features; 0 where a group is empty."""
    order = np.argsort(index, kind="stable")
    groups, starts = np.unique(index[order], return_index=True)
    x, v = features[order], values[order]
    grams = np.add.reduceat(x[:, :, None] * x[:, None, :], starts) + ridge * np.eye(x.shape[1])
    sums = np.add.reduceat(x * v[:, None], starts)
    factor = np.zeros((count, x.shape[1]))
    factor[groups] = np.linalg.solve(grams, sums[:, :, None])[:, :, 0]
    return factor


def alternating(train, base, rank, ridge, rounds=15):
    """Alternating ridge regression on what `base` leaves: the reference for ratings, as a matrix."""
    rng = np.random.default_rng(0)
    left = train.values - base[train.rows, train.columns]
    right_factor = 0.1 * rng.standard_normal((base.shape[1], rank))
    for _ in range(rounds):
        left_factor = ridge_factor(train.rows, base.shape[0], right_factor[train.columns], left, ridge)
        right_factor = ridge_factor(train.columns, base.shape[1], left_factor[train.rows], left, ridge)
    return base + left_factor @ right_factor.T


# -------------------------------------------------------------------------------------------------------------- the kinds


def few(problem, rng):
    """Noiseless sensing near the limit of what is determined, with the rank unknown."""
    n, truth = 40, psd(rng, 40, 3)
    matrices = gaussian(rng, 350, n)
    y = measure(matrices, truth)
    bounds = ((350, 1e-3, "plain gd: 6e-5"), (240, 5e-3, "plain gd: 1e-3"), (160, 1.0, "not worse than the zero matrix"))
    for m, bound, why in bounds:
        here = problem(f"m{m}")
        here.arrays(A=matrices[:m], y=y[:m])
        answer = here.sensing()
        yield Row(f"few m={m}", distance(answer.matrix, truth), bound, why, answer)
    answer = problem("m350").sensing("--search-rank", "3")
    yield Row("few m=350 k=3", distance(answer.matrix, truth), 1e-5, "rank known: 7e-9", answer)


def scale(problem, rng):
    """Entries of the sensing matrices of any size: the answer does not depend on units."""
    truth, matrices = psd(rng, 40, 3), gaussian(rng, 1200, 40)
    for factor in (1e-6, 1200 ** -0.5, 2.0, 1e4):
        here = problem(f"times-{factor:.3g}")
        here.arrays(A=factor * matrices, y=measure(factor * matrices, truth))
        answer = here.sensing()
        yield Row(f"scale {factor:.3g}", distance(answer.matrix, truth), 1e-5, "gd: 2e-7 at every scale", answer)


def square(problem, rng):
    """Twice as many equations as unknowns; sensing matrices that are not centred or not of variance 1."""
    n, m, truth = 10, 120, psd(rng, 10, 2)
    upper = np.triu(rng.random((m, n, n)) < 0.5)
    kinds = {
        "variance 4": 2 * gaussian(rng, m, n),
        "0/1": (upper | upper.transpose(0, 2, 1)).astype(float),
        "uniform 0..1": symmetric(rng.random((m, n, n))),
    }
    for name, matrices in kinds.items():
        here = problem(name.replace("/", "or"))
        here.arrays(A=matrices, y=measure(matrices, truth))
        answer = here.sensing()
        yield Row(f"square {name}", distance(answer.matrix, truth), 1e-4, "least squares: 2e-15", answer)


def units(problem, rng):
    """Sensing matrices times c and observations times d: the answer is d/c times the truth, and as good as ever."""
    truth, matrices = psd(rng, 30, 3), gaussian(rng, 900, 30)
    y = measure(matrices, truth)
    for c in (1e-12, 1.0, 1e12):
        for d in (1e-12, 1.0, 1e12):
            here = problem(f"A{c:g}-y{d:g}")
            here.arrays(A=c * matrices, y=d * y)
            answer = here.sensing()
            rescaled = None if answer.matrix is None else answer.matrix * (c / d)
            yield Row(f"units A times {c:g}, y times {d:g}", distance(rescaled, truth), 1e-5, "as without factors", answer)


def rated(here, train, test, shape):
    """Writes both files and gives the flags of a solve on the first one."""
    here.triplets("train.csv", train.rows, train.columns, train.values)
    here.triplets("test.csv", test.rows, test.columns, test.values)
    return "--entries", "train.csv", "--shape", f"{shape[0]},{shape[1]}"


def stars(problem, rng):
    """Ratings with a file of held-out ones, and with nothing held out, where the default must not adapt to the noise."""
    for shape, m, rank, ridge in (((600, 400), 24000, 5, 4.0), ((943, 1682), 90000, 8, 8.0)):
        train, test = ratings(rng, shape, m, (0.7, 0.9))
        base = biases(train, shape)
        reference = test.rmse(alternating(train, base, rank, ridge))
        name, here = f"stars {shape[0]}x{shape[1]}", problem(f"{shape[0]}x{shape[1]}")
        flags = rated(here, train, test, shape)
        answer = here.solve(*flags, "--holdout", "test.csv")
        why = f"1.03 x ALS {reference:.3f} (biases alone {test.rmse(base):.3f})"
        yield Row(name, answer.report.get("holdout_rmse"), 1.03 * reference, why, answer)
        answer = here.solve(*flags)
        found = None if answer.matrix is None else test.rmse(answer.matrix)
        yield Row(f"{name}, nothing held out", found, 1.05 * reference, f"1.05 x ALS {reference:.3f}", answer)


def power_law(problem, rng):
    """Ratings whose degrees fall off by powers that the seed draws, against the best of sixteen alternating regressions."""
    shape, powers = (300, 200), (rng.uniform(0.3, 0.9), rng.uniform(0.5, 1.1))
    train, test = ratings(rng, shape, 9000, powers)
    base = biases(train, shape)
    tried = {(rank, ridge): test.rmse(alternating(train, base, rank, ridge)) for rank in (2, 3, 5, 8) for ridge in (2, 4, 8, 16)}
    (rank, ridge), reference = min(tried.items(), key=lambda item: item[1])
    here = problem("300x200")
    answer = here.solve(*rated(here, train, test, shape), "--holdout", "test.csv")
    why = f"1.03 x ALS {reference:.3f} (rank {rank}, ridge {ridge}; biases alone {test.rmse(base):.3f})"
    yield Row(f"power law {powers[0]:.2f}, {powers[1]:.2f}", answer.report.get("holdout_rmse"), 1.03 * reference, why, answer)


def unknown_rank(problem, rng):
    """Completion where the default width is far above the rank: the bias towards low rank must survive."""
    truth = np.outer(rng.standard_normal(100), rng.standard_normal(100))
    rows, columns = np.nonzero(rng.random(truth.shape) < 0.2)
    here = problem("rank1")
    here.triplets("e.csv", rows, columns, truth[rows, columns])
    answer = here.solve("--entries", "e.csv", "--shape", "100,100")
    yield Row("unknown rank 1, 20 % seen", distance(answer.matrix, truth), 1e-3, "plain gd: 3e-5", answer)

    truth = rng.standard_normal((200, 4)) @ rng.standard_normal((4, 150))
    here = problem("rank4")
    here.triplets("e.csv", *draw(rng, truth, 4 * 4 * (200 + 150 - 4)))
    answer = here.solve("--entries", "e.csv", "--shape", "200,150")
    yield Row("unknown rank 4, 4 x freedom", distance(answer.matrix, truth), 2e-3, "plain gd: 4e-4", answer)


def sensors(problem, rng):
    """Squared distances of points in the plane, by sparse sensing matrices, seen at random or between near points alone."""
    n, points = 60, rng.random((60, 2))
    squared = ((points[:, None] - points[None]) ** 2).sum(2)
    centred = points - points.mean(0)
    a, b = np.triu_indices(n, 1)
    near = squared[a, b] < 0.35 ** 2
    some = np.zeros(len(a), bool)
    some[rng.choice(len(a), near.sum(), replace=False)] = True
    middle = np.eye(n) - 1 / n
    for name, seen, bound, why in (("at random", some, 1e-3, "lbfgs: 1e-5"), ("near ones", near, 0.1, "lbfgs: 0.007")):
        i, j = a[seen], b[seen]
        here = problem(name)
        columns = np.stack([i * n + i, i * n + j, j * n + i, j * n + j], axis=1)
        here.compressed_rows("A.npz", columns, np.tile([1.0, -1.0, -1.0, 1.0], (len(i), 1)), n * n)
        here.arrays(y=squared[i, j])
        answer = here.solve("--sparse", "A.npz", "--observations", "y.npy", "--shape", f"{n},{n}")
        # Distances say nothing of where the points lie as a whole.
        found = None if answer.matrix is None else distance(middle @ answer.matrix @ middle, centred @ centred.T)
        yield Row(f"sensors, pairs {name}", found, bound, why, answer)


def phases(problem, rng):
    """Complex phase retrieval, lifted to real matrices of twice the size and twice the rank."""
    n = 32
    turn = np.block([[np.zeros((n, n)), -np.eye(n)], [np.eye(n), np.zeros((n, n))]])
    for m in (256, 160):
        signal = rng.standard_normal(n) + 1j * rng.standard_normal(n)
        a = (rng.standard_normal((m, n)) + 1j * rng.standard_normal((m, n))) / np.sqrt(2)
        real = np.r_[signal.real, signal.imag]
        truth = (np.outer(real, real) + np.outer(turn @ real, turn @ real)) / 2
        here = problem(f"m{m}")
        vectors = np.stack([np.hstack([a.real, a.imag]), np.hstack([-a.imag, a.real])], axis=2)
        here.arrays(a=vectors, y=np.abs(a.conj() @ signal) ** 2)
        # Some draws of few measurements are nearly degenerate: single precision comes to rest earlier there.
        close = 1e-4 if m == 256 else 1e-3
        asked = (([], 2e-2, "plain gd: 2e-3"), (["--search-rank", "2"], close, "rank known: 5e-16 by Wirtinger flow"))
        for flags, bound, why in asked:
            answer = here.solve("--vectors", "a.npy", "--observations", "y.npy", *flags)
            # The data see only what multiplication by i leaves as it is.
            part = None if answer.matrix is None else (answer.matrix + turn @ answer.matrix @ turn.T) / 2
            yield Row(f"phases m={m // n}n{', k=2' if flags else ''}", distance(part, truth), bound, why, answer)


def outliers(problem, rng):
    """--loss l1 with default flags and gross outliers."""
    n, m, truth = 40, 1500, psd(rng, 40, 3)
    matrices = gaussian(rng, m, n)
    y = measure(matrices, truth)
    wrong = rng.choice(m, 15, replace=False)
    y[wrong] += 30 * y.std() * rng.standard_normal(15)
    here = problem("dense")
    here.arrays(A=matrices, y=y)
    answer = here.sensing("--loss", "l1")
    yield Row("outliers dense 1 %", distance(answer.matrix, truth), 1e-4, "gd: 2e-6", answer)

    truth = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 50))
    rows, columns, values = draw(rng, truth, 1500)
    wrong = rng.random(1500) < 0.05
    values[wrong] += rng.choice([-1, 1], wrong.sum()) * rng.uniform(10, 40, wrong.sum())
    here = problem("entries")
    here.triplets("e.csv", rows, columns, values)
    answer = here.solve("--entries", "e.csv", "--shape", "60,50", "--loss", "l1")
    yield Row("outliers entries 5 %", distance(answer.matrix, truth), 1e-2, "gd: 6e-4", answer)


def endings(problem, rng):
    """Line searches leave the start, a run at the floor of single precision ends, and a wrong truth is doubted."""
    n, truth = 40, psd(rng, 40, 3)
    matrices = gaussian(rng, 1200, n).astype(np.float32)
    here = problem("dense")
    here.arrays(A=matrices, y=measure(matrices.astype(float), truth), M=truth)
    for method in ("gd", "prec-gd"):
        answer = here.sensing("--method", method, "--step-rule", "armijo")
        yield Row(f"endings armijo {method}", distance(answer.matrix, truth), 1e-3, "in f64: 5e-16", answer)
    answer = here.sensing()
    yield Row("endings at the floor", answer.report.get("iterations"), 1000, "iterations; the floor is near 150", answer)
    answer = here.sensing("--truth", "M.npy")
    doubted = answer.code == 2 or ("truth" in answer.messages and "observations" in answer.messages)
    why = "A(truth) is not y: it is refused or doubted"
    yield Row("endings a matrix given as --truth", f"exit {answer.code}", "doubt", why, answer, holds=doubted)


def table(here, name, *columns, header=None, separator=","):
    """A text table of these columns."""
    lines = [] if header is None else [header]
    lines += [separator.join(map(str, line)) for line in zip(*columns)]
    text = "\n".join(lines) + "\n"
    if name.endswith(".gz"):
        (here.folder / name).write_bytes(gzip.compress(text.encode()))
    else:
        (here.folder / name).write_text(text)


def small_ratings(rng, shape=(60, 45), m=1400):
    """Entries of rank 2 with offsets and noise, in random order, at positions that cover every row and column."""
    n1, n2 = shape
    liked = 3.5 + rng.standard_normal((n1, 1)) + rng.standard_normal((1, n2)) + rng.standard_normal((n1, 2)) @ rng.standard_normal((2, n2))
    while True:
        rows, columns = np.divmod(rng.choice(n1 * n2, m, replace=False), n2)
        if len(np.unique(rows)) == n1 and len(np.unique(columns)) == n2:
            return rows, columns, np.round(liked[rows, columns] + 0.5 * rng.standard_normal(m), 1)


def gaps(problem, rng):
    """Ids with gaps, of 64 bits, and as words, in the place of row and column numbers."""
    rows, columns, values = small_ratings(rng)
    here = problem("ids")
    flags = ("--holdout", "0.1", "--search-rank", "4")
    table(here, "plain.csv", rows, columns, values)
    reference = here.solve("--entries", "plain.csv", *flags).report.get("holdout_rmse", np.nan)
    wide = np.sort(rng.choice(10**8, 45, replace=False))
    for name, users, items in (
        ("ids with gaps", rows + 1, wide[columns]),
        ("ids of 64 bits", rng.choice(10**18, 60, replace=False)[rows], wide[columns]),
        ("ids that are words", [f"user {i}" for i in rows], [f"item{j:03d}" for j in columns]),
    ):
        table(here, "ids.csv", users, items, values)
        answer = here.solve("--entries", "ids.csv", *flags)
        found = answer.report.get("holdout_rmse")
        yield Row(f"gaps {name}", found, 1.15 * reference, f"with plain numbers {reference:.3f}", answer)


def columns(problem, rng):
    """Headers, separators and further columns as programs write them."""
    rows, items, values = small_ratings(rng)
    here, count = problem("columns"), range(len(values))
    flags = ("--holdout", "0.1", "--shape", "60,45")
    table(here, "plain.csv", rows, items, values)
    reference = here.solve("--entries", "plain.csv", *flags).report.get("holdout_rmse", np.nan)
    commas = [f"{v:.1f}".replace(".", ",") for v in values]
    titles = ['"one, two"'] * len(values)
    for name, file, of in (
        ("index of pandas", "t.csv", dict(columns=(count, rows, items, values), header=",userId,movieId,rating")),
        ("value first, time last", "t.csv", dict(columns=(values, rows, items, count), header="Rating,User ID,Item ID,timestamp")),
        ("numbers as names", "t.csv", dict(columns=(rows, items, values), header="0,1,2")),
        ("titles with commas", "t.csv", dict(columns=(rows, items, titles, values), header="user,movie,title,stars")),
        ("double colons", "t.dat", dict(columns=(rows, items, values, count), separator="::")),
        ("bars", "t.txt", dict(columns=(rows, items, values), separator="|")),
        ("semicolons and decimal commas", "t.csv", dict(columns=(rows, items, commas), separator=";")),
        ("gzip", "t.csv.gz", dict(columns=(rows, items, values))),
        ("ids as floats", "t.txt", dict(columns=[[f"{v:.18e}" for v in column] for column in (rows, items, values)], separator=" ")),
    ):
        table(here, file, *of.pop("columns"), **of)
        answer = here.solve("--entries", file, *flags)
        yield Row(f"columns {name}", answer.report.get("holdout_rmse"), 1.001 * reference, f"the plain table {reference:.3f}", answer)


def holes(problem, rng):
    """Arrays and wide tables with NaN; both triangles of a symmetric matrix."""
    truth = rng.standard_normal((50, 3)) @ rng.standard_normal((3, 40))
    seen = np.where(rng.random(truth.shape) < 0.5, truth, np.nan)
    here = problem("holes")
    here.arrays(D=seen)
    answer = here.solve("--entries", "D.npy")
    yield Row("holes in an array", distance(answer.matrix, truth), 1e-3, "noiseless", answer)
    np.savetxt(here.folder / "wide.csv", seen, delimiter=",", fmt="%.9g")
    answer = here.solve("--entries", "wide.csv")
    yield Row("holes in a wide table", distance(answer.matrix, truth), 1e-3, "noiseless", answer)
    n, k = 25, 4
    basis = np.linalg.qr(rng.standard_normal((n, n)))[0]
    matrix = basis @ np.diag(2 + 4 * rng.random(n)) @ basis.T
    values, vectors = np.linalg.eigh(matrix)
    best = distance((vectors[:, -k:] * values[-k:]) @ vectors[:, -k:].T, matrix)
    rows, items = np.indices((n, n)).reshape(2, -1)
    table(here, "all.csv", rows, items, [f"{v:.17g}" for v in matrix[rows, items]])
    answer = here.solve("--entries", "all.csv", "--model", "psd", "--search-rank", str(k))
    yield Row("holes none, best of rank 4", distance(answer.matrix, matrix), 1.002 * best, f"eigenvalues cut off {best:.4f}", answer)


KINDS = {kind.__name__: kind for kind in (few, scale, square, units, stars, power_law, unknown_rank, sensors, phases, outliers, gaps, columns, holes, endings)}

# ---------------------------------------------------------------------------------------------------------------- at last


def judge(program, seed, kind, folder):
    """Runs a kind and prints its rows; whether each holds. The numbers of a kind do not depend on the other kinds."""
    held = []
    rng = np.random.default_rng([seed, *kind.encode()])
    for row in KINDS[kind](lambda name: Problem(program, folder / name.replace(" ", "-")), rng):
        print(row.line(), flush=True)
        held.append(row.good())
    return held


def chosen_kinds(text):
    kinds = text.split(",") if text else list(KINDS)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no kind {', '.join(unknown)}; there are {', '.join(KINDS)}")
    return kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/lowrank")
    parser.add_argument("--seeds", default=[1], type=lambda text: [int(seed) for seed in text.split(",")], help="such as 1,2,3")
    parser.add_argument("--only", default=list(KINDS), type=chosen_kinds, help=f"some of {','.join(KINDS)}")
    parser.add_argument("--keep", type=pathlib.Path, help="leave the files of every problem in this folder")
    args = parser.parse_args()
    program, held = str(pathlib.Path(args.program).resolve()), []
    for seed in args.seeds:
        print(f"seed {seed}")
        for kind in args.only:
            with tempfile.TemporaryDirectory() as scratch:
                folder = args.keep / f"seed{seed}" / kind if args.keep else pathlib.Path(scratch)
                held += judge(program, seed, kind, folder.resolve())
    print(f"{sum(held)} of {len(held)} hold")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
