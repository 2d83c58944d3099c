"""Residuals, losses and gradients at factors of one's own."""

import numpy as np
import pytest

import lowrank


def definition(op, u, y):
    return np.array([np.sum(op.sensing_matrix(i) * (u @ u.T)) for i in range(op.measurements)]) - y


def test_values_are_those_of_the_definition():
    rng = np.random.default_rng(1)
    op, u, y = lowrank.Dense.gaussian(7, 30, seed=2), rng.standard_normal((7, 3)), rng.standard_normal(30)
    session = lowrank.Session(op, y, backend="cpu")
    e = definition(op, u, y)
    np.testing.assert_allclose(session.residual(u), e, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(session.loss(u), op.normalization / 4 * e @ e, rtol=1e-6)
    gradient = op.normalization * sum(r * op.sensing_matrix(i) for i, r in enumerate(e)) @ u
    np.testing.assert_allclose(session.gradient(u), gradient, rtol=1e-6, atol=1e-6)


def test_batches_pairs_and_a_step_of_gradient_descent():
    rng = np.random.default_rng(2)
    op = lowrank.Entries(np.arange(20) % 5, np.arange(20) // 5, rng.standard_normal(20), (5, 4))
    y = op.observations
    left, right = rng.standard_normal((3, 5, 2)), rng.standard_normal((3, 4, 2))
    session = lowrank.Session(op, y, backend="cpu")
    losses, (of_left, of_right) = session.value_and_gradient((left, right))
    assert losses.shape == (3,) and of_left.shape == left.shape and of_right.shape == right.shape
    alone = session.value_and_gradient((left[1], right[1]))
    assert alone[0] == losses[1] and np.array_equal(alone[1][0], of_left[1])
    again = lowrank.solve(
        op, None, init=(left[1], right[1]), method="gd", step_size=0.1, max_iterations=1, backend="cpu", precision="f64", stall_window=0
    )
    # The model asymmetric has no other term than the loss.
    stepped = left[1] - 0.1 * of_left[1]
    assert min(np.abs(again.left - stepped).max(), np.abs(again.left - left[1]).max()) < 1e-12


def test_without_observations_it_measures():
    op = lowrank.Rademacher(6, 11)
    u = np.ones((6, 1))
    np.testing.assert_allclose(lowrank.Session(op, backend="cpu").residual(u), op.forward(u), atol=1e-9)


def test_slips_are_named():
    op = lowrank.Rademacher(6, 11)
    with pytest.raises(lowrank.InvalidInput, match="observations"):
        lowrank.Session(op, np.ones(12), backend="cpu")
    with pytest.raises(lowrank.InvalidInput, match="factors"):
        lowrank.Session(op, backend="cpu").gradient((np.ones((6, 1)), np.ones((6, 1))))
    with pytest.raises(lowrank.InvalidInput, match="loss"):
        lowrank.Session(op, loss="cubic")
    with pytest.raises(lowrank.InvalidInput, match="factors"):
        lowrank.Session(op, backend="cpu").residual(np.ones((5, 2)))


def test_complex_factors_have_complex_gradients_whose_slopes_are_those_of_the_loss():
    rng = np.random.default_rng(1)
    normal = lambda *shape: rng.standard_normal(shape) + 1j * rng.standard_normal(shape)  # noqa: E731
    for op, factors in [
        (lowrank.Pauli.random(3, 40, 1), normal(8, 2)),
        (lowrank.Dense.gaussian((5, 4), 30, model="asymmetric", complex=True), (normal(5, 2), normal(4, 2))),
    ]:
        session = lowrank.Session(op, rng.standard_normal(op.measurements), backend="cpu")
        loss, gradient = session.value_and_gradient(factors)
        parts = (factors, gradient) if isinstance(factors, tuple) else ((factors,), (gradient,))
        directions = [normal(*factor.shape) for factor in parts[0]]
        slope = sum(np.vdot(g, d).real for g, d in zip(parts[1], directions))
        h = 1e-6
        moved = [tuple(f + t * d for f, d in zip(parts[0], directions)) for t in (h, -h)]
        above, below = (session.loss(m if isinstance(factors, tuple) else m[0]) for m in moved)
        np.testing.assert_allclose((above - below) / (2 * h), slope, rtol=1e-6)
        batch = tuple(np.stack([f, 2 * f]) for f in parts[0])
        np.testing.assert_allclose(session.loss(batch if isinstance(factors, tuple) else batch[0])[0], loss, rtol=1e-12)
