"""Pictures of sweeps: they draw the numbers they are given, whatever these are, and can be read."""

from __future__ import annotations

import itertools

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from scipy import stats

from jaxnn import plots
from jaxnn.errors import BadInput
from jaxnn.plots import scales, style, trials

NAMES = ("learning_rate", "b1", "width", "optimizer", "inner.optimizer.weight_decay")
OPTIMIZERS = ("sgd", "adam", "schedule_free_adamw_with_a_long_name")


def table(num_settings: int = 64, seeds: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """A sweep's table: the loss has a valley in the learning rate, and fails above 0.1."""
    rng = np.random.default_rng(seed)
    rate = 10 ** rng.uniform(-5, 0, num_settings)
    optimizer = np.array(OPTIMIZERS, object)[rng.integers(0, 3, num_settings)]
    b1 = np.where(optimizer == "sgd", np.nan, 1 - 10 ** rng.uniform(-3, -0.3, num_settings))
    width = np.array([16, 32, 64], object)[rng.integers(0, 3, num_settings)]
    decay = 10 ** rng.uniform(-6, -2, num_settings)
    setting = np.repeat(np.arange(num_settings), seeds)
    swept = dict(zip(NAMES, (rate, b1, width, optimizer, decay), strict=True))
    columns = {"setting": setting, "replicate": np.tile(np.arange(seeds), num_settings)}
    columns |= {name: column[setting] for name, column in swept.items()}
    loss = 0.02 * 10 ** np.abs(np.log10(columns["learning_rate"]) + 2.5)
    columns["loss"] = loss * np.exp(0.2 * rng.normal(size=len(loss)))
    columns["status"] = (columns["learning_rate"] > 0.1).astype(int)
    columns["accuracy"] = np.exp(-columns["loss"])
    return columns


def grid() -> dict[str, np.ndarray]:
    rate, momentum = np.meshgrid(np.geomspace(1e-4, 1, 5), [0.0, 0.9, 0.99, 0.999])
    loss = 0.1 + (np.log10(rate) + 2) ** 2 + (momentum - 0.9) ** 2
    rows = {"learning_rate": rate, "momentum": momentum, "loss": np.where(rate > 0.5, np.nan, loss)}
    return {name: column.ravel() for name, column in rows.items()}


def halving(num_settings: int = 64, rungs: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    values = np.full((num_settings, rungs), np.nan)
    alive = np.arange(num_settings)
    for k in range(rungs):
        values[alive, k] = 10 ** rng.uniform(-2, 1, len(alive)) + (alive % 7 == 0) * 5
        alive = alive[np.argsort(values[alive, k])][: len(alive) // 2]
    values[3, 0], values[3, 1:] = np.inf, np.nan
    return 25 * 2 ** np.arange(rungs), values


TABLE, GRID = table(), grid()
SHARES = {"learning_rate": (0.6, 0.5, 0.7), NAMES[4] + "_of_all_layers": (0.2, -0.01, 0.3)}
SHARES["b1"] = (0.25, 0.2, 0.31)
CAVEAT = "It says what the forest uses, not what causes the metric. " * 4


def curves(columns: dict[str, np.ndarray]) -> np.ndarray:
    return np.clip(columns["loss"], -1e38, 1e38)[:, None] * (1 + 5 * np.exp(-np.arange(30) / 6))


def changed(**columns: object) -> dict[str, np.ndarray]:
    return TABLE | {k: np.broadcast_to(np.asarray(v), (192,)) for k, v in columns.items()}


ODD = {
    "one setting": table(1, 1),
    "two settings": table(2, 2),
    "one replicate": table(64, 1),
    "all failed": changed(status=1),
    "a constant": changed(loss=0.25),
    "zero": changed(loss=0.0),
    "NaN": changed(loss=np.nan),
    "infinite": changed(loss=np.where(np.arange(192) % 2, np.inf, -np.inf)),
    "some infinite": changed(loss=np.where(np.arange(192) % 9, TABLE["loss"], np.inf)),
    "huge and tiny": changed(loss=np.resize([1e308, -1e308, 1e-308, 0.0], 192)),
    "nearly equal": changed(loss=1e9 + np.resize([1e-3, 2e-3], 192)),
    "all one value": changed(learning_rate=0.1, b1=0.5),
    "no option": changed(optimizer=np.array("", object)),
}
"""What a sweep may come to."""


def best_curves(columns, **options):
    return plots.best_curves(columns, curves(columns), "loss", NAMES[:4], **options)


DRAW = {
    "effect": lambda c: plots.effect(c, "learning_rate", "loss", title="a sweep " * 12),
    "effect of b1": lambda c: plots.effect(c, "b1", "accuracy", mode="max"),
    "effect of width": lambda c: plots.effect(c, "width", "loss", labels={"loss": "loss, nats"}),
    "effect of a name": lambda c: plots.effect(c, "optimizer", "loss", title="a sweep " * 12),
    "heat map": lambda c: plots.heat_map(c, "learning_rate", NAMES[4], "loss", title="x " * 60),
    "heat map, max": lambda c: plots.heat_map(c, "width", NAMES[4], "accuracy", mode="max"),
    "parallel": lambda c: plots.parallel_coordinates(c, NAMES, "loss", title="a sweep"),
    "best curves": best_curves,
}
PICTURES = {
    **{name: lambda draw=draw: draw(TABLE) for name, draw in DRAW.items()},
    "effect, 3,000": lambda: plots.effect(table(3000, 1), "learning_rate", "loss"),
    "heat map, 3,000": lambda: plots.heat_map(table(3000, 1), "learning_rate", NAMES[4], "loss"),
    "heat map, grid": lambda: plots.heat_map(GRID, "learning_rate", "momentum", "loss"),
    "parallel, 12": lambda: plots.parallel_coordinates(
        TABLE | {f"the_number_of_layer_{k}": TABLE[NAMES[4]] ** k for k in range(7)},
        [*NAMES, *(f"the_number_of_layer_{k}" for k in range(7))],
        "loss",
    ),
    "parallel, 3,000": lambda: plots.parallel_coordinates(table(3000, 1), NAMES[:2], "loss"),
    "importance": lambda: plots.importance(SHARES, caveat=CAVEAT, title="a sweep"),
    "importance, none": lambda: plots.importance({"b1": (0, 0, 0)}),
    "rungs": lambda: plots.rungs(*halving(), title="64 settings"),
    "rungs, many": lambda: plots.rungs(np.arange(10, 310, 10), np.ones((4, 30)), mode="max"),
    "rungs, one": lambda: plots.rungs([100], [[0.5]]),
    "rungs, all failed": lambda: plots.rungs([1, 2], [[np.inf, np.nan], [-np.inf, np.nan]]),
}


def drawn(fig) -> FigureCanvasAgg:
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return canvas


def words(fig) -> set[str]:
    return {text.get_text() for text in fig.findobj(Text) if text.get_text()}


def assert_readable(fig, monkeypatch) -> None:
    """No words collide, leave the picture or are too small at 400 pixels."""
    texts: list[Text] = []

    def draw(self, renderer):
        texts.append(self)
        return original(self, renderer)

    original = Text.draw
    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", draw)
        renderer = drawn(fig).get_renderer()
    texts = [text for text in texts if text.get_text().strip() and text.get_visible()]
    boxes = {k: Text.get_window_extent(text, renderer) for k, text in enumerate(texts)}
    assert len(boxes) > 2
    for k, box in boxes.items():
        assert box.x0 >= -1, texts[k]
        assert box.y0 >= -1, texts[k]
        assert box.x1 <= fig.bbox.x1 + 1, texts[k]
        assert box.y1 <= fig.bbox.y1 + 1, texts[k]
        assert texts[k].get_fontsize() >= 8
    collisions = [
        (texts[a].get_text(), texts[b].get_text())
        for a, b in itertools.combinations(boxes, 2)
        if boxes[a].padded(-1).overlaps(boxes[b].padded(-1))
    ]
    assert collisions == []


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_can_be_read_and_touch_no_global_state(name, monkeypatch):
    before = dict(matplotlib.rcParams)
    assert_readable(PICTURES[name](), monkeypatch)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", DRAW)
def test_whatever_a_sweep_comes_to_is_drawn(name, odd, monkeypatch):
    if odd == "no option" and name == "effect of a name":
        message = "plots.effect: `optimizer` must be given in some setting; got none."
        with pytest.raises(BadInput, match=message):
            DRAW[name](ODD[odd])
        return
    columns = ODD[odd]
    if "b1" in name and not np.isfinite(columns["b1"]).any():
        columns = columns | {"b1": np.full(len(columns["b1"]), 0.5)}
    assert_readable(DRAW[name](columns), monkeypatch)


@pytest.mark.parametrize("name", ["effect, 3,000", "heat map", "parallel", "importance", "rungs"])
def test_the_same_bytes_twice(name, tmp_path):
    for suffix in ("png", "svg"):
        one, two = (plots.save(PICTURES[name](), tmp_path / f"{k}.{suffix}") for k in range(2))
        assert one.read_bytes() == two.read_bytes()


def means(columns, metric="loss"):
    """[settings], NaN where a replicate failed."""
    values = np.where(columns["status"] == 0, columns[metric], np.nan)
    return values.reshape(columns["setting"].max() + 1, -1).mean(axis=1)


def test_an_effect_has_a_dot_and_an_interval_a_setting():
    (axes,) = plots.effect(TABLE, "learning_rate", "loss").axes
    mean, rate = means(TABLE), TABLE["learning_rate"][::3]
    good = np.isfinite(mean)
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(dots.get_xdata(), rate[good])
    np.testing.assert_allclose(dots.get_ydata(), mean[good])
    (star,) = (line for line in axes.lines if line.get_marker() == "*")
    assert star.get_ydata()[0] == np.nanmin(mean)
    assert star.get_xdata()[0] == rate[np.nanargmin(mean)]
    bars = axes.collections[0].get_segments()
    assert len(bars) == good.sum()
    first = np.flatnonzero(good)[0]
    runs = TABLE["loss"].reshape(-1, 3)[first]
    half = stats.t.ppf(0.975, 2) * runs.std(ddof=1) / np.sqrt(3)
    # On a logarithmic axis that of the logarithm of the mean.
    expected = mean[first] * np.exp(np.array([-1, 1]) * half / mean[first])
    np.testing.assert_allclose(bars[0][:, 1], expected)
    assert axes.get_xscale() == axes.get_yscale() == "log"
    failed = np.isnan(mean)
    ticks = axes.collections[2].get_segments()
    np.testing.assert_allclose([t[0, 0] for t in ticks], rate[failed])
    shown = words(axes.figure)
    assert f"failed: {failed.sum()} of 64 settings" in shown
    best = np.nanargmin(mean)
    assert f"best: {style.number(mean[best])}, setting {best}" in shown


def test_rows_that_were_stopped_are_shown_and_those_that_were_not_run_are_not():
    status = np.array([0, 3, 1, -1, 3])
    columns = {"x": np.arange(5.0), "loss": np.arange(5.0), "status": status}
    found = trials.read("", columns, ["x"], "loss", "min")
    assert found.setting.tolist() == [0, 1, 2, 4]
    assert found.failed.tolist() == [False, False, True, False]
    assert found.mean[[0, 1, 3]].tolist() == [0, 1, 4]


def test_a_setting_that_was_stopped_is_not_the_best():
    loss = np.array([3.0, 1.0, 2.0, 0.5])
    columns = {"x": np.arange(4.0), "loss": loss, "status": np.array([0, 3, 0, 1])}
    found = trials.read("", columns, ["x"], "loss", "min")
    assert found.order.tolist() == [2, 0, 1]
    assert trials.best(found) == "best: 2, setting 2"
    assert found.take(np.array([1, 0])).order.tolist() == [1, 0]


def test_the_running_median_counts_failures_as_worst():
    (axes,) = plots.effect(TABLE, "learning_rate", "loss").axes
    size = round(0.4 * 64**0.8)
    assert f"median of {size} neighbours, 95 % band" in words(axes.figure)
    rate = TABLE["learning_rate"][::3]
    order = np.argsort(rate)
    worst = np.nan_to_num(means(TABLE), nan=np.inf)[order]
    line = next(x for x in axes.lines if len(x.get_xdata()) == 64 - size + 1)
    expected = np.median(np.lib.stride_tricks.sliding_window_view(worst, size), axis=1)
    expected[~np.isfinite(expected)] = np.nan
    np.testing.assert_allclose(line.get_ydata(), expected)
    assert np.isnan(line.get_ydata()).any()  # the last windows failed for the most part
    x, y = axes.collections[1].get_paths()[0].vertices.T
    assert y[x > 0.1].max() == axes.get_ylim()[1]


def test_the_interval_of_a_median_covers_it():
    rows = np.random.default_rng(0).exponential(size=(4000, 11))
    centre, low, high = trials.median_band(rows)
    np.testing.assert_array_equal(centre, np.median(rows, axis=1))
    covered = np.mean((low <= np.log(2)) & (np.log(2) <= high))
    exact = 1 - 2 * stats.binom.cdf(1, 11, 0.5)
    assert exact >= 0.95
    assert covered == pytest.approx(exact, abs=0.01)
    assert np.isnan(trials.median_band(rows[:, :5])[1:]).all()


def test_the_better_end_follows_the_mode():
    for mode, pick, edge in (("min", np.nanargmin, 1.0), ("max", np.nanargmax, 0.0)):
        (axes,) = plots.effect(TABLE, "learning_rate", "accuracy", mode=mode).axes
        (star,) = (line for line in axes.lines if line.get_marker() == "*")
        best = pick(means(TABLE, "accuracy"))
        assert star.get_xdata()[0] == TABLE["learning_rate"][3 * best]
        assert edge in axes.collections[2].get_segments()[0][:, 1]


def test_numbers_near_one_and_few_numbers_have_their_ticks():
    (axes,) = plots.effect(TABLE, "b1", "loss").axes
    labels = [t.get_text() for t in axes.get_xticklabels()]
    assert {"0.9", "0.99"} <= set(labels)
    absent = np.isnan(TABLE["b1"][::3]).sum()
    assert f"without it, left out: {absent}" in words(axes.figure)
    near, far = axes.transData.transform([(0.9, 1), (0.99, 1)])[:, 0]
    assert axes.transData.transform((0.999, 1))[0] - far == pytest.approx(far - near)
    (axes,) = plots.effect(TABLE, "width", "loss").axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["16", "32", "64"]
    assert axes.get_xscale() == "log"
    (axes,) = plots.effect(TABLE, "learning_rate", "loss", log=False).axes
    assert axes.get_xscale() == "linear"


def test_a_name_has_a_row_an_option_best_first():
    axes = plots.effect(TABLE, "optimizer", "loss", labels={"optimizer": "rule"}).axes[0]
    worst = np.nan_to_num(means(TABLE), nan=np.inf)
    of = TABLE["optimizer"][::3]
    order = sorted(OPTIMIZERS, key=lambda name: np.median(worst[of == name]))
    shown = [t.get_text().replace("\n", "") for t in axes.get_yticklabels()]
    assert [text[:3] for text in shown] == [name[:3] for name in order]
    assert axes.get_ylabel() == "rule"
    for row, name in enumerate(order):
        here = worst[of == name]
        text = f"{np.isinf(here).sum()} of {len(here)} failed"
        assert text in words(axes.figure)
        dots = axes.lines[0].get_xydata()
        mine = dots[np.round(dots[:, 1]) == row][:, 0]
        np.testing.assert_allclose(np.sort(mine), np.sort(here[np.isfinite(here)]))
    many = changed(optimizer=np.array([f"rule {k // 3:02}" for k in range(192)], object))
    assert "options not shown: 40" in words(plots.effect(many, "optimizer", "loss"))


def test_a_grid_has_a_cell_a_setting():
    fig = PICTURES["heat map, grid"]()
    axes, bar = fig.axes
    (mesh,) = axes.collections
    expected = GRID["loss"].reshape(4, 5)
    np.testing.assert_allclose(mesh.get_array().filled(np.nan).reshape(4, 5), expected)
    written = {t.get_text() for t in axes.texts}
    assert written == {f"{v:.3g}" for v in GRID["loss"] if np.isfinite(v)}
    assert [t.get_text() for t in axes.get_yticklabels()] == ["0", "0.9", "0.99", "0.999"]
    best = int(np.nanargmin(GRID["loss"]))
    frame = axes.patches[-1]
    assert frame.get_xy() == (best % 5 - 0.5, best // 5 - 0.5)
    (crosses,) = (line for line in axes.lines if line.get_marker() == "x")
    np.testing.assert_array_equal(crosses.get_xydata(), [(4, k) for k in range(4)])
    assert bar.get_ylabel() == "loss"
    kept = np.arange(20) != 7
    fig = plots.heat_map({n: v[kept] for n, v in GRID.items()}, "learning_rate", "momentum", "loss")
    assert "not tried" in words(fig)


def test_cells_are_medians_of_their_settings():
    rows = {name: np.tile(column, 3) for name, column in GRID.items()}
    factor = np.repeat([1.0, 2.0, 5.0], 20)
    rows["loss"] = np.nan_to_num(rows["loss"] * factor, nan=1.0)
    rows["status"] = np.zeros(60, int)
    rows["status"][[0, 20, 1]] = 1  # two of three of the first cell, one of the second
    fig = plots.heat_map(rows, "learning_rate", "momentum", "loss")
    cells = fig.axes[0].collections[0].get_array().filled(np.nan).ravel()
    assert np.isnan(cells[0])
    np.testing.assert_allclose(cells[1], 5 * GRID["loss"][1])
    np.testing.assert_allclose(cells[2], 2 * GRID["loss"][2])
    assert {"failed: most settings of the cell", "failed: 3 of 60 settings"} <= words(fig)


def test_scattered_settings_are_dots_over_their_mean():
    fig = plots.heat_map(TABLE, "learning_rate", NAMES[4], "loss")
    axes = fig.axes[0]
    mean = means(TABLE)
    good = np.isfinite(mean)
    ground, *_, dots = axes.collections
    np.testing.assert_allclose(dots.get_array(), mean[good])
    points = np.stack([TABLE["learning_rate"], TABLE[NAMES[4]]], axis=1)[::3]
    np.testing.assert_allclose(dots.get_offsets(), points[good])
    np.testing.assert_allclose(axes.collections[1].get_offsets(), points[~good])
    smooth = ground.get_array()
    assert smooth.mask[:, -1].any()  # white where most settings failed
    assert np.nanmin(mean) <= smooth.min() < smooth.max() <= np.nanmax(mean)
    low, high = axes.get_xlim()
    valley = (-2.5 - np.log10(low)) / np.log10(high / low) * smooth.shape[1]
    assert abs(np.argmin(smooth.mean(axis=0)) - valley) < 0.1 * smooth.shape[1]


def luminance(color) -> float:
    red, green, blue = to_rgb(color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("mode", ["min", "max"])
def test_dark_is_good_in_grey_too(mode):
    dots = plots.heat_map(TABLE, "learning_rate", NAMES[4], "accuracy", mode=mode).axes[0]
    values = dots.collections[-1]
    shades = [luminance(values.cmap(values.norm(v))[:3]) for v in values.get_array()]
    correlation = stats.spearmanr(values.get_array(), shades).statistic
    assert correlation == pytest.approx(1 if mode == "min" else -1, abs=1e-3)


def test_parallel_lines_pass_through_their_numbers():
    fig = plots.parallel_coordinates(TABLE, NAMES, "loss", num_best=2, num_lines=1000)
    (axes,) = fig.axes
    failed, others = axes.collections
    mean = means(TABLE)
    order = np.argsort(mean, kind="stable")[: np.isfinite(mean).sum()]
    assert len(failed.get_segments()) == np.isnan(mean).sum()
    assert {len(path) for path in failed.get_segments()} == {5}  # they end before the metric
    assert {len(path) for path in others.get_segments()} == {6}
    assert len(others.get_segments()) == len(order) - 2
    best = axes.lines[-1].get_ydata()  # drawn last
    log = np.log10(TABLE["learning_rate"][::3])
    height = (log[order[0]] - log.min()) / (log.max() - log.min())
    assert best[0] == pytest.approx(height)
    assert best[-1] == 0  # the least loss, at the lower end
    shades = [luminance(color[:3]) for color in others.get_colors()]
    assert np.all(np.diff(shades) <= 0)  # the worst first, the dark ones over them
    absent = np.isnan(TABLE["b1"][::3][order[2:]][::-1])
    below = np.array([path[1, 1] < 0 for path in others.get_segments()])
    np.testing.assert_array_equal(below, absent)
    assert {"none", "the best 2"} <= words(fig)


def test_of_thousands_of_lines_some_are_drawn():
    fig = plots.parallel_coordinates(table(3000, 1), NAMES[:2], "loss", num_lines=100)
    failed, others = fig.axes[0].collections
    assert len(failed.get_segments()) + len(others.get_segments()) == 100
    assert "drawn: 105 of 3,000" in words(fig)


def test_the_best_curves_are_those_of_the_best_settings():
    fig = best_curves(TABLE, steps=np.arange(30) * 10, num_best=3)
    mean = means(TABLE)
    for k, axes in zip(np.argsort(mean)[:3], fig.axes, strict=False):
        text = axes.get_title(loc="left").splitlines()
        assert text[0] == f"setting {k}: {style.number(mean[k])}"
        assert text[1] == f"learning_rate {style.number(TABLE['learning_rate'][3 * k])}"
        expected = np.exp(np.log(curves(TABLE)[3 * k : 3 * k + 3]).mean(axis=0))
        mine = axes.lines[-1]
        np.testing.assert_allclose(mine.get_ydata(), expected)
        np.testing.assert_array_equal(mine.get_xdata(), np.arange(30) * 10)
    failing = table(2, 1) | {"status": np.array([1, 0])}
    titles = [axes.get_title(loc="left") for axes in best_curves(failing).axes]
    assert [text.splitlines()[0][:9] for text in titles] == ["setting 1", "setting 0"]
    assert titles[1].startswith("setting 0: failed")


def test_importances_are_sorted_bars_with_intervals():
    fig = PICTURES["importance"]()
    (axes,) = fig.axes
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == [0.6, 0.25, 0.2]
    spans = [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()]
    assert spans == [[0.5, 0.7], [0.2, 0.31], [-0.01, 0.3]]
    assert [t.get_text() for t in axes.get_yticklabels()][:2] == ["learning_rate", "b1"]
    assert CAVEAT.split() == " ".join(fig.legends[0].get_texts()[0].get_text().split()).split()


def test_rungs_say_who_was_stopped_and_how_well_they_order():
    steps, values = halving()
    fig = plots.rungs(steps, values)
    (axes,) = fig.axes
    shown = words(fig)
    counts = (~np.isnan(values)).sum(axis=0)
    assert {str(count) for count in counts} <= shown
    for k in range(3):
        both = ~np.isnan(values[:, k + 1])
        rho = stats.spearmanr(values[both, k], values[both, k + 1]).statistic
        assert f"{rho:.2f}".replace("-", "−") in shown
    stopped, through = axes.collections
    reached = (~np.isnan(values)).sum(axis=1)
    assert sorted(map(len, stopped.get_segments())) == sorted(reached[reached < 4])
    assert [len(path) for path in through.get_segments()] == [4] * counts[-1]
    (star,) = (line for line in axes.lines if line.get_marker() == "*")
    assert star.get_xydata().tolist() == [[200.0, np.nanmin(values[:, -1])]]
    assert "failed: 1 of 64 settings" in shown
    assert axes.get_xscale() == "log"
    few = plots.rungs(steps, values, num_lines=20)
    assert "drawn: 20 of 64" in words(few)


NUMBERS = st.lists(st.floats(-1e305, 1e305), min_size=1, max_size=20)


@given(NUMBERS)
def test_axes_hold_their_numbers_in_order(numbers):
    x = np.sort(np.array(numbers))
    kind = scales.choose(x)
    assert np.all(np.diff(scales.even(kind, x)) >= 0)
    low, high = scales.limits(kind, x)
    assert low < high
    inside = np.clip(x, -1e300, 1e300)
    u, ends = scales.even(kind, inside), scales.even(kind, [low, high])
    assert ends[0] <= u.min()
    assert u.max() <= ends[1]
    places = scales.ticks(kind, low, high)
    assert all(low <= place <= high for place in places)
    assert len(set(scales.texts(places))) == len(set(places))


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=20))
def test_even_coordinates_lead_back(numbers):
    for kind, x in (("log", np.array(numbers)), ("one_minus", 1 - np.array(numbers))):
        np.testing.assert_allclose(scales.restored(kind, scales.even(kind, x)), x, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("linear", np.linspace(0, 1, 1000)),
        ("linear", [1, 2, 3, 4]),
        ("log", np.geomspace(1e-3, 1, 50)),
        ("log", [16, 32, 64, 128]),
        ("linear", np.geomspace(0.1, 1, 50)),  # a decade
        ("one_minus", [0, 0.9, 0.99]),
        ("one_minus", 1 - np.geomspace(1e-3, 0.5, 50)),
        ("linear", [-1, 1e5, np.nan, np.inf]),
        ("linear", []),
    ],
)
def test_the_axis_follows_from_the_numbers(kind, numbers):
    assert scales.choose(numbers) == kind
    assert scales.choose(numbers, log=True) == "log"
    assert scales.choose(numbers, log=False) == "linear"


@given(st.text(max_size=60), st.integers(2, 20), st.integers(1, 3))
def test_names_fit_in_their_lines(text, width, lines):
    found = scales.wrapped(text, width, lines=lines).replace(r"\$", "$").split("\n")
    assert len(found) <= lines
    assert max(map(len, found)) <= width + 1


def bad(call):
    return lambda: call(TABLE)


UNKNOWN = f"one of {', '.join(sorted(TABLE))}"
ERRORS = {
    "plots.effect: `columns` must be a dict of columns; got [1]. Pass results.table().": (
        lambda: plots.effect([1], "a", "loss")
    ),
    f"plots.effect: `metric` must be {UNKNOWN}; got 'los'. Did you mean 'loss'?": bad(
        lambda c: plots.effect(c, "b1", "los")
    ),
    f"plots.effect: `name` must be {UNKNOWN}; got 'lr'. Did you mean 'learning_rate'?": bad(
        lambda c: plots.effect(c, "lr", "loss")
    ),
    "plots.effect: `mode` must be 'min' or 'max'; got 'less'.": bad(
        lambda c: plots.effect(c, "b1", "loss", mode="less")
    ),
    "plots.effect: `optimizer` must be of real numbers, one a row; got an array of shape (192,) "
    "and dtype object. Choose a metric.": bad(lambda c: plots.effect(c, "b1", "optimizer")),
    "plots.effect: `columns` must be of at least one row that was run; got none.": (
        lambda: plots.effect({"a": np.ones(0), "loss": np.ones(0)}, "a", "loss")
    ),
    "plots.effect: `b1` must be of 192 rows, as 'loss'; got an array of shape (3,) and dtype "
    "float64.": bad(lambda c: plots.effect(c | {"b1": np.ones(3)}, "b1", "loss")),
    "plots.effect: `log` must be used with numbers > 0 only; got 0 in 'momentum'. Pass log=None or "
    "log=False.": lambda: plots.effect(GRID, "momentum", "loss", log=True),
    "plots.heat_map: `log` must be used with numbers > 0 only; got 0 in 'momentum'. Leave "
    "'momentum' out.": lambda: plots.heat_map(
        GRID, "learning_rate", "momentum", "loss", log={"momentum": True}
    ),
    "plots.heat_map: `optimizer` must be a column of numbers; got names. Use "
    "plots.effect(columns, 'optimizer', 'loss').": bad(
        lambda c: plots.heat_map(c, "b1", "optimizer", "loss")
    ),
    "plots.heat_map: `y` must be another number than `x`; got 'b1'.": bad(
        lambda c: plots.heat_map(c, "b1", "b1", "loss")
    ),
    "plots.heat_map: `b1, width` must be given together in some setting; got none.": (
        lambda: plots.heat_map(
            {"b1": [1, np.nan], "width": [np.nan, 1], "loss": [1, 2]}, "b1", "width", "loss"
        )
    ),
    "plots.parallel_coordinates: `names` must be 1 to 12 different names; got 2 of b1, b1. Choose "
    "the most important ones.": bad(lambda c: plots.parallel_coordinates(c, ["b1", "b1"], "loss")),
    "plots.parallel_coordinates: `log` must be used with numbers > 0 only; got 'optimizer'. Leave "
    "'optimizer' out.": bad(
        lambda c: plots.parallel_coordinates(c, ["optimizer"], "loss", log={"optimizer": True})
    ),
    "plots.parallel_coordinates: `num_best` must be >= 0; got -1. Pass 0 or more.": bad(
        lambda c: plots.parallel_coordinates(c, ["b1"], "loss", num_best=-1)
    ),
    "plots.best_curves: `curve` must be of shape [192, steps]; got shape (3, 2).": bad(
        lambda c: plots.best_curves(c, np.ones((3, 2)), "loss")
    ),
    "plots.best_curves: `steps` must be of shape (2,); got shape (3,).": bad(
        lambda c: plots.best_curves(c, np.ones((192, 2)), "loss", steps=np.arange(3))
    ),
    "plots.importance: `values` must be of at least one name; got none.": (
        lambda: plots.importance({})
    ),
    "plots.importance: `a` must be a finite mean, low and high; got (1, nan, 2).": (
        lambda: plots.importance({"a": (1, np.nan, 2)})
    ),
    "plots.rungs: `steps` must be > 0 and ascending; got [2.0, 1.0].": (
        lambda: plots.rungs([2, 1], np.ones((3, 2)))
    ),
    "plots.rungs: `steps` must be finite, of shape [rungs]; got an array of shape (1, 2) and dtype "
    "float64.": lambda: plots.rungs([[2, 1]], np.ones((3, 2))),
    "plots.rungs: `values` must be of shape [settings, 2], with a value; got an array of shape "
    "(3, 3) and dtype float64.": lambda: plots.rungs([1, 2], np.ones((3, 3))),
    "plots.rungs: `values` must be NaN from the first rung not reached; got a value after NaN.": (
        lambda: plots.rungs([1, 2], [[np.nan, 1.0]])
    ),
    "plots.rungs: `values` must be an array of real numbers; got 'a'.": (
        lambda: plots.rungs([1, 2], "a")
    ),
    "plots.rungs: `mode` must be 'min' or 'max'; got 'best'.": (
        lambda: plots.rungs([1, 2], np.ones((3, 2)), mode="best")
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_parameter_and_the_fix(message):
    with pytest.raises(BadInput) as caught:
        ERRORS[message]()
    assert str(caught.value) == message
