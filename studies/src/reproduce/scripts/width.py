# Draws width.csv with pandas and matplotlib: python width.py
import matplotlib.pyplot as plt
import pandas as pd

t = pd.read_csv("width.csv")
axis = t.boxplot(column="iterations", by="k", grid=False, figsize=(8, 5))
for i, (_, rows) in enumerate(t.groupby("k"), start=1):
    axis.plot([i] * len(rows), rows["iterations"], "k.", alpha=0.6)
axis.set(xlabel="columns k", ylabel="iterations", title="")
plt.suptitle("")
plt.savefig("width-again.png", dpi=150)
