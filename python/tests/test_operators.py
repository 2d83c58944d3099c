import numpy as np
import pytest

import lowrank
from says import refused, says


def operators():
    rng = np.random.default_rng(4)
    yield lowrank.Dense.gaussian(7, 30, 1)
    yield lowrank.Dense.gaussian((5, 8), 30, 1, model="asymmetric", storage="f16")
    yield lowrank.Seeded(7, 30, 1)
    yield lowrank.Rademacher((5, 8), 30, 1, model="asymmetric")
    yield lowrank.RankOne.gaussian(7, 30, 1, products=2)
    yield lowrank.RankOne(rng.standard_normal((30, 5)), rng.standard_normal((30, 8)))
    yield lowrank.Entries(rng.integers(0, 5, 30), rng.integers(0, 8, 30), rng.standard_normal(30), (5, 8))


@pytest.mark.parametrize("op", list(operators()), ids=lambda op: f"{op.name}-{op.model}")
def test_forward_and_adjoint_are_the_definition(op):
    rng = np.random.default_rng(5)
    (n1, n2), k, m = op.shape, 3, op.measurements
    A = np.stack([op.sensing_matrix(i) for i in range(m)])
    L, R, r = rng.standard_normal((n1, k)), rng.standard_normal((n2, k)), rng.standard_normal(m)
    np.testing.assert_allclose(op.forward(L, R), np.einsum("mij,ij->m", A, L @ R.T), rtol=1e-9, atol=1e-9)
    G = np.einsum("m,mij->ij", r, A)
    np.testing.assert_allclose(op.adjoint_apply(r, R), G @ R, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(op.adjoint_apply(r, L, transposed=True), G.T @ L, rtol=1e-9, atol=1e-9)
    if n1 == n2:
        np.testing.assert_allclose(op.forward(L), np.einsum("mij,ij->m", A, L @ L.T), rtol=1e-9, atol=1e-9)
    else:
        with pytest.raises(lowrank.InvalidInput, match="right"):
            op.forward(L)
    with pytest.raises(lowrank.InvalidInput, match="residual"):
        op.adjoint_apply(r[1:], R)
    with pytest.raises(lowrank.InvalidInput, match="left"):
        op.forward(L[1:], R)
    with pytest.raises(lowrank.InvalidInput, match="i: "):
        op.sensing_matrix(m)


def test_sparse_rows_and_lists(example):
    sp = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(6)
    A = np.where(rng.random((600, 12, 12)) < 0.1, rng.standard_normal((600, 12, 12)), 0.0)
    X = rng.standard_normal((12, 2))
    y = np.einsum("mij,ij->m", A, X @ X.T)
    symmetric = (A + A.transpose(0, 2, 1)) / 2
    flat = sp.csr_array(A.reshape(600, 144))
    for given in (flat, sp.coo_matrix(flat), sp.csc_array(flat), [sp.csr_array(a) for a in A]):
        op = lowrank.Sparse(given, shape=(12, 12), normalization="auto")
        np.testing.assert_allclose(op.sensing_matrix(3), symmetric[3], atol=1e-12)
    s = lowrank.solve(flat, y, shape=(12, 12), normalization="auto", search_rank=4, stop_residual=1e-5, backend="cpu")
    assert s.status == "Converged"
    np.testing.assert_allclose(s.matrix(), X @ X.T, atol=1e-2)
    packed = sp.csr_array(symmetric[(slice(None), *np.triu_indices(12))])
    np.testing.assert_allclose(lowrank.Sparse(packed, layout="packed").sensing_matrix(9), symmetric[9], atol=1e-12)
    with pytest.raises(lowrank.InvalidInput, match="matrices"):
        lowrank.Sparse(example.A)


def test_entries(example):
    sp = pytest.importorskip("scipy.sparse")
    rows, columns = np.array([0, 1, 1, 4]), np.array([2, 0, 0, 3])
    values = np.array([1.0, 2.0, 4.0, 5.0])
    op = lowrank.Entries(rows, columns, values)
    assert op.shape == (5, 4) and op.measurements == 3 and says(op.notices[0], "repeat")
    assert sorted(op.observations) == [1.0, 3.0, 5.0]
    M = np.full((5, 4), np.nan)
    M[rows, columns] = values
    assert lowrank.Entries.from_matrix(M).measurements == 3
    ratings = sp.coo_matrix((values, (rows, columns)), shape=(6, 6))
    assert lowrank.Entries.from_matrix(ratings, model="psd").shape == (6, 6)
    for bad, pieces in (
        ((rows - 1, columns, values), ["rows", "-1"]),
        ((rows[1:], columns, values), ["3 rows", "4 columns"]),
        ((rows * 0.5, columns, values), ["whole"]),
        ((rows, columns, values, (3, 4)), ["entries"]),
        ((rows, columns, values * np.nan), ["finite"]),
    ):
        with refused(*pieces):
            lowrank.Entries(*bad)
    with pytest.raises(lowrank.InvalidInput, match="observations"):
        lowrank.solve(op, values)


def test_truths_and_noise():
    truth = lowrank.problem.psd(9, rank=3, condition_number=2.0, seed=5)
    np.testing.assert_allclose(np.linalg.svd(truth.left, compute_uv=False), [1.0, 0.75, 0.5])
    np.testing.assert_allclose(truth.matrix, truth.left @ truth.left.T)
    op = lowrank.Dense.gaussian(9, 2000, 1)
    y = truth.measure(op)
    np.testing.assert_allclose(y, op.forward(truth.left), rtol=1e-9, atol=1e-12)
    assert np.std(truth.measure(op, noise_std=0.1, seed=1) - y) == pytest.approx(0.1, rel=0.1)
    with pytest.raises(lowrank.InvalidInput, match="rank"):
        lowrank.problem.psd(3, rank=4)


def test_complex_vectors_are_lifted():
    rng = np.random.default_rng(8)
    a = rng.standard_normal((9, 4)) + 1j * rng.standard_normal((9, 4))
    x = rng.standard_normal(4) + 1j * rng.standard_normal(4)
    lifted = lowrank.RankOne(lowrank.RankOne.lift(a))
    real = np.concatenate([x.real, x.imag])[:, None]
    np.testing.assert_allclose(lifted.forward(real), np.abs(a.conj() @ x) ** 2)


def test_weighted_entries_are_a_weighted_least_squares_fit():
    rng = np.random.default_rng(4)
    rows, columns = np.indices((12, 9)).reshape(2, -1)
    values, weights = rng.standard_normal(len(rows)), rng.uniform(0.1, 3, len(rows))
    entries = lowrank.Entries(rows, columns, values, weights=weights)
    best = lowrank.solve(entries, search_rank=1, method="lbfgs", precision="f64", max_iterations=2000).best
    left, right = best.left[:, 0], best.right[:, 0]
    w, y = np.zeros((12, 9)), np.zeros((12, 9))
    w[rows, columns], y[rows, columns] = weights, values
    # The normal equations of each factor hold where the other is given.
    np.testing.assert_allclose((w * np.outer(left, right)) @ right, (w * y) @ right, atol=1e-5)
    np.testing.assert_allclose((w * np.outer(left, right)).T @ left, (w * y).T @ left, atol=1e-5)


def test_weights_are_one_for_each_entry():
    with pytest.raises(lowrank.InvalidInput, match="weights"):
        lowrank.Entries([0, 1], [0, 1], [1.0, 2.0], weights=[1.0])
