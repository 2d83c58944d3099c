"""Predictions from factors, and new rows or columns against fixed factors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _lowrank
from ._lowrank import InvalidInput
from ._solution import Solution, Trial
from ._warnings import LowrankWarning, warn

# Unknown names that a warning shows.
SHOWN = 5


class Factors:
    """Factors of a matrix with the names of its rows and columns: what ``predict`` and ``fold_in`` need.

    source: the path of a factors.npz that ``lowrank solve --out`` or ``save`` wrote, with its ids; or a ``Solution`` or ``Trial``, whose
        rows and columns are indices unless named. trial: of a file or a solution of several; None: 0 of a file, the best of a solution.
    rows, columns: names of rows and columns, whole numbers or texts, one for each.

    >>> factors = lowrank.Factors("factors.npz")
    >>> lowrank.predict(factors, ["u1", "u2"], [1000, 1007])
    """

    def __init__(self, source: Any, trial: int | None = None, *, rows: Any = None, columns: Any = None):
        # Of a complex matrix the inner predictor is that of the real part.
        self._imaginary = None
        if isinstance(source, _lowrank.Predictor):
            self._inner = source
        elif isinstance(source, (str, os.PathLike)):
            if rows is not None or columns is not None:
                raise InvalidInput("rows, columns: found names beside a file, which has its own; allowed: None. Leave them out")
            of_file = os.fspath(source), 0 if trial is None else trial
            both = _lowrank.Predictor.open_complex(*of_file)
            self._inner, self._imaginary = both or (_lowrank.Predictor.open(*of_file), None)
        else:
            self._inner, self._imaginary = _of_trial(source, trial, rows, columns)

    @property
    def shape(self) -> tuple[int, int]:
        """(n1, n2)."""
        return self._inner.shape

    @property
    def left(self) -> np.ndarray:
        """L, (n1, k): the matrix is L R^T plus biases if there are any, L R^H for complex factors."""
        return self._whole(0)

    @property
    def right(self) -> np.ndarray:
        """R, (n2, k)."""
        return self._whole(1)

    def _whole(self, side: int) -> np.ndarray:
        factor = self._inner.factors()[side]
        if self._imaginary is None:
            return factor
        k = factor.shape[1] // 2
        return factor[:, :k] + 1j * factor[:, k:]

    @property
    def biases(self) -> tuple[float, np.ndarray, np.ndarray] | None:
        """Mean, row biases and column biases, if there are any."""
        return self._inner.biases()

    @property
    def rows(self) -> np.ndarray:
        """Names of the rows."""
        return np.asarray(self._inner.labels()[0])

    @property
    def columns(self) -> np.ndarray:
        """Names of the columns."""
        return np.asarray(self._inner.labels()[1])

    def save(self, path: Any) -> None:
        """Write the factors as a .npz file for this class and for the command line's predict and fold-in."""
        if self._imaginary is None:
            self._inner.save(os.fspath(path))
        else:
            with open(os.fspath(path), "wb") as file:
                np.savez(file, left=self.left[None], right=self.right[None], rows=self.rows, columns=self.columns)

    def _require_real(self, what: str) -> None:
        if self._imaginary is not None:
            raise InvalidInput(f"factors: found complex factors for {what}; allowed: real ones. Predict pairs of complex matrices")

    def __repr__(self) -> str:
        (n1, n2), k = self.shape, self.left.shape[1]
        return f"Factors({n1} x {n2}, {k} columns{', with biases' if self._inner.has_biases else ''})"


@dataclass(frozen=True)
class FoldedIn:
    """Factors with new rows or columns, and how they were fitted."""

    factors: Factors
    added: int
    """Number of new rows or columns."""
    ridge: float
    """Ridge of their least squares problems."""
    left_out_rmse: float | None
    """Root mean square of the leave-one-out residuals, where the ridge was chosen by them."""
    known: int
    """Number of entries left out, because the factors know their row or column already."""
    unknown: int
    """Number of entries left out, because their other id is not in the factors."""


