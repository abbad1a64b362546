"""How precisely a number has to be tuned: the width of the band in which it is good.

The axis of a number is that of its search space, u in [0, 1], even in the logarithm where the space
is: a contestant's own, with the width that its authors or this library gave it. It is cut into bins
of equal width, and a bin is good where the best setting in it comes within 10 % of the best of all:
what else there is to tune may be tuned in each bin.

What it is not. It is not the range of rates that work with all other numbers at their best values:
a bin with few settings may have missed those, so the share grows with the number of trials. Compare
it between contestants with equal numbers of trials, runs and bins only, each in its own space. A
bin is good as a whole where one setting in it is, so each end of a band may lie up to a bin too far
out.

The best of many noisy means is too low, the best of all by more than the best of a bin, so that the
limit is too strict and the share too small. Pass `validation`, and settings are chosen by other
runs than those that report. In a simulation of 32 settings in 8 bins, Gaussian noise of 30 % of the
loss in each run, 10 runs: a flat axis, all of which is good, has a share of 0.44 without it, and
of 0.79 with it (3 runs of validation), and the interval holds the true 1 in 1 % and 91 % of cases.
At noise of 10 % both shares are above 0.97. What is left comes from the limit, which one noisy
figure sets: more runs mend that, more resamples do not.

Sources: the tuning effort as a part of what an optimizer is: Sivaprasad, Mai, Vogels, Jaggi,
Fleuret 2020, ICML, "Optimizer Benchmarking Needs to Account for Hyperparameter Tuning". Another
figure for the same question, the expected loss above the best over a range of rates: Wortsman et
al. 2024, ICLR, "Small-scale proxies for large-scale Transformer training instabilities".
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.bench.statistics import Estimate, stratified_bootstrap
from jaxnn.bench.statistics.checks import array, mean_without_warning
from jaxnn.errors import bad_value, check_integer
from jaxnn.space import Distribution

__all__ = ["TRIALS_A_BIN", "GoodBand", "band_values", "good_band", "good_settings"]

TRIALS_A_BIN = 4
"""Each bin has so many trials at least, unless the number of bins is given."""

ROUNDING = 4 * np.finfo(np.float64).eps

SINGLE = 1e-5
"""So far outside the axis may be a value at its end that was kept in single precision."""


class GoodBand(NamedTuple):
    """Where on an axis [0, 1] a number is good.

    share: of the axis, with its interval. ends: [bands, 2], of neighbouring good bins together.
    edges: [bins + 1]. best: [bins], the mean figure of the best setting in each, ∞ where it failed.
    good: [bins]. limit: the figure up to which a bin is good, NaN where all failed.
    """

    share: Estimate
    ends: NDArray[np.float64]
    edges: NDArray[np.float64]
    best: NDArray[np.float64]
    good: NDArray[np.bool_]
    limit: float


def good_band(
    points: ArrayLike,
    figures: ArrayLike,
    *,
    validation: ArrayLike | None = None,
    within: float = 0.1,
    solved: float | None = None,
    bins: int | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> GoodBand:
    """The share of a number's axis that comes within 10 % of the best, and where that lies.

    points: [trials], in [0, 1], where on its axis each trial has the number: the distribution's
    `point` of the values; NaN where it has none (for it belongs to another choice), and such trials
    are left out. figures: [trials, runs], less is better, on seeds that all trials share, of all
    that were tried, not of the best only; a setting of which a run is not finite failed, and is
    nowhere good. validation: [trials], losses of other runs by which the best of a bin and of all
    are chosen, what is not finite being worst; by default the figures choose, with the bias that
    the file's head describes. Where the best of all failed, the least figure of a bin is the best.
    A bin is good where its best mean is at most best + within·|best|. within: >= 0, a share, no
    per cent. solved: a figure up to which a bin is good anyway, as the problem's target: 10 % of a
    best loss near 0 is no width at all. bins: >= 2, each with a trial; by default the largest power
    of two that leaves each at least 4 trials.
    The interval is a percentile bootstrap over seeds (as in `statistics.stratified_bootstrap`; seed
    is that of its resamples), in each of which the limit, the best of each bin and the share are
    found anew; it is widened to hold the share where it does not. It comes in steps of a bin.
    The share is NaN where fewer than 2 bins can be told, as with fewer than 8 trials; 0 where all
    settings failed; the ends of its interval are NaN with one run.
    Raises TypeError and ValueError for numbers outside of these.

    >>> rate = np.arange(16) / 16
    >>> band = good_band(rate, np.c_[1 + rate, 1 + rate])
    >>> band.share.value, band.ends.tolist(), band.best.tolist()
    (0.25, [[0.0, 0.25]], [1.0, 1.25, 1.5, 1.75])
    """
    where = "good_band"
    u = array(where, "points", points, ("trials",))
    y = _figures(where, figures, len(u), within, solved)
    v = None if validation is None else _validation(where, validation, len(u))
    there = ~np.isnan(u)
    u, y, v = u[there], y[there], v if v is None else v[there]
    if not len(u):
        raise bad_value(where, "points", "known of at least one trial", "none that is")
    inside = (u >= -SINGLE) & (u <= 1 + SINGLE)
    if not inside.all():
        outside = float(u[~inside][0])
        fix = "Pass those of the distribution's `point`."
        raise bad_value(where, "points", "in [0, 1]", f"{outside:g}", fix)
    count = _num_bins(u) if bins is None else _checked_bins(where, u, bins)
    bin_of, chosen = _bin_of(u, count), None
    order = np.lexsort((np.zeros(len(u)) if v is None else v, bin_of))
    starts = np.searchsorted(bin_of[order], np.arange(count))
    y = y[order]
    if v is not None:  # The first of each bin is its best, and alone counts.
        best_losses = v[order][starts]
        y, starts, chosen = y[starts], np.arange(count), int(best_losses.argmin())
    rule = _Rule(starts, chosen, within, solved)
    share = _interval(rule, y, confidence, seed)
    if count < 2:
        share = Estimate(math.nan, math.nan, math.nan)
    best, limits = rule.best_and_limit(y[None])
    good, edges = best[0] <= limits[0], np.linspace(0, 1, count + 1)
    limit = float(limits[0]) if math.isfinite(limits[0]) else math.nan
    return GoodBand(share, _ends(good, edges), edges, best[0], good, limit)


def good_settings(
    figures: ArrayLike,
    *,
    within: float = 0.1,
    solved: float | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """The share of all settings that come within 10 % of the best: of the whole space at once.

    It is the chance that a setting drawn at random is good. The best one is among them, so that it
    is 1/trials at least, unless all failed: then it is 0. Arguments and interval: as in
    `good_band`, with each setting a bin of its own.
    Raises TypeError and ValueError for numbers outside of these.

    >>> good_settings([[1.0, 1.0], [1.1, 1.1], [1.2, 1.2], [float("nan"), 1.0]])
    Estimate(value=0.5, low=0.5, high=0.75)
    """
    y = _figures("good_settings", figures, None, within, solved)
    return _interval(_Rule(np.arange(len(y)), None, within, solved), y, confidence, seed)


def band_values(ends: ArrayLike, distribution: Distribution) -> list[tuple[Any, Any]]:
    """The ends of bands as values of the number, the lower one first.

    ends: [bands, 2] on [0, 1], as in `GoodBand`; distribution: the entry of the search space.
    A number that is whole or a choice has the first and the last value that lie in the band.
    Raises TypeError and ValueError for ends that are no pairs.

    >>> from jaxnn.space import integers, log_uniform, one_minus
    >>> band_values([[0.0, 0.25], [0.5, 1.0]], log_uniform(1e-4, 1e0))
    [(0.0001, 0.001), (0.01, 1.0)]
    >>> band_values([[0.0, 0.5]], integers(1, 4))
    [(1, 2)]
    """
    u = array("band_values", "ends", ends, ("bands", "2"))
    if u.shape[1] != 2:
        raise bad_value("band_values", "ends", "pairs, [bands, 2]", f"shape {u.shape}")
    first, last = (distribution.quantile(column) for column in u.T)
    if first.dtype.kind != "f":
        # The upper end belongs to the next value.
        last = distribution.quantile(np.nextafter(u[:, 1], 0))
        return list(zip(first.tolist(), last.tolist(), strict=True))
    pairs = zip(first.tolist(), last.tolist(), strict=True)
    return [(min(pair), max(pair)) for pair in pairs]


class _Rule(NamedTuple):
    """What is good, of trials in order of their bins."""

    starts: NDArray[np.int64]  # [bins], the first trial of each
    chosen: int | None  # the bin of the best of all; None: that with the least figure
    within: float
    solved: float | None

    def best_and_limit(
        self, y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """[..., trials, runs] → [..., bins], ∞ where it failed; [...], −∞ where all failed."""
        means = mean_without_warning(y)
        means = np.where(np.isfinite(means), means, math.inf)
        best = np.minimum.reduceat(means, self.starts, axis=-1)
        least = best.min(axis=-1)
        if self.chosen is not None:
            own = best[..., self.chosen]
            least = np.where(np.isfinite(own), own, least)
        limit = least + (self.within + ROUNDING) * np.abs(least)
        if self.solved is not None:
            limit = np.maximum(limit, self.solved)
        return best, np.where(np.isfinite(least), limit, -math.inf)

    def share(self, runs: NDArray[np.float64]) -> NDArray[np.float64]:
        """[resamples, trials, 1, runs] → [resamples]."""
        best, limit = self.best_and_limit(runs[..., 0, :])
        return (best <= limit[:, None]).mean(axis=1)


def _interval(rule: _Rule, y: NDArray[np.float64], confidence: float, seed: int) -> Estimate:
    found = stratified_bootstrap(y[:, None, :], rule.share, confidence, seed=seed)
    value, low, high = map(float, found)
    return Estimate(value, min(low, value), max(high, value))


def _ends(good: NDArray[np.bool_], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = np.diff(np.concatenate([[0], good.astype(np.int64), [0]]))
    return np.stack([edges[steps == 1], edges[steps == -1]], axis=1)


def _bin_of(u: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Ends and what lies a trifle beyond them belong to the outer bins."""
    return np.minimum((u * count).astype(np.int64), count - 1)


