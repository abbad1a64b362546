"""Autoencoders: a code that is narrow, from which the inputs are to be restored.

    plain           outputs = decoder(encoder(x))
    variational     q(z|x) = N(mean, exp(2·log_scale)), both the encoder's; p(x|z) the decoder's;
                    log p(x) >= E_q log p(x|z) − KL(q(z|x) ‖ N(0, 1)),  z = mean + exp(log_scale) ε

References: Hinton, Salakhutdinov 2006, Science 313, "Reducing the dimensionality of data with
neural networks"; Kingma, Welling 2014, ICLR, "Auto-encoding variational Bayes", equation 3 and
appendix B; Rezende, Mohamed, Wierstra 2014, ICML, "Stochastic backpropagation and approximate
inference in deep generative models".
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxnn import losses
from jaxnn.errors import look_up
from jaxnn.models.layers import Dense, dtype_name
from jaxnn.models.mlp import MLP
from jaxnn.models.structure import (
    Activation,
    check_features,
    check_sizes,
    name_of_activation,
    settle,
)
from jaxnn.typing import Array, Float, PRNGKeyArray

__all__ = ["LIKELIHOODS", "Autoencoder", "Coder", "Evidence", "VariationalAutoencoder"]


class Coder(NamedTuple):
    """Parameters of both kinds."""

    encoder: tuple[Dense, ...]
    decoder: tuple[Dense, ...]


class Evidence(NamedTuple):
    """The parts of the evidence lower bound, log_likelihood − divergence, in nats."""

    log_likelihood: Float[Array, "*batch"]  # log p(x|z) at one z from q(z|x)
    divergence: Float[Array, "*batch"]  # KL(q(z|x) ‖ N(0, 1)), exactly


def _bernoulli(
    outputs: Float[Array, "*batch features"], inputs: Float[Array, "*batch features"]
) -> Float[Array, "*batch"]:
    return -jnp.sum(losses.sigmoid_binary_cross_entropy(outputs, inputs), axis=-1)


def _gaussian(
    outputs: Float[Array, "*batch features"], inputs: Float[Array, "*batch features"]
) -> Float[Array, "*batch"]:
    constant = 0.5 * math.log(2 * math.pi) * inputs.shape[-1]
    return -jnp.sum(losses.squared_error(outputs, inputs), axis=-1) - constant


LIKELIHOODS = {"bernoulli": _bernoulli, "gaussian": _gaussian}
"""log p(x|z) by name, from the decoder's outputs: logits of x in [0, 1]; means, with variance 1."""


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """A dense encoder and its mirror image; the structure, hashable, without parameters.

    sizes: units of the inputs, of the encoder's hidden layers and of the code, which is linear; the
    decoder has them the other way round.
    activation: of hidden layers. dtype: as for `MLP`, and so are the initial values.

    Outputs are linear: means, or the logits of inputs in [0, 1]. Raises ValueError and TypeError
    for sizes, names and dtypes that do not exist.

    >>> model = Autoencoder((64, 32, 8))
    >>> model.apply(model.init(jax.random.key(0)), jnp.ones((5, 64))).shape
    (5, 64)
    """

    sizes: tuple[int, ...]
    activation: Activation = "relu"
    dtype: DTypeLike | None = None

    def __post_init__(self) -> None:
        _settle("Autoencoder", self)

    @property
    def encoder(self) -> MLP:
        """From inputs to codes."""
        return MLP(self.sizes, self.activation, dtype=self.dtype)

    @property
    def decoder(self) -> MLP:
        """From codes to outputs."""
        return MLP(self.sizes[::-1], self.activation, dtype=self.dtype)

    def init(self, key: PRNGKeyArray) -> Coder:
        """Parameters of both halves, drawn with children of `key`."""
        encoder, decoder = jax.random.split(key)
        return Coder(self.encoder.init(encoder), self.decoder.init(decoder))

    def apply(
        self,
        params: Coder,
        inputs: Float[Array, "*batch inputs"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch inputs"]:
        """What is restored of a batch of inputs. `key` is ignored. Raises TypeError for shapes."""
        del key
        check_features("Autoencoder", inputs, self.sizes[:1])
        return self.decoder.apply(params.decoder, self.encoder.apply(params.encoder, inputs))


@dataclasses.dataclass(frozen=True)
class VariationalAutoencoder:
    """A dense encoder to a normal distribution of codes, a decoder from it; without parameters.

    sizes: units of the inputs, of the encoder's hidden layers and of the code; the decoder has them
    the other way round.
    likelihood: one of `LIKELIHOODS`: "bernoulli" for inputs in [0, 1], or "gaussian".
    activation, dtype, and what raises: as for `Autoencoder`.

    >>> model = VariationalAutoencoder((64, 32, 4))
    >>> params, noise = model.init(jax.random.key(0)), jnp.zeros((5, 4))
    >>> model.evidence(params, jnp.ones((5, 64)), noise).divergence.shape
    (5,)
    """

    sizes: tuple[int, ...]
    likelihood: str = "bernoulli"
    activation: Activation = "relu"
    dtype: DTypeLike | None = None

    def __post_init__(self) -> None:
        _settle("VariationalAutoencoder", self)
        look_up("VariationalAutoencoder", "likelihood", self.likelihood, LIKELIHOODS)

    @property
    def encoder(self) -> MLP:
        """From inputs to means and log scales, one after the other."""
        *sizes, code = self.sizes
        return MLP((*sizes, 2 * code), self.activation, dtype=self.dtype)

    @property
    def decoder(self) -> MLP:
        """From codes to outputs."""
        return MLP(self.sizes[::-1], self.activation, dtype=self.dtype)

    def init(self, key: PRNGKeyArray) -> Coder:
        """Parameters of both halves, drawn with children of `key`."""
        encoder, decoder = jax.random.split(key)
        return Coder(self.encoder.init(encoder), self.decoder.init(decoder))

    def encode(
        self, params: Coder, inputs: Float[Array, "*batch inputs"]
    ) -> tuple[Float[Array, "*batch code"], Float[Array, "*batch code"]]:
        """Means and log scales of q(z|x). Raises TypeError for inputs of other shapes."""
        check_features("VariationalAutoencoder", inputs, self.sizes[:1])
        mean, log_scale = jnp.split(self.encoder.apply(params.encoder, inputs), 2, axis=-1)
        return mean, log_scale

    def apply(
        self,
        params: Coder,
        inputs: Float[Array, "*batch inputs"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch inputs"]:
        """What is restored: from the mean code, or with `key` from a code drawn from q(z|x)."""
        mean, log_scale = self.encode(params, inputs)
        noise = jnp.zeros_like(mean) if key is None else self.noise(key, mean)
        return self.decoder.apply(params.decoder, mean + jnp.exp(log_scale) * noise)

    def noise(self, key: PRNGKeyArray, like: Float[Array, "*batch code"]) -> Array:
        """ε of the reparametrisation z = mean + scale · ε: N(0, 1), drawn in float32, then cast."""
        return jax.random.normal(key, like.shape, jnp.float32).astype(like.dtype)

    def evidence(
        self,
        params: Coder,
        inputs: Float[Array, "*batch inputs"],
        noise: Float[Array, "*batch code"],
    ) -> Evidence:
        """The parts of the lower bound for each input, at the code that belongs to `noise`.

        With noise from N(0, 1) their difference is an unbiased estimate of the bound, and its
        gradient one of the bound's.
        """
        mean, log_scale = self.encode(params, inputs)
        outputs = self.decoder.apply(params.decoder, mean + jnp.exp(log_scale) * noise)
        # KL = ½ Σ (mean² + scale² − 1 − 2 log scale); expm1 keeps it from cancelling near 0.
        terms = mean * mean + jnp.expm1(2 * log_scale) - 2 * log_scale
        log_likelihood = LIKELIHOODS[self.likelihood](outputs, inputs)
        return Evidence(log_likelihood, 0.5 * jnp.sum(terms, axis=-1))


def _settle(where: str, model: Autoencoder | VariationalAutoencoder) -> None:
    settle(
        model,
        sizes=check_sizes(where, "sizes", model.sizes, least=2, fix="Give inputs and code."),
        activation=name_of_activation(model.activation),
        dtype=dtype_name(where, model.dtype),
    )
