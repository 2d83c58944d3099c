"""Own arrays in, factors and a picture out."""

import numpy as np

import lowrank

rng = np.random.default_rng(1)
n, rank, m = 40, 2, 900
X = rng.standard_normal((n, rank))
A = rng.standard_normal((m, n, n))
A = (A + A.transpose(0, 2, 1)) / 2
y = np.einsum("mij,ij->m", A, X @ X.T)

s = lowrank.solve(A, y, search_rank=8, holdout=0.1, stop_residual=1e-4)
error = np.linalg.norm(s.matrix() - X @ X.T) / np.linalg.norm(X @ X.T)
print(s, f"error {error:.1e}, estimated without the truth {s.best.estimated_relative_error:.1e}")
assert s.status == "Converged" and error < 1e-3 and s.best.estimated_rank == rank
s.plot().savefig("own_data.png", dpi=150)
