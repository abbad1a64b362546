"""Interquartile means and bootstrap intervals: against scipy, resample by resample, by symmetry."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from jaxnn.bench.statistics import (
    bootstrap_mean_interval,
    few_seeds,
    iqm,
    iqm_interval,
    mean_interval,
    median_interval,
)
from jaxnn.bench.statistics.studentized import (
    NUM_RESAMPLES,
    resample_weights,
    studentized,
    trimmed,
    tukey_mclaughlin,
)

INTERVALS = [bootstrap_mean_interval, iqm_interval]
SAMPLES = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12)


def lognormal(n: int) -> np.ndarray:
    return np.random.default_rng(n).lognormal(size=n)


@given(SAMPLES)
def test_the_interquartile_mean_is_scipys_trimmed_mean(x) -> None:
    assert iqm(x) == pytest.approx(stats.trim_mean(x, 0.25), abs=1e-9)


def test_the_interquartile_mean_by_hand() -> None:
    assert iqm([9, 1, 2, 4]) == 3  # without 1 and 9
    assert iqm([5, 1]) == 3  # nothing is cut off below 4
    assert iqm([1, 2, 3, 4, 5, 6, 7, math.inf]) == 4.5
    assert iqm([-math.inf, 2, 4, math.inf]) == 3
    assert iqm([1, 2, math.inf, math.inf]) == math.inf
    assert math.isnan(iqm([-math.inf, math.inf]))
    assert math.isnan(iqm([1, 2, 3, math.nan]))
    assert math.isnan(iqm([]))


@pytest.mark.parametrize("n", [5, 8, 11])
@pytest.mark.parametrize("part", [0, 4])
def test_weights_are_the_trimmed_means_of_resamples(n: int, part: int) -> None:
    x, cut = np.sort(lognormal(n)), n // part if part else 0
    kept, winsorized = resample_weights(n, cut, 3)
    drawn = np.random.default_rng(3).integers(0, n, (NUM_RESAMPLES, n))[:200]
    resamples = np.sort(x[drawn], axis=1)
    np.testing.assert_allclose(
        kept[:200] @ x, stats.trim_mean(resamples, cut / n + 1e-9, axis=1), rtol=1e-12
    )
    mean, error = trimmed(resamples, cut)
    np.testing.assert_allclose(kept[:200] @ x, mean, rtol=1e-12)
    ends = stats.mstats.winsorize(resamples, limits=cut / n + 1e-9, axis=1)
    np.testing.assert_allclose(winsorized[:200] @ x, np.asarray(ends).mean(axis=1), rtol=1e-12)
    h = n - 2 * cut
    squares = np.asarray(ends).var(axis=1) * n / (h * (h - 1))
    np.testing.assert_allclose(error**2, squares, rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize("n", [8, 20])
def test_the_studentised_bootstrap_is_its_definition(n: int) -> None:
    x, cut = np.sort(lognormal(n)), n // 4
    mean, error = trimmed(x, cut)
    drawn = np.random.default_rng(0).integers(0, n, (NUM_RESAMPLES, n))
    means, errors = trimmed(np.sort(x[drawn], axis=1), cut)
    with np.errstate(divide="ignore"):
        ordered = np.sort((means - mean) / errors)
    expected = mean - ordered[9749] * error, mean - ordered[249] * error
    np.testing.assert_allclose(iqm_interval(x)[1:], expected, rtol=1e-9)


def test_tukey_and_mclaughlins_interval_is_that_of_yuens_test() -> None:
    # The difference of two samples of one spread has the error of one times √2.
    x = np.sort(lognormal(16))
    mean, _, high = tukey_mclaughlin(x, 4, 0.95)
    yuen = stats.ttest_ind(x, x + 1, equal_var=False, trim=0.25)
    error = 1 / abs(yuen.statistic) / math.sqrt(2)
    assert high - mean == pytest.approx(stats.t.ppf(0.975, 7) * error)


@pytest.mark.parametrize("n", [2, 5, 30])
def test_without_cutting_off_it_is_students(n: int) -> None:
    x = np.sort(lognormal(n))
    np.testing.assert_allclose(tukey_mclaughlin(x, 0, 0.9), mean_interval(x, 0.9))


def test_many_samples_at_once_are_each_alone() -> None:
    x = np.sort(np.random.default_rng(0).lognormal(size=(3, 2, 9)))
    together = studentized(x, 2, 0.95, 1)
    for i, j in np.ndindex(3, 2):
        alone = iqm_interval(x[i, j], seed=1)
        np.testing.assert_allclose([part[i, j] for part in together], alone, rtol=1e-9)


@pytest.mark.parametrize("interval", INTERVALS)
def test_a_long_tail_is_reached_for(interval) -> None:
    value, low, high = interval(lognormal(12))
    assert high - value > value - low
    assert interval(lognormal(12), 0.8).high < high


@pytest.mark.parametrize("interval", INTERVALS)
def test_the_seed_decides(interval) -> None:
    x = lognormal(10)
    assert interval(x) == interval(x, seed=0) == interval(x[::-1])
    assert interval(x, seed=1) != interval(x)
    value, low, high = interval(x)
    np.testing.assert_allclose(interval(x, seed=1), [value, low, high], atol=0.05 * (high - low))


@pytest.mark.parametrize("interval", INTERVALS)
@given(x=SAMPLES.filter(lambda x: np.std(x) > 1), scale=st.floats(1e-3, 1e3))
def test_an_interval_follows_shift_and_scale(interval, x, scale) -> None:
    plain, moved = np.array(interval(x)), np.array(interval(scale * np.array(x) - 5))
    np.testing.assert_allclose(moved, scale * plain - 5, rtol=1e-6, atol=1e-6 * scale * np.ptp(x))


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("factor", [1e-200, 1e-30, 1e200])
def test_an_interval_of_any_size(interval, factor: float) -> None:
    x = lognormal(10)
    if factor == 1e-200 or factor == 1e200:
        # The squares of such numbers are not numbers: nothing is said.
        value, low, high = interval(factor * x)
        assert value == pytest.approx(factor * interval(x).value)
        assert not low < high or np.isfinite([low, high]).all()
    else:
        np.testing.assert_allclose(interval(factor * x), factor * np.array(interval(x)))


@pytest.mark.parametrize("interval", [*INTERVALS, mean_interval, median_interval])
def test_constants_and_too_few(interval) -> None:
    assert interval([0.5] * 7) == (0.5, 0.5, 0.5)
    assert interval([3.0]).value == 3.0
    assert np.isnan(interval([])).all()


@pytest.mark.parametrize("interval", INTERVALS)
def test_what_is_not_finite(interval) -> None:
    assert np.isnan(interval([1.0])[1:]).all()
    assert np.isnan(interval([1.0, 2.0, math.nan])).all()
    value, low, high = interval([1.0, math.inf, math.inf])
    assert value == math.inf
    assert math.isnan(low)
    assert math.isnan(high)


def test_runs_that_never_arrived_are_cut_off_as_any_long_run_would_be() -> None:
    near = iqm_interval([1, 2, 3, 4, 5, 6, 7, 8, 9, 1e12])
    never = iqm_interval([1, 2, 3, 4, 5, 6, 7, 8, 9, math.inf])
    np.testing.assert_allclose(never, near, rtol=1e-6)
    assert np.isfinite(never).all()


@pytest.mark.parametrize("interval", INTERVALS)
def test_few_or_equal_values_have_students(interval) -> None:
    x = np.sort(lognormal(3))
    np.testing.assert_allclose(interval(x), mean_interval(x))
    ties = [0.0] * 9 + [1.0]
    cut = 2 if interval is iqm_interval else 0
    np.testing.assert_allclose(interval(ties), tukey_mclaughlin(np.array(ties), cut, 0.95))
    assert np.isfinite(interval([0, 0, 1, 1])).all()


def test_few_seeds_are_warned_of() -> None:
    assert few_seeds(0) == "0 seeds give no interval."
    assert few_seeds(1, "iqm") == "1 seed gives no interval."
    assert few_seeds(10) == (
        "10 seeds are few for a mean: where values are skewed (lognormal, σ = 1), a 95 % interval "
        "from 10 holds the true value in 90 % of cases."
    )
    assert "from 10 holds" in few_seeds(19)
    assert few_seeds(50) == few_seeds(10, "iqm") == few_seeds(6, "median") == ""
    assert few_seeds(4, "iqm").startswith("4 seeds are few for an interquartile mean: ")
    assert "from 3 holds" in few_seeds(2)
    assert few_seeds(2, "median").endswith("in 50 % of cases.")


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"`confidence` must be in \(0, 1\); got 95"):
        iqm_interval([1, 2], 95)
    with pytest.raises(
        ValueError, match=r"iqm: `values` must be real numbers \[runs\]; got shape \(1, 2\)"
    ):
        iqm([[1, 2]])
    with pytest.raises(
        TypeError, match=r"iqm: `values` must be real numbers \[runs\]; got \['a'\]"
    ):
        iqm(["a"])
    with pytest.raises(ValueError, match=r"`seed` must be in \[0, 4294967296\); got -1"):
        bootstrap_mean_interval([1, 2], seed=-1)
    with pytest.raises(ValueError, match=r"`statistic` must be one of iqm, mean, median; got 'x'"):
        few_seeds(3, "x")
    with pytest.raises(TypeError, match=r"`n` must be an integer; got 2.5"):
        few_seeds(2.5)  # type: ignore[arg-type]
