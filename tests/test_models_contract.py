"""What every model keeps to: values, precisions, batches, lanes; and the words of its errors.

That double precision starts from the same numbers is a contract of the problems they belong to.
"""

from __future__ import annotations

import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import activations, models
from jaxnn.errors import BadType, BadValue
from jaxnn.models import (
    CNN,
    RNN,
    Autoencoder,
    ResidualCNN,
    Transformer,
    VariationalAutoencoder,
)

RNG = np.random.default_rng(0)
IMAGES, ROWS = RNG.normal(size=(2, 3, 4, 5, 2)), RNG.uniform(size=(2, 3, 6))
TOKENS, SERIES = RNG.integers(5, size=(2, 3, 4)), RNG.normal(size=(2, 3, 4, 2))

# Each with inputs for batches of shape (2, 3), and the shape of one answer.
CASES: dict[str, tuple[Any, dict[str, Any], Any, tuple[int, ...]]] = {
    "cnn": (
        CNN,
        {"image": (4, 5, 2), "channels": (3, 2), "strides": (1, 2), "sizes": (4, 3)},
        IMAGES,
        (3,),
    ),
    "residual_cnn": (
        ResidualCNN,
        {"image": (4, 5, 2), "channels": 4, "num_blocks": 2, "num_outputs": 3, "groups": 2},
        IMAGES,
        (3,),
    ),
    "autoencoder": (Autoencoder, {"sizes": (6, 4, 2)}, ROWS, (6,)),
    "variational_autoencoder": (VariationalAutoencoder, {"sizes": (6, 4, 2)}, ROWS, (6,)),
    "rnn": (RNN, {"sizes": (2, 3, 4, 3), "readout": "last"}, SERIES, (3,)),
    "rnn of tokens": (RNN, {"sizes": (5, 3, 4), "cell": "gru"}, TOKENS, (4, 4)),
    "transformer": (
        Transformer,
        {"num_tokens": 5, "length": 6, "width": 4, "num_heads": 2},
        TOKENS,
        (4, 5),
    ),
}
KEY = jax.random.key(0)
NAMES = list(CASES)

# Compiled once for all tests.
init = jax.jit(lambda model, key: model.init(key), static_argnums=0)
apply = jax.jit(lambda model, params, inputs: model.apply(params, inputs), static_argnums=0)


def build(name: str, **options: Any) -> Any:
    model, structure, *_ = CASES[name]
    return model(**structure, **options)


def given(name: str, dtype: Any = jnp.float32) -> Any:
    inputs = CASES[name][2]
    return jnp.asarray(inputs, dtype if inputs.dtype.kind == "f" else jnp.int32)


def test_every_new_model_is_in_the_table_and_here() -> None:
    assert {model for model, *_ in CASES.values()} == set(models.MODELS.values()) - {
        models.MLP,
        models.Perceptron,
    }
    for name in set(models.MODELS) & set(CASES):
        assert models.MODELS[name] is CASES[name][0]


@pytest.mark.parametrize("name", NAMES)
def test_batches_of_any_shape_and_lanes_over_parameters(name: str) -> None:
    model, inputs, answer = build(name), given(name), CASES[name][3]
    lanes = [init(model, jax.random.key(seed)) for seed in range(2)]
    stacked = jax.tree.map(lambda *rows: jnp.asarray(np.stack(rows)), *lanes)
    flat = inputs.reshape(6, *inputs.shape[2:])
    together = jax.jit(jax.vmap(model.apply, in_axes=(0, None)))(stacked, flat)
    assert together.shape == (2, 6, *answer)
    for lane, params in zip(together, lanes, strict=True):
        alone = apply(model, params, inputs)
        assert alone.shape == (2, 3, *answer)
        np.testing.assert_allclose(lane.reshape(alone.shape), alone, rtol=2e-5, atol=1e-6)
    assert not np.allclose(together[0], together[1])
    assert not np.allclose(together[0, 0], together[0, 1])
    assert jax.eval_shape(model.apply, lanes[0], inputs[0, 0]).shape == answer


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_dtypes_are_kept_without_promotion(
    strict_dtypes: None, x64: None, name: str, dtype: str
) -> None:
    model, inputs = build(name, dtype=dtype), given(name, dtype)
    params = jax.eval_shape(model.init, KEY)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(dtype)}
    assert jax.eval_shape(model.apply, params, inputs).dtype == dtype


