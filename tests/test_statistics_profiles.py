"""Times to targets: profiles, AlgoPerf's score and shares solved, on tables worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxnn.bench.statistics import (
    algoperf_score,
    performance_profile,
    performance_ratios,
    share_solved,
    spread_targets,
    steps_to_targets,
    stratified_bootstrap,
)

INF = math.inf
TIMES = [
    # p1   p2   p3   p4
    [10.0, 40.0, 30.0, INF],  # a
    [20.0, 20.0, 90.0, INF],  # b
    [40.0, 100.0, 30.0, 50.0],  # c
]
RATIOS = [
    [10 / 10, 40 / 20, 30 / 30, INF],
    [20 / 10, 20 / 20, 90 / 30, INF],
    [40 / 10, 100 / 20, 30 / 30, 50 / 50],
]


def test_ratios_by_hand() -> None:
    np.testing.assert_array_equal(performance_ratios(TIMES), RATIOS)
    # Nobody arrives; a target reached at once; NaN is a run that never arrived.
    found = performance_ratios([[INF, 0, math.nan], [math.nan, 5, 3]])
    np.testing.assert_array_equal(found, [[INF, 1, INF], [INF, INF, 1]])


def test_a_profile_by_hand() -> None:
    found = performance_profile(TIMES, [1, 2, 3, 4, 5, 1e9])
    expected = [
        [2, 3, 3, 3, 3, 3],  # a: fastest on p1 and p3; p2 within 2; p4 never
        [1, 2, 3, 3, 3, 3],  # b: fastest on p2; p1 within 2; p3 within 3; p4 never
        [2, 2, 2, 3, 4, 4],  # c: fastest on p3 and p4; p1 within 4; p2 within 5
    ]
    np.testing.assert_array_equal(found, np.array(expected) / 4)
    np.testing.assert_array_equal(performance_profile([[INF], [INF]], [1, INF]), np.zeros((2, 2)))


def test_algoperfs_score_by_hand() -> None:
    # (4 − ratio)/3 on each problem, no less than 0:
    #   a: 3/3 + 2/3 + 3/3 + 0 = 8/3;  b: 2/3 + 3/3 + 1/3 + 0 = 6/3;  c: 0 + 0 + 3/3 + 3/3 = 6/3
    np.testing.assert_allclose(algoperf_score(TIMES), [8 / 12, 6 / 12, 6 / 12])
    np.testing.assert_array_equal(algoperf_score([[1, 2], [9, 8]]), [1, 0])
    np.testing.assert_array_equal(algoperf_score([[INF], [INF]]), [0, 0])


def test_algoperfs_score_is_the_area_under_the_profile() -> None:
    times = np.random.default_rng(0).lognormal(size=(5, 30))
    ratios = np.linspace(1, 4, 30_001)
    area = np.trapezoid(performance_profile(times, ratios), ratios, axis=1) / 3
    np.testing.assert_allclose(algoperf_score(times), area, atol=1e-4)


@given(st.integers(0, 10), st.floats(1e-3, 1e3))
def test_no_unit_and_no_order_of_problems_matters(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    times = rng.lognormal(size=(3, 6))
    shuffled = (times * unit * rng.lognormal(size=6))[:, rng.permutation(6)]
    np.testing.assert_allclose(algoperf_score(shuffled), algoperf_score(times))


def test_scores_have_intervals_over_runs() -> None:
    def score(runs):
        return algoperf_score(np.median(runs, axis=-1))

    times = np.random.default_rng(1).lognormal(0, 0.1, size=(2, 4, 9))
    times[1] *= 2
    value, low, high = stratified_bootstrap(times, score)
    np.testing.assert_array_equal(value, score(times))
    assert np.all(low <= value)
    assert np.all(value <= high)
    assert high[1] < low[0]
    times[1] = INF
    assert stratified_bootstrap(times, score).high[1] == 0


def test_the_share_of_targets_by_hand() -> None:
    steps = [[1, 5, INF], [3, 3, math.nan]]  # two problems, three targets
    found = share_solved(steps, [0, 1, 3, 5, INF])
    np.testing.assert_allclose(found, np.array([0, 1, 3, 4, 4]) / 6)
    assert share_solved(np.zeros((7, 2, 3)), [0]).shape == (7, 1)


def test_targets_lie_between_the_start_and_the_best() -> None:
    np.testing.assert_allclose(spread_targets(100, 1, 4), [10**1.5, 10, 10**0.5, 1])
    assert len(spread_targets(2.0, 1.0)) == 10


def test_steps_to_targets_by_hand() -> None:
    curves = [[4, 2, 3, 1], [math.nan, 5, 5, 5], [3, math.nan, INF, 0.5]]
    found = steps_to_targets(curves, [5, 2, 0], steps=[10, 20, 30, 40])
    np.testing.assert_array_equal(found, [[10, 20, INF], [20, INF, INF], [10, 40, INF]])
    np.testing.assert_array_equal(steps_to_targets([[4, 2]], [2]), [[2]])
    np.testing.assert_array_equal(steps_to_targets(np.zeros((1, 0)), [2]), [[INF]])


def test_of_nothing() -> None:
    nothing = np.zeros((2, 0))
    assert performance_ratios(nothing).shape == (2, 0)
    assert np.isnan(performance_profile(nothing, [1, 2])).all()
    assert np.isnan(algoperf_score(nothing)).all()
    assert np.isnan(share_solved(nothing, [1])).all()
    assert performance_ratios(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: algoperf_score([[-1.0]]),
            "performance_ratios: `times` must be >= 0; got -1.0. ∞ is a run that never arrived.",
        ),
        (
            lambda: algoperf_score([[1.0]], 1.0),
            "algoperf_score: `max_ratio` must be in (1, ∞); got 1.0. AlgoPerf takes 4.",
        ),
        (
            lambda: performance_profile([[1.0]], [0.5, 2]),
            "performance_profile: `ratios` must be >= 1; got 0.5. Start at 1.",
        ),
        (
            lambda: performance_ratios([1.0]),
            "performance_ratios: `times` must be real numbers [..., contestants, problems]; "
            "got shape (1,).",
        ),
        (
            lambda: performance_ratios([[1.0], [1.0, 2.0]]),
            "performance_ratios: `times` must be real numbers [..., contestants, problems]; "
            "got rows of unequal lengths.",
        ),
        (
            lambda: spread_targets(1.0, 0.0),
            "spread_targets: `best` must be in (0, start), start finite; got 0.0 with start 1.0.",
        ),
        (lambda: spread_targets(2.0, 1.0, 0), "spread_targets: `num` must be >= 1; got 0. Try 10."),
        (
            lambda: steps_to_targets([[1.0]], [1.0], [1, 2]),
            "steps_to_targets: `steps` must be as many as there are records, 1; got 2.",
        ),
    ],
)
def test_errors(call, text: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        call()
    assert str(raised.value) == text
