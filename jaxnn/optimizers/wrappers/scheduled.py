"""Numbers of a rule that follow schedules over the run.

    value used at step t = base · factor(t, num_steps)

The base is the number in `Hyper.inner`; the update is the rule's at the values used, which the
state records.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, ClassVar, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.errors import bad_type, bad_value, shown, unknown_name
from jaxnn.optimizers import base, hypers
from jaxnn.optimizers.table import check_rule
from jaxnn.optimizers.wrappers.base import Wrapper, as_reference, made, referred, structural
from jaxnn.typing import Array, ArrayLike, Float, Int, Interval, Params

__all__ = ["Scheduled", "ScheduledHyper", "ScheduledState", "scheduled"]

_NumSteps: TypeAlias = Annotated[ArrayLike | None, Interval(1, math.inf, "[)")]


class ScheduledHyper(NamedTuple):
    """Numbers of a scheduled rule; may be traced or batched."""

    inner: Any  # the rule's own; what is scheduled is its peak
    schedules: dict[str, Any]  # the numbers of each schedule, nested as the fields are
    num_steps: _NumSteps = None  # of the run; None where `training.train` is to fill it in


class ScheduledState(NamedTuple):
    """The state of a scheduled rule."""

    step: Int[Array, ""]  # how many there were
    values: dict[str, Float[Array, ""]]  # used by the last update, by dotted name of the field
    inner: Any


@dataclasses.dataclass(frozen=True)
class Scheduled(Wrapper):
    """A rule whose `fields` follow schedules: made by `scheduled`, equal and hashed by value."""

    LINEAR_IN_GRADIENTS: ClassVar[bool] = True
    RETURNS_UPDATES: ClassVar[bool] = True
    PASSES_COMPLEX: ClassVar[bool] = True

    fields: tuple[tuple[str, Any], ...]  # dotted name, reference to a schedule

    @property
    def schedules(self) -> dict[str, Any]:
        """The schedule of each field, by dotted name."""
        return {field: referred(schedule) for field, schedule in self.fields}

    @property
    def __name__(self) -> str:
        items = ", ".join(f"{k}={base.name_of(v)}" for k, v in self.schedules.items())
        return f"scheduled({base.name_of(self.rule)}, {items})"

    def Hyper(  # noqa: N802
        self,
        inner: Any = None,
        schedules: dict[str, Any] | None = None,
        num_steps: ArrayLike | None = None,
    ) -> ScheduledHyper:
        """The numbers: the rule's own, each schedule's by dotted field name, the run's length.

        What is left out has its default. Raises ValueError for a field that has no schedule.
        """
        known = self.schedules
        chosen: dict[str, Any] = {}
        for field in schedules or {}:
            if field not in known:
                raise unknown_name(base.name_of(self), "schedules", field, known)
        for field, schedule in known.items():
            numbers = (schedules or {}).get(field)
            *parents, last = field.split(".")
            level = chosen
            for name in parents:
                level = level.setdefault(name, {})
            level[last] = schedule.Hyper() if numbers is None else numbers
        return ScheduledHyper(self.rule.Hyper() if inner is None else inner, chosen, num_steps)

    def _values(self, step: Int[Array, ""], hyper: ScheduledHyper) -> dict[str, Array]:
        return {
            field: self._value(field, schedule, step, hyper)
            for field, schedule in self.schedules.items()
        }

    def _value(
        self, field: str, schedule: Any, step: Int[Array, ""], hyper: ScheduledHyper
    ) -> Float[Array, ""]:
        if hyper.num_steps is None and getattr(schedule, "NEEDS_NUM_STEPS", True):
            fix = "Pass Hyper(num_steps=...); jaxnn.training fills it in."
            constraint = f"given, since {base.name_of(schedule)} is stretched over the run"
            raise bad_value(base.name_of(self), "num_steps", constraint, None, fix)
        peak = tree.get_field(hyper.inner, field)
        numbers = tree.get_field(hyper.schedules, field)
        if hasattr(schedule, "value"):
            value = schedule.value(step, hyper.num_steps, peak, numbers)
        else:
            factor = schedule.factor(step, hyper.num_steps, numbers)
            _, (value, factor), _ = tree.promote((), (_floating(peak), factor), ())
            value = value * factor
        return jnp.asarray(value, _floating(peak).dtype)

    def _used(self, hyper: ScheduledHyper, values: dict[str, Array]) -> Any:
        inner = hyper.inner
        for field, value in values.items():
            inner = tree.replace_field(inner, field, value)
        return inner

    def init(self, params: Params, hyper: ScheduledHyper) -> ScheduledState:
        """The rule's state at the values of step 0, which are recorded.

        Raises ValueError where a schedule needs `num_steps` and it is None.
        """
        step = jnp.zeros((), jnp.int32)
        values = self._values(step, hyper)
        return ScheduledState(step, values, self.rule.init(params, self._used(hyper, values)))

    def update(
        self,
        grads: Params,
        state: ScheduledState,
        params: Params,
        hyper: ScheduledHyper,
        **extra: Any,
    ) -> tuple[Params, ScheduledState]:
        """One step of the rule at the values of this step. Returns (updates, state).

        Raises ValueError where a schedule needs `num_steps` and it is None.
        """
        values = self._values(state.step, hyper)
        updates, inner = self.rule.update(
            grads, state.inner, params, self._used(hyper, values), **extra
        )
        return updates, ScheduledState(tree.increment(state.step), values, inner)

    def record(self, state: ScheduledState) -> dict[str, Array]:
        """The values that the last update used, by field, without the hops `inner.` of wrappers."""
        own = {_bare(field): value for field, value in state.values.items()}
        # Last, so that of a field scheduled twice the value stands that the rule itself has seen.
        return own | base.record(self.rule, state.inner)

    def evaluation_params(
        self, state: ScheduledState, params: Params, hyper: ScheduledHyper
    ) -> Params:
        """The rule's, at the values that the last update used."""
        used = self._used(hyper, state.values)
        return base.evaluation_params(self.rule, state.inner, params, used)


