"""Models against XLA's convolution, JAX's attention, and their formulas worked in NumPy."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn.models import (
    CNN,
    RNN,
    Autoencoder,
    ResidualCNN,
    Transformer,
    VariationalAutoencoder,
)
from jaxnn.models.convolution import Conv, Norm, convolve, group_norm, layer_norm
from jaxnn.models.transformer import attend
from jaxnn.typing import Array

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def start(model: Any) -> Any:
    """Parameters without the zeros and ones behind which a term could go unnoticed."""
    return jax.tree.map(lambda x: 0.5 * normal(*x.shape), jax.eval_shape(model.init, KEY))


def computed(model: Any, params: Any, inputs: Any) -> Any:
    # Arrays of NumPy would let NumPy's rules of promotion in.
    return jax.jit(model.apply)(jax.tree.map(jnp.asarray, params), jnp.asarray(inputs))


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


# Convolutions.


def reference(layer: Conv, images: Array, stride: int) -> Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    window = (stride, stride)
    product = jax.lax.conv_general_dilated(
        images, layer.weight, window, "SAME", dimension_numbers=numbers
    )
    return product + jnp.broadcast_to(layer.bias, product.shape)


@pytest.mark.parametrize(("kernel", "stride"), [((3, 3), 1), ((3, 2), 2), ((1, 4), 3)])
def test_a_convolution_and_its_gradient_are_those_of_xla(
    x64: None, kernel: tuple[int, int], stride: int
) -> None:
    layer = Conv(jnp.asarray(normal(*kernel, 2, 3)), jnp.asarray(normal(3)))
    images = jnp.asarray(normal(2, 5, 6, 2))

    @jax.jit
    def both(layer: Conv, images: Array) -> Any:
        mine = jax.vjp(lambda *x: convolve(*x, stride=stride), layer, images)
        others = jax.vjp(lambda *x: reference(*x, stride), layer, images)
        return [(value, pull(jnp.sin(value))) for value, pull in (mine, others)]

    mine, others = both(layer, images)
    for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(others), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


def test_a_convolution_of_any_batch() -> None:
    layer = Conv(jnp.asarray(normal(3, 3, 1, 2)), jnp.zeros(2))
    images = jnp.asarray(normal(2, 4, 4, 1))
    assert jax.eval_shape(convolve, layer, images[0]).shape == (4, 4, 2)
    assert jax.eval_shape(convolve, layer, images[None]).shape == (1, 2, 4, 4, 2)


def test_normalisations_are_what_their_formulas_say(x64: None) -> None:
    layer, images = Norm(jnp.asarray(normal(4)), jnp.asarray(normal(4))), normal(2, 3, 5, 4)
    scale, bias = map(np.asarray, layer)
    for groups in (1, 2, 4):
        parts = np.split(images, groups, axis=-1)
        axes = (1, 2, 3)
        means = [x.mean(axes, keepdims=True) for x in parts]
        roots = [np.sqrt(x.var(axes, keepdims=True) + 1e-5) for x in parts]
        split = zip(parts, means, roots, strict=True)
        wanted = np.concatenate([(x - m) / r for x, m, r in split], axis=-1) * scale + bias
        found = group_norm(layer, jnp.asarray(images), groups=groups)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    mean, var = images.mean(-1, keepdims=True), images.var(-1, keepdims=True)
    wanted = (images - mean) / np.sqrt(var + 1e-5) * scale + bias
    np.testing.assert_allclose(layer_norm(layer, jnp.asarray(images)), wanted, rtol=1e-12)


def same(layer: Any, images: Any, stride: int = 1) -> Any:
    weight, bias = map(jnp.asarray, layer)
    return np.asarray(reference(Conv(weight, bias), jnp.asarray(images), stride))


def test_a_cnn_is_convolutions_then_dense_layers(x64: None) -> None:
    model = CNN((5, 4, 2), channels=(3, 2), strides=(1, 2), sizes=(4, 3), activation="tanh")
    params, images = start(model), normal(2, 5, 4, 2)
    first, second = params.convolutions
    signal = np.tanh(same(second, np.tanh(same(first, images)), 2))
    (w1, b1), (w2, b2) = params.dense
    wanted = np.tanh(signal.reshape(2, -1) @ w1 + b1) @ w2 + b2
    np.testing.assert_allclose(computed(model, params, images), wanted, rtol=1e-11)


def test_a_residual_network_adds_what_its_blocks_compute(x64: None) -> None:
    model = ResidualCNN((5, 4, 2), channels=4, num_blocks=2, num_outputs=3, groups=2)
    params, images = start(model), normal(2, 5, 4, 2)

    def ready(layer: Norm, x: Any) -> Any:
        layer = Norm(*map(jnp.asarray, layer))
        return np.maximum(np.asarray(group_norm(layer, jnp.asarray(x), groups=2)), 0)

    signal = same(params.stem, images, 2)
    for block in params.blocks:
        inner = same(block.first, ready(block.first_norm, signal))
        signal = signal + same(block.second, ready(block.second_norm, inner))
    pooled = ready(params.norm, signal).mean((1, 2))
    wanted = pooled @ params.dense.weight + params.dense.bias
    np.testing.assert_allclose(computed(model, params, images), wanted, rtol=1e-10)


# Autoencoders.


def test_an_autoencoder_goes_through_its_code(x64: None) -> None:
    model = Autoencoder((5, 4, 2), "tanh")
    params, rows = start(model), normal(3, 5)
    (w1, b1), (w2, b2) = params.encoder
    (w3, b3), (w4, b4) = params.decoder
    code = np.tanh(rows @ w1 + b1) @ w2 + b2
    assert code.shape == (3, 2)
    wanted = np.tanh(code @ w3 + b3) @ w4 + b4
    np.testing.assert_allclose(computed(model, params, rows), wanted, rtol=1e-12)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_evidence_is_that_of_its_distributions(x64: None, likelihood: str) -> None:
    from scipy import integrate, stats

    model = VariationalAutoencoder((3, 4, 1), likelihood, "tanh")
    params, rows, noise = start(model), RNG.integers(2, size=(2, 3)).astype(float), normal(2, 1)
    found = model.evidence(jax.tree.map(jnp.asarray, params), jnp.asarray(rows), jnp.asarray(noise))
    (w1, b1), (w2, b2) = params.encoder
    (w3, b3), (w4, b4) = params.decoder
    code = np.tanh(rows @ w1 + b1) @ w2 + b2
    for row in range(2):
        mean, scale = code[row, 0], np.exp(code[row, 1])
        outputs = np.tanh((mean + scale * noise[row]) @ w3 + b3) @ w4 + b4
        x = rows[row]
        log_likelihood = {
            "bernoulli": stats.bernoulli.logpmf(x, sigmoid(outputs)).sum(),
            "gaussian": stats.norm.logpdf(x, outputs).sum(),
        }[likelihood]
        np.testing.assert_allclose(found.log_likelihood[row], log_likelihood, rtol=1e-10)
        q, p = stats.norm(mean, scale), stats.norm(0, 1)
        divergence = integrate.quad(
            lambda z, q=q, p=p: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)),
            mean - 12 * scale,
            mean + 12 * scale,
        )[0]
        np.testing.assert_allclose(found.divergence[row], divergence, rtol=1e-7)


def test_a_key_draws_the_code_and_none_takes_its_mean(x64: None) -> None:
    model = VariationalAutoencoder((5, 3, 2), activation="tanh")
    params, rows = jax.tree.map(jnp.asarray, start(model)), jnp.asarray(normal(4, 5))
    mean, log_scale = model.encode(params, rows)
    noise = jax.random.normal(KEY, (4, 2), jnp.float32).astype(jnp.float64)
    for key, code in ((None, mean), (KEY, mean + jnp.exp(log_scale) * noise)):
        wanted = model.decoder.apply(params.decoder, code)
        np.testing.assert_allclose(model.apply(params, rows, key=key), wanted, rtol=1e-12)


# Sequences.


def by_hand(cell: str, layer: Any, inputs: Any) -> Any:
    """One recurrent layer, step by step: [batch, time, inputs] → [batch, time, units]."""
    weight, recurrent, bias = layer
    units = len(recurrent)
    state, states = np.zeros((len(inputs), units)), []
    for x in np.moveaxis(inputs, 1, 0):
        if cell == "tanh":
            state = np.tanh(x @ weight + state @ recurrent + bias)
        else:
            wr, wz, wn = np.split(weight, 3, axis=1)
            ur, uz, un = np.split(recurrent, 3, axis=1)
            br, bz, bn = np.split(bias, 3)
            r, z = sigmoid(x @ wr + state @ ur + br), sigmoid(x @ wz + state @ uz + bz)
            state = (1 - z) * np.tanh(x @ wn + r * (state @ un) + bn) + z * state
        states.append(state)
    return np.stack(states, axis=1)


@pytest.mark.parametrize("cell", ["tanh", "gru"])
def test_a_recurrent_network_goes_step_by_step(x64: None, cell: str) -> None:
    model = RNN((2, 3, 4, 3), cell)
    params, inputs = start(model), normal(2, 5, 2)
    signal = inputs
    for layer in params.layers:
        signal = by_hand(cell, layer, signal)
    wanted = signal @ params.dense.weight + params.dense.bias
    np.testing.assert_allclose(computed(model, params, inputs), wanted, rtol=1e-11)
    last = RNN((2, 3, 4, 3), cell, readout="last")
    np.testing.assert_allclose(computed(last, params, inputs), wanted[:, -1], rtol=1e-11)


def test_tokens_are_one_hot_vectors(x64: None) -> None:
    model, tokens = RNN((4, 3, 2)), RNG.integers(4, size=(2, 5))
    params = start(model)
    found = computed(model, params, tokens)
    np.testing.assert_allclose(found, computed(model, params, np.eye(4)[tokens]), rtol=1e-12)


@pytest.mark.parametrize(("cell", "gates"), [("tanh", 1), ("gru", 3)])
def test_recurrent_weights_start_orthogonal_gate_by_gate(cell: str, gates: int) -> None:
    (layer,) = jax.jit(RNN((2, 8, 1), cell).init)(KEY).layers
    blocks = np.split(np.asarray(layer.recurrent), gates, axis=1)
    assert len({block.tobytes() for block in blocks}) == gates
    for block in blocks:
        np.testing.assert_allclose(block.T @ block, np.eye(8), atol=1e-5)


def test_attention_is_that_of_jax(x64: None) -> None:
    queries, keys, values = (jnp.asarray(normal(2, 5, 2, 3)) for _ in range(3))
    wanted = jax.nn.dot_product_attention(queries, keys, values, is_causal=True)
    found = attend(queries, keys, values)
    # JAX takes its softmax in float32.
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_transformer_is_what_its_formula_says(x64: None) -> None:
    model = Transformer(5, 6, width=4, num_heads=2, num_blocks=2, activation="tanh")
    params, tokens = start(model), RNG.integers(5, size=(2, 4))

    def norm(layer: Norm, x: Any) -> Any:
        root = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return (x - x.mean(-1, keepdims=True)) / root * layer.scale + layer.bias

    wanted = []
    for row in tokens:
        x = params.tokens[row] + params.positions[:4]
        for block in params.blocks:
            signal = norm(block.attention_norm, x)
            qkv = signal @ block.queries_keys_values.weight + block.queries_keys_values.bias
            mixed = np.zeros_like(x)
            for head in range(2):
                part = slice(2 * head, 2 * head + 2)
                q, k, v = (m[:, part] for m in np.split(qkv, 3, axis=1))
                for i in range(4):
                    scores = np.exp(k[: i + 1] @ q[i] / np.sqrt(2))
                    mixed[i, part] = scores / scores.sum() @ v[: i + 1]
            x = x + mixed @ block.projection.weight + block.projection.bias
            hidden = np.tanh(norm(block.dense_norm, x) @ block.up.weight + block.up.bias)
            x = x + hidden @ block.down.weight + block.down.bias
        wanted.append(norm(params.norm, x) @ params.dense.weight + params.dense.bias)
    np.testing.assert_allclose(computed(model, params, tokens), wanted, rtol=1e-10, atol=1e-12)
