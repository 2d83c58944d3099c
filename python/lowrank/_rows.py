"""Other rows of a fitted matrix: least squares of their observed entries against the fixed column factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import _lowrank
from ._observed import Observed


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
        self._penalties, self._features = np.maximum(penalties, least), np.ascontiguousarray(features)

    def fit(self, of: Observed) -> np.ndarray:
        """Return w of every row, (n, k), or (n, k + 1) with a bias."""
        return self._each(of)[0]

    def left_out(self, of: Observed) -> np.ndarray:
        """Return, for every entry, its residual in the fit of the other entries of its row: e/(1 - h) with the leverage h."""
        return self._each(of)[1]

    def _each(self, of: Observed) -> tuple[np.ndarray, np.ndarray]:
        places, values = np.ascontiguousarray(of.columns, dtype=np.uint32), np.ascontiguousarray(of.values, dtype=np.float64)
        starts = of.by_row().tolist()
        return _lowrank.fit_lines(self._features, self._penalties, self.nonnegative, starts, places, values)
