"""Writes the .npy and .npz files in this directory. Made with NumPy 2.4.6; the tests read them and do not need NumPy."""

import os

import numpy as np

os.chdir(os.path.dirname(os.path.abspath(__file__)))
base = np.arange(24).reshape(2, 3, 4)

np.save("c_f8.npy", base / 4 - 1)
np.save("fortran_f4.npy", np.asfortranarray((base / 4 - 1).astype("<f4")))
np.save("big_f8.npy", (base / 4 - 1).astype(">f8"))
np.save("big_i4.npy", (base - 7).astype(">i4"))
np.save("f2.npy", (base / 4 - 1).astype("f2"))
for kind in ["i1", "i2", "i8", "u1", "u2", "u4", "u8"]:
    np.save(f"{kind}.npy", (base + (0 if kind[0] == "u" else -7)).astype(kind))
np.save("bool.npy", base % 3 == 0)
np.save("scalar.npy", np.array(2.5))
np.save("beyond_2_53.npy", np.array([[1, 2], [3, 2**53 + 1]], dtype="i8"))
np.save("complex.npy", np.array([1 + 2j, 3j]))
np.save("text.npy", np.array(["a", "bc"]))
np.save("record.npy", np.zeros(2, dtype=[("a", "f8"), ("b", "i4", (2,))]))
np.save("date.npy", np.array(["2020-01-01"], dtype="M8[D]"))
np.save("object.npy", np.array([None, 1], dtype=object), allow_pickle=True)
np.save("matrices.npy", np.array([[[1.0, 2.0], [4.0, 3.0]], [[0.5, -1.0], [-1.0, 8.0]], [[0.0, 6.0], [0.0, 0.0]]]))
np.savez("stored.npz", left=base / 2, other=np.arange(3.0))
np.savez_compressed("deflated.npz", left=np.asfortranarray(base / 2), other=np.arange(3.0))

# Sparse matrices of scipy: three ways of the same one.
import scipy.sparse as sparse  # noqa: E402

A = sparse.coo_matrix(([7.0, 2.0, -1.0, 1.0], ([2, 0, 2, 0], [0, 5, 1, 0])), shape=(3, 6))
for name in ["coo", "csr", "csc"]:
    sparse.save_npz(f"sparse_{name}.npz", A.asformat(name), compressed=name == "csr")
