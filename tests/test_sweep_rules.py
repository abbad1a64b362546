"""Rules of early stopping: who goes on, by scores alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxnn.sweeps import CurveThreshold, Hyperband, MedianRule, SuccessiveHalving
from jaxnn.sweeps.rules import rule_from_plain, rule_to_plain


def scores(*columns: Any) -> Any:
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)


@given(
    st.lists(st.floats(0, 9) | st.just(math.inf), min_size=1, max_size=40),
    st.sampled_from([1.5, 2, 3, 4]),
)
def test_halving_keeps_the_best_share_of_what_began(values: list[float], eta: float) -> None:
    rule, started = SuccessiveHalving(eta=eta), len(values)
    kept = rule.keep(scores(values), started, 0, 1)
    good = sum(map(math.isfinite, values))
    assert kept.sum() == min(max(math.floor(started / eta + 1e-9), 1), good)
    column = np.asarray(values)
    if kept.any() and not kept.all():
        assert column[kept].max() <= column[~kept].min()
    assert np.isfinite(column[kept]).all()


def test_halving_counts_from_the_beginning_of_its_bracket() -> None:
    # 100 began, 70 have not failed at the first rung: 33, then 11, not 33/3 of 70.
    rule = SuccessiveHalving(eta=3)
    assert rule.keep(scores(np.arange(70)), 100, 0, 1).sum() == 33
    assert rule.keep(scores(np.arange(33), np.arange(33)), 100, 1, 3).sum() == 11
    assert rule.rungs(810) == ((90.0, 270.0),)
    assert SuccessiveHalving(eta=4, first=25).rungs(400) == ((25.0, 100.0),)
    # Ties go to those that came first.
    kept = SuccessiveHalving().keep(scores([1, 1, 1, 1]), 4, 0, 1)
    assert kept.tolist() == [True, True, False, False]


def test_brackets_of_hyperband_are_those_of_the_paper() -> None:
    # Table 1 of the paper: R = 81, η = 3.
    rule = Hyperband(eta=3, first=1)
    assert [len(x) for x in rule.rungs(81)] == [4, 3, 2, 1, 0]
    assert rule.rungs(81)[1] == (3.0, 9.0, 27.0)
    found = rule.brackets(143, 81)
    assert np.bincount(found).tolist() == [81, 34, 15, 8, 5]
    np.testing.assert_array_equal(rule.brackets(40, 81), found[:40])


def test_the_median_is_that_of_means_so_far() -> None:
    history = scores([4, 1, 9, 2], [1, 3, 9, 8], [5, 5, 9, math.inf])
    # Means 10/3, 3, 9, infinite: the median of the finite ones is 10/3. Bests: 1, 1, 9, 2.
    kept = MedianRule().keep(history, 4, 2, 3)
    assert kept.tolist() == [True, True, False, False]
    assert MedianRule(percentile=99).keep(history[:, :2], 4, 1, 2).tolist() == [True] * 2 + [
        False,
        True,
    ]
    assert MedianRule(first=10, every=30).rungs(100) == ((10.0, 40.0, 70.0),)
    assert MedianRule().rungs(80)[0] == tuple(10.0 * k for k in range(1, 8))


def test_a_curve_of_thresholds_judges_each_trial_alone() -> None:
    rule = CurveThreshold("accuracy", mode="max", at={10: 0.5, 5: 0.1})
    assert rule.rungs(20) == ((5.0, 10.0),)
    assert rule.keep(scores([-0.1, -0.05, math.inf]), 3, 0, 5).tolist() == [True, False, False]
    assert rule.keep(scores([0, 0], [-0.6, -0.4]), 3, 1, 10).tolist() == [True, False]


@pytest.mark.parametrize(
    "rule",
    [
        SuccessiveHalving("accuracy", mode="max", eta=3, first=4),
        Hyperband(unit="trial"),
        MedianRule(percentile=25.0, every=5),
        CurveThreshold(at={3: 0.5, 1: 2.0}),
    ],
)
def test_rules_have_a_plain_form(rule: Any) -> None:
    assert rule_from_plain(rule_to_plain(rule)) == rule
