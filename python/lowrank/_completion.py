"""The estimator ``MatrixCompletion``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arrays import array, is_sparse
from ._estimator import Estimator
from ._lowrank import InvalidInput
from ._observed import Biases, Labels, Observed, column_of, is_frame, labels_of, numbers_of
from ._protocol import ClassNamePrefixFeaturesOutMixin, TransformerMixin, check_is_fitted, r2, validate_data
from ._rows import Rows
from .operators import Entries

# Share of the largest singular value up to which a component is rounding.
NOTHING = 1e-6

# Checks of ``sklearn.utils.estimator_checks`` that do not apply, with the reasons.
SPARSE = "predict returns the rows of a matrix without holes, (n, n2), where the check expects one number per row"
EXPECTED_FAILED_CHECKS = {"check_estimator_sparse_array": SPARSE, "check_estimator_sparse_matrix": SPARSE}


class MatrixCompletion(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Fill the holes of a matrix by a fit of low rank, as an estimator of scikit-learn.

    X ~ W H with W (n1, k) and H (k, n2), plus a mean and biases of rows and columns if there are any. Rows are samples, columns
    are features.

    X is an array with nan for holes, a scipy.sparse matrix, whose stored entries (zeros included) are the observed ones, or a pandas
    frame. A frame is wide, one line per row of the matrix, or long, one line per entry, where `row` and `column` name its columns of
    labels. `predict` returns what a frame asked in a frame with the same labels.

    search_rank: "auto", which grows the rank in one fit until further columns are noise; "cross-validation", which compares the errors of
        several ranks on held-out measurements and is ``search_rank="auto"`` of ``solve`` and of the command line; or the number of columns k
        of the fit.
    biases: "auto", where held-out entries ask for them; True for a mean and offsets of rows and columns before the fit; or False.
    nonnegative: W >= 0 and H >= 0, fitted by projected gradient descent; not together with biases, which "auto" then leaves out.
    transform_ridge: penalty r of the least squares fit of a new row w, min |x - w H|^2 + r |w|^2 over its observed entries. None is the ratio of
        the variance of the noise to that of the fitted rows, component by component.
    method, max_iterations, stop_residual, precision, backend: as in ``solve``; None is the library's default.
    random_state: seed, RandomState or Generator for the start; None is the library's seed, so that fits repeat.
    row, column, value, weight: names of the columns of a long frame. Without a column of values `fit` takes them as y. Weights are those
        of the squared residuals.
    options: more keywords of ``solve``, a dictionary.

    >>> model = lowrank.MatrixCompletion().fit(X)
    >>> model.predict()             # the matrix without holes
    >>> model.predict(X_new)        # other rows, filled
    """

    components_: np.ndarray
    """H, (k, n2): orthonormal rows, the largest component first; non-negative ones are the factor itself."""
    left_: np.ndarray
    """W, (n1, k), of the fitted rows."""
    rank_: int
    """Number k of components."""
    singular_values_: np.ndarray
    """Singular values of W H."""
    mean_: float
    row_bias_: np.ndarray
    column_bias_: np.ndarray
    """Mean and offsets; 0 without biases."""
    noise_variance_: float
    """Mean square of the residuals, corrected for the degrees of freedom."""
    n_iter_: int
    """Number of iterations."""
    solution_: Any
    """The ``Solution`` of the run."""

    def __init__(
        self,
        search_rank: int | str = "auto",
        *,
        biases: bool | str = "auto",
        nonnegative: bool = False,
        transform_ridge: float | None = None,
        method: str | None = None,
        max_iterations: int | None = None,
        stop_residual: float | None = None,
        precision: str | None = None,
        backend: str | None = None,
        random_state: Any = None,
        row: Any = None,
        column: Any = None,
        value: Any = None,
        weight: Any = None,
        options: dict[str, Any] | None = None,
    ):
        self.search_rank = search_rank
        self.biases = biases
        self.nonnegative = nonnegative
        self.transform_ridge = transform_ridge
        self.method = method
        self.max_iterations = max_iterations
        self.stop_residual = stop_residual
        self.precision = precision
        self.backend = backend
        self.random_state = random_state
        self.row = row
        self.column = column
        self.value = value
        self.weight = weight
        self.options = options

    # Fit.

    def fit(self, X: Any, y: Any = None) -> MatrixCompletion:
        """Fit to the observed entries of X. y has the values of a long frame without a column of them; otherwise it is ignored."""
        self._check()
        self._labels, self._frame = None, None
        observed = self._long(X, y) if self._is_long(X) else self._wide(X)
        if not len(observed.values):
            raise InvalidInput("X: found no observed entry; allowed: at least one. nan and entries that are not stored are holes")
        biases = self._biases(observed)
        solution = self._solve(_measured(observed if biases is None else observed.less(biases)), None, **self._without_biases(biases))
        self._take(observed, solution, biases)
        return self

    def _check(self) -> None:
        if not (self.biases == "auto" or isinstance(self.biases, (bool, np.bool_))):
            raise InvalidInput(f"biases: found {self.biases!r}; allowed: \"auto\", True or False. Use \"auto\"")
        if self.nonnegative and self.biases is True:
            raise InvalidInput("biases: found True together with nonnegative; allowed: \"auto\" or False. Offsets have both signs")
        if self.transform_ridge is not None and not (np.isfinite(self.transform_ridge) and self.transform_ridge >= 0):
            raise InvalidInput(f"transform_ridge: found {self.transform_ridge!r}; allowed: a number of at least 0. Leave it out for the automatic one")
        if (self.row is None) != (self.column is None):
            raise InvalidInput("row, column: found one of them; allowed: both, or none for a wide frame. Name both")

    def _is_long(self, X: Any) -> bool:
        if self.row is None:
            return False
        if not is_frame(X):
            kind = type(X).__name__
            raise InvalidInput(f"X: found a {kind}, and row and column are set; allowed: a pandas frame that has them. Leave them out")
        return True

    def _wide(self, X: Any, reset: bool = True) -> Observed:
        if reset and is_frame(X):
            self._frame = type(X), X.index, X.columns
        if not (is_frame(X) or is_sparse(X) or isinstance(X, (list, np.ndarray))):
            X = array(X, "X")
        found = validate_data(
            self, X, reset=reset, accept_sparse=("csr", "csc", "coo"), dtype=np.float64, ensure_all_finite="allow-nan"
        )
        return Observed.of_matrix(found)

    def _long(self, X: Any, y: Any) -> Observed:
        (rows, of_rows), (columns, of_columns) = labels_of(X, "row", self.row), labels_of(X, "column", self.column)
        weights = None if self.weight is None else numbers_of(X, "weight", self.weight)
        if weights is not None and ((weights < 0).any() or not weights.any()):
            raise InvalidInput("weight: found a negative number, or nothing but 0; allowed: numbers of at least 0. Correct the column")
        self._labels = Labels(of_rows, of_columns)
        self.n_features_in_ = X.shape[1]
        if all(isinstance(name, str) for name in X.columns):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        shape = len(of_rows), len(of_columns)
        return _merged(Observed(rows, columns, self._values(X, y), shape, weights))

    def _values(self, X: Any, y: Any) -> np.ndarray:
        if self.value is not None:
            return numbers_of(X, "value", self.value)
        if y is None:
            raise InvalidInput("value: found no name, and no y; allowed: the column of values, or y. Set value")
        found = np.asarray(y, dtype=np.float64).reshape(-1)
        if len(found) != len(X) or not np.isfinite(found).all():
            raise InvalidInput(f"y: found {len(found)} numbers; allowed: {len(X)} finite numbers, one per line. Correct y")
        return found

    def _biases(self, observed: Observed) -> Biases | None:
        return Biases.fit(observed) if self.biases is True else None

    def _without_biases(self, biases: Biases | None) -> dict[str, Any]:
        return {"without_biases": biases is not None or self.biases is False or bool(self.nonnegative)}

    def _take(self, observed: Observed, solution: Any, own: Biases | None) -> None:
        """Set the fitted attributes."""
        best, (n1, n2) = solution.best, observed.shape
        self.solution_, self.n_iter_, self.shape_ = solution, best.report["iterations"], observed.shape
        if self.nonnegative:
            self.left_, self.components_, self.singular_values_ = _kept(best.left, best.right)
        else:
            self.left_, self.components_, self.singular_values_ = _canonical(best.left, best.right)
        self.rank_ = self.components_.shape[0]
        if own is None and best.biases is not None:
            own = Biases(*best.biases)
        self._has_biases = own is not None
        own = own or Biases(0.0, np.zeros(n1), np.zeros(n2))
        self.mean_, self.row_bias_, self.column_bias_ = own.mean, own.rows, own.columns
        self._n_features_out = self.rank_ + self._has_biases
        rest = observed.values - self._at(observed.rows, observed.columns)
        freedom = self.rank_ * (n1 + n2 - self.rank_)
        count = len(rest) - freedom if len(rest) > freedom else len(rest)
        self.noise_variance_ = float(observed.w @ rest**2 / observed.w.sum() * len(rest) / count)
        # Rounding of the fit is noise too.
        self._floor = 1e-12 * float(np.mean(observed.values**2)) or 1e-300

    # Predictions.

    def _at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the fitted entries at positions; a position -1 stands for the mean of all rows or columns."""
        left = np.vstack([self.left_, self.left_.mean(axis=0)])
        right = np.vstack([self.components_.T, self.components_.mean(axis=1)])
        biases = [np.append(of, of.mean()) for of in (self.row_bias_, self.column_bias_)]
        found = self.mean_ + biases[0][rows] + biases[1][columns]
        for component in range(self.rank_):
            found += left[rows, component] * right[columns, component]
        return found

    def predict(self, X: Any = None) -> Any:
        """Return the matrix without holes.

        Without X, the fitted matrix, (n1, n2). A wide X has other rows with the same columns: every row is fitted by its observed
        entries, see ``transform``. For a long frame, the values at its labels, one per line; a label that the fit has not seen stands for
        the mean of all. Frames have predictions with their labels.
        """
        check_is_fitted(self)
        if X is None:
            return self._labelled(self.left_ @ self.components_ + self.mean_ + self.row_bias_[:, None] + self.column_bias_)
        if self._is_long(X):
            found = self._at(*self._places(X))
            series = column_of(X, "row", self.row)
            return type(series)(found, index=X.index, name=self.value)
        found = self.inverse_transform(self._coordinates(self._wide(X, reset=False)))
        return type(X)(found, index=X.index, columns=X.columns) if is_frame(X) else found

    def _places(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        if self._labels is None:
            raise InvalidInput("X: found a long frame, but the fit had a wide one; allowed: frames of one kind. Fit a long frame")
        return self._labels.places(column_of(X, "row", self.row), column_of(X, "column", self.column))

    def _labelled(self, matrix: np.ndarray) -> Any:
        """Return a matrix of the fitted rows and columns in the form of the fit."""
        if self._labels is not None:
            import pandas

            return pandas.DataFrame(matrix, index=self._labels.rows, columns=self._labels.columns)
        if self._frame is not None:
            kind, index, columns = self._frame
            return kind(matrix, index=index, columns=columns)
        return matrix

    def _rows(self) -> Rows:
        check_is_fitted(self)
        weights = self.left_.T, self.row_bias_ if self._has_biases else None
        noise = max(self.noise_variance_, self._floor)
        return Rows(self.components_, *weights, noise, self.transform_ridge, bool(self.nonnegative))

    def _rest(self, observed: Observed) -> Observed:
        """Return the entries of other rows without mean and column biases, which are known."""
        return observed.less(Biases(self.mean_, np.zeros(observed.shape[0]), self.column_bias_))

    def _coordinates(self, observed: Observed) -> np.ndarray:
        return self._rows().fit(self._rest(observed))

    def transform(self, X: Any) -> np.ndarray:
        """Return the coordinates of the rows of X in the components, (n, k), and as a last column their biases if there are any.

        Ridge least squares of the observed entries x of a row, min |x - w H|^2 + penalty; 0 for a row without an entry. A long frame has a
        row for every label in order of appearance.
        """
        check_is_fitted(self)
        return self._coordinates(self._others(X))

    def _others(self, X: Any) -> Observed:
        """Read other rows over the fitted columns."""
        if not self._is_long(X):
            return self._wide(X, reset=False)
        rows, labels = labels_of(X, "row", self.row)
        columns = self._places(X)[1]
        values, known = numbers_of(X, "value", self.value), columns >= 0
        return _merged(Observed(rows[known], columns[known], values[known], (len(labels), self.shape_[1])))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the rows of coordinates that ``transform`` returned: w H plus biases, (n, n2)."""
        check_is_fitted(self)
        w = np.asarray(X, dtype=np.float64)
        if w.ndim != 2 or w.shape[1] != self._n_features_out:
            raise InvalidInput(f"X: found shape {w.shape}; allowed: (n, {self._n_features_out}). Pass what transform returned")
        rows = w[:, self.rank_ :] if self._has_biases else 0.0
        return w[:, : self.rank_] @ self.components_ + self.mean_ + self.column_bias_ + rows

    def score(self, X: Any, y: Any = None) -> float:
        """Return R^2 of predictions of entries that the prediction has not seen.

        A long frame: ``predict(X)`` against its values, or y. A wide X with y, an array of the same shape with nan for holes:
        ``predict(X)`` against y. A wide X alone: every observed entry against its prediction from the other entries of its row; a y with one
        number per row is a target that a pipeline passes on, and is ignored.
        """
        check_is_fitted(self)
        if self._is_long(X):
            weights = None if self.weight is None else numbers_of(X, "weight", self.weight)
            return r2(self._values(X, y), np.asarray(self.predict(X)), weights)
        observed = self._wide(X, reset=False)
        if y is None or np.ndim(y) == 1:
            rest = self._rest(observed)
            return r2(observed.values, observed.values - self._rows().left_out(rest))
        wanted = np.asarray(y, dtype=np.float64)
        if wanted.shape != observed.shape:
            raise InvalidInput(f"y: found shape {wanted.shape}; allowed: {observed.shape}, like X. Pass nan for entries that do not count")
        known = ~np.isnan(wanted)
        return r2(wanted[known], self.inverse_transform(self._coordinates(observed))[known])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _measured(of: Observed) -> Entries:
    """Return the operator of the entries, which holds their values and weights."""
    return Entries(of.rows, of.columns, of.values, of.shape, weights=of.weights)


