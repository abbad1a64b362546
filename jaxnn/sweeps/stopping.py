"""Rules of early stopping: which trials go on at a rung, a pure function of what was measured.

A rule says at which steps it looks (`rungs`), which trials compete (`brackets`), and who goes on
(`keep`). It sees scores: the metric of its name, turned so that less is better, +infinity for
what failed; the unit is a setting with all its replicates, by their mean, or each trial alone.
Whoever has failed never goes on.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value, check_integer, look_up, shown

__all__ = [
    "CurveThreshold",
    "Hyperband",
    "MedianRule",
    "Mode",
    "Rule",
    "StoppingRule",
    "SuccessiveHalving",
    "Unit",
]

Mode = Literal["min", "max"]
Unit = Literal["setting", "trial"]

Scores: TypeAlias = NDArray[np.float64]
"""[those that reached the rung, rungs up to it], less is better."""


@runtime_checkable
class StoppingRule(Protocol):
    """What a sweep asks; a frozen dataclass of plain values can be one."""

    @property
    def metric(self) -> str:
        """The metric that decides."""
        ...

    @property
    def mode(self) -> Mode:
        """Whether the smallest or the largest is best."""
        ...

    @property
    def unit(self) -> Unit:
        """What goes on or does not: settings with all replicates, or trials."""
        ...

    def rungs(self, num_steps: int) -> tuple[tuple[float, ...], ...]:
        """By bracket the steps after which it looks, ascending, in (0, num_steps)."""
        ...

    def brackets(self, num_settings: int, num_steps: int) -> NDArray[np.int64]:
        """The bracket of each setting; the first ones keep theirs when there are more."""
        ...

    def keep(self, scores: Scores, num_started: int, rung: int, step: int) -> NDArray[np.bool_]:
        """Who goes on after the last column. num_started: of the bracket. rung: from 0."""
        ...


@dataclasses.dataclass(frozen=True)
class Rule:
    """What rules have in common: the metric that decides, its better end, and what is stopped."""

    metric: str = "loss"
    mode: Mode = "min"
    unit: Unit = "setting"

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str):
            raise bad_type(type(self).__name__, "metric", "a string", shown(self.metric))
        look_up(type(self).__name__, "mode", self.mode, {"min": 0, "max": 0})
        look_up(type(self).__name__, "unit", self.unit, {"setting": 0, "trial": 0})

    def brackets(self, num_settings: int, num_steps: int) -> NDArray[np.int64]:
        """All compete with all."""
        del num_steps
        return np.zeros(num_settings, np.int64)

    def _check_first(self, first: int | None) -> None:
        if first is not None:
            check_integer(type(self).__name__, "first", first, low=1)


@dataclasses.dataclass(frozen=True)
class _Halved(Rule):
    """At each rung the best 1/η go on; where the rungs begin is left to say."""

    eta: float = 2
    first: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.eta, int | float) and self.eta > 1 and math.isfinite(self.eta)):
            raise bad_value(type(self).__name__, "eta", "> 1", shown(self.eta))
        self._check_first(self.first)

    def rungs(self, num_steps: int) -> tuple[tuple[float, ...], ...]:
        """From the first on, each η times as far as the one before."""
        first = self.first or max(num_steps / self.eta ** _whole_log(10, self.eta), 1.0)
        return (_geometric(first, self.eta, num_steps),)

    def keep(self, scores: Scores, num_started: int, rung: int, step: int) -> NDArray[np.bool_]:
        """The best 1/η of those that there would be if nothing had failed."""
        del step
        return _best(scores[:, -1], math.floor(num_started / self.eta ** (rung + 1) + 1e-9))


@dataclasses.dataclass(frozen=True)
class SuccessiveHalving(_Halved):
    """At each rung the best 1/η of the trials go on, to η times as many steps.

    eta: > 1. first: steps before the first rung, by default the shortest that is 1/10 of all at
    least; a trial that has hardly begun says little of its end.
    Source: Jamieson, Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter
    optimization".

    >>> SuccessiveHalving(eta=2).rungs(400)
    ((50.0, 100.0, 200.0),)
    """


@dataclasses.dataclass(frozen=True)
class Hyperband(_Halved):
    """Successive halving from several first rungs at once, as nobody knows which is early enough.

    eta: > 1. first: steps before the first rung of the boldest bracket, by default as in
    `SuccessiveHalving`; the last bracket stops nobody. Settings go to brackets by turns, in
    proportion to how many each begins with in the paper, so that a sweep can grow.
    Source: Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar 2018, "Hyperband".

    >>> Hyperband(eta=3, first=1).rungs(27)
    ((1.0, 3.0, 9.0), (3.0, 9.0), (9.0,), ())
    """

    eta: float = 3

    def rungs(self, num_steps: int) -> tuple[tuple[float, ...], ...]:
        """Those of halving, then without its first, …, then none."""
        (boldest,) = super().rungs(num_steps)
        return tuple(boldest[k:] for k in range(len(boldest) + 1))

    def brackets(self, num_settings: int, num_steps: int) -> NDArray[np.int64]:
        """By turns, in proportion to the paper's numbers."""
        most = len(self.rungs(num_steps)) - 1
        sizes = [math.ceil((most + 1) / (s + 1) * self.eta**s) for s in range(most, -1, -1)]
        share = np.asarray(sizes) / sum(sizes)
        given, chosen = np.zeros(len(sizes)), np.zeros(num_settings, np.int64)
        for number in range(num_settings):
            chosen[number] = np.argmax(share * (number + 1) - given)
            given[chosen[number]] += 1
        return chosen


