"""Makes the pictures of the book with the program and the wheel. Run it where both are installed:

    python3 docs/pictures/make.py [PROGRAM]

The matrices A_i are those of the operators; those of sparse are the distances of three pairs of points.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

import lowrank

HERE = pathlib.Path(__file__).parent
N, SHOWN, CELL, GAP = 12, 3, 14, 30
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "lowrank"


def colour(value):
    """White at 0, blue to +1, red to -1; violet and orange for imaginary numbers."""
    if np.iscomplexobj(value) and value.imag != 0:
        value, plus, minus = value.imag, [118, 42, 131], [217, 95, 2]
    else:
        value, plus, minus = np.real(value), [33, 102, 172], [178, 24, 43]
    strong = np.array(plus if value > 0 else minus)
    share = min(abs(value), 1.0) ** 0.7
    return "#%02x%02x%02x" % tuple(int(round(c)) for c in 255 + (strong - 255) * share)


def picture(name, matrices, what):
    cells = len(matrices[0])
    side = cells * CELL
    width, height = SHOWN * side + (SHOWN + 1) * GAP, side + 2 * GAP + 14
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{what}">',
        f"<title>{what}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for i, a in enumerate(matrices):
        left, top = GAP + i * (side + GAP), GAP
        largest = np.abs(a).max()
        lines += [
            f'<rect x="{left + c * CELL}" y="{top + r * CELL}" width="{CELL}" height="{CELL}" fill="{colour(a[r, c] / largest)}"/>'
            for r in range(cells)
            for c in range(cells)
            if a[r, c] != 0
        ]
        lines.append(f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#888888"/>')
        label = f"A{'₁₂₃'[i]}"
        lines.append(f'<text x="{left + side / 2}" y="{top + side + 22}" text-anchor="middle" font-family="sans-serif" font-size="15" fill="#222222">{label}</text>')
    (HERE / f"{name}.svg").write_text("\n".join(lines) + "\n</svg>\n")


def matrices_of(op):
    return [op.sensing_matrix(i) for i in range(SHOWN)]


def measurements():
    rng = np.random.default_rng(4)
    picture("dense", matrices_of(lowrank.Dense.gaussian(N, SHOWN, seed=1)), "Three symmetric matrices full of random numbers")
    picture("seeded", matrices_of(lowrank.Seeded(N, SHOWN, seed=1)), "Three symmetric matrices full of random numbers")
    picture("rademacher", matrices_of(lowrank.Rademacher(N, SHOWN, seed=1)), "Three symmetric matrices of numbers with random signs")
    picture("rank_one", matrices_of(lowrank.RankOne(rng.standard_normal((SHOWN, N)))), "Three outer products: stripes along rows and columns")
    picture("pauli", pauli(), "Three Pauli matrices: one entry in every row, real in blue and red, imaginary in violet and orange")
    rows, columns = rng.integers(0, N, SHOWN), rng.integers(0, N, SHOWN)
    entries = lowrank.Entries(rows, columns, np.ones(SHOWN), (N, N))
    picture("entries", matrices_of(entries), "Three matrices with a single entry")
    pairs = [(1, 4), (3, 10), (6, 7)]
    picture("sparse", [distance(a, b) for a, b in pairs], "Three matrices with four entries each: distances of two points")


def pauli():
    return matrices_of(lowrank.Pauli(["XZX", "ZYI", "YYZ"]))


def distance(a, b):
    """(e_a - e_b)(e_a - e_b)^T: its product with a Gram matrix is the squared distance of two points."""
    e = np.eye(N)
    return np.outer(e[a] - e[b], e[a] - e[b])


def program():
    with tempfile.TemporaryDirectory() as folder:

        def run(words):
            subprocess.run([PROGRAM, *words.split()], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def keep(found, name):
            shutil.copy(pathlib.Path(folder, found), HERE / name)

        run("sweep --n 20 --rank 1:4 --measurements 20:200:20 --repetitions 10 --backend cpu --out sweep")
        keep("sweep/heatmap.svg", "sweep.svg")
        run("generate --n 30 --rank 3 --measurements 900 --condition-number 3 --out problem")
        data = "--matrices problem/A.npy --observations problem/y.npy --truth problem/X.npy --backend cpu"
        run(f"compare {data} --methods gd,momentum,prec-gd,cg --max-iterations 800 --out comparison")
        keep("comparison/error-iterations.svg", "compare.svg")
        run("generate --n 30 --rank 3 --measurements 600 --noise-std 0.1 --out noisy")
        run("solve --matrices noisy/A.npy --observations noisy/y.npy --search-rank auto:1:8 --backend cpu --selection curve.svg")
        keep("curve.svg", "selection.svg")
        run("reproduce phase-retrieval-2014 --quick --backend cpu --out phases")
        keep("phases/picture-6.svg", "phase-retrieval.svg")


measurements()
program()
