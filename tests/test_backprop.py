"""Backpropagation by hand: the lecture's numbers, and `jax.grad` to rounding."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import dissect, losses
from jaxnn.errors import BadType, BadValue
from jaxnn.models import MLP, Dense, Perceptron
from jaxnn.optimizers import apply_updates, sgd

LECTURE = MLP((1, 1, 1), "sigmoid", output_activation="sigmoid")

# Quantity, the right value to the digits of the lecture's table.
TABLE = {
    "z1": 0.41500000,
    "a1": 0.60228618,
    "z2": 0.89102878,
    "a2": 0.70910243,
    "dw1": 0.00102081,
    "dw2": 0.05703764,
    "dtheta1": 0.01020810,
    "dtheta2": 0.09470189,
    "w1": 0.14897919,
    "w2": 0.39296236,
    "theta1": 0.38979190,
    "theta2": 0.52529811,
}


def lecture_in_library(dtype):
    """The worked example, both phases and one step of gradient descent at rate 1."""
    params = tuple(
        Dense(jnp.full((1, 1), w, dtype), jnp.full((1,), theta, dtype))
        for w, theta in [(0.15, 0.40), (0.45, 0.62)]
    )
    x, y = jnp.array([0.1], dtype), jnp.array([0.25], dtype)
    trace = dissect.backprop(LECTURE, params, x, y, "squared_error")
    hyper = sgd.Hyper(1.0)
    updates, _ = sgd.update(trace.gradients, sgd.init(params, hyper), params, hyper)
    first, second = dissect.as_table(trace)
    stepped = apply_updates(params, updates)
    return {
        "z1": first["pre_activation"],
        "a1": first["activation"],
        "z2": second["pre_activation"],
        "a2": second["activation"],
        "dw1": first["weight_gradients"][0],
        "dw2": second["weight_gradients"][0],
        "dtheta1": first["bias_gradient"],
        "dtheta2": second["bias_gradient"],
        "w1": float(stepped[0].weight[0, 0]),
        "w2": float(stepped[1].weight[0, 0]),
        "theta1": float(stepped[0].bias[0]),
        "theta2": float(stepped[1].bias[0]),
    }


def lecture_with_pen_and_paper():
    """The same by the chain rule, in the floats of Python."""
    x, w1, theta1, w2, theta2, y = 0.1, 0.15, 0.40, 0.45, 0.62, 0.25
    z1 = w1 * x + theta1
    a1 = 1 / (1 + math.exp(-z1))
    z2 = w2 * a1 + theta2
    a2 = 1 / (1 + math.exp(-z2))
    delta2 = (a2 - y) * a2 * (1 - a2)
    delta1 = delta2 * w2 * a1 * (1 - a1)
    return {
        "z1": z1,
        "a1": a1,
        "z2": z2,
        "a2": a2,
        "dw1": delta1 * x,
        "dw2": delta2 * a1,
        "dtheta1": delta1,
        "dtheta2": delta2,
        "w1": w1 - delta1 * x,
        "w2": w2 - delta2 * a1,
        "theta1": theta1 - delta1,
        "theta2": theta2 - delta2,
    }


def test_lecture_in_double_precision(x64):
    """Lecture, section 5, to the digits shown.

    The lecture rounds on its way (it prints z₂ = 0.890, a₂ = 0.7088, ∂E/∂θ₂ = 0.0946) and in the
    update of θ₁ it writes 0.102 for the gradient, a slip: ∂E/∂θ₁ is 0.0102, as it has it before.
    """
    found, exact = lecture_in_library("float64"), lecture_with_pen_and_paper()
    for name, value in TABLE.items():
        assert found[name] == pytest.approx(value, rel=0, abs=5.001e-9), name
        assert found[name] == pytest.approx(exact[name], rel=1e-14), name


def test_lecture_in_single_precision():
    """Lecture, section 5, to six significant digits."""
    found, exact = lecture_in_library("float32"), lecture_with_pen_and_paper()
    for name, value in exact.items():
        assert found[name] == pytest.approx(value, rel=5e-7), name


def per_example(outputs, targets):
    """A loss of one's own, one number an example."""
    return jnp.sum(jnp.sin(outputs) * targets, axis=-1)


