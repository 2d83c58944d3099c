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
    for name in ("operator", "method", "repetitions", "success", "max_iterations", "stall_window", "vary_operator", "seed", "precision"):
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


@pytest.mark.parametrize("function", [lowrank.solve, lowrank.compare, lowrank.sweep])
def test_keywords_and_docstring_come_from_the_librarys_options(function):
    parameters = inspect.signature(function).parameters
    for name, kind, default, text in _lowrank.options_of(function.__name__):
        if function is lowrank.compare and name in ("step_size", *_lowrank.method_parameters()):
            assert name not in parameters
            continue
        assert parameters[name].annotation == kind and parameters[name].default == ast.literal_eval(default), name
        assert text.split()[0] in function.__doc__
    unsaid = [name for name in parameters if not re.search(rf"\b{name}\b", function.__doc__)]
    assert not unsaid
    with pytest.raises(TypeError, match="search_ranks"):
        function(None, None, None, search_ranks=3) if function is lowrank.sweep else function(None, None, search_ranks=3)


def test_the_stub_of_options_is_current():
    from lowrank import _options

    assert (importlib.resources.files("lowrank") / "_keywords.pyi").read_text() == _options.stub()


def test_values_and_lists_reach_the_library_unchanged(example):
    run = lowrank.solve(
        example.A, example.y, method="gd", step_size=[0.1, np.float64(0.2)], seed="1:2", search_rank=np.int64(3), max_iterations=1
    )
    found = [(trial.step_size, trial.seed, trial.search_rank) for trial in run.trials]
    assert found == [(0.1, 1, 3), (0.1, 2, 3), (0.2, 1, 3), (0.2, 2, 3)]


def test_tables_have_types():
    table = _tables.columns(b'a,b,c,d\n1,2.5,true,x\n2,,false,"y, z"\n')
    assert [column.dtype.kind for column in table.values()] == ["i", "f", "b", "U"]
    assert np.isnan(table["b"][1]) and table["d"][1] == "y, z"
    assert _tables.columns(b"a,b\n")["a"].shape == (0,)


def pages():
    """READMEs and pages of the book with blocks of Python; scripts/python-test.sh puts them beside the tests."""
    found = [HERE.parent / page for page in ("README.md", "python-README.md")]
    book = sorted((HERE.parent / "docs").rglob("*.md"))
    return found + [page for page in book if "```python\n" in page.read_text()]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_pages_code_runs(page, example, tmp_path, monkeypatch):
    if not page.exists():
        pytest.skip("not beside the tests: scripts/python-test.sh puts it there")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.S)
    assert blocks
    names = {"A": example.A, "y": example.y}
    for block in blocks:
        exec(block, names)
    if "s" in names:
        assert names["s"].left.shape[0] == 20


def test_the_book_has_pages_with_code():
    if not (HERE.parent / "docs").exists():
        pytest.skip("not beside the tests: scripts/python-test.sh puts it there")
    assert len(pages()) > 8
