"""Complex unknowns: Pauli strings, complex vectors, and the arrays that belong to them."""

from __future__ import annotations

import json

import lowrank
import numpy as np
import pytest
from lowrank import CodedDiffraction, InvalidInput, Pauli, RankOne, problem

LETTERS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0, -1.0]),
}


def matrix_of(word: str) -> np.ndarray:
    found = np.eye(1)
    for letter in word:
        found = np.kron(found, LETTERS[letter])
    return found


def state(n: int, rank: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, rank)) + 1j * rng.normal(size=(n, rank))
    return x / np.linalg.norm(x)


def test_strings_are_kronecker_products_and_measure_traces() -> None:
    pauli = Pauli(["XYZ", "IIY", "ZZI", "YXY"])
    x, v = state(8, 2, 1), state(8, 3, 2)
    rho = x @ x.conj().T
    assert pauli.complex and pauli.shape == (8, 8)
    expected = [np.trace(matrix_of(word) @ rho).real for word in pauli.strings]
    np.testing.assert_allclose(pauli.forward(x), expected, atol=1e-12)
    for i, word in enumerate(pauli.strings):
        np.testing.assert_array_equal(pauli.sensing_matrix(i), matrix_of(word))
    r = np.array([0.3, -1.0, 2.0, 0.1])
    whole = sum(factor * matrix_of(word) for factor, word in zip(r, pauli.strings))
    np.testing.assert_allclose(pauli.adjoint_apply(r, v), whole @ v, atol=1e-12)


def test_a_state_comes_from_a_fifth_of_its_expectation_values() -> None:
    x = state(32, 2, 3)
    pauli = Pauli.random(5, 410, seed=1)
    s = lowrank.solve(pauli, pauli.forward(x), truth=x, precision="f64")
    assert s.left.dtype == np.complex128 and s.left.shape[0] == 32
    np.testing.assert_allclose(s.matrix(), x @ x.conj().T, atol=1e-8)
    assert s.best.relative_error < 1e-8 and s.best.fidelity(x) > 1 - 1e-10
    np.testing.assert_allclose(s.best.purity, np.sum(np.linalg.svd(x)[1] ** 4), rtol=1e-6)
    rho = x @ x.conj().T
    again = lowrank.solve(pauli, pauli.forward(x), truth_matrix=rho, init=s.left[:, :2], method="cg", precision="f64")
    assert again.best.relative_error < 1e-8


def test_counts_of_bases_give_the_values_of_their_strings() -> None:
    # GHZ of two qubits, exact: XX agrees, YY differs, ZZ agrees.
    counts = {"XX": {"00": 500, "11": 500}, "YY": {"01": 500, "10": 500}, "ZZ": {"00": 500, "11": 500}}
    pauli = Pauli.from_counts(json.loads(json.dumps(counts)))
    value = dict(zip(pauli.strings, pauli.observations))
    assert (value["XX"], value["YY"], value["ZZ"], value["II"], value["IZ"]) == (1.0, -1.0, 1.0, 1.0, 0.0)
    ghz = np.array([1, 0, 0, 1]) / np.sqrt(2)
    assert lowrank.solve(pauli, precision="f64").best.fidelity(ghz) > 1 - 1e-6


def test_a_basis_measures_the_strings_that_agree_with_it() -> None:
    strings = Pauli(["XX", "XI", "IZ", "II", "YZ"])
    assert strings.settings() == {"XX": [0, 1, 3], "YZ": [2, 4]}
    assert len(Pauli.all(3).settings()) == 27


def test_phases_come_from_the_sizes_of_complex_products() -> None:
    rng = np.random.default_rng(4)
    n, m = 20, 110
    a = rng.normal(size=(m, n)) + 1j * rng.normal(size=(m, n))
    x = state(n, 1, 5)[:, 0]
    vectors = RankOne(a)
    assert vectors.complex
    y = np.abs(a.conj() @ x) ** 2
    np.testing.assert_allclose(vectors.forward(x[:, None]), y, rtol=1e-10)
    s = lowrank.solve(vectors, y, truth=x[:, None], precision="f64")
    assert s.best.relative_error < 1e-6
    assert RankOne.gaussian(6, 40, complex=True).forward(state(6, 1, 1)).shape == (40,)


def test_synthetic_states_are_hermitian() -> None:
    truth = problem.hermitian(8, rank=2, condition_number=2.0, seed=1)
    assert truth.left.dtype == np.complex128 and truth.shape == (8, 8)
    np.testing.assert_allclose(truth.matrix, truth.left @ truth.left.conj().T, atol=1e-12)
    np.testing.assert_allclose(np.linalg.svd(truth.left)[1], [1.0, 0.5], rtol=1e-10)


