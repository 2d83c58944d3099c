"""The same iteration in JAX, compiled: the gradient by hand on full and packed matrices, and by differentiation."""
import jax
import jax.numpy as jnp

from worker import Problem, agree, arguments, serve

args = arguments()
problem = Problem(args)
n, m, y, step = problem.n, problem.m, problem.y[0], problem.step
A, F = jnp.asarray(problem.packed), jnp.asarray(problem.full())
rows, columns, twice = problem.rows, problem.columns, problem.twice
U = jnp.asarray(problem.start[0])


@jax.jit
def full(F, U, step):
    e = F @ (U @ U.T).ravel() - y
    return U - step * (e @ F).reshape(n, n) @ U


@jax.jit
def packed(A, U, step):
    e = A @ (twice * (U @ U.T)[rows, columns]) - y
    G = jnp.zeros((n, n), jnp.float32).at[rows, columns].set(e @ A)
    return U - step * (jnp.triu(G) + jnp.triu(G, 1).T) @ U


@jax.jit
def autodiff(F, U, step):
    return U - step * jax.grad(lambda U: 0.25 * jnp.sum((F @ (U @ U.T).ravel() - y) ** 2))(U)


agree(full(F, U, 1.0), packed(A, U, 1.0))
agree(full(F, U, 1.0), autodiff(F, U, 1.0))
programs = {
    "jax_full": lambda: full(F, U, step).block_until_ready(),
    "jax_packed": lambda: packed(A, U, step).block_until_ready(),
    "jax_autodiff": lambda: autodiff(F, U, step).block_until_ready(),
}
serve(f"JAX {jax.__version__}", programs, args.seconds)
