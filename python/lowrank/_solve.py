"""The function ``solve``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from . import _lowrank
from ._arrays import factors, optional
from ._lowrank import InvalidInput
from ._progress import Callback, Watch
from ._solution import Solution, Trial
from .operators import Entries, Operator, operator_of
from .problem import Truth


def solve(
    matrices: Any,
    observations: Any = None,
    *,
    truth: Any = None,
    truth_matrix: Any = None,
    model: str | None = None,
    layout: str | None = None,
    shape: tuple[int, int] | None = None,
    storage: str | None = None,
    normalization: str | float | None = None,
    method: str = "auto",
    search_rank: int | Iterable[int] | None = None,
    step_size: float | Iterable[float] | None = None,
    init: Any = None,
    init_scale: float | Iterable[float] | None = None,
    init_scale_ratio: float | None = None,
    init_std: str | None = None,
    init_preprocess: str | None = None,
    seed: int | Iterable[int] | None = None,
    rows: int | Iterable[int] | None = None,
    signature: tuple[int, int] | None = None,
    ridge: float = 0.0,
    damping: float | Iterable[float] | None = None,
    damping_factor: float | None = None,
    step_rule: str | None = None,
    step_decay: float | None = None,
    polyak_every: int | None = None,
    optimal_loss: float | None = None,
    polyak_scale: float | None = None,
    minibatches: int | None = None,
    method_seed: int | None = None,
    memory: int | None = None,
    loss: str = "square",
    backend: str = "auto",
    precision: str = "f32",
    variant: str | None = None,
    device_memory: str | None = None,
    retune: bool = False,
    max_iterations: int = 5000,
    stop_relative_error: float | None = None,
    stop_loss: float | None = None,
    stop_residual: float | None = None,
    stop_time: float | None = None,
    stall_window: int = 200,
    observe: str = "every:10",
    holdout: float | None = None,
    holdout_seed: int = 0,
    diagnose: bool = False,
    callback: Callback | None = None,
    callback_factors: bool = False,
    progress: bool = False,
) -> Solution:
    """Recover a matrix M from y_i = <A_i, M>.

    matrices: the A_i as an operator (``Dense``, ``Seeded``, …), as an array for ``Dense``, (m, n, n), (m, n*n) or packed
        (m, n(n+1)/2), or as scipy.sparse for ``Sparse``. model, layout, shape, storage and normalization apply to the last two.
    observations: y, (m,), (m, 1), or (b, m) for b vectors at once; none for ``Entries``.
    truth: the known matrix, to report errors: X (n, r) of X X^T; (L, R) of L R^T; (X, (p, q)) for the model signed; or a
        ``problem.Truth``. truth_matrix: M itself.
    search_rank: k, at least the expected rank; default min(n, 20). step_size: mu; default 1/(4 |s A*(y)|).
    init: small-random, imbalanced, spectral, spectral:J, or given factors U (n, k) or (L, R). init_scale: alpha of the random start, with
        entries N(0, alpha^2/k), or N(0, alpha^2/n) with init_std="n". seed: seed of the random start. init_scale_ratio: size of the
        random R over that of L. init_preprocess: preprocessing of y for a spectral start: none, truncate or optimal.
    signature: (p, q), the numbers of positive and negative columns of U for the model signed. ridge: r adds (r/2)|U|^2 to the loss.
    method: auto, which suits loss and model, or a word of ``lowrank list methods``; damping to memory are parameters of methods.
    loss: square, l1 or huber:d; the last two tolerate gross outliers.
    variant: kernel variant of the backend. device_memory: limit on the memory of a gpu, such as "8G".
    retune: time the kernel variants of a gpu again, although the fastest one is known from an earlier run.
    backend: auto, reference, cpu, gpu or gpu:NAME. precision: f32, f64 or mixed.
    stop_*: targets; a run converges when it reaches all given targets. stop_time: seconds. stall_window: 0 disables the stall rule.
    max_iterations: maximal number of iterations.
    holdout: share of the measurements, drawn with holdout_seed, that selects the returned iterate and estimates its error.
    observe: schedule of observations, every:J or log. diagnose: follow the phases of gradient descent.
    callback: called with a ``Progress`` at every observation; True or StopIteration ends the run. callback_factors: pass the factors, too.
    progress: show a progress bar, if tqdm is installed.

    search_rank, step_size, init_scale, seed, damping and rows (use the first rows only) may be lists: the run has a trial for every
    combination. None means the library's default. Raises ``InvalidInput`` (a ValueError) and ``LowrankError`` (a RuntimeError).
    """
    options = dict(locals())
    run = Run(options)
    with Watch(callback, progress) as watch:
        report, trace, table, lefts, rights, biases = _lowrank.solve(
            run.operator._core,
            run.observations,
            run.truth,
            run.truth_matrix,
            run.init,
            run.options,
            watch.observer,
            callback_factors,
            json.dumps(run.described(), default=_described),
        )
    found = json.loads(report)
    chosen = run.operator.model
    pairs = [(left, None) for left in lefts] if rights is None else list(zip(lefts, rights))
    trials = [
        Trial(of, left, right, chosen, signature[0] if signature else left.shape[1], own)
        for of, (left, right), own in zip(found["trials"], pairs, biases)
    ]
    return Solution(found, trace, table, trials)


# Those of measurements and those of this side; the others go to the library as they are.
OWN = {
    "matrices",
    "observations",
    "truth",
    "truth_matrix",
    "model",
    "layout",
    "shape",
    "storage",
    "normalization",
    "init",
    "callback",
    "callback_factors",
    "progress",
}


class Run:
    """Keywords, converted for the library's function."""

    def __init__(self, said: dict[str, Any]):
        self.options = {name: value for name, value in said.items() if name not in OWN and value is not None}
        self.asked = said
        usual = said["storage"] or _lowrank.usual_storage(said["precision"], said["backend"])
        names = ("layout", "shape", "storage", "normalization")
        given = {name: said[name] for name in names}
        self.operator: Operator = operator_of(said["matrices"], said["model"], given, usual)
        if isinstance(self.operator, Entries) and "rows" in self.options:
            raise InvalidInput(
                "rows: found a number of entries; allowed: all entries, because Entries reorders them. "
                "Leave it out, or hold entries out with holdout"
            )
        self.observations = optional(said["observations"], "observations")
        truth = said["truth"]
        self.truth = truth._core if isinstance(truth, Truth) else None if truth is None else factors(truth, "truth")
        self.truth_matrix = optional(said["truth_matrix"], "truth_matrix")
        init = said["init"]
        self.init = init if init is None or isinstance(init, str) else factors(init, "init")

    def described(self) -> dict[str, Any]:
        """Return the keywords for the report."""
        named = {name: self.asked[name] for name in ("layout", "shape", "storage", "normalization") if self.asked[name] is not None}
        return {
            "operator": self.operator.name,
            "model": self.operator.model,
            "size": self.operator.shape,
            "normalization_value": self.operator.normalization,
            **named,
            **{name: value for name, value in self.options.items() if name != "levels"},
        }


def _described(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, Iterable) else repr(value)
