"""Convolutional networks: a plain one, and one of residual blocks with normalisation.

    plain       convolution, activation, …, then dense layers on all that is left
    residual    a convolution, then blocks x + conv(act(norm(conv(act(norm(x)))))), then the mean
                over the image and a dense layer

Strides take the place of pooling.
References: Springenberg, Dosovitskiy, Brox, Riedmiller 2015, ICLR workshop, "Striving for
simplicity: the all convolutional net"; He, Zhang, Ren, Sun 2016, ECCV, "Identity mappings in deep
residual networks", figure 1b.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxnn import activations
from jaxnn.errors import bad_value, check_integer
from jaxnn.models.convolution import Conv, Norm, conv, convolve, group_norm, norm, output_length
from jaxnn.models.layers import Dense, dtype_name
from jaxnn.models.mlp import MLP
from jaxnn.models.structure import (
    Activation,
    affine,
    check_features,
    check_sizes,
    dense,
    name_of_activation,
    settle,
)
from jaxnn.typing import Array, Float, PRNGKeyArray

__all__ = ["CNN", "CNNParams", "ResidualBlock", "ResidualCNN", "ResidualParams"]

_IMAGE = "Give height, width and channels."


class CNNParams(NamedTuple):
    """Parameters of a `CNN`."""

    convolutions: tuple[Conv, ...]
    dense: tuple[Dense, ...]


@dataclasses.dataclass(frozen=True)
class CNN:
    """Convolutions with strides, then dense layers; the structure, hashable, without parameters.

    image: height, width and channels of an input.
    channels: of each convolution, one or more.
    strides: of each convolution; one of s leaves ⌈n/s⌉ of n pixels.
    sizes: units of the dense layers, the last being the outputs.
    kernel_size: pixels on a side of every kernel.
    activation: a name of `activations.ACTIVATIONS` or a function; the outputs are logits.
    dtype: of the parameters; None is JAX's default float. Weights start as He's for the ReLU family
    by name, LeCun's for others, drawn in float32, then cast; biases at 0.

    Raises ValueError and TypeError for sizes, names and dtypes that do not exist.

    >>> model = CNN((8, 8, 1), channels=(4, 8), strides=(2, 2), sizes=(10,))
    >>> model.apply(model.init(jax.random.key(0)), jnp.ones((5, 8, 8, 1))).shape
    (5, 10)
    """

    image: tuple[int, int, int]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    sizes: tuple[int, ...]
    kernel_size: int = 3
    activation: Activation = "relu"
    dtype: DTypeLike | None = None

    def __post_init__(self) -> None:
        image = check_sizes("CNN", "image", self.image, exactly=3, fix=_IMAGE)
        channels = check_sizes("CNN", "channels", self.channels, least=1)
        sizes = check_sizes("CNN", "sizes", self.sizes, least=1, fix="Give the outputs at least.")
        fix = "Give one for each convolution."
        strides = check_sizes("CNN", "strides", self.strides, exactly=len(channels), fix=fix)
        settle(
            self,
            image=image,
            channels=channels,
            sizes=sizes,
            strides=strides,
            kernel_size=check_integer("CNN", "kernel_size", self.kernel_size, low=1),
            activation=name_of_activation(self.activation),
            dtype=dtype_name("CNN", self.dtype),
        )

    @property
    def head(self) -> MLP:
        """The dense layers, as a model of what the convolutions leave."""
        height, width, _ = self.image
        for stride in self.strides:
            height, width = output_length(height, stride), output_length(width, stride)
        features = height * width * self.channels[-1]
        return MLP((features, *self.sizes), self.activation, dtype=self.dtype)

    def init(self, key: PRNGKeyArray) -> CNNParams:
        """Parameters of all layers, drawn with children of `key`."""
        *keys, last = jax.random.split(key, len(self.channels) + 1)
        inputs = (self.image[2], *self.channels)
        convolutions = tuple(
            conv(k, self.kernel_size, n, m, self.activation, self.dtype)
            for k, n, m in zip(keys, inputs, self.channels, strict=False)
        )
        return CNNParams(convolutions, self.head.init(last))

    def apply(
        self,
        params: CNNParams,
        inputs: Float[Array, "*batch height width channels"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch outputs"]:
        """Logits for a batch of images. `key` is ignored. Raises TypeError for other shapes."""
        del key
        check_features("CNN", inputs, self.image)
        act, signal = activations.get(self.activation), inputs
        for layer, stride in zip(params.convolutions, self.strides, strict=True):
            signal = act(convolve(layer, signal, stride=stride))
        return self.head.apply(params.dense, signal.reshape(*signal.shape[:-3], -1))


class ResidualBlock(NamedTuple):
    """Parameters of x + second(act(second_norm(first(act(first_norm(x))))))."""

    first_norm: Norm
    first: Conv
    second_norm: Norm
    second: Conv


class ResidualParams(NamedTuple):
    """Parameters of a `ResidualCNN`."""

    stem: Conv
    blocks: tuple[ResidualBlock, ...]
    norm: Norm
    dense: Dense


@dataclasses.dataclass(frozen=True)
class ResidualCNN:
    """Pre-activated residual blocks with group normalisation; hashable, without parameters.

    image: height, width and channels of an input.
    channels: of the first convolution and of every block.
    num_blocks: of two convolutions each. num_outputs: of the dense layer.
    groups: of channels that are normalised together, a divisor of `channels`; 1 is layer
    normalisation.
    stride: of the first convolution; the blocks keep the size that it leaves.
    kernel_size, activation, dtype: as for `CNN`, and so are the initial weights; normalisations
    start with scale 1 and bias 0.

    Raises ValueError and TypeError for sizes, names and dtypes that do not exist.

    >>> model = ResidualCNN((8, 8, 1), channels=8, num_blocks=2, num_outputs=10)
    >>> model.apply(model.init(jax.random.key(0)), jnp.ones((5, 8, 8, 1))).shape
    (5, 10)
    """

    image: tuple[int, int, int]
    channels: int
    num_blocks: int
    num_outputs: int
    groups: int = 1
    stride: int = 2
    kernel_size: int = 3
    activation: Activation = "relu"
    dtype: DTypeLike | None = None

    def __post_init__(self) -> None:
        where = "ResidualCNN"
        numbers = ("channels", "num_blocks", "num_outputs", "groups", "stride", "kernel_size")
        settle(
            self,
            image=check_sizes(where, "image", self.image, exactly=3, fix=_IMAGE),
            **{name: check_integer(where, name, getattr(self, name), low=1) for name in numbers},
            activation=name_of_activation(self.activation),
            dtype=dtype_name(where, self.dtype),
        )
        if self.channels % self.groups:
            fix = "Pass 1 for layer normalisation."
            wanted = f"a divisor of the {self.channels} channels"
            raise bad_value(where, "groups", wanted, self.groups, fix)

    def init(self, key: PRNGKeyArray) -> ResidualParams:
        """Parameters of all layers, drawn with children of `key`."""
        stem, last, *keys = jax.random.split(key, 2 + 2 * self.num_blocks)
        blocks = tuple(
            ResidualBlock(self._norm(), self._conv(first), self._norm(), self._conv(second))
            for first, second in zip(keys[::2], keys[1::2], strict=True)
        )
        return ResidualParams(
            self._conv(stem, self.image[2]),
            blocks,
            self._norm(),
            dense(last, self.channels, self.num_outputs, "identity", self.dtype),
        )

    def apply(
        self,
        params: ResidualParams,
        inputs: Float[Array, "*batch height width channels"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch outputs"]:
        """Logits for a batch of images. `key` is ignored. Raises TypeError for other shapes."""
        del key
        check_features("ResidualCNN", inputs, self.image)
        signal = convolve(params.stem, inputs, stride=self.stride)
        for block in params.blocks:
            inner = convolve(block.first, self._ready(block.first_norm, signal))
            signal = signal + convolve(block.second, self._ready(block.second_norm, inner))
        return affine(params.dense, jnp.mean(self._ready(params.norm, signal), axis=(-3, -2)))

    def _ready(self, layer: Norm, signal: Array) -> Array:
        """Normalised, then activated."""
        return activations.get(self.activation)(group_norm(layer, signal, groups=self.groups))

    def _norm(self) -> Norm:
        return norm(self.channels, self.dtype)

    def _conv(self, key: PRNGKeyArray, inputs: int | None = None) -> Conv:
        inputs = inputs or self.channels
        return conv(key, self.kernel_size, inputs, self.channels, self.activation, self.dtype)
