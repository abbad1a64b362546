"""Which numbers of a sweep matter for a metric, as far as a random forest can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.errors import bad_type, bad_value, check_integer, check_seed, shown, unknown_name
from jaxnn.sweeps.results import STOPPED, UNRUN

__all__ = ["Importance", "Importances", "importance"]

MIN_SETTINGS = 20
MAX_SETTINGS = 2000
"""Of more settings so many are drawn: the intervals are narrow by then."""

TREES = 50
EXPLAINS_LITTLE = 0.2


class Importance(NamedTuple):
    """A share of the variance of ranks: mean over repeats, and where 95 % of them lie."""

    mean: float
    low: float
    high: float


class Importances(NamedTuple):
    """What `importance` found."""

    values: dict[str, Importance]  # by name, the greatest mean first
    r_squared: Importance  # of the forest on settings that it has not seen
    caveat: str  # how to read it, with figures


def importance(
    columns: Mapping[str, ArrayLike],
    names: Sequence[str],
    metric: str,
    *,
    mode: str = "min",
    seed: int = 0,
    repeats: int = 20,
) -> Importances:
    """How much each swept name says about the order of the settings by a metric.

    columns: a sweep's table, a row a setting × replicate; at least 20 settings. A setting is its
    mean over replicates, put in order among all; those of which a replicate failed share the last
    rank, those that were stopped early come before them, the later the better. In each repeat a
    random forest is fitted to a bootstrap sample of the settings, and R² is taken on those that are
    not in it (about 37 %), as they are and with the values of one name shuffled among them. Half of
    the difference is its importance: for independent numbers the share of the variance of ranks
    that goes through this name, alone or with others (the forest's total Sobol index, so that
    shares may add up to more than 1). It may fall below 0 by chance. Trees see only the order of
    numbers, so that no scale has to be chosen; a structural name is shuffled as a whole, and a
    number that exists for some choices only among the settings that have it.
    mode: "min" or "max". seed: in [0, 2³²). repeats: >= 2.
    Raises ValueError and TypeError for columns that are not there, too few settings or names.
    Source: Breiman 2001, Machine Learning 45 (forest, permutation importance); Jansen 1999,
    Computer Physics Communications 117 (half of the difference).
    """
    where = "sweeps.importance"
    check_seed(where, seed)
    check_integer(where, "repeats", repeats, low=2)
    first, ranks = _ranks(where, columns, metric, mode)
    if not len(names) or isinstance(names, str):
        fix = "Pass results.names."
        raise bad_value(where, "names", "a list of swept names, at least one", shown(names), fix)
    swept = {}
    for name in names:
        if name not in columns or name == metric:
            raise unknown_name(where, "name", name, set(columns) - {metric})
        swept[name] = _swept(np.asarray(columns[name])[first])
    rng = np.random.default_rng(seed)
    kept = np.sort(rng.permutation(len(ranks))[:MAX_SETTINGS])
    ranks, swept = ranks[kept], {name: x.take(kept) for name, x in swept.items()}
    if not np.ptp(ranks):
        flat = dict.fromkeys(swept, Importance(0.0, 0.0, 0.0))
        text = f"All {len(ranks):,} settings are equal in {metric}: there is nothing to explain."
        return Importances(flat, Importance(0.0, 0.0, 0.0), text)
    scores, drops = zip(*(_repeat(swept, ranks, rng) for _ in range(repeats)), strict=True)
    found = {name: _summary([drop[name] for drop in drops]) for name in swept}
    found = dict(sorted(found.items(), key=lambda item: -item[1].mean))
    fit = _summary(scores)
    return Importances(found, fit, _caveat(fit, len(first), len(kept), repeats))


def _ranks(
    where: str, columns: Mapping[str, ArrayLike], metric: str, mode: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The first row of each setting, and its rank by the metric, from 0 (best) to 1."""
    from scipy.stats import rankdata

    if mode not in ("min", "max"):
        raise bad_value(where, "mode", "'min' or 'max'", repr(mode))
    if metric not in columns:
        raise unknown_name(where, "metric", metric, columns)
    values = np.asarray(columns[metric])
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise bad_type(where, metric, "of real numbers, one a row", shown(values))
    status = np.asarray(columns.get("status", np.zeros(len(values))))
    ran = np.flatnonzero(status != UNRUN)
    setting = np.asarray(columns.get("setting", np.arange(len(values))))[ran]
    values, status = values[ran], status[ran]
    _, first, of_row, count = np.unique(
        setting, return_index=True, return_inverse=True, return_counts=True
    )
    if len(first) < MIN_SETTINGS:
        fix = "Sweep over more settings."
        raise bad_value(where, "columns", f"of {MIN_SETTINGS} settings or more", len(first), fix)
    with np.errstate(over="ignore"):
        there = (status == 0) | (status == STOPPED)
        mean = np.bincount(of_row, np.where(there, values.astype(np.float64), np.nan)) / count
    order = np.where(np.isfinite(mean), mean if mode == "min" else -mean, np.inf)
    # Who was let go on is better than whoever was stopped before, whatever they had by then.
    steps = np.asarray(columns.get("status_step", np.zeros(len(ran))))[ran]
    reached = np.where(np.isfinite(order), np.inf, -1)
    np.minimum.at(reached, of_row, np.where(status == STOPPED, steps, np.inf))
    ranks = np.zeros(len(first))
    for step in np.unique(reached):
        here = reached == step
        ranks[here] = rankdata(order[here]) + np.count_nonzero(reached > step)
    return ran[first], (ranks - 1) / (len(ranks) - 1)


