"""The estimators: scikit-learn's own checks, every form of input, and what they recover."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import lowrank
from lowrank._completion import EXPECTED_FAILED_CHECKS
from says import assert_says, refused

pytest.importorskip("sklearn")
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402


class Holes:
    """A 40 x 30 matrix of rank 3, half of it observed, in every form."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.M = rng.standard_normal((40, 3)) @ rng.standard_normal((3, 30))
        self.known = rng.random(self.M.shape) < 0.5
        self.X = np.where(self.known, self.M, np.nan)
        rows, columns = np.nonzero(self.known)
        self.sparse = sp.coo_array((self.M[rows, columns], (rows, columns)), shape=self.M.shape)
        self.wide = pd.DataFrame(self.X, index=[f"row {i}" for i in range(40)], columns=[f"column {j}" for j in range(30)])
        self.long = pd.DataFrame(
            {"user": self.wide.index[rows], "item": self.wide.columns[columns], "rating": self.M[rows, columns]}
        ).sample(frac=1.0, random_state=1)


@pytest.fixture(scope="module")
def holes():
    return Holes()


LONG = {"row": "user", "column": "item", "value": "rating"}


@parametrize_with_checks(
    [
        lowrank.MatrixCompletion(),
        lowrank.MatrixCompletion(biases=True),
        lowrank.MatrixCompletion(2, nonnegative=True),
        lowrank.MatrixSensing(model="asymmetric", shape=(-1, 1)),
    ],
    expected_failed_checks=lambda e: EXPECTED_FAILED_CHECKS if isinstance(e, lowrank.MatrixCompletion) else {},
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_every_form_of_input_is_completed(holes):
    for X in (holes.X, holes.sparse, holes.wide, holes.X.tolist()):
        model = lowrank.MatrixCompletion().fit(X)
        assert model.rank_ == 3
        np.testing.assert_allclose(np.asarray(model.predict()), holes.M, atol=1e-4)
        np.testing.assert_allclose(np.asarray(model.predict(X)), holes.M, atol=1e-4)
        assert model.score(X) > 0.999
    assert isinstance(model.predict(), np.ndarray)


def test_wide_frames_have_their_labels_back(holes):
    model = lowrank.MatrixCompletion().fit(holes.wide)
    for found in (model.predict(), model.predict(holes.wide.iloc[5:9])):
        assert list(found.columns) == list(holes.wide.columns)
    assert list(found.index) == ["row 5", "row 6", "row 7", "row 8"]
    assert list(model.feature_names_in_) == list(holes.wide.columns)


@pytest.mark.parametrize("weighted", [False, True])
def test_long_frames_are_predicted_by_labels(holes, weighted):
    long = holes.long.assign(weight=np.random.default_rng(1).uniform(0.5, 2.0, len(holes.long)))
    model = lowrank.MatrixCompletion(**LONG, weight="weight" if weighted else None).fit(long)
    whole = model.predict().loc[holes.wide.index, holes.wide.columns]
    np.testing.assert_allclose(whole.to_numpy(), holes.M, atol=1e-4)
    asked = pd.DataFrame({"user": ["row 3", "nobody"], "item": ["column 7", "column 7"]}, index=["a", "b"])
    found = model.predict(asked)
    assert list(found.index) == ["a", "b"]
    assert found["a"] == pytest.approx(holes.M[3, 7], abs=1e-4)
    assert found["b"] == pytest.approx(holes.M[:, 7].mean(), abs=1e-3)
    assert model.transform(long).shape == (40, 3) and model.score(long) > 0.999


def test_weights_count(holes):
    """Entries of little weight that are wrong do no harm."""
    wrong = holes.long.assign(weight=1.0)
    at = np.random.default_rng(2).random(len(wrong)) < 0.1
    wrong.loc[at, "rating"] += 3.0
    errors = []
    for weight in (1.0, 1e-6):
        wrong.loc[at, "weight"] = weight
        model = lowrank.MatrixCompletion(3, **LONG, weight="weight", max_iterations=300).fit(wrong)
        errors.append(np.abs(model.predict().loc[holes.wide.index, holes.wide.columns].to_numpy() - holes.M).max())
    assert errors[1] < 0.05 < errors[0]


def test_a_grid_search_over_entries_finds_the_rank(holes):
    long = holes.long.assign(rating=holes.long["rating"] + 0.3 * np.random.default_rng(3).standard_normal(len(holes.long)))
    search = GridSearchCV(lowrank.MatrixCompletion(row="user", column="item", biases=False, options={"ridge": 1e-2}), {"search_rank": [1, 3]}, cv=3)
    search.fit(long[["user", "item"]], long["rating"])
    assert search.best_params_ == {"search_rank": 3}


def test_new_rows_are_the_least_squares_fit(holes):
    model = lowrank.MatrixCompletion(transform_ridge=0.5, biases=False).fit(holes.X)
    x = holes.X[7:8]
    seen = ~np.isnan(x[0])
    f = model.components_[:, seen].T
    expected = np.linalg.solve(f.T @ f + 0.5 * np.eye(3), f.T @ x[0, seen])
    np.testing.assert_allclose(model.transform(x)[0], expected, rtol=1e-9)
    np.testing.assert_allclose(model.inverse_transform(model.transform(x)), expected[None] @ model.components_)
    # The leave-one-out prediction is that of a fit without the entry.
    j = int(np.flatnonzero(seen)[0])
    without = x.copy()
    without[0, j] = np.nan
    left_out = model._rows().left_out(model._rest(model._wide(x, reset=False)))[0]
    assert x[0, j] - left_out == pytest.approx(model.predict(without)[0, j])


def test_biases_on_and_off(holes):
    rng = np.random.default_rng(4)
    shifted = holes.X + 5.0 + 3.0 * rng.standard_normal(30) + 3.0 * rng.standard_normal((40, 1))
    on = lowrank.MatrixCompletion(biases=True).fit(shifted)
    off = lowrank.MatrixCompletion(biases=False).fit(shifted)
    assert abs(on.mean_ - 5.0) < 2.0 and np.ptp(on.column_bias_) > 1.0
    assert off.mean_ == 0.0 and not off.row_bias_.any()
    assert on.transform(shifted).shape[1] == on.rank_ + 1 and off.transform(shifted).shape[1] == off.rank_


def test_nonnegative_factors_recover_a_nonnegative_matrix():
    rng = np.random.default_rng(5)
    W, H = (np.maximum(rng.random((n, 3)) - 0.4, 0.0) for n in (60, 50))
    M = W @ H.T
    X = np.where(rng.random(M.shape) < 0.5, M, np.nan)
    model = lowrank.MatrixCompletion(5, nonnegative=True, stop_residual=1e-4).fit(X)
    assert model.left_.min() >= 0 and model.components_.min() >= 0 and model.transform(X).min() >= 0
    assert np.linalg.norm(model.predict() - M) < 1e-3 * np.linalg.norm(M)
    with refused("nonnegative", "pursuit", "momentum"):
        lowrank.MatrixCompletion(nonnegative=True, method="pursuit").fit(X)
    with refused("biases", "nonnegative"):
        lowrank.MatrixCompletion(nonnegative=True, biases=True).fit(X)


def test_sensing_takes_stacks_rows_sparse_matrices_and_operators(example):
    flat = example.A.reshape(example.m, -1)
    for A in (example.A, flat, sp.csr_array(flat), pd.DataFrame(flat)):
        model = lowrank.MatrixSensing().fit(A, example.y)
        assert model.rank_ == example.rank and model.score(A, example.y) > 0.9999
        np.testing.assert_allclose(model.matrix_, example.M, atol=1e-3)
    op = lowrank.Seeded(20, 400, 3)
    y = op.forward(example.X)
    np.testing.assert_allclose(lowrank.MatrixSensing().fit(op, y).predict(op), y, atol=1e-2)
    wide = lowrank.Dense.gaussian((6, 4), 80, 1, model="asymmetric")
    rng = np.random.default_rng(1)
    y = wide.forward(rng.standard_normal((6, 1)), rng.standard_normal((4, 1)))
    np.testing.assert_allclose(lowrank.MatrixSensing().fit(wide, y).predict(wide), y, atol=1e-2)
    with refused("shape", "23", "-1"):
        lowrank.MatrixSensing().fit(flat[:, :23], example.y)


def test_warnings_are_those_of_scikit_learn_too(holes):
    with pytest.warns(ConvergenceWarning, match="max_iterations") as seen:
        lowrank.MatrixCompletion(method="gd", max_iterations=2).fit(holes.X)
    assert issubclass(seen[0].category, lowrank.ConvergenceWarning) and seen[0].filename == __file__
    with pytest.raises(NotFittedError):
        lowrank.MatrixCompletion().predict()


def test_parameters_are_refused_by_name(holes):
    for parameters, pieces in (
        ({"search_rank": 0}, ["search_rank", "auto"]),
        ({"biases": "yes"}, ["biases"]),
        ({"transform_ridge": -1.0}, ["transform_ridge"]),
        ({"row": "user"}, ["row", "column"]),
        ({"random_state": "x"}, ["random_state"]),
        ({"options": {"seed": 3}}, ["options", "seed"]),
    ):
        with refused(*pieces):
            lowrank.MatrixCompletion(**parameters).fit(holes.X)
    with refused("row", "owner", "user"):
        lowrank.MatrixCompletion(row="owner", column="item", value="rating").fit(holes.long)
    with refused("entry"):
        lowrank.MatrixCompletion().fit(np.full((3, 3), np.nan))


WITHOUT = """
import sys
sys.modules["sklearn"] = None
import numpy as np, lowrank
rng = np.random.default_rng(0)
M = rng.standard_normal((20, 2)) @ rng.standard_normal((2, 15))
X = np.where(rng.random(M.shape) < 0.7, M, np.nan)
model = lowrank.MatrixCompletion(random_state=1).fit(X)
assert np.abs(model.predict(X) - M).max() < 1e-3 and model.fit_transform(X).shape == (20, 2)
assert repr(model.set_params(biases=False)) == "MatrixCompletion(biases=False, random_state=1)"
A = rng.standard_normal((80, 6)); y = A @ np.arange(6.0)
assert lowrank.MatrixSensing(shape=(3, 2)).fit(A, y).score(A, y) > 0.999
for wrong in (X[:, 1:], np.where(np.isnan(X), np.inf, X)):
    try:
        model.predict(wrong)
    except ValueError:
        continue
    raise SystemExit("not refused")
"""


def test_scikit_learn_is_optional():
    assert subprocess.run([sys.executable, "-c", WITHOUT], check=False).returncode == 0
    light = "import sys, lowrank; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", light], check=False).returncode == 0


def test_completion_says_what_is_kept(holes):
    model = lowrank.MatrixCompletion(random_state=np.random.RandomState(0)).fit(holes.X)
    assert_says(repr(model), "MatrixCompletion")
    assert model.n_features_in_ == 30 and list(model.get_feature_names_out()) == [f"matrixcompletion{k}" for k in range(3)]
    np.testing.assert_allclose(model.components_ @ model.components_.T, np.eye(3), atol=1e-9)


def test_a_search_rank_can_be_cross_validated():
    """What estimators call cross-validation is search_rank="auto" of solve."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 30)) + 0.05 * rng.normal(size=(40, 30))
    X[rng.random(X.shape) < 0.4] = np.nan
    model = lowrank.MatrixCompletion("cross-validation", biases=False, backend="cpu").fit(X)
    assert model.rank_ == 3 and model.solution_.selection["search_rank"] == 3
    assert lowrank.MatrixCompletion(biases=False, backend="cpu").fit(X).solution_.selection is None
