"""Two contestants on common seeds: the difference and its test, its size in words, and power."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.bench.statistics.checks import array, check_confidence, failed_last, same_length
from jaxnn.errors import bad_value
from jaxnn.sweeps.intervals import Estimate, mean_interval

__all__ = [
    "SIZES",
    "Effect",
    "Paired",
    "Posterior",
    "compare",
    "effect",
    "posterior",
    "power",
    "seeds_needed",
]

ROUNDING = 8 * np.finfo(np.float64).eps
"""Differences that differ by no more than this share of the values are the same."""


class Paired(NamedTuple):
    """a − b on common seeds."""

    difference: Estimate  # mean, Student's interval
    p_value: float  # of no difference, two-sided; 1 where both are identical
    seeds_needed: float  # to tell a difference of this size with 80 % power; ∞ for none

    def reversed(self) -> Paired:
        """b − a."""
        value, low, high = self.difference
        return self._replace(difference=Estimate(-value, -high, -low))


def compare(a: ArrayLike, b: ArrayLike, confidence: float = 0.95, num_asked: int = 1) -> Paired:
    """The paired comparison of two contestants, seed by seed: Student's paired test.

    a, b: [seeds]. num_asked: how many comparisons are made together; `seeds_needed` is for a
    verdict that stands up to all of them. Values that are equal throughout give p = 1; a difference
    that is the same on every seed gives the p-value of the sign test. Where a value is not finite a
    run failed, and the figures are NaN; so they are with fewer than 2 seeds.
    Raises TypeError and ValueError for what is not two samples of one length.
    Source: Student 1908, Biometrika 6.

    >>> compare([1.0, 2.0, 3.0], [1.5, 2.25, 4.0]).p_value.__round__(3)
    0.118
    """
    from scipy.special import stdtr

    check_confidence("compare", confidence)
    differences, alike = _differences("compare", a, b)
    n = len(differences)
    if n < 2 or not np.isfinite(differences).all():
        only = float(differences[0]) if n == 1 else math.nan
        return Paired(Estimate(only, math.nan, math.nan), math.nan, math.nan)
    level = (1 - confidence) / num_asked
    if alike:
        # Student's test divides by 0. All differences alike: the sign test, which knows n.
        same = Estimate(*[float(differences[0])] * 3)
        if same.value == 0:
            return Paired(same, 1.0, math.inf)
        return Paired(same, 2.0 ** (1 - n), math.ceil(1 - math.log2(level)))
    standardized = _standardized(differences)
    p_value = 2 * float(stdtr(n - 1, -abs(standardized) * math.sqrt(n)))
    needed = seeds_needed(standardized, 1.0, level)
    return Paired(mean_interval(differences, confidence), p_value, needed)


def _differences(where: str, a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], bool]:
    """a − b, NaN where one is not finite; and whether they are all the same but for rounding."""
    a, b = array(where, "a", a, ("seeds",)), array(where, "b", b, ("seeds",))
    same_length(where, a, b)
    finite = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore", over="ignore"):
        differences = np.where(finite, a - b, math.nan)
    if not len(a) or not np.isfinite(differences).all():
        return differences, False
    sizes = np.maximum(np.abs(a), np.abs(b))
    off = np.abs(differences - differences[0])
    return differences, bool(np.all(off <= ROUNDING * sizes) and _same_sign(differences))


def _same_sign(x: NDArray[np.float64]) -> bool:
    return bool(np.all(np.sign(x) == np.sign(x[0])))


def _standardized(differences: NDArray[np.float64]) -> float:
    """Mean over standard deviation, of numbers of any size."""
    scaled = differences / np.max(np.abs(differences))
    return float(np.mean(scaled)) / float(np.std(scaled, ddof=1))


def power(effect: float, n: int, significance: float = 0.05) -> float:
    """The probability that a paired Student test of n seeds finds a difference of that size.

    effect: mean over standard deviation of the differences (d_z). It is the probability of being
    found on the right side. n >= 2.

    >>> round(power(1.0, 10), 3), round(power(0.5, 10), 3)
    (0.803, 0.293)
    """
    return float(_power(abs(effect), np.array([n]), significance)[0])


def _power(effect: float, n: NDArray[np.int64], significance: float) -> NDArray[np.float64]:
    from scipy.special import stdtrit
    from scipy.stats import nct

    return nct.sf(stdtrit(n - 1, 1 - significance / 2), n - 1, effect * np.sqrt(n))


def seeds_needed(
    difference: float, deviation: float, significance: float = 0.05, power: float = 0.8
) -> float:
    """Pairs of runs that would tell a mean difference of that size; ∞ where it is 0.

    The fewest n whose paired Student test has the power, by the non-central t distribution. Size
    and deviation are themselves estimates, so that from few seeds this is rough.
    Source: Cohen 1988, "Statistical Power Analysis for the Behavioral Sciences".

    >>> seeds_needed(1.0, 1.0), seeds_needed(0.1, 1.0), seeds_needed(0.0, 1.0)
    (10, 787, inf)
    """
    from scipy.special import ndtri

    effect = abs(difference / deviation) if deviation else math.inf
    if difference == 0 or math.isinf(effect):
        return math.inf if difference == 0 else 2
    z = float(ndtri(1 - significance / 2))
    approximate = ((z + float(ndtri(power))) / effect) ** 2
    if approximate > 1000:
        return math.ceil(approximate + z**2 / 2)
    n = max(2, math.floor(approximate))
    while True:
        tried = np.arange(n, n + 8)
        enough = _power(effect, tried, significance) >= power
        if enough.any():
            return int(tried[np.argmax(enough)])
        n += 8


SIZES = {"negligible": 0.2, "small": 0.5, "medium": 0.8, "large": 1.2, "very large": math.inf}
"""An effect is called so up to this |d_z|: Cohen 1988; "very large": Sawilowsky 2009."""


class Effect(NamedTuple):
    """How large the difference a − b is, of figures of which less is better."""

    d_z: float  # mean over standard deviation of the differences; < 0 where a is better
    better: Estimate  # probability that a is better on a seed, ties half; Wilson's interval
    size: str  # a key of SIZES, "none" where a and b are identical, or "unknown"

    def words(self, a: str, b: str) -> str:
        """The effect in a sentence, with the contestants' names.

        >>> effect([1, 2, 3, 4], [2, 2.5, 5, 4.5]).words("adam", "sgd")[:66]
        'adam is better than sgd on 100 % of seeds (95 % interval 51 to 100'
        """
        if self.size == "none":
            return f"{a} and {b} are identical."
        if self.size == "unknown":
            return f"Too few seeds to say how far {a} and {b} are apart."
        value, low, high = self.better
        if value < 0.5:
            a, b, value, low, high = b, a, 1 - value, 1 - high, 1 - low
        share = (
            f"{100 * value:.0f} % of seeds (95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
        )
        return f"{a} is better than {b} on {share}: a {self.size} effect."


def effect(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Effect:
    """Cohen's d_z, the probability that a is better on a common seed, and their size in words.

    a, b: [seeds], less is better; negate figures of which more is better. A run that failed (NaN)
    is as bad as +∞, and two that failed are even. Where a value is not finite d_z is NaN, and the
    size is that of normal differences with the same probability.
    Raises TypeError and ValueError for what is not two samples of one length.
    Source: Cohen 1988, "Statistical Power Analysis for the Behavioral Sciences"; Wilson 1927,
    Journal of the American Statistical Association 22.
    """
    from scipy.special import ndtri

    check_confidence("effect", confidence)
    differences, alike = _differences("effect", a, b)
    x, y = failed_last(np.asarray(a, np.float64)), failed_last(np.asarray(b, np.float64))
    n = len(x)
    if not n:
        return Effect(math.nan, Estimate(math.nan, math.nan, math.nan), "unknown")
    share = float(np.mean((x < y) + 0.5 * (x == y)))
    better = _wilson(share, n, confidence)
    if np.array_equal(x, y):
        return Effect(0.0, better, "none")
    if n < 2:
        return Effect(math.nan, better, "unknown")
    if not np.isfinite(differences).all():
        return Effect(math.nan, better, _size(float(ndtri(share))))
    d_z = math.copysign(math.inf, differences[0]) if alike else _standardized(differences)
    return Effect(d_z, better, _size(d_z))


def _size(d_z: float) -> str:
    return next(name for name, limit in SIZES.items() if abs(d_z) < limit or math.isinf(limit))


def _wilson(share: float, n: int, confidence: float) -> Estimate:
    """Wilson's interval of a share; ties make it fractional, and the interval cautious."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + confidence / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Estimate(share, max(centre - half, 0.0), min(centre + half, 1.0))


