"""Comparisons, sweeps and published experiments."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _lowrank, _tables
from ._options import keywords
from ._progress import Callback, Watch
from ._solve import Run

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._keywords import CompareOptions, SweepOptions

Method = str | tuple[str, dict[str, Any]]


class Comparison:
    """Results of several methods on one problem. ``table``: one row per method, medians over trials; ``curves``: every observation."""

    metric: str
    """Kind of errors: relative_error, an estimate of it from held-out measurements, or relative_residual."""
    interrupted: bool
    notices: list[str]

    def __init__(self, table: bytes, curves: bytes, metric: str, interrupted: bool, notices: list[str]):
        self._table, self._curves, self.metric, self.interrupted, self.notices = table, curves, metric, interrupted, notices

    @functools.cached_property
    def table(self) -> dict[str, np.ndarray]:
        return _tables.columns(self._table)

    @functools.cached_property
    def curves(self) -> dict[str, np.ndarray]:
        return _tables.columns(self._curves)

    def plot(self, axes: Any = None) -> Any:
        """Draw errors over iterations, one line per method (first trial), on a new matplotlib figure or on ``axes``. Returns the figure."""
        from ._plot import comparison

        return comparison(self, axes)

    def __repr__(self) -> str:
        names = ["label", "status", "iterations", "error", "seconds_per_iteration"]
        return _tables.shown({name: self.table[name] for name in names})


PARAMETERS = tuple(_lowrank.method_parameters())


@keywords("compare", without=("step_size", *PARAMETERS))
def compare(
    matrices: Any,
    observations: Any = None,
    *,
    truth: Any = None,
    truth_matrix: Any = None,
    init: Any = None,
    methods: Sequence[Method] | None = None,
    levels: Iterable[float] | None = None,
    callback: Callback | None = None,
    progress: bool = False,
    **options: Unpack[CompareOptions],
) -> Comparison:
    """Run methods on the same measurements from the same start, one after the other.

    methods: words, or (word, {parameter: value}); default: all that fit the model. step_size and parameters of methods belong to the
        methods: ("scaled-gd", {"damping": 1e-2}).
    levels: errors whose iterations and seconds are in the table; default 1e-3, 1e-6, 1e-10.
    truth, truth_matrix, init, callback, progress and the options are those of ``solve``.
    """
    run = Run(matrices, observations, truth, truth_matrix, init, dict(options))
    chosen = None if methods is None else [_method(method, options.get("loss")) for method in methods]
    with Watch(callback, progress) as watch:
        found = _lowrank.compare(
            run.operator._core,
            run.observations,
            run.truth,
            run.truth_matrix,
            run.init,
            chosen,
            run.options,
            None if levels is None else list(levels),
            watch.observer,
        )
    return Comparison(*found)


def _method(method: Method, loss: Any) -> tuple[str, dict[str, Any]]:
    word, own = (method, {}) if isinstance(method, str) else method
    unknown = [name for name in own if name not in (*PARAMETERS, "step_size", "loss")]
    if unknown:
        raise _lowrank.InvalidInput(
            f"methods: found '{unknown[0]}' in '{word}'; allowed: {', '.join((*PARAMETERS, 'step_size', 'loss'))}. "
            "For example ('scaled-gd', {'step_size': 0.5})"
        )
    label = ":".join([word, *(f"{name}={value}" for name, value in own.items())])
    return label, {"loss": loss, **own, "method": word}


class Sweep:
    """Success rates over a grid. ``table``: one row per cell; ``solves``: one row per solve. Both name the operator, the model and the
    method that ran."""

    complete: bool
    notices: list[str]

    def __init__(self, table: bytes, solves: bytes, complete: bool, notices: list[str]):
        self._table, self._solves, self.complete, self.notices = table, solves, complete, notices

    @functools.cached_property
    def table(self) -> dict[str, np.ndarray]:
        return _tables.columns(self._table)

    @functools.cached_property
    def solves(self) -> dict[str, np.ndarray]:
        return _tables.columns(self._solves)

    def __repr__(self) -> str:
        columns = ["n2"] if any(self.table["n"] != self.table["n2"]) else []
        names = ["n", *columns, "rank", "measurements", "count", "successes", "rate"]
        return _tables.shown({name: self.table[name] for name in names})


@keywords("sweep")
def sweep(
    n: int | Iterable[int],
    rank: int | Iterable[int],
    measurements: int | Iterable[int],
    *,
    callback: Any = None,
    progress: bool = False,
    **options: Unpack[SweepOptions],
) -> Sweep:
    """Measure how often a method recovers random matrices, over a grid with a cell for every combination of the lists.

    Each cell has ``repetitions`` solves, with different truths, noise and starts. A solve succeeds at a relative error of at most
    ``success``. n: sizes of the unknown n×n matrix; with ``n2`` its numbers of rows. rank: of the truth.

    callback: gets a dict of ``finished``, ``solves`` and ``iteration``; if it returns True, the sweep ends with the finished solves.
    progress: a bar, if tqdm is installed.
    """
    asked = {"n": n, "rank": rank, "measurements": measurements, **options}
    with Watch(None, progress) as watch:

        def observe(what: dict[str, Any]) -> bool:
            if watch.observer is not None:
                watch.observer(what)
            return bool(callback(what)) if callback is not None else False

        found = _lowrank.sweep(asked, observe if callback is not None or progress else None)
    return Sweep(*found)


class Study:
    """Results of a published experiment. ``claims``: statements of the paper with measured values; ``table``: the same as columns."""

    claims: list[dict[str, Any]]
    interrupted: bool

    def __init__(self, claims: str, figures: list[tuple[str, str, str]], interrupted: bool):
        self.claims = json.loads(claims)
        self.figures = {name: {"svg": svg, "data": text} for name, svg, text in figures}
        """SVG text and CSV data of each figure."""
        self.interrupted = interrupted

    @property
    def table(self) -> dict[str, list[Any]]:
        names = list(dict.fromkeys(name for claim in self.claims for name in claim))
        return {name: [claim.get(name) for claim in self.claims] for name in names}

    @property
    def holds(self) -> bool:
        """Whether no claim failed."""
        return all(claim["verdict"] != "fails" for claim in self.claims)

    def __repr__(self) -> str:
        return _tables.shown({name: self.table[name] for name in ("id", "verdict", "expected", "measured")})


def reproduce(
    study: str,
    experiment: str = "all",
    *,
    quick: bool = False,
    n: int | None = None,
    rank: int | None = None,
    measurements: int | None = None,
    search_rank: int | None = None,
    seed: int = 1,
    backend: str = "auto",
    precision: str | None = None,
    out: str | os.PathLike[str] | None = None,
    callback: Callback | None = None,
    progress: bool = False,
) -> Study:
    """Reproduce a paper's experiments: ss21, or a word of ``lowrank reproduce --help``.

    ``experiment``: for ss21 phases, spectral, scale, width or all. ``out``: a directory for a page, figures and their data."""
    names = ("n", "rank", "measurements", "search_rank", "seed", "backend", "precision")
    given = locals()
    options = {name: given[name] for name in names if given[name] is not None}
    with Watch(callback, progress) as watch:
        found = _lowrank.reproduce(study, experiment, quick, options, None if out is None else os.fspath(out), watch.observer)
    return Study(*found)
