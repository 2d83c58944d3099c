import json

import numpy as np
import pytest

import lowrank


def test_compare(example):
    methods = ["gd", "cg", ("scaled-gd", {"damping": 0.1, "step_size": 0.3}), "alt-scaled-gd"]
    c = lowrank.compare(example.A, example.y, methods=methods, truth=example.X, search_rank=4, max_iterations=60, backend="cpu")
    assert list(c.table["label"]) == ["gd", "cg", "scaled-gd:damping=0.1:step_size=0.3", "alt-scaled-gd"]
    assert c.metric == "relative_error" and not c.interrupted
    assert c.table["status"][3] == "not run" and c.table["reason"][3]
    assert set(c.curves["label"]) == set(c.table["label"][:3])
    assert c.table["error"][1] < c.table["error"][0] and "cg" in repr(c)
    with pytest.raises(lowrank.InvalidInput, match="newton"):
        lowrank.compare(example.A, example.y, methods=["newton"])
    with pytest.raises(TypeError, match="damping"):
        lowrank.compare(example.A, example.y, damping=0.1)


def test_compare_runs_all_that_fit(example):
    c = lowrank.compare(example.A, example.y, search_rank=3, max_iterations=5, backend="cpu")
    assert len(c.table["label"]) >= 7 and "not run" not in c.table["status"]


def test_sweep():
    w = lowrank.sweep(8, 1, [8, 60], repetitions=5, max_iterations=300, backend="cpu")
    assert w.complete and list(w.table["measurements"]) == [8, 60] and list(w.table["count"]) == [5, 5]
    assert w.table["rate"][1] > w.table["rate"][0] and len(w.solves["solve"]) == 10
    assert set(w.table["method"]) == {"pursuit"} and np.isnan(w.solves["step_size"]).all() and "pursuit" in w.notices[0]
    chosen = {"operator": "entries", "model": "asymmetric", "method": "gd:step_rule=exact"}
    other = lowrank.sweep(8, 1, 60, **chosen, repetitions=2, max_iterations=300, backend="cpu")
    assert {name: other.table[name][0] for name in chosen} == chosen and other.table["degrees_of_freedom"][0] == 15
    wide = lowrank.sweep(9, 1, [120], n2=[6, 7], model="asymmetric", ridge=[0, 1], repetitions=2, max_iterations=300, backend="cpu")
    assert list(wide.table["n2"]) == [6, 6, 7, 7] and list(wide.table["ridge"]) == [0, 1, 0, 1] and "n2" in repr(wide)
    assert list(wide.table["degrees_of_freedom"]) == [14, 14, 15, 15] and wide.table["rate"][0] > wide.table["rate"][1]
    with pytest.raises(lowrank.InvalidInput, match="n2: found 6; allowed: nothing with the model psd"):
        lowrank.sweep(8, 1, 60, n2=6)
    with pytest.raises(lowrank.InvalidInput, match="newton"):
        lowrank.sweep(8, 1, 60, method="newton")
    stopped = lowrank.sweep(8, 1, [60], repetitions=5, backend="cpu", callback=lambda what: True)
    assert not stopped.complete
    with pytest.raises(lowrank.InvalidInput, match="rank"):
        lowrank.sweep(8, 9, 60)


def test_reproduce(tmp_path):
    s = lowrank.reproduce("scaledgd-2020", quick=True, n=20, rank=2, search_rank=2, measurements=400, backend="cpu", out=tmp_path)
    assert s.claims and set(s.table["verdict"]) <= {"holds", "fails", "not_applicable"} and "holds" in repr(s)
    assert json.loads((tmp_path / "claims.json").read_text()) == s.claims and (tmp_path / "report.html").exists()
    stopped = lowrank.reproduce("ss21", "phases", quick=True, n=20, rank=2, backend="cpu", callback=lambda p: True)
    assert stopped.interrupted
    with pytest.raises(lowrank.InvalidInput, match="ss21"):
        lowrank.reproduce("ss22")
    with pytest.raises(lowrank.InvalidInput, match="experiment"):
        lowrank.reproduce("ss21", "everything")