KEY = jax.random.key(5)
LABELS = jnp.array([0, 2, 1, 1, 0])
REAL = jax.random.normal(KEY, (5, 3))
CASES = {
    "tanh, squared error": (MLP((2, 4, 3), "tanh"), "squared_error", REAL),
    "relu, deep": (MLP((2, 5, 4, 3, 3), "relu"), "huber", REAL),
    "sigmoid to sigmoid": (
        MLP((2, 3, 3), "sigmoid", output_activation="sigmoid"),
        "binary_cross_entropy",
        (REAL > 0).astype(REAL.dtype),
    ),
    "softmax output": (
        MLP((2, 6, 3), "gelu", output_activation="softmax"),
        "categorical_cross_entropy",
        jax.nn.one_hot(LABELS, 3),
    ),
    "softmax inside": (MLP((2, 4, 4, 3), "softmax"), "log_cosh", REAL),
    "integer labels": (
        MLP((2, 4, 3), "elu"),
        "softmax_cross_entropy_with_integer_labels",
        LABELS,
    ),
    "one output, flat targets": (
        MLP((2, 4, 1), "softplus"),
        "sigmoid_binary_cross_entropy",
        (LABELS > 0).astype(REAL.dtype),
    ),
    "a loss of one's own": (MLP((2, 4, 3), "silu"), per_example, REAL),
    "step units": (MLP((2, 4, 3), "step"), "squared_error", REAL),
    "no hidden layer": (MLP((2, 3)), "absolute_error", REAL),
    "perceptron": (Perceptron(2, weight_init="normal"), "perceptron", jnp.sign(REAL[:, 0])),
}


FLAT = {"one output, flat targets", "perceptron"}


def given(case, dtype):
    """Model, parameters, inputs, targets and loss of a case, in one dtype."""
    model, loss, targets = CASES[case]
    inputs = jax.random.normal(jax.random.key(1), (5, 2)).astype(dtype)
    params = jax.tree.map(lambda x: x.astype(dtype), model.init(jax.random.key(2)))
    return model, params, inputs, targets if targets is LABELS else targets.astype(dtype), loss


jitted_backprop = jax.jit(dissect.backprop, static_argnames=("model", "loss"))


@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        *[(case, "float64") for case in CASES],
        ("softmax output", "float32"),
        ("perceptron", "float32"),
    ],
)
def test_it_equals_jax_grad(case, dtype):
    with jax.enable_x64(dtype == "float64"):
        model, params, inputs, targets, loss = given(case, dtype)

        def mean_loss(params):
            outputs = model.apply(params, inputs)
            return jnp.mean(losses.get(loss)(outputs[:, 0] if case in FLAT else outputs, targets))

        value, slopes = jax.jit(jax.value_and_grad(mean_loss))(params)
        trace = jitted_backprop(model, params, inputs, targets, loss)
        double = {"rtol": 1e-12, "atol": 1e-15}
        close = double if dtype == "float64" else {"rtol": 1e-5, "atol": 1e-6}
        np.testing.assert_allclose(trace.loss, value, **close)
        assert jax.tree.structure(trace.gradients) == jax.tree.structure(params)
        pairs = zip(jax.tree.leaves(trace.gradients), jax.tree.leaves(slopes), strict=True)
        for ours, theirs in pairs:
            assert ours.dtype == theirs.dtype == dtype
            np.testing.assert_allclose(ours, theirs, **close)


@pytest.mark.parametrize("case", ["tanh, squared error", "softmax output"])
def test_the_error_signal_is_the_slope_in_each_pre_activation(x64, case):
    model, params, inputs, targets, loss = given(case, "float64")

    def shifted(shifts):
        signal = inputs
        for number, ((weight, bias), shift) in enumerate(zip(params, shifts, strict=True)):
            z = jnp.dot(signal, weight)
            signal = model.activation_of(number)(z + jnp.broadcast_to(bias, z.shape) + shift)
        return jnp.mean(losses.get(loss)(signal, targets))

    trace = jitted_backprop(model, params, inputs, targets, loss)
    slopes = jax.jit(jax.grad(shifted))([jnp.zeros_like(layer.error) for layer in trace.layers])
    for layer, slope in zip(trace.layers, slopes, strict=True):
        np.testing.assert_allclose(layer.error, slope, rtol=1e-12, atol=1e-15)


