# Draws NAME.csv with pandas and matplotlib: python NAME.py
import matplotlib.pyplot as plt
import pandas as pd

t = pd.read_csv("NAME.csv")
figure, axes = plt.subplots(t["row"].max(), t["column"].max(), squeeze=False, figsize=(2.2 * t["column"].max(), 2.5 * t["row"].max()))
for (row, column), points in t.groupby(["row", "column"]):
    axis = axes[row - 1, column - 1]
    axis.imshow(points.pivot(index="y", columns="x", values="shade"), cmap="gray", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[])
    if row == 1:
        axis.set_title(points["title"].iloc[0], fontsize=8)
    if column == 1:
        axis.set_ylabel(points["name"].iloc[0])
figure.tight_layout()
figure.savefig("NAME-again.png", dpi=150)
