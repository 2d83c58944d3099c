import numpy as np
import pytest

import lowrank


class Example:
    """n = 20, rank 2, 400 measurements, made by NumPy alone."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.n, self.m, self.rank = 20, 400, 2
        self.X = rng.standard_normal((self.n, self.rank))
        self.M = self.X @ self.X.T
        A = rng.standard_normal((self.m, self.n, self.n))
        self.A = (A + A.transpose(0, 2, 1)) / 2
        self.y = np.einsum("mij,ij->m", self.A, self.M)
        self.packed = np.ascontiguousarray(self.A[(slice(None), *np.triu_indices(self.n))])

    def error(self, s):
        return np.linalg.norm(s.matrix() - self.M) / np.linalg.norm(self.M)

    def solve(self, A=None, y=None, **keywords):
        keywords = {"search_rank": 5, "stop_residual": 1e-5, "backend": "cpu", **keywords}
        return lowrank.solve(self.A if A is None else A, self.y if y is None else y, **keywords)


@pytest.fixture(scope="session")
def example():
    return Example()
