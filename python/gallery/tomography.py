"""A quantum state of six qubits from a fifth of its Pauli expectation values, each the mean of 8192 outcomes."""

import numpy as np

import lowrank

QUBITS, STRINGS, SHOTS = 6, 819, 8192

# The GHZ state (|000000> + |111111>)/sqrt(2), and its exact expectation values.
ghz = np.zeros(2**QUBITS, complex)
ghz[0] = ghz[-1] = 2**-0.5
strings = lowrank.Pauli.random(QUBITS, STRINGS, seed=1)
exact = strings.forward(ghz[:, None])

# What a machine returns: means of outcomes +1 and -1.
ones = np.random.default_rng(2).binomial(SHOTS, np.clip((1 + exact) / 2, 0, 1))
values = 2 * ones / SHOTS - 1

fit = lowrank.solve(strings, values)
rho = fit.matrix()
print(f"{STRINGS} of {4**QUBITS} strings, rank {fit.best.estimated_rank}, trace {np.trace(rho).real:.4f}")
print(f"fidelity {fit.best.fidelity(ghz):.5f}, purity {fit.best.purity:.5f}, {fit.best.iterations} iterations")
assert fit.best.fidelity(ghz) > 0.99
