"""The multi-layer perceptron: shapes, XOR by hand and by training, initial values, errors."""

from __future__ import annotations

import itertools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import activations, initializers, losses, models
from jaxnn.errors import BadType, BadValue
from jaxnn.models import MLP, Dense
from jaxnn.optimizers import adam, apply_updates

SQUARE = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def double_tanh(z):
    return 2 * jnp.tanh(z)


@pytest.mark.parametrize("sizes", [(1, 1), (3, 2), (2, 5, 1), (4, 1, 3, 2), (2, 3, 3, 3, 3, 3, 7)])
def test_any_depth_and_width(sizes):
    model = MLP(sizes)
    params = model.init(jax.random.key(0))
    assert model.num_layers == len(params) == len(sizes) - 1
    for (weight, bias), (n, m) in zip(params, itertools.pairwise(sizes), strict=True):
        assert (weight.shape, bias.shape) == ((n, m), (m,))
    for batch in [(), (6,), (2, 3)]:
        inputs = jnp.ones((*batch, sizes[0]))
        assert model.apply(params, inputs).shape == (*batch, sizes[-1])
        for layer, units in zip(model.trace(params, inputs), sizes[1:], strict=True):
            assert layer.pre_activation.shape == layer.activation.shape == (*batch, units)


def test_it_computes_what_its_formula_says(x64):
    model = MLP((2, 3, 4, 2), "sigmoid", output_activation="softmax", bias_init="normal")
    params = model.init(jax.random.key(1))
    signal = inputs = np.random.default_rng(0).normal(size=(5, 2))
    for number, (weight, bias) in enumerate(params):
        z = signal @ np.asarray(weight) + np.asarray(bias)
        signal = 1 / (1 + np.exp(-z)) if number < 2 else np.exp(z) / np.exp(z).sum(1)[:, None]
    np.testing.assert_allclose(model.apply(params, jnp.asarray(inputs)), signal, rtol=1e-12)
    np.testing.assert_allclose(
        model.apply(params, jnp.asarray(inputs[0]), key=jax.random.key(0)), signal[0], rtol=1e-12
    )


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_an_activation_by_name_and_by_function_is_one_model(name):
    function = activations.ACTIVATIONS[name]
    by_name, by_function = MLP((2, 3, 2), name), MLP((2, 3, 2), function, function)
    assert by_function == MLP((2, 3, 2), name, output_activation=name)
    a, b = (model.init(jax.random.key(3)) for model in (by_name, by_function))
    assert jax.tree.all(jax.tree.map(jnp.array_equal, a, b))
    hidden = by_name.trace(a, SQUARE)[0]
    np.testing.assert_array_equal(hidden.activation, function(hidden.pre_activation))


def test_an_activation_of_ones_own():
    model = MLP((2, 3, 1), double_tanh)
    layer = model.trace(model.init(jax.random.key(0)), SQUARE)[0]
    np.testing.assert_array_equal(layer.activation, 2 * jnp.tanh(layer.pre_activation))
    assert model.activation is double_tanh
    assert pickle.loads(pickle.dumps(model)) == model


@pytest.mark.parametrize(
    ("activation", "variance"), [("relu", 2 / 400), ("gelu", 2 / 400), ("tanh", 1 / 400)]
)
def test_auto_is_he_for_rectifiers_and_lecun_for_others(activation, variance):
    weight = MLP((400, 300), activation).init(jax.random.key(0))[0].weight
    np.testing.assert_allclose(np.var(np.asarray(weight)), variance, rtol=0.02)


@pytest.mark.parametrize("name", initializers.INITIALIZERS)
def test_every_initializer_by_name(name):
    params = MLP((3, 4, 2), weight_init=name, bias_init="zeros").init(jax.random.key(0))
    key = jax.random.split(jax.random.fold_in(jax.random.key(0), 0))[0]
    np.testing.assert_array_equal(params[0].weight, initializers.get(name)(key, (3, 4)))
    assert params[0].bias.tolist() == [0.0] * 4


@pytest.mark.parametrize("weight_init", ["auto", "orthogonal", "uniform"])
def test_initial_values_are_the_same_in_double_precision(weight_init):
    model = MLP((3, 5, 2), "tanh", weight_init=weight_init, bias_init="normal")
    single = model.init(jax.random.key(7))
    with jax.enable_x64(True):
        double = model.init(jax.random.key(7))
        for a, b in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
            assert b.dtype == jnp.float64
            np.testing.assert_array_equal(np.asarray(a, np.float64), np.asarray(b))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes_are_kept_without_promotion(strict_dtypes, x64, dtype):
    model = MLP((2, 3, 2), "tanh", dtype=dtype)
    params = model.init(jax.random.key(0))
    inputs = SQUARE.astype(dtype)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(dtype)}
    assert model.apply(params, inputs).dtype == dtype
    slopes = jax.grad(lambda p: jnp.sum(model.apply(p, inputs)))(params)
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(slopes))


