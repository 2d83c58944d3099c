"""Keywords of functions from the library's table of options: signature, docstring and, for type checkers, a stub."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from . import _lowrank

Function = TypeVar("Function", bound=Callable[..., Any])


def keywords(command: str, without: Iterable[str] = ()) -> Callable[[Function], Function]:
    """Gives a function with ``**options`` the library's options of a command, in its signature and its docstring."""
    left_out = set(without)

    def decorate(function: Function) -> Function:
        own = list(inspect.signature(function).parameters.values())[:-1]
        names = {parameter.name for parameter in own} | left_out
        options = [option for option in _lowrank.options_of(command) if option[0] not in names]
        known = {name for name, *_ in options}
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=ast.literal_eval(default), annotation=kind)
            for name, kind, default, _ in options
        ]

        @functools.wraps(function)
        def checked(*arguments: Any, **given: Any) -> Any:
            unknown = [name for name in given if name not in known and name not in names - left_out]
            if unknown and unknown[0] in left_out:
                example = "methods=[('scaled-gd', {'damping': 1e-2})]"
                raise TypeError(f"{function.__name__}(): {unknown[0]} belongs to a method: {example}")
            if unknown:
                raise TypeError(f"{function.__name__}() got an unexpected keyword argument '{unknown[0]}'")
            return function(*arguments, **given)

        checked.__signature__ = inspect.signature(function).replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        lines = [textwrap.fill(f"{name}: {text}", 112, initial_indent="    ", subsequent_indent="        ") for name, *_, text in options]
        checked.__doc__ = f"{inspect.getdoc(function)}\n\nOptions:\n" + "\n".join(lines)
        return checked  # type: ignore[return-value]

    return decorate


def stub() -> str:
    """The text of ``_keywords.pyi``: the options as types."""
    lines = ["# Types of the library's options; written by `python -m lowrank._options`, compared by a test.", ""]
    lines += ["from collections.abc import Iterable", "from typing import TypedDict", ""]
    for name in ("solve", "compare", "sweep"):
        left_out = set(_lowrank.method_parameters()) | {"step_size"} if name == "compare" else set()
        lines.append(f"class {name.capitalize()}Options(TypedDict, total=False):")
        lines += [f"    {option}: {kind}" for option, kind, *_ in _lowrank.options_of(name) if option not in left_out]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(stub(), end="")
