"""The estimator ``MatrixSensing``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arrays import array, is_sparse
from ._estimator import Estimator
from ._lowrank import InvalidInput
from ._observed import is_frame
from ._protocol import RegressorMixin, check_is_fitted, validate_data
from .operators import Dense, Operator, Sparse


class MatrixSensing(RegressorMixin, Estimator):
    """Recover a matrix M of low rank from y_i = <A_i, M>, as an estimator of scikit-learn.

    The sensing matrices are the samples: X is a stack (m, n1, n2), one flattened matrix per row, (m, n1*n2), as an array, a
    scipy.sparse matrix or a frame, or an operator such as ``Seeded``. `predict` returns <A_i, M> of other sensing matrices.

    search_rank: "auto", which grows the rank in one fit until further columns are noise; "cross-validation", which compares the errors of
        several ranks on held-out measurements and is ``search_rank="auto"`` of ``solve`` and of the command line; or the number of columns k
        of the factors.
    model: psd (M = U U^T), signed or asymmetric (L R^T). None: that of the operator, psd for square matrices, else asymmetric.
    shape: (n1, n2) of flattened matrices, with -1 for a size that follows from the other; None: square.
    nonnegative: factors >= 0, by projected gradient descent.
    method, max_iterations, stop_residual, precision, backend: as in ``solve``; None is the library's default.
    random_state: seed, RandomState or Generator for the start; None is the library's seed, so that fits repeat.
    options: more keywords of ``solve``, a dictionary.
    """

    left_: np.ndarray
    right_: np.ndarray
    """Factors U, or L (n1, k) and R (n2, k)."""
    matrix_: np.ndarray
    """M, (n1, n2)."""
    rank_: int
    """Rank of M, as the singular values suggest."""
    singular_values_: np.ndarray
    """Square roots of the singular values of M."""
    n_iter_: int
    """Number of iterations."""
    solution_: Any
    """The ``Solution`` of the run."""

    def __init__(
        self,
        search_rank: int | str = "auto",
        *,
        model: str | None = None,
        shape: tuple[int, int] | None = None,
        nonnegative: bool = False,
        method: str | None = None,
        max_iterations: int | None = None,
        stop_residual: float | None = None,
        precision: str | None = None,
        backend: str | None = None,
        random_state: Any = None,
        options: dict[str, Any] | None = None,
    ):
        self.search_rank = search_rank
        self.model = model
        self.shape = shape
        self.nonnegative = nonnegative
        self.method = method
        self.max_iterations = max_iterations
        self.stop_residual = stop_residual
        self.precision = precision
        self.backend = backend
        self.random_state = random_state
        self.options = options

    def fit(self, X: Any, y: Any) -> MatrixSensing:
        """Fit M to the measurements y, (m,), of the sensing matrices X."""
        if isinstance(X, Operator):
            if self.model is not None or self.shape is not None:
                raise InvalidInput("model, shape: found a value beside an operator, which has its own; allowed: None. Leave them out")
            operator, y = X, np.asarray(y, dtype=np.float64).reshape(-1)
            self.shape_ = operator.shape
            self.n_features_in_ = operator.shape[0] * operator.shape[1]
        else:
            operator, y = self._operator(X, y)
        solution = self._solve(operator, y)
        best = solution.best
        self.solution_, self.n_iter_ = solution, best.report["iterations"]
        self.left_, self.right_, self.matrix_ = best.left, best.right, best.matrix()
        self.rank_, self.singular_values_ = best.report["estimated_rank"], best.singular_values
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return <A_i, M> of the sensing matrices X, (m,)."""
        check_is_fitted(self)
        if isinstance(X, Operator):
            if X.shape != self.shape_:
                raise InvalidInput(f"X: found sensing matrices of shape {X.shape}; allowed: {self.shape_}. Use those of the fit")
            # U S U^T of the model signed has signs in one factor.
            return X.forward(self.matrix_, np.eye(self.shape_[1])) if X.model == "asymmetric" else _symmetric(X, self)
        flat = validate_data(self, self._flat(X)[0], reset=False, accept_sparse="csr", dtype="numeric")
        return np.asarray(flat @ self.matrix_.reshape(-1))

    def _operator(self, X: Any, y: Any) -> tuple[Operator, np.ndarray]:
        flat, sizes = self._flat(X)
        flat, y = validate_data(self, flat, y, accept_sparse="csr", y_numeric=True, dtype="numeric")
        self.shape_ = sizes or self._sizes(flat.shape[1])
        model = self.model or ("psd" if self.shape_[0] == self.shape_[1] else "asymmetric")
        keywords: dict[str, Any] = {"model": model, "shape": self.shape_}
        if model != "asymmetric":
            keywords["layout"] = "full"
        operator = Sparse(flat, **keywords) if is_sparse(flat) else Dense(flat, **keywords)
        return operator, np.asarray(y, dtype=np.float64)

    def _flat(self, X: Any) -> tuple[Any, tuple[int, int] | None]:
        """Return one flattened matrix per row, and the sizes of a stack."""
        if is_sparse(X) or is_frame(X) or isinstance(X, list):
            return X, None
        found = array(X, "X")
        if found.ndim != 3:
            return found, None
        sizes = found.shape[1:]
        if self.shape is not None and self._sizes(sizes[0] * sizes[1]) != sizes:
            raise InvalidInput(f"shape: found {self.shape} beside matrices of shape {sizes}; allowed: the same. Leave it out")
        return found.reshape(len(found), -1), sizes

    def _sizes(self, width: int) -> tuple[int, int]:
        if self.shape is None:
            side = round(width**0.5)
            sizes = (side, side)
        else:
            n1, n2 = self.shape
            sizes = (width // n2 if n1 == -1 and n2 > 0 else n1, width // n1 if n2 == -1 and n1 > 0 else n2)
        if sizes[0] * sizes[1] != width:
            raise InvalidInput(
                f"shape: found {self.shape} for rows of {width} numbers; allowed: (n1, n2) with n1*n2 = {width}, where -1 stands for the "
                "other size, or None for square matrices. Pass shape"
            )
        return sizes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        # Without an intercept and with a matrix of low rank, regression of other data is poor.
        tags.regressor_tags.poor_score = True
        return tags


def _symmetric(operator: Operator, of: MatrixSensing) -> np.ndarray:
    """Return <A_i, M> of a symmetric M by its eigenvectors, with the positive and the negative part apart."""
    values, vectors = np.linalg.eigh((of.matrix_ + of.matrix_.T) / 2)
    roots = vectors * np.sqrt(np.abs(values))
    return operator.forward(roots[:, values > 0]) - operator.forward(roots[:, values < 0]) if (values < 0).any() else operator.forward(roots)