class Posterior(NamedTuple):
    """What to believe of the mean difference after these seeds; the three add up to 1."""

    a_better: float
    equivalent: float  # within the region of practical equivalence
    b_better: float


def posterior(a: ArrayLike, b: ArrayLike, equivalent_within: float = 0.0) -> Posterior:
    """Bayesian reading of the paired comparison: Student's t about the mean difference.

    a, b: [seeds], less is better. equivalent_within: >= 0, differences up to it do not matter. The
    prior is the uninformative one, so that the probabilities hang on the data alone; where all
    differences are the same they are 0 and 1. NaN where a value is not finite or with n < 2.
    Raises TypeError and ValueError for numbers outside of these.
    Source: Benavoli, Corani, Demšar, Zaffalon 2017, JMLR 18, "Time for a Change", section 4.1, for
    seeds that are independent.

    >>> [round(p, 3) for p in posterior([1.0, 2.0, 3.0], [1.5, 2.25, 4.0], 0.1)]
    [0.92, 0.035, 0.045]
    """
    from scipy.special import stdtr

    if not equivalent_within >= 0:
        raise bad_value("posterior", "equivalent_within", ">= 0", equivalent_within, "Try 0.")
    differences, alike = _differences("posterior", a, b)
    n = len(differences)
    if n < 2 or not np.isfinite(differences).all():
        return Posterior(math.nan, math.nan, math.nan)
    scale = float(np.max(np.abs(differences))) or 1.0
    mean, margin = float(np.mean(differences / scale)), equivalent_within / scale
    if alike:
        lower, upper = float(mean < -margin), float(mean > margin)
    else:
        error = float(np.std(differences / scale, ddof=1)) / math.sqrt(n)
        lower = float(stdtr(n - 1, (-margin - mean) / error))
        upper = float(stdtr(n - 1, (mean - margin) / error))
    return Posterior(lower, 1.0 - lower - upper, upper)
