"""Recover a low-rank matrix from linear measurements.

>>> import lowrank
>>> s = lowrank.solve(A, y, search_rank=20)   # A: (m, n, n), y: (m,)
>>> s.left                                    # U, (n, k): the matrix is U @ U.T

y_i = <A_i, M>: ``solve`` finds M of low rank from the A_i and the y_i. ``Dense``, ``Seeded``, ``Rademacher``, ``RankOne``,
``Sparse`` and ``Entries`` are the kinds of A_i, ``problem`` makes random test matrices, and ``compare``, ``sweep`` and
``reproduce`` run studies of methods. Names and defaults are those of the command line.
"""

from . import problem
from ._lowrank import InvalidInput, LowrankError, __version__
from ._progress import Progress
from ._session import Session
from ._solution import Solution, Trial
from ._solve import solve
from ._studies import Comparison, Study, Sweep, compare, reproduce, sweep
from .operators import Dense, Entries, Operator, Rademacher, RankOne, Seeded, Sparse, devices

__all__ = [
    "Comparison",
    "Dense",
    "Entries",
    "InvalidInput",
    "LowrankError",
    "Operator",
    "Progress",
    "Rademacher",
    "RankOne",
    "Seeded",
    "Session",
    "Solution",
    "Sparse",
    "Study",
    "Sweep",
    "Trial",
    "__version__",
    "compare",
    "devices",
    "problem",
    "reproduce",
    "solve",
    "sweep",
]