def test_wrong_complex_input_is_named() -> None:
    pauli = Pauli.all(2)
    y = pauli.forward(state(4, 1, 1))
    with pytest.raises(InvalidInput, match="letter 'Q' in 'XQ'"):
        Pauli(["XQ"])
    with pytest.raises(InvalidInput, match="3 qubits"):
        Pauli(["XX", "XXX"])
    with pytest.raises(InvalidInput, match="conjugates"):
        lowrank.solve(pauli, y, truth_matrix=np.triu(np.ones((4, 4))))
    with pytest.raises(InvalidInput, match="conjugates|psd or signed|model"):
        lowrank.solve(pauli, y, nonnegative=True, truth_matrix=np.triu(np.ones((4, 4))))
    with pytest.raises(InvalidInput, match="'02' of the basis"):
        Pauli.from_counts({"XX": {"02": 1}})
    with pytest.raises(InvalidInput, match="shape"):
        lowrank.solve(pauli, y, truth=np.ones(4))


def test_a_picture_comes_back_from_diffraction_patterns() -> None:
    rng = np.random.default_rng(7)
    x = rng.random((12, 10)) * np.exp(1j * rng.random((12, 10)))
    masks = CodedDiffraction.random_masks(x.shape, 8, seed=1)
    patterns = CodedDiffraction(masks)
    y = np.abs(np.fft.fft2(masks * x)) ** 2
    np.testing.assert_allclose(patterns.forward(x.reshape(-1, 1)), y.ravel(), rtol=1e-9)
    s = lowrank.solve(patterns, y.ravel(), precision="f64")
    found = np.linalg.svd(s.left)[0][:, 0]
    assert abs(np.vdot(found, x.ravel())) / np.linalg.norm(x) > 1 - 1e-6
    with pytest.raises(InvalidInput, match="masks"):
        CodedDiffraction(np.ones(5))


def test_hermitian_matrices_measure_a_complex_unknown() -> None:
    rng = np.random.default_rng(8)
    n, m = 12, 120
    a = rng.normal(size=(m, n, n)) + 1j * rng.normal(size=(m, n, n))
    a = (a + a.conj().swapaxes(1, 2)) / 2
    x = state(n, 2, 9)
    y = np.einsum("mij,ji->m", a, x @ x.conj().T).real
    dense = lowrank.Dense(a)
    assert dense.complex
    np.testing.assert_allclose(dense.forward(x), y, rtol=1e-10)
    np.testing.assert_array_equal(dense.sensing_matrix(3), a[3])
    s = lowrank.solve(a, y, precision="f64")
    np.testing.assert_allclose(s.matrix(), x @ x.conj().T, atol=1e-8)
    with pytest.raises(InvalidInput, match="conjugates"):
        lowrank.Dense(a + 1j * np.ones((n, n)))
    with pytest.raises(InvalidInput, match="shape"):
        lowrank.Dense(a[:, :, :5])


