"""The width of the good band: by hand, one by one, and where its bias is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from jaxnn.bench.sensitivity import GoodBand, band_values, good_band, good_settings
from jaxnn.space import choice, integers, log_uniform, normal, one_minus, structural, uniform

NAN, INF = math.nan, math.inf
EVEN = np.arange(16) / 16 + 1 / 32
"""4 of 16 trials in each quarter, in order."""


def twice(figures) -> np.ndarray:
    """The same on two seeds."""
    return np.repeat(np.asarray(figures, float)[:, None], 2, axis=1)


def quarters(best) -> np.ndarray:
    """Figures whose least in each quarter is given; the others are much worse."""
    figures = np.full((4, 4), 100.0)
    figures[range(4), [1, 3, 0, 2]] = best
    return figures.ravel()


def test_a_band_by_hand() -> None:
    band = good_band(EVEN, twice(quarters([1.2, 1.0, 1.1, 1.1000001])))
    assert band.share == (0.5, 0.5, 0.5)
    assert band.ends.tolist() == [[0.25, 0.75]]
    assert band.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert band.best.tolist() == [1.2, 1.0, 1.1, 1.1000001]
    assert band.good.tolist() == [False, True, True, False]
    assert band.limit == pytest.approx(1.1, rel=1e-14)


def test_bands_that_lie_apart() -> None:
    band = good_band(EVEN, twice(quarters([1.0, 2.0, 1.0, 1.05])))
    assert band.share.value == 0.75
    assert band.ends.tolist() == [[0, 0.25], [0.5, 1]]


def test_the_limit_belongs_to_the_band_but_for_rounding() -> None:
    # 0.3 + 0.1 × 0.3 is 0.32999999999999996.
    assert 0.3 + 0.1 * 0.3 < 0.33
    assert good_band(EVEN, twice(quarters([0.3, 0.33, 0.331, 1]))).share.value == 0.5


@pytest.mark.parametrize(
    ("best", "within", "share"),
    [
        ([-10.0, -9.0, -8.99, 0.0], 0.1, 0.5),  # 10 % of |−10|
        ([0.0, 0.0, 1e-9, 1.0], 0.1, 0.5),  # of 0 nothing
        ([1.0, 1.0, 1.0, 1.0], 0.0, 1.0),  # ties
        ([1.0, 1.5, 2.0, 2.01], 1.0, 0.75),
        ([1.0, 1.5, 2.0, 2.01], 0.0, 0.25),
    ],
)
def test_shares_of_losses_of_any_sign(best, within: float, share: float) -> None:
    found = good_band(EVEN, twice(quarters(best)), within=within)
    assert found.share == (share, share, share)


def test_what_solves_the_problem_is_good_anyway() -> None:
    figures = twice(quarters([1e-9, 1e-6, 1e-3, 1.0]))
    assert good_band(EVEN, figures).share.value == 0.25
    assert good_band(EVEN, figures, solved=1e-3).share.value == 0.75
    assert good_band(EVEN, figures, solved=1e-3).limit == 1e-3
    # One that nobody reaches changes nothing.
    assert good_band(EVEN, figures, solved=0.0).share.value == 0.25
    assert good_band(EVEN, figures, solved=-1.0).limit == pytest.approx(1.1e-9, rel=1e-14)


def test_settings_that_failed() -> None:
    figures = twice(quarters([1.0, 1.0, 1.0, 1.0]))
    figures[figures[:, 0] == 100] = NAN
    figures[1, 1] = NAN  # the best of the first quarter, on one seed
    figures[7, 0] = INF
    figures[8, 0] = -INF
    band = good_band(EVEN, figures)
    assert band.best.tolist() == [INF, INF, INF, 1.0]
    assert band.ends.tolist() == [[0.75, 1]]
    # A resample is one seed: on the first two quarters are good, on the second three. The share
    # itself is below both.
    assert band.share == (0.25, 0.25, 0.75)


def test_all_failed() -> None:
    for solved in (None, 5.0):
        band = good_band(EVEN, np.full((16, 3), NAN), solved=solved)
        assert band.share == (0, 0, 0)
        assert band.ends.shape == (0, 2)
        assert math.isnan(band.limit)
        assert not band.good.any()
    assert good_settings(np.full((5, 3), INF)) == (0, 0, 0)


def test_few_trials_tell_nothing_of_the_axis() -> None:
    for n in (1, 7):
        band = good_band(np.linspace(0, 1, n), twice(np.ones(n)))
        assert np.isnan(band.share).all()
        assert band.ends.tolist() == [[0, 1]]
        assert band.best.tolist() == [1]
    assert good_band(np.linspace(0, 1, 8), twice(np.ones(8))).share == (1, 1, 1)


def test_one_run_has_no_interval() -> None:
    value, low, high = good_band(EVEN, quarters([1, 1, 1, 2])[:, None]).share
    assert value == 0.75
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize(
    ("n", "bins"), [(8, 2), (15, 2), (16, 4), (31, 4), (32, 8), (36, 8), (64, 16), (100, 16)]
)
@pytest.mark.parametrize("dimension", [0, 3])
def test_bins_of_sobol_points_have_four_trials_each(n: int, bins: int, dimension: int) -> None:
    exponent = (n - 1).bit_length()
    points = qmc.Sobol(5, scramble=True, rng=1).random_base2(exponent)[:n, dimension]
    band = good_band(points, twice(np.ones(n)))
    assert len(band.best) == bins
    assert np.histogram(points, band.edges)[0].min() >= 4


def test_points_that_are_uneven_have_fewer_bins() -> None:
    assert len(good_band(EVEN**2, twice(np.ones(16))).best) == 2
    assert len(good_band(np.r_[np.zeros(13), 1, 1, 1], twice(np.ones(16))).best) == 1
    # Three whole numbers: quarters would leave one empty.
    points = integers(1, 3).point(np.repeat([1, 2, 3], 6))
    assert len(good_band(points, twice(np.ones(18))).best) == 2
    assert good_band(points, twice(np.repeat([1, 2, 1], 6)), bins=3).good.tolist() == [1, 0, 1]


def test_both_ends_of_the_axis_belong_to_it() -> None:
    points = np.r_[0, 0.1, 0.2, 0.3, 0.7, 0.8, 0.9, 1]
    band = good_band(points, twice([1, 9, 9, 9, 9, 9, 9, 1]))
    assert band.share.value == 1


def test_values_in_single_precision_are_on_the_axis() -> None:
    space = log_uniform(1e-4, 0.3)
    points = space.point(np.float32(space.quantile(np.linspace(0, 1, 16))))
    assert points.max() > 1
    assert good_band(points, twice(np.ones(16))).share == (1, 1, 1)
    assert good_band(1 - points, twice(np.ones(16))).share == (1, 1, 1)


def test_trials_without_the_number_are_left_out() -> None:
    figures = twice(quarters([1.2, 1.0, 1.1, 1.3]))
    expected = good_band(EVEN, figures)
    points = np.insert(EVEN, 5, NAN)
    found = good_band(points, np.insert(figures, 5, 0.001, axis=0))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def reference(points, figures, bins: int, within: float) -> float:
    """The share by loops."""
    means = [np.mean(row) if np.isfinite(row).all() else INF for row in figures]
    least = min(means)
    good = 0
    for number in range(bins):
        inside = [m for p, m in zip(points, means, strict=True) if int(p * bins) == number]
        good += min(inside) <= least + within * abs(least)
    return good / bins


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.1, 0.5]))
def test_shares_are_those_of_loops(seed: int, within: float) -> None:
    rng = np.random.default_rng(seed)
    points, figures = rng.permutation(EVEN), rng.normal(1, 0.5, size=(16, 3))
    found = good_band(points, figures, within=within).share.value
    assert found == reference(points, figures, 4, within)


def test_the_interval_is_that_of_resamples_one_by_one() -> None:
    rng = np.random.default_rng(3)
    points, figures = rng.permutation(EVEN), 1 + EVEN[:, None] / 2 + rng.normal(0, 0.1, (16, 6))
    drawn = np.random.default_rng(5).integers(0, 6, (1999, 1, 5))[:, 0]
    shares = np.sort([reference(points, figures[:, seeds], 4, 0.1) for seeds in drawn])
    share = good_band(points, figures, seed=5).share
    assert share == (reference(points, figures, 4, 0.1), shares[49], shares[1949])
    assert share.low < share.high
    narrow = good_band(points, figures, seed=5, confidence=0.5).share
    assert narrow[1:] == (shares[499], shares[1499])


def test_an_interval_holds_its_share() -> None:
    # The seeds 0 and 1 alone see one good quarter each; both together see two.
    figures = np.full((16, 2), 100.0)
    figures[0], figures[4] = (1, 2), (2, 1)
    assert good_band(EVEN, figures).share == (0.5, 0.25, 0.5)


def test_seeds_that_move_all_settings_alike_leave_the_interval_narrow() -> None:
    of_seed = np.array([1.0, 10.0, 100.0, 1000.0])
    figures = quarters([1.0, 1.05, 1.2, 1.3])[:, None] * of_seed
    assert good_band(EVEN, figures).share == (0.5, 0.5, 0.5)


def test_settings_are_chosen_by_validation_where_there_is_one() -> None:
    validation = quarters([0.4, 0.1, 0.3, 0.2])
    figures = quarters([2.0, 2.0, 2.2, 2.3])
    figures[0], figures[5] = 1.9, 0.1  # lucky in the report: chosen by nobody
    band = good_band(EVEN, twice(figures), validation=validation)
    assert band.best.tolist() == [2.0, 2.0, 2.2, 2.3]
    assert band.limit == pytest.approx(2.2, rel=1e-14)
    assert band.share == (0.75, 0.75, 0.75)
    assert good_band(EVEN, twice(figures)).best.tolist() == [1.9, 0.1, 2.2, 2.3]


def test_a_bin_may_be_better_than_what_validation_chose() -> None:
    band = good_band(EVEN, twice(quarters([1, 2, 2.2, 9])), validation=quarters([4, 1, 2, 3]))
    assert band.good.tolist() == [True, True, True, False]


def test_validation_that_failed_or_chose_what_failed() -> None:
    validation = quarters([NAN, 0.1, 0.3, INF])
    validation[validation == 100] = NAN
    figures = twice(quarters([5, NAN, 2.0, 2.1]))
    band = good_band(EVEN, figures, validation=validation)
    # Where nothing in a bin worked in validation, the first of it stands for all.
    assert band.best.tolist() == [100, INF, 2.0, 100]
    assert band.limit == pytest.approx(2.2, rel=1e-14)
    assert band.ends.tolist() == [[0.5, 0.75]]


def test_selection_on_what_is_reported_makes_a_flat_axis_narrow() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(100):
        points = (np.arange(32) + rng.random()) / 32
        figures = 1 + 0.3 * rng.normal(size=(32, 10))
        validation = np.mean(1 + 0.3 * rng.normal(size=(32, 3)), axis=1)
        both = (None, validation)
        shares.append([good_band(points, figures, validation=v).share.value for v in both])
    # 0.44 and 0.79 over 400 draws, of standard deviations 0.2 and 0.25.
    found = np.mean(shares, axis=0)
    assert 0.38 < found[0] < 0.5
    assert 0.71 < found[1] < 0.87


def test_the_band_of_a_parabola_is_as_wide_as_it_is() -> None:
    # 1 + a·(u − 1/2)² is within 10 % for |u − 1/2| <= √(0.1 / a) = 1/8: a quarter of the axis.
    points = (np.arange(256) + 0.5) / 256
    figures = 1 + 6.4 * (points - 0.5) ** 2
    band = good_band(points, twice(figures))
    assert band.share.value == 0.25
    assert band.ends.tolist() == [[0.375, 0.625]]
    low, high = band_values(band.ends, log_uniform(1e-4, 1e0))[0]
    assert (low, high) == pytest.approx((10**-2.5, 10**-1.5), rel=1e-14)


def test_settings_of_the_whole_space() -> None:
    assert good_settings(twice([1, 1.05, 1.2, NAN])) == (0.5, 0.5, 0.5)
    assert good_settings(twice([1, 1.05, 1.2, NAN]), within=0.2) == (0.75, 0.75, 0.75)
    assert good_settings(twice([1, 1.05, 1.2, NAN]), solved=1.5).value == 0.75
    assert good_settings(twice([3.0])) == (1, 1, 1)
    with_noise = good_settings(1 + np.random.default_rng(1).normal(0, 0.1, (20, 5)))
    assert with_noise.low <= with_noise.value <= with_noise.high
    assert with_noise.low < with_noise.high


def test_the_seed_is_that_of_the_resamples() -> None:
    figures = 1 + np.random.default_rng(1).normal(0, 0.2, (200, 9))
    found = [good_settings(figures, seed=seed) for seed in range(6)]
    assert found[0] == good_settings(figures)
    assert 1 < len(set(found)) <= 6
    points = (np.arange(200) + 0.5) / 200
    bands = {good_band(points, figures, bins=100, seed=seed).share for seed in range(6)}
    assert 1 < len(bands) <= 6


def test_ends_as_values() -> None:
    ends = [[0.0, 0.5], [0.75, 1.0]]
    assert band_values(ends, uniform(2, 6)) == [(2, 4), (5, 6)]
    found = band_values(ends, one_minus(uniform(0.0, 0.5)))
    assert found == [(0.75, 1.0), (0.5, 0.625)]
    assert band_values(ends, integers(1, 4)) == [(1, 2), (4, 4)]
    assert band_values(ends, structural(integers(1, 4))) == [(1, 2), (4, 4)]
    assert band_values(ends, choice(["a", "b", "c", "d"])) == [("a", "b"), ("d", "d")]
    low, high = band_values([[0, 0.5]], normal(3.0, 1.0))[0]
    assert high == 3
    assert -4 < low < -3
    assert band_values(np.zeros((0, 2)), uniform(0, 1)) == []


def test_what_comes_back_has_names() -> None:
    assert GoodBand._fields == ("share", "ends", "edges", "best", "good", "limit")


ONES = np.ones((16, 2))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: good_band([0.5, 1.5], twice([1, 1])),
            "good_band: `points` must be in [0, 1]; got 1.5. Pass those of the distribution's "
            "`point`.",
        ),
        (
            lambda: good_band([NAN], twice([1])),
            "good_band: `points` must be known of at least one trial; got none that is.",
        ),
        (
            lambda: good_band([], np.zeros((0, 2))),
            "good_band: `figures` must be of shape [0, runs], not empty; got shape (0, 2).",
        ),
        (
            lambda: good_band([0.5], twice([1, 2])),
            "good_band: `figures` must be of shape [1, runs], not empty; got shape (2, 2).",
        ),
        (
            lambda: good_settings(np.zeros((2, 0))),
            "good_settings: `figures` must be of shape [trials, runs], not empty; got shape "
            "(2, 0).",
        ),
        (
            lambda: good_band(EVEN, ONES, within=-0.1),
            "good_band: `within` must be finite and >= 0; got -0.1. 10 % is 0.1.",
        ),
        (
            lambda: good_band(EVEN, ONES, solved=NAN),
            "good_band: `solved` must be finite, or None; got nan.",
        ),
        (
            lambda: good_band(EVEN, ONES, validation=[1.0]),
            "good_band: `validation` must be of as many trials as `points`, 16; got 1.",
        ),
        (
            lambda: good_band(EVEN, ONES, bins=1),
            "good_band: `bins` must be >= 2; got 1. Pass 2 or more.",
        ),
        (
            lambda: good_band(EVEN, ONES, bins=17),
            "good_band: `bins` must be so few that each has a trial; got 17, of which 1 has none. "
            "Pass 4.",
        ),
        (
            lambda: good_band(EVEN[:6], ONES[:6], bins=4),
            "good_band: `bins` must be so few that each has a trial; got 4, of which 2 have none. "
            "Run more trials.",
        ),
        (
            lambda: band_values([[0, 1, 2]], uniform(0, 1)),
            "band_values: `ends` must be pairs, [bands, 2]; got shape (1, 3).",
        ),
    ],
)
def test_errors(call, text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 its text follows
        call()
    assert str(caught.value) == text
