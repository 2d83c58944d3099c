"""Problems with a known solution: random matrices of low rank and their measurements."""

from __future__ import annotations

import numpy as np

from . import _lowrank
from ._arrays import unstacked
from .operators import Operator

__all__ = ["Truth", "asymmetric", "complex_asymmetric", "hermitian", "psd", "signed"]


class Truth:
    """Known matrix M. ``solve(..., truth=truth)`` reports the error."""

    def __init__(self, core: _lowrank.Truth):
        self._core = core

    @property
    def shape(self) -> tuple[int, int]:
        """(n1, n2)."""
        return self._core.shape

    @property
    def matrix(self) -> np.ndarray:
        """M, (n1, n2)."""
        found = self._core.matrix()
        return unstacked(found[:, : self.shape[1]]) if self._core.complex else found

    @property
    def left(self) -> np.ndarray | None:
        """X of M = X X^T, or L of M = L R^T, (n1, r)."""
        return self._own(self._core.left())

    @property
    def right(self) -> np.ndarray | None:
        """R, (n2, r); equal to X for symmetric truths."""
        return self._own(self._core.right())

    def _own(self, factor: np.ndarray | None) -> np.ndarray | None:
        return unstacked(factor) if factor is not None and self._core.complex else factor

    def measure(self, operator: Operator, *, noise_std: float = 0.0, seed: int = 0) -> np.ndarray:
        """Return y = A(M), (m,), in f64, plus independent N(0, noise_std^2) noise."""
        return self._core.measure(operator._core, noise_std, seed)


def psd(n: int, *, rank: int = 1, condition_number: float = 1.0, seed: int = 0) -> Truth:
    """Create M = X X^T, n x n, with the singular values of X spread evenly from 1 to 1/condition_number."""
    return Truth(_lowrank.synthetic("psd", (n, n), rank, condition_number, seed, None, False))


def hermitian(n: int, *, rank: int = 1, condition_number: float = 1.0, seed: int = 0) -> Truth:
    """Create M = X X^H, complex n x n, with the singular values of X spread evenly from 1 to 1/condition_number."""
    return Truth(_lowrank.synthetic("psd", (n, n), rank, condition_number, seed, None, True))


def signed(n: int, *, signature: tuple[int, int], condition_number: float = 1.0, seed: int = 0) -> Truth:
    """Create M = X S X^T with ``signature`` = (p, q) positive and negative eigenvalues."""
    return Truth(_lowrank.synthetic("signed", (n, n), sum(signature), condition_number, seed, signature, False))


def asymmetric(n1: int, n2: int, *, rank: int = 1, condition_number: float = 1.0, seed: int = 0) -> Truth:
    """Create M = L R^T, n1 x n2, with the singular values of M spread evenly from 1 to 1/condition_number."""
    return Truth(_lowrank.synthetic("asymmetric", (n1, n2), rank, condition_number, seed, None, False))


def complex_asymmetric(n1: int, n2: int, *, rank: int = 1, condition_number: float = 1.0, seed: int = 0) -> Truth:
    """Create M = L R^H, complex n1 x n2, with the singular values of M spread evenly from 1 to 1/condition_number."""
    return Truth(_lowrank.synthetic("asymmetric", (n1, n2), rank, condition_number, seed, None, True))
