"""The library's tables (CSV) as dictionaries of columns."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np


def columns(text: bytes) -> dict[str, np.ndarray]:
    """Return one array per column: int64 if all fields are whole numbers, float64 for numbers (an empty field is nan), bool for
    true and false, otherwise str."""
    rows = csv.reader(io.StringIO(text.decode()))
    names = next(rows, [])
    fields = list(zip(*rows)) or [()] * len(names)
    return {name: _column(values) for name, values in zip(names, fields)}


def _column(values: tuple[str, ...]) -> np.ndarray:
    for read in (_whole, _number, _truth):
        try:
            return read(values)
        except (ValueError, OverflowError, KeyError):
            pass
    return np.array(values, dtype=np.str_)


def _whole(values: tuple[str, ...]) -> np.ndarray:
    return np.array([int(value) for value in values], dtype=np.int64)


def _number(values: tuple[str, ...]) -> np.ndarray:
    return np.array([float(value) if value else np.nan for value in values], dtype=np.float64)


def _truth(values: tuple[str, ...]) -> np.ndarray:
    return np.array([{"true": True, "false": False}[value] for value in values], dtype=np.bool_)


def shown(table: dict[str, Any], most: int = 20) -> str:
    """Format a table for people."""
    names = list(table)
    lines = [names] + [[_cell(table[name][i]) for name in names] for i in range(min(most, len(table[names[0]])))]
    widths = [max(len(line[at]) for line in lines) for at in range(len(names))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths)) for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return "-" if np.isnan(value) else f"{value:.3g}"
    return str(value)
