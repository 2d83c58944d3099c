# Draws NAME.csv with pandas and matplotlib: python NAME.py
import matplotlib.pyplot as plt
import pandas as pd

# Title, marker, label and scale of x, label and scale of y, of each panel.
panels = [
    AXES
]
t = pd.read_csv("NAME.csv")
figure, axes = plt.subplots(len(panels), 1, squeeze=False, figsize=(9, 4.5 * len(panels)))
for number, (axis, (title, marker, x, x_scale, y, y_scale)) in enumerate(zip(axes[:, 0], panels), start=1):
    for (_, curve), points in t[t["panel"] == number].groupby(["group", "curve"], sort=False):
        axis.plot(points["x"], points["y"], marker, label=curve)
    axis.set(title=title, xlabel=x, xscale=x_scale, ylabel=y, yscale=y_scale)
    axis.legend()
figure.tight_layout()
figure.savefig("NAME-again.png", dpi=150)
