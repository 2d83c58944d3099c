# Draws phases.csv with pandas and matplotlib: python phases.py
import matplotlib.pyplot as plt
import pandas as pd

t = pd.read_csv("phases.csv", index_col="t")
figure, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=(9, 8))
t[["test_error", "train_loss", "sigma_gap"]].plot(ax=top, logy=True, ylabel="relative error, loss")
t[["angle_truth", "angle_spectral"]].plot(ax=bottom, ylabel="sine of the angle", ylim=(0, 1.05))
for phase, rows in t.groupby("phase"):
    for axis in (top, bottom):
        axis.axvspan(rows.index.min(), rows.index.max(), color=f"C{int(phase)}", alpha=0.08)
bottom.set_xlabel("iteration t")
figure.savefig("phases-again.png", dpi=150)
