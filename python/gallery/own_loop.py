"""A loop of one's own: SciPy's L-BFGS-B on the loss, with gradients from the engine."""

import numpy as np
import scipy.optimize

import lowrank

n, rank, k, m = 40, 2, 6, 900
truth = lowrank.problem.psd(n, rank=rank, seed=1)
op = lowrank.Dense.gaussian(n, m, seed=2)
session = lowrank.Session(op, truth.measure(op))


def value_and_gradient(u):
    value, gradient = session.value_and_gradient(u.reshape(n, k))
    return value, gradient.ravel()


start = 1e-3 * np.random.default_rng(3).standard_normal(n * k)
found = scipy.optimize.minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 0, "gtol": 1e-9})
U = found.x.reshape(n, k)
error = np.linalg.norm(U @ U.T - truth.matrix) / np.linalg.norm(truth.matrix)
print(f"{found.nit} iterations, {found.nfev} passes, relative error {error:.1e}")
assert error < 1e-4
