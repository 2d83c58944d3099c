# Draws flatness.csv with pandas and matplotlib: python flatness.py
import matplotlib.pyplot as plt
import pandas as pd

t = pd.read_csv("flatness.csv")
t["ratio"] = t["isotropic_trace"] / t["least_trace"]
panels = t.groupby("panel")
figure, axes = plt.subplots(len(panels), 1, squeeze=False, figsize=(9, 4.5 * len(panels)))
for axis, (_, panel) in zip(axes[:, 0], panels):
    for contender, run in panel.groupby("contender", sort=False):
        axis.semilogy(run["iteration"], run["ratio"], label=contender)
    axis.set(xlabel="iteration t", ylabel="T / T*")
    axis.legend()
figure.savefig("flatness-again.png", dpi=150)
