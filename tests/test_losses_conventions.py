"""Losses: the lecture's numbers, the conventions that references do not show, and properties."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxnn import losses
from jaxnn.losses import LOSSES

every_dtype = pytest.mark.parametrize(
    "dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64], ids=lambda d: d.__name__
)

# The lecture's numbers.

BINARY = [(0.9, 0.1053605), (0.8, 0.2231436), (0.7, 0.3566749), (0.6, 0.5108256), (0.5, 0.6931472)]
CATEGORICAL = [
    ([1, 0, 0], [0.8, 0.1, 0.1], 0.2231436),
    ([0, 1, 0], [0.4, 0.5, 0.1], 0.6931472),
    ([0, 0, 1], [0.2, 0.3, 0.5], 0.6931472),
]


def assert_shown(value, dtype, expected):
    assert value.dtype == dtype
    if dtype == jnp.float64:
        assert round(float(value), 7) == expected
    else:
        assert abs(float(value) - expected) < 5e-7  # six digits: all lie in [0.1, 1)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize(("p", "expected"), BINARY)
def test_lecture_binary_cross_entropy(p, expected, dtype, x64):
    for prediction, label in [(p, 1), (1 - p, 0)]:
        logit = jnp.asarray(math.log(prediction / (1 - prediction)), dtype)
        value = losses.binary_cross_entropy(jnp.asarray(prediction, dtype), label)
        assert_shown(value, dtype, expected)
        assert_shown(losses.sigmoid_binary_cross_entropy(logit, label), dtype, expected)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize(("targets", "p", "expected"), CATEGORICAL)
def test_lecture_categorical_cross_entropy(targets, p, expected, dtype, x64):
    p, t = jnp.asarray(p, dtype), jnp.asarray(targets)
    logits, label = jnp.log(p), targets.index(1)
    assert_shown(losses.categorical_cross_entropy(p, t), dtype, expected)
    assert_shown(losses.softmax_cross_entropy(logits, t), dtype, expected)
    value = losses.softmax_cross_entropy_with_integer_labels(logits, label)
    assert_shown(value, dtype, expected)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64], ids=lambda d: d.__name__)
def test_lecture_squared_error(dtype, x64):
    value, slope = jax.value_and_grad(losses.squared_error)(dtype(0.70910243), 0.25)
    assert value.dtype == slope.dtype == dtype
    rtol = 5e-7 if dtype == jnp.float32 else 1e-14
    np.testing.assert_allclose(value, 0.5 * 0.45910243**2, rtol=rtol)
    np.testing.assert_allclose(slope, 0.45910243, rtol=rtol)


# Conventions that a reference does not show.


@pytest.mark.parametrize("target", [-1.0, 1.0])
def test_derivative_at_the_kink_is_minus_the_target(target):
    for loss, kink in [(losses.hinge, target), (losses.perceptron, 0.0)]:
        assert jax.grad(loss)(jnp.float32(kink), target) == -target


def test_derivative_of_absolute_error_at_0_is_0():
    assert jax.grad(losses.absolute_error)(jnp.float32(2), 2.0) == 0


@pytest.mark.parametrize("name", ["squared_error", "huber", "log_cosh"])
def test_curvature_at_the_target_is_1(name):
    assert jax.grad(jax.grad(LOSSES[name]))(jnp.float32(2), 2.0) == 1


def test_huber_is_smooth_at_delta():
    for error in (0.5, -0.5):
        assert jax.grad(losses.huber)(jnp.float32(error), 0.0, delta=0.5) == error


def test_log_cosh_keeps_small_errors():
    for dtype in (jnp.float16, jnp.float32):
        error = jnp.asarray(1e-3, dtype)
        np.testing.assert_allclose(losses.log_cosh(error, 0), error * error / 2, rtol=2e-3)


@every_dtype
def test_clipped_probabilities_cost_what_is_documented(dtype, x64):
    low, high = {
        jnp.float16: (9.7, 7.6),
        jnp.bfloat16: (43.7, 5.5),
        jnp.float32: (43.7, 16.6),
        jnp.float64: (354.2, 36.7),
    }[dtype]
    for p, t, cost in [(0, 1, low), (1, 0, high)]:
        p = jnp.asarray(p, dtype)
        value, slope = jax.value_and_grad(losses.binary_cross_entropy)(p, t)
        assert abs(float(value) - cost) < 0.05 + 0.01 * (dtype == jnp.bfloat16) * cost
        assert float(slope) * (1 - 2 * t) > 1 / float(jnp.finfo(dtype).eps) / 4
        square = slope.astype(jnp.promote_types(dtype, jnp.float32)) ** 2
        assert jnp.isfinite(square)
    one_hot, rest = jnp.asarray([1, 0], dtype), jnp.asarray([0, 1], dtype)
    for name in ("categorical_cross_entropy", "kl_divergence"):
        value, slope = jax.value_and_grad(LOSSES[name])(rest, one_hot)
        assert abs(float(value) - low) < 0.05 + 0.01 * (dtype == jnp.bfloat16) * low
        assert float(slope[0]) < -1 / float(jnp.finfo(dtype).eps) / 4


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint8, jnp.int32, jnp.int64, jnp.uint32])
def test_labels_outside_the_classes_give_nan(dtype, x64, strict_dtypes):
    f = jax.jit(losses.softmax_cross_entropy_with_integer_labels)
    last = jnp.iinfo(dtype).max
    labels = jnp.asarray([0, 8, 9, last, jnp.iinfo(dtype).min], dtype)
    bad = np.isnan(f(jnp.ones((5, 9)), labels)).tolist()
    assert bad == [False, False, True, True, bool(jnp.iinfo(dtype).min)]
    many = f(jnp.ones((1, 300)), jnp.asarray([last if dtype == jnp.int8 else 100], dtype))
    np.testing.assert_allclose(many, math.log(300), rtol=1e-6)


def test_logits_of_minus_infinity_leave_a_class_out():
    z = jnp.array([1.0, 2.0, -jnp.inf])
    f = losses.softmax_cross_entropy_with_integer_labels
    value, slope = jax.value_and_grad(f)(z, 0)
    expected, expected_slope = jax.value_and_grad(f)(z[:2], 0)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(slope, [*expected_slope, 0], rtol=1e-6)


def test_smoothing_spreads_a_share_over_all_classes():
    one_hot = jnp.array([[0, 1, 0, 0], [0, 0, 0, 1]])
    expected = [[0.05, 0.85, 0.05, 0.05], [0.05, 0.05, 0.05, 0.85]]
    np.testing.assert_allclose(losses.smooth_labels(one_hot, 0.2), expected, rtol=1e-6)
    binary = losses.smooth_labels(jnp.array([0.0, 1.0]), 0.2, num_classes=2)
    np.testing.assert_allclose(binary, [0.1, 0.9], rtol=1e-6)
    ours = losses.smooth_labels(one_hot.astype(float), 0.2)
    np.testing.assert_allclose(ours, optax.smooth_labels(one_hot.astype(float), 0.2), rtol=1e-6)


# Properties.

reals = st.floats(-50, 50, width=32)
vectors = st.lists(reals, min_size=4, max_size=4).map(np.array)


@given(reals, reals, st.sampled_from(["squared_error", "absolute_error", "huber", "log_cosh"]))
def test_errors_are_symmetric_and_vanish_only_at_the_target(output, target, name):
    with jax.enable_x64(True):
        a, b = jnp.float64(output), jnp.float64(target)
        value = LOSSES[name](a, b)
        # XLA's sinh is odd to rounding alone: 4 ulp of log_cosh at an error of 1/4.
        rtol = 1e-14 if name == "log_cosh" else 0
        mirrored = [LOSSES[name](b, a), LOSSES[name](-a, -b)]
        np.testing.assert_allclose(mirrored, [value, value], rtol=rtol)
        assert LOSSES[name](a, a) == 0
        assert value > 0 or abs(output - target) < 1e-150


@given(reals, reals, st.floats(0.125, 8, width=32))
def test_robust_errors_lie_below_the_squared_one(output, target, delta):
    with jax.enable_x64(True):
        a, b = jnp.float64(output), jnp.float64(target)
        square = float(losses.squared_error(a, b)) * (1 + 1e-12)
        assert losses.huber(a, b, delta=delta) <= square
        assert losses.log_cosh(a, b) <= square
        assert losses.huber(a, b, delta=delta) <= delta * abs(output - target) * (1 + 1e-12)


@given(reals, st.floats(0, 1, width=32), st.floats(0, 5, width=32))
def test_binary_losses_do_not_mind_which_class_is_called_1(logit, target, gamma):
    with jax.enable_x64(True):
        z, t = jnp.float64(logit), jnp.float64(target)
        for f in (
            losses.sigmoid_binary_cross_entropy,
            functools.partial(losses.sigmoid_focal, gamma=gamma),
        ):
            np.testing.assert_allclose(f(z, t), f(-z, 1 - t), rtol=1e-12)
            assert f(z, t) >= 0


@given(vectors, st.integers(0, 3), reals, st.floats(0, 1, width=32))
def test_softmax_losses_agree_and_are_invariant_under_translation(logits, label, shift, share):
    with jax.enable_x64(True):
        z, t = jnp.asarray(logits, jnp.float64), jnp.eye(4)[label]
        full = losses.softmax_cross_entropy(z, t, smoothing=share)
        sparse = losses.softmax_cross_entropy_with_integer_labels(z, label, smoothing=share)
        moved = losses.softmax_cross_entropy(z + shift, t, smoothing=share)
        np.testing.assert_allclose([sparse, moved], [full, full], rtol=1e-10, atol=1e-12)
        for gamma in (0.0, 2.0):
            focal, moved = (losses.softmax_focal(x, t, gamma=gamma) for x in (z, z + shift))
            np.testing.assert_allclose(moved, focal, rtol=1e-10, atol=1e-12)
            assert 0 <= focal <= losses.softmax_cross_entropy(z, t) * (1 + 1e-12) + 1e-12


@given(vectors, vectors)
def test_divergence_is_positive_and_cross_entropy_less_entropy(first, second):
    with jax.enable_x64(True):
        p, t = (jax.nn.softmax(jnp.asarray(z, jnp.float64)) for z in (first, second))
        divergence = losses.kl_divergence(p, t)
        assert divergence >= -1e-14
        assert losses.kl_divergence(t, t) == 0
        f = losses.categorical_cross_entropy
        np.testing.assert_allclose(divergence, f(p, t) - f(t, t), rtol=1e-9, atol=1e-12)


def test_losses_of_a_certain_and_right_answer_are_0():
    one_hot = jnp.eye(3)
    assert (losses.binary_cross_entropy(one_hot, one_hot) == 0).all()
    assert (losses.categorical_cross_entropy(one_hot, one_hot) == 0).all()
    assert (losses.kl_divergence(one_hot, one_hot) == 0).all()
