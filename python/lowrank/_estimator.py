"""What both estimators share: their parameters for the solver, and its warnings."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _lowrank
from ._lowrank import InvalidInput
from ._protocol import BaseEstimator, EstimatorConvergenceWarning
from ._solution import Solution
from ._solve import OF_OPERATORS, Run
from ._warnings import ConvergenceWarning, of_run, warn

# Parameters of estimators that are keywords of ``solve`` under the same name; None is the library's default.
FOR_SOLVE = ("nonnegative", "method", "max_iterations", "stop_residual", "precision", "backend")


class Estimator(BaseEstimator):
    """Base class of the estimators: a solve with the parameters of scikit-learn."""

    search_rank: Any
    random_state: Any
    options: dict[str, Any] | None

    def _solve(self, operator: Any, observations: Any, **more: Any) -> Solution:
        """Return the solution, and emit the warnings that it deserves."""
        own = {name: getattr(self, name) for name in FOR_SOLVE}
        asked = {**own, **_rank(self.search_rank), **_seed(self.random_state), **more, **self._options()}
        asked = {name: value for name, value in asked.items() if value is not None and value is not False}
        run = Run(operator, observations, None, None, None, asked)
        solution, doubts = run.solved(None, False, False)
        for category, text in of_run(solution, doubts, run.options):
            warn(text, EstimatorConvergenceWarning if category is ConvergenceWarning else category)
        return solution

    def _options(self) -> dict[str, Any]:
        options = self.options or {}
        known = {name for name, *_ in _lowrank.options_of("solve")} - set(OF_OPERATORS)
        taken = {*self.get_params(), "seed"}
        for name in options:
            if name in taken or name not in known:
                allowed = "keywords of solve that are no parameters of the estimator"
                raise InvalidInput(f"options: found '{name}'; allowed: {allowed}. Leave it out, or set the parameter")
        return options


def _rank(search_rank: Any) -> dict[str, Any]:
    """Return the keyword of the search rank. With "auto" the solver's own method grows the rank until further columns are noise; what
    ``solve`` calls "auto" is the cross-validation."""
    if isinstance(search_rank, str) and search_rank in ("auto", "cross-validation"):
        return {} if search_rank == "auto" else {"search_rank": "auto"}
    if isinstance(search_rank, (int, np.integer)) and not isinstance(search_rank, bool) and search_rank >= 1:
        return {"search_rank": int(search_rank)}
    allowed = "\"auto\", \"cross-validation\" or a whole number of at least 1"
    raise InvalidInput(f"search_rank: found {search_rank!r}; allowed: {allowed}. Use \"auto\"")


def _seed(random_state: Any) -> dict[str, Any]:
    """Return the keyword of the seed. None is the library's own seed, so that fits repeat."""
    if random_state is None:
        return {}
    if isinstance(random_state, (int, np.integer)) and random_state >= 0:
        return {"seed": int(random_state)}
    if isinstance(random_state, np.random.RandomState):
        return {"seed": int(random_state.randint(2**31))}
    if isinstance(random_state, np.random.Generator):
        return {"seed": int(random_state.integers(2**31))}
    allowed = "None, a whole number of at least 0, numpy's RandomState or Generator"
    raise InvalidInput(f"random_state: found {random_state!r}; allowed: {allowed}. Pass a whole number to repeat a fit")
