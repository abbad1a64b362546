"""What a page is made of: words, tables, charts of lines, code; each checked where it is made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.errors import bad_type, bad_value, look_up, shown

__all__ = [
    "TAGS",
    "Better",
    "Cell",
    "Code",
    "Column",
    "Content",
    "Kind",
    "Lines",
    "Scale",
    "Section",
    "Series",
    "Table",
    "Words",
]

Kind = Literal["text", "number", "interval", "code"]
Better = Literal["low", "high", ""]
Scale = Literal["linear", "log"]

TAGS = ("problem", "optimizer")
"""What rows and series can be filtered by."""


class Cell(NamedTuple):
    """A cell with a text of one's own: it is sorted by `value`, and last where that is NaN."""

    value: float
    text: str


Content: TypeAlias = str | float | Cell | tuple[float, float, float] | None
"""What a cell may be: a tuple is (value, low, high)."""


@dataclass(frozen=True)
class Words:
    """Paragraphs of plain text. id: where links such as `#verdict` lead; from the heading if empty.

    Raises TypeError where the paragraphs are not strings, ValueError for an id that is no name.
    """

    heading: str
    paragraphs: tuple[str, ...]
    id: str = ""

    def __post_init__(self) -> None:
        _check_text("Words", "heading", self.heading)
        object.__setattr__(self, "paragraphs", _sequence("Words", "paragraphs", self.paragraphs))
        for paragraph in self.paragraphs:
            _check_text("Words", "paragraphs", paragraph)
        if not re.fullmatch("([A-Za-z][A-Za-z0-9_-]*)?", self.id):
            constraint = "letters, digits, - and _, a letter first"
            raise bad_value("html.Words", "id", constraint, shown(self.id), "Pass 'verdict'.")


@dataclass(frozen=True)
class Column:
    """A column of a table; the best figure of one with `better` stands out. unit: after the name.

    Raises ValueError for another kind or another `better`.
    """

    name: str
    kind: Kind
    better: Better = ""
    unit: str = ""

    def __post_init__(self) -> None:
        _check_text("Column", "name", self.name)
        _check_text("Column", "unit", self.unit)
        _check_option("Column", "kind", self.kind, get_args(Kind))
        if self.better:
            _check_option("Column", "better", self.better, ("low", "high"))


@dataclass(frozen=True)
class Table:
    """A table, in the order in which its rows are given.

    rows: tuples of cells, one a column: a string, a number, None, (value, low, high), or a `Cell`.
    NaN and None are shown as –, and sorted last. tags: none, or for each row what it belongs to,
    such as {"problem": "digits", "optimizer": "adam"}; the filters read them, and the best figure
    is sought among the rows of one problem.
    Raises TypeError for a cell of another type, ValueError where lengths or tags do not match.
    """

    heading: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Content, ...], ...]
    caption: str = ""
    tags: tuple[Mapping[str, str], ...] = ()

    def __post_init__(self) -> None:
        _check_text("Table", "heading", self.heading)
        _check_text("Table", "caption", self.caption)
        for name in ("columns", "rows", "tags"):
            object.__setattr__(self, name, _sequence("Table", name, getattr(self, name)))
        object.__setattr__(self, "rows", tuple(_sequence("Table", "rows", r) for r in self.rows))
        if not self.columns or not all(isinstance(c, Column) for c in self.columns):
            fix = "Pass Column(name, kind)."
            raise bad_type("html.Table", "columns", "one Column or more", shown(self.columns), fix)
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                constraint = f"rows of {len(self.columns)} cells, one a column"
                got = f"{len(row)} in row {index}"
                raise bad_value(
                    "html.Table", "rows", constraint, got, "Pass None for an empty one."
                )
            for cell in row:
                _check_cell(cell)
        if self.tags and len(self.tags) != len(self.rows):
            constraint = f"empty or of length {len(self.rows)}, one a row"
            raise bad_value("html.Table", "tags", constraint, len(self.tags), "Pass {} for a row.")
        for tags in self.tags:
            for name, value in tags.items():
                _check_option("Table", "tags", name, TAGS)
                _check_text("Table", "tags", value)