def test_lanes_over_parameters_are_the_models_alone():
    model = MLP((2, 4, 1), "tanh")
    params = jax.vmap(model.init)(jax.random.split(jax.random.key(0), 3))
    together = jax.vmap(model.apply, in_axes=(0, None))(params, SQUARE)
    for lane in range(3):
        alone = model.apply(jax.tree.map(lambda x, i=lane: x[i], params), SQUARE)
        np.testing.assert_allclose(together[lane], alone, rtol=1e-5, atol=1e-6)


XOR_BY_HAND = (
    Dense(jnp.array([[1.0, -1.0], [1.0, -1.0]]), jnp.array([-0.5, 1.5])),  # OR and NAND
    Dense(jnp.array([[1.0], [1.0]]), jnp.array([-1.5])),  # AND
)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_xor_by_hand(dtype):
    """Lecture, section 3: one hidden layer of two step units, OR and NAND, then AND."""
    with jax.enable_x64(dtype == "float64"):
        params = jax.tree.map(lambda x: jnp.asarray(x, dtype), XOR_BY_HAND)
        model = MLP((2, 2, 1), "step", output_activation="step", dtype=dtype)
        hidden, output = model.trace(params, jnp.asarray(SQUARE, dtype))
        assert hidden.activation.T.tolist() == [[0, 1, 1, 1], [1, 1, 1, 0]]
        assert output.activation[:, 0].tolist() == [0, 1, 1, 0]


def xor_loss(params, model):
    outputs = model.apply(params, SQUARE)[:, 0]
    return jnp.mean(losses.sigmoid_binary_cross_entropy(outputs, jnp.array([0.0, 1, 1, 0])))


def test_xor_is_learned_by_training():
    """Lecture, section 3: eight networks at once, all four rows right and loss below 0.05."""
    model, hyper = MLP((2, 8, 1), "tanh"), adam.Hyper(learning_rate=0.05)

    def step(carry, _):
        params, state = carry
        slopes = jax.grad(xor_loss)(params, model)
        updates, state = adam.update(slopes, state, params, hyper)
        return (apply_updates(params, updates), state), None

    def train(key):
        params = model.init(key)
        (params, _), _ = jax.lax.scan(step, (params, adam.init(params, hyper)), length=200)
        return xor_loss(params, model), model.apply(params, SQUARE)[:, 0] >= 0

    loss, answers = jax.jit(jax.vmap(train))(jax.random.split(jax.random.key(0), 8))
    assert answers.tolist() == [[False, True, True, False]] * 8
    assert float(jnp.max(loss)) < 0.05


def test_models_are_values():
    model = MLP([2, 3, 1], "tanh", dtype=jnp.float32)
    assert model == MLP((2, 3, 1), activations.tanh, dtype="float32")
    assert hash(model) == hash(pickle.loads(pickle.dumps(model)))
    assert model != MLP((2, 3, 1), "relu", dtype="float32")
    assert models.MODELS["mlp"] is MLP


def test_equal_models_share_one_compiled_program():
    traces = []

    def apply(model, params, inputs):
        traces.append(model)
        return model.apply(params, inputs)

    compiled = jax.jit(apply, static_argnums=0)
    params = MLP((2, 3, 1)).init(jax.random.key(0))
    for model in (MLP((2, 3, 1)), MLP([2, 3, 1], activations.relu)):
        compiled(model, params, SQUARE)
    assert len(traces) == 1


PARAMS = MLP((2, 3, 1)).init(jax.random.key(0))
KNOWN = ", ".join(sorted(activations.ACTIVATIONS))
ERRORS = {
    "MLP: `sizes` must be a tuple of integers; got 3.": lambda: MLP(3),
    "MLP: `sizes` must be an integer; got 2.5. Pass 1 or more.": lambda: MLP((2.5, 1)),
    "MLP: `sizes` must be >= 1; got 0. Pass 1 or more.": lambda: MLP((2, 0, 1)),
    "MLP: `sizes` must be of two entries or more; got (4,). "
    "Give the number of inputs and of outputs at least.": lambda: MLP((4,)),
    f"activations.get: `name` must be one of {KNOWN}; got 'rely'. Did you mean 'relu'?": (
        lambda: MLP((2, 1), "rely")
    ),
    "MLP: `dtype` must be a floating dtype; got 'float33'. Did you mean 'float32'?": (
        lambda: MLP((2, 1), dtype="float33")
    ),
    "MLP: `inputs` must be an array of shape (..., 2); got shape (4, 3).": (
        lambda: MLP((2, 3, 1)).apply(PARAMS, jnp.ones((4, 3)))
    ),
    "MLP: `inputs` must be an array of shape (..., 2); got shape ().": (
        lambda: MLP((2, 3, 1)).apply(PARAMS, jnp.ones(()))
    ),
    "MLP: `params` must be of 3 layers; got 2.": (
        lambda: MLP((2, 3, 3, 1)).apply(PARAMS, jnp.ones(2))
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_parameter_and_the_fix(message):
    with pytest.raises((BadValue, BadType)) as caught:
        ERRORS[message]()
    assert str(caught.value) == message
