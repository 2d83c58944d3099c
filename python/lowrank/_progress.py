"""Progress for callbacks, and the progress bar."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._arrays import unstacked


@dataclass(frozen=True)
class Progress:
    """One observation of a run. Lists have one value per running trial."""

    iteration: int
    max_iterations: int
    seconds: float
    """Seconds since the start of the iteration."""
    active: int
    """Number of running trials."""
    trial: list[int]
    train_loss: list[float]
    relative_residual: list[float]
    relative_error: list[float | None]
    """Relative errors, with a truth."""
    holdout_loss: list[float | None]
    label: str | None = None
    """Running method or stage of a comparison or a study."""
    left: np.ndarray | None = field(default=None, repr=False)
    """U or L of all trials, (batch, n, k), with ``callback_factors=True``."""
    right: np.ndarray | None = field(default=None, repr=False)
    """R, (batch, n2, k), for the model asymmetric."""


Callback = Callable[[Progress], Any]


class Watch:
    """A callback and a bar as one observer; None without both."""

    def __init__(self, callback: Callback | None, progress: bool, parts: bool = False):
        self.callback = callback
        self.parts = parts
        self.bar: Any = _bar() if progress else None

    @property
    def observer(self) -> Callable[[dict[str, Any]], bool] | None:
        return None if self.callback is None and self.bar is None else self._look

    def _look(self, what: dict[str, Any]) -> bool:
        if self.bar is not None:
            self._show(what)
        if self.callback is None:
            return False
        for side in ("left", "right") if self.parts else ():
            if what.get(side) is not None:
                what[side] = unstacked(what[side])
        try:
            return bool(self.callback(Progress(**what)))
        except StopIteration:
            return True

    def _show(self, what: dict[str, Any]) -> None:
        bar: Any = self.bar
        total = what.get("max_iterations", what.get("solves"))
        if bar.total != total:
            bar.reset(total=total)
        bar.update(what.get("finished", what["iteration"]) - bar.n)
        if what.get("train_loss"):
            words = {"loss": f"{min(what['train_loss']):.2e}"}
            errors = [error for error in what["relative_error"] if error is not None and math.isfinite(error)]
            if errors:
                words["error"] = f"{min(errors):.2e}"
            if what["label"]:
                bar.set_description(what["label"])
            bar.set_postfix(words)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


def _bar() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm(total=1, leave=False)
