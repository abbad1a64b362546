"""Landscapes: values on a grid, of a function of two numbers or of a tree of parameters."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import dissect, tree
from jaxnn.errors import BadType, BadValue
from jaxnn.models import MLP

MODEL = MLP((2, 3, 1), "tanh")


def saddle(point):
    return point[0] ** 2 - point[1] ** 2


def norm(params):
    return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("block_size", [1, 7, 1000])
def test_values_are_those_of_the_function(block_size):
    found = dissect.landscape(saddle, (-2, -1), (2, 3), resolution=5, block_size=block_size)
    x, y = np.meshgrid(found.x, found.y)
    np.testing.assert_allclose(found.values, x**2 - y**2, rtol=1e-6)
    assert (float(found.values[0, 4]), float(found.values[4, 2])) == (3.0, -9.0)


def test_it_is_jitted_and_batched_over_what_the_function_takes(strict_dtypes):
    @jax.jit
    @jax.vmap
    def bowls(scale):
        return dissect.landscape(
            lambda p: scale * jnp.sum(p**2), (-1, -1), (1, 1), resolution=3
        ).values

    found = bowls(jnp.array([1.0, 10.0]))
    np.testing.assert_allclose(found[1], 10 * found[0])


def test_a_slice_passes_through_the_parameters_and_along_the_directions():
    params, other = (MODEL.init(jax.random.key(k)) for k in (0, 1))
    toward = tree.map(jnp.subtract, other, params)
    aside = dissect.random_direction(jax.random.key(2), params)
    found = dissect.slice_landscape(norm, params, (toward, aside), (0, -1), (1, 1), resolution=3)
    assert found.values.shape == (3, 3)
    np.testing.assert_allclose(found.values[1, 0], norm(params), rtol=1e-6)
    np.testing.assert_allclose(found.values[1, 2], norm(other), rtol=1e-6)
    moved = tree.map(jnp.subtract, params, aside)
    np.testing.assert_allclose(found.values[0, 0], norm(moved), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_random_direction_is_as_long_as_the_parameters(strict_dtypes, x64, dtype):
    params = MLP((4, 50, 2), dtype=dtype).init(jax.random.key(0))
    direction = dissect.random_direction(jax.random.key(1), params)
    assert jax.tree.structure(direction) == jax.tree.structure(params)
    assert {leaf.dtype for leaf in jax.tree.leaves(direction)} == {jnp.dtype(dtype)}
    np.testing.assert_allclose(tree.global_norm(direction), tree.global_norm(params), rtol=2e-3)
    again = dissect.random_direction(jax.random.key(1), params)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, direction, again))
    values = dissect.slice_landscape(norm, params, (direction, again), resolution=2).values
    assert bool(jnp.all(jnp.isfinite(values)))


ERRORS = {
    "landscape: `low` must be below `high`; got (0, 0) and (1, 0). Swap the bounds?": (
        lambda: dissect.landscape(saddle, (0, 0), (1, 0))
    ),
    "landscape: `block_size` must be >= 1; got 0. Pass 1 or more.": (
        lambda: dissect.landscape(saddle, (0, 0), (1, 1), block_size=0)
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_parameter_and_the_fix(message):
    with pytest.raises(BadValue) as caught:
        ERRORS[message]()
    assert str(caught.value) == message


def test_directions_of_another_tree_are_refused():
    params = MODEL.init(jax.random.key(0))
    wrong = MLP((2, 1)).init(jax.random.key(0))
    run = functools.partial(dissect.slice_landscape, norm, params, (wrong, wrong), resolution=2)
    with pytest.raises(BadType, match="of the structure"):
        run()
