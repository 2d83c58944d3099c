"""Matrix completion of a frame with holes: ratings of films by people, filled in and drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import lowrank

rng = np.random.default_rng(3)
n1, n2, rank, noise = 60, 40, 3, 0.1
M = rng.standard_normal((n1, rank)) @ rng.standard_normal((rank, n2)) / np.sqrt(rank)
known = rng.random((n1, n2)) < 0.4
people, films = [f"person {i}" for i in range(n1)], [f"film {j}" for j in range(n2)]
ratings = pd.DataFrame(np.where(known, M + noise * rng.standard_normal(M.shape), np.nan), people, films)

model = lowrank.MatrixCompletion().fit(ratings)
filled = model.predict()
rmse = float(np.sqrt(np.mean((filled.to_numpy() - M)[~known] ** 2)))
print(model, f"rank {model.rank_}, rmse of the holes {rmse:.3f}, of zeros {M[~known].std():.3f}, score {model.score(ratings):.3f}")
assert filled.index.equals(ratings.index) and filled.columns.equals(ratings.columns)
assert model.rank_ == rank and rmse < 0.2

figure, axes = plt.subplots(1, 3, figsize=(11, 5.2), layout="constrained", sharey=True)
limit = np.abs(M).max()
panels = [(ratings, f"given: {known.mean():.0%} of the entries"), (filled, "filled in"), (M, "truth")]
for ax, (values, title) in zip(axes, panels):
    ax.set_facecolor("0.85")
    image = ax.imshow(np.asarray(values), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="none")
    ax.set_title(title, fontsize=11)
    ax.set_xlabel("film")
axes[0].set_ylabel("person")
figure.colorbar(image, ax=axes, label="rating", shrink=0.8)
figure.savefig("completion.png", dpi=120)