@dataclasses.dataclass(frozen=True)
class MedianRule(Rule):
    """Stops whose best score so far is worse than the median of the others' means so far.

    first: steps before the first rung, by default 1/8 of all. every: steps between rungs, by
    default as many. percentile: in (0, 100), 50 the median; less stops more.
    Source: Golovin, Solnik, Moitra, Kochanski, Karro, Sculley 2017, "Google Vizier".
    """

    first: int | None = None
    every: int | None = None
    percentile: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_first(self.first)
        if self.every is not None:
            check_integer("MedianRule", "every", self.every, low=1)
        if not (isinstance(self.percentile, int | float) and 0 < self.percentile < 100):
            raise bad_value("MedianRule", "percentile", "in (0, 100)", shown(self.percentile))

    def rungs(self, num_steps: int) -> tuple[tuple[float, ...], ...]:
        """At even distances."""
        first = self.first or max(num_steps / 8, 1.0)
        every = self.every or first
        count = math.ceil((num_steps - first) / every - 1e-9)
        return (tuple(float(first + every * k) for k in range(count)),)

    def keep(self, scores: Scores, num_started: int, rung: int, step: int) -> NDArray[np.bool_]:
        """Those that are no worse than the percentile."""
        del num_started, rung, step
        means = scores.mean(axis=1)
        finite = means[np.isfinite(means)]
        bar = np.percentile(finite, self.percentile) if finite.size else np.inf
        return np.isfinite(scores[:, -1]) & (scores.min(axis=1) <= bar)


@dataclasses.dataclass(frozen=True)
class CurveThreshold(Rule):
    """Stops whose metric is worse than a threshold at a step: a curve that all must keep up with.

    at: steps to thresholds, in the units of the metric.

    >>> CurveThreshold("accuracy", mode="max", at={50: 0.5, 100: 0.8}).rungs(400)
    ((50.0, 100.0),)
    """

    at: Any = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        pairs = self.at.items() if isinstance(self.at, Mapping) else self.at
        fix = "Pass {100: 0.5}, for example: steps to thresholds."
        try:
            curve = tuple(sorted((int(step), float(value)) for step, value in pairs))
        except (TypeError, ValueError):
            raise bad_type("CurveThreshold", "at", "a dict", shown(self.at), fix) from None
        if not curve or curve[0][0] < 1 or any(math.isnan(value) for _, value in curve):
            constraint = "steps >= 1 with thresholds that are no NaN"
            raise bad_value("CurveThreshold", "at", constraint, shown(self.at), fix)
        object.__setattr__(self, "at", curve)

    def rungs(self, num_steps: int) -> tuple[tuple[float, ...], ...]:
        """The steps of the curve."""
        del num_steps
        return (tuple(float(step) for step, _ in self.at),)

    def keep(self, scores: Scores, num_started: int, rung: int, step: int) -> NDArray[np.bool_]:
        """Those that are no worse than the threshold."""
        del num_started, step
        sign = 1 if self.mode == "min" else -1
        return np.isfinite(scores[:, -1]) & (scores[:, -1] <= sign * self.at[rung][1])


def _geometric(first: float, ratio: float, end: int) -> tuple[float, ...]:
    count = max(math.ceil(math.log(end / first, ratio) - 1e-9), 0)
    return tuple(float(first * ratio**k) for k in range(count))


def _whole_log(value: float, base: float) -> int:
    return max(math.floor(math.log(value, base) + 1e-9), 1)


def _best(scores: NDArray[np.float64], number: int) -> NDArray[np.bool_]:
    """The `number` smallest, one at least; ties go by position, and what failed never."""
    kept = np.zeros(len(scores), bool)
    kept[np.argsort(scores, kind="stable")[: max(number, 1)]] = True
    return kept & np.isfinite(scores)
