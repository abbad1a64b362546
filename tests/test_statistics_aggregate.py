"""Scores over problems: by hand, by symmetry, and against resamples drawn one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from jaxnn.bench.statistics import (
    AGGREGATES,
    aggregate,
    aggregate_difference,
    mean_probability_of_improvement,
    normalized_scores,
    probability_of_improvement,
    stratified_bootstrap,
)

SCORES = [
    [0.0, 0.2, 0.4, 0.6],  # mean 0.3
    [0.5, 0.5, 0.7, 0.7],  # mean 0.6
    [1.0, 0.8, 0.9, 0.1],  # mean 0.7
]


def test_aggregates_by_hand() -> None:
    # In order: 0 .1 .2 | .4 .5 .5 .6 .7 .7 | .8 .9 1, the middle six add up to 3.4.
    assert aggregate(SCORES, "iqm").value == pytest.approx(3.4 / 6)
    assert aggregate(SCORES, "mean").value == pytest.approx(1.6 / 3)
    assert aggregate(SCORES, "median").value == pytest.approx(0.6)
    assert aggregate(SCORES[:2], "median").value == pytest.approx(0.45)


def test_aggregates_are_those_of_rliable() -> None:
    x = np.random.default_rng(0).normal(size=(7, 5))
    assert aggregate(x, "iqm").value == pytest.approx(stats.trim_mean(x, 0.25, axis=None))
    assert aggregate(x, "median").value == pytest.approx(np.median(x.mean(axis=1)))
    assert aggregate(x, "mean").value == pytest.approx(x.mean())


@pytest.mark.parametrize("statistic", list(AGGREGATES))
def test_an_interval_is_that_of_resamples_one_by_one(statistic: str) -> None:
    x = np.random.default_rng(1).lognormal(size=(4, 6))
    drawn = np.random.default_rng(5).integers(0, 6, (1999, 4, 5))
    figures = []
    for each in drawn:
        resample = np.stack([row[chosen] for row, chosen in zip(x, each, strict=True)])
        figures.append(AGGREGATES[statistic](resample))
    ordered = np.sort(figures)
    found = aggregate(x, statistic, seed=5)
    np.testing.assert_allclose(found[1:], [ordered[49], ordered[1949]])
    assert aggregate(x, statistic, seed=6) != found


def test_n_less_one_runs_give_the_variance_of_a_mean() -> None:
    x = np.random.default_rng(2).normal(size=(5, 4))
    figures = []
    stratified_bootstrap(x, lambda runs: figures.append(AGGREGATES["mean"](runs)) or figures[-1])
    spread = np.concatenate(figures[1:]).std()
    expected = math.sqrt(np.sum(x.var(axis=1, ddof=1) / 4)) / 5
    assert spread == pytest.approx(expected, rel=0.05)  # of 1,999 resamples: ± 1.6 %


def test_a_difference_keeps_common_seeds_together() -> None:
    x = np.random.default_rng(3).lognormal(size=(5, 8))
    np.testing.assert_allclose(aggregate_difference(x + 1, x), [1, 1, 1])
    assert aggregate_difference(x, x) == (0, 0, 0)
    value, low, high = aggregate_difference(x, 0.9 * x)
    assert 0 < low < value < high
    other = aggregate_difference(0.9 * x, x)
    np.testing.assert_allclose([-value, -low, -high], np.array(other)[[0, 2, 1]])


def test_intervals_that_do_not_exist() -> None:
    for statistic in AGGREGATES:
        assert aggregate([[0.5] * 3, [0.5] * 3], statistic) == (0.5, 0.5, 0.5)
        value, low, high = aggregate([[1.0], [3.0]], statistic)
        assert value == 2
        assert math.isnan(low)
        assert math.isnan(high)
        assert np.isnan(aggregate(np.zeros((0, 3)), statistic)).all()
        assert np.isnan(aggregate(np.zeros((3, 0)), statistic)).all()
        assert np.isnan(aggregate([[1.0, math.nan], [1.0, 2.0]], statistic)).all()


def test_runs_that_never_arrived() -> None:
    x = np.random.default_rng(4).lognormal(size=(6, 10))
    x[0, 0] = math.inf
    assert np.isfinite(aggregate(x, "iqm")).all()
    assert aggregate(x, "mean").value == math.inf
    assert math.isnan(aggregate_difference([[math.inf] * 2], [[math.inf] * 2]).value)


def test_large_resamples_come_in_parts() -> None:
    x = np.random.default_rng(0).normal(size=(3, 40, 60))
    sizes = []

    def figure(runs):
        sizes.append(runs.size)
        return runs.mean(axis=(-1, -2))

    found = stratified_bootstrap(x, figure)
    assert max(sizes) <= 4_100_000
    assert len(sizes) > 2
    alone = stratified_bootstrap(x[1], lambda runs: runs.mean(axis=(-1, -2)))
    np.testing.assert_allclose([found.low[1], found.high[1]], [alone.low, alone.high])


def test_normalized_scores_by_hand() -> None:
    losses = [[2.0, 1.5, 1.0, 0.5, 3.0, math.nan, math.inf]]
    expected = [[0, 0.5, 1, 1.5, 0, 0, 0]]
    np.testing.assert_array_equal(normalized_scores(losses, [2.0], [1.0]), expected)


def test_a_mean_probability_by_hand() -> None:
    a, b = [[1, 2], [5, 6]], [[3, 4], [5, 7]]
    # Of four pairs each: 4, and 5 = 5, 5 < 7, 6 > 5, 6 < 7: 2.5.
    assert mean_probability_of_improvement(a, b).value == (1 + 2.5 / 4) / 2
    both = mean_probability_of_improvement([a[0]], [b[0]])
    np.testing.assert_allclose(both, probability_of_improvement(a[0], b[0]).probability)


def test_a_mean_probability_of_failures_ties_and_clean_sweeps() -> None:
    bad = [[math.nan, math.inf]] * 3
    level = mean_probability_of_improvement(bad, bad)
    assert level.value == 0.5
    assert level.low < 0.5 < level.high
    sweep = mean_probability_of_improvement([[1, 2]] * 3, bad)
    assert sweep.value == sweep.high == 1
    assert sweep.low < 1
    assert np.isnan(mean_probability_of_improvement(np.zeros((0, 2)), np.zeros((0, 2)))).all()


def test_a_mean_probability_follows_its_seed_and_turns_around() -> None:
    a, b = np.random.default_rng(7).normal(size=(2, 5, 8))
    found = mean_probability_of_improvement(a, b, seed=2)
    assert found == mean_probability_of_improvement(a, b, seed=2)
    assert found != mean_probability_of_improvement(a, b, seed=3)
    assert found.low < found.value < found.high
    back = 1 - np.array(mean_probability_of_improvement(b, a, seed=2))[[0, 2, 1]]
    np.testing.assert_allclose(back, found, atol=0.03)


def test_errors() -> None:
    with pytest.raises(ValueError, match="`statistic` must be one of iqm, mean, median; got 'avg'"):
        aggregate(SCORES, "avg")
    with pytest.raises(
        ValueError, match=r"`scores` must be real numbers \[problems, runs\]; got s"
    ):
        aggregate([1.0, 2.0])
    with pytest.raises(
        ValueError, match=r"`b` must be of the shape of `a`, \(1, 2\); got \(1, 3\)"
    ):
        aggregate_difference([[1, 2]], [[1, 2, 3]])
    with pytest.raises(ValueError, match=r"`b` must be of as many problems as `a`, 1; got 2"):
        mean_probability_of_improvement([[1, 2]], [[1, 2], [3, 4]])
    with pytest.raises(
        ValueError, match=r"`start\[1\]` must be finite and above `best\[1\]`; got 1"
    ):
        normalized_scores([[1.0], [1.0]], [2.0, 1.0], [1.0, 1.0])
    with pytest.raises(
        ValueError, match="`runs` must be at least one run of one problem; got none"
    ):
        stratified_bootstrap(np.zeros((2, 0)), AGGREGATES["mean"])
    with pytest.raises(ValueError, match="`losses` must be of as many problems as `start` and"):
        normalized_scores([[1.0]], [1.0, 2.0], [0.0])
