"""Other rows of a fitted matrix: least squares of their observed entries against the fixed column factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._observed import Observed

SWEEPS = 200


@dataclass
class Rows:
    """Ridge least squares min |x - w F|^2 + sum_j p_j w_j^2 of every row, with F the components, and a row of ones for the bias.

    p_j is the ratio of the variance of the noise to the mean square of w_j over the fitted rows, so that w is the mean of its
    distribution given x if both are normal; `ridge` replaces it for the components.
    """

    components: np.ndarray
    """H, (k, n2)."""
    fitted: np.ndarray
    """W^T of the fitted rows, (k, n1)."""
    biases: np.ndarray | None
    """Biases of the fitted rows, if there are any."""
    noise: float
    ridge: float | None
    nonnegative: bool

    def __post_init__(self) -> None:
        sizes = np.mean(self.fitted**2, axis=1)
        usual = self.noise / np.maximum(sizes, 1e-12 * sizes.max() or 1.0)
        penalties = usual if self.ridge is None else np.full(len(usual), float(self.ridge))
        features = self.components.T
        if self.biases is not None:
            size = max(float(np.mean(self.biases**2)), 1e-300)
            penalties = np.append(penalties, self.noise / size)
            features = np.hstack([features, np.ones((len(features), 1))])
        # A penalty of 0 on a direction that no entry sees would leave w open.
        least = 1e-12 * float(np.max(np.sum(features**2, axis=0)))
        self._penalties, self._features = np.maximum(penalties, least), features

    def fit(self, of: Observed) -> np.ndarray:
        """Return w of every row, (n, k), or (n, k + 1) with a bias."""
        return self._each(of)[0]

    def left_out(self, of: Observed) -> np.ndarray:
        """Return, for every entry, its residual in the fit of the other entries of its row: e/(1 - h) with the leverage h."""
        return self._each(of)[1]

    def _each(self, of: Observed) -> tuple[np.ndarray, np.ndarray]:
        begins = of.by_row()
        found, residuals = np.zeros((of.shape[0], len(self._penalties))), np.zeros(len(of.values))
        for row, (begin, end) in enumerate(zip(begins[:-1], begins[1:])):
            if begin == end:
                continue
            f, x = self._features[of.columns[begin:end]], of.values[begin:end]
            gram = f.T @ f + np.diag(self._penalties)
            w = np.linalg.solve(gram, f.T @ x)
            moved = np.ones(len(w), dtype=bool)
            if self.nonnegative and (w < 0).any():
                w = _nonnegative(gram, f.T @ x)
                moved = w > 0
            found[row] = w
            own = f[:, moved]
            leverage = np.sum(own * np.linalg.solve(gram[np.ix_(moved, moved)], own.T).T, axis=1)
            residuals[begin:end] = (x - f @ w) / np.maximum(1.0 - leverage, 1e-12)
        return found, residuals


def _nonnegative(gram: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Minimize w G w/2 - b w over w >= 0 by coordinate descent."""
    w = np.zeros(len(right))
    for _ in range(SWEEPS):
        before = w.copy()
        for j in range(len(w)):
            w[j] = max(0.0, w[j] + (right[j] - gram[j] @ w) / gram[j, j])
        if np.abs(w - before).max() <= 1e-12 * np.abs(w).max():
            break
    return w
