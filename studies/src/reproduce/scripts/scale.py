# Draws scale.csv with pandas and matplotlib, and fits the used points: python scale.py
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

t = pd.read_csv("scale.csv")
figure, axis = plt.subplots(figsize=(8, 5))
used = t[t["used"] == 1]
for name in ("test_error", "train_loss"):
    slope = np.polyfit(np.log10(used["alpha"]), np.log10(used[name]), 1)[0] if len(used) > 1 else np.nan
    axis.loglog(t["alpha"], t[name], "o-", label=f"{name}, slope {slope:.2f}")
axis.set(xlabel="scale of the start", ylabel="test error, training loss", title=f"T = {t['stop_time'].iloc[0]}")
axis.legend()
figure.savefig("scale-again.png", dpi=150)
