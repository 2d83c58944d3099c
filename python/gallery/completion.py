"""Matrix completion from a scipy.sparse matrix of ratings."""

import numpy as np
import scipy.sparse as sp

import lowrank

rng = np.random.default_rng(3)
n1, n2, rank = 200, 150, 3
M = rng.standard_normal((n1, rank)) @ rng.standard_normal((rank, n2))
known = rng.random((n1, n2)) < 0.3
ratings = sp.coo_array((M[known] + 0.1 * rng.standard_normal(known.sum()), np.nonzero(known)), shape=(n1, n2))

s = lowrank.solve(lowrank.Entries.from_matrix(ratings), search_rank=6, holdout=0.1, max_iterations=400)
unseen = s.matrix()[~known] - M[~known]
rmse = float(np.sqrt(np.mean(unseen**2)))
print(s, f"rmse of unseen entries {rmse:.3f}, of their mean {M[~known].std():.3f}")
assert rmse < 0.2
