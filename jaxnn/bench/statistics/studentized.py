"""The studentised bootstrap of a trimmed mean, for many samples at once.

A sample is resampled B times; each resample has a mean m* of its middle values and a standard error
s* from its winsorised variance, and (m* − m)/s* takes the place of Student's t. What a resample is,
is a count for each value in order, so that m* and s* of all samples are products with one matrix of
weights: no loop. Without trimming it is the bootstrap-t of a mean.
Source: Efron 1981, Canadian Journal of Statistics 9; Tukey and McLaughlin 1963, Sankhyā A 25
(winsorised variance, h − 1 degrees of freedom); Wilcox 2022, "Introduction to Robust Estimation and
Hypothesis Testing", section 4.4.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from jaxnn.sweeps.intervals import t_quantile

__all__ = ["NUM_RESAMPLES", "resample_weights", "studentized", "trimmed", "tukey_mclaughlin"]

NUM_RESAMPLES = 9_999
"""(B + 1)·α/2 is whole at α = 5 %, so that a quantile is an order statistic."""

NO_SPREAD = 1e-10
"""A resample whose variance is this share of its mean square has none but for rounding."""

FAR = 1e100
"""What lies further from the mean, in standard errors, might as well be infinitely far."""

_Interval = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def trimmed(x: NDArray[np.float64], cut: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean without the `cut` lowest and highest of n, and its standard error; x: [..., n] sorted.

    n − 2·cut must be at least 2.
    """
    n = x.shape[-1]
    middle = x[..., cut : n - cut]
    with np.errstate(invalid="ignore", over="ignore"):
        mean = middle.mean(axis=-1)
        from_mean = np.clip(x, middle[..., :1], middle[..., -1:]) - mean[..., None]
        shift = from_mean.mean(axis=-1, keepdims=True)
        squares = ((from_mean - shift) ** 2).sum(axis=-1)
    h = n - 2 * cut
    error = np.sqrt(squares / (h * (h - 1)))
    return mean, np.where(middle[..., 0] == middle[..., -1], 0.0, error)


def tukey_mclaughlin(x: NDArray[np.float64], cut: int, confidence: float) -> _Interval:
    """Mean, low, high [...] by Student's t with n − 2·cut − 1 degrees of freedom; x sorted.

    Exact for normal values where nothing is cut: Student's interval.
    """
    mean, error = trimmed(x, cut)
    half = t_quantile(x.shape[-1] - 2 * cut - 1, confidence) * error
    return mean, mean - half, mean + half


def studentized(x: NDArray[np.float64], cut: int, confidence: float, seed: int) -> _Interval:
    """Mean, low, high [...] by the studentised bootstrap; x: [..., n] sorted.

    Where so many resamples have no spread that a quantile of theirs is infinite (few values, or
    many that are equal), the interval is that of Tukey and McLaughlin. Values in the tails may be
    infinite; where the middle is, ends are NaN.
    """
    mean, error = trimmed(x, cut)
    low, high = _quantiles(x, mean, error, cut, confidence, seed)
    student = t_quantile(x.shape[-1] - 2 * cut - 1, confidence)
    known = np.isfinite(low) & np.isfinite(high)
    low, high = np.where(known, low, -student), np.where(known, high, student)
    with np.errstate(invalid="ignore"):
        return mean, mean - high * error, mean - low * error


def _quantiles(
    x: NDArray[np.float64],
    mean: NDArray[np.float64],
    error: NDArray[np.float64],
    cut: int,
    confidence: float,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The quantiles of (m* − m)/s*; infinite where too many resamples have no spread."""
    n = x.shape[-1]
    kept, winsorized = resample_weights(n, cut, seed)
    there = np.isfinite(mean) & (error > 0) & np.isfinite(error)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        scaled = (x - mean[..., None]) / error[..., None]
    scaled = np.where(there[..., None], np.clip(scaled, -FAR, FAR), 0.0)
    means, squares = scaled @ kept.T, scaled**2 @ winsorized.T
    variance = squares - (scaled @ winsorized.T) ** 2
    spread = variance > NO_SPREAD * squares
    h = n - 2 * cut
    root = np.sqrt(np.where(spread, variance, 1.0) * n / (h * (h - 1)))
    # A resample of no spread lies infinitely many standard errors off, unless it is not off at all.
    far = np.where(means == 0, 0.0, np.copysign(math.inf, means))
    rank = max(int((NUM_RESAMPLES + 1) * (1 - confidence) / 2 + 1e-9), 1)
    ends = (rank - 1, NUM_RESAMPLES - rank)
    ordered = np.partition(np.where(spread, means / root, far), ends, axis=-1)
    return ordered[..., ends[0]], ordered[..., ends[1]]


@functools.lru_cache(maxsize=8)
def resample_weights(
    n: int, cut: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[resamples, n] of each value in order: its part in the trimmed and in the winsorised mean."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, n, (NUM_RESAMPLES, n)) + n * np.arange(NUM_RESAMPLES)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n * NUM_RESAMPLES).reshape(NUM_RESAMPLES, n)
    upto = np.cumsum(counts, axis=1)
    # Of the resample in order, places cut … n − cut − 1 are kept.
    kept = np.diff(np.clip(upto, cut, n - cut), axis=1, prepend=cut)
    winsorized = kept.copy()
    rows = np.arange(NUM_RESAMPLES)
    winsorized[rows, np.argmax(upto > cut, axis=1)] += cut
    winsorized[rows, np.argmax(upto >= n - cut, axis=1)] += cut
    return kept / (n - 2 * cut), winsorized / n
