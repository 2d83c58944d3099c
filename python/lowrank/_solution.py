"""Results of a run."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from . import _tables


class Trial:
    """One trial of a run. Every key of its ``report`` is an attribute too: ``iterations``, ``step_size``, ``train_loss``,
    ``relative_residual``, ``relative_error``, ``holdout_loss``, ``estimated_rank`` …"""

    report: dict[str, Any]
    left: np.ndarray
    """U, or L: (n1, k), float64, or complex128 of a complex unknown."""

    biases: tuple[float, np.ndarray, np.ndarray] | None
    """Mean, row biases and column biases if the run chose to subtract them first; ``matrix()`` includes them."""

    def __init__(
        self,
        report: dict[str, Any],
        left: np.ndarray,
        right: np.ndarray | None,
        model: str,
        positive: int,
        biases: tuple[float, np.ndarray, np.ndarray] | None = None,
    ):
        self.report, self.left, self._right, self._model, self._positive = report, left, right, model, positive
        self.biases = biases

    @property
    def doubt(self) -> str | None:
        """Reason to doubt the result, as a sentence; None without doubt."""
        return self.report.get("doubt")

    @property
    def right(self) -> np.ndarray:
        """R, (n2, k); equal to U for models with one factor."""
        return self.left if self._right is None else self._right

    @property
    def status(self) -> str:
        """Converged, Finished, IterationLimit, TimeLimit, Stalled, Diverged or Interrupted."""
        return self.report["status"]

    @property
    def singular_values(self) -> np.ndarray:
        """Singular values of U, largest first; for other products than U U^T the square roots of those of the product."""
        return np.array(self.report["singular_values"])

    def matrix(self) -> np.ndarray:
        """Return the recovered matrix, (n1, n2): U U^T, U S U^T or L R^T, plus biases if there are any."""
        signs = np.where(np.arange(self.left.shape[1]) < self._positive, 1.0, -1.0) if self._model == "signed" else 1.0
        product = (self.left * signs) @ self.right.conj().T
        if self.biases is None:
            return product
        mean, rows, columns = self.biases
        return product + mean + rows[:, None] + columns

    def fidelity(self, state: Any) -> float:
        """Return the fidelity (sum of the singular values of X^H U)^2 of U U^H and X X^H over their traces, for X or a vector psi (n,)."""
        x = np.asarray(state)
        x = x[:, None] if x.ndim == 1 else x
        overlap = np.linalg.svd(x.conj().T @ self.left, compute_uv=False).sum()
        return float((overlap / (np.linalg.norm(x) * np.linalg.norm(self.left))) ** 2)

    @property
    def purity(self) -> float:
        """Purity tr(rho^2) of rho = U U^H over its trace: 1 for a pure state."""
        eigenvalues = self.singular_values**2
        return float(np.sum((eigenvalues / eigenvalues.sum()) ** 2))

    def __getattr__(self, name: str) -> Any:
        report = self.__dict__.get("report", {})
        if name in report:
            return report[name]
        raise AttributeError(f"{type(self).__name__} has no '{name}'; its report has {', '.join(report)}")

    def __repr__(self) -> str:
        error = self.report.get("relative_error")
        known = "" if error is None else f", relative error {error:.2e}"
        return (
            f"Trial({self.status} after {self.report['iterations']} iterations, "
            f"relative residual {self.report['relative_residual'] or float('nan'):.2e}{known})"
        )


class Solution:
    """The result of ``solve``. ``left``, ``right``, ``status``, ``singular_values`` and ``matrix()`` are those of ``best``, the trial
    with the lowest held-out loss, or the lowest training loss without held-out measurements. It can be pickled."""

    report: dict[str, Any]
    """Settings, environment and results, as in the command line's --report."""
    trials: list[Trial]

    standard_errors: np.ndarray | None
    """Standard errors of the entries of ``matrix()``, (n1, n2), with ``confidence=True``; infinite for entries that the measurements
    do not determine. None without, and where there are none: ``notices`` has the reason. ``report["confidence"]`` has the noise."""

    def __init__(
        self,
        report: dict[str, Any],
        trace: bytes,
        table: bytes,
        trials: list[Trial],
        standard_errors: np.ndarray | None = None,
    ):
        self.report, self._trace, self._table, self.trials = report, trace, table, trials
        self.standard_errors = standard_errors

    @property
    def best(self) -> Trial:
        return self.trials[self.report["best_trial"]]

    @property
    def left(self) -> np.ndarray:
        """U, or L: (n1, k), float64, or complex128 of a complex unknown."""
        return self.best.left

    @property
    def right(self) -> np.ndarray:
        """R, (n2, k); equal to U for models with one factor."""
        return self.best.right

    @property
    def status(self) -> str:
        """Converged, Finished, IterationLimit, TimeLimit, Stalled, Diverged or Interrupted."""
        return self.best.status

    @property
    def singular_values(self) -> np.ndarray:
        """Singular values of U, largest first; for other products than U U^T the square roots of those of the product."""
        return self.best.singular_values

    @property
    def doubt(self) -> str | None:
        """Reason to doubt the result, as a sentence; None without doubt."""
        return self.best.doubt

    @property
    def notices(self) -> list[str]:
        """Automatic choices, and doubts about the data."""
        return self.report["notices"]

    @property
    def selection(self) -> dict[str, Any] | None:
        """The cross-validation of ``search_rank="auto"`` or ``ridge="auto"``: ``candidates`` with ``search_rank``, ``ridge``, ``rmse`` and
        ``standard_error``, the indices ``lowest`` and ``chosen``, and the chosen values. None without one."""
        return self.report.get("selection")

    def matrix(self) -> np.ndarray:
        """Return the recovered matrix, (n1, n2): U U^T, U S U^T or L R^T."""
        return self.best.matrix()

    @functools.cached_property
    def trace(self) -> dict[str, np.ndarray]:
        """Every observation of every trial, one array per column; values that do not apply are nan."""
        return _tables.columns(self._trace)

    @functools.cached_property
    def table(self) -> dict[str, np.ndarray]:
        """Parameters and result of every trial, one array per column."""
        return _tables.columns(self._table)

    def plot(self, axes: Any = None) -> Any:
        """Draw errors or residuals of all trials over the iterations, and the singular values of the best factor.

        Draws on a new matplotlib figure or on two ``axes``. Returns the figure."""
        from ._plot import solution

        return solution(self, axes)

    def __repr__(self) -> str:
        trials = "" if len(self.trials) == 1 else f", best of {len(self.trials)} trials"
        return f"Solution({self.best!r}{trials})"
