"""Pictures: they say what they show, draw the numbers they are given, and no words collide."""

from __future__ import annotations

import itertools
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from jaxnn import dissect, plots
from jaxnn.errors import BadValue
from jaxnn.plots import style

RNG = np.random.default_rng(0)
AXIS = np.linspace(-1, 1, 21)
X, Y = np.meshgrid(AXIS, AXIS)
THREE = SimpleNamespace(x=AXIS, y=AXIS, classes=(X > 0).astype(int) + (Y > X))
LAYERS = SimpleNamespace(
    x=AXIS, y=AXIS, on=(np.stack([X > 0, Y > 0, X > Y], -1), ((X > 0) & (Y > 0))[..., None])
)
BOWL = SimpleNamespace(x=AXIS, y=AXIS, values=X**2 + 10 * Y**2)
POINTS = RNG.uniform(-1, 1, (30, 3))
CLASSES = (POINTS @ [1, 2, -1] > 0.1).astype(int)
SHARES = np.stack([AXIS**2, AXIS**2 + 0.001, AXIS**4], axis=1)


def random_trace(*sizes: int, examples: int = 2) -> SimpleNamespace:
    """Made of plain arrays: pictures need only the fields."""

    def dense(n, m):
        return SimpleNamespace(weight=RNG.normal(size=(n, m)), bias=RNG.normal(size=m))

    layers = []
    for n, m in itertools.pairwise(sizes):
        z, a, error = RNG.normal(size=(3, examples, m))
        inputs = RNG.normal(size=(examples, n))
        both = {"params": dense(n, m), "gradients": dense(n, m)}
        layers.append(
            SimpleNamespace(inputs=inputs, pre_activation=z, activation=a, error=error, **both)
        )
    return SimpleNamespace(loss=0.125, layers=layers)


STEPS = np.arange(1, 101)
CURVES = {
    name: (STEPS, np.exp(-STEPS / (20 + 5 * k)) * RNG.uniform(0.8, 1.2, (5, 100)) + 0.05)
    for k, name in enumerate(("sgd", "momentum", "nesterov", "adagrad", "rmsprop"))
}
CURVES["momentum"] = (STEPS, np.full((5, 100), np.nan))

# From four decades down to an eighth of one, and one value only.
RANGES = (
    (1e-4, 1e0),
    (1e-3, 0.9e-1),
    (2.1e-3, 7.7e-3),
    (0.31, 0.41),
    (0.9e-3, 1.1e-2),
    (0.125, 0.125),
)
TRIALS = {
    f"rule {k}": (np.repeat(np.geomspace(*ends, 6), 3), RNG.uniform(0.1, 2, 18), ends[0])
    for k, ends in enumerate(RANGES)
}
TRIALS["rule 2"][1][-1] = np.nan

PICTURES = {
    "curves": lambda: plots.learning_curves(CURVES, ylabel="validation loss", title="five"),
    "a curve": lambda: plots.learning_curves({"sgd": CURVES["sgd"]}, title="one"),
    "curves, all failed": lambda: plots.learning_curves({"momentum": CURVES["momentum"]}),
    "sensitivity": lambda: plots.sensitivity(TRIALS, ylabel="test loss", title="six"),
    "sensitivity, one": lambda: plots.sensitivity({"a": (*TRIALS["rule 0"][:2], None)}),
    "1-D": lambda: plots.decision_boundary_1d(
        dissect.linear_boundary(2.0, -1.0, -1, 1), POINTS[:, 0], CLASSES, title="2p − 1 = 0"
    ),
    "1-D, elsewhere": lambda: plots.decision_boundary_1d(dissect.linear_boundary(1.0, 5.0, 0, 1)),
    "2-D": lambda: plots.decision_boundary_2d(
        dissect.linear_boundary([1.0, -2.0], 0.1, -1, 1), POINTS[:, :2], CLASSES, title="a line"
    ),
    "2-D, elsewhere": lambda: plots.decision_boundary_2d(
        dissect.linear_boundary([1.0, 1.0], 9.0, -1, 1), names=("no", "yes")
    ),
    "3-D": lambda: plots.decision_boundary_3d(
        dissect.linear_boundary([1.0, 2.0, -1.0], -0.1, -1, 1), POINTS, CLASSES, title="a plane"
    ),
    "regions": lambda: plots.decision_regions(THREE, POINTS[:, :2], CLASSES, title="three"),
    "regions, alone": lambda: plots.decision_regions(THREE, names=["cat", "dog", "hen"]),
    "layers": lambda: plots.layer_regions(LAYERS, POINTS[:, :2], CLASSES),
    "landscape": lambda: plots.landscape(BOWL, AXIS[:, None] * [1, 0.5], title="a bowl"),
    "landscape, paths": lambda: plots.landscape(
        BOWL, {f"rule {k}": AXIS[:, None] * [1, k / 5] for k in range(5)}
    ),
    "saturation": lambda: plots.saturation(SHARES, title="three layers that end together"),
    "backprop": lambda: plots.backprop(random_trace(2, 3, 3, 1)),
    "backprop, small": lambda: plots.backprop(random_trace(1, 1, 1), example=1),
    "backprop, large": lambda: plots.backprop(random_trace(7, 7, 2)),
}


