"""Decision boundaries: linear ones in 1-D to n-D, region maps, what each layer draws."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxnn import dissect
from jaxnn.errors import BadType, BadValue
from jaxnn.models import MLP, Dense, Perceptron, PerceptronParams

SQUARE = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
# Half a unit of the sixth digit, whatever the first one is.
ROUNDING = {"float64": 1e-14, "float32": 5e-7}


@pytest.fixture(params=["float64", "float32"])
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both precisions: the dtype of JAX's floats in the test."""
    with jax.enable_x64(request.param == "float64"):
        yield request.param


def test_lecture_in_one_dimension(precision):
    """Lecture, section 1: 2p − 9 < 0 → N, so data are split at p = 4.5; there the answer is P."""
    weight = jnp.array([2.0], precision)
    p = jnp.array([[0.0], [4.0], [4.5], [5.0], [9.0]], precision)
    assert dissect.linear_side(weight, -9.0, p).tolist() == [False] * 2 + [True] * 3
    distance = dissect.signed_distance(weight, -9.0, p)
    assert distance.tolist() == [-4.5, -0.5, 0.0, 0.5, 4.5]
    assert distance.dtype == precision
    assert dissect.linear_boundary(weight, -9.0, 0, 10).vertices.tolist() == [[4.5]]


def test_lecture_in_two_dimensions_is_the_line_of_the_and_gate(precision):
    """Lecture, sections 1 and 2: the learned line 2x₁ + 2x₂ − 2.5 = 0."""
    model = Perceptron(2)
    begin = PerceptronParams(jnp.ones(2), jnp.asarray(2.5))
    fit = model.fit(begin, SQUARE, np.array([0, 0, 0, 1]), learn_threshold=False)
    weight, theta = fit.params.weight, -float(fit.params.threshold)
    assert weight.dtype == precision
    line = dissect.linear_boundary(weight, theta, 0.0, 2.0)
    assert line.vertices.tolist() == [[0.0, 1.25], [1.25, 0.0]]
    assert (line.weight.tolist(), line.theta) == ([2.0, 2.0], -2.5)
    assert dissect.linear_side(weight, theta, SQUARE).tolist() == [False, False, False, True]
    distance = dissect.signed_distance(weight, theta, SQUARE)
    assert distance.dtype == precision
    expected = np.array([-2.5, -0.5, -0.5, 1.5]) / np.sqrt(8)
    np.testing.assert_allclose(distance, expected, rtol=ROUNDING[precision])


def test_lecture_in_three_dimensions_is_a_plane(precision):
    """Lecture, section 1: ap + bq + cr + d = 0; half-way through a cube it is a hexagon."""
    weight = jnp.ones(3, precision)
    plane = dissect.linear_boundary(weight, -1.5, 0.0, 1.0).vertices
    assert sorted(plane.tolist()) == sorted(map(list, itertools.permutations([0.0, 0.5, 1.0])))
    sides = np.linalg.norm(plane - np.roll(plane, 1, axis=0), axis=1)
    np.testing.assert_allclose(sides, np.sqrt(0.5))  # neighbours in order, around the hexagon
    triangle = dissect.linear_boundary(weight, -0.5, 0.0, 1.0).vertices
    assert sorted(triangle.tolist()) == [[0.0, 0.0, 0.5], [0.0, 0.5, 0.0], [0.5, 0.0, 0.0]]
    diagonal = jnp.array([[0.0] * 3, [0.5] * 3, [1.0] * 3], precision)
    assert dissect.linear_side(weight, -1.5, diagonal).tolist() == [False, True, True]
    distance = dissect.signed_distance(weight, -1.5, diagonal)
    assert distance.dtype == precision
    expected = np.array([-0.5, 0.0, 0.5]) * np.sqrt(3)
    np.testing.assert_allclose(distance, expected, rtol=ROUNDING[precision])


