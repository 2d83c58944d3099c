"""A picture from the intensities of its Fourier transforms behind eight masks: phase retrieval."""

import numpy as np

import lowrank

# A picture of our own making: a bright ring, a dark bar, and a phase that grows to the right.
rows, columns = np.mgrid[-8:8, -8:8] + 0.5
picture = (np.abs(np.hypot(rows, columns) - 5) < 1.5) + 0.4 * (np.abs(rows) < 1)
picture = picture * np.exp(0.2j * columns)

masks = lowrank.CodedDiffraction.random_masks(picture.shape, 8, seed=3)
intensities = np.abs(np.fft.fft2(masks * picture)) ** 2

fit = lowrank.solve(lowrank.CodedDiffraction(masks), intensities.ravel(), precision="f64")

# The leading column, with the length and the phase of the picture: intensities see neither.
found = np.linalg.svd(fit.left)[0][:, 0].reshape(picture.shape)
found = found * np.vdot(found, picture)
print(f"{intensities.size} intensities of {picture.size} pixels, {fit.best.iterations} iterations")
for line in np.abs(found):
    print("".join(" .:-=+*#%@"[min(int(9 * v + 0.5), 9)] for v in line))
error = np.linalg.norm(found - picture) / np.linalg.norm(picture)
print(f"relative error {error:.1e}")
assert error < 1e-5