def drawn(fig: Figure) -> FigureCanvasAgg:
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return canvas


def words(fig: Figure) -> list[str]:
    return [text.get_text() for text in fig.findobj(Text) if text.get_text()]


@pytest.mark.parametrize("name", PICTURES)
def test_no_words_collide_or_leave_the_picture(name, monkeypatch):
    fig = PICTURES[name]()
    texts: list[Text] = []

    def draw(self, renderer):
        texts.append(self)
        return original(self, renderer)

    original = Text.draw
    monkeypatch.setattr(Text, "draw", draw)
    canvas = drawn(fig)
    boxes = {
        # Not an annotation's own extent: its thin line may cross a word.
        (text.get_text(), index): Text.get_window_extent(text, canvas.get_renderer())
        for index, text in enumerate(texts)
        if text.get_text().strip() and text.get_visible()
    }
    assert len(boxes) > 2
    for box in boxes.values():
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= fig.bbox.x1 + 1
        assert box.y1 <= fig.bbox.y1 + 1
    # Shrunk by a pixel: boxes that touch are read well.
    collisions = [
        (a[0], b[0])
        for (a, one), (b, other) in itertools.combinations(boxes.items(), 2)
        if one.padded(-1).overlaps(other.padded(-1))
    ]
    assert collisions == []


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_touch_no_global_state(name):
    before = dict(matplotlib.rcParams)
    fig = PICTURES[name]()
    assert isinstance(fig, Figure)
    assert dict(matplotlib.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_a_line_number_is_cut_where_the_boundary_is():
    fig = PICTURES["1-D"]()
    (axes,) = fig.axes
    (line,) = axes.lines
    assert list(line.get_xdata()) == [0.5, 0.5]
    assert "p = 0.5" in words(fig)
    assert axes.get_xlim() == (-1, 1)
    assert axes.get_xlabel() == "p"
    shown = np.concatenate([marks.get_offsets()[:, 0] for marks in axes.collections])
    assert sorted(shown) == sorted(POINTS[:, 0])


def test_a_plane_is_cut_along_the_line():
    boundary = dissect.linear_boundary([1.0, -2.0], 0.1, -1, 1)
    fig = PICTURES["2-D"]()
    (axes,) = fig.axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), boundary.vertices)
    assert "p − 2 q + 0.1 = 0" in words(fig)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("p", "q")
    for k, marks in enumerate(axes.collections):
        np.testing.assert_array_equal(marks.get_offsets(), POINTS[k == CLASSES, :2])
    areas, sides = [], []
    for patch in axes.patches:
        corners = patch.get_xy()[:-1]
        sides.append(np.sign((corners @ boundary.weight + boundary.theta).round(9)))
        x, y = corners.T
        areas.append(0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))
    assert sum(areas) == pytest.approx(4)  # the two sides are the whole square
    assert set(sides[0]) == {-1.0, 0.0}
    assert set(sides[1]) == {1.0, 0.0}


def test_a_line_outside_the_picture_leaves_one_side():
    (axes,) = PICTURES["2-D, elsewhere"]().axes
    assert len(axes.lines) == 0
    areas = [len(patch.get_xy()) for patch in axes.patches]
    assert sorted(areas)[-1] == 5  # the four corners, closed


def test_a_box_is_cut_by_the_plane():
    fig = PICTURES["3-D"]()
    (axes,) = fig.axes
    plane = dissect.linear_boundary([1.0, 2.0, -1.0], -0.1, -1, 1).vertices
    np.testing.assert_allclose(axes.collections[0]._faces[0], plane)
    for k, marks in enumerate(axes.collections[1:]):
        np.testing.assert_array_equal(np.transpose(marks._offsets3d), POINTS[k == CLASSES])
    assert [axes.get_xlabel(), axes.get_ylabel(), axes.get_zlabel()] == ["p", "q", "r"]


