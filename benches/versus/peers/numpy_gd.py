"""One gradient descent iteration as one would write it in NumPy: full matrices and packed ones; a batch with two GEMMs."""
import numpy as np

from worker import Problem, agree, arguments, serve

args = arguments()
problem = Problem(args)
n, m, k, batch, y, step = problem.n, problem.m, problem.k, problem.batch, problem.y, problem.step
A, F = problem.packed, problem.full()
rows, columns, twice = problem.rows, problem.columns, problem.twice
U = problem.start


def full():
    e = F @ (U[0] @ U[0].T).ravel() - y[0]
    return (e @ F).reshape(n, n) @ U[0]


def packed():
    e = A @ (twice * (U[0] @ U[0].T)[rows, columns]) - y[0]
    G = np.zeros((n, n), np.float32)
    G[rows, columns] = e @ A
    G = np.triu(G) + np.triu(G, 1).T
    return G @ U[0]


def full_batch():
    Z = np.einsum("bik,bjk->ijb", U, U, optimize=True).reshape(n * n, batch)
    E = F @ Z - y.T
    G = (F.T @ E).reshape(n, n, batch)
    return np.matmul(np.moveaxis(G, 2, 0), U)


def packed_batch():
    Z = twice[:, None] * np.einsum("bik,bjk->ijb", U, U, optimize=True)[rows, columns]
    E = A @ Z - y.T
    G = np.zeros((n, n, batch), np.float32)
    G[rows, columns] = A.T @ E
    G[columns, rows] = G[rows, columns]
    return np.matmul(np.moveaxis(G, 2, 0), U)


# A square product of matrices that BLAS does best, as the limit of a batch.
SIDE = min(2048, m)
square = np.random.default_rng(2).random((2, SIDE, SIDE), dtype=np.float32)

agree(full(), packed())
programs = {"numpy_full": lambda: U[0] - step * full(), "numpy_packed": lambda: U[0] - step * packed()}
if batch > 1:
    agree(full(), full_batch()[0])
    agree(full(), packed_batch()[0])
    programs = {
        "numpy_full_batch": lambda: U - step * full_batch(),
        "numpy_packed_batch": lambda: U - step * packed_batch(),
        f"sgemm_{SIDE}": lambda: square[0] @ square[1],
    }
serve(f"NumPy {np.__version__}", programs, args.seconds)