def _merged(of: Observed) -> Observed:
    """Return entries with the weighted mean of the values of each repeated position."""
    at, where = np.unique(of.rows * of.shape[1] + of.columns, return_inverse=True)
    if len(at) == len(of.values):
        return of
    w = np.bincount(where, of.w)
    values = np.bincount(where, of.w * of.values) / np.where(w > 0, w, 1.0)
    return Observed(at // of.shape[1], at % of.shape[1], values, of.shape, w if of.weights is not None else None)


def _canonical(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U S, V^T and S of the singular value decomposition of L R^T, without components that are rounding."""
    (q, a), (p, b) = np.linalg.qr(left), np.linalg.qr(right)
    u, s, vt = np.linalg.svd(a @ b.T)
    kept = max(int(np.sum(s > NOTHING * s[0])), 1)
    components = (p @ vt[:kept].T).T
    # The largest entry of a component is positive, so that signs do not depend on the start.
    signs = np.sign(components[np.arange(kept), np.abs(components).argmax(axis=1)])
    signs[signs == 0] = 1.0
    return q @ u[:, :kept] * s[:kept] * signs, components * signs[:, None], s[:kept]


def _kept(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the non-negative factors without columns that are rounding, the largest product first."""
    sizes = np.linalg.norm(left, axis=0) * np.linalg.norm(right, axis=0)
    order = np.argsort(-sizes, kind="stable")
    order = order[: max(int(np.sum(sizes > NOTHING * sizes.max())), 1)]
    values = np.linalg.svd(np.linalg.qr(left)[1] @ np.linalg.qr(right)[1].T, compute_uv=False)
    return left[:, order], right[:, order].T, values[: len(order)]
