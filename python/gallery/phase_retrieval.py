"""Phase retrieval: a complex signal from the sizes of its products with random vectors."""

import numpy as np

import lowrank

rng = np.random.default_rng(5)
n, m = 32, 500
x = rng.standard_normal(n) + 1j * rng.standard_normal(n)
a = rng.standard_normal((m, n)) + 1j * rng.standard_normal((m, n))
y = np.abs(a.conj() @ x) ** 2

# A real problem of twice the size, of rank 2: (Re x, Im x) and its quarter turn measure alike.
op = lowrank.RankOne(lowrank.RankOne.lift(a))
s = lowrank.solve(op, y, search_rank=4, precision="f64", stop_residual=1e-3)
# The lifted matrix is the mean of both turns: its complex form is x x^H, up to a factor.
Z = s.matrix()
H = (Z[:n, :n] + Z[n:, n:]) + 1j * (Z[n:, :n] - Z[:n, n:])
values, vectors = np.linalg.eigh(H)
found = vectors[:, -1]
overlap = abs(np.vdot(found, x)) / np.linalg.norm(x)
print(s, f"overlap with the signal {overlap:.9f}")
assert s.status == "Converged" and overlap > 1 - 1e-5
