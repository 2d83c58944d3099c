"""Figures, drawn with matplotlib if it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._solution import Solution
    from ._studies import Comparison

PHASE = {"color": "0.5", "linewidth": 0.8, "linestyle": ":"}


def _figure(panels: int) -> tuple[Any, Any]:
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError("plot() needs matplotlib: pip install matplotlib") from None
    return plt.subplots(1, panels, figsize=(4.8 * panels, 3.6), layout="constrained", squeeze=False)


def _log(ax: Any) -> None:
    ax.set_yscale("log")
    ax.grid(True, which="major", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def solution(s: Solution, axes: Any) -> Any:
    if axes is None:
        figure, found = _figure(2)
        axes = found[0]
    else:
        figure = axes[0].figure
    left, right = axes
    trace = s.trace
    shown = [
        (name, label)
        for name, label in [
            ("relative_error", "relative error"),
            ("relative_residual", "relative residual"),
        ]
        if np.isfinite(trace[name]).any()
    ]
    many = len(s.trials) > 1
    best = s.report["best_trial"]
    if many:
        shown = shown[:1]
    styles = {"relative_error": "-", "relative_residual": "--" if len(shown) > 1 else "-"}
    for trial in range(len(s.trials)):
        of = trace["trial"] == trial
        chosen = trial == best
        for at, (name, label) in enumerate(shown):
            colour = ("C0" if chosen else "0.75") if many else f"C{at}"
            left.plot(
                trace["iteration"][of],
                trace[name][of],
                styles[name],
                color=colour,
                linewidth=1.8 if chosen else 1.0,
                zorder=3 if chosen else 2,
                label=(f"trial {trial}, the best" if many else label) if chosen else None,
            )
    _log(left)
    left.set_xlabel("iteration")
    left.set_ylabel(shown[0][1] if len(shown) == 1 else "relative error and residual")
    if many:
        other = left.plot([], [], color="0.75", linewidth=1.0)[0]
        handles, labels = left.get_legend_handles_labels()
        rest = len(s.trials) - 1
        left.legend([*handles, other], [*labels, f"the other {rest}" if rest > 1 else "the other"], frameon=False)
    elif len(shown) > 1:
        left.legend(frameon=False)
    left.set_title(f"{s.status} after {s.best.report['iterations']} iterations", fontsize=10)

    values = s.singular_values
    rank = s.best.report["estimated_rank"]
    number = np.arange(1, len(values) + 1)
    positive = values > 0
    kept = positive & (number <= rank)
    right.plot(number[kept], values[kept], "o", color="C0", markersize=5, label=f"the first {rank}")
    surplus = positive & (number > rank)
    if surplus.any():
        right.plot(number[surplus], values[surplus], "o", color="0.7", markersize=5, label="surplus columns")
        right.axvline(rank + 0.5, **PHASE)
    _log(right)
    right.set_xlabel("number")
    right.set_ylabel("singular value of U" if s.best._right is None else "root of singular value of L Rᵀ")
    right.set_title(f"estimated rank {rank} of {len(values)} columns", fontsize=10)
    right.xaxis.get_major_locator().set_params(integer=True)
    if surplus.any():
        right.legend(frameon=False)
    return figure


def comparison(c: Comparison, ax: Any) -> Any:
    if ax is None:
        figure, found = _figure(1)
        ax = found[0][0]
        figure.set_size_inches(6.4, 4.0)
    else:
        figure = ax.figure
    curves = c.curves
    labels = list(dict.fromkeys(curves["label"]))
    for at, label in enumerate(labels):
        of = (curves["label"] == label) & (curves["trial"] == 0)
        style = "-" if at < 10 else "--"
        ax.plot(curves["iteration"][of], curves[c.metric][of], style, color=f"C{at % 10}", label=label, linewidth=1.5)
    _log(ax)
    ax.set_xlabel("iteration")
    ax.set_ylabel(c.metric.replace("_", " "))
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