@pytest.mark.parametrize("name", NAMES)
def test_models_are_values(name: str) -> None:
    model = build(name)
    assert model == build(name, dtype=None) == pickle.loads(pickle.dumps(model))
    assert hash(model) == hash(build(name))
    assert model != build(name, dtype="float32")
    if "activation" in vars(model):
        assert build(name, activation=activations.tanh) == build(name, activation="tanh")


def cnn(**changes: Any) -> CNN:
    return CNN(**({"image": (4, 4, 1), "channels": (2,), "strides": (1,), "sizes": (3,)} | changes))


def residual(**changes: Any) -> ResidualCNN:
    structure = {"image": (4, 4, 1), "channels": 4, "num_blocks": 1, "num_outputs": 3}
    return ResidualCNN(**(structure | changes))


def wrong_shape(model: Any, inputs: Any) -> Any:
    return jax.eval_shape(model.apply, jax.eval_shape(model.init, KEY), inputs)


ERRORS = {
    "CNN: `image` must be of 3 entries; got (4, 4). Give height, width and channels.": (
        lambda: cnn(image=(4, 4))
    ),
    "CNN: `channels` must be of 1 entries or more; got ().": lambda: cnn(channels=(), strides=()),
    "CNN: `strides` must be of 1 entries; got (1, 2). Give one for each convolution.": (
        lambda: cnn(strides=(1, 2))
    ),
    "CNN: `strides` must be a tuple of integers; got 2. Give one for each convolution.": (
        lambda: cnn(strides=2)
    ),
    "CNN: `sizes` must be of 1 entries or more; got (). Give the outputs at least.": (
        lambda: cnn(sizes=())
    ),
    "CNN: `kernel_size` must be >= 1; got 0. Pass 1 or more.": lambda: cnn(kernel_size=0),
    "CNN: `inputs` must be an array of shape (..., 4, 4, 1); got shape (2, 4, 4).": (
        lambda: wrong_shape(cnn(), jnp.ones((2, 4, 4)))
    ),
    "ResidualCNN: `num_blocks` must be an integer; got 1.5. Pass 1 or more.": (
        lambda: residual(num_blocks=1.5)
    ),
    "ResidualCNN: `groups` must be a divisor of the 4 channels; got 3. "
    "Pass 1 for layer normalisation.": lambda: residual(groups=3),
    "ResidualCNN: `inputs` must be an array of shape (..., 4, 4, 1); got shape (4, 1).": (
        lambda: wrong_shape(residual(), jnp.ones((4, 1)))
    ),
    "Autoencoder: `sizes` must be of 2 entries or more; got (6,). Give inputs and code.": (
        lambda: Autoencoder((6,))
    ),
    "Autoencoder: `inputs` must be an array of shape (..., 6); got shape (2, 5).": (
        lambda: wrong_shape(Autoencoder((6, 2)), jnp.ones((2, 5)))
    ),
    "VariationalAutoencoder: `likelihood` must be one of bernoulli, gaussian; got 'normal'.": (
        lambda: VariationalAutoencoder((6, 2), "normal")
    ),
    "RNN: `sizes` must be of 3 entries or more; got (2, 3). Give inputs, units and outputs.": (
        lambda: RNN((2, 3))
    ),
    "RNN: `cell` must be one of gru, tanh; got 'lstm'.": lambda: RNN((2, 3, 1), cell="lstm"),
    "RNN: `readout` must be one of all, last; got 'lst'. Did you mean 'last'?": (
        lambda: RNN((2, 3, 1), readout="lst")
    ),
    "RNN: `inputs` must be numbers of shape (..., time, 2) or integers of shape (..., time); "
    "got float32 of shape (5, 4, 3).": lambda: wrong_shape(RNN((2, 3, 1)), jnp.ones((5, 4, 3))),
    "Transformer: `width` must be a multiple of the 3 heads; got 8. Did you mean 6?": (
        lambda: Transformer(5, 4, width=8, num_heads=3)
    ),
    "Transformer: `num_tokens` must be >= 1; got 0. Pass 1 or more.": lambda: Transformer(0, 4),
    "Transformer: `inputs` must be integers of shape (..., time), time being at most 4; "
    "got int32 of shape (2, 5).": (
        lambda: wrong_shape(Transformer(5, 4), jnp.ones((2, 5), jnp.int32))
    ),
    "Transformer: `inputs` must be integers of shape (..., time), time being at most 4; "
    "got float32 of shape (2, 4).": lambda: wrong_shape(Transformer(5, 4), jnp.ones((2, 4))),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_parameter_and_the_fix(message: str) -> None:
    with pytest.raises((BadValue, BadType)) as caught:
        ERRORS[message]()
    assert str(caught.value) == message