def predict(
    factors: Any,
    rows: Any = None,
    columns: Any = None,
    *,
    top: int | None = None,
    exclude: Any = None,
    clip: tuple[float, float] | None = None,
    trial: int | None = None,
) -> Any:
    """Predict entries, or the best columns of rows, from factors: what the command line's predict does.

    factors: ``Factors``, or what they are made of: the path of a factors.npz, a ``Solution`` or a ``Trial``.
    rows, columns: ids of the pairs, whole numbers or texts, (m,). Returns the predictions, (m,), complex for complex factors: nan for an id that is not in the
        factors, or the biases of what is known if there are biases; a ``LowrankWarning`` names such ids. For a pandas Series of rows
        a Series with the same index.
    top: number of the best columns of each row, instead of `columns`; rows are then all rows where None. Returns a dictionary of arrays
        ``row``, ``rank`` (from 1), ``column`` and ``prediction``; for a pandas Series of rows a frame.
    exclude: pairs (rows, columns) that `top` leaves out, as a rule those of the training.
    clip: least and largest value; predictions beyond are cut.
    trial: of a file or a solution with several.

    >>> lowrank.predict("factors.npz", frame["user"], frame["movie"], clip=(0.5, 5))
    >>> lowrank.predict("factors.npz", ["u1"], top=10, exclude=(train["user"], train["movie"]))
    """
    of = _factors(factors, trial)
    bounds = _bounds(clip)
    if (columns is None) == (top is None):
        raise InvalidInput("columns, top: found both or neither; allowed: columns for pairs, or top for the best columns. Give one of them")
    if top is not None or bounds is not None:
        of._require_real("an order, which top and clip need")
    if top is not None:
        return _best(of, rows, top, exclude, bounds)
    if exclude is not None or rows is None:
        raise InvalidInput("rows, exclude: found no rows, or exclude beside columns; allowed: rows with columns. exclude belongs to top")
    names = _ids(rows, "rows"), _ids(columns, "columns")
    values, *known = of._inner.predict(*names, bounds)
    if of._imaginary is not None:
        values = values + 1j * of._imaginary.predict(*names, None)[0]
    for what, of_what, is_known in zip(("rows", "columns"), names, known):
        _tell(of, what, of_what, is_known)
    return type(rows)(values, index=rows.index, name="prediction") if _is_series(rows) else values


def fold_in(
    factors: Any,
    rows: Any,
    columns: Any,
    values: Any,
    *,
    axis: str = "rows",
    ridge: float | None = None,
    trial: int | None = None,
) -> FoldedIn:
    """Add rows or columns that the factors do not know, with the other factor fixed: what the command line's fold-in does.

    Each new row x minimizes sum (value - mean - column bias - b - R x)^2 + ridge (|x|^2 + b^2) over its entries.

    factors: as in ``predict``; they stay as they are. rows, columns, values: the entries, (m,); those of ids that are known already are
        left out and counted.
    axis: what is new, "rows" or "columns". ridge: None chooses it by the leave-one-out error.

    >>> more = lowrank.fold_in("factors.npz", new["user"], new["movie"], new["rating"]).factors
    """
    of = _factors(factors, trial)
    of._require_real("new rows or columns")
    found = np.ascontiguousarray(np.asarray(values, dtype=np.float64).reshape(-1))
    names = [_ids(rows, "rows"), _ids(columns, "columns")]
    if not len(names[0]) == len(names[1]) == len(found):
        sizes = f"{len(names[0])} rows, {len(names[1])} columns and {len(found)} values"
        raise InvalidInput(f"values: found {sizes}; allowed: one of each for every entry. Pass lists of the same length")
    if not np.isfinite(found).all():
        raise InvalidInput("values: found a missing or infinite number; allowed: finite numbers. Drop those entries")
    codes = [_codes(of_what) for of_what in names]
    labels = codes[0][1], codes[1][1]
    inner, *rest = of._inner.fold_in(codes[0][0], codes[1][0], found, labels, axis, ridge)
    return FoldedIn(Factors(inner), *rest)


def _factors(of: Any, trial: int | None) -> Factors:
    if not isinstance(of, Factors):
        return Factors(of, trial)
    if trial is not None:
        raise InvalidInput("trial: found a number beside Factors, which are of one trial; allowed: None. Leave it out")
    return of