class _Swept(NamedTuple):
    """A name as a forest sees it."""

    inputs: NDArray[np.float64]  # [settings, width]
    there: NDArray[np.bool_]  # the settings that have it

    def take(self, rows: NDArray[np.int64]) -> _Swept:
        return _Swept(self.inputs[rows], self.there[rows])

    def shuffled(self, rng: np.random.Generator) -> _Swept:
        """Its values in another order among the settings that have it."""
        inputs = self.inputs.copy()
        inputs[self.there] = rng.permutation(inputs[self.there])
        return self._replace(inputs=inputs)


def _swept(column: NDArray[Any]) -> _Swept:
    """Ranks of numbers, 0 for what does not exist; of what is structural a 1 an option."""
    if column.dtype.kind in "fiu":
        there = np.isfinite(column)
        # Not the numbers: forests see them in float32.
        _, rank = np.unique(column[there], return_inverse=True)
        inputs = np.zeros(len(column))
        inputs[there] = rank + 1
        return _Swept(inputs[:, None], there)
    there = np.array([not (isinstance(v, str) and v == "") for v in column])
    words = np.array([f"{type(v).__name__} {v}" for v in column])
    return _Swept((words[:, None] == np.unique(words)).astype(np.float64), there)


def _repeat(
    swept: Mapping[str, _Swept], ranks: NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, dict[str, float]]:
    """R² on the settings outside of a bootstrap sample, and half of what each name adds to it."""
    from sklearn.ensemble import RandomForestRegressor

    n = len(ranks)
    inside = rng.integers(0, n, n)
    outside = np.setdiff1d(np.arange(n), inside)
    forest = RandomForestRegressor(TREES, min_samples_leaf=2, random_state=int(rng.integers(2**31)))
    forest.fit(np.hstack([x.inputs[inside] for x in swept.values()]), ranks[inside])

    def score(held_out: Mapping[str, _Swept]) -> float:
        predicted = forest.predict(np.hstack([x.inputs for x in held_out.values()]))
        # Over the variance of all settings: that of these may be 0, where most failed.
        return float(1 - np.mean((ranks[outside] - predicted) ** 2) / np.var(ranks))

    held_out = {name: x.take(outside) for name, x in swept.items()}
    whole = score(held_out)
    return whole, {
        name: (whole - score(held_out | {name: x.shuffled(rng)})) / 2
        for name, x in held_out.items()
    }


def _summary(values: Sequence[float]) -> Importance:
    low, high = np.quantile(values, [0.025, 0.975])
    return Importance(float(np.mean(values)), float(low), float(high))


def _caveat(fit: Importance, tried: int, used: int, repeats: int) -> str:
    drawn = f"{used:,} of {tried:,}" if used < tried else f"{tried:,}"
    text = (
        "Half of the fall of R² when a name is shuffled, for a random forest that predicts the "
        f"order of {drawn} settings; R² on settings it has not seen: {fit.mean:.2f} "
        f"({fit.low:.2f} to {fit.high:.2f}). Intervals: 95 % of {repeats} bootstrap repeats. It "
        "says what the forest uses, in the ranges that were swept, not what causes the metric; "
        "numbers that vary together share their importance."
    )
    if fit.mean < EXPLAINS_LITTLE:
        text += " The forest explains little: read nothing into the order of the names."
    return text.replace("-", "−")
