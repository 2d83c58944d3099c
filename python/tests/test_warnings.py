"""Which findings of a run are warnings, and arrays of accelerators."""

import sys
import warnings

import numpy as np
import pytest

import lowrank
from says import assert_says, refused


def caught(run):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        run()
    return [(w.category, str(w.message), w.filename) for w in seen]


def test_a_good_run_is_silent_though_it_has_notices(example):
    notices = []
    assert not caught(lambda: notices.extend(example.solve().notices))
    assert notices


def test_endings_and_doubts_are_warnings(example):
    (category, text, where), *rest = caught(lambda: lowrank.solve(example.A, example.y, method="gd", max_iterations=3))
    assert category is lowrank.ConvergenceWarning and where == __file__ and not rest
    assert_says(text, "max_iterations")
    (category, text, _), *_ = caught(lambda: example.solve(truth=example.X[::-1].copy()))
    assert category is lowrank.LowrankWarning
    assert_says(text, "truth", "observations")
    z = np.random.default_rng(1).standard_normal((20, 2))
    signed = np.einsum("mij,ij->m", example.A, example.M - 2 * z @ z.T)
    doubtful = [text for category, text, _ in caught(lambda: lowrank.solve(example.A, signed)) if category is lowrank.ConvergenceWarning]
    assert doubtful and "doubt" in doubtful[0]


class OnDevice:
    """An array of an accelerator: a host copy is made on request only."""

    def __init__(self, values):
        self.values = values

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if dl_device is None or tuple(dl_device) != (1, 0):
            raise BufferError("on a device")
        return self.values.__dlpack__()


class OnlyDlpack:
    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **keywords):
        return self.values.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


class OnlyCuda:
    def __init__(self, values):
        self.__cuda_array_interface__ = {**values.__array_interface__, "data": (0xDEAD0000, False), "version": 3}


def test_arrays_of_accelerators_are_copied_once(example):
    y = OnDevice(example.y)
    found = caught(lambda: lowrank.solve(example.A, y, stop_residual=1e-5))
    assert [category for category, *_ in found] == [lowrank.TransferWarning] and found[0][2] == __file__
    assert_says(found[0][1], "observations", "OnDevice")
    assert not caught(lambda: lowrank.Dense(OnlyDlpack(example.packed)))


def test_the_cuda_protocol_needs_a_library_that_copies(example, monkeypatch):
    for library in ("cupy", "numba", "numba.cuda", "torch"):
        monkeypatch.setitem(sys.modules, library, None)
    with refused("observations", "OnlyCuda", "cupy", "numba"):
        example.solve(y=OnlyCuda(example.y))

    class Cupy:
        @staticmethod
        def asarray(value):
            assert hasattr(value, "__cuda_array_interface__")
            return Cupy

        @staticmethod
        def get():
            return example.y

    monkeypatch.setitem(sys.modules, "cupy", Cupy)
    with pytest.warns(lowrank.TransferWarning):
        assert example.solve(y=OnlyCuda(example.y)).status == "Converged"
