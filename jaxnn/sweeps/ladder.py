"""The rungs of a sweep as whole steps, and the segments that they cut a trial into."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value, shown, unknown_name
from jaxnn.sweeps.engine import segment_length
from jaxnn.sweeps.rules import AnyRule
from jaxnn.typing import Staged

__all__ = ["Ladder", "advice", "check_metric", "check_trials", "ladder"]

NEAR = 0.1
"""A rung may lie so much of its step beside the one that the rule gives as a fraction."""

MANY = 100
"""More segments than these are slow."""


class Ladder(NamedTuple):
    """Where a rule looks."""

    steps: tuple[tuple[int, ...], ...]  # by bracket, ascending, the end of the trial the last
    brackets: NDArray[np.int64]  # of each setting
    length: int  # of a segment: all rungs are multiples of it


def check_metric(argument: str, metric: str, metrics: Mapping[str, Any]) -> None:
    """Raises ValueError unless the trial reports the metric of an argument, as a scalar."""
    if metric not in metrics:
        aliases = {f"validation_{name}": name for name in metrics}  # the curves of training
        raise unknown_name("sweeps.run", f"{argument}.metric", metric, metrics, aliases)
    if metrics[metric].shape != ():
        got = f"{metric!r} of shape {metrics[metric].shape}"
        raise bad_value("sweeps.run", f"{argument}.metric", "a scalar", got)


def check_trials(staged: Sequence[Staged]) -> int:
    """The steps that trials have, all as many; raises ValueError for those without."""
    lengths = sorted({one.num_steps for one in staged})
    if lengths == [0]:
        fix = "Pass a Staged, such as training.stages(...): it says what one step is."
        got = "f(key, hyper), which runs as a whole"
        raise bad_value("sweeps.run", "trial", "one of steps, to be stopped early", got, fix)
    if len(lengths) > 1:
        constraint = "of equally many steps in all structures, to be compared at rungs"
        raise bad_value("sweeps.run", "trial", constraint, lengths)
    return lengths[0]


def ladder(rule: AnyRule, num_settings: int, num_steps: int) -> Ladder:
    """The rungs of a rule; raises ValueError where one lies outside of [1, num_steps)."""
    wanted = rule.rungs(num_steps)
    _check_rungs(rule, wanted)
    for step in (step for bracket in wanted for step in bracket):
        if not 1 <= step < num_steps:
            constraint = f"one whose rungs lie in [1, {num_steps}), the steps of the trial"
            raise bad_value("sweeps.run", "stop", constraint, f"a rung at {step:g}")
    unit, steps = _rounded(wanted, num_steps)
    length = segment_length(unit) if unit == num_steps else unit
    brackets = _brackets(rule, num_settings, num_steps, len(wanted))
    return Ladder(tuple((*bracket, num_steps) for bracket in steps), brackets, length)


def _check_rungs(rule: AnyRule, wanted: Any) -> None:
    where = type(rule).__name__
    if not isinstance(wanted, tuple | list) or not all(isinstance(x, tuple | list) for x in wanted):
        fix = "For one bracket return ((10, 20),), for example."
        raise bad_type(where, "rungs", "one that returns a tuple for each bracket", wanted, fix)
    if not any(wanted):
        fix = "Begin earlier, for example with first=1, or take more steps."
        got = "none"
        raise bad_value(where, "rungs", "with a step before the end of the trial", got, fix)


def _brackets(rule: AnyRule, num_settings: int, num_steps: int, count: int) -> NDArray[np.int64]:
    found = np.asarray(rule.brackets(num_settings, num_steps))
    fits = found.shape == (num_settings,) and found.dtype.kind in "iu"
    if not fits or (found < 0).any() or (found >= count).any():
        constraint = f"one that returns whole numbers in [0, {count}), [{num_settings}] of them"
        raise bad_value(type(rule).__name__, "brackets", constraint, shown(found.tolist()))
    return found.astype(np.int64)


def advice(climb: Ladder, staged: Sequence[Staged]) -> list[str]:
    """Where a schedule made for the whole trial is cut at a rung, or segments are short."""
    found = []
    cut = sorted({step for bracket in climb.steps for step in bracket[:-1]})
    for horizon in sorted({one.horizon for one in staged if one.horizon}):
        early = [step for step in cut if step < horizon]
        if early:
            found.append(
                f"Trials are compared at steps {', '.join(map(str, early))}, but their schedule is"
                f" made for {horizon}: before a rate has come down, the order may not be that of"
                " the end. See results.rungs for how far it was."
            )
    num_steps = climb.steps[0][-1]
    if num_steps > MANY * climb.length:
        found.append(
            f"Rungs at {', '.join(map(str, cut))} of {num_steps} steps cut a trial into segments of"
            f" {climb.length}: it runs faster where all are multiples of a larger number."
        )
    return found


def _rounded(
    wanted: Sequence[Sequence[float]], end: int
) -> tuple[int, tuple[tuple[int, ...], ...]]:
    """Rungs as multiples of the longest segment of which that is near what was wanted.

    Whole steps stay as they are: somebody asked for them.
    """
    flat = [step for bracket in wanted for step in bracket]
    whole = all(float(step).is_integer() for step in flat)
    unit = math.gcd(end, *(int(step) for step in flat)) if whole else 1
    if not whole:
        for length in range(end, 0, -1):
            near = [max(round(step / length), 1) * length for step in flat]
            fits = all(abs(n - s) <= NEAR * s and n < end for n, s in zip(near, flat, strict=True))
            if end % length == 0 and fits:
                unit = length
                break
    steps = (tuple(max(round(s / unit), 1) * unit for s in bracket) for bracket in wanted)
    return unit, tuple(tuple(sorted(set(bracket))) for bracket in steps)
