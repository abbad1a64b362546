"""Two contestants on common seeds: by hand, against scipy, and how often copies are told apart."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from jaxnn.bench.statistics import (
    compare,
    effect,
    holm,
    mean_interval,
    posterior,
    power,
    probability_of_improvement,
    seeds_needed,
)

DRAW = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "lognormal": lambda rng, shape: rng.lognormal(size=shape),
}


@pytest.mark.parametrize("n", [10, 20, 50])
@pytest.mark.parametrize("losses", list(DRAW))
def test_copies_on_disjoint_seeds_are_told_apart_no_more_often_than_said(losses, n: int) -> None:
    rng = np.random.default_rng(n)
    runs = DRAW[losses](rng, (600, 2, n))
    p = np.array([compare(a, b).p_value for a, b in runs])
    np.testing.assert_allclose(p, stats.ttest_rel(runs[:, 0], runs[:, 1], axis=1).pvalue)
    # Against the level, by an exact test of the count itself.
    assert stats.binomtest(int(np.sum(p < 0.05)), 600, 0.05, "greater").pvalue > 0.01
    ahead = np.array([mean_interval(a - b).high < 0 for a, b in runs])
    assert np.mean(ahead) <= 0.05  # "a beats b", in this order


@pytest.mark.parametrize("losses", list(DRAW))
def test_of_many_pairs_of_copies_holm_lets_none_be_told_apart_too_often(losses) -> None:
    runs = DRAW[losses](np.random.default_rng(4), (300, 5, 10))
    families = [
        [compare(a, b).p_value for a, b in itertools.combinations(copies, 2)] for copies in runs
    ]
    uncorrected = np.mean([min(family) < 0.05 for family in families])
    corrected = np.mean([holm(family).min() < 0.05 for family in families])
    assert corrected <= 0.05 < uncorrected


def test_copies_on_common_seeds_are_never_told_apart() -> None:
    for draw, n in itertools.product(DRAW.values(), (2, 10, 50)):
        x = draw(np.random.default_rng(n), n)
        assert compare(x, x.copy()).p_value == 1
        assert compare(x, x.copy()).difference == (0, 0, 0)
        assert effect(x, x.copy()).size == "none"
        assert posterior(x, x.copy()) == (0, 1, 0)


def test_differences_of_any_size() -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.25, 4.0])
    plain = compare(a, b)
    for factor in (1e-250, 1e-20, 1e20):
        assert compare(factor * a, factor * b).p_value == pytest.approx(plain.p_value)
        assert effect(factor * a, factor * b).d_z == pytest.approx(effect(a, b).d_z)
        found = posterior(factor * a, factor * b, 0.1 * factor)
        np.testing.assert_allclose(found, posterior(a, b, 0.1))


def test_a_difference_that_is_constant_but_for_rounding() -> None:
    a = np.array([0.1, 0.2, 0.3, 0.4])
    found = compare(a, a + 0.1)
    assert len(set(a - (a + 0.1))) > 1
    assert found.p_value == 1 / 8
    assert found.seeds_needed == 6
    assert effect(a, a + 0.1).d_z == -math.inf
    assert effect(a, a + 0.1).size == "very large"


def test_what_cannot_be_compared() -> None:
    for a, b in ([[], []], [[1], [2]], [[1, math.inf], [1, 2]], [[1, 2], [math.nan, 2]]):
        found = compare(a, b)
        assert math.isnan(found.p_value)
        assert math.isnan(found.seeds_needed)
        assert math.isnan(found.difference.low)
        assert np.isnan(posterior(a, b)).all()
    assert compare([1], [3]).difference.value == -2
    assert math.isnan(compare([math.inf, 1], [math.inf, 1]).p_value)


def test_an_effect_by_hand() -> None:
    found = effect([1, 2, 3, 4], [2, 4, 3, 5])  # differences −1, −2, 0, −1
    assert found.d_z == pytest.approx(-1 / math.sqrt(2 / 3))
    assert found.better.value == 3.5 / 4
    assert found.size == "very large"
    exact = stats.binomtest(3, 4).proportion_ci(method="wilson")
    found = effect([1, 1, 1, 2], [2, 2, 2, 1])
    np.testing.assert_allclose(found.better, [0.75, exact.low, exact.high])


@pytest.mark.parametrize(
    ("d_z", "size"),
    [(0.1, "negligible"), (0.3, "small"), (0.6, "medium"), (1.0, "large"), (2.0, "very large")],
)
def test_sizes_in_words(d_z: float, size: str) -> None:
    x = np.array([-1.0, 0.0, 1.0])  # of deviation 1
    assert effect(x + d_z, np.zeros(3)).size == size
    assert effect(np.zeros(3), x + d_z).size == size
    assert effect(x - d_z, np.zeros(3)).d_z == pytest.approx(-d_z)


def test_an_effect_where_runs_failed() -> None:
    found = effect([1, 1, math.nan, math.nan], [2, math.inf, 3, math.nan])
    assert math.isnan(found.d_z)
    assert found.better.value == 2.5 / 4  # 1, 1, 0 and a draw
    assert found.size == "small"  # normal differences of d_z 0.32 are below 0 so often
    assert effect([math.nan] * 2, [math.inf] * 2).size == "none"
    assert effect([math.nan] * 3, [1, 2, 3]).size == "very large"
    assert effect([1.0], [2.0]).size == effect([], []).size == "unknown"


def test_an_effect_in_words() -> None:
    a, b = [1, 2, 3, 4, 5], [2, 2.5, 4.5, 3.9, 6]
    sentence = (
        "adam is better than sgd on 80 % of seeds (95 % interval 38 to 96 %): a very large effect."
    )
    assert effect(a, b).words("adam", "sgd") == sentence
    assert effect(b, a).words("sgd", "adam") == sentence
    assert effect(a, a).words("x", "y") == "x and y are identical."
    assert effect([1], [2]).words("x", "y") == "Too few seeds to say how far x and y are apart."


def test_the_posterior_is_students() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=9), rng.normal(0.4, size=9)
    d = a - b
    of_mean = stats.t(8, d.mean(), d.std(ddof=1) / 3)
    expected = of_mean.cdf(-0.2), of_mean.cdf(0.2) - of_mean.cdf(-0.2), of_mean.sf(0.2)
    np.testing.assert_allclose(posterior(a, b, 0.2), expected)
    assert 2 * min(posterior(a, b)[::2]) == pytest.approx(compare(a, b).p_value)
    assert posterior([1, 1], [2, 2], 0.5) == (1, 0, 0)
    assert posterior([1, 1], [2, 2], 1.0) == (0, 1, 0)


def test_power_is_the_share_of_draws_that_find_it() -> None:
    x = np.random.default_rng(2).normal(0.8, size=(4000, 12))
    found = stats.ttest_1samp(x, 0, axis=1)
    share = np.mean((found.pvalue < 0.05) & (found.statistic > 0))
    assert power(0.8, 12) == pytest.approx(share, abs=4 * math.sqrt(0.25 / 4000))
    n = int(seeds_needed(0.8, 1.0))
    assert power(0.8, n - 1) < 0.8 <= power(0.8, n)
    assert power(0.0, 10) == pytest.approx(0.025)
    assert power(-0.8, 12) == power(0.8, 12)


def test_a_probability_of_improvement_by_hand() -> None:
    found = probability_of_improvement([1, 2, 3], [2, 4, 5])
    assert found.probability.value == 7.5 / 9  # 1 and 3 … : 3, then 2.5, then 2 of three each
    assert probability_of_improvement([1], [1]).probability.value == 0.5
    assert probability_of_improvement([1, math.nan], [2, 2]).probability.value == 0.5
    failed = probability_of_improvement([math.nan, math.inf], [math.inf, math.nan])
    assert failed.probability.value == 0.5
    assert failed.p_value == 1
    assert np.isnan(probability_of_improvement([], [1]).probability).all()


def test_a_probability_of_improvement_against_scipy() -> None:
    rng = np.random.default_rng(0)
    for draw in (lambda n: rng.normal(size=n), lambda n: rng.integers(0, 4, n)):
        a, b = draw(8), draw(13)
        expected = stats.mannwhitneyu(a, b)
        found = probability_of_improvement(a, b)
        assert found.p_value == pytest.approx(expected.pvalue)
        assert found.probability.value == pytest.approx(1 - expected.statistic / (8 * 13))
        back = probability_of_improvement(b, a)
        np.testing.assert_allclose(1 - np.array(back.probability)[[0, 2, 1]], found.probability)


def test_newcombes_interval_is_where_the_score_is_a_quantile() -> None:
    share, low, high = probability_of_improvement(range(1, 9), [3.5] * 6 + [9.0] * 4).probability
    for end in (low, high):
        m = (8 + 10) / 2 - 1
        variance = end * (1 - end) * (1 + m * ((1 - end) / (2 - end) + end / (1 + end))) / 80
        assert abs(end - share) == pytest.approx(1.959964 * math.sqrt(variance), rel=1e-6)
    assert low < share < high
    sure = probability_of_improvement([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]).probability
    assert sure.value == sure.high == 1
    assert 0.5 < sure.low < 0.8


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"compare: `b` must be of the shape of `a`, \(2,\); got"):
        compare([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match=r"`equivalent_within` must be >= 0; got -1. Try 0."):
        posterior([1, 2], [1, 3], -1)
    with pytest.raises(ValueError, match=r"effect: `confidence` must be in \(0, 1\); got 1"):
        effect([1, 2], [1, 3], 1)
    with pytest.raises(ValueError, match=r"`a` must be real numbers \[runs\]; got shape \(1, 1\)"):
        probability_of_improvement([[1]], [1])
