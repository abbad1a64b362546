"""The expected best of k settings: against all draws one by one, whole numbers, and by hand."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxnn.bench.statistics import bootstrap_mean_interval, compare, mean_interval
from jaxnn.bench.tuning_curve import (
    best_quantile,
    chance_of_choice,
    chance_of_failure,
    doubling_sizes,
    expected_best,
    expected_best_of_runs,
)

NAN, INF = math.nan, math.inf
LOSSES = [0.3, 0.1, INF, 0.2, 0.1, NAN, 0.5]
"""Ranks, the best first: 1 and 4 tie, then 3, 0, 6; 2 and 5 failed."""


def by_enumeration(losses: list[float], k: int) -> list[Fraction]:
    """The chance of each setting: all subsets, in each of them an equal part for each of the best.

    Not by sorting: by comparing each with each.
    """
    worst = [math.inf if not math.isfinite(x) else x for x in losses]
    chance = [Fraction(0)] * len(losses)
    subsets = list(itertools.combinations(range(len(losses)), k))
    for subset in subsets:
        best = [i for i in subset if all(worst[i] <= worst[j] for j in subset)]
        for i in best:
            chance[i] += Fraction(1, len(best) * len(subsets))
    return chance


@pytest.mark.parametrize("losses", [LOSSES, [2.0], [1.0, 1.0], [3, 1, 2, 8, 5, 7, 6, 4], [NAN] * 3])
def test_chances_are_those_of_all_subsets(losses: list[float]) -> None:
    sizes = range(1, len(losses) + 1)
    expected = [[float(c) for c in by_enumeration(losses, k)] for k in sizes]
    np.testing.assert_allclose(chance_of_choice(losses, list(sizes)), expected, rtol=1e-14)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, NAN]), min_size=1, max_size=7), st.data())
def test_chances_of_any_losses_are_those_of_all_subsets(losses, data) -> None:
    k = data.draw(st.integers(1, len(losses)))
    expected = [float(c) for c in by_enumeration(losses, k)]
    np.testing.assert_allclose(chance_of_choice(losses, [k])[0], expected, rtol=1e-14)


@pytest.mark.parametrize("k", [1, 2, 37, 1000, 9_000, 9_999, 10_000])
def test_chances_among_ten_thousand_are_quotients_of_whole_numbers(k: int) -> None:
    n = 10_000
    found = chance_of_choice(np.arange(n), [k])[0]
    all_draws = math.comb(n, k)
    for i in (0, 1, 5, 100, 1000, 9_000, n - 1):
        exact = float(Fraction(math.comb(n - 1 - i, k - 1), all_draws))
        # Below the smallest normal number there are fewer digits.
        assert found[i] == pytest.approx(exact, rel=1e-12, abs=1e-305)
    assert found.sum() == pytest.approx(1, abs=1e-12)


def test_all_sizes_of_a_long_search_rise_to_the_best() -> None:
    rng = np.random.default_rng(0)
    losses = rng.lognormal(size=2000)
    curve = expected_best_of_runs(losses, losses[:, None], range(1, 2001))[:, 0]
    assert np.all(np.diff(curve) <= 0)
    assert curve[0] == pytest.approx(losses.mean(), rel=1e-12)
    assert curve[-1] == losses.min()


def test_a_curve_by_hand() -> None:
    # Of 4: the best with 1/4, 3/6, 3/4, 1; the second 1/4, 2/6, 1/4, 0; the third 1/4, 1/6, 0, 0.
    reported = np.array([[8.0], [2.0], [4.0], [6.0]])
    validation = [0.4, 0.1, 0.2, 0.3]
    found = expected_best_of_runs(validation, reported, [1, 2, 3, 4])[:, 0]
    np.testing.assert_allclose(found, [5, 1 + 4 / 3 + 1, 2.5, 2], rtol=1e-15)


def test_the_choice_is_made_on_validation_alone() -> None:
    # Best in validation, worst where it is reported.
    assert expected_best_of_runs([0.1, 0.2], [[9.0], [1.0]], [1, 2])[:, 0].tolist() == [5, 9]


def test_curves_are_means_over_all_draws_with_an_interval_over_seeds() -> None:
    rng = np.random.default_rng(1)
    losses, reported = rng.normal(size=6), rng.lognormal(size=(6, 5))
    band = expected_best(losses, reported, [1, 3, 6])
    for number, k in enumerate([1, 3, 6]):
        draws = list(itertools.combinations(range(6), k))
        chosen = [min(draw, key=lambda i: losses[i]) for draw in draws]
        of_seeds = reported[chosen].mean(axis=0)
        np.testing.assert_allclose(
            [x[number] for x in band], bootstrap_mean_interval(of_seeds), rtol=1e-12
        )


def test_ends_of_the_curve_are_the_mean_and_the_best() -> None:
    rng = np.random.default_rng(2)
    losses, reported = rng.normal(size=20), rng.normal(size=(20, 4))
    band = expected_best(losses, reported)
    assert len(band.value) == len(doubling_sizes(20)) == 6
    first, last = ([x[end] for x in band] for end in (0, -1))
    np.testing.assert_allclose(first, bootstrap_mean_interval(reported.mean(axis=0)), rtol=1e-12)
    np.testing.assert_allclose(last, bootstrap_mean_interval(reported[losses.argmin()]), rtol=1e-15)


def test_another_interval_and_confidence() -> None:
    rng = np.random.default_rng(3)
    losses, reported = rng.normal(size=4), rng.lognormal(size=(4, 6))
    band = expected_best(losses, reported, [4], 0.9, interval_fn=mean_interval)
    expected = mean_interval(reported[losses.argmin()], 0.9)
    np.testing.assert_allclose([x[0] for x in band], expected, rtol=1e-13)


def test_seeds_that_move_all_settings_stay_together() -> None:
    # Every setting is the seed's own figure, so no choice makes the interval narrower.
    of_seed = np.array([1.0, 2.0, 4.0, 3.0])
    band = expected_best([3, 1, 2], np.tile(of_seed, (3, 1)))
    expected = bootstrap_mean_interval(of_seed)
    for number in range(3):
        np.testing.assert_allclose([x[number] for x in band], expected, rtol=1e-14)


def test_two_contestants_are_compared_seed_by_seed() -> None:
    rng = np.random.default_rng(4)
    start = rng.normal(size=7)
    losses = rng.normal(size=8)
    a = expected_best_of_runs(losses, np.tile(start, (8, 1)) + losses[:, None], [2])[0]
    b = expected_best_of_runs(losses, np.tile(start, (8, 1)) + losses[:, None] + 1, [2])[0]
    np.testing.assert_allclose(compare(a, b).difference, [-1, -1, -1], rtol=1e-12)


def test_settings_that_failed() -> None:
    validation = [NAN, 0.2, 0.1, INF]
    reported = [[NAN, NAN], [3.0, 5.0], [1.0, 3.0], [NAN, 7.0]]
    # Two failed in validation: a draw of three holds one that did not.
    of_runs = expected_best_of_runs(validation, reported, [1, 2, 3, 4])
    assert np.isnan(of_runs).tolist() == [[True] * 2] * 2 + [[False] * 2] * 2
    np.testing.assert_allclose(of_runs[2:], [[1.5, 3.5], [1, 3]], rtol=1e-15)
    band = expected_best(validation, reported, [1, 3])
    assert np.isnan([x[0] for x in band]).all()
    assert band.value[1] == 2.5
    # A run of settings 0 and 3 fails with 1 and 1/2; one draw of six holds both, and they share it.
    chance = chance_of_failure(validation, reported, [1, 2, 3, 4])
    np.testing.assert_allclose(chance, [1.5 / 4, 1 / 6 * 1.5 / 2, 0, 0], rtol=1e-14)


def test_a_failed_run_may_count_as_a_number() -> None:
    found = expected_best([NAN, 0.1], [[NAN, 4.0], [1.0, 2.0]], [1, 2], failed=9.0)
    np.testing.assert_allclose(found.value, [(5 + 3) / 2, 1.5], rtol=1e-15)


def test_the_chosen_setting_fails_on_a_seed() -> None:
    band = expected_best([0.1, 0.2], [[NAN, 1.0], [1.0, 1.0]], [2])
    assert np.isnan([*band]).all()
    assert chance_of_failure([0.1, 0.2], [[NAN, 1.0], [1.0, 1.0]], [1, 2]).tolist() == [0.25, 0.5]


def test_steps_that_never_arrived_make_the_mean_infinite_and_not_the_median() -> None:
    validation, steps = [0.1, 0.2, 0.3], [[10, 20], [INF, 30], [INF, INF]]
    band = expected_best(validation, steps, [1, 3])
    assert band.value.tolist() == [INF, 15]
    assert np.isnan(band.low[0])
    assert best_quantile(validation, steps, [1, 2, 3]).value.tolist() == [INF, 15, 15]
    assert best_quantile(validation, steps, [1, 2, 3], 1 / 3).value.tolist() == [15, 15, 15]


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.75, 1.0])
def test_quantiles_are_those_of_all_draws(probability: float) -> None:
    rng = np.random.default_rng(5)
    losses, reported = rng.normal(size=7), rng.normal(size=(7, 3))
    means = reported.mean(axis=1)
    found = best_quantile(losses, reported, range(1, 8), probability).value
    for k in range(1, 8):
        draws = itertools.combinations(range(7), k)
        figures = sorted(means[min(draw, key=lambda i: losses[i])] for draw in draws)
        needed = math.ceil(Fraction(str(probability)) * len(figures))
        assert found[k - 1] == figures[needed - 1]


@pytest.mark.parametrize("n", [10, 30, 49])
def test_shares_of_equal_weights_are_not_missed_by_rounding(n: int) -> None:
    figures = np.arange(n, dtype=float)[:, None]
    found = [best_quantile(np.arange(n), figures, [1], i / n).value[0] for i in range(1, n + 1)]
    assert found == list(range(n))


def test_a_chance_is_at_most_one() -> None:
    for n in (3, 10, 49, 200):
        chance = chance_of_failure([NAN] * n, np.full((n, 2), NAN), range(1, n + 1))
        assert np.all(chance <= 1)
        np.testing.assert_allclose(chance, 1, rtol=1e-13)


def test_a_quantile_of_what_failed_is_the_worst() -> None:
    found = best_quantile([2, 1], [[NAN, 1], [NAN, NAN]], [1, 2])
    assert [x.tolist() for x in found] == [[INF, INF], [1.0, INF], [INF, INF]]


def test_a_quantile_has_a_bootstrap_interval_over_seeds() -> None:
    rng = np.random.default_rng(6)
    losses, reported = rng.normal(size=3), rng.normal(size=(3, 6))
    band = best_quantile(losses, reported, [3], seed=7)
    drawn = np.random.default_rng(7).integers(0, 6, (1999, 1, 5))[:, 0]
    ordered = np.sort(reported[losses.argmin()][drawn].mean(axis=1))
    assert [x[0] for x in band] == pytest.approx(
        [reported[losses.argmin()].mean(), ordered[49], ordered[1949]], rel=1e-14
    )


def test_one_run_has_no_interval() -> None:
    for found in (expected_best([2, 1], [[1], [3]]), best_quantile([2, 1], [[1], [3]])):
        assert found.value[-1] == 3
        assert np.isnan(found.low).all()
        assert np.isnan(found.high).all()


@given(st.permutations(range(6)))
def test_the_order_of_trials_does_not_matter(order) -> None:
    rng = np.random.default_rng(8)
    losses, reported = np.array([1.0, 0, 2, 0, INF, 3]), rng.normal(size=(6, 3))
    expected = expected_best(losses, reported)
    found = expected_best(losses[order], reported[order])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_doubling_sizes() -> None:
    assert doubling_sizes(1) == (1,)
    assert doubling_sizes(2) == (1, 2)
    assert doubling_sizes(3) == (1, 2, 3)
    assert doubling_sizes(64) == (1, 2, 4, 8, 16, 32, 64)
    assert doubling_sizes(65) == (1, 2, 4, 8, 16, 32, 64, 65)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: chance_of_choice([]),
            "chance_of_choice: `validation` must be the loss of at least one setting; got none.",
        ),
        (
            lambda: chance_of_choice([[1.0]]),
            "chance_of_choice: `validation` must be real numbers [trials]; got shape (1, 1).",
        ),
        (
            lambda: chance_of_choice([1, 2], [3]),
            "chance_of_choice: `sizes` must be in [1, 2]; got 3. Did you mean 2?",
        ),
        (
            lambda: chance_of_choice([1, 2], [0]),
            "chance_of_choice: `sizes` must be in [1, 2]; got 0. Did you mean 1?",
        ),
        (
            lambda: chance_of_choice([1, 2], []),
            "chance_of_choice: `sizes` must be at least one number of trials; got none.",
        ),
        (
            lambda: expected_best([1, 2], [[1.0]]),
            "expected_best: `reported` must be of shape [2, runs], a row for each of "
            "`validation`; got shape (1, 1).",
        ),
        (
            lambda: chance_of_failure([1, 2], np.zeros((2, 0))),
            "chance_of_failure: `reported` must be of shape [2, runs], a row for each of "
            "`validation`; got shape (2, 0).",
        ),
        (
            lambda: best_quantile([1, 2], [[1], [2]], probability=0),
            "best_quantile: `probability` must be in (0, 1]; got 0. The median is 0.5.",
        ),
        (
            lambda: doubling_sizes(0),
            "doubling_sizes: `num_trials` must be >= 1; got 0. Pass 1 or more.",
        ),
    ],
)
def test_errors(call, text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        call()
    assert str(caught.value) == text


def test_sizes_are_integers() -> None:
    with pytest.raises(TypeError) as caught:
        chance_of_choice([1, 2], [1.5])  # type: ignore[list-item]
    text = "chance_of_choice: `sizes` must be an integer; got 1.5. Pass 1 or more."
    assert str(caught.value) == text
