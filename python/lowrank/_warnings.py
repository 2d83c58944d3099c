"""Warnings: categories, and which findings of a run are worth one."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._solution import Solution


class LowrankWarning(UserWarning):
    """Something about the input that deserves a look. Base class of all warnings of this package."""


class ConvergenceWarning(LowrankWarning):
    """The answer may be wrong: the run ended early, or its result is doubtful."""


class TransferWarning(LowrankWarning):
    """An array was copied from an accelerator to the host."""


# Endings of a run that did not finish its work, each with its remedy.
UNFINISHED = {
    "IterationLimit": "it ended at the largest number of iterations. Raise max_iterations",
    "TimeLimit": "it ended at the time limit. Raise stop_time",
    "Diverged": "it diverged. Lower step_size, or leave it out",
    "DeviceLost": "the device failed. on_device_loss='cpu' continues there",
}
TARGETS = ("stop_relative_error", "stop_loss", "stop_residual")


def of_run(solution: Solution, doubts: list[str], asked: dict[str, object]) -> list[tuple[type[LowrankWarning], str]]:
    """Return the categories and the texts of the warnings that a run deserves.

    Doubts about the input and about the best trial, and endings without an answer, are warnings. Automatic choices and remarks
    are in ``Solution.notices`` only. `asked` has the keywords of the run: a trial that stalled is a miss only where a target was set.
    """
    best = solution.best
    found: list[tuple[type[LowrankWarning], str]] = [(LowrankWarning, text) for text in doubts]
    ended = UNFINISHED.get(best.status)
    missed = [name for name in TARGETS if asked.get(name) is not None]
    if ended is None and best.status in ("Stalled", "Finished") and missed:
        ended = f"it stalled above its target. Raise {missed[0]}, or use precision='mixed' or 'f64'"
    if ended is not None:
        remark = best.report.get("remark")
        found.append((ConvergenceWarning, f"the run is not finished: {ended}" + (f" ({remark})" if remark else "")))
    if best.doubt is not None:
        found.append((ConvergenceWarning, f"the result is doubtful: {best.doubt}"))
    return found


def warn(text: str, category: type[Warning]) -> None:
    """Warn at the line that called this package."""
    frame, level, package = sys._getframe(1), 2, __name__.split(".")[0]
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == package:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
