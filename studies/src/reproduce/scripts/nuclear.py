# Draws nuclear.csv with pandas and matplotlib: python nuclear.py
import matplotlib.pyplot as plt
import pandas as pd

t = pd.read_csv("nuclear.csv")
panels = t.groupby("panel")
figure, axes = plt.subplots(len(panels), 1, squeeze=False, figsize=(9, 4.5 * len(panels)))
for axis, (_, panel) in zip(axes[:, 0], panels):
    for contender, run in panel.groupby("contender", sort=False):
        axis.semilogy(run["iteration"], run["nuclear_norm"], label=contender)
    axis.set(xlabel="iteration t", ylabel="nuclear norm")
    axis.legend()
figure.savefig("nuclear-again.png", dpi=150)
