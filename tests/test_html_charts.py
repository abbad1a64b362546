"""Charts of the HTML page: axes, ticks, paths, gaps, bands, thinning, and what the script reads."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from html_tree import data_of, drawn, lines, read
from hypothesis import given
from hypothesis import strategies as st

from jaxnn.bench.html import Series, page
from jaxnn.bench.html.axes import Axis, axis
from jaxnn.bench.html.charts import ALL_POINTS, MOST_POINTS
from jaxnn.bench.html.curves import thin

NAN = math.nan


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"),
        (-400, 20400, "0 5,000 10,000 15,000 20,000"),
        (-0.03, 0.035, "−0.03* −0.02 −0.01* 0.00 0.01* 0.02 0.03*"),
        (0, 3e6, "0 0.5·10⁶* 10⁶ 1.5·10⁶* 2·10⁶ 2.5·10⁶* 3·10⁶"),
        (0, 5e-12, "0 10⁻¹²* 2·10⁻¹² 3·10⁻¹²* 4·10⁻¹² 5·10⁻¹²*"),
        (-0.5, 0.5, "−0.4 −0.2 0.0 0.2 0.4"),
        (0.50001, 0.50005, "0.50001 0.50002* 0.50003 0.50004* 0.50005"),
        (99.95, 100.05, "99.96 99.98* 100.00 100.02* 100.04"),
        (1e6, 1e6 + 3, "10⁶ 1.000001·10⁶* 1.000002·10⁶ 1.000003·10⁶*"),
    ],
)
def test_ticks_of_a_linear_axis_are_round(low, high, labels):
    """A star: not labelled on a narrow screen."""
    ticks = Axis("linear", low, high).ticks(room=64, narrow=34)
    assert [t.label + "*" * (not t.always) for t in ticks] == labels.split()


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (1e-5, 1.0, ["10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]),
        (0.05, 200.0, ["0.1", "1", "10", "100"]),
        (0.015, 2.5, ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]),
        (2.1, 2.9, ["2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9"]),
        (1e-12, 1e12, [f"10{p}" for p in ("⁻¹²", "⁻⁹", "⁻⁶", "⁻³", "⁰", "³", "⁶", "⁹", "¹²")]),
    ],
)
def test_ticks_of_a_log_axis_are_decades_or_their_parts(low, high, labels):
    assert [t.label for t in Axis("log", low, high).ticks(room=64, narrow=20)] == labels


ENDS = st.one_of(st.floats(-1e3, 1e3), st.floats(-1e280, 1e280)).filter(
    lambda v: v == 0 or abs(v) > 1e-280
)


@given(ENDS, ENDS, st.sampled_from(["linear", "log"]))
def test_every_axis_has_two_ticks_within_it_that_say_where_they_are(a, b, scale):
    if scale == "log":
        a, b = (abs(v) or 1.0 for v in (a, b))
    one = axis(np.array([a, b]), scale)
    ticks = one.ticks(room=96, narrow=96)
    values = np.array([t.value for t in ticks])
    assert len(ticks) >= 2
    assert np.all(np.diff(values) > 0)
    shares = one.share(values)
    assert np.all((shares > -1e-6) & (shares < 1 + 1e-6))
    assert len({t.label for t in ticks}) == len(ticks)
    assert sum(t.always for t in ticks) >= 1
    for tick in ticks:
        mantissa = tick.value / 10.0 ** math.floor(math.log10(abs(tick.value) or 1))
        assert value_of(tick.label) == pytest.approx(tick.value, rel=1e-9)
        assert abs(mantissa) < 10 + 1e-9


def value_of(label: str) -> float:
    """A label read as a reader would."""
    text = label.replace("−", "-").replace(",", "")
    power = re.fullmatch(r"(-?)(?:([\d.]+)·|(-?[\d.]+)·)?10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", text)
    if not power:
        return float(text)
    raised = int(power[4].translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")))
    return float(f"{power[1]}{power[2] or 1}e{raised}")


def test_an_axis_holds_what_is_drawn_and_half_as_much_again_of_intervals():
    assert axis(np.array([NAN, math.inf]), "linear") == Axis("linear", 0.0, 1.0)
    assert axis(np.array([-1.0, 0.0]), "log") == Axis("log", 1.0, 10.0)
    wide = axis(np.array([1.0, 2.0]), "linear", also=np.array([-1e9, 2.1]))
    assert (wide.low, wide.high) == pytest.approx((0.5 - 0.032, 2.1 + 0.032))
    zero = axis(np.array([0.1, 0.9]), "linear", from_zero=True)
    assert zero.low == 0
    np.testing.assert_allclose(Axis("log", 1, 100).share(np.array([1.0, 10, 100])), [0, 0.5, 1])
    np.testing.assert_array_equal(Axis("log", 1, 100).share(np.array([0.0, -1, NAN])), [NAN] * 3)


def path_points(d: str) -> list[np.ndarray]:
    """The corners of every piece of a path, by hand."""
    pieces = []
    for piece in re.findall(r"M([^MZ]*)", d):
        start, *moves = piece.replace("L", "l").split("l")
        here = np.array(list(map(int, start.split())))
        corners = [here]
        for move in moves:
            flat = list(map(int, re.findall(r"-?\d+", move)))
            for step in np.reshape(flat, (-1, 2)):
                here = here + step
                corners.append(here)
        pieces.append(np.array(corners))
    return pieces


def test_a_line_stands_where_its_values_are_and_breaks_at_gaps():
    one = Series("a", [0, 1, 2, 3, 4, 5], [0, 1, NAN, 4, math.inf, 2])
    (line,) = drawn(one).all("path", class_="line")
    (piece,) = path_points(line.attrs["d"] or "")
    # x from 0 to 5 and y from 0 to 4, with 2 % of room: at −0.1 to 5.1, and 0 as y begins at 0.
    np.testing.assert_allclose(piece[:, 0], [4000 * 0.1 / 5.2, 4000 * 1.1 / 5.2], atol=0.51)
    np.testing.assert_allclose(piece[:, 1], [2000, 2000 * (1 - 1 / 4.08)], atol=0.51)
    # The two points that stand alone are marked, whatever else is.
    marked = {u.attrs["x"] for u in drawn(one).all("use") if "%" in (u.attrs["x"] or "")}
    assert {f"{round(100 * (x + 0.1) / 5.2, 2):g}%" for x in (3, 5)} <= marked


def test_steps_hold_until_the_next_point():
    (line,) = drawn(Series("a", [0, 1, 2], [0, 1, 2]), step=True).all("path", class_="line")
    (piece,) = path_points(line.attrs["d"] or "")
    assert piece.shape == (5, 2)
    moves = np.diff(piece, axis=0)
    assert np.all(moves[::2, 1] == 0)
    assert np.all(moves[1::2, 0] == 0)
    assert np.all(moves[::2, 0] > 0)
    assert np.all(moves[1::2, 1] < 0)


def test_a_band_goes_along_the_high_and_back_along_the_low():
    (band,) = drawn(Series("a", [0, 1], [1, 1], [0, 0.5], [2, 3])).all("path", class_="band")
    d = band.attrs["d"] or ""
    high, low = d.removesuffix("Z").split("L")
    high, low = path_points(high)[0], path_points(f"M{low}")[0]
    assert high[0, 0] == low[1, 0] < high[1, 0] == low[0, 0]
    assert high[1, 1] < high[0, 1] < low[0, 1] < low[1, 1]


def test_points_without_a_line_have_whiskers_and_every_marker():
    one = Series("a", [1, 2, 3], [1, 2, NAN], [0.5, 1, 1], [2, 3, 3], marker=True, line=False)
    chart = drawn(one)
    assert chart.all("path", class_="line") == chart.all("path", class_="band") == []
    (whisker,) = chart.all("path", class_="whisker")
    pieces = path_points(whisker.attrs["d"] or "")
    assert [piece.shape for piece in pieces] == [(2, 2), (2, 2)]
    assert len([u for u in chart.all("use") if "%" in (u.attrs["x"] or "")]) == 2


def test_what_a_log_axis_cannot_show_is_said():
    chart = drawn(Series("a", [0, 1, 2, 3], [1, 0, -1, NAN]), yscale="log", caption="Means.")
    caption = "Means. 2 points are not shown: a log axis has no place at or below 0."
    assert chart.all("figcaption")[0].text == caption
    assert data_of(read(page("t", [lines(Series("a", [0, 1], [1, 2]), xscale="log")])))[0][
        "series"
    ][0]["y"] == [None, 2]


def test_a_series_without_values_says_so():
    chart = drawn(Series("a", [1, 2], [NAN, NAN]), Series("b", [], []), Series("c", [1], [1]))
    labels = [item.text for item in chart.all("ul")[0].all("li")]
    assert labels == ["a (no value to show)", "b (no value to show)", "c"]


def test_data_for_the_pointer_are_rounded_and_share_their_x():
    x = [0, 1000, 2000.5]
    (chart,) = data_of(
        read(
            page("t", [lines(Series("a", x, [0.123456789, NAN, 1e-9]), Series("b", x, [1, 2, 3]))])
        )
    )
    assert chart["xs"] == [[0, 1000, 2000.5]]
    assert [s["x"] for s in chart["series"]] == [0, 0]
    assert [s["y"] for s in chart["series"]] == [[0.12346, None, 1e-9], [1, 2, 3]]


def test_thinning_keeps_ends_peaks_and_gaps():
    x = np.linspace(0, 1, 10_000)
    y = 0.1 * np.sin(20 * x)
    y[4321] = 1.0
    y[7000:7100] = NAN
    kept = thin(x, y, 200)
    assert len(kept) <= 202
    assert {0, 4321, 6999, 7100, 9999} <= set(kept.tolist())
    assert np.all(np.diff(kept) > 0)
    assert np.sum(np.isnan(y[kept])) == 1
    short = np.arange(200.0)
    np.testing.assert_array_equal(thin(short, short, 200), np.arange(200))
    straight = np.interp(x, x[kept], np.nan_to_num(y[kept]))
    good = np.isfinite(y) & (np.abs(np.arange(10_000) - 7050) > 60)
    assert np.max(np.abs(straight - y)[good & (np.abs(np.arange(10_000) - 4321) > 80)]) < 0.01


@given(st.lists(st.booleans(), min_size=1, max_size=600), st.integers(3, 60))
def test_thinning_never_joins_what_a_gap_parts(finite, most):
    y = np.where(finite, 0.5, NAN)
    kept = thin(np.linspace(0, 1, len(y)), y, most)
    assert np.all(np.diff(kept) > 0)
    assert len(kept) <= max(2 * most, most + 3 * 25)
    for before, after in itertools.pairwise(kept):
        if finite[before] and finite[after]:
            assert all(finite[before:after])
    if any(finite):
        assert {finite.index(True), len(y) - 1 - finite[::-1].index(True)} <= set(kept.tolist())


def test_a_large_page_stays_small():
    rng = np.random.default_rng(0)
    x = np.arange(1000.0)
    sections = []
    for p in range(10):
        y = np.exp(rng.normal(size=(10, 1000)).cumsum(1) / 30)
        sections.append(
            lines(
                *(
                    Series(f"o{k}", x, y[k], y[k] * 0.9, y[k] * 1.1, f"p{p}", f"o{k}")
                    for k in range(10)
                ),
                yscale="log",
            )
        )
    text = page("t", sections)
    assert len(text.encode()) < 5e6
    charts = data_of(read(text))
    sizes = {len(s["y"]) for chart in charts for s in chart["series"]}
    assert sizes == {MOST_POINTS}
    many = page("t", sections * 10)
    assert sum(len(s["y"]) for c in data_of(read(many)) for s in c["series"]) <= ALL_POINTS
    assert len(many.encode()) < 5e6
