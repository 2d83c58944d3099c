# Draws times.csv with pandas and matplotlib: python times.py
import matplotlib.pyplot as plt
import pandas as pd

t = pd.read_csv("times.csv", index_col="alpha")
axis = t.plot(logx=True, marker="o", figsize=(8, 5))
axis.set(xlabel="scale of the start", ylabel="iterations", ylim=(0, None))
plt.savefig("times-again.png", dpi=150)
