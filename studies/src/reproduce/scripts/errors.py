# Draws errors.csv with pandas and matplotlib: python errors.py
import matplotlib.pyplot as plt
import pandas as pd

t = pd.read_csv("errors.csv")
panels = t.groupby("panel")
figure, axes = plt.subplots(len(panels), 1, squeeze=False, figsize=(9, 4.5 * len(panels)))
for axis, (_, panel) in zip(axes[:, 0], panels):
    for (contender, kappa), run in panel.groupby(["contender", "condition_number"], sort=False):
        axis.semilogy(run["iteration"], run["relative_error"], label=f"{contender}, kappa = {kappa:g}")
    axis.set(xlabel="iteration t", ylabel="relative error")
    axis.legend()
figure.savefig("errors-again.png", dpi=150)
