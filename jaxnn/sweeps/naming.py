"""Names of chunks of a store: which rows they hold, as ranges of settings and of replicates.

0-3,7/0-1            a block        0-3,7/0-1@50-100     some of its steps
state@50:0-3,7/0-1   where it stood rung@50:0, asked@0-8 what was decided
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.sweeps.local import Unit

__all__ = ["block_name", "numbers_of", "rows_name", "rows_of"]

Rows = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Settings and replicates; each of the one with each of the other."""


def rows_of(unit: Unit) -> Rows:
    """The settings, in the whole sweep, and the replicates that a unit really has."""
    block = unit.block
    settings = unit.plan.global_settings(block)[: block.num_settings]
    return settings, block.replicates[: block.num_replicates]


def block_name(unit: Unit) -> str:
    """A unit's settings and replicates as ranges: "0-3,7/0-1"."""
    return rows_name(rows_of(unit))


def rows_name(rows: Rows) -> str:
    """Settings and replicates, each ascending, as ranges.

    >>> rows_name((np.array([0, 1, 2, 7]), np.array([4])))
    '0-2,7/4'
    """
    return "/".join(map(_ranges, rows))


def numbers_of(name: str) -> Rows | None:
    """The settings and replicates of a name of rows; None for another name.

    >>> [x.tolist() for x in numbers_of("0-2,7/4")]
    [[0, 1, 2, 7], [4]]
    """
    if not re.fullmatch(r"[\d,-]+/[\d,-]+", name):
        return None
    settings, replicates = (
        [n for part in half.split(",") for n in _range(part)] for half in name.split("/")
    )
    return np.asarray(settings, np.int64), np.asarray(replicates, np.int64)


def _range(part: str) -> range:
    first, _, last = part.partition("-")
    return range(int(first), int(last or first) + 1)


def _ranges(numbers: Any) -> str:
    """Ascending numbers as ranges: 0-3,7."""
    ends = np.flatnonzero(np.diff(numbers) != 1)
    firsts = numbers[np.concatenate([[0], ends + 1])].tolist()
    lasts = numbers[np.concatenate([ends, [-1]])].tolist()
    pairs = zip(firsts, lasts, strict=True)
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in pairs)
