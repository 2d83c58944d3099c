"""Signatures against the library's defaults, stubs against the module, documents against both."""

import ast
import importlib.resources
import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest

import lowrank
from lowrank import _lowrank, _tables

HERE = Path(__file__).parent


def default(function, name):
    return inspect.signature(function).parameters[name].default


def test_defaults_are_the_librarys():
    library = json.loads(_lowrank.defaults())
    for name in ("method", "precision", "max_iterations", "stall_window", "loss"):
        assert default(lowrank.solve, name) == library[name], name
    every = default(lowrank.solve, "observe").split(":")
    assert library["observe"] == {every[0]: int(every[1])}
    assert default(lowrank.Dense, "normalization") == library["normalization"]
    for name in ("operator", "model", "method", "repetitions", "success", "max_iterations", "stall_window", "vary_operator", "seed", "precision"):
        assert default(lowrank.sweep, name) == library["sweep"][name], name


def stubbed():
    return ast.parse((importlib.resources.files("lowrank") / "_lowrank.pyi").read_text()).body


def test_stubs_name_what_there_is():
    assert (importlib.resources.files("lowrank") / "py.typed").is_file()
    names = {node.name for node in stubbed() if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    there = {name for name in dir(_lowrank) if not name.startswith("__")}
    assert names == there


def test_stubs_have_the_signatures():
    def same(node, found, own):
        wanted = [arg.arg for arg in node.args.args]
        assert list(inspect.signature(found).parameters)[own:] == wanted[own:], node.name

    for node in stubbed():
        if isinstance(node, ast.FunctionDef):
            same(node, getattr(_lowrank, node.name), 0)
        elif isinstance(node, ast.ClassDef) and not issubclass(getattr(_lowrank, node.name), Exception):
            kind = getattr(_lowrank, node.name)
            members = [m for m in node.body if isinstance(m, ast.FunctionDef) and not m.name.startswith("__")]
            assert {member.name for member in members} == {name for name in dir(kind) if not name.startswith("__")}
            for member in members:
                if not member.decorator_list:
                    same(member, getattr(kind, member.name), 1)


def test_everything_public_has_a_docstring():
    for name in lowrank.__all__:
        found = getattr(lowrank, name)
        if name != "__version__":
            assert found.__doc__, name


def test_keywords_are_in_the_docstring_or_are_parameters_of_methods():
    from lowrank._studies import PARAMETERS

    text = lowrank.solve.__doc__
    unsaid = [
        name
        for name in inspect.signature(lowrank.solve).parameters
        if not re.search(rf"\b{name}\b", text) and name not in PARAMETERS and not name.startswith("stop_")
    ]
    assert not unsaid


def test_tables_have_types():
    table = _tables.columns(b'a,b,c,d\n1,2.5,true,x\n2,,false,"y, z"\n')
    assert [column.dtype.kind for column in table.values()] == ["i", "f", "b", "U"]
    assert np.isnan(table["b"][1]) and table["d"][1] == "y, z"
    assert _tables.columns(b"a,b\n")["a"].shape == (0,)


@pytest.mark.parametrize("page", ["README.md", "python-README.md"])
def test_the_pages_code_runs(page, example):
    path = HERE.parent / page
    if not path.exists():
        pytest.skip("not beside the tests: scripts/python-test.sh puts it there")
    blocks = re.findall(r"```python\n(.*?)```", path.read_text(), re.S)
    assert blocks
    names = {"A": example.A, "y": example.y}
    for block in blocks:
        exec(block, names)
    assert names["s"].left.shape[0] == 20
