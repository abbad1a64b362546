"""What a trial is to the engine: a `Staged` of numbers alone, that carries its own status.

A plain f(key, hyper) → metrics is a trial of no steps. Structure is bound before it is traced. A
trial that does not report a status is guarded: frozen as it was before the first step at which
something in it is not finite, or above a ceiling.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.errors import bad_type, bad_value, shown, unknown_name
from jaxnn.typing import Array, Bool, Int, Staged

__all__ = [
    "ABOVE",
    "NON_FINITE",
    "OK",
    "ByStructure",
    "Trial",
    "bound",
    "by_structure",
    "check_trial",
    "guarded",
]

OK, NON_FINITE, ABOVE = 0, 1, 2
"""Statuses, the same numbers as those of `training.status`."""


@dataclasses.dataclass(frozen=True)
class ByStructure:
    """A trial whose functions depend on what is structural: made by `by_structure`."""

    make: Callable[[dict[str, Any]], Staged]


Trial: TypeAlias = Staged | ByStructure | Callable[..., Mapping[str, Any]]
"""What a sweep can run."""


def by_structure(make: Callable[[dict[str, Any]], Staged]) -> ByStructure:
    """A trial that is made once for each combination of structural values.

    make: a dict of the structural names of the space to their values → the `Staged` to run.

        sweeps.by_structure(lambda s: training.stages("digits", s["optimizer"], num_steps=200))
    """
    if not callable(make):
        raise bad_type("sweeps.by_structure", "make", "a function", shown(make))
    return ByStructure(make)


def check_trial(trial: Any) -> None:
    """Raises TypeError for what is no trial."""
    if not isinstance(trial, Staged | ByStructure) and not callable(trial):
        fix = "Pass f(key, hyper) -> metrics or a Staged."
        raise bad_type("sweeps.run", "trial", "callable", shown(trial), fix)


def bound(trial: Trial, structure: Mapping[str, Any], numbers: Iterable[str] = ()) -> Staged:
    """The trial as a `Staged` of numbers alone, which are named so.

    Its functions find the structural values in `hyper` beside the numbers; those that
    `by_structure` makes have been given them.
    """
    if isinstance(trial, ByStructure):
        staged = trial.make(_Structure(structure, numbers))
        if not isinstance(staged, Staged):
            fix = "Return training.stages(...), or another Staged."
            raise bad_type(
                "sweeps.by_structure", "make", "one that returns a Staged", shown(staged), fix
            )
        return staged
    staged = trial if isinstance(trial, Staged) else Staged(_Whole(trial).init, _stay, _as_it_is, 0)
    if not structure:
        return staged
    known = tuple(structure.items())
    return staged._replace(
        init=_Knowing(staged.init, known),
        advance=_Knowing(staged.advance, known),
        measure=_Knowing(staged.measure, known),
        check=staged.check and _Checking(staged.check, known),
    )


class _Structure(dict[str, Any]):
    """The structural values of a space, which say what is missing among them."""

    def __init__(self, structure: Mapping[str, Any], numbers: Iterable[str]) -> None:
        super().__init__(structure)
        self._numbers = frozenset(numbers)

    def __missing__(self, name: str) -> Any:
        if name not in self._numbers:
            raise unknown_name("sweeps.by_structure", "structure", name, self)
        fix = f'Declare it: space = {{"{name}": structural(...)}}.'
        constraint = "structural, since what is made depends on it"
        raise bad_value("sweeps.by_structure", name, constraint, "a traced number", fix)


@dataclasses.dataclass(frozen=True)
class _Whole:
    """A trial of no steps, whose state is its metrics."""

    trial: Callable[..., Mapping[str, Any]]

    def init(self, key: Array, hyper: dict[str, Any], data: None) -> Any:
        del data
        return self.trial(key, hyper)


def _stay(state: Any, hyper: Any, step: Any, data: Any) -> tuple[Any, dict[str, Any]]:
    del hyper, step, data
    return state, {}


def _as_it_is(state: Any, hyper: Any, data: Any) -> Any:
    del hyper, data
    return state


@dataclasses.dataclass(frozen=True)
class _Knowing:
    """A function of (…, hyper, …) that finds structural values in `hyper` too."""

    function: Callable[..., Any]
    structure: tuple[tuple[str, Any], ...]

    def __call__(self, first: Any, hyper: dict[str, Any], *rest: Any) -> Any:
        return self.function(first, type(hyper)({**hyper, **dict(self.structure)}), *rest)


@dataclasses.dataclass(frozen=True)
class _Checking:
    check: Callable[[dict[str, Any]], Any]
    structure: tuple[tuple[str, Any], ...]

    def __call__(self, hyper: dict[str, Any]) -> Any:
        return self.check({**hyper, **dict(self.structure)})


class GuardedState(NamedTuple):
    """A trial's state and what became of it."""

    inner: Any
    status: Int[Array, ""]
    step: Int[Array, ""]  # at which it failed, −1 where it did not


def guarded(staged: Staged, ceiling: float | None = None) -> Staged:
    """The trial with a status of its own, for one that does not report any.

    After a step at which a scalar or the state holds what is not finite, or a scalar named "loss"
    exceeds the ceiling in size, the state before it is kept and measured; the scalars of that step
    stand, those that follow are NaN (0 where they are whole numbers). Metrics that are not finite
    at the end fail at the step `num_steps`.
    """
    guard = _Guard(staged, ceiling)
    return staged._replace(init=guard.init, advance=guard.advance, measure=guard.measure)


@dataclasses.dataclass(frozen=True)
class _Guard:
    staged: Staged
    ceiling: float | None

    def init(self, prepared: Any, hyper: Any, data: Any) -> GuardedState:
        inner = jax.tree.map(jnp.asarray, self.staged.init(prepared, hyper, data))
        return GuardedState(inner, jnp.int32(OK), jnp.int32(-1))

    def advance(
        self, state: GuardedState, hyper: Any, step: Any, data: Any, *fed: Any
    ) -> tuple[GuardedState, dict[str, Array]]:
        new, scalars = self.staged.advance(state.inner, hyper, step, data, *fed)
        status = jnp.where(_finite((new, scalars)), jnp.int32(OK), jnp.int32(NON_FINITE))
        if self.ceiling is not None and "loss" in scalars:
            above = jnp.abs(scalars["loss"]) > self.ceiling
            status = jnp.where((status == OK) & above, jnp.int32(ABOVE), status)
        running = state.status == OK
        status = jnp.where(running, status, state.status)
        kept = jax.tree.map(functools.partial(jnp.where, status == OK), new, state.inner)
        failed = jnp.where(running & (status != OK), jnp.int32(step), state.step)
        scalars = {name: jnp.where(running, x, _missing(x)) for name, x in scalars.items()}
        return GuardedState(kept, status, failed), scalars

    def measure(self, state: GuardedState, hyper: Any, data: Any) -> dict[str, Array]:
        metrics = self.staged.measure(state.inner, hyper, data)
        fails = (state.status == OK) & ~_finite(metrics)
        return dict(metrics) | {
            "status": jnp.where(fails, jnp.int32(NON_FINITE), state.status),
            "status_step": jnp.where(fails, jnp.int32(self.staged.num_steps), state.step),
        }


def _finite(values: Any) -> Bool[Array, ""]:
    # A key is neither a number nor infinite.
    return tree.all_finite([x for x in jax.tree.leaves(values) if not _is_key(x)])


def _is_key(x: Any) -> bool:
    return hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _missing(x: Any) -> Array:
    x = jnp.asarray(x)
    return jnp.full_like(x, jnp.nan if jnp.issubdtype(x.dtype, jnp.inexact) else 0)
