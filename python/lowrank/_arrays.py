"""Conversion of user input to contiguous NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._lowrank import InvalidInput


def array(value: Any, name: str) -> np.ndarray:
    """Convert `value` to an array in C or Fortran order, without a copy if possible.

    Accepts NumPy arrays (``memmap`` included), anything with ``__array__``, ``__array_interface__``, the buffer protocol or
    ``__dlpack__`` (a ``torch.Tensor`` on the CPU), and nested lists.
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InvalidInput(
            f"{name}: found masked numbers; allowed: an array without a mask. Remove those measurements, or pass the "
            "known entries to Entries"
        )
    if not isinstance(value, np.ndarray):
        if _is_sparse(value):
            raise InvalidInput(
                f"{name}: found a scipy.sparse matrix; allowed: an array. Sparse(A) takes sparse sensing matrices, "
                "Entries.from_matrix(R) a sparse matrix of ratings"
            )
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            value = np.from_dlpack(value)
        else:
            try:
                value = np.asarray(value)
            except ValueError as error:
                raise InvalidInput(f"{name}: found no array ({error}); allowed: numbers. Pass lists of equal lengths") from None
    if value.flags.c_contiguous or value.flags.f_contiguous:
        return value
    return np.ascontiguousarray(value)


def optional(value: Any, name: str) -> np.ndarray | None:
    return None if value is None else array(value, name)


def factors(value: Any, name: str) -> Any:
    """Convert a truth X, (L, R) or (X, (p, q)); pass a made truth through."""
    if isinstance(value, tuple) and len(value) == 2:
        first, second = value
        if isinstance(second, tuple):
            return array(first, name), second
        return array(first, name), array(second, name)
    return array(value, name)


def places(value: Any, name: str) -> np.ndarray:
    """Convert positions to int64."""
    found = array(value, name)
    if found.dtype.kind not in "iu" or found.ndim != 1:
        raise InvalidInput(
            f"{name}: found an array of shape {found.shape} of {found.dtype}; allowed: whole numbers, shape (m,). "
            "Pass one per entry"
        )
    return np.ascontiguousarray(found, dtype=np.int64)


def _is_sparse(value: Any) -> bool:
    return type(value).__module__.startswith("scipy.sparse")