def test_lecture_in_n_dimensions(precision):
    """Lecture, section 1: Σ wᵢ pᵢ + θ, and the distance from where it is 0."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=7).astype(precision).astype(float)
    points = rng.normal(size=(4, 5, 7)).astype(precision).astype(float)
    score = np.einsum("i,abi->ab", weight, points) + 0.3
    w, p = jnp.asarray(weight, precision), jnp.asarray(points, precision)
    np.testing.assert_array_equal(dissect.linear_side(w, 0.3, p), score >= 0)
    distance = dissect.signed_distance(w, 0.3, p)
    assert distance.dtype == precision
    # A sum is as exact as its largest terms: digits are lost where these cancel.
    terms = (np.abs(points) @ np.abs(weight) + 0.3) / np.linalg.norm(weight)
    wrong = np.abs(np.asarray(distance) - score / np.linalg.norm(weight))
    assert np.all(wrong <= ROUNDING[precision] * terms)
    feet = p - distance[..., None] * jnp.broadcast_to(w / jnp.linalg.norm(w), p.shape)
    assert np.all(np.abs(dissect.signed_distance(w, 0.3, feet)) <= ROUNDING[precision] * terms)


numbers = st.integers(-6, 6).map(lambda n: n / 2)


@given(st.integers(1, 3).flatmap(lambda n: st.tuples(*[numbers] * n)), numbers)
def test_every_vertex_lies_on_the_boundary_and_in_the_box(weight, theta):
    if not any(weight):
        return
    n = len(weight)
    found = dissect.linear_boundary(weight, theta, -1.0, 2.0)
    assert found.vertices.shape[1] == n
    assert len(found.vertices) <= (1, 2, 6)[n - 1]
    assert np.all((found.vertices >= -1.0) & (found.vertices <= 2.0))
    np.testing.assert_allclose(found.vertices @ found.weight, -theta, atol=1e-9)
    corners = np.array(list(itertools.product([-1.0, 2.0], repeat=n))) @ np.array(weight) + theta
    assert (len(found.vertices) == 0) == bool(np.all(corners > 0) or np.all(corners < 0))
    if np.any(corners > 0) and np.any(corners < 0):
        assert len(found.vertices) >= n


def test_a_region_map_is_the_side_of_the_line():
    def classify(points):
        return dissect.linear_side(jnp.array([1.0, -2.0]), 0.25, points)

    found = dissect.region_map(classify, (-1, 0), (3, 2), resolution=5)
    assert found.x.tolist() == [-1, 0, 1, 2, 3]
    assert found.y.tolist() == [0, 0.5, 1, 1.5, 2]
    expected = [[x - 2 * y + 0.25 >= 0 for x in found.x.tolist()] for y in found.y.tolist()]
    assert found.classes.tolist() == expected
    assert found.classes.dtype == jnp.int32


def test_a_region_map_asks_a_network_once_for_all_points():
    model = MLP((2, 5, 3), "tanh")
    params = model.init(jax.random.key(0))
    shapes = []

    def outputs(points):
        shapes.append(points.shape)
        return model.apply(params, points)

    found = dissect.region_map(outputs, (-1, -1), (1, 1), resolution=20)
    assert shapes == [(400, 2)]
    x, y = found.x[7], found.y[11]
    assert int(found.classes[11, 7]) == int(jnp.argmax(model.apply(params, jnp.stack([x, y]))))
    assert set(np.unique(found.classes)) <= {0, 1, 2}


def column(points):
    return points[:, :1]


def scalar_output(points):
    return points[:, 0]


def integers(points):
    return jnp.floor(points[:, 0]).astype(jnp.int16)


def two_outputs(points):
    return jnp.stack([-points[:, 0], points[:, 0]], axis=1)


@pytest.mark.parametrize(
    ("classify", "expected"),
    [
        (column, [0, 1, 1]),
        (scalar_output, [0, 1, 1]),
        (integers, [-1, 0, 1]),
        (two_outputs, [0, 0, 1]),
    ],
)
def test_what_counts_as_a_class(classify, expected):
    found = dissect.region_map(classify, (-1, -1), (1, 1), resolution=3)
    assert found.classes.tolist() == [expected] * 3


def test_a_region_map_is_batched_over_parameters():
    model = MLP((2, 3, 1), "tanh")
    params = jax.vmap(model.init)(jax.random.split(jax.random.key(0), 4))

    @jax.jit
    @jax.vmap
    def regions(params):
        apply = functools.partial(model.apply, params)
        return dissect.region_map(apply, (-1, -1), (1, 1), resolution=4).classes

    assert regions(params).shape == (4, 4, 4)


# Two triangles: x₁ >= −1, x₂ >= −1, x₁ + x₂ <= 0 and x₁ <= 1, x₂ <= 1, x₁ + x₂ >= 1.
LINES = np.array([[1, 0, 1], [0, 1, 1], [-1, -1, 0], [-1, 0, 1], [0, -1, 1], [1, 1, -1]])
TRIANGLES = (
    Dense(jnp.asarray(LINES[:, :2].T, jnp.float32), jnp.asarray(LINES[:, 2], jnp.float32)),
    Dense(jnp.kron(jnp.eye(2), jnp.ones((3, 1))), jnp.array([-2.5, -2.5])),  # AND, twice
    Dense(jnp.ones((2, 1)), jnp.array([-0.5])),  # OR
)


def test_layers_draw_lines_then_convex_shapes_then_any_shape():
    """Lecture, section 3, in step units set by hand."""
    model = MLP((2, 6, 2, 1), "step", output_activation="step")
    found = dissect.layer_regions(model, TRIANGLES, (-1.5, -1.5), (1.5, 1.5), resolution=31)
    lines, shapes, union = (np.asarray(on) for on in found.on)
    assert [on.shape for on in found.on] == [(31, 31, 6), (31, 31, 2), (31, 31, 1)]
    x, y = np.meshgrid(found.x, found.y)
    half_planes = [a * x + b * y + c >= 0 for a, b, c in LINES.astype(np.float32)]
    # Ties on the lines are decided by rounding; elsewhere the answer is exact.
    away = np.all([abs(a * x + b * y + c) > 1e-5 for a, b, c in LINES], axis=0)
    assert away.mean() > 0.7
    np.testing.assert_array_equal(lines[away], np.stack(half_planes, axis=-1)[away])
    np.testing.assert_array_equal(shapes[..., 0], lines[..., :3].all(axis=-1))
    np.testing.assert_array_equal(shapes[..., 1], lines[..., 3:].all(axis=-1))
    np.testing.assert_array_equal(union[..., 0], shapes.any(axis=-1))
    for shape in shapes[..., 0], shapes[..., 1]:
        assert is_convex(shape)
        assert shape.any()
    assert not is_convex(union[..., 0])


def is_convex(inside: np.ndarray) -> bool:
    """Whether the grid point midway between any two inside is inside."""
    points = np.argwhere(inside)
    sums = points[:, None] + points[None, :]
    middles = (sums[(sums % 2 == 0).all(axis=-1)] // 2).T
    return bool(inside[tuple(middles)].all())


def test_layer_regions_of_a_perceptron_are_its_answers():
    model = Perceptron(2)
    params = PerceptronParams(jnp.array([2.0, 1.0]), jnp.asarray(0.5))
    found = dissect.layer_regions(model, params, (-1, -1), (1, 1), resolution=6)
    answers = dissect.region_map(
        functools.partial(model.predict, params), (-1, -1), (1, 1), resolution=6
    )
    assert len(found.on) == 1
    np.testing.assert_array_equal(found.on[0][..., 0], answers.classes == 1)


ERRORS = {
    "linear_side: `weight` must be of shape (n,) for points of shape (..., n); "
    "got shapes (2,) and (4, 3).": lambda: dissect.linear_side(jnp.ones(2), 0.0, jnp.ones((4, 3))),
    "linear_boundary: `weight` must be of 1, 2 or 3 entries; got shape (4,). "
    "In more dimensions, look at signed_distance.": (
        lambda: dissect.linear_boundary(np.ones(4), 0.0, 0, 1)
    ),
    "linear_boundary: `weight` must be finite and not all 0; got [0.0, 0.0].": (
        lambda: dissect.linear_boundary([0, 0], 1.0, 0, 1)
    ),
    "linear_boundary: `low` must be finite and below `high`; got [2.0, 2.0] and [1.0, 3.0].": (
        lambda: dissect.linear_boundary([1, 1], 1.0, 2, [1, 3])
    ),
    "region_map: `low` must be below `high`; got (1, 0) and (0, 1). Swap the bounds?": (
        lambda: dissect.region_map(column, (1, 0), (0, 1))
    ),
    "region_map: `low` must be two finite numbers, as `high`; got (0, nan) and (1, 1).": (
        lambda: dissect.region_map(column, (0, np.nan), (1, 1))
    ),
    "region_map: `resolution` must be >= 2; got 1. Pass 2 or more.": (
        lambda: dissect.region_map(column, (0, 0), (1, 1), resolution=1)
    ),
    "region_map: `classify` must be a function to (4,) classes or (4, classes) outputs; "
    "got shape (2, 2) of float32.": (
        lambda: dissect.region_map(lambda p: p[:2], (0, 0), (1, 1), resolution=2)
    ),
    "layer_regions: `model` must be made of dense layers; got 'function'. "
    "Use MLP or Perceptron, or give yours activation_of, layers and trace.": (
        lambda: dissect.layer_regions(column, (), (0, 0), (1, 1))
    ),
    "MLP: `inputs` must be an array of shape (..., 3); got shape (300, 300, 2).": (
        lambda: dissect.layer_regions(
            MLP((3, 1)), MLP((3, 1)).init(jax.random.key(0)), (0, 0), (1, 1)
        )
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_parameter_and_the_fix(message):
    with pytest.raises((BadValue, BadType)) as caught:
        ERRORS[message]()
    assert str(caught.value) == message
