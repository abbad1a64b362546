"""Handwritten digits once more: by convolutions, through a bottleneck, as samples of a model.

    digits_cnn           two convolutions, a dense layer: which of ten is it?
    digits_residual      residual blocks with normalisation: likewise
    digits_autoencoder   64-32-16-8-16-32-64: how well is the image restored?
    digits_vae           64-32-4-32-64: how likely is the image?

1,797 images of 8 × 8 pixels in [0, 1] from scikit-learn, split as for `digits`: 70 : 15 : 15 by a
fixed seed, class by class. Images to restore are Bernoulli probabilities, losses the cross-entropy
of all 64 pixels in nats, at best 13.7, the entropy of the grey values.
References: Alpaydin, Kaynak 1998, UCI Machine Learning Repository; Martens 2010, ICML, "Deep
learning via Hessian-free optimization", section 6.2 (deep autoencoders as a test of optimizers);
Schneider, Balles, Hennig 2019, ICLR, "DeepOBS" (variational autoencoders and residual networks).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnn import losses
from jaxnn.errors import bad_value, check_seed
from jaxnn.models import CNN, Autoencoder, ResidualCNN, VariationalAutoencoder
from jaxnn.problems.base import Batch, Supervised, Target
from jaxnn.problems.data import assemble, split_rows
from jaxnn.problems.real import load
from jaxnn.problems.rowwise import RowWise, place
from jaxnn.typing import Array, Float, Params, PRNGKeyArray

__all__ = ["Noisy", "digits_autoencoder", "digits_cnn", "digits_residual", "digits_vae"]

_SHAPE = (8, 8, 1)


def digits_cnn(
    *,
    channels: tuple[int, ...] = (8, 16),
    strides: tuple[int, ...] = (2, 2),
    activation: str = "relu",
    seed: int = 0,
) -> Supervised:
    """Digits by a convolutional network: which of ten is it?

    channels, strides: of each convolution. seed: of the split, in [0, 2³²).
    """
    model = CNN(_SHAPE, channels, strides, (10,), activation=activation)
    return _classes("digits_cnn", model, seed, Target("accuracy", 0.95))


def digits_residual(
    *,
    channels: int = 8,
    num_blocks: int = 2,
    groups: int = 1,
    activation: str = "silu",
    seed: int = 0,
) -> Supervised:
    """Digits by a residual network with normalisation: which of ten is it?

    channels, num_blocks, groups: as for `ResidualCNN`. seed: of the split, in [0, 2³²).
    """
    model = ResidualCNN(_SHAPE, channels, num_blocks, 10, groups=groups, activation=activation)
    return _classes("digits_residual", model, seed, Target("accuracy", 0.95))


def digits_autoencoder(
    *, sizes: tuple[int, ...] = (64, 32, 16, 8), activation: str = "tanh", seed: int = 0
) -> RowWise:
    """Digits through a bottleneck: how well is the image restored?

    sizes: 64 inputs, hidden layers, code; the decoder mirrors them. seed: of the split.
    Metrics are the cross-entropy of the 64 pixels and their mean squared error.
    """
    model = Autoencoder(sizes, activation)
    return _restoring("digits_autoencoder", model, seed, Target("loss", 22.0, "min"))


def digits_vae(
    *, sizes: tuple[int, ...] = (64, 32, 4), activation: str = "tanh", seed: int = 0
) -> RowWise:
    """Digits as samples of a model: the negative evidence lower bound, in nats.

    Arguments as for `digits_autoencoder`. Training draws the noise of the reparametrisation afresh
    at every step; without a key each row has noise of its own, drawn once, so that everybody is
    measured by the same estimate. Metrics are the bound and its part "divergence".
    """
    model = VariationalAutoencoder(sizes, "bernoulli", activation)
    return _restoring("digits_vae", model, seed, Target("loss", 27.0, "min"))


class Noisy(NamedTuple):
    """Images, and the noise that measures each without a key."""

    inputs: Float[Array, "rows features"]
    noise: Float[Array, "rows code"]


def _digits() -> tuple[NDArray, NDArray]:
    """Images [rows, 64] in [0, 1] and labels [rows]."""
    images, labels = load("load_digits")
    return images / 16, labels


def _classes(name: str, model: Any, seed: int, target: Target) -> Supervised:
    images, labels = _digits()
    rows = split_rows(len(images), check_seed(name, seed), labels=labels)
    return assemble(name, images.reshape(-1, *_SHAPE), labels, model, rows, target=target)


def _restoring(name: str, model: Any, seed: int, target: Target) -> RowWise:
    images, labels = _digits()
    if model.sizes[0] != images.shape[1]:
        fix = "Change the first of its sizes."
        raise bad_value(name, "sizes", "for 64 inputs, the pixels", model.sizes[0], fix)
    rows = split_rows(len(images), check_seed(name, seed), labels=labels)
    if isinstance(model, Autoencoder):
        parts = [Batch(place(images[part]), place(images[part])) for part in rows]
        row_fn = restoration
    else:
        noise = np.random.default_rng(seed).normal(size=(len(images), model.sizes[-1]))
        parts = [Noisy(place(images[part]), place(noise[part])) for part in rows]
        row_fn = lower_bound
    train, validation, test = parts
    return RowWise(
        train=train,
        validation=validation,
        test=test,
        name=name,
        model=model,
        row_fn=row_fn,
        target=target,
    )


def restoration(
    model: Any, params: Params, batch: Batch, key: PRNGKeyArray | None
) -> dict[str, Array]:
    """Cross-entropy of all pixels and their mean squared error, by row."""
    outputs = model.apply(params, batch.inputs, key=key)
    errors = jax.nn.sigmoid(outputs) - batch.targets
    return {
        "loss": jnp.sum(losses.sigmoid_binary_cross_entropy(outputs, batch.targets), axis=1),
        "squared_error": jnp.mean(errors * errors, axis=1),
    }


def lower_bound(
    model: VariationalAutoencoder, params: Params, batch: Noisy, key: PRNGKeyArray | None
) -> dict[str, Array]:
    """Minus the evidence lower bound, and its divergence, by row."""
    noise = batch.noise if key is None else model.noise(key, batch.noise)
    log_likelihood, divergence = model.evidence(params, batch.inputs, noise)
    return {"loss": divergence - log_likelihood, "divergence": divergence}
