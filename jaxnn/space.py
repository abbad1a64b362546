"""Search spaces: how a number of a trial is drawn from a point of the unit interval.

A space maps names to distributions, or to constants; `quantile` turns low-discrepancy or random
points in [0, 1) into values on the host, in float64.

    {"learning_rate": log_uniform(1e-4, 1e-1),
     "b1": one_minus(log_uniform(1e-3, 0.5)),
     "width": structural([16, 64]),
     "optimizer": choice({"sgd": {}, "adam": {"b2": one_minus(log_uniform(1e-4, 1e-1))}})}

Numbers are arguments of the trial: traced and batched. What is structural is not, as it decides
what is compiled: strings, truth values and None always, numbers where `structural` says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value, check_integer, shown

__all__ = [
    "Choice",
    "Distribution",
    "Grid",
    "Integers",
    "LogUniform",
    "Normal",
    "OneMinus",
    "Space",
    "Structural",
    "Uniform",
    "choice",
    "grid",
    "integers",
    "is_structural",
    "log_uniform",
    "normal",
    "one_minus",
    "structural",
    "uniform",
]

Option: TypeAlias = str | bool | int | float | None


class Distribution(Protocol):
    """How one number is drawn: a quantile function and a word on how to draw its axis."""

    @property
    def scale(self) -> str:
        """The axis on which it is even: "log", "linear" or "category"."""
        ...

    def quantile(self, points: NDArray[np.float64]) -> NDArray[Any]:
        """Values at the points of [0, 1), elementwise."""
        ...


Space: TypeAlias = Mapping[str, Any]
"""Names to distributions or constants."""


@dataclasses.dataclass(frozen=True)
class Uniform:
    """Even on [low, high]."""

    low: float
    high: float
    scale: str = dataclasses.field(default="linear", init=False)

    def quantile(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Low at 0, high at 1, linear between."""
        return self.low + (self.high - self.low) * np.asarray(points, np.float64)

    def point(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where values lie: the inverse of `quantile`."""
        return (np.asarray(values, np.float64) - self.low) / (self.high - self.low)


@dataclasses.dataclass(frozen=True)
class LogUniform:
    """Even in the logarithm on [low, high], both positive."""

    low: float
    high: float
    scale: str = dataclasses.field(default="log", init=False)

    def quantile(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Low at 0, high at 1, geometric between."""
        return self.low * (self.high / self.low) ** np.asarray(points, np.float64)

    def point(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where values lie: the inverse of `quantile`."""
        return np.log(np.asarray(values, np.float64) / self.low) / np.log(self.high / self.low)


@dataclasses.dataclass(frozen=True)
class Normal:
    """Gaussian, cut where 2⁻³² of its weight lies beyond, some 6.2 deviations from the mean."""

    mean: float
    deviation: float
    scale: str = dataclasses.field(default="linear", init=False)

    def quantile(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The Gaussian's quantile function."""
        from scipy.special import ndtri

        inside = np.clip(np.asarray(points, np.float64), 2.0**-32, 1 - 2.0**-32)
        return self.mean + self.deviation * ndtri(inside)

    def point(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where values lie: the Gaussian's distribution function."""
        from scipy.special import ndtr

        return ndtr((np.asarray(values, np.float64) - self.mean) / self.deviation)


@dataclasses.dataclass(frozen=True)
class Integers:
    """Even on the integers low … high, both of them included."""

    low: int
    high: int
    scale: str = dataclasses.field(default="linear", init=False)

    def quantile(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Low at 0, high at 1; each has an equal part of the interval."""
        steps = np.floor(np.asarray(points, np.float64) * (self.high - self.low + 1))
        return np.minimum(self.low + steps.astype(np.int64), self.high)

    def point(self, values: NDArray[np.int64]) -> NDArray[np.float64]:
        """The middle of the part of the interval that gives a value."""
        return (np.asarray(values, np.float64) - self.low + 0.5) / (self.high - self.low + 1)


@dataclasses.dataclass(frozen=True)
class OneMinus:
    """1 − x with x drawn from `inner`: a decay near 1, even in the logarithm of its distance."""

    inner: LogUniform | Uniform
    scale: str = dataclasses.field(default="linear", init=False)

    def quantile(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """1 − the inner quantile."""
        return 1.0 - self.inner.quantile(points)

    def point(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where values lie: the inverse of `quantile`."""
        return self.inner.point(1.0 - np.asarray(values, np.float64))


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of some options, all as likely; each may bring a space of its own."""

    options: tuple[Option, ...]
    spaces: tuple[tuple[tuple[str, Any], ...], ...] = ()  # by option; () where there are none
    scale: str = dataclasses.field(default="category", init=False)

    def quantile(self, points: NDArray[np.float64]) -> NDArray[Any]:
        """The options in their order, each for an equal part of the interval."""
        return _options(self.options)[Integers(0, len(self.options) - 1).quantile(points)]

    def space(self, option: Option) -> dict[str, Any]:
        """What exists only where this option is chosen."""
        return dict(self.spaces[self.options.index(option)]) if self.spaces else {}


@dataclasses.dataclass(frozen=True)
class Grid:
    """All of these values, each with all of the others' and with every point that is drawn."""

    options: tuple[Option, ...]
    scale: str = dataclasses.field(default="category", init=False)

    @property
    def values(self) -> NDArray[Any]:
        """The values in their order."""
        return _options(self.options)


@dataclasses.dataclass(frozen=True)
class Structural:
    """What decides the program: a value for `jit` to see, one compilation for each."""

    inner: Any  # Integers, Choice, Grid, or a single option
    scale: str = dataclasses.field(default="category", init=False)

    def quantile(self, points: NDArray[np.float64]) -> NDArray[Any]:
        """That of what is inside, as Python values."""
        return _options(self.inner.quantile(points).tolist(), structural=True)

    @property
    def values(self) -> NDArray[Any]:
        """The values of the grid inside."""
        return _options(self.inner.options, structural=True)


def _is_number(value: Any) -> bool:
    real = isinstance(value, int | float | np.integer | np.floating)
    return real and not isinstance(value, bool)


def _options(options: Iterable[Option], *, structural: bool = False) -> NDArray[Any]:
    found = list(options)
    if not structural and all(map(_is_number, found)):
        return np.asarray(found)
    values = np.empty(len(found), object)
    values[:] = found
    return values


def is_structural(entry: Any) -> bool:
    """Whether an entry of a space, or a constant, decides what is compiled.

    >>> is_structural(choice(["adam", "sgd"])), is_structural(choice([1, 2])), is_structural("a")
    (True, False, True)
    """
    if isinstance(entry, Structural):
        return True
    if isinstance(entry, Choice | Grid):
        brings = isinstance(entry, Choice) and bool(entry.spaces)
        return brings or not all(map(_is_number, entry.options))
    return entry is None or isinstance(entry, str | bool)


def _ordered(where: str, low: float, high: float) -> tuple[float, float]:
    low, high = float(low), float(high)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        constraint = f"finite and > low = {low:g}"
        raise bad_value(where, "high", constraint, f"{high:g}", "Swap the bounds?")
    return low, high


def uniform(low: float, high: float) -> Uniform:
    """Even on [low, high]. Raises ValueError unless low < high, both finite."""
    return Uniform(*_ordered("uniform", low, high))


def log_uniform(low: float, high: float) -> LogUniform:
    """Even in the logarithm on [low, high]. Raises ValueError unless 0 < low < high.

    >>> [round(float(x), 4) for x in log_uniform(1e-4, 1e0).quantile(np.array([0.0, 0.5, 0.75]))]
    [0.0001, 0.01, 0.1]
    """
    low, high = _ordered("log_uniform", low, high)
    if low <= 0:
        raise bad_value("log_uniform", "low", "> 0", f"{low:g}", "Use uniform for ranges with 0.")
    return LogUniform(low, high)


def normal(mean: float, deviation: float) -> Normal:
    """Gaussian with this mean and standard deviation, > 0, both finite; ValueError otherwise."""
    for name, value in {"mean": mean, "deviation": deviation}.items():
        if not np.isfinite(value):
            raise bad_value("normal", name, "finite", f"{value:g}")
    if deviation <= 0:
        fix = "Put a constant in the space instead." if deviation == 0 else ""
        raise bad_value("normal", "deviation", "> 0", f"{deviation:g}", fix)
    return Normal(float(mean), float(deviation))


def integers(low: int, high: int) -> Integers:
    """Even on the integers low … high, both included; a number, as traced as any other.

    A number that decides a shape is `structural(integers(low, high))`. Raises ValueError unless
    low < high, TypeError for what is no integer.

    >>> integers(1, 4).quantile(np.array([0.0, 0.25, 0.999])).tolist()
    [1, 2, 4]
    """
    low = check_integer("integers", "low", low, low=-(2**31))
    high = check_integer("integers", "high", high, low=low + 1)
    return Integers(low, high)


def one_minus(inner: LogUniform | Uniform) -> OneMinus:
    """1 − x with x from `inner`: `one_minus(log_uniform(1e-3, 1e-1))` spans 0.9 … 0.999."""
    return OneMinus(inner)


def choice(options: Iterable[Option] | Mapping[Option, Space]) -> Choice:
    """One of the options, all as likely: numbers, or strings, truth values and None.

    Numbers alone are a number like any other; whatever else is structural. A dict gives an option
    numbers of its own, that exist only where it is chosen:
    `choice({"sgd": {}, "adam": {"b1": uniform(0.8, 0.99)}})`; it is structural too.
    Raises ValueError for no option or one that repeats, TypeError for another kind of option.
    """
    found = _checked_options("choice", options)
    if not isinstance(options, Mapping):
        return Choice(found)
    for option, space in options.items():
        if not isinstance(option, str):
            raise bad_type("choice", "options", "strings, where they bring spaces", shown(option))
        if not isinstance(space, Mapping):
            fix = "Pass {} where it has no numbers of its own."
            raise bad_type("choice", option, "a space, a dict", shown(space), fix)
    return Choice(found, tuple(tuple(space.items()) for space in options.values()))


def grid(values: Iterable[Option]) -> Grid:
    """All of the values, each with all those of other grids and with every point that is drawn.

    Raises ValueError for no value or one that repeats, TypeError for another kind of value.
    """
    return Grid(_checked_options("grid", values))


def structural(entry: Any) -> Structural:
    """An entry whose values are not traced, so that they may decide shapes: one program for each.

    entry: `integers`, `choice` or `grid`, a list of options (a choice), or one option, a constant.
    Raises TypeError for a continuous distribution, of which every value would be a program.
    """
    if isinstance(entry, list | tuple):
        entry = choice(entry)
    if not isinstance(entry, Integers | Choice | Grid | str | int | float | None):
        constraint = "integers, choice, grid or a list of options"
        fix = "Each value is a program of its own: name a few."
        raise bad_type("structural", "entry", constraint, shown(entry), fix)
    return Structural(entry)


def _checked_options(where: str, options: Iterable[Any]) -> tuple[Option, ...]:
    if isinstance(options, str) or not isinstance(options, Iterable):
        raise bad_type(where, "options", "a list", shown(options), f"Pass [{shown(options)}].")
    found = [x.item() if isinstance(x, np.generic) else x for x in options]
    for option in found:
        if not isinstance(option, str | bool | int | float | None):
            constraint = "strings, numbers, True, False or None"
            fix = "Name things by a string and look them up in the trial."
            raise bad_type(where, "options", constraint, shown(option), fix)
        if isinstance(option, float) and not np.isfinite(option):
            raise bad_value(where, "options", "finite", f"{option:g}")
        if option == "":
            raise bad_value(where, "options", "told apart from what is not there", "''")
    if not found or len({(type(x), x) for x in found}) < len(found):
        raise bad_value(where, "options", "different and at least one", shown(found))
    return tuple(found)
