"""What wrappers do where references and contracts do not go: each test catches a mutant of one.

See mutants.py, which found the places.
"""

from __future__ import annotations

import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnn.errors import BadType
from jaxnn.optimizers import (
    adahessian,
    adaptive_clipped,
    averaged,
    cautious,
    centralized,
    check,
    dpsgd,
    flattened,
    frozen,
    mechanize,
    momentum,
    noisy_sgd,
    reduce_on_plateau,
    rounded,
    sgd,
    skip_non_finite,
)

KEY = jax.random.key(0)
pytestmark = pytest.mark.usefixtures("x64")


def step(rule: Any, numbers: dict[str, float], grads: Any, params: Any = None, **needs: Any) -> Any:
    """The first update."""
    params, hyper = grads if params is None else params, check(rule, numbers)
    return rule.update(grads, rule.init(params, hyper), params, hyper, **needs)[0]


def normal(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=shape))


# Gradients


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 2, 4)])
def test_the_unit_of_a_kernel_is_that_of_optax_in_adaptive_clipping(shape: Any) -> None:
    grads = normal(*shape)
    params = jnp.flip(grads) ** 2
    theirs: Any = optax.adaptive_grad_clip(0.3, eps=1e-3)
    wanted, _ = theirs.update(grads, theirs.init(params), params)
    numbers = {"inner.learning_rate": 1.0, "clipping": 0.3, "eps": 1e-3}
    found = step(adaptive_clipped(sgd), numbers, grads, params)
    np.testing.assert_allclose(found, -wanted, rtol=1e-12)


def test_adaptive_clipping_sees_norms_whose_squares_overflow_or_vanish() -> None:
    rule, numbers = adaptive_clipped(sgd), {"inner.learning_rate": 1.0, "clipping": 0.1}
    found = step(rule, numbers, jnp.asarray([-3e307, -4e307]), jnp.asarray([0.0, 20.0]))
    np.testing.assert_allclose(found, [1.2, 1.6], rtol=1e-12)
    # Down to 128² times the smallest normal number.
    smallest = float(jnp.finfo(jnp.float64).tiny)
    numbers = {"inner.learning_rate": 1.0, "clipping": 1e-4, "eps": 1e-300}
    found = step(rule, numbers, jnp.full(1, 128.5 * 128 * smallest), jnp.zeros(1))
    np.testing.assert_allclose(found, -1e-304, rtol=1e-12)


def test_every_axis_of_adaptive_clipping_is_an_integer() -> None:
    with pytest.raises(BadType) as error:
        adaptive_clipped(sgd, axis=(0, "rows"))  # pyright: ignore[reportArgumentType]
    assert str(error.value) == (
        "adaptive_clipped: `axis` must be an integer, a tuple of them or None; got (0, 'rows')."
    )


def test_elements_without_a_gradient_wait_in_a_cautious_rule() -> None:
    rule, params = cautious(momentum), jnp.zeros(3)
    hyper = check(rule, {"inner.learning_rate": 1.0, "inner.momentum": 0.5})
    state = rule.init(params, hyper)
    for grads, wanted in (([1.0, -1.0, 1.0], [-1, 1, -1]), ([0.0, 0.0, 1.0], [0, 0, -3 * 1.5])):
        updates, state = rule.update(jnp.asarray(grads), state, params, hyper)
        np.testing.assert_allclose(updates, wanted, rtol=1e-12)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3), (3, 1), (1, 3), (0, 3), (3, 0)])
def test_the_mean_of_a_centralized_kernel_is_over_all_axes_but_one(shape: Any) -> None:
    grads, numbers = normal(*shape), {"inner.learning_rate": 1.0}
    first, last = centralized(sgd, output_axis=0), centralized(sgd, output_axis=-1)
    axes = tuple(range(len(shape)))
    for rule, others in ((first, axes[1:]), (last, axes[:-1])):
        found = step(rule, numbers, grads)
        wanted = np.mean(grads, axis=others, keepdims=True) - grads if grads.size else grads
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)


# Groups and views


def test_frozen_leaves_take_no_part_in_the_key() -> None:
    grads = {"a": normal(2), "b": normal(3)}
    moved = step(frozen(noisy_sgd, {"a": True, "b": False}), {}, grads, key=KEY)
    alone = step(noisy_sgd, {}, {"b": grads["b"]}, key=KEY)
    np.testing.assert_array_equal(moved["b"], alone["b"])


def test_leaves_of_several_dtypes_join_in_the_widest_of_them() -> None:
    params = {"a": jnp.zeros(1), "b": jnp.zeros(1)}
    grads = {"a": jnp.ones(1, jnp.bfloat16), "b": jnp.full(1, 1 + 2.0**-50)}
    updates = step(flattened(sgd), {"inner.learning_rate": 1.0}, grads, params)
    np.testing.assert_array_equal(updates["b"], -grads["b"])
    assert updates["a"].dtype == jnp.bfloat16


