"""Scikit-learn's protocol of estimators: its own classes if it is installed (1.6 or newer), otherwise stand-ins for them."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ._arrays import is_sparse
from ._warnings import ConvergenceWarning

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin
    from sklearn.exceptions import ConvergenceWarning as _Convergence
    from sklearn.utils.validation import check_is_fitted, validate_data

    class EstimatorConvergenceWarning(ConvergenceWarning, _Convergence):
        """A ``lowrank.ConvergenceWarning`` that is scikit-learn's ``ConvergenceWarning`` too."""

except ImportError:
    EstimatorConvergenceWarning = ConvergenceWarning  # type: ignore[assignment,misc]

    class NotFittedError(ValueError, AttributeError):
        """The estimator has no fit yet."""

    class BaseEstimator:  # type: ignore[no-redef]
        """Parameters by name, as in scikit-learn."""

        @classmethod
        def _names(cls) -> list[str]:
            return sorted(name for name in inspect.signature(cls.__init__).parameters if name != "self")

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """Return the parameters by name."""
            return {name: getattr(self, name) for name in self._names()}

        def set_params(self, **params: Any) -> Any:
            """Set parameters by name."""
            for name, value in params.items():
                if name not in self._names():
                    raise ValueError(f"Invalid parameter {name!r} for estimator {self}. Valid parameters are: {self._names()}.")
                setattr(self, name, value)
            return self

        def __repr__(self) -> str:
            usual = inspect.signature(type(self).__init__).parameters
            changed = [f"{n}={v!r}" for n, v in self.get_params().items() if repr(v) != repr(usual[n].default)]
            return f"{type(self).__name__}({', '.join(changed)})"

    class ClassNamePrefixFeaturesOutMixin:  # type: ignore[no-redef]
        """Names of the columns that ``transform`` returns."""

        _n_features_out: int

        def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
            """Return the class name with a number for each column."""
            check_is_fitted(self)
            prefix = type(self).__name__.lower()
            return np.array([f"{prefix}{at}" for at in range(self._n_features_out)], dtype=object)

    class RegressorMixin:  # type: ignore[no-redef]
        """Score of predictions."""

        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
            """Return R^2 of ``predict(X)``."""
            return r2(np.asarray(y, dtype=float), self.predict(X), sample_weight)  # type: ignore[attr-defined]

    class TransformerMixin:  # type: ignore[no-redef]
        """``fit`` and ``transform`` in one call."""

        def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> np.ndarray:
            """Fit to X, and return its transform."""
            return self.fit(X, y, **fit_params).transform(X)  # type: ignore[attr-defined]

    def check_is_fitted(estimator: Any, attributes: Any = None) -> None:  # type: ignore[misc]
        if not any(name.endswith("_") and not name.startswith("__") for name in vars(estimator)):
            raise NotFittedError(f"This {type(estimator).__name__} instance is not fitted yet. Call 'fit' first.")

    def validate_data(  # type: ignore[misc]
        estimator: Any,
        X: Any,
        y: Any = "no_validation",
        *,
        reset: bool = True,
        ensure_all_finite: Any = True,
        **_: Any,
    ) -> Any:
        names = getattr(X, "columns", None)
        if names is not None and all(isinstance(name, str) for name in names):
            names = np.asarray(names, dtype=object)
            known = getattr(estimator, "feature_names_in_", None)
            if reset:
                estimator.feature_names_in_ = names
            elif known is not None and not np.array_equal(known, names):
                raise ValueError("The feature names should match those that were passed during fit.")
        if is_sparse(X):
            found = X.astype(np.float64)
            values = found.data
        else:
            found = values = np.asarray(X, dtype=np.float64)
        word = type(estimator).__name__
        if found.ndim != 2 or 0 in found.shape:
            raise ValueError(f"Found array with shape {found.shape} while a matrix with a row and a column is required by {word}.")
        if np.isinf(values).any() or (ensure_all_finite is True and np.isnan(values).any()):
            raise ValueError(f"Input X contains infinity or NaN, which {word} does not accept.")
        if reset:
            estimator.n_features_in_ = found.shape[1]
        elif found.shape[1] != estimator.n_features_in_:
            expected = estimator.n_features_in_
            raise ValueError(f"X has {found.shape[1]} features, but {word} is expecting {expected} features as input.")
        if isinstance(y, str):
            return found
        target = np.asarray(y, dtype=np.float64).reshape(-1)
        if len(target) != found.shape[0]:
            raise ValueError(f"Found input variables with inconsistent numbers of samples: {[found.shape[0], len(target)]}")
        if not np.isfinite(target).all():
            raise ValueError("Input y contains infinity or NaN.")
        return found, target


def r2(truth: np.ndarray, found: np.ndarray, weights: Any = None) -> float:
    """Return R^2 = 1 - sum w (truth - found)^2 / sum w (truth - mean)^2; nan for fewer than two numbers."""
    if truth.size < 2:
        return float("nan")
    w = np.ones(truth.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    rest = float(w @ (truth - found) ** 2)
    spread = float(w @ (truth - np.average(truth, weights=w)) ** 2)
    if spread == 0.0:
        return 1.0 if rest == 0.0 else 0.0
    return 1.0 - rest / spread