@dataclass(frozen=True, eq=False)
class Series:
    """One line of a chart: points (x, y) in order, with a band from `low` to `high`, of one length.

    A point that is not finite is a gap. problem, optimizer: what the filters read; the optimizer
    (or the label, where it has none) keeps its colour, dashes and marker throughout a page.
    marker: show every point. line: join them; without, low and high are whiskers of each point.
    Raises ValueError where lengths differ, where only one of low and high is given, and where a low
    lies above its high.
    """

    label: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    problem: str = ""
    optimizer: str = ""
    marker: bool = False
    line: bool = True

    def __post_init__(self) -> None:
        for name in ("label", "problem", "optimizer"):
            _check_text("Series", name, getattr(self, name))
        for name in ("x", "y", "low", "high"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _numbers(name, getattr(self, name)))
        if (self.low is None) != (self.high is None):
            name, other = ("high", "low") if self.high is None else ("low", "high")
            raise bad_value("html.Series", name, f"given with `{other}`", None, "Pass both.")
        length = len(self.array("x"))
        for name in ("y", "low", "high"):
            if getattr(self, name) is not None and len(self.array(name)) != length:
                constraint = f"of length {length}, as `x` is"
                raise bad_value("html.Series", name, constraint, len(self.array(name)))
        if self.low is not None and np.any(self.array("low") > self.array("high")):
            first = int(np.argmax(self.array("low") > self.array("high")))
            got = f"{self.array('low')[first]} > {self.array('high')[first]} at point {first}"
            raise bad_value("html.Series", "low", "at most `high`", got, "Swap them?")
        if not (self.marker or self.line):
            raise bad_value("html.Series", "marker", "True where `line` is False", False)

    def array(self, name: Literal["x", "y", "low", "high"]) -> NDArray[np.float64]:
        """`x`, `y`, `low` or `high` as an array [points]; a band that is not given is `y`."""
        values = getattr(self, name)
        return np.asarray(self.y if values is None else values, np.float64)

    @property
    def identity(self) -> str:
        """Whose colour and dashes it has."""
        return self.optimizer or self.label


@dataclass(frozen=True, eq=False)
class Lines:
    """A chart of lines over one pair of axes. step: y holds from its x to the next.

    On a log axis points at or below 0 are left out, and the chart says how many.
    Raises TypeError for a series of another type, ValueError for an unknown scale.
    """

    heading: str
    series: tuple[Series, ...]
    xlabel: str
    ylabel: str
    xscale: Scale = "linear"
    yscale: Scale = "linear"
    caption: str = ""
    step: bool = False

    def __post_init__(self) -> None:
        for name in ("heading", "xlabel", "ylabel", "caption"):
            _check_text("Lines", name, getattr(self, name))
        object.__setattr__(self, "series", _sequence("Lines", "series", self.series))
        for one in self.series:
            if not isinstance(one, Series):
                raise bad_type("html.Lines", "series", "of type Series", shown(one))
        for name in ("xscale", "yscale"):
            _check_option("Lines", name, getattr(self, name), get_args(Scale))


@dataclass(frozen=True)
class Code:
    """Text to copy, as it stands. language: said beside it."""

    heading: str
    text: str
    language: str = ""

    def __post_init__(self) -> None:
        for name in ("heading", "text", "language"):
            _check_text("Code", name, getattr(self, name))


Section: TypeAlias = Words | Table | Lines | Code


def _check_text(where: str, name: str, got: Any) -> None:
    if not isinstance(got, str):
        raise bad_type(f"html.{where}", name, "a string", shown(got))


def _check_option(where: str, name: str, got: Any, options: Sequence[str]) -> None:
    look_up(f"html.{where}", name, got, dict.fromkeys(options))


def _sequence(where: str, name: str, got: Any) -> tuple[Any, ...]:
    if isinstance(got, str | Mapping) or not hasattr(got, "__iter__"):
        raise bad_type(f"html.{where}", name, "a tuple", shown(got))
    return tuple(got)


def _check_cell(cell: Any) -> None:
    if cell is None or isinstance(cell, str):
        return
    number = (int, float, np.integer, np.floating)
    if isinstance(cell, Cell):
        good = isinstance(cell.value, number) and isinstance(cell.text, str)
    elif isinstance(cell, tuple):
        good = len(cell) == 3 and all(isinstance(value, number) for value in cell)
    else:
        good = isinstance(cell, number) and not isinstance(cell, bool)
    if not good:
        constraint = "cells that are a string, a number, None, (value, low, high) or a Cell"
        raise bad_type("html.Table", "rows", constraint, shown(cell))


def _numbers(name: str, got: Any) -> NDArray[np.float64]:
    try:
        array = np.array(got, np.float64)
    except (TypeError, ValueError):
        raise bad_type("html.Series", name, "an array of numbers", shown(got)) from None
    if array.ndim != 1:
        raise bad_value("html.Series", name, "an array of shape (points,)", shown(got))
    array.setflags(write=False)
    return array
