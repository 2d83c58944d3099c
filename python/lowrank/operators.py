"""Measurement operators: kinds of sensing matrices A_i."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _lowrank
from ._arrays import array, is_sparse, optional, places, stacked, unstacked
from ._lowrank import InvalidInput

Shape = tuple[int, int]


def _sizes(shape: int | Shape) -> Shape:
    return (shape, shape) if isinstance(shape, (int, np.integer)) else shape


def devices() -> list[dict[str, Any]]:
    """List graphics adapters for ``backend="gpu"`` or ``"gpu:NAME"``: name, kind, driver, and whether they have f64."""
    return [dict(zip(("name", "kind", "driver", "double_precision"), device)) for device in _lowrank.devices()]


class Operator:
    """A measurement operator, A(Z)_i = <A_i, Z>. See ``Dense``, ``Seeded``, ``Rademacher``, ``RankOne``, ``Pauli``, ``Sparse``,
    ``Entries``."""

    _core: _lowrank.Operator
    # Whether observations are complex, so that a real and an imaginary part are a measurement each.
    _complex_values = False

    def __init__(self, core: _lowrank.Operator):
        self._core = core

    @classmethod
    def _of(cls, core: _lowrank.Operator) -> Any:
        made = cls.__new__(cls)
        made._core = core
        return made

    @property
    def name(self) -> str:
        """Name of the ensemble."""
        return self._core.name

    @property
    def shape(self) -> Shape:
        """(n1, n2) of the unknown matrix."""
        return self._core.shape

    @property
    def complex(self) -> bool:
        """Whether the unknown is complex. Factors are complex arrays then."""
        return self._core.complex

    @property
    def model(self) -> str:
        """Model: psd, signed or asymmetric."""
        return self._core.model

    @property
    def measurements(self) -> int:
        """Number of measurements m."""
        return self._core.measurements

    @property
    def normalization(self) -> float:
        """Normalization s: s A*A is close to the identity on low-rank matrices."""
        return self._core.normalization

    @property
    def storage(self) -> str | None:
        """Storage type of the numbers, f16, f32 or f64, if the operator stores any."""
        return self._core.storage

    @property
    def memory(self) -> list[dict[str, Any]]:
        """Memory of the measurements: name, place (host, file) and bytes."""
        return [dict(zip(("name", "place", "bytes"), part)) for part in self._core.memory]

    @property
    def notices(self) -> list[str]:
        """Remarks on the data: rounding, an unsuitable normalization."""
        return self._core.notices

    @property
    def observations(self) -> np.ndarray | None:
        """y, if the operator holds it (``Entries``)."""
        return self._core.observations

    def _values(self, given: Any, name: str) -> np.ndarray:
        """Convert observations, complex ones to real and imaginary parts in turn."""
        found = array(given, name)
        if not self._complex_values or found.dtype.kind != "c":
            return found
        return np.ascontiguousarray(found, dtype=np.complex128).view(np.float64)

    def sensing_matrix(self, i: int) -> np.ndarray:
        """Return A_i, (n1, n2), float64 or complex128."""
        found = self._core.sensing_matrix(i)
        return unstacked(found[:, : self.shape[1]]) if self.complex else found

    def forward(self, left: Any, right: Any = None) -> np.ndarray:
        """Return A(L R^T), (m,), for L (n1, k) and R (n2, k); A(L L^T) without R. Computed in f64 on the host.

        Of complex matrices it is the real part of A(L R^H), or all of it where observations are complex."""
        if right is None and self.model == "asymmetric":
            raise InvalidInput("right: found no value; allowed: R of shape (n2, k). The model asymmetric has two factors")
        if self.complex:
            found = self._core.forward(stacked(left, "left"), None if right is None else stacked(right, "right"))
            return found.view(np.complex128) if self._complex_values else found
        return self._core.forward(array(left, "left"), optional(right, "right"))

    def adjoint_apply(self, residual: Any, applied: Any, *, transposed: bool = False) -> np.ndarray:
        """Return (sum_i r_i A_i) V, (n1, k), for r (m,) and V (n2, k); with ``transposed`` (sum_i r_i A_i)^T W, (n2, k), for W (n1, k)."""
        if self.complex:
            return unstacked(self._core.adjoint_apply(self._values(residual, "residual"), stacked(applied, "applied"), transposed))
        return self._core.adjoint_apply(array(residual, "residual"), array(applied, "applied"), transposed)

    def __repr__(self) -> str:
        n1, n2 = self.shape
        return f"{type(self).__name__}({self.measurements} measurements of a {n1}x{n2} matrix, model {self.model})"


class Dense(Operator):
    """Stored sensing matrices.

    matrices: (m, n1, n2), (m, n1*n2), or upper triangles row by row, (m, n(n+1)/2). Any real number type, any order and strides.
    Complex ones have a complex unknown: Hermitian ones, (m, n, n), a Hermitian one; those of the model asymmetric, (m, n1, n2), any.
    y then holds the real parts of <A_i, M>, or with ``complex_values`` the complex numbers, which are two measurements each.
    model: psd (M = U U^T), signed (U S U^T), asymmetric (L R^T).
    layout: packed or full, needed only for an ambiguous width; shape, (n1, n2), also resolves it.
    storage: type of the stored numbers, f16, f32 or f64; default: float32 stays f32, every other type becomes f64.
    normalization: s with s A*A close to the identity: 1/m, 1, auto or a number.

    The operator reads packed rows, or full rows of the model asymmetric, in place if they are in C order and have the storage
    type, float32 or float64. It also reads a ``numpy.memmap`` larger than the memory. Do not write to the array while the
    operator exists. Full symmetric matrices are packed, which copies half of their entries; Fortran order, other types and
    strides need a copy.
    """

    def __init__(
        self,
        matrices: Any,
        *,
        model: str = "psd",
        layout: str | None = None,
        shape: Shape | None = None,
        storage: str | None = None,
        normalization: str | float = "auto",
        complex_values: bool = False,
    ):
        found = array(matrices, "matrices")
        parts = found.dtype.kind == "c"
        if complex_values and not (parts and model == "asymmetric"):
            raise InvalidInput(
                f"complex_values: found True for {found.dtype} matrices of the model {model}; allowed: complex matrices of the model "
                "asymmetric. Leave it out"
            )
        if parts:
            found = np.ascontiguousarray(np.stack([found.real, found.imag], axis=-1))
        super().__init__(_lowrank.dense(found, model, layout, shape, storage, str(normalization), parts, complex_values))
        self._complex_values = complex_values

    @classmethod
    def gaussian(
        cls,
        shape: int | Shape,
        measurements: int,
        seed: int = 0,
        *,
        model: str = "psd",
        storage: str = "f32",
        complex: bool = False,
    ) -> Dense:
        """Create A_i with independent normal entries: N(0, 1) on the diagonal and N(0, 1/2) off it for symmetric A_i, else N(0, 1).

        Both parts of ``complex`` ones have these variances, and the diagonal of Hermitian ones is real."""
        return cls._of(_lowrank.dense_gaussian(model, _sizes(shape), measurements, seed, storage, complex))


class Seeded(Operator):
    """Nearly Gaussian entries, computed from a seed by an integer hash when needed; the operator stores none."""

    _name = "seeded"

    def __init__(
        self,
        shape: int | Shape,
        measurements: int,
        seed: int = 0,
        *,
        model: str = "psd",
        normalization: str | float = "auto",
    ):
        super().__init__(_lowrank.made(self._name, model, _sizes(shape), measurements, seed, str(normalization)))


class Rademacher(Seeded):
    """Random signs, computed from a seed; the operator stores none."""

    _name = "rademacher"


class RankOne(Operator):
    """Outer products: y_i = a_i^T M a_i, or with ``right`` a_i^T M b_i (model asymmetric).

    vectors: a, (m, n), or (m, n, q) for sums of q products. Complex a and b measure Re a_i^H M b_i. Complex a measure a_i^H M a_i of a complex Hermitian M, as in phase
    retrieval: y_i = |a_i^H x|^2 for M = x x^H. right: b, (m, n2) or (m, n2, q).
    centred: subtract the mean of the residuals for a a^T, which gradient descent needs; see docs/measurements/rank_one.md.
    """

    def __init__(
        self,
        vectors: Any,
        right: Any = None,
        *,
        model: str | None = None,
        storage: str | None = None,
        normalization: str | float = "auto",
        centred: bool = True,
    ):
        model = model or ("psd" if right is None else "asymmetric")
        a, b = array(vectors, "vectors"), optional(right, "vectors_right")
        parts = a.dtype.kind == "c" or (b is not None and b.dtype.kind == "c")
        if parts:
            a = np.ascontiguousarray(np.stack([a.real, a.imag], axis=-1))
            b = None if b is None else np.ascontiguousarray(np.stack([b.real, b.imag], axis=-1))
        super().__init__(_lowrank.rank_one(a, b, model, storage, str(normalization), centred, parts))

    @classmethod
    def gaussian(
        cls,
        shape: int | Shape,
        measurements: int,
        seed: int = 0,
        *,
        products: int = 1,
        model: str = "psd",
        complex: bool = False,
    ) -> RankOne:
        """Create vectors with independent N(0, 1) entries; ``complex`` ones have N(0, 1) real and imaginary parts."""
        return cls._of(_lowrank.rank_one_gaussian(model, _sizes(shape), measurements, products, seed, complex))

    @staticmethod
    def lift(vectors: Any) -> np.ndarray:
        """Convert complex a = u + iv, (m, n), to real vectors (u; v) and (-v; u), (m, 2n, 2).

        y_i = |a_i^H x|^2 of a complex x is then the measurement of the real matrix of (Re x; Im x), of size 2n."""
        a = array(vectors, "vectors")
        u, v = a.real, a.imag
        return np.stack([np.concatenate([u, v], axis=1), np.concatenate([-v, u], axis=1)], axis=2)


class Pauli(Operator):
    """Expectation values tr(P_i M) of Pauli strings on q qubits, as in quantum state tomography. M is complex, Hermitian, 2^q x 2^q.

    strings: words of I, X, Y and Z such as "XYZI", one letter for each qubit; the first one belongs to the highest bit of an index.
    """

    strings: list[str]
    """The strings, one for each measurement."""

    def __init__(self, strings: Sequence[str], *, normalization: str | float = "auto"):
        core, self.strings = _lowrank.pauli(list(strings), str(normalization))
        super().__init__(core)

    @classmethod
    def _named(cls, found: tuple[_lowrank.Operator, list[str]]) -> Pauli:
        made = cls._of(found[0])
        made.strings = found[1]
        return made

    @classmethod
    def random(cls, qubits: int, measurements: int, seed: int = 0) -> Pauli:
        """Draw different strings, each with the same probability."""
        return cls._named(_lowrank.pauli_drawn(qubits, measurements, seed))

    @classmethod
    def all(cls, qubits: int) -> Pauli:
        """Take all 4^q strings."""
        return cls._named(_lowrank.pauli_drawn(qubits, None, 0))

    @classmethod
    def from_counts(cls, counts: dict[str, dict[str, int]], *, normalization: str | float = "auto") -> Pauli:
        """Create from counts of outcomes, ``{"XYZ": {"010": 12, "111": 5}, ...}``: all strings that some basis determines.

        The expectation values are the observations, with the number of counts as weights: ``solve(Pauli.from_counts(counts))``
        takes no y. The first letter and the first bit belong to the same qubit."""
        return cls._named(_lowrank.pauli_counts({basis: dict(of) for basis, of in counts.items()}, str(normalization)))

    def settings(self) -> dict[str, list[int]]:
        """Group the strings into bases in which they can be measured: {basis: indices of its strings}, each string in one of them.

        Strings share a basis if they have the same letter on every qubit where both have one: the value of a string is then the
        mean parity of the outcomes on its qubits. The number of bases is not always the smallest."""
        return dict(_lowrank.pauli_settings(self.strings))


class CodedDiffraction(Operator):
    """Coded diffraction patterns: intensities y = |FFT(mask * x)|^2 of a complex signal or picture x, for phase retrieval. M = x x^H.

    masks: (l, n) for signals, (l, h, w) for pictures, real or complex. y may have the shape of the masks, as a flat array here:
    pattern by pattern, ``y.ravel()``.
    """

    def __init__(self, masks: Any, *, normalization: str | float = "auto"):
        found = array(masks, "masks")
        if found.ndim < 2:
            raise InvalidInput(f"masks: found shape {found.shape}; allowed: (l, n) or (l, h, w). Stack the masks along the first axis")
        parts = np.ascontiguousarray(np.stack([found.real, found.imag], axis=-1), dtype=np.float64).ravel()
        super().__init__(_lowrank.coded_diffraction(parts, list(found.shape[1:]), str(normalization)))

    @staticmethod
    def random_masks(shape: tuple[int, ...], count: int, seed: int = 0) -> np.ndarray:
        """Draw masks with the moments of Gaussian numbers: a random power of i, times sqrt(1/2) with probability 4/5, else sqrt(3)."""
        rng = np.random.default_rng(seed)
        size = np.where(rng.random((count, *shape)) < 0.8, np.sqrt(0.5), np.sqrt(3.0))
        return size * 1j ** rng.integers(0, 4, (count, *shape))


class Sparse(Operator):
    """Sensing matrices with few nonzeros: a scipy.sparse matrix of shape (m, n1*n2) or packed (m, n(n+1)/2), one measurement per row,
    or a list of m sparse matrices of shape (n1, n2). Other keywords as in ``Dense``."""

    def __init__(
        self,
        matrices: Any,
        *,
        model: str = "psd",
        layout: str | None = None,
        shape: Shape | None = None,
        normalization: str | float = "auto",
    ):
        import scipy.sparse as sp

        if isinstance(matrices, (list, tuple)) and matrices:
            if not all(sp.issparse(matrix) for matrix in matrices) or len({m.shape for m in matrices}) > 1:
                raise InvalidInput("matrices: found a list of other objects; allowed: sparse matrices of one shape. Convert them")
            shape, layout = shape or matrices[0].shape, layout or "full"
            matrices = sp.vstack([sp.coo_array(matrix).reshape(1, -1) for matrix in matrices])
        if not sp.issparse(matrices) or matrices.ndim != 2:
            found = type(matrices).__name__
            raise InvalidInput(
                f"matrices: found {found}; allowed: a scipy.sparse matrix with one measurement per row, or a list of sparse matrices. "
                "Dense(A) takes arrays"
            )
        if matrices.dtype.kind not in "biuf":
            raise InvalidInput(f"matrices: found {matrices.dtype}; allowed: real numbers. Convert it")
        rows = sp.csr_array(matrices)
        indptr, indices = (np.ascontiguousarray(part, dtype=np.int64) for part in (rows.indptr, rows.indices))
        values = np.ascontiguousarray(rows.data, dtype=np.float64)
        core = _lowrank.sparse(indptr, indices, values, rows.shape[1], model, layout, shape, str(normalization))
        super().__init__(core)


class Entries(Operator):
    """Sampled entries of the unknown, for matrix completion. The values are the observations: ``solve(Entries(...))`` takes no y.

    rows, columns: positions counted from 0, (m,). values: (m,). shape: (n1, n2), default: the smallest that holds the positions.
    model: asymmetric, or psd or signed for a symmetric matrix. A repeated position counts once, with the mean of its values; of a
    symmetric matrix (a, b) and (b, a) count together. weights: one for each entry, of at least 0; their scale does not matter.
    Complex values have a complex unknown, which is Hermitian for psd and signed. Real and imaginary part are a measurement each.
    """

    def __init__(
        self,
        rows: Any,
        columns: Any,
        values: Any,
        shape: Shape | None = None,
        *,
        weights: Any = None,
        model: str = "asymmetric",
        normalization: str | float = "auto",
    ):
        v = array(values, "values")
        if v.dtype.kind == "c" and v.ndim == 1:
            super().__init__(_complex_entries(places(rows, "rows"), places(columns, "columns"), v, shape, weights, model, normalization))
            self._complex_values = True
            return
        if v.dtype.kind not in "biuf" or v.ndim != 1:
            raise InvalidInput(
                f"values: found an array of shape {v.shape} of {v.dtype}; allowed: real numbers, shape (m,). "
                "Give one for each entry"
            )
        v = np.ascontiguousarray(v, dtype=np.float64)
        at = places(rows, "rows"), places(columns, "columns")
        w = None if weights is None else np.ascontiguousarray(array(weights, "weights"), dtype=np.float64)
        if w is not None and w.shape != v.shape:
            raise InvalidInput(f"weights: found an array of shape {w.shape}; allowed: shape {v.shape}. Give one for each entry")
        super().__init__(_lowrank.entries(*at, v, w, shape, model, str(normalization)))

    @classmethod
    def from_matrix(cls, ratings: Any, *, model: str = "asymmetric", normalization: str | float = "auto") -> Entries:
        """Create from the stored entries of a scipy.sparse matrix, explicit zeros included, or from the entries of an array that are not nan."""
        if not is_sparse(ratings):
            ratings = array(ratings, "ratings")
            if ratings.ndim != 2:
                raise InvalidInput(f"ratings: found shape {ratings.shape}; allowed: a matrix. Pass an array with two axes")
            known = ~np.isnan(ratings)
            rows, columns = np.nonzero(known)
            return cls(rows, columns, ratings[known], ratings.shape, model=model, normalization=normalization)
        found = ratings.tocoo()
        return cls(found.row, found.col, found.data, found.shape, model=model, normalization=normalization)


def _complex_entries(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: Shape | None, weights: Any, model: str, normalization: str | float
) -> _lowrank.Operator:
    if weights is not None:
        raise InvalidInput("weights: found weights of complex values; allowed: none. Leave them out")
    if not len(rows) == len(columns) == len(values):
        found = f"{len(rows)} rows, {len(columns)} columns and {len(values)} values"
        raise InvalidInput(f"entries: found {found}; allowed: three lists of the same length. Pass all three of every entry")
    if not np.isfinite(values).all():
        raise InvalidInput(f"values: found {values[~np.isfinite(values)][0]}; allowed: finite numbers. Leave that entry out")
    if shape is None:
        shape = (int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1)
        shape = shape if model == "asymmetric" else (max(shape), max(shape))
    parts = np.stack([values.real, values.imag], axis=-1).astype(np.float64).ravel()
    return _lowrank.complex_entries(rows, columns, parts, shape, model, str(normalization))


def operator_of(
    matrices: Any, model: str | None, keywords: dict[str, Any], storage: str | None, observations: Any = None
) -> Operator:
    """Convert the input of ``solve`` to an operator."""
    if isinstance(matrices, Operator):
        said = {"model": model, **keywords}
        given = [name for name, value in said.items() if value is not None]
        if given:
            raise InvalidInput(
                f"{given[0]}: found a value together with an operator; allowed: no value, because the operator has its own. "
                "Give it where the operator is made"
            )
        return matrices
    keywords = {name: value for name, value in keywords.items() if value is not None}
    if model is not None:
        keywords["model"] = model
    first = matrices[0] if isinstance(matrices, Sequence) and matrices else matrices
    if is_sparse(first):
        keywords.pop("storage", None)
        return Sparse(matrices, **keywords)
    found = array(matrices, "matrices")
    if model == "asymmetric" and found.dtype.kind == "c" and observations is not None:
        keywords["complex_values"] = array(observations, "observations").dtype.kind == "c"
    return Dense(found, **{"storage": storage, **keywords})