def test_one_example_a_batch_and_a_batch_of_batches_agree(x64):
    model, params, inputs, targets, loss = given("tanh, squared error", "float64")
    batch = jitted_backprop(model, params, inputs, targets, loss)
    boxed = jitted_backprop(model, params, inputs[None], targets[None], loss)
    singles = [
        jitted_backprop(model, params, x, t, loss) for x, t in zip(inputs, targets, strict=True)
    ]
    mean = jax.tree.map(lambda *g: sum(g) / 5, *(single.gradients for single in singles))
    for other in (boxed.gradients, mean):
        for a, b in zip(jax.tree.leaves(batch.gradients), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
    # Each of five examples has a fifth of a say in the mean.
    np.testing.assert_allclose(5 * batch.layers[0].error[2], singles[2].layers[0].error, rtol=1e-12)


def test_it_is_jitted_and_batched_like_any_function():
    model, _, inputs, targets, loss = given("tanh, squared error", "float32")
    params = jax.vmap(model.init)(jax.random.split(KEY, 3))
    lanes = jax.vmap(lambda p: jitted_backprop(model, p, inputs, targets, loss))(params)
    assert lanes.loss.shape == (3,)
    alone = dissect.backprop(model, jax.tree.map(lambda x: x[1], params), inputs, targets, loss)
    for a, b in zip(jax.tree.leaves(lanes), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(a[1], b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes_are_kept_without_promotion(strict_dtypes, x64, dtype):
    trace = jitted_backprop(*given("tanh, squared error", dtype))
    assert {leaf.dtype for leaf in jax.tree.leaves(trace)} == {jnp.dtype(dtype)}


def test_the_table_has_a_row_for_each_unit():
    model, params, inputs, targets, loss = given("tanh, squared error", "float32")
    trace = dissect.backprop(model, params, inputs, targets, loss)
    table = dissect.as_table(trace, example=3)
    assert [(row["layer"], row["unit"]) for row in table] == [
        *[(1, 1), (1, 2), (1, 3), (1, 4)],
        *[(2, 1), (2, 2), (2, 3)],
    ]
    row, layer = table[5], trace.layers[1]
    assert row == {
        "layer": 2,
        "unit": 2,
        "pre_activation": float(layer.pre_activation[3, 1]),
        "activation": float(layer.activation[3, 1]),
        "error": float(layer.error[3, 1]),
        "weights": params[1].weight[:, 1].tolist(),
        "weight_gradients": trace.gradients[1].weight[:, 1].tolist(),
        "bias": float(params[1].bias[1]),
        "bias_gradient": float(trace.gradients[1].bias[1]),
    }
    assert all(type(number) is float for number in row["weights"])


TINY = dissect.backprop(*given("no hidden layer", "float32"))
ERRORS = {
    "backprop: `model` must be made of dense layers; got 'object'. "
    "Use MLP or Perceptron, or give yours activation_of, layers and trace.": (
        lambda: dissect.backprop(object(), (), jnp.ones(2), jnp.ones(3), "huber")
    ),
    "MLP: `inputs` must be an array of shape (..., 1); got shape (2,).": (
        lambda: dissect.backprop(LECTURE, LECTURE.init(KEY), jnp.ones(2), jnp.ones(1), "huber")
    ),
    "as_table: `example` must be in [0, 4]; got 5. Did you mean 4?": (
        lambda: dissect.as_table(TINY, example=5)
    ),
    "as_table: `trace` must be of one model; got shape (2,). "
    "Take one of the batch: jax.tree.map(lambda x: x[0], trace).": (
        lambda: dissect.as_table(jax.tree.map(lambda x: jnp.stack([x, x]), TINY))
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_parameter_and_the_fix(message):
    with pytest.raises((BadValue, BadType)) as caught:
        ERRORS[message]()
    assert str(caught.value) == message
