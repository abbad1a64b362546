"""What is said to be hard is hard, as a number, in the way that is said."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import problems
from jaxnn.problems.hard import plateau_value, saddles_value
from jaxnn.problems.suites import WORKLOADS


def gradient(name: str, rows: int) -> tuple[Any, Any]:
    """Of the loss at the first parameters of seed 0, on the first rows; and the parameters."""
    problem = problems.get(name)
    params = problem.init(jax.random.key(0))
    batch = jax.tree.map(lambda x: x[:rows], problem.train)
    return jax.grad(problem.loss)(params, batch), params


def test_gradients_vanish_from_layer_to_layer() -> None:
    gradients, params = gradient("deep_sigmoid", 200)
    weights = [leaf for leaf in jax.tree.leaves(gradients) if leaf.ndim == 2]
    sizes = {leaf.shape: float(jnp.sqrt(jnp.mean(leaf**2))) for leaf in weights}
    hidden = [float(jnp.sqrt(jnp.mean(leaf**2))) for leaf in weights if leaf.shape == (16, 16)]
    assert len(hidden) == 3
    assert sizes[16, 10] > 100 * sizes[64, 16]
    ratios = [after / before for before, after in itertools.pairwise(sorted(hidden))]
    assert all(3 < ratio < 6 for ratio in ratios)  # a sigmoid passes a quarter at most
    problem = problems.get("deep_sigmoid")
    assert abs(float(problem.loss(params, problem.train)) - math.log(10)) < 0.5


def matrices(*scales: float) -> jax.Array:
    """The point of three matrices that are all diag(scales)."""
    return jnp.tile(jnp.diag(jnp.array(scales)).ravel(), 3)


def test_saddle_after_saddle(x64: None) -> None:
    goal = jnp.diag(jnp.array([4.0, 2.0, 1.0]))
    slope, curvature = jax.grad(saddles_value), jax.hessian(saddles_value)
    at_start = jnp.zeros(27)
    assert not np.any(slope(at_start, goal))
    assert not np.any(curvature(at_start, goal))  # of third order: not even a curvature leads away
    root = 2 ** (1 / 3)
    # The second direction alone is learned: the first can still be, at one curvature below 0.
    between = matrices(0.0, root, 0.0)
    np.testing.assert_allclose(slope(between, goal), 0, atol=1e-14)
    values = np.linalg.eigvalsh(curvature(between, goal))
    # On W1 and W3 by root² = 2^(2/3): 2^(4/3) ∓ 4 · 2^(1/3).
    assert values[0] == pytest.approx(root**4 - 4 * root, rel=1e-9)
    assert values[-1] > 7
    assert float(saddles_value(between, goal)) == pytest.approx(8 + 0.5)
    done = matrices(4 ** (1 / 3), root, 1.0)
    assert float(saddles_value(done, goal)) == pytest.approx(0, abs=1e-28)
    np.testing.assert_allclose(slope(done, goal), 0, atol=1e-13)


def test_a_plain_around_a_well() -> None:
    slope = jax.grad(plateau_value)
    at_start, largest = (float(slope(jnp.array([x]))[0]) for x in (3.5, 1.0))
    assert at_start == pytest.approx(0.00766, abs=5e-6)
    assert largest / at_start == pytest.approx(79.2, abs=0.05)
    assert plateau_value(jnp.zeros(2)) == 0


def test_scales_of_raw_measurements() -> None:
    inputs = np.asarray(problems.get("ill_scaled").train.inputs, np.float64)
    values = np.linalg.eigvalsh(inputs.T @ inputs)
    assert 5e7 < values[-1] / values[0] < 2e8
    scaled = np.asarray(problems.get("wine").train.inputs, np.float64)
    values = np.linalg.eigvalsh(scaled.T @ scaled)
    assert values[-1] / values[0] < 100  # the same wines, standardised


def test_four_of_ten_training_labels_are_drawn() -> None:
    noisy, clean = (problems.get(name) for name in ("label_noise", "digits"))
    wrong = np.asarray(noisy.train.targets) != np.asarray(clean.train.targets)
    # A tenth of those that are drawn come out right: 0.36, within 3 standard deviations.
    assert abs(wrong.mean() - 0.36) < 3 * math.sqrt(0.36 * 0.64 / len(wrong))
    for part in ("validation", "test"):
        one, other = (np.asarray(getattr(p, part).targets) for p in (noisy, clean))
        np.testing.assert_array_equal(one, other)


def test_a_batch_touches_few_words() -> None:
    gradients, params = gradient("sparse_words", 32)
    table = max(jax.tree.leaves(gradients), key=lambda leaf: leaf.size)
    assert table.size > 0.9 * sum(leaf.size for leaf in jax.tree.leaves(params))
    untouched = np.mean(~np.any(np.asarray(table) != 0, axis=1))
    assert 0.8 < untouched < 1


def test_batches_of_one_and_of_all() -> None:
    assert WORKLOADS["tiny_batch"].batch_size == 1
    assert WORKLOADS["huge_batch"].batch_size is None
    assert WORKLOADS["huge_batch"].num_steps <= 100
    problem = problems.get("tiny_batch")
    params = problem.init(jax.random.key(0))
    each = jax.vmap(jax.grad(problem.loss), (None, 0))
    rows = jax.tree.map(lambda x: x[:200, None], problem.train)
    flat = np.concatenate(
        [np.asarray(g).reshape(200, -1) for g in jax.tree.leaves(each(params, rows))], axis=1
    )
    noise = np.sum(flat.var(axis=0)) / np.sum(flat.mean(axis=0) ** 2)
    assert noise > 5  # the variance of one row's gradient, over the square of their mean