def test_a_diagonal_is_flattened_too() -> None:
    grads = {"b": normal(2), "w": normal(3, 2)}
    found = step(flattened(adahessian), {}, grads, hessian_diagonal=grads)
    for name, grad in grads.items():
        wanted = -0.15 * grad / (jnp.abs(grad) + 1e-4)
        np.testing.assert_allclose(found[name], wanted, rtol=1e-12)


def test_gradients_of_examples_are_flattened_too() -> None:
    rows = {"b": normal(5, 2), "w": normal(5, 3, 2)}
    means = {name: np.mean(x, axis=0) for name, x in rows.items()}
    numbers = {"learning_rate": 1.0, "l2_norm_clip": 1e3, "noise_multiplier": 0.0}
    numbers = {f"inner.{name}": x for name, x in numbers.items()}
    found = jax.jit(functools.partial(step, flattened(dpsgd), numbers))(
        means, per_example_grads=rows, key=KEY
    )
    for name, mean in means.items():
        np.testing.assert_allclose(found[name], -mean, rtol=1e-12)


# States


def test_an_average_is_there_after_one_step_whatever_the_parameters_became() -> None:
    rule, params = averaged(sgd), jnp.asarray([1.0, -2.0])
    hyper = check(rule, {"inner.learning_rate": 0.5})
    _, state = rule.update(params, rule.init(params, hyper), params, hyper)
    evaluated = rule.evaluation_params(state, jnp.full(2, 7.0), hyper)
    np.testing.assert_allclose(evaluated, [0.5, -1.0], rtol=1e-12)


def test_mechanic_starts_at_s_init() -> None:
    rule = mechanize(sgd)
    state = rule.init(jnp.zeros(2), check(rule, {"s_init": 0.25}))
    np.testing.assert_array_equal(state.s, np.full(6, 0.25))


def test_what_a_plateau_remembers_is_what_optax_does() -> None:
    numbers = {"factor": 0.5, "patience": 2, "rtol": 0.1, "atol": 0.5}
    rule, params = reduce_on_plateau(sgd), jnp.ones(1)
    theirs: Any = optax.contrib.reduce_on_plateau(**numbers)
    hyper = check(rule, numbers)
    state, wanted = rule.init(params, hyper), theirs.init(params)
    _require_equal_plateaus(state, wanted)
    our_update, their_update = jax.jit(rule.update), jax.jit(theirs.update)
    # The bound after 8 is 6.7, after 6.3 it is 5.17.
    for value, scale in ((8.0, 1), (7.1, 1), (6.3, 1), (5.75, 1), (5.5, 0.5)):
        _, state = our_update(params, state, params, hyper, value=jnp.asarray(value))
        _, wanted = their_update(params, wanted, value=jnp.asarray(value))
        _require_equal_plateaus(state, wanted)
        assert float(state.scale) == scale


def _require_equal_plateaus(ours: Any, theirs: Any) -> None:
    found = (ours.scale, ours.best, ours.plateau, ours.cooldown, ours.step, ours.mean)
    np.testing.assert_allclose(found, list(theirs), rtol=1e-12)


def test_steps_that_are_skipped_are_counted_as_in_optax() -> None:
    rule, params = skip_non_finite(sgd), jnp.ones(1)
    hyper = check(rule, {"max_consecutive_errors": 1})
    theirs: Any = optax.apply_if_finite(optax.sgd(0.01), 1)
    state, wanted = rule.init(params, hyper), theirs.init(params)
    for grad in [1.0, np.nan, 2.0, np.inf, np.nan, 3.0, 4.0]:
        _, state = rule.update(jnp.full(1, grad), state, params, hyper)
        _, wanted = theirs.update(jnp.full(1, grad), wanted)
        chex.assert_trees_all_equal(tuple(state[:3]), tuple(wanted[:3]))
    assert int(state.total) == 3


# Few bits


def test_half_of_a_parameter_is_still_drawn_between_its_own_neighbours() -> None:
    # 51.2 last digits of the parameter; the gradient's dtype could hold quarters of them.
    grads = -jnp.ones(1000, jnp.bfloat16)
    steps = step(rounded(sgd, "stochastic"), {"inner.learning_rate": 0.4}, grads, -grads, key=KEY)
    _require_drawn(np.asarray(steps, float) * 128, 51.2)


def test_steps_below_the_normal_range_of_float16_are_drawn_too() -> None:
    grads, rate = -jnp.ones(1000, jnp.float16), 5.2 * 2.0**-24
    rule, zeros = rounded(sgd, "stochastic"), jnp.zeros(1000, jnp.float16)
    steps = step(rule, {"inner.learning_rate": rate}, grads, zeros, key=KEY)
    _require_drawn(np.asarray(steps, float) * 2.0**24, 5.2)


def _require_drawn(digits: np.ndarray, number: float) -> None:
    """Above and below the number, and the number on average, within four standard errors."""
    np.testing.assert_array_equal(np.unique(digits), [np.floor(number), np.ceil(number)])
    share = number % 1
    assert abs(digits.mean() - number) < 4 * np.sqrt(share * (1 - share) / len(digits))
