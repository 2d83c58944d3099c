"""Methods on one ill-conditioned problem."""

import lowrank

truth = lowrank.problem.psd(30, rank=2, condition_number=5.0, seed=2)
op = lowrank.Dense.gaussian(30, 700, seed=3, storage="f64")
y = truth.measure(op)
methods = ["gd", "prec-gd", "cg", ("scaled-gd", {"damping": 1e-3})]
c = lowrank.compare(op, y, truth=truth, methods=methods, search_rank=6, precision="f64", max_iterations=500)
print(c)
to = dict(zip(c.table["label"], c.table["iterations_to_1e-6"]))
assert to["prec-gd"] <= 500 and not to["gd"] <= to["prec-gd"]
c.plot().savefig("methods.png", dpi=150)
