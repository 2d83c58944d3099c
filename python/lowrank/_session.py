"""Residuals, losses and gradients at given factors, for loops written in Python."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _lowrank
from ._arrays import array, stacked, unstacked
from .operators import Operator

Factors = Any


class Session:
    """An operator and a model on a backend: ``residual``, ``loss`` and ``gradient`` at the speed of the solver.

    The square loss is f = s/4 |A(U U^T) - y|^2 for one factor and s/2 |A(L R^T) - y|^2 for two, so that U - mu * gradient(U) is a step of
    gradient descent; operators with centred residuals (``RankOne``) use e - mean(e). Factors are U (n, k) or (L, R), or with one more
    leading axis a batch (b, n, k). Of a complex unknown factors are complex, and so is the gradient: its inner product Re<G, D> with a
    direction D is the slope of f.

    operator: the A_i. observations: y, (m,) for all trials or (b, m); default 0, so that ``residual`` is A(U U^T). model: psd, asymmetric
    or signed:signature=p,q; default: the operator's. backend: auto, reference, cpu, gpu or gpu:NAME. precision: f32 or f64; default f64,
    on a gpu f32. loss: square, l1 or huber:d.

    >>> session = lowrank.Session(op, y)
    >>> U = U - 0.25 * session.gradient(U)
    """

    def __init__(
        self,
        operator: Operator,
        observations: Any = None,
        *,
        model: str | None = None,
        backend: str = "auto",
        precision: str | None = None,
        loss: str = "square",
    ):
        y = None if observations is None else operator._values(observations, "observations")
        self._core = _lowrank.Session(operator._core, y, model, backend, precision, loss)
        self._complex, self._complex_values = operator.complex, operator._complex_values

    def residual(self, factors: Factors) -> np.ndarray:
        """Return e = A(U U^T) - y, (m,), or (b, m) for a batch."""
        blocks, single = self._blocks(factors)
        found = self._core.residual(blocks)
        found = found.view(np.complex128) if self._complex_values else found
        return found[0] if single else found

    def loss(self, factors: Factors) -> Any:
        """Return f, a number, or (b,) for a batch."""
        blocks, single = self._blocks(factors)
        found = self._core.loss(blocks)
        return float(found[0]) if single else found

    def gradient(self, factors: Factors) -> Any:
        """Return the gradient of f, in the shape of U, or as a pair like (L, R)."""
        blocks, single = self._blocks(factors)
        return self._like(factors, self._core.gradient(blocks), single)

    def value_and_gradient(self, factors: Factors) -> tuple[Any, Any]:
        """Return f and its gradient, from one pass over the measurements."""
        blocks, single = self._blocks(factors)
        _, losses, gradients = self._core.evaluate(blocks)
        return float(losses[0]) if single else losses, self._like(factors, gradients, single)

    def _like(self, factors: Factors, gradients: list[np.ndarray], single: bool) -> Any:
        """Return gradients in the shapes of the factors."""
        found = [unstacked(gradient) for gradient in gradients] if self._complex else gradients
        found = [gradient[0] for gradient in found] if single else found
        return tuple(found) if isinstance(factors, tuple) else found[0]

    def _blocks(self, factors: Factors) -> tuple[list[np.ndarray], bool]:
        """Return the factors as a list, and whether they belong to one trial."""
        given = factors if isinstance(factors, tuple) else (factors,)
        blocks = [(stacked if self._complex else array)(factor, "factors") for factor in given]
        return blocks, all(block.ndim < 3 for block in blocks)
