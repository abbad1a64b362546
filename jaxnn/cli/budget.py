"""`jaxnn bench --budget`: less of everything until it fits into a time."""

from __future__ import annotations

import dataclasses
import math
import re
from time import perf_counter
from typing import TYPE_CHECKING, Any

from jaxnn.errors import bad_value

if TYPE_CHECKING:
    from jaxnn.bench.campaign import Campaign

__all__ = ["seconds_of", "within"]

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def seconds_of(text: str) -> float:
    """A time in words. Raises ValueError for anything else.

    >>> seconds_of("60s"), seconds_of("1.5h"), seconds_of("10 m"), seconds_of("90")
    (60.0, 5400.0, 600.0, 90.0)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\s*", text)
    value = float(match[1]) * _UNITS.get(match[2], math.nan) if match else math.nan
    if not 0 < value < math.inf:
        constraint = "a time > 0 in s, m or h"
        raise bad_value("bench", "budget", constraint, repr(text), "For example 60s, 10m or 1.5h.")
    return value


def within(
    budget: float, campaign: Campaign, rules: list[Any], entries: list[Any]
) -> tuple[Campaign, tuple[str, ...]]:
    """The most of a campaign that is predicted to end in time, and the names of its problems.

    The remark of the campaign says what it leaves out.

    budget: in seconds. rules, entries: those that the campaign names.
    Raises ValueError where not even the least fits, with the seconds that it takes.
    """
    import jax

    from jaxnn.bench.estimates import durations, fixed_seconds, machine
    from jaxnn.bench.planning import plan
    from jaxnn.problems.suites import SUITES

    started, here = perf_counter(), machine()
    costs = durations(rules, entries, here)
    besides = fixed_seconds(len(entries), here) + perf_counter() - started
    workers = max(2, jax.local_device_count())
    found = plan(costs, budget, campaign.protocol, workers=workers, besides=besides)
    about = f"Predicted to take {found.seconds:.0f} s of {budget:g} s"
    if not found.left_out:
        return dataclasses.replace(campaign, remark=f"{about}."), found.problems
    listed = [[w.name for w in SUITES[n]] if n in SUITES else [n] for n in campaign.problems]
    asked = dict.fromkeys(name for names in listed for name in names)
    kept = tuple(
        name
        for name, entry in zip(asked, entries, strict=True)
        if entry.about.name in found.problems
    )
    problems = campaign.problems if len(kept) == len(asked) else kept
    remark = f"{about}. Cut down: {found.left_out}."
    cut = dataclasses.replace(campaign, problems=problems, protocol=found.protocol, remark=remark)
    return cut, found.problems
