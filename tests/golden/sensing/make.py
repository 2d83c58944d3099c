"""Makes the golden sensing problem with NumPy alone: n=60, r=3, k=12, m=10nr, and five gradient descent steps in float64.

The matrices are whole numbers, round(32 g) with g from the symmetric Gaussian ensemble, in int8: three megabytes instead
of thirteen, and exactly the same problem in every storage type. Their scale makes s = 1/(m 32^2).

Remake with: python3 make.py   (NumPy 2.4.6 wrote the files that are here; problem.json says so too)
"""
import json

import numpy as np

n, r, k = 60, 3, 12
m = 10 * n * r
rng = np.random.default_rng(20260)
rows, columns = np.triu_indices(n)
diagonal = rows == columns

gaussian = rng.standard_normal((m, rows.size)) * np.where(diagonal, 1.0, np.sqrt(0.5))
A = np.clip(np.rint(32 * gaussian), -127, 127).astype(np.int8)
X = np.linalg.qr(rng.standard_normal((n, r)))[0] * np.array([1.0, 0.8, 0.6])
twice = np.where(diagonal, 1.0, 2.0)


def forward(U):
    Z = U @ U.T
    return A.astype(np.float64) @ (twice * Z[rows, columns])


def adjoint(e):
    packed = e @ A.astype(np.float64)
    G = np.zeros((n, n))
    G[rows, columns] = packed
    G[columns, rows] = packed
    return G


y = forward(X)
s = 1.0 / (m * 32.0**2)
mu = 0.25
# Large enough that five steps change every digit.
U0 = 0.3 / np.sqrt(k) * rng.standard_normal((n, k))
U = U0.copy()
losses = []
for _ in range(5):
    e = forward(U) - y
    losses.append(s / 4 * float(e @ e))
    U = U - mu * s * adjoint(e) @ U

np.save("A.npy", A)
np.save("y.npy", y)
np.save("X.npy", X)
np.save("U0.npy", U0)
np.save("U5.npy", U)
with open("problem.json", "w") as file:
    json.dump(
        {"n": n, "rank": r, "search_rank": k, "measurements": m, "normalization": s, "step_size": mu,
         "train_losses": losses, "numpy": np.__version__, "seed": 20260},
        file, indent=1,
    )
    file.write("\n")
