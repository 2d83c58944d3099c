"""Recover a low-rank matrix from linear measurements.

>>> import lowrank
>>> s = lowrank.solve(A, y, search_rank=20)   # A: (m, n, n), y: (m,)
>>> s.left                                    # U, (n, k): the matrix is U @ U.T

y_i = <A_i, M>: ``solve`` finds M of low rank from the A_i and the y_i. ``Dense``, ``Seeded``, ``Rademacher``, ``RankOne``,
``Pauli``, ``CodedDiffraction``, ``Sparse`` and ``Entries`` are the kinds of A_i, ``problem`` makes random test matrices, and ``compare``, ``sweep`` and
``reproduce`` run studies of methods. ``predict`` and ``fold_in`` use fitted factors. ``MatrixCompletion`` and ``MatrixSensing`` are estimators for scikit-learn. Names and defaults
are those of the command line.
"""

from typing import TYPE_CHECKING, Any

from . import problem
from ._lowrank import InvalidInput, LowrankError, __version__
from ._predict import Factors, FoldedIn, fold_in, predict
from ._progress import Progress
from ._session import Session
from ._solution import Solution, Trial
from ._solve import solve
from ._studies import Comparison, Study, Sweep, compare, reproduce, sweep
from ._warnings import ConvergenceWarning, LowrankWarning, TransferWarning
from .operators import CodedDiffraction, Dense, Entries, Operator, Pauli, Rademacher, RankOne, Seeded, Sparse, devices

if TYPE_CHECKING:
    from ._completion import MatrixCompletion
    from ._sensing import MatrixSensing

__all__ = [
    "CodedDiffraction",
    "Comparison",
    "ConvergenceWarning",
    "Dense",
    "Entries",
    "Factors",
    "FoldedIn",
    "InvalidInput",
    "LowrankError",
    "LowrankWarning",
    "MatrixCompletion",
    "MatrixSensing",
    "Operator",
    "Pauli",
    "Progress",
    "Rademacher",
    "RankOne",
    "Seeded",
    "Session",
    "Solution",
    "Sparse",
    "Study",
    "Sweep",
    "TransferWarning",
    "Trial",
    "__version__",
    "compare",
    "devices",
    "fold_in",
    "predict",
    "problem",
    "reproduce",
    "solve",
    "sweep",
]

# The estimators are loaded at their first use: they import scikit-learn where it is installed, which takes a second.
_ESTIMATORS = {"MatrixCompletion": "_completion", "MatrixSensing": "_sensing"}


def __getattr__(name: str) -> Any:
    if name in _ESTIMATORS:
        import importlib

        return getattr(importlib.import_module(f".{_ESTIMATORS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ESTIMATORS})
