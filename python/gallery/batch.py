"""A batch of trials: the smaller the start, the smaller the error that plain gradient descent ends with."""

import numpy as np

import lowrank

truth = lowrank.problem.psd(30, rank=2, seed=7)
op = lowrank.Dense.gaussian(30, 600, seed=8)
y = truth.measure(op)
scales = np.logspace(-1, -5, 5)
s = lowrank.solve(op, y, truth=truth, method="gd", search_rank=30, init_scale=scales, step_size=0.25, max_iterations=300)
for trial in s.trials:
    print(f"init_scale {trial.init_scale:.0e}: relative error {trial.relative_error:.1e}")
assert s.trials[-1].relative_error < 1e-2 * s.trials[0].relative_error
s.plot().savefig("batch.png", dpi=150)
