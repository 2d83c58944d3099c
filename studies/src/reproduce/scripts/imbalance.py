# Draws imbalance.csv with pandas and matplotlib: python imbalance.py
import matplotlib.pyplot as plt
import pandas as pd

t = pd.read_csv("imbalance.csv")
panels = t.groupby("panel")
figure, axes = plt.subplots(len(panels), 1, squeeze=False, figsize=(9, 4.5 * len(panels)))
for axis, (_, panel) in zip(axes[:, 0], panels):
    for (contender, kappa), run in panel.groupby(["contender", "condition_number"], sort=False):
        axis.semilogy(run["iteration"], run["imbalance"], label=f"{contender}, kappa = {kappa:g}")
    axis.set(xlabel="iteration t", ylabel="||L'L - R'R||")
    axis.legend()
figure.savefig("imbalance-again.png", dpi=150)
