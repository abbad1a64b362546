"""What the rules do where pencil and paper say it, and the numbers of the lecture."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from jaxnn.optimizers import (
    adadelta,
    adagrad,
    adam,
    adamw,
    apply_updates,
    check,
    get,
    momentum,
    nesterov,
    rmsprop,
    sgd,
)

CURVATURES = np.asarray([0.1, 1.0, 4.0, 10.0])
LECTURE = get("momentum", flavor="lecture")


def descend(
    rule: Any, hyper: Any, grad_fn: Callable[[Any], Any], start: Any, num_steps: int
) -> np.ndarray[Any, Any]:
    """The parameters after 0, 1, … num_steps steps, in the dtype of `start`."""
    path = _descend(rule, check(rule, hyper), grad_fn, jnp.asarray(start), num_steps)
    return np.concatenate([np.asarray(start)[None], path])


@functools.partial(jax.jit, static_argnames=("rule", "grad_fn", "num_steps"))
def _descend(rule: Any, hyper: Any, grad_fn: Any, start: Any, num_steps: int) -> Any:
    def step(carry: Any, _: None) -> Any:
        params, state = carry
        updates, state = rule.update(grad_fn(params), state, params, hyper)
        params = apply_updates(params, updates)
        return (params, state), params

    return jax.lax.scan(step, (start, rule.init(start, hyper)), length=num_steps)[1]


def quadratic(params: Any) -> Any:
    """The gradient of ½ Σ λ x²."""
    return jnp.asarray(CURVATURES, params.dtype) * params


def steps(
    rule: Any, hyper: Any, grads: np.ndarray[Any, Any], rates: Any = None
) -> np.ndarray[Any, Any]:
    """The updates for given gradients, one after the other; `rates` replace the learning rate."""
    state, rows = rule.init(grads[0], hyper), []
    for t, grad in enumerate(grads):
        now = hyper if rates is None else hyper._replace(learning_rate=rates[t])
        updates, state = rule.update(jnp.asarray(grad), state, None, now)
        rows.append(np.asarray(updates))
    return np.stack(rows)


# Gradient descent.


@given(st.floats(0.01, 0.25), st.floats(1e-3, 1e3))
def test_gradient_descent_on_a_quadratic_is_a_power(rate: float, start: float) -> None:
    with jax.enable_x64(True):
        path = descend(sgd, {"learning_rate": rate}, quadratic, np.full(4, start), 30)
    wanted = start * (1 - rate * CURVATURES) ** np.arange(31)[:, None]
    # Where 1 − αλ is 0 but for its rounding, so are the powers.
    np.testing.assert_allclose(path, wanted, rtol=1e-10, atol=1e-14 * np.abs(wanted).max())


def test_gradient_descent_diverges_from_two_over_the_curvature_on(x64: None) -> None:
    del x64
    edge = 2 / CURVATURES.max()
    for rate, grows in ((0.99 * edge, False), (1.01 * edge, True)):
        path = descend(sgd, {"learning_rate": rate}, quadratic, np.ones(4), 200)
        assert (np.abs(path[-1]).max() > 1) == grows


def test_the_best_rate_of_gradient_descent(x64: None) -> None:
    del x64
    low, high = CURVATURES.min(), CURVATURES.max()
    kappa = high / low
    path = descend(sgd, {"learning_rate": 2 / (low + high)}, quadratic, np.ones(4), 50)
    error = np.abs(path).max(axis=1)
    np.testing.assert_allclose(error[1:] / error[:-1], (kappa - 1) / (kappa + 1), rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_saddle_of_the_lecture(dtype: str) -> None:
    # f = x² − y² from (2, 3). The lecture prints (1.24, 3.72) and (1.008, 3.792) for the first two
    # steps, which do not follow from the rule, and calls a minimum what is a saddle.
    # Half a unit of the sixth digit in float32. A single's 0.1 is 1.5e-8 too large, which 100 steps
    # make 3.7e-7 in x and 2.5e-7 in y: the rounding of every step has only the rest.
    rtol = {"float64": 1e-11, "float32": 5e-7}[dtype]
    with jax.enable_x64(dtype == "float64"):
        grad_fn = jax.grad(lambda p: p[0] ** 2 - p[1] ** 2)
        start = jnp.asarray([2, 3], dtype)
        np.testing.assert_array_equal(grad_fn(start), [4, -6])
        path = descend(sgd, {"learning_rate": 0.1}, grad_fn, start, 100)
    np.testing.assert_allclose(path[1], [1.6, 3.6], rtol=rtol)
    np.testing.assert_allclose(path[2], [1.28, 4.32], rtol=rtol)
    np.testing.assert_allclose(path[100], [4.0740719527e-10, 248453923.5660], rtol=rtol)
    np.testing.assert_allclose(path[100], [2 * 0.8**100, 3 * 1.2**100], rtol=rtol)
    x, y = map(float, path[100])
    if dtype == "float64":
        assert (f"{x:.10e}", f"{y:.4f}") == ("4.0740719527e-10", "248453923.5660")
    else:
        assert (f"{x:.5e}", f"{y:.5e}") == ("4.07407e-10", "2.48454e+08")


def test_batches_alone_make_gradient_descent_stochastic(x64: None) -> None:
    # The rule is linear: the step on a batch is the mean of the steps on its examples.
    del x64
    grads = np.random.default_rng(0).normal(size=(8, 5))
    alone = steps(sgd, sgd.Hyper(), grads)
    together = steps(sgd, sgd.Hyper(), grads.mean(axis=0, keepdims=True))
    np.testing.assert_allclose(together[0], alone.mean(axis=0), rtol=1e-12)


# Momentum.


def test_the_momentum_of_the_lecture_by_its_formula(x64: None) -> None:
    del x64
    rng = np.random.default_rng(1)
    grads, rates = rng.normal(size=(50, 6)), rng.uniform(0.01, 1, size=50)
    velocity, wanted = np.zeros(6), []
    for grad, rate in zip(grads, rates, strict=True):
        velocity = 0.8 * velocity + rate * grad
        wanted.append(-velocity)
    hyper = LECTURE.Hyper(momentum=0.8)
    np.testing.assert_allclose(steps(LECTURE, hyper, grads, rates), wanted, rtol=1e-11)


def test_both_momentums_agree_at_a_constant_rate_alone(x64: None) -> None:
    del x64
    grads = np.random.default_rng(2).normal(size=(20, 6))
    constant, halved = np.full(20, 0.1), np.where(np.arange(20) < 10, 0.1, 0.05)
    hyper = momentum.Hyper()
    ours, lecture = (steps(rule, hyper, grads, constant) for rule in (momentum, LECTURE))
    np.testing.assert_allclose(ours, lecture, rtol=1e-11)
    ours, lecture = (steps(rule, hyper, grads, halved) for rule in (momentum, LECTURE))
    np.testing.assert_allclose(ours[:10], lecture[:10], rtol=1e-11)
    # At the change one halves what is in its velocity at once; the other works it off.
    velocity = lecture[9] * 0.9
    np.testing.assert_allclose(lecture[10] - ours[10], velocity / 2, rtol=1e-11)


def test_the_heavy_ball_converges_as_fast_as_theory_says(x64: None) -> None:
    # The parameters and the velocity together move linearly; the spectral radius of that map is the
    # rate. At the optimum it is √momentum in every direction, each end a double root.
    del x64
    low, high = np.sqrt(CURVATURES.min()), np.sqrt(CURVATURES.max())
    hyper = check(
        momentum,
        {"learning_rate": (2 / (low + high)) ** 2, "momentum": ((high - low) / (high + low)) ** 2},
    )

    def step(params: Any, velocity: Any) -> Any:
        state = momentum.State(velocity)
        updates, state = momentum.update(quadratic(params), state, params, hyper)
        return params + updates, state.velocity

    (a, b), (c, d) = jax.jacobian(step, argnums=(0, 1))(jnp.zeros(4), jnp.zeros(4))
    radii = np.abs(np.linalg.eigvals(np.block([[a, b], [c, d]])))
    np.testing.assert_allclose(radii, np.sqrt(hyper.momentum), rtol=1e-6)


def test_nesterov_is_gradient_descent_ahead_by_the_velocity(x64: None) -> None:
    # θ ← y − α∇f(y), y ← θ + μ(θ − θ_before): the rule keeps y, Nesterov's point of the gradient.
    del x64
    rate, decay = 0.05, 0.7
    path = descend(nesterov, nesterov.Hyper(rate, decay), quadratic, np.ones(4), 20)
    y, before = np.ones(4), np.ones(4)
    for k in range(20):
        np.testing.assert_allclose(path[k], y, rtol=1e-10)
        after = y - rate * CURVATURES * y
        y, before = after + decay * (after - before), after


# Adaptive rules.


@given(st.lists(st.floats(1e-3, 1e3), min_size=4, max_size=4), st.floats(1e-4, 1.0))
def test_the_first_step_of_adam_is_the_sign(sizes: list[float], rate: float) -> None:
    grads = np.asarray([sizes]) * [1, -1, 1, -1]
    with jax.enable_x64(True):
        first = steps(adam, adam.Hyper(learning_rate=rate, eps=1e-20), grads)[0]
    np.testing.assert_allclose(first, -rate * np.sign(grads[0]), rtol=1e-12)


def test_adam_on_a_constant_gradient_takes_equal_steps(x64: None) -> None:
    # Both corrected moments are exact means of a constant.
    del x64
    grads = np.tile([0.3, -20.0], (40, 1))
    path = steps(adam, adam.Hyper(learning_rate=0.1, eps=1e-20), grads)
    np.testing.assert_allclose(path, np.tile([-0.1, 0.1], (40, 1)), rtol=1e-11)


def test_adagrad_on_a_constant_gradient_is_a_sum_of_inverse_roots(x64: None) -> None:
    del x64
    rule = get("adagrad", flavor="torch")
    hyper = rule.Hyper(learning_rate=0.1, eps=1e-20)
    grads = np.tile([0.3, -20.0], (50, 1))
    moved = steps(rule, hyper, grads).cumsum(axis=0)
    sums = np.cumsum(1 / np.sqrt(np.arange(1, 51)))
    np.testing.assert_allclose(moved, 0.1 * np.outer(sums, [-1, 1]), rtol=1e-12)


def test_adagrad_starts_from_its_initial_value(x64: None) -> None:
    del x64
    hyper = adagrad.Hyper(learning_rate=1.0, initial_accumulator_value=0.44, eps=0.2)
    np.testing.assert_allclose(steps(adagrad, hyper, np.full((1, 1), 0.6)), [[-0.6]], rtol=1e-12)


def test_rmsprop_on_a_constant_gradient(x64: None) -> None:
    # v_t = (1 − γᵗ)·g², so that step t is rate/√(1 − γᵗ), and exactly the rate when corrected.
    del x64
    grads, t = np.full((30, 1), -3.0), np.arange(1, 31)[:, None]
    hyper = rmsprop.Hyper(learning_rate=0.1, decay=0.8, eps=1e-20)
    plain = steps(rmsprop, hyper, grads)
    np.testing.assert_allclose(plain, 0.1 / np.sqrt(1 - 0.8**t), rtol=1e-12)
    corrected = steps(get("rmsprop", bias_correction=True), hyper, grads)
    np.testing.assert_allclose(corrected, np.full((30, 1), 0.1), rtol=1e-12)


def test_centred_rmsprop_divides_by_the_weighted_standard_deviation(x64: None) -> None:
    # The weights of a decaying mean from 0 are (1 − γ)γᵏ on the gradients and γᵗ on that 0.
    del x64
    grads = np.random.default_rng(3).normal(size=(20, 1))
    rule = get("rmsprop", centered=True)
    hyper = rule.Hyper(learning_rate=1.0, decay=0.8, eps=1e-20)
    last = steps(rule, hyper, grads)[-1, 0]
    values = np.append(grads[::-1, 0], 0.0)
    weights = np.append(0.2 * 0.8 ** np.arange(20), 0.8**20)
    mean = np.average(values, weights=weights)
    deviation = np.sqrt(np.average((values - mean) ** 2, weights=weights))
    np.testing.assert_allclose(last, -grads[-1, 0] / deviation, rtol=1e-12)


def test_the_first_steps_of_adadelta(x64: None) -> None:
    del x64
    hyper = adadelta.Hyper(learning_rate=1.0, rho=0.95, eps=1e-6)
    e_g, e_x, wanted = 0.0, 0.0, []
    for grad in (2.0, -0.5, 3.0):
        e_g = 0.95 * e_g + 0.05 * grad**2
        step = -np.sqrt(e_x + 1e-6) / np.sqrt(e_g + 1e-6) * grad
        e_x = 0.95 * e_x + 0.05 * step**2
        wanted.append([step])
    got = steps(adadelta, hyper, np.asarray([[2.0], [-0.5], [3.0]]))
    np.testing.assert_allclose(got, wanted, rtol=1e-12)
    np.testing.assert_allclose(got[0], -1e-3 * 2 / np.sqrt(0.2 + 1e-6), rtol=1e-12)


def test_adadelta_does_not_care_for_the_scale_of_the_loss(x64: None) -> None:
    # With units of gradients in both roots; exactly so for eps → 0 in the lower one.
    del x64
    grads = np.random.default_rng(4).normal(size=(10, 3))
    hyper = adadelta.Hyper(eps=1e-12)
    one, thousand = (steps(adadelta, hyper, scale * grads) for scale in (1.0, 1e3))
    np.testing.assert_allclose(one, thousand, rtol=1e-6)


def test_adamw_decays_weights_by_themselves(x64: None) -> None:
    del x64
    hyper = {"learning_rate": 0.1, "weight_decay": 0.5}
    path = descend(adamw, hyper, jnp.zeros_like, np.asarray([1.0, -2.0]), 20)
    factor = (1 - 0.1 * 0.5) ** np.arange(21)
    np.testing.assert_allclose(path, np.outer(factor, [1.0, -2.0]), rtol=1e-12)


def test_adamw_without_decay_is_adam(x64: None) -> None:
    del x64
    hyper = {"learning_rate": 0.1, "b1": 0.8}
    run = functools.partial(descend, grad_fn=quadratic, start=np.ones(4), num_steps=20)
    ours = run(adamw, {**hyper, "weight_decay": 0.0})
    np.testing.assert_array_equal(ours, run(adam, hyper))