def test_regions_show_the_classes_of_the_map():
    fig = PICTURES["regions"]()
    (axes,) = fig.axes
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), THREE.classes)
    left, right, bottom, top = image.get_extent()
    assert (left, right) == pytest.approx((-1.05, 1.05))  # pixels are centred on the points
    assert (bottom, top) == pytest.approx((-1.05, 1.05))
    shades = {tuple(image.cmap(image.norm(k))[:3]) for k in range(3)}
    assert shades == {style.tint(color) for color in style.COLORS[:3]}
    assert {"class 0", "class 1", "class 2", "three", "x₁", "x₂"} <= set(words(fig))
    shown = np.concatenate([c.get_offsets() for c in axes.collections if len(c.get_offsets()) > 1])
    assert sorted(shown.tolist()) == sorted(POINTS[:, :2].tolist())
    assert {"cat", "dog", "hen"} <= set(words(PICTURES["regions, alone"]()))


def test_a_map_of_one_class_is_drawn_without_borders():
    flat = SimpleNamespace(x=AXIS, y=AXIS, classes=np.zeros((21, 21), int))
    drawn(plots.decision_regions(flat))


def test_each_layer_has_a_panel():
    fig = PICTURES["layers"]()
    assert [axes.get_title(loc="left") for axes in fig.axes] == [
        "layer 1: 3 units",
        "layer 2: 1 unit",
    ]
    for axes, on in zip(fig.axes, LAYERS.on, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), on.sum(axis=-1))


def test_a_landscape_shows_its_values_and_the_whole_path():
    fig = PICTURES["landscape"]()
    axes, bar = fig.axes
    path = AXIS[:, None] * [1, 0.5]
    assert any(np.array_equal(line.get_xydata(), path) for line in axes.lines)
    levels = axes.collections[0].levels
    assert (levels[0], levels[-1]) == (BOWL.values.min(), BOWL.values.max())
    share = np.histogram(BOWL.values, levels)[0] / BOWL.values.size
    assert share.max() < 2 * share.mean()  # bands of equal area
    assert bar.get_title(loc="left") == "f"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")
    named = PICTURES["landscape, paths"]()
    assert {f"rule {k}" for k in range(5)} <= set(words(named))


@pytest.mark.parametrize("values", [np.ones((21, 21)), np.where(X > 0, np.inf, X)])
def test_a_landscape_may_be_flat_or_infinite_in_places(values):
    drawn(plots.landscape(SimpleNamespace(x=AXIS, y=AXIS, values=values)))


def test_saturation_names_each_line_at_its_end():
    fig = PICTURES["saturation"]()
    (axes,) = fig.axes
    for line, column in zip(axes.lines, SHARES.T, strict=True):
        np.testing.assert_allclose(line.get_ydata(), 100 * column)
    assert [text.get_text() for text in axes.texts] == ["layer 1", "layer 2", "layer 3"]
    assert axes.get_ylabel() == "saturated units, %"
    assert len({(line.get_marker(), line.get_linestyle()) for line in axes.lines}) == 3


def test_backprop_shows_every_number_of_a_small_network():
    trace = random_trace(2, 3, 1)
    fig = plots.backprop(trace, example=1)
    shown = " ".join(words(fig))
    assert "E = 0.125" in shown
    for layer in trace.layers:
        numbers = [layer.inputs[1], layer.pre_activation[1], layer.activation[1], layer.error[1]]
        both = [layer.params.weight.ravel(), layer.gradients.weight.ravel(), layer.gradients.bias]
        for value in np.concatenate(numbers[layer is not trace.layers[0] :] + both):
            assert style.number(value) in shown
    (axes,) = fig.axes
    slopes = np.concatenate([layer.gradients.weight.ravel() for layer in trace.layers])
    assert len(axes.lines) == slopes.size
    order = np.argsort([line.get_linewidth() for line in axes.lines])
    np.testing.assert_array_equal(order, np.argsort(abs(slopes)))
    dashed = [line.get_linestyle() != "-" for line in axes.lines]
    np.testing.assert_array_equal(dashed, slopes < 0)


def test_curves_say_what_is_drawn_and_what_failed():
    fig = PICTURES["curves"]()
    first, failed, *_ = fig.axes
    shown = words(fig)
    assert {"validation loss", "geometric mean and 95 % band", "the others"} <= set(shown)
    assert [text.get_text() for text in failed.texts] == ["failed on 5 of 5 seeds"]
    assert sum("failed" in text for text in shown) == 1
    assert first.get_xlim()[0] < 1 < 100 < first.get_xlim()[1]  # markers at the ends are whole
    assert [axes.get_xlabel() for axes in fig.axes[:5]] == ["", "step", "step", "step", "step"]
    alone = words(PICTURES["a curve"]())
    assert "the others" not in alone
    assert "failed on 5 of 5 seeds" in words(PICTURES["curves, all failed"]())


