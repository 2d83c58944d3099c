# Draws slopes.csv with pandas and matplotlib, and fits the used points: python slopes.py
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

figure, axis = plt.subplots(figsize=(8, 5))
for m, t in pd.read_csv("slopes.csv").groupby("m"):
    used = t[t["used"] == 1]
    slope = np.polyfit(np.log10(used["alpha"]), np.log10(used["test_error"]), 1)[0] if len(used) > 1 else np.nan
    axis.loglog(t["alpha"], t["test_error"], "o-", label=f"m = {m}, slope {slope:.2f}")
axis.set(xlabel="scale of the start", ylabel="test error")
axis.legend()
figure.savefig("slopes-again.png", dpi=150)
