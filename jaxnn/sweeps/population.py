"""Population-based training: at rungs the worst take over the best, with numbers a little changed.

Nobody is stopped. At each rung, among settings of one structure, the worst share takes the state of
one of the best, drawn at random, and that one's numbers, each multiplied or divided by a factor or
drawn anew from the space. So numbers change while a trial runs: `advance` must read them from
`hyper`, not keep them in the state, which is copied.
Source: Jaderberg, Dalibard, Osindero, Czarnecki, Donahue, Razavi, Vinyals, Green, Dunning,
Simonyan, Fernando, Kavukcuoglu 2017, "Population based training of neural networks".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value, check_integer, shown
from jaxnn.space import Choice, Grid, Integers, OneMinus
from jaxnn.sweeps.collector import Collector
from jaxnn.sweeps.results import Results
from jaxnn.sweeps.rungs import Lineage
from jaxnn.sweeps.settings import Group, Settings
from jaxnn.sweeps.stopping import Rule

__all__ = ["Genealogy", "PopulationBased", "check_space", "evolve"]

_STREAM = 0x9B7
"""Keeps what is drawn here apart from all else that a seed decides."""


@dataclasses.dataclass(frozen=True)
class PopulationBased(Rule):
    """The worst take over the state and the numbers of the best, and explore from there.

    every: steps between rungs, by default 1/10 of all. fraction: in (0, 0.5], how many are
    replaced, by as many of the best. factor: > 1, by which a number is multiplied or divided; whole
    numbers move by one at least, options of a choice to the one beside. resample: in [0, 1], how
    likely a number is drawn anew instead. What has failed is always replaced.
    """

    every: int | None = None
    fraction: float = 0.2
    factor: float = 1.2
    resample: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.every is not None:
            check_integer("PopulationBased", "every", self.every, low=1)
        for name in ("fraction", "factor", "resample"):
            if not isinstance(getattr(self, name), int | float):
                raise bad_type("PopulationBased", name, "a number", shown(getattr(self, name)))
        if not 0 < self.fraction <= 0.5:
            raise bad_value("PopulationBased", "fraction", "in (0, 0.5]", shown(self.fraction))
        if not self.factor > 1:
            raise bad_value("PopulationBased", "factor", "> 1", shown(self.factor))
        if not 0 <= self.resample <= 1:
            raise bad_value("PopulationBased", "resample", "in [0, 1]", shown(self.resample))
        if self.unit != "setting":
            fix = "The numbers of a setting are those of all its replicates."
            raise bad_value("PopulationBased", "unit", "'setting'", repr(self.unit), fix)

    def rungs(self, num_steps: int) -> tuple[tuple[float, ...], ...]:
        """At even distances."""
        every = self.every or max(num_steps / 10, 1)
        count = int(np.ceil(num_steps / every - 1e-9)) - 1
        return (tuple(float(every * (k + 1)) for k in range(count)),)

    def exploit(self, scores: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Whose state each takes, [members]; less is better, and +infinity has failed."""
        members = np.arange(len(scores))
        order = np.argsort(scores, kind="stable")
        number = int(np.floor(self.fraction * len(scores)))
        best = order[: max(number, 1)]
        best = best[np.isfinite(scores[best])]
        worst = np.isin(members, order[len(order) - number :]) | ~np.isfinite(scores)
        drawn = rng.random(len(scores))  # for all, so that one's draw hangs on nobody else
        if len(best):
            members[worst] = best[(drawn * len(best)).astype(np.int64)[worst]]
        return members

    def explore(self, entry: Any, values: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        """Other values of a number near these, inside of what its entry of the space allows."""
        anew, up, points = rng.random((3, len(values)))
        drawn = (
            entry.values[(points * len(entry.values)).astype(np.int64)]
            if isinstance(entry, Grid)
            else entry.quantile(points)
        )
        near = _moved(entry, values, np.where(up < 0.5, 1 / self.factor, self.factor))
        return np.where(anew < self.resample, drawn, near).astype(values.dtype)


def _moved(entry: Any, values: NDArray[Any], factors: NDArray[np.float64]) -> NDArray[Any]:
    if isinstance(entry, OneMinus):
        return 1.0 - _moved(entry.inner, 1.0 - values, factors)
    direction = np.where(factors > 1, 1, -1)
    if isinstance(entry, Choice | Grid):
        options = np.sort(np.asarray(entry.options, values.dtype))
        at = np.searchsorted(options, values) + direction
        return options[np.clip(at, 0, len(options) - 1)]
    moved = values * factors
    if isinstance(entry, Integers):
        rounded = np.rint(moved)
        moved = np.where(rounded == values, values + direction, rounded)
    low, high = entry.quantile(np.array([0.0, 1.0]))
    return np.clip(moved, low, high)


class Genealogy:
    """Parents and numbers as rungs come, of all settings of a sweep."""

    def __init__(self, settings: Settings, steps: tuple[int, ...]) -> None:
        self.settings, self.steps = settings, steps
        self.columns = [dict(settings.columns)]  # by part of the way
        self.parents: list[NDArray[np.int64]] = []  # by rung

    def name(self, wave: int) -> str:
        """That of the decision after a wave, in a store."""
        return f"rung@{self.steps[wave]}:0"

    def add(
        self,
        parents: NDArray[np.int64],
        groups: Sequence[Group],
        numbers: Sequence[Mapping[str, NDArray[Any]]],
    ) -> None:
        """What was decided at the next rung; numbers by group."""
        columns = {name: x.copy() for name, x in self.columns[-1].items()}
        for group, own in zip(groups, numbers, strict=True):
            for name, column in own.items():
                columns[name][group.members] = column
        self.columns.append(columns)
        self.parents.append(parents)

    def to_store(self) -> dict[str, NDArray[Any]]:
        """The last of it."""
        numbers = {f"number/{name}": x for name, x in self._numbers(self.columns[-1]).items()}
        return {"parents": self.parents[-1], **numbers}

    def add_stored(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """What `to_store` gave."""
        numbers = {name: arrays[f"number/{name}"] for name in self._numbers(self.columns[0])}
        self.columns.append(self.columns[-1] | numbers)
        self.parents.append(arrays["parents"])

    def _numbers(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {k: x for k, x in columns.items() if self.settings.kinds[k] != "structure"}

    def results(self, collector: Collector) -> Results:
        """The table, with the numbers at the end, and the lineage."""
        collector.settings = dataclasses.replace(self.settings, columns=self.columns[-1])
        columns = [self._numbers(x) for x in self.columns]
        numbers = {name: np.stack([x[name] for x in columns]) for name in columns[0]}
        parents = np.stack(self.parents) if self.parents else np.zeros((0, 0), np.int64)
        steps = np.asarray([*self.steps[: len(self.parents)], self.steps[-1]])
        return dataclasses.replace(collector.results(), lineage=Lineage(steps, parents, numbers))


def evolve(
    rule: PopulationBased,
    space: Mapping[str, Any],
    scores: NDArray[np.float64],
    groups: Sequence[Group],
    numbers: list[dict[str, NDArray[Any]]],
    seed: int,
    rung: int,
) -> tuple[NDArray[np.int64], list[dict[str, NDArray[Any]]]]:
    """Parents of all settings, and the numbers of each group, after a rung."""
    parents, changed = np.arange(len(scores)), []
    for number, (group, own) in enumerate(zip(groups, numbers, strict=True)):
        rng = np.random.default_rng([seed, _STREAM, rung, number])
        taken = rule.exploit(scores[group.members], rng)
        parents[group.members] = group.members[taken]
        moved = taken != np.arange(len(taken))
        found = {}
        for name, column in own.items():
            entry = entry_of(space, name)
            near = column[taken]
            if hasattr(entry, "quantile") or isinstance(entry, Grid):
                near = np.where(moved, rule.explore(entry, near, rng), near)
            found[name] = near.astype(column.dtype)
        changed.append(found)
    return parents, changed


def entry_of(space: Mapping[str, Any], name: str) -> Any:
    """What the space, or that of an option in it, says of a name; None where nothing does."""
    for own, entry in space.items():
        inner = getattr(entry, "inner", entry) if not isinstance(entry, OneMinus) else entry
        if own == name:
            return inner
        if isinstance(inner, Choice):
            for option in inner.options:
                found = entry_of(inner.space(option), name)
                if found is not None:
                    return found
    return None


def check_space(space: Any) -> None:
    """Raises TypeError for settings that come from no space."""
    if not isinstance(space, Mapping):
        fix = "Pass {'learning_rate': log_uniform(1e-4, 1e-1)}, for example."
        constraint = "a dict of distributions, to draw other numbers from"
        raise bad_type("sweeps.run", "space", constraint, shown(space), fix)