def x_labels(axes) -> list[Text]:
    low, high = sorted(axes.get_xlim())
    ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    return [label for x, label in ticks if low <= x <= high and label.get_text()]


def test_every_panel_of_a_sensitivity_can_be_read():
    fig = PICTURES["sensitivity"]()
    renderer = drawn(fig).get_renderer()
    panels = fig.axes[: len(RANGES)]
    labels = [x_labels(axes) for axes in panels]
    assert min(map(len, labels)) >= 2
    for column in range(3):
        left, right = labels[column][-1], labels[column + 1][0]
        gap = right.get_window_extent(renderer).x0 - left.get_window_extent(renderer).x1
        assert gap > 8  # dots, at 100 an inch
    (axes,) = PICTURES["sensitivity, one"]().axes
    assert {"chosen", "failed on a seed"} <= set(words(fig))
    assert not {"chosen", "failed on a seed"} & set(words(axes.figure))


def luminance(color) -> float:
    red, green, blue = (((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_series_differ_in_colour_marker_and_dash():
    looks = [style.series(k) for k in range(40)]
    assert len({(s["color"], s["marker"], str(s["linestyle"])) for s in looks}) == 40
    for field in ("color", "marker"):
        assert len({s[field] for s in looks[:8]}) == 8
    assert len(set(style.HATCHES)) == len(style.COLORS)
    for first, second in itertools.combinations(looks[:5], 2):
        assert first["linestyle"] != second["linestyle"]  # told apart in grey
    for color in style.COLORS:
        contrast = (luminance(style.tint(color)) + 0.05) / (luminance(style.INK) + 0.05)
        assert contrast > 4.5  # what WCAG 2 asks of words on a ground


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 0.08))
def test_labels_are_moved_apart_in_their_order(wanted, gap):
    placed = style._apart(np.array(wanted), gap)
    order = np.argsort(wanted, kind="stable")
    assert np.all(np.diff(placed[order]) >= gap * (1 - 1e-9))
    if len(wanted) == 1 or np.min(np.diff(np.sort(wanted))) >= gap:
        np.testing.assert_allclose(placed, wanted)


def test_files_are_the_same_bytes_twice(tmp_path):
    from matplotlib.image import imread

    for suffix in ("png", "svg"):
        first, second = (
            plots.save(PICTURES["saturation"](), tmp_path / f"{k}.{suffix}") for k in range(2)
        )
        assert first.read_bytes() == second.read_bytes()
    assert imread(tmp_path / "0.png").shape[:2] == (570, 960)  # 3.8 by 6.4 inches at 150 dots


ERRORS = {
    "plots.save: `path` must be a file ending in .png or .svg; got 'a.gif'.": (
        lambda: plots.save(Figure(), "a.gif")
    ),
    "decision_boundary_1d: `boundary` must be of 1 dimensions; got 2. "
    "Did you mean decision_boundary_2d?": (
        lambda: plots.decision_boundary_1d(dissect.linear_boundary([1, 1], 0.0, 0, 1))
    ),
    "decision_boundary_2d: `points` must be of 2 columns; got shape (30, 3).": (
        lambda: plots.decision_boundary_2d(dissect.linear_boundary([1, 1], 0.0, 0, 1), POINTS)
    ),
    "decision_regions: `classes` must be of shape (30,); got shape (3,).": (
        lambda: plots.decision_regions(THREE, POINTS[:, :2], CLASSES[:3])
    ),
    "decision_regions: `classes` must be in [0, 1]; got 0 to 2. Name every class.": (
        lambda: plots.decision_regions(THREE, names=["a", "b"])
    ),
    "layer_regions: `points` must be of shape (rows, 2); got shape (30, 3).": (
        lambda: plots.layer_regions(LAYERS, POINTS)
    ),
    "plots.landscape: `path` must be of shape (steps, 2); got shape (21,).": (
        lambda: plots.landscape(BOWL, AXIS)
    ),
    "plots.landscape: `surface` must be finite somewhere; got no finite value.": (
        lambda: plots.landscape(SimpleNamespace(x=AXIS, y=AXIS, values=X * np.nan))
    ),
    "plots.saturation: `shares` must be of shape (steps, layers); got shape (21,).": (
        lambda: plots.saturation(AXIS)
    ),
    "plots.backprop: `trace` must be of at most 7 units a layer; got 8. "
    "Print dissect.as_table(trace) instead.": lambda: plots.backprop(random_trace(2, 8, 1)),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_parameter_and_the_fix(message):
    with pytest.raises(BadValue) as caught:
        ERRORS[message]()
    assert str(caught.value) == message
