"""What tuning says of a contestant besides its best setting: for free, from the runs there are.

tuning_curve   how good it would be after 1, 2, 4, … trials
bands          how much of each number's axis is good
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxnn.bench.outcome import Outcome
from jaxnn.bench.sensitivity import GoodBand, good_band
from jaxnn.bench.statistics import Band
from jaxnn.bench.tuning_curve import doubling_sizes, expected_best

__all__ = ["TuningCurve", "bands", "tried", "tuning_curve"]


class Tried(NamedTuple):
    """All settings that were tried, best first by validation."""

    validation: NDArray[np.float64]  # [settings], means over tuning seeds
    reported: NDArray[
        np.float64
    ]  # [settings, evaluation seeds], a test metric; NaN where it failed
    points: dict[str, NDArray[np.float64]]  # [settings] of each number that was searched


def tried(outcome: Outcome, metric: str = "loss") -> Tried | None:
    """What became of all settings on fresh seeds; None where nothing was tuned."""
    tuning, evaluation = outcome.tuning, outcome.evaluation
    if not outcome.points or tuning.num_settings != evaluation.num_settings:
        return None
    # The best setting may have more seeds than the others.
    setting, replicate = evaluation.columns["setting"], evaluation.columns["replicate"]
    common = replicate < np.bincount(setting).min()
    order = tuning.ranking("loss")
    validation = tuning.by_setting("loss").mean(axis=1)[order]
    values = np.where(evaluation.status == 0, evaluation.columns[metric], np.nan)
    reported = values[common].reshape(evaluation.num_settings, -1).astype(np.float64)
    points = {name: x[order] for name, x in outcome.points.items()}
    return Tried(validation, reported, points)


class TuningCurve(NamedTuple):
    """The expected figure of the best of k settings, by k."""

    sizes: NDArray[np.int64]
    figure: Band


def tuning_curve(outcome: Outcome, metric: str = "loss") -> TuningCurve | None:
    """How good a contestant would be after k trials, on fresh seeds; None as for `tried`.

    Exact, for settings drawn from those that were tried. NaN where a run of a setting failed that
    might be chosen.
    """
    found = tried(outcome, metric)
    if found is None:
        return None
    sizes = doubling_sizes(len(found.validation))
    figure = expected_best(found.validation, found.reported, sizes)
    return TuningCurve(np.array(sizes), figure)


def bands(outcome: Outcome, target: Any = None) -> dict[str, GoodBand]:
    """Of each number that was searched, the share of its axis on which the test loss is good.

    target: the problem's; where it is of the loss, what reaches it is good. Empty as for `tried`.
    """
    found = tried(outcome)
    if found is None:
        return {}
    solved = None
    if target is not None and (target.metric, target.direction) == ("loss", "min"):
        solved = float(target.threshold)
    return {
        name: good_band(points, found.reported, validation=found.validation, solved=solved)
        for name, points in found.points.items()
    }
