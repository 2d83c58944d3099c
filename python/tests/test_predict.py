"""Predictions and new rows from factors: the same numbers as the program's, with ids of arrays and frames."""

import numpy as np
import pytest

import lowrank
from lowrank import InvalidInput, LowrankWarning

RANK = 2


def ratings(seed=1, users=40, movies=30):
    """Return the positions and values of three quarters of a matrix of rank 2 with offsets, and the matrix."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(users, RANK)) @ rng.normal(size=(RANK, movies)) + 3 + rng.normal(size=(users, 1)) / 3
    seen = rng.random(matrix.shape) < 0.75
    rows, columns = np.nonzero(seen)
    return rows, columns, matrix[rows, columns], matrix


def fitted(users=36):
    rows, columns, values, matrix = ratings()
    old = rows < users
    operator = lowrank.Entries(rows[old], columns[old], values[old], (users, 30))
    solution = lowrank.solve(operator, search_rank=3, backend="cpu", precision="f64")
    return solution, (rows, columns, values, matrix)


NAMES = [f"u{i}" for i in range(36)]
MOVIES = 1000 + 7 * np.arange(30)


@pytest.fixture(scope="module")
def factors():
    return lowrank.Factors(fitted()[0], rows=NAMES, columns=MOVIES)


def test_entries_are_those_of_the_matrix(factors):
    solution, (rows, columns, _, matrix) = fitted()
    plain = lowrank.predict(solution, rows[:50], columns[:50])
    assert np.allclose(plain, solution.matrix()[rows[:50], columns[:50]], atol=1e-12)
    assert np.allclose(plain, matrix[rows[:50], columns[:50]], atol=1e-4)
    named = lowrank.predict(factors, [NAMES[i] for i in rows[:50]], MOVIES[columns[:50]].astype(float))
    assert np.array_equal(named, plain)
    texts = lowrank.predict(factors, np.array(NAMES)[rows[:50]], MOVIES[columns[:50]].astype(str))
    assert np.array_equal(texts, plain)
    cut = lowrank.predict(factors, NAMES[:5], MOVIES[:5], clip=(2.9, 3.1))
    assert cut.min() >= 2.9 and cut.max() <= 3.1


def test_unknown_ids_are_nan_or_biases_and_named():
    left, right = np.ones((3, 1)), np.ones((2, 1))
    trial = lowrank.Trial({}, left, right, "asymmetric", 1)
    with pytest.warns(LowrankWarning, match=r"rows: 1 ids.*9.*nan"):
        assert np.isnan(lowrank.predict(trial, [0, 9], [1, 1])[1])
    trial.biases = 1.0, np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.0])
    with pytest.warns(LowrankWarning) as said:
        found = lowrank.predict(trial, [1, 9, 1, 9], [0, 0, 7, 7])
    assert np.allclose(found, [1 + 1.7, 1.5, 1.2, 1.0])
    assert [str(one.message).split(":")[0] for one in said] == ["rows", "columns"]


def test_the_best_columns_come_first_without_those_that_are_left_out(factors):
    (_, _, _, matrix), asked = fitted()[1], ["u4", "u9"]
    table = lowrank.predict(factors, asked, top=3, exclude=(["u4", "u4"], MOVIES[np.argsort(-matrix[4])[:2]]))
    assert table["row"].tolist() == ["u4"] * 3 + ["u9"] * 3
    assert table["rank"].tolist() == [1, 2, 3] * 2
    assert table["column"][:3].tolist() == MOVIES[np.argsort(-matrix[4])[2:5]].tolist()
    assert (np.diff(table["prediction"][:3]) <= 0).all()
    assert len(lowrank.predict(factors, top=2)["row"]) == 72


def test_frames_keep_their_index(factors):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"user": ["u3", "u1"], "movie": [1000, 1007]}, index=[70, 5])
    found = lowrank.predict(factors, frame["user"], frame["movie"])
    assert found.index.tolist() == [70, 5] and found.name == "prediction"
    assert np.array_equal(found, lowrank.predict(factors, ["u3", "u1"], [1000, 1007]))
    best = lowrank.predict(factors, frame["user"], top=1)
    assert best.columns.tolist() == ["row", "rank", "column", "prediction"] and best["row"].tolist() == ["u3", "u1"]


def test_new_rows_and_columns_are_folded_in(factors):
    rows, columns, values, matrix = ratings()
    new = rows >= 36
    done = lowrank.fold_in(factors, [f"u{i}" for i in rows[new]], MOVIES[columns[new]], values[new])
    assert (done.added, done.known, done.unknown) == (4, 0, 0) and done.left_out_rmse < 1e-2
    assert factors.shape == (36, 30) and done.factors.shape == (40, 30)
    assert np.allclose(lowrank.predict(done.factors, ["u37"] * 30, MOVIES), matrix[37], atol=1e-2)
    # A column of the first rows, by their names.
    column = lowrank.fold_in(factors, NAMES, ["later"] * 36, matrix[:36, 3], axis="columns", ridge=1e-9)
    assert (column.added, column.ridge, column.left_out_rmse) == (1, 1e-9, None)
    assert np.allclose(lowrank.predict(column.factors, NAMES, ["later"] * 36), matrix[:36, 3], atol=1e-3)
    assert column.factors.columns[-1] == "later"


def test_files_are_those_of_the_program(factors, tmp_path):
    path = tmp_path / "factors.npz"
    factors.save(path)
    assert sorted(np.load(path)) == ["columns", "left", "right", "rows"]
    again = lowrank.Factors(path)
    assert again.rows.tolist() == NAMES and again.columns.tolist() == MOVIES.tolist() and again.biases is None
    assert np.array_equal(lowrank.predict(str(path), NAMES[:3], MOVIES[:3]), lowrank.predict(factors, NAMES[:3], MOVIES[:3]))
    assert "36 x 30" in repr(again)


def test_signed_and_symmetric_factors_keep_their_signs():
    left = np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 1.0]])
    trial = lowrank.Trial({}, left, None, "signed", 1)
    rows, columns = np.divmod(np.arange(9), 3)
    assert np.allclose(lowrank.predict(trial, rows, columns).reshape(3, 3), trial.matrix())
    with pytest.raises(InvalidInput, match="symmetric"):
        lowrank.fold_in(trial, [5], [0], [1.0])


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda of: lowrank.predict(of, ["u1"]), "columns, top"),
        (lambda of: lowrank.predict(of, ["u1"], [1000], top=3), "columns, top"),
        (lambda of: lowrank.predict(of, ["u1", "u2"], [1000]), "rows"),
        (lambda of: lowrank.predict(of, ["u1", None], [1000, 1000]), "rows"),
        (lambda of: lowrank.predict(of, [0.5], [1000]), "rows"),
        (lambda of: lowrank.predict(of, ["u1"], [1000], clip=(5, 1)), "clip"),
        (lambda of: lowrank.predict(of, ["u1"], [1000], trial=1), "trial"),
        (lambda of: lowrank.predict(of, ["u1"], top=-1), "top"),
        (lambda of: lowrank.predict(np.ones((3, 3)), [0], [0]), "factors"),
        (lambda of: lowrank.fold_in(of, ["v"], [1000], [np.nan]), "values"),
        (lambda of: lowrank.fold_in(of, ["v"], [1000], [1.0, 2.0]), "values"),
        (lambda of: lowrank.fold_in(of, ["v"], [1000], [1.0], axis="both"), "axis"),
        (lambda of: lowrank.fold_in(of, ["v"], [1000], [1.0], ridge=-1.0), "ridge"),
        (lambda of: lowrank.fold_in(of, ["u1"], [1000], [1.0]), "entries"),
        (lambda of: lowrank.Factors(fitted()[0], 4), "trial"),
        (lambda of: lowrank.Factors(fitted()[0], rows=["only"]), "labels"),
    ],
)
def test_slips_are_named(factors, call, name):
    with pytest.raises(InvalidInput, match=rf"^{name}: found "):
        call(factors)
