"""Intervals and verdicts: against scipy, against enumeration, and by their symmetries."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from jaxnn.bench.statistics import (
    compare,
    holm,
    mean_interval,
    median_interval,
    seeds_needed,
)

SAMPLES = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12)


@pytest.mark.parametrize("n", [2, 5, 10, 50])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_interval_of_a_mean_is_students(n: int, confidence: float) -> None:
    x = np.random.default_rng(n).lognormal(size=n)
    expected = stats.ttest_1samp(x, 0.0).confidence_interval(confidence)
    value, low, high = mean_interval(x, confidence)
    np.testing.assert_allclose([value, low, high], [x.mean(), expected.low, expected.high])


def test_an_interval_needs_two_finite_values() -> None:
    assert mean_interval([3.0])[0] == 3.0
    assert math.isnan(mean_interval([3.0]).low)
    assert math.isnan(mean_interval([1.0, math.inf]).high)
    assert mean_interval([2.0, 2.0, 2.0]) == (2.0, 2.0, 2.0)


@given(SAMPLES, st.floats(-100, 100), st.floats(0.1, 10), st.randoms(use_true_random=False))
def test_a_mean_interval_follows_shift_scale_and_ignores_order(x, shift, scale, random) -> None:
    plain = np.array(mean_interval(x))
    moved = np.array(mean_interval(scale * np.array(x) + shift))
    tolerance = 1e-9 * (1 + abs(shift) + scale * np.max(np.abs(x)))
    np.testing.assert_allclose(moved, scale * plain + shift, atol=tolerance)
    shuffled = random.sample(x, len(x))
    np.testing.assert_allclose(mean_interval(shuffled), plain, atol=tolerance)


@pytest.mark.parametrize("n", [6, 10, 11, 25])
def test_the_interval_of_a_median_covers_at_least_what_it_says(n: int) -> None:
    # How many of n values lie below the median is binomial: sum over the outcomes it covers.
    _, low, high = median_interval(np.arange(1, n + 1))
    covered = sum(math.comb(n, k) for k in range(n + 1) if low <= k < high)
    assert covered / 2**n >= 0.95
    narrower = sum(math.comb(n, k) for k in range(n + 1) if low + 1 <= k < high - 1)
    assert narrower / 2**n < 0.95


def test_a_median_knows_runs_that_never_arrived() -> None:
    assert median_interval([10, 20, 30, math.inf, math.inf]) == (30, 10, math.inf)
    assert median_interval([math.inf] * 4) == (math.inf, math.inf, math.inf)
    assert median_interval([5.0, math.inf]).value == math.inf


def test_the_paired_test_is_scipys() -> None:
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=12), generator.normal(0.5, size=12)
    expected = stats.ttest_rel(a, b)
    paired = compare(a, b)
    np.testing.assert_allclose(paired.p_value, expected.pvalue)
    interval = expected.confidence_interval()
    np.testing.assert_allclose(paired.difference[1:], [interval.low, interval.high])


def test_differences_that_nothing_random_explains() -> None:
    assert compare([1.0, 2.0], [1.0, 2.0]).p_value == 1.0
    assert compare([1.0, 2.0], [1.0, 2.0]).seeds_needed == math.inf
    # All five differences alike: as likely as five heads or five tails.
    assert compare([2.0] * 5, [1.0] * 5).p_value == 2 / 2**5
    assert compare([2.0] * 5, [1.0] * 5).seeds_needed == 6
    assert math.isnan(compare([1.0, math.nan], [1.0, 2.0]).p_value)


@given(SAMPLES.filter(lambda x: np.std(x) > 1e-3))
def test_a_comparison_is_antisymmetric(x) -> None:
    y = np.roll(x, 1)
    forward, back = compare(x, y), compare(y, x)
    assert forward.p_value == pytest.approx(back.p_value)
    assert forward.difference.low == pytest.approx(-back.difference.high)


@pytest.mark.parametrize("effect", [0.05, 0.3, 1.0, 2.0])
def test_the_seeds_that_are_said_to_be_needed_give_the_power(effect: float) -> None:
    n = int(seeds_needed(effect, 1.0))

    def power(pairs: int) -> float:
        critical = stats.t.ppf(0.975, pairs - 1)
        return float(stats.nct.sf(critical, pairs - 1, effect * math.sqrt(pairs)))

    assert power(n) >= 0.8 - 1e-4
    assert power(n - 1) < 0.8 + 1e-4


def test_holm_on_a_table_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.02, 0.03, 0.04]), [0.04, 0.06, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])
    np.testing.assert_array_equal(np.isnan(holm([0.01, math.nan])), [False, True])
    assert holm([0.01, math.nan])[0] == 0.01


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_and_keeps_the_order(p) -> None:
    corrected = holm(p)
    assert np.all(corrected >= np.array(p) - 1e-15)
    for i, j in itertools.permutations(range(len(p)), 2):
        assert p[i] > p[j] or corrected[i] <= corrected[j]