def _bare(field: str) -> str:
    while field.startswith("inner."):
        field = field.removeprefix("inner.")
    return field


def _floating(number: ArrayLike) -> Array:
    floating = jnp.issubdtype(jnp.result_type(number), jnp.floating)
    return jnp.asarray(number, None if floating else jnp.result_type(float))


@structural
def scheduled(rule: Any, /, **schedules: Any) -> Scheduled:
    """The rule with numbers that change over the run: `scheduled(adam, learning_rate=cosine)`.

    rule: an optimizer or its name. schedules: by name of the field, dotted for one that lies deeper
    (`**{"inner.learning_rate": cosine}`); a module of `jaxnn.schedules`, an answer of its
    `from_optax`, or anything with the same attributes that hashes. The base in `Hyper.inner` is
    multiplied by the schedule's factor (an Optax schedule ignores it) and keeps its dtype.

    The answer is the same object for the same arguments. Raises ValueError for a field that the
    rule's Hyper does not have, TypeError for what is no schedule.

    >>> from jaxnn.optimizers import adam
    >>> from jaxnn.schedules import linear
    >>> rule = scheduled(adam, learning_rate=linear)
    >>> hyper = rule.Hyper(inner=adam.Hyper(learning_rate=1.0), num_steps=4)
    >>> state = rule.init(jnp.zeros(3), hyper)
    >>> for _ in range(2):
    ...     _, state = rule.update(jnp.ones(3), state, None, hyper)
    >>> float(rule.record(state)["learning_rate"])
    0.75
    """
    rule = check_rule("scheduled", rule)
    where, numbers = f"scheduled({base.name_of(rule)})", hypers.numbers_of(rule.Hyper())
    known = [name for name, (value, _) in numbers.items() if value is not None]
    if not schedules:
        constraint = f"given for one or more of {', '.join(sorted(known))}"
        raise bad_type(where, "schedules", constraint, "none")
    for field, schedule in schedules.items():
        if field not in known:
            raise unknown_name(where, "field", field, known)
        if not hasattr(schedule, "Hyper"):
            fix = "Pass for example jaxnn.schedules.cosine."
            if isinstance(schedule, str):
                fix = f"Pass jaxnn.schedules.get({schedule!r}); training alone takes names."
            elif callable(schedule):
                fix = f'Pass jaxnn.schedules.from_optax(fn, "{field.rpartition(".")[2]}").'
            raise bad_type(where, field, "a schedule", shown(schedule), fix)
        meant = getattr(schedule, "field", field)
        if not f".{field}".endswith(f".{meant}"):
            fix = f'Make it with schedules.from_optax(fn, "{field}").'
            raise bad_value(where, field, "a schedule of that field", f"one of {meant!r}", fix)
    fields = tuple(sorted((field, as_reference(x)) for field, x in schedules.items()))
    return made(Scheduled, as_reference(rule), fields)
