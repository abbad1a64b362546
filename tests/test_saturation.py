"""Saturation: where activations are flat, layer by layer, over a training."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import activations, dissect
from jaxnn.errors import BadType, BadValue
from jaxnn.models import MLP, Dense

# One unit whose pre-activation is its input.
UNIT = (Dense(jnp.ones((1, 1)), jnp.zeros(1)),)
Z = jnp.linspace(-8.0, 8.0, 161)[:, None]


def share(name: str, **options) -> float:
    model = MLP((1, 1), output_activation=name)
    return float(dissect.saturated_units(model, UNIT, Z, **options)[0])


def test_sigmoid_and_tanh_saturate_on_both_sides_where_their_formulas_say():
    """Lecture, section 7. σ' < 1/100 beyond |z| = log(49 + √2400), tanh' beyond artanh √0.99."""
    bound = np.log(49 + np.sqrt(2400))  # there σ(1 − σ) = 1/100
    assert share("sigmoid") == pytest.approx(np.mean(np.abs(Z) > bound))
    assert share("tanh") == pytest.approx(np.mean(np.abs(Z) > np.arctanh(np.sqrt(0.99))))
    assert 0 < share("sigmoid") < share("tanh") < 1
    assert share("sigmoid", threshold=1e-3) < share("sigmoid")


def test_relu_does_not_saturate_on_the_right():
    assert share("relu") == pytest.approx(np.mean(np.asarray(Z) <= 0))
    assert share("identity") == 0.0
    assert share("leaky_relu", threshold=1e-3) == 0.0
    assert share("step") == 1.0


def test_tanh_is_a_sigmoid_stretched():
    """Lecture, section 7: tanh x = 2σ(2x) − 1, to 4 ulp of 1."""
    for dtype in (jnp.float32, jnp.float64):
        with jax.enable_x64(dtype == jnp.float64):
            x = jnp.linspace(-20, 20, 4001, dtype=dtype)
            gap = jnp.abs(activations.tanh(x) - (2 * activations.sigmoid(2 * x) - 1))
            assert float(jnp.max(gap)) <= 4 * float(jnp.finfo(dtype).eps)


def test_softmax_is_judged_by_each_unit_of_its_own():
    model = MLP((2, 2), output_activation="softmax")
    params = (Dense(jnp.eye(2), jnp.zeros(2)),)
    sure, unsure = jnp.array([[9.0, 0.0]]), jnp.array([[0.1, 0.0]])
    assert dissect.saturated_units(model, params, sure).tolist() == [1.0]
    assert dissect.saturated_units(model, params, unsure).tolist() == [0.0]


def test_shares_are_those_of_units_and_examples_in_each_layer():
    model = MLP((2, 3, 1), "relu")
    weight = jnp.array([[1.0, -1.0, 1.0], [0.0, 0.0, 0.0]])
    params = (Dense(weight, jnp.array([0.0, 0.0, -9.0])), Dense(jnp.ones((3, 1)), jnp.zeros(1)))
    inputs = jnp.array([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0], [3.0, 0.0]])
    # On: unit 1 for three examples, unit 2 for one, unit 3 never.
    np.testing.assert_allclose(
        dissect.saturated_units(model, params, inputs), [1 - 4 / 12, 0.0], rtol=1e-6
    )
    np.testing.assert_allclose(dissect.dead_units(model, params, inputs), [1 / 3, 0.0], rtol=1e-6)
    assert dissect.dead_units(model, params, inputs[None]).shape == (2,)


def test_over_a_history_it_is_one_vmap():
    model = MLP((2, 8, 8, 1), "sigmoid")
    params = model.init(jax.random.key(0))
    inputs = jax.random.normal(jax.random.key(1), (20, 2))
    scales = jnp.array([1.0, 5.0, 50.0])
    history = jax.vmap(lambda s: jax.tree.map(lambda x: s * x, params))(scales)
    over = jax.jit(jax.vmap(dissect.saturated_units, (None, 0, None)), static_argnums=0)
    found = over(model, history, inputs)
    assert found.shape == (3, 3)
    assert found[0].tolist() == [0.0, 0.0, 0.0]
    assert np.all(np.diff(found[:, :2], axis=0) > 0)  # larger weights, flatter hidden units
    last = jax.tree.map(lambda x: x[2], history)
    np.testing.assert_allclose(found[2], dissect.saturated_units(model, last, inputs), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_any_precision_without_promotion(strict_dtypes, x64, dtype):
    model = MLP((2, 4, 1), "tanh", dtype=dtype)
    found = dissect.saturated_units(model, model.init(jax.random.key(0)), jnp.ones((3, 2), dtype))
    assert found.dtype == jnp.float64


ERRORS = {
    "saturated_units: `threshold` must be > 0; got 0. Did you mean 0.01?": (
        lambda: dissect.saturated_units(MLP((1, 1)), UNIT, Z, threshold=0.0)
    ),
    "dead_units: `model` must be made of dense layers; got 'int'. "
    "Use MLP or Perceptron, or give yours activation_of, layers and trace.": (
        lambda: dissect.dead_units(3, UNIT, Z)
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_parameter_and_the_fix(message):
    with pytest.raises((BadValue, BadType)) as caught:
        ERRORS[message]()
    assert str(caught.value) == message