def _counts(u: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    return np.bincount(_bin_of(u, count), minlength=count)


def _num_bins(u: NDArray[np.float64]) -> int:
    """A power of two. Sobol points are spread so evenly that the first one serves."""
    count = 1 << max(len(u) // TRIALS_A_BIN, 1).bit_length() - 1
    while count > 1 and _counts(u, count).min() < TRIALS_A_BIN:
        count //= 2
    return count


def _checked_bins(where: str, u: NDArray[np.float64], bins: int) -> int:
    count = check_integer(where, "bins", bins, low=2)
    empty = int(np.count_nonzero(_counts(u, count) == 0))
    if empty:
        got = f"{count}, of which {empty} {'has' if empty == 1 else 'have'} none"
        enough = _num_bins(u)
        fix = f"Pass {enough}." if enough > 1 else "Run more trials."
        raise bad_value(where, "bins", "so few that each has a trial", got, fix)
    return count


def _figures(
    where: str, figures: ArrayLike, trials: int | None, within: float, solved: float | None
) -> NDArray[np.float64]:
    y = array(where, "figures", figures, ("trials", "runs"))
    if not y.size or trials not in (None, len(y)):
        constraint = f"of shape [{'trials' if trials is None else trials}, runs], not empty"
        raise bad_value(where, "figures", constraint, f"shape {y.shape}")
    if not 0 <= within < math.inf:
        raise bad_value(where, "within", "finite and >= 0", within, "10 % is 0.1.")
    if solved is not None and not math.isfinite(solved):
        raise bad_value(where, "solved", "finite, or None", solved)
    return y


def _validation(where: str, validation: ArrayLike, trials: int) -> NDArray[np.float64]:
    v = array(where, "validation", validation, ("trials",))
    if len(v) != trials:
        constraint = f"of as many trials as `points`, {trials}"
        raise bad_value(where, "validation", constraint, len(v))
    return np.where(np.isfinite(v), v, math.inf)
