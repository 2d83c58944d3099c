"""Conversion of user input to contiguous NumPy arrays."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ._lowrank import InvalidInput
from ._warnings import TransferWarning, warn


def array(value: Any, name: str) -> np.ndarray:
    """Convert `value` to an array in C or Fortran order, without a copy if possible.

    Accepts NumPy arrays (``memmap`` included), anything with ``__array__``, ``__array_interface__``, the buffer protocol or
    ``__dlpack__`` (a ``torch.Tensor`` on the CPU), and nested lists. An array of an accelerator (``__dlpack__`` of another device, or
    ``__cuda_array_interface__``) is copied to the host once, with a ``TransferWarning``.
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InvalidInput(
            f"{name}: found masked numbers; allowed: an array without a mask. Remove those measurements, or pass the "
            "known entries to Entries"
        )
    if not isinstance(value, np.ndarray):
        if is_sparse(value):
            raise InvalidInput(
                f"{name}: found a scipy.sparse matrix; allowed: an array. Sparse(A) takes sparse sensing matrices, "
                "Entries.from_matrix(R) a sparse matrix of ratings"
            )
        value = _from_accelerator(value, name) if _is_on_accelerator(value) else _on_host(value, name)
    if value.flags.c_contiguous or value.flags.f_contiguous:
        return value
    return np.ascontiguousarray(value)


def _on_host(value: Any, name: str) -> np.ndarray:
    if getattr(value, "requires_grad", False):
        value = value.detach()
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value)
    try:
        return np.asarray(value)
    except ValueError as error:
        raise InvalidInput(f"{name}: found no array ({error}); allowed: numbers. Pass lists of equal lengths") from None


# Device types of DLPack whose memory the host reads: kDLCPU, kDLCUDAHost and kDLROCMHost.
HOST_DEVICES = (1, 3, 11)


def _is_on_accelerator(value: Any) -> bool:
    if hasattr(value, "__dlpack_device__"):
        return int(value.__dlpack_device__()[0]) not in HOST_DEVICES
    return hasattr(value, "__cuda_array_interface__")


def _from_accelerator(value: Any, name: str) -> np.ndarray:
    """Copy an array of an accelerator to the host, by its own library or by one that reads the CUDA protocol."""
    whole = f"{type(value).__module__.split('.')[0]}.{type(value).__name__}"
    failures = []
    for copy in _copies(value):
        try:
            found = np.asarray(copy())
        except ImportError:
            continue
        # Every library has errors of its own.
        except Exception as error:
            failures.append(f"{type(error).__name__}: {error}")
            continue
        warn(
            f"{name}: lowrank copied a {whole} of {found.nbytes / 2**20:.3g} MiB from its device to the host. Pass a NumPy array to "
            "copy it only once for several runs",
            TransferWarning,
        )
        return found
    why = f" ({failures[0]})" if failures else ""
    raise InvalidInput(
        f"{name}: found a {whole} on an accelerator, which no installed library copies to the host{why}; allowed: an array that the "
        "host reads, or one of torch, cupy or jax. Install cupy or numba, or pass a NumPy copy"
    )


def _copies(value: Any) -> list[Callable[[], Any]]:
    """Return the ways to copy an array to the host, the surest first."""
    ways: list[Callable[[], Any]] = []
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        ways.append(lambda: value.detach().cpu())
    if type(value).__module__.split(".")[0] == "cupy":
        ways.append(lambda: value.get())
    if hasattr(value, "__dlpack__"):
        ways.append(lambda: np.from_dlpack(value, device="cpu", copy=True))
    if hasattr(value, "__array__"):
        ways.append(lambda: value.__array__())
    if hasattr(value, "__cuda_array_interface__"):
        ways.append(lambda: importlib.import_module("cupy").asarray(value).get())
        ways.append(lambda: importlib.import_module("numba.cuda").as_cuda_array(value).copy_to_host())
        ways.append(lambda: importlib.import_module("torch").as_tensor(value, device="cuda").cpu())
    return ways


def optional(value: Any, name: str) -> np.ndarray | None:
    return None if value is None else array(value, name)


def stacked(value: Any, name: str) -> np.ndarray:
    """Convert complex numbers to real ones, real parts above imaginary parts: (…, n, k) to (…, 2n, k)."""
    found = array(value, name)
    if found.ndim < 2:
        raise InvalidInput(f"{name}: found an array of shape {found.shape}; allowed: a matrix. Pass an array with two axes")
    return np.ascontiguousarray(np.concatenate([found.real, found.imag], axis=-2), dtype=np.float64)


def unstacked(found: np.ndarray) -> np.ndarray:
    """Return complex numbers of real parts above imaginary parts."""
    n = found.shape[-2] // 2
    numbers = np.empty((*found.shape[:-2], n, found.shape[-1]), complex)
    numbers.real, numbers.imag = found[..., :n, :], found[..., n:, :]
    return numbers


def real_form(value: Any, name: str, symmetric: bool = True) -> np.ndarray:
    """Convert A + iB, Hermitian where ``symmetric``, to [[A, -B], [B, A]]."""
    found = array(value, name)
    if found.ndim == 2 and not symmetric:
        return np.ascontiguousarray(np.block([[found.real, -found.imag], [found.imag, found.real]]), dtype=np.float64)
    if found.ndim != 2 or found.shape[0] != found.shape[1]:
        raise InvalidInput(f"{name}: found an array of shape {found.shape}; allowed: a square matrix. Pass the whole matrix")
    gap = np.abs(found - found.conj().T)
    if gap.max(initial=0.0) > 1e-6 * np.abs(found).max(initial=0.0):
        i, j = np.unravel_index(np.argmax(gap), gap.shape)
        raise InvalidInput(
            f"{name}: found entries ({i}, {j}) and ({j}, {i}) that differ from each other's conjugates by {gap[i, j]:.1e}; allowed: a "
            "Hermitian matrix. Pass (M + M.conj().T) / 2, or check it"
        )
    return np.ascontiguousarray(np.block([[found.real, -found.imag], [found.imag, found.real]]), dtype=np.float64)


def factors(value: Any, name: str, complex_: bool = False) -> Any:
    """Convert a truth X, (L, R) or (X, (p, q)); pass a made truth through."""
    if isinstance(value, tuple) and len(value) == 2:
        first, second = value
        if isinstance(second, tuple):
            return (stacked if complex_ else array)(first, name), second
        return (stacked if complex_ else array)(first, name), (stacked if complex_ else array)(second, name)
    return (stacked if complex_ else array)(value, name)


def places(value: Any, name: str) -> np.ndarray:
    """Convert positions to int64."""
    found = array(value, name)
    if found.dtype.kind not in "iu" or found.ndim != 1:
        raise InvalidInput(
            f"{name}: found an array of shape {found.shape} of {found.dtype}; allowed: whole numbers, shape (m,). "
            "Pass one per entry"
        )
    return np.ascontiguousarray(found, dtype=np.int64)


def is_sparse(value: Any) -> bool:
    return type(value).__module__.startswith("scipy.sparse")
