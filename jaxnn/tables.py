"""Tables written to files: columns of one length each, by name, as CSV or as Parquet."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from jaxnn.errors import bad_value

__all__ = ["check_format", "to_frame", "write", "write_csv", "write_parquet"]

Columns = Mapping[str, Any]
"""NumPy arrays [rows, ...] or lists; what is None is missing."""


def check_format(where: str, path: str | PathLike[str]) -> Path:
    """The path. Raises ValueError where it ends in neither .csv nor .parquet."""
    found = Path(path)
    if found.suffix not in (".csv", ".parquet"):
        raise bad_value(where, "out", "a file that ends in .csv or .parquet", repr(str(path)))
    if found.suffix == ".parquet":
        _needed("pandas", where)
        _needed("pyarrow", where)
    return found


def write(where: str, columns: Columns, path: str | PathLike[str]) -> None:
    """Write a table as what the file's name ends in. Errors: as in `check_format`."""
    if check_format(where, path).suffix == ".csv":
        write_csv(columns, path)
    else:
        write_parquet(where, columns, path)


def write_csv(columns: Columns, path: str | PathLike[str]) -> None:
    """Numbers with all their digits, arrays as lists, nothing where a value is missing.

    Equal tables give equal bytes.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*map(_values, columns.values()), strict=True))


def to_frame(where: str, columns: Columns) -> Any:
    """A pandas DataFrame; arrays are lists in their column. Raises ValueError without pandas."""
    pandas = _needed("pandas", where)
    flat = {k: list(x) if getattr(x, "ndim", 1) > 1 else x for k, x in columns.items()}
    return pandas.DataFrame(flat)


def write_parquet(where: str, columns: Columns, path: str | PathLike[str]) -> None:
    """As Parquet (the extra `table`); what is of several kinds in one column becomes text.

    Raises ValueError where pyarrow or pandas is not there.
    """
    _needed("pyarrow", where)
    of_one_kind = {name: _of_one_kind(column) for name, column in columns.items()}
    to_frame(where, of_one_kind).to_parquet(path, index=False)


def _of_one_kind(column: Any) -> Any:
    if isinstance(column, np.ndarray) and column.dtype != object:
        return column
    kinds = {type(value) for value in column if value is not None}
    if kinds <= {int, float} or (len(kinds) == 1 and kinds <= {bool, str, list}):
        return column
    return [value if value is None else str(value) for value in column]


def _values(column: Any) -> list[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else list(column)


def _needed(package: str, where: str) -> Any:
    owner, _, method = where.rpartition(".")
    try:
        return importlib.import_module(package)
    except ImportError:
        fix = "pip install 'jaxnn[table]' brings it, or write CSV."
        got = f"no {package}"
        raise bad_value(owner, method, f"called where {package} is", got, fix) from None
