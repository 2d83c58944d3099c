"""What is accepted, what is copied, what is refused and how."""

import numpy as np
import pytest

import lowrank
from says import refused


def test_any_order_type_and_strides_give_the_same(example):
    A, y = example.A, example.y
    wide = np.zeros((400, 20, 40))
    wide[:, :, ::2] = A
    reference = example.solve(precision="f64").left
    for name, B in {
        "fortran": np.asfortranarray(A),
        "strided": wide[:, :, ::2],
        "negative strides": A[::-1][::-1],
        "big endian": A.astype(">f8"),
        "flat": A.reshape(400, 400),
        "packed": example.packed,
        "lists": A.tolist(),
    }.items():
        s = example.solve(B, precision="f64", layout="full" if name == "flat" else None)
        np.testing.assert_allclose(s.left, reference, rtol=1e-9, atol=1e-12, err_msg=name)
    for B in (np.round(10 * A).astype(np.int16), np.round(10 * A).astype(">i4"), (A > 0), A.astype(np.float16)):
        C = np.asarray(B, dtype=np.float64)
        C = (C + C.transpose(0, 2, 1)) / 2
        op = lowrank.Dense(B)
        np.testing.assert_array_equal(op.sensing_matrix(3), C[3])
    for z in (y[:, None], np.asfortranarray(y[None]), y.astype("f4"), y[::-1][::-1], list(y)):
        assert example.solve(y=z).status == "Converged"


def test_batches_of_observations(example):
    s = example.solve(y=np.stack([example.y, 2 * example.y]))
    assert len(s.trials) == 2
    np.testing.assert_allclose(s.trials[1].matrix(), 2 * example.M, atol=1e-2)


def test_packed_rows_are_read_where_they_lie(example):
    packed = example.packed.astype("f4")
    op = lowrank.Dense(packed)
    before = op.sensing_matrix(0)[0, 0]
    packed[0, 0] += 1
    assert op.sensing_matrix(0)[0, 0] == pytest.approx(before + 1)
    copied = lowrank.Dense(np.asfortranarray(packed))
    packed[0, 0] += 1
    assert copied.sensing_matrix(0)[0, 0] == pytest.approx(before + 1)


def test_the_array_lives_as_long_as_the_operator(example):
    op = lowrank.Dense(example.packed.copy())
    noise = [np.full(example.packed.shape, np.nan) for _ in range(8)]
    np.testing.assert_array_equal(op.sensing_matrix(5), example.A[5])
    assert len(noise) == 8


def test_a_memmap_is_not_loaded(example, tmp_path):
    path = tmp_path / "A.npy"
    np.save(path, example.packed.astype("f4"))
    mapped = np.load(path, mmap_mode="r")
    op = lowrank.Dense(mapped)
    assert [part["place"] for part in op.memory] == ["file"]
    assert example.error(example.solve(op)) < 1e-4
    raw = np.memmap(path, dtype="f4", mode="r", offset=128, shape=mapped.shape)
    np.testing.assert_array_equal(lowrank.Dense(raw[10:]).sensing_matrix(0), op.sensing_matrix(10))


class Protocol:
    """An array of another library: it offers one protocol and nothing else."""

    def __init__(self, values, name):
        self._values, self._name = values, name

    def __getattr__(self, name):
        if name == self.__dict__.get("_name") or (self.__dict__.get("_name") == "__dlpack__" and name == "__dlpack_device__"):
            return getattr(self._values, name)
        raise AttributeError(name)


class WithArray:
    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype=dtype)


def test_array_protocols(example):
    for A in (
        WithArray(example.packed),
        Protocol(example.packed, "__array_interface__"),
        Protocol(example.packed, "__dlpack__"),
        memoryview(example.packed),
    ):
        op = lowrank.Dense(A)
        np.testing.assert_array_equal(op.sensing_matrix(1), example.A[1])


def test_torch(example):
    torch = pytest.importorskip("torch")
    s = example.solve(torch.from_numpy(example.A), torch.from_numpy(example.y))
    assert s.status == "Converged" and example.error(s) < 1e-4


def test_refusals_are_those_of_the_command_line(example):
    A, y = example.A, example.y
    bad = A.copy()
    bad[7, 2, 3] = np.nan
    with refused("matrices", "NaN", "measurement 7", "[7, 2, 3]", "finite"):
        example.solve(bad)
    inf = y.copy()
    inf[11] = np.inf
    with refused("observations", "inf", "11"):
        example.solve(y=inf)
    with refused("observations", "(399,)", "400"):
        example.solve(y=y[:-1])
    with refused("complex"):
        example.solve(y=y.astype(complex))
    with refused("matrices", "object"):
        example.solve(np.array([None, 1]))
    with refused("matrices", "20"):
        example.solve(A[0])
    with refused("matrices", "asymmetric"):
        example.solve(A[:, 1:])
    with refused("truth", "(19, 2)"):
        example.solve(truth=example.X[1:])
    with refused("stop_relative_error", "truth"):
        example.solve(stop_relative_error=1e-3)
    with refused("truth", "psd"):
        example.solve(truth=(example.X, example.X))


@pytest.mark.parametrize(
    ("keyword", "value", "piece"),
    [
        ("search_rank", 0, "1"),
        ("search_rank", -3, "whole"),
        ("search_rank", 2.5, "whole"),
        ("search_rank", [], "one"),
        ("step_size", float("nan"), "positive"),
        ("step_size", "fast", "number"),
        ("init_scale", 0, "positive"),
        ("method", "newton", "prec-gd"),
        ("precision", "f16", "mixed"),
        ("backend", "tpu", "reference"),
        ("model", "rectangular", "asymmetric"),
        ("layout", "diagonal", "packed"),
        ("normalization", "2/m", "auto"),
        ("holdout", 1.5, "1"),
        ("observe", "often", "every:J"),
        ("loss", "cubic", "huber"),
        ("init_std", "m", "k"),
        ("step_rule", "wolfe", "armijo"),
        ("device_memory", "lots", "size"),
        ("damping", 0.1, "scaled-gd"),
    ],
)
def test_keywords_are_refused_by_name(example, keyword, value, piece):
    with refused(keyword, piece) as error:
        example.solve(**{keyword: value})
    assert isinstance(error.value, ValueError) and "--" not in str(error.value)


def test_masks_and_sparse_matrices_are_not_dropped_silently(example):
    with refused("masked"):
        lowrank.Dense(np.ma.masked_greater(example.A, 1))
    sp = pytest.importorskip("scipy.sparse")
    with refused("Sparse"):
        lowrank.Dense(sp.csr_array(example.packed))


def test_keywords_beside_an_operator_are_refused(example):
    with refused("model", "operator"):
        example.solve(lowrank.Dense(example.A), model="psd")


def test_a_missing_device_is_a_runtime_error(example):
    with pytest.raises(RuntimeError) as error:
        example.solve(backend="gpu:no such card")
    assert isinstance(error.value, lowrank.LowrankError) and "no such card" in str(error.value)
