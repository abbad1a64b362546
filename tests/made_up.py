"""Comparisons whose figures are given, for tests of what is said of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxnn.bench import Comparison, Cost, NotRun, Outcome, Protocol
from jaxnn.bench.tasks import About
from jaxnn.problems import Target
from jaxnn.sweeps import Results

__all__ = ["comparison", "outcome"]

Losses = Mapping[str, Mapping[str, Sequence[float]]]


def outcome(
    optimizer: str,
    problem: str,
    losses: Sequence[float],
    *,
    start: float = 10.0,
    steps: Sequence[float] | None = None,
    rate: float = 0.1,
) -> Outcome:
    """One setting, whose test losses are given; NaN is a run that failed."""
    values = np.array(losses, np.float64)
    count = len(values)
    columns: dict[str, Any] = {
        "setting": np.zeros(count, np.int64),
        "replicate": np.arange(count),
        "learning_rate": np.full(count, rate),
        "loss": values,
        "status": np.isnan(values).astype(np.int32),
        "status_step": np.full(count, -1, np.int32),
    }
    names, kinds = ("learning_rate",), {"learning_rate": "number"}
    runs = Results(names, columns, {}, kinds)  # pyright: ignore[reportArgumentType]
    curve = np.linspace(np.full(count, start), values, 5, axis=1)
    arrived = None if steps is None else np.array(steps, np.float64)
    cost = Cost(1.0, math.nan, 8, 100.0, 1.0, 2.0)
    setting = {"learning_rate": rate}
    updates = {"loss": curve, "validation_loss": curve}
    return Outcome(optimizer, problem, setting, runs, runs, {}, updates, arrived, 5, 1, cost)


def comparison(
    losses: Losses,
    *,
    steps: Losses | None = None,
    starts: Mapping[str, float] | None = None,
    not_run: Sequence[tuple[str, str, str]] = (),
) -> Comparison:
    """losses, steps: by problem, by contestant, on each seed."""
    seeds = len(next(iter(next(iter(losses.values())).values())))
    found = [
        outcome(
            name,
            problem,
            values,
            start=(starts or {}).get(problem, 10.0),
            steps=None if steps is None else steps[problem][name],
        )
        for problem, by_name in losses.items()
        for name, values in by_name.items()
    ]
    target = None if steps is None else Target("loss", 1.0, "min")
    tasks = tuple(About(problem, 5, None, 1, target, {"model": "a point"}) for problem in losses)
    protocol = Protocol(tuning_trials=1, tuning_seeds=1, evaluation_seeds=seeds, num_steps=5)
    return Comparison(protocol, tuple(found), tasks, tuple(NotRun(*one) for one in not_run))
