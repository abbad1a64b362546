"""Settings that a sampler of Optuna proposes, in batches, each after what the ones before gave.

The sampler sees the unit interval for each number that is drawn: the space's own distributions make
values of what it asks for, so that a logarithm stays one, and conditions hold. It is told the mean
over replicates; what failed is told as infinitely bad.
Source: Akiba, Sano, Yanase, Ohta, Koyama 2019, "Optuna" (the extra `optuna`).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value, check_integer, look_up, shown
from jaxnn.space import Choice, Grid, Integers, Space, Structural
from jaxnn.sweeps.settings import drawn_names
from jaxnn.sweeps.stopping import Mode

__all__ = ["SAMPLERS", "Asker", "Optuna", "method_from_plain", "method_to_plain"]

SAMPLERS = {
    "tpe": "TPESampler",
    "cmaes": "CmaEsSampler",
    "gp": "GPSampler",
    "random": "RandomSampler",
}
"""Samplers by name; "cmaes" needs the package cmaes, "gp" torch."""

Points = dict[str, NDArray[np.float64]]


@dataclasses.dataclass(frozen=True)
class Optuna:
    """How settings are proposed: by a sampler that learns from those before.

    sampler: "tpe", "cmaes", "gp" or "random". metric and mode: what it is told. batch: settings
    that are asked for at once, by default as many as a block holds: few at a time are better
    chosen, many run faster.
    """

    sampler: str = "tpe"
    metric: str = "loss"
    mode: Mode = "min"
    batch: int | None = None

    def __post_init__(self) -> None:
        look_up("Optuna", "sampler", self.sampler, SAMPLERS)
        look_up("Optuna", "mode", self.mode, {"min": 0, "max": 0})
        if not isinstance(self.metric, str):
            raise bad_type("Optuna", "metric", "a string", shown(self.metric))
        if self.batch is not None:
            check_integer("Optuna", "batch", self.batch, low=1)


class Asker:
    """A sampler and what it was told so far; equal seeds and scores give equal proposals."""

    def __init__(self, method: Optuna, space: Space, seed: int) -> None:
        self.names = drawn_names(space)
        for name, entry in space.items():
            if isinstance(getattr(entry, "inner", entry), Grid):
                fix = "Write choice([...]): a sampler tries what is promising, not all."
                raise bad_value("sweeps.run", "space", "without grids", f"one of {name!r}", fix)
        if not self.names:
            constraint = "one with a distribution, for a sampler to draw from"
            raise bad_value("sweeps.run", "space", constraint, shown(dict(space)))
        self.space, self._optuna = space, _imported()
        chosen = getattr(self._optuna.samplers, SAMPLERS[method.sampler])
        # Points that are asked for together would lie on a heap without the lie.
        liar = {"constant_liar": True} if method.sampler == "tpe" else {}
        with self._quiet():
            self._study = self._optuna.create_study(sampler=chosen(seed=seed, **liar))
        self._asked: list[Any] = []

    def ask(self, number: int) -> Points:
        """So many points of [0, 1), by name; 1/2 for what does not exist in a setting."""
        points = {name: np.full(number, 0.5) for name in self.names}
        with self._quiet():
            self._asked = [self._study.ask() for _ in range(number)]
            for row, trial in enumerate(self._asked):
                for name, point in _suggested(trial, self.space):
                    points[name][row] = point
        return points

    def tell(self, scores: NDArray[np.float64]) -> None:
        """What those that were asked for gave, less is better."""
        with self._quiet():
            for trial, score in zip(self._asked, scores, strict=True):
                self._study.tell(trial, float(score))

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        """Without a line on each trial."""
        logging = self._optuna.logging
        before = logging.get_verbosity()
        logging.set_verbosity(logging.WARNING)
        try:
            yield
        finally:
            logging.set_verbosity(before)


def method_to_plain(method: str | Optuna) -> Any:
    """A method as strings and numbers alone.

    >>> method_from_plain(method_to_plain(Optuna(batch=8)))
    Optuna(sampler='tpe', metric='loss', mode='min', batch=8)
    """
    return {"optuna": dataclasses.asdict(method)} if isinstance(method, Optuna) else method


def method_from_plain(plain: Any) -> Any:
    """What `method_to_plain` gave, or a TOML file holds: { optuna = { sampler = "tpe" } }.

    Raises ValueError for unknown names.
    """
    if not isinstance(plain, Mapping):
        return plain
    for name in plain:
        look_up("sweeps", "method", name, {"optuna": 0})
    known = dict.fromkeys(x.name for x in dataclasses.fields(Optuna))
    for name in plain["optuna"]:
        look_up("sweeps: optuna", "field", name, known)
    return Optuna(**plain["optuna"])


def _imported() -> Any:
    try:
        import optuna
    except ImportError as error:
        fix = "pip install 'jaxnn[optuna]'"
        constraint = "one whose package is installed"
        raise bad_value("sweeps.run", "method", constraint, "Optuna without optuna", fix) from error
    return optuna


def _suggested(trial: Any, space: Space) -> Iterator[tuple[str, float]]:
    for name, entry in space.items():
        inner = entry.inner if isinstance(entry, Structural) else entry
        if isinstance(inner, Choice):
            number = trial.suggest_categorical(name, list(range(len(inner.options))))
            yield name, (number + 0.5) / len(inner.options)
            yield from _suggested(trial, inner.space(inner.options[number]))
        elif isinstance(inner, Integers):
            whole = trial.suggest_int(name, inner.low, inner.high)
            yield name, float(inner.point(np.asarray(whole)))
        elif hasattr(inner, "quantile"):
            yield name, trial.suggest_float(name, 0.0, 1.0)
