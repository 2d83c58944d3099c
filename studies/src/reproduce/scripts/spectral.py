# Draws spectral.csv with pandas and matplotlib: python spectral.py
import matplotlib.pyplot as plt
import pandas as pd

t = pd.read_csv("spectral.csv", index_col="t")
figure, axis = plt.subplots(figsize=(9, 5))
for name, color in (("angle_truth", "C1"), ("angle_spectral", "C0")):
    t[name].plot(ax=axis, color=color, label=f"{name}, gradient descent")
    t[f"power_{name}"].plot(ax=axis, color=color, linestyle="--", label=f"{name}, power iteration")
left = t.index[t["power_distance"] > 0.1]
if len(left):
    axis.axvline(left[0], color="black", linestyle=":", label=f"t_power = {left[0]}")
axis.set(xlabel="iteration t", ylabel="sine of the angle", ylim=(0, 1.05))
axis.legend()
figure.savefig("spectral-again.png", dpi=150)
