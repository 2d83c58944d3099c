"""Implicit feedback: counts as confidence in a preference."""

import numpy as np
import pytest

import lowrank
from says import assert_says

ALPHA, RIDGE = 4.0, 3.0


def counts(n1=25, n2=18, seed=0):
    """Poisson counts of a rate of rank 2."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.6, 1.0, (n1, 2)) @ rng.gamma(0.6, 1.0, (2, n2))
    return rng.poisson(rate).astype(float)


def objective(z, found, left, right):
    c, p = 1 + ALPHA * found, (found > 0).astype(float)
    return 0.5 * np.sum(c * (z - p) ** 2) + 0.5 * RIDGE * (np.sum(left**2) + np.sum(right**2))


def alternating_least_squares(found, k, sweeps=2000):
    """Hu, Koren & Volinsky: each row of one factor is a ridge regression against the other."""
    c, p = 1 + ALPHA * found, (found > 0).astype(float)
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(found.shape[0], k)), rng.normal(size=(found.shape[1], k))

    def rows(other, c, p):
        return np.stack([np.linalg.solve((other.T * cu) @ other + RIDGE * np.eye(k), other.T @ (cu * pu)) for cu, pu in zip(c, p)])

    for _ in range(sweeps):
        left = rows(right, c, p)
        right = rows(left, c.T, p.T)
    return left, right


def entries(found):
    rows, columns = np.nonzero(found)
    return lowrank.operators.Entries(rows, columns, found[rows, columns], found.shape)


@pytest.mark.filterwarnings("ignore::lowrank.ConvergenceWarning")
@pytest.mark.parametrize("method", [None, "lbfgs"])
def test_the_solution_is_that_of_alternating_least_squares(method):
    found = counts()
    k = min(found.shape)
    left, right = alternating_least_squares(found, k)
    s = lowrank.solve(
        entries(found),
        implicit=ALPHA,
        ridge=RIDGE,
        search_rank=k,
        method=method or "auto",
        precision="f64",
        stall_window=0,
        max_iterations=3000,
    )
    assert any("method cg" in notice for notice in s.report["notices"]) == (method is None)
    np.testing.assert_allclose(s.matrix(), left @ right.T, atol=1e-5)
    least = objective(left @ right.T, found, left, right)
    assert objective(s.matrix(), found, s.left, s.right) == pytest.approx(least, rel=1e-8)
    c, p = 1 + ALPHA * found, found > 0
    assert s.best.preference["loss"] == pytest.approx(0.5 * np.sum(c * (s.matrix() - p) ** 2), rel=1e-8)


def test_held_out_counts_are_ranked():
    s = lowrank.solve(entries(counts(80, 60, 3)), implicit=ALPHA, holdout=0.2, search_rank=3)
    ranking, popularity = s.best.preference["ranking"], s.best.preference["popularity"]
    assert 0.5 < ranking["auc"] <= 1 and ranking["rows"] == popularity["rows"] > 40
    assert any("implicit feedback" in notice for notice in s.report["notices"])


def test_what_is_no_count_is_refused():
    found = counts()
    rows, columns = np.nonzero(found)
    values = found[rows, columns]
    for operator, options, pieces in [
        (entries(found), {"implicit": -1.0}, ["implicit", "-1", "positive"]),
        (lowrank.operators.Entries(rows, columns, -values), {}, ["count of -"]),
        (lowrank.operators.Entries(rows, columns, values, weights=values), {}, ["weights"]),
        (entries(found), {"loss": "l1"}, ["l1", "square"]),
        (entries(found), {"method": "pursuit"}, ["pursuit", "cg", "lbfgs"]),
        (lowrank.operators.Entries(rows, columns, values, (30, 30), model="psd"), {}, ["psd", "asymmetric"]),
    ]:
        with pytest.raises((lowrank.InvalidInput, lowrank.LowrankError)) as error:
            lowrank.solve(operator, **{"implicit": ALPHA, **options})
        assert_says(str(error.value), *pieces)
    with pytest.raises(lowrank.InvalidInput, match="implicit"):
        lowrank.solve(np.ones((4, 2, 2)), np.ones(4), implicit=1.0)
