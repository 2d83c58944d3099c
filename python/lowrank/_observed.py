"""Observed entries of a matrix: from arrays with holes, sparse matrices and frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._arrays import is_sparse
from ._lowrank import InvalidInput

# λ of the fit of biases, in entries: a row with n entries keeps n/(n + λ) of its mean. As in the library.
RIDGE = 5.0
SWEEPS = 50
SMALL = 1e-6


@dataclass
class Observed:
    """Entries of a matrix, ordered by rows: positions, values and weights."""

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]
    weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        order = np.argsort(self.rows, kind="stable")
        self.rows, self.columns, self.values = self.rows[order], self.columns[order], self.values[order]
        if self.weights is not None:
            self.weights = self.weights[order]

    @classmethod
    def of_matrix(cls, X: Any) -> Observed:
        """Read the entries of an array that are not nan, or the stored entries of a scipy.sparse matrix."""
        if is_sparse(X):
            # Repeated positions are summed, as everywhere in scipy.sparse.
            found = X.tocsr().tocoo()
            known = ~np.isnan(found.data)
            rows, columns = found.row[known].astype(np.int64), found.col[known].astype(np.int64)
            return cls(rows, columns, found.data[known].astype(np.float64), found.shape)
        known = ~np.isnan(X)
        rows, columns = np.nonzero(known)
        return cls(rows, columns, X[known], X.shape)

    @property
    def w(self) -> np.ndarray:
        """Weights; 1 without any."""
        return np.ones(len(self.values)) if self.weights is None else self.weights

    def by_row(self) -> np.ndarray:
        """Return where each row begins in the list of entries, and the end."""
        return np.searchsorted(self.rows, np.arange(self.shape[0] + 1))

    def less(self, biases: Biases) -> Observed:
        """Return the entries without the biases."""
        rest = self.values - biases.at(self.rows, self.columns)
        return Observed(self.rows, self.columns, rest, self.shape, self.weights)


@dataclass
class Biases:
    """Mean, and offsets of rows and columns."""

    mean: float
    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def fit(cls, of: Observed) -> Biases:
        """Minimize sum w (x - mean - b_i - c_j)^2 + λ(|b|^2 + |c|^2) by sweeps over rows and columns; the mean is fixed."""
        w, (n1, n2) = of.w, of.shape
        mean = float(np.average(of.values, weights=w)) if w.sum() > 0 else 0.0
        rows, columns = np.zeros(n1), np.zeros(n2)
        heavy_rows = np.bincount(of.rows, w, n1) + RIDGE
        heavy_columns = np.bincount(of.columns, w, n2) + RIDGE
        for _ in range(SWEEPS):
            before = rows, columns
            rows = np.bincount(of.rows, w * (of.values - mean - columns[of.columns]), n1) / heavy_rows
            columns = np.bincount(of.columns, w * (of.values - mean - rows[of.rows]), n2) / heavy_columns
            moved = max(np.abs(rows - before[0]).max(), np.abs(columns - before[1]).max())
            if moved <= SMALL * max(np.abs(rows).max(), np.abs(columns).max()):
                break
        return cls(mean, rows, columns)

    def at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return self.mean + self.rows[rows] + self.columns[columns]


def is_frame(X: Any) -> bool:
    """Whether X is a pandas frame."""
    return type(X).__module__.split(".")[0] == "pandas" and hasattr(X, "columns")


@dataclass
class Labels:
    """Labels of rows and columns of the matrix of a long frame, in order of appearance."""

    rows: Any
    columns: Any

    def places(self, rows: Any, columns: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of labels; -1 for labels that were not seen."""
        return self.rows.get_indexer(rows), self.columns.get_indexer(columns)


def column_of(X: Any, role: str, name: Any) -> Any:
    """Return a column of a long frame by name."""
    if name not in X.columns:
        there = ", ".join(str(column) for column in X.columns)
        raise InvalidInput(f"{role}: found no column '{name}' in the frame; allowed: one of its columns, {there}. Name one of them")
    return X[name]


def numbers_of(X: Any, role: str, name: Any) -> np.ndarray:
    """Return a column of numbers of a long frame, without holes."""
    try:
        found = np.asarray(column_of(X, role, name), dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInput(f"{role}: found other things than numbers in '{name}'; allowed: numbers. Convert the column") from None
    if not np.isfinite(found).all():
        raise InvalidInput(f"{role}: found a missing or infinite number in '{name}'; allowed: finite numbers. Drop those lines")
    return found


def labels_of(X: Any, role: str, name: Any) -> tuple[np.ndarray, Any]:
    """Return the codes of a column of labels, and the labels."""
    codes, labels = column_of(X, role, name).factorize()
    if (codes < 0).any():
        raise InvalidInput(f"{role}: found a missing label in '{name}'; allowed: a label on every line. Drop those lines")
    return codes.astype(np.int64), labels
