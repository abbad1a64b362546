"""Where the best settings of a sweep crowd at the edge of a range, so that better may lie beyond.

One best setting lies near some edge by chance often enough. So the best twentieth is asked, five
settings at least: a number is named where most of them lie in the outermost fifth of its range (of
few values, at the last), at least half of those in its outer half, and where that is too many for
chance: of sweeps on which no number has an effect at most one in twenty has a number named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxnn.space import (
    Choice,
    Grid,
    Integers,
    LogUniform,
    OneMinus,
    Space,
    Structural,
    Uniform,
    is_structural,
)
from jaxnn.sweeps.plain import to_plain
from jaxnn.sweeps.results import Results

__all__ = ["edges"]

BEST, OUTER, CHANCE = 0.05, 0.2, 0.05
"""Shares: of the settings that are asked, of a range that is its edge, of sweeps named wrongly."""

MIN_ASKED = 5


def edges(
    results: Results, metric: str, *, mode: str = "min", space: Space | None = None
) -> list[str]:
    """Sentences that name a number, the edge of its range, and a wider range to try.

    space: that of the results by default; without one, as for a list of settings, nothing is said.
    A number that exists for some option only is judged among the settings that have it. Nothing is
    said of bounds that may be the nature of a number: 0, and 1 as the end of a range inside [0, 1].
    Raises ValueError for a metric or a mode that is not there.
    """
    order = results.ranking(metric, mode=mode, failed=False)
    space = results.space if space is None else space
    if not isinstance(space, Mapping):
        return []
    there = np.ones(results.num_settings, bool)
    asked = [x for x in _entries(space, results, there, "") if _sides(x.entry)]
    return [sentence for x in asked for sentence in _named(x, results, order, len(asked))]


class _Entry(NamedTuple):
    """A number that a space draws, for the settings that have it."""

    name: str
    entry: Any
    there: NDArray[np.bool_]
    where: str  # in words, "" for all settings


def _entries(
    space: Space, results: Results, there: NDArray[np.bool_], where: str
) -> Iterator[_Entry]:
    for name, entry in space.items():
        inner = entry.inner if isinstance(entry, Structural) else entry
        yield _Entry(name, inner, there, where)
        if isinstance(inner, Choice) and inner.spaces:
            chosen = results.columns[name][:: results.num_seeds]
            for option in inner.options:
                own = there & (chosen == option)
                text = f"{where} with {name} = {option!r}"
                yield from _entries(inner.space(option), results, own, text)


class _Side(NamedTuple):
    """An edge, by values from its end inwards: all of it, and its outer half."""

    end: float
    middle: float
    start: float
    share: float  # of all that is drawn
    text: str
    fix: str


def _num_between(values: NDArray[np.float64], end: float, inner: float) -> int:
    low, high = min(end, inner), max(end, inner)
    return int(np.count_nonzero((values >= low) & (values <= high)))


def _named(
    asked: _Entry, results: Results, order: NDArray[np.int64], num_asked: int
) -> Iterator[str]:
    from scipy.stats import binom

    own = order[asked.there[order]]
    number = max(MIN_ASKED, math.ceil(BEST * len(own)))
    if number > len(own):
        return
    column = results.columns[asked.name][:: results.num_seeds]
    best = column[own[:number]].astype(np.float64)
    for side in _sides(asked.entry):
        inside = _num_between(best, side.end, side.start)
        # Of so many or more, on this side or the other of any number, where nothing matters.
        chance = 2 * num_asked * binom.sf(inside - 1, number, side.share)
        outermost = 2 * _num_between(best, side.end, side.middle) >= inside
        if 2 * inside > number and outermost and chance <= CHANCE:
            which = f"{inside} of the best {number} settings{asked.where}"
            first = "" if side.end == side.start else f" (the best {best[0]:.6g})"
            yield f"{which} have {asked.name} {side.text}{first}: {side.fix}"


def _sides(entry: Any) -> list[_Side]:
    """The edges of what is drawn, lower and upper; none of what is no number or has no end."""
    if isinstance(entry, Integers | Choice | Grid):
        return _of_values(entry)
    if not isinstance(entry, Uniform | LogUniform | OneMinus):
        return []
    sides = []
    for upper in (False, True):
        wider = _wider(entry, upper=upper)
        if wider is not None:
            inwards = np.array([0.0, OUTER / 2, OUTER])
            end, middle, start = map(float, entry.quantile(1 - inwards if upper else inwards))
            text = f"in the outermost {OUTER:.0%} of {_written(entry)}".replace("%", " %")
            fix = f"widen it, to {wider:.10g} for example."
            sides.append(_Side(end, middle, start, OUTER, text, fix))
    return sides


def _of_values(entry: Integers | Choice | Grid) -> list[_Side]:
    if isinstance(entry, Integers):
        values, fix = list(range(entry.low, entry.high + 1)), "widen it."
    else:
        values, fix = list(entry.options), "try others beyond it."
    if is_structural(entry) or len(values) < 3:
        return []
    values = sorted(float(x) for x in values)  # pyright: ignore[reportArgumentType]
    number = max(int(OUTER * len(values)), 1)
    sides = []
    for order in (values, values[::-1]):
        end, middle, start = order[0], order[(number + 1) // 2 - 1], order[number - 1]
        text = f"= {end:g}" if number == 1 else f"from {end:g} to {start:g}"
        text += f", at the end of {_written(entry)}"
        # There may be no layers fewer than 1, and no penalty less than 0.
        if order is not values or end not in (0, 1):
            sides.append(_Side(end, middle, start, number / len(values), text, fix))
    return sides


def _wider(entry: Any, *, upper: bool) -> float | None:
    """Where a wider range would end; None where there may be nothing beyond."""
    if isinstance(entry, OneMinus):
        inner = _wider(entry.inner, upper=upper)
        if inner is not None and upper and entry.inner.high <= 1 < inner:
            inner = (1 + entry.inner.high) / 2 if entry.inner.high < 1 else None
        return None if inner is None else 1 - inner
    low, high = entry.low, entry.high
    if isinstance(entry, LogUniform):
        return high * 10 if upper else low / 10
    if upper:
        inside = low >= 0 and high <= 1
        return high + (high - low) if not inside else (1 + high) / 2 if high < 1 else None
    return None if low == 0 else max(low / 2, low - (high - low)) if low > 0 else low - (high - low)


def _written(entry: Any) -> str:
    """An entry as a space has it: log_uniform(0.0001, 0.1)."""
    return _text(to_plain(entry))


def _text(plain: Any) -> str:
    if isinstance(plain, Mapping):
        return ", ".join(f"{kind}({_text(inside)})" for kind, inside in plain.items())
    if not isinstance(plain, list):
        return f"{plain:g}"
    most = 6
    shown = [f"{x:g}" for x in (plain if len(plain) <= most else [*plain[:2], *plain[-1:]])]
    return ", ".join(shown if len(plain) <= most else [*shown[:2], "…", shown[-1]])
