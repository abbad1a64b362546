"""Repeated studies: a comparison done again with other splits, settings and seeds.

With one study an interval says how much training differs from seed to seed; what tuning happened to
choose, and which rows happened to be held out, are in it as if they could not have been otherwise.
Over several studies, each tuned anew and counting as one value, they are part of it.
Source: Bouthillier et al. 2021, MLSys 3, "Accounting for Variance in Machine Learning Benchmarks".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jaxnn.bench.outcome import Outcome
from jaxnn.bench.protocol import Protocol

__all__ = ["pooled", "study"]

_MAX_SEED = 2**32


def study(protocol: Protocol, number: int) -> Protocol:
    """The protocol of one study by itself: study k is the comparison with the seed k further on.

    >>> study(Protocol(studies=5, seed=7), 2)  # doctest: +ELLIPSIS
    Protocol(..., seed=9, studies=1)
    """
    return dataclasses.replace(protocol, seed=(protocol.seed + number) % _MAX_SEED, studies=1)


def pooled(studies: Sequence[Outcome]) -> Outcome:
    """One contestant's studies on a problem as one outcome, with a row of evaluation for each.

    Metrics are means over the seeds of a study, failed where a seed of it failed; steps to the
    target are medians; updates are those of its first seed; costs are the first study's, but for
    the total time. setting, tuning and points are those of the first study.
    """
    first = studies[0]
    if len(studies) == 1:
        return first
    columns = {name: _column(studies, name) for name in first.evaluation.columns}
    columns["setting"] = np.zeros(len(studies), columns["setting"].dtype)
    columns["replicate"] = np.arange(len(studies), dtype=columns["replicate"].dtype)
    total = sum(one.cost.total_seconds for one in studies)
    return dataclasses.replace(
        first,
        evaluation=dataclasses.replace(first.evaluation, columns=columns),
        updates={n: np.stack([one.updates[n][0] for one in studies]) for n in first.updates},
        steps=None if first.steps is None else np.array([_median(one.steps) for one in studies]),
        cost=first.cost._replace(total_seconds=total),
    )


def _column(studies: Sequence[Outcome], name: str) -> NDArray[np.generic]:
    """Of each study: the mean of a metric, a number of the setting, or the worst status."""
    found = []
    for one in studies:
        evaluation = one.evaluation
        rows = evaluation.columns["setting"] == 0
        values = evaluation.columns[name][rows]
        if name in one.metrics():
            found.append(np.mean(values.astype(np.float64)))
        else:
            worst = np.argmax(evaluation.columns["status"][rows])
            found.append(values[worst])
    return np.array(found)


def _median(steps: NDArray[np.float64] | None) -> float:
    if steps is None:
        return np.inf
    ordered = np.sort(steps)
    middle = (len(ordered) - 1) // 2, len(ordered) // 2  # of ∞ and ∞ the mean is NaN to NumPy
    low, high = (float(ordered[number]) for number in middle)
    return low if low == high else (low + high) / 2
