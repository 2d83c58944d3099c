"""The function ``solve``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import _lowrank
from ._arrays import factors, optional, real_form, unstacked
from ._lowrank import InvalidInput
from ._options import keywords
from ._progress import Callback, Watch
from ._solution import Solution, Trial
from ._warnings import of_run, warn
from .operators import Entries, Operator, operator_of
from .problem import Truth

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._keywords import SolveOptions


@keywords("solve")
def solve(
    matrices: Any,
    observations: Any = None,
    *,
    truth: Any = None,
    truth_matrix: Any = None,
    init: Any = None,
    callback: Callback | None = None,
    callback_factors: bool = False,
    progress: bool = False,
    **options: Unpack[SolveOptions],
) -> Solution:
    """Recover a matrix M from y_i = <A_i, M>.

    matrices: the A_i as an operator (``Dense``, ``Seeded``, …), as an array for ``Dense``, (m, n, n), (m, n*n) or packed
        (m, n(n+1)/2), or as scipy.sparse for ``Sparse``. model, layout, shape, storage and normalization apply to the last two.
    observations: y, (m,), (m, 1), or (b, m) for b vectors at once; none for ``Entries``.
    truth: the known matrix, to report errors: X (n, r) of X X^T; (L, R) of L R^T; (X, (p, q)) for the model signed; or a
        ``problem.Truth``. truth_matrix: M itself.
    init: small-random, imbalanced, spectral, spectral:J, or factors U (n, k) or (L, R) to start from.
    callback: called with a ``Progress`` at every observation; True or StopIteration ends the run. callback_factors: with its factors.
    progress: a bar, if tqdm is installed.

    Options that take several values may be lists, arrays, or texts such as "1:8"; there is a trial for every combination. None is
    the library's default. ``search_rank="auto"`` and ``ridge="auto"`` choose by cross-validation (for which estimators have
    ``search_rank="cross-validation"``): see ``Solution.selection``.

    Raises ``InvalidInput`` (a ValueError) and ``LowrankError`` (a RuntimeError). Emits ``ConvergenceWarning`` where the run ended early or its
    result is doubtful, and ``LowrankWarning`` for doubts about the input; see also ``Solution.notices``.
    """
    run = Run(matrices, observations, truth, truth_matrix, init, dict(options))
    solution, doubts = run.solved(callback, callback_factors, progress)
    for category, text in of_run(solution, doubts, run.options):
        warn(text, category)
    return solution


# Options of measurements, which the operator has.
OF_OPERATORS = ("model", "layout", "shape", "storage", "normalization")


class Run:
    """Keywords, converted for the library's function."""

    def __init__(self, matrices: Any, observations: Any, truth: Any, truth_matrix: Any, init: Any, options: dict[str, Any]):
        self.options = {name: value for name, value in options.items() if name not in OF_OPERATORS and value is not None}
        given = {name: options.get(name) for name in OF_OPERATORS[1:]}
        usual = given["storage"] or _lowrank.usual_storage(options.get("precision") or "f32", options.get("backend") or "auto")
        self.operator: Operator = operator_of(matrices, options.get("model"), given, usual, observations)
        self.asked = {name: value for name, value in given.items() if value is not None}
        if isinstance(self.operator, Entries) and "rows" in self.options:
            raise InvalidInput(
                "rows: found a number of entries; allowed: all entries, because Entries reorders them. "
                "Leave it out, or hold entries out with holdout"
            )
        self.observations = None if observations is None else self.operator._values(observations, "observations")
        parts = self.operator.complex
        self.truth = truth._core if isinstance(truth, Truth) else None if truth is None else factors(truth, "truth", parts)
        known = truth_matrix is not None and parts
        symmetric = self.operator.model != "asymmetric"
        self.truth_matrix = (
            real_form(truth_matrix, "truth_matrix", symmetric) if known else optional(truth_matrix, "truth_matrix")
        )
        self.init = init if init is None or isinstance(init, str) else factors(init, "init", parts)

    def solved(self, callback: Callback | None, callback_factors: bool, progress: bool) -> tuple[Solution, list[str]]:
        """Return the solution, and doubts about the input."""
        with Watch(callback, progress, self.operator.complex) as watch:
            report, trace, table, lefts, rights, biases, errors, doubts = _lowrank.solve(
                self.operator._core,
                self.observations,
                self.truth,
                self.truth_matrix,
                self.init,
                self.options,
                watch.observer,
                callback_factors,
                json.dumps(self.described()),
            )
        found = json.loads(report)
        if self.operator.complex:
            lefts = [unstacked(left) for left in lefts]
            rights = None if rights is None else [unstacked(right) for right in rights]
        pairs = [(left, None) for left in lefts] if rights is None else list(zip(lefts, rights))
        signature = self.options.get("signature")
        trials = [
            Trial(of, left, right, self.operator.model, signature[0] if signature else left.shape[1], own)
            for of, (left, right), own in zip(found["trials"], pairs, biases)
        ]
        return Solution(found, trace, table, trials, errors), doubts

    def described(self) -> dict[str, Any]:
        """Return what the report says of the measurements."""
        return {
            "operator": self.operator.name,
            "model": self.operator.model,
            "size": self.operator.shape,
            "normalization_value": self.operator.normalization,
            **self.asked,
        }