def pair(n1: int, n2: int, rank: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return state(n1, rank, seed) * 3, state(n2, rank, seed + 1)


def test_any_complex_matrix_is_recovered_from_real_parts() -> None:
    rng = np.random.default_rng(8)
    left, right = pair(8, 6, 2, 3)
    matrix = left @ right.conj().T
    a = rng.normal(size=(150, 8, 6)) + 1j * rng.normal(size=(150, 8, 6))
    y = np.einsum("mij,ij->m", a.conj(), matrix).real
    dense = lowrank.Dense(a, model="asymmetric")
    assert dense.complex and dense.shape == (8, 6)
    np.testing.assert_allclose(dense.forward(left, right), y, rtol=1e-10)
    np.testing.assert_array_equal(dense.sensing_matrix(3), a[3])
    v, r = state(6, 3, 9), rng.normal(size=150)
    np.testing.assert_allclose(dense.adjoint_apply(r, v), np.einsum("m,mij->ij", r, a) @ v, rtol=1e-9)
    s = lowrank.solve(dense, y, truth=(left, right), precision="f64")
    assert s.best.relative_error < 1e-8
    np.testing.assert_allclose(s.matrix(), matrix, atol=1e-7)
    again = lowrank.solve(dense, y, truth_matrix=matrix, init=(s.left, s.right), method="gd", max_iterations=1, precision="f64")
    assert again.best.relative_error < 1e-7
    values = np.einsum("mij,ij->m", a[:75].conj(), matrix)
    whole = lowrank.solve(a[:75], values, model="asymmetric", truth_matrix=matrix, precision="f64")
    assert whole.best.relative_error < 1e-8
    both = lowrank.Dense(a[:75], model="asymmetric", complex_values=True)
    np.testing.assert_allclose(both.forward(left, right), values, rtol=1e-10)
    np.testing.assert_allclose(both.adjoint_apply(values, v), np.einsum("m,mij->ij", values, a[:75]) @ v, rtol=1e-9)
    session = lowrank.Session(both, values, backend="cpu")
    np.testing.assert_allclose(session.residual((2 * left, right)), values, rtol=1e-9)
    with pytest.raises(InvalidInput, match="complex_values"):
        lowrank.Dense(a.real, model="asymmetric", complex_values=True)
    a, b = rng.normal(size=(200, 8)) + 1j * rng.normal(size=(200, 8)), rng.normal(size=(200, 6)) + 0j
    products = lowrank.RankOne(a, b)
    np.testing.assert_allclose(products.forward(left, right), ((a.conj() @ left) * (b.conj() @ right).conj()).sum(axis=1).real, rtol=1e-9)


def test_complex_tables_are_completed() -> None:
    truth = problem.complex_asymmetric(20, 15, rank=2, condition_number=2.0, seed=4)
    seen = np.random.default_rng(5).random((20, 15)) < 0.6
    table = np.where(seen, truth.matrix, np.nan)
    entries = lowrank.Entries.from_matrix(table)
    assert entries.complex and entries.measurements == 2 * seen.sum()
    s = lowrank.solve(entries, truth=truth, precision="f64")
    assert s.best.relative_error < 1e-8
    np.testing.assert_allclose(s.matrix(), truth.matrix, atol=1e-7)
    hermitian = problem.hermitian(12, rank=2, seed=4)
    upper = np.triu(np.ones((12, 12), bool)) & (np.random.default_rng(6).random((12, 12)) < 0.9)
    rows, columns = np.nonzero(upper)
    own = lowrank.Entries(rows, columns, hermitian.matrix[upper], (12, 12), model="psd")
    assert lowrank.solve(own, truth=hermitian, precision="f64").best.relative_error < 1e-6
    with pytest.raises(InvalidInput, match="weights"):
        lowrank.Entries([0], [0], [1j], weights=[1.0])
    with pytest.raises(InvalidInput, match="position"):
        lowrank.Entries([3], [0], [1j], (2, 2))
    with pytest.raises(InvalidInput, match="finite"):
        lowrank.Entries([0], [0], [complex(np.nan, 0)])


@pytest.mark.parametrize("model", ["psd", "signed", "asymmetric"])
def test_entries_of_complex_matrices_are_predicted(tmp_path, model: str) -> None:
    symmetric = model != "asymmetric"
    truth = state(12, 2, 7)
    m = truth @ truth.conj().T if symmetric else truth @ state(9, 2, 8).conj().T
    if model == "signed":
        m = m - 0.3 * state(12, 1, 9) @ state(12, 1, 9).conj().T
    rng = np.random.default_rng(1)
    a = rng.normal(size=(400, *m.shape)) + 1j * rng.normal(size=(400, *m.shape))
    a = (a + a.conj().transpose(0, 2, 1)) / 2 if symmetric else a
    y = np.einsum("mij,ij->m", a.conj(), m).real
    signature = (4, 4) if model == "signed" else None
    fit = lowrank.solve(a, y, model=model, signature=signature, precision="f64")
    found = fit.matrix()
    assert np.linalg.norm(found - m) < 1e-6 * np.linalg.norm(m)
    rows, columns = [0, 3, 8, 5], [1, 3, 0, 7]
    factors = lowrank.Factors(fit)
    factors.save(tmp_path / "f.npz")
    for of in (fit, factors, tmp_path / "f.npz"):
        values = lowrank.predict(of, rows, columns)
        assert np.iscomplexobj(values)
        np.testing.assert_allclose(values, found[rows, columns], atol=1e-12)
    assert factors.left.dtype == np.complex128 and factors.right.shape[0] == m.shape[1]
    names = [f"a{at}" for at in range(m.shape[0])], 100 + np.arange(m.shape[1])
    named = lowrank.Factors(fit, rows=names[0], columns=names[1])
    named.save(tmp_path / "named.npz")
    for of in (named, tmp_path / "named.npz"):
        values = lowrank.predict(of, ["a0", "a3", "a8"], [101, 103, 100])
        np.testing.assert_allclose(values, found[rows[:3], columns[:3]], atol=1e-12)
    with pytest.raises(InvalidInput, match="complex factors"):
        lowrank.predict(fit, rows, top=2)
    with pytest.raises(InvalidInput, match="complex factors"):
        lowrank.fold_in(fit, [20], [1], [1.0])
