"""Ranks over problems: by hand, against scipy and the tables of Demšar."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from jaxnn.bench.statistics import (
    critical_difference,
    friedman,
    groups,
    holm,
    mean_ranks,
    rank_table,
)


def test_mean_ranks_by_hand() -> None:
    inf = math.inf
    times = [[10, 40, 30, inf], [20, 20, 90, math.nan], [40, 100, 30, 50]]
    # ranks a: 1, 2, 1.5, 2.5; b: 2, 1, 3, 2.5; c: 3, 3, 1.5, 1
    np.testing.assert_array_equal(mean_ranks(times), [7 / 4, 8.5 / 4, 8.5 / 4])
    assert np.isnan(mean_ranks(np.zeros((2, 0)))).all()
    assert mean_ranks(np.zeros((0, 2))).shape == (0,)


@pytest.mark.parametrize("ties", [False, True])
def test_friedmans_statistic_is_scipys_in_iman_and_davenports_form(ties: bool) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4, 9)) + np.arange(4)[:, None] / 2
    scores = np.round(scores) if ties else scores
    chi = stats.friedmanchisquare(*scores).statistic
    f, p = friedman(scores)
    assert f == pytest.approx(8 * chi / (9 * 3 - chi))
    assert p == pytest.approx(stats.f.sf(f, 3, 24))


def test_friedman_on_demsars_example() -> None:
    # Demšar 2006, section 3.2.2: mean ranks of four methods on 14 data sets, χ² = 9.28, F = 3.69.
    ranks = np.array([3.143, 2.000, 2.893, 1.964])
    chi = 12 * 14 / (4 * 5) * (np.sum(ranks**2) - 4 * 25 / 4)
    assert chi == pytest.approx(9.28, abs=0.02)
    assert 13 * chi / (14 * 3 - chi) == pytest.approx(3.69, abs=0.01)


def test_friedman_where_nothing_or_everything_differs() -> None:
    assert friedman(np.ones((3, 5))) == (0, 1)
    f, p = friedman([[1, 1, 1], [2, 2, 2], [3, 3, 3]])
    assert f == math.inf
    assert p == pytest.approx(1 / 36)  # the second and third problem agree with the first: (1/3!)²
    for scores in ([[1, 2]], [[1], [2]], np.zeros((0, 0))):
        assert np.isnan(friedman(scores)).all()


@pytest.mark.parametrize(
    ("k", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (10, 3.164)],
)
def test_critical_differences_are_those_of_demsars_table(k: int, q: float) -> None:
    expected = q * math.sqrt(k * (k + 1) / (6 * 14))
    assert critical_difference(k, 14) == pytest.approx(expected, rel=5e-4)
    assert critical_difference(k, 56) == pytest.approx(critical_difference(k, 14) / 2)


def test_groups_by_hand() -> None:
    ranks = [1.0, 2.0, 2.9, 4.0, 6.0]
    assert groups(ranks, 2.0) == ((0, 1, 2), (1, 2, 3), (3, 4))
    assert groups(ranks, 0.5) == ()
    assert groups(ranks, 9.0) == ((0, 1, 2, 3, 4),)
    assert groups([2.0, 1.0, 2.0], 0.0) == ((0, 2),)
    assert groups([], 1.0) == ()
    assert groups([1.0, math.nan], 1.0) == ()


def test_a_table_of_ranks() -> None:
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(3, 12))
    scores[2] += 4
    found = rank_table(scores)
    assert found.mean_ranks[2] == 3
    assert found.groups == (tuple(int(i) for i in np.argsort(found.mean_ranks)[:2]),)
    assert found.p_value < 0.001
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = holm([stats.wilcoxon(scores[i], scores[j]).pvalue for i, j in pairs])
    np.testing.assert_allclose([found.p_values[i, j] for i, j in pairs], expected)
    np.testing.assert_array_equal(found.p_values, found.p_values.T)
    np.testing.assert_array_equal(np.diag(found.p_values), 1)
    assert found.critical_difference == critical_difference(3, 12)


def test_pairs_with_failures_and_ties() -> None:
    inf = math.inf
    scores = [[1, 2, 3, 4, 5, inf], [1, 2, 3, 4, 5, math.nan], [inf, inf, inf, 5, 6, inf]]
    found = rank_table(scores)
    assert found.p_values[0, 1] == 1
    # Five differences of one sign and one zero, the smallest: 2 · 2 of 2⁶ signs are as extreme.
    assert found.p_values[0, 2] == pytest.approx(min(3 * 4 / 64, 1))
    assert rank_table([[1.0], [1.0]]).p_values.tolist() == [[1, 1], [1, 1]]


def test_errors() -> None:
    with pytest.raises(
        ValueError, match="critical_difference: `num_contestants` must be >= 2; got"
    ):
        rank_table([[1.0, 2.0]])
    with pytest.raises(ValueError, match="critical_difference: `num_problems` must be >= 1; got 0"):
        rank_table(np.zeros((2, 0)))
    with pytest.raises(
        ValueError, match=r"`significance` must be in \(0, 1\); got 5. Did you mean"
    ):
        critical_difference(3, 10, 5)
    with pytest.raises(
        ValueError, match=r"`scores` must be real numbers \[contestants, problems\]"
    ):
        mean_ranks([1.0, 2.0])