def _of_trial(source: Any, trial: int | None, rows: Any, columns: Any) -> tuple[_lowrank.Predictor, _lowrank.Predictor | None]:
    if isinstance(source, Solution):
        if trial is not None and not 0 <= trial < len(source.trials):
            raise InvalidInput(f"trial: found {trial}; allowed: 0 to {len(source.trials) - 1}. Pick a trial of the solution")
        source = source.best if trial is None else source.trials[trial]
    if not isinstance(source, Trial):
        kind = type(source).__name__
        raise InvalidInput(f"factors: found a {kind}; allowed: the path of a factors.npz, a Solution, a Trial or Factors. Pass one")
    single = source._right is None
    is_complex = np.iscomplexobj(source.left)
    kind = np.complex128 if is_complex else np.float64
    right = None if single else np.ascontiguousarray(source.right, dtype=kind)
    left = np.ascontiguousarray(source.left, dtype=kind)
    biases = source.biases and (source.biases[0], source.biases[1].tolist(), source.biases[2].tolist())
    sizes = len(left), len(left if right is None else right)
    labels = None
    if rows is not None or columns is not None:
        named = [(rows, "rows", sizes[0]), (columns, "columns", sizes[1])]
        labels = tuple(np.arange(size) if of is None else _ids(of, what) for of, what, size in named)
    positive = source._positive if source._model == "signed" else left.shape[1]
    if not is_complex:
        return _lowrank.Predictor.of(left, right, positive, biases, labels), None
    # Re M = [Re L, Im L] [Re R, Im R]^T and Im M = [Im L, -Re L] [Re R, Im R]^T.
    if right is None:
        right = left * np.where(np.arange(left.shape[1]) < positive, 1.0, -1.0)
    beside = np.hstack([right.real, right.imag])
    parts = [np.hstack([left.real, left.imag]), np.hstack([left.imag, -left.real])]
    real, imaginary = (_lowrank.Predictor.of(part, beside, 2 * left.shape[1], biases, labels) for part in parts)
    return real, imaginary


def _bounds(clip: Any) -> tuple[float, float] | None:
    if clip is None:
        return None
    low, high = (float(value) for value in clip)
    if not low <= high:
        raise InvalidInput(f"clip: found ({low}, {high}); allowed: two numbers, the first not above the second. For example (0.5, 5)")
    return low, high


def _ids(of: Any, what: str) -> Any:
    """Return ids as int64, or as a list of texts; whole floats are whole numbers."""
    found = np.asarray(of).reshape(-1)
    if found.dtype.kind in "iu":
        return np.ascontiguousarray(found, dtype=np.int64)
    if found.dtype.kind == "f" and (np.isfinite(found) & (found == np.round(found))).all():
        return found.astype(np.int64)
    texts = [name.decode() if isinstance(name, bytes) else str(name) for name in found.tolist()]
    missing = [name for name, text in zip(found.tolist(), texts) if name is None or name != name or text in ("<NA>", "NaT")]
    if found.dtype.kind not in "OSUT" or missing:
        seen = "a missing id" if missing else f"an array of {found.dtype}"
        raise InvalidInput(f"{what}: found {seen}; allowed: ids, whole numbers or texts. Drop or convert them")
    return texts


def _codes(ids: Any) -> tuple[np.ndarray, Any]:
    """Return the number of each id among the different ones, and these."""
    names, codes = np.unique(np.asarray(ids), return_inverse=True)
    return codes.reshape(-1).astype(np.uint32), names if names.dtype.kind == "i" else names.tolist()


def _is_series(of: Any) -> bool:
    return type(of).__module__.split(".")[0] == "pandas" and hasattr(of, "index")


def _best(of: Factors, rows: Any, top: int, exclude: Any, bounds: tuple[float, float] | None) -> Any:
    if isinstance(top, bool) or not isinstance(top, (int, np.integer)) or top < 0:
        raise InvalidInput(f"top: found {top!r}; allowed: a whole number of at least 0. Pass the number of columns of each row")
    ids = _ids(of.rows if rows is None else rows, "rows")
    pairs = None if exclude is None else (_ids(exclude[0], "exclude"), _ids(exclude[1], "exclude"))
    (at, ranks, columns, values), known = of._inner.top(ids, int(top), pairs, bounds)
    _tell(of, "rows", ids, known)
    own = of.rows if rows is None else np.asarray(rows).reshape(-1)
    table = {"row": own[at], "rank": ranks, "column": of.columns[columns], "prediction": values}
    if not _is_series(rows):
        return table
    import pandas

    return pandas.DataFrame(table)


def _tell(of: Factors, what: str, ids: Any, known: list[bool]) -> None:
    """Warn of ids that are not in the factors."""
    missing = sorted({str(name) for name, is_known in zip(ids, known) if not is_known})
    if not missing:
        return
    first = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
    served = "the biases of what is known" if of._inner.has_biases else "nan, because the factors have no biases"
    warn(f"{what}: {len(missing)} ids are not in the factors ({first}): their predictions are {served}", LowrankWarning)
