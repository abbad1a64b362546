"""The multi-layer perceptron: fully connected layers, one after the other.

    a₀ = x        z_k = a_{k−1} W_k + b_k        a_k = activation(z_k)        output = a_last

The last layer has its own activation, the identity by default, so that outputs are logits.
Reference: Rumelhart, Hinton, Williams 1986, Nature 323, "Learning representations by back-propagating
errors".
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import activations, initializers
from jaxnn.errors import bad_type, bad_value, check_integer
from jaxnn.typing import Array, Float, PRNGKeyArray

__all__ = ["MLP", "Dense", "Layer", "Trace"]


class Dense(NamedTuple):
    """Parameters of one layer."""

    weight: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]


class Layer(NamedTuple):
    """What one layer computed."""

    pre_activation: Float[Array, "*batch units"]
    activation: Float[Array, "*batch units"]


Trace = tuple[Layer, ...]


@dataclasses.dataclass(frozen=True)
class MLP:
    """A network of fully connected layers; the structure, hashable, without parameters.

    sizes: units of the inputs, of each hidden layer and of the outputs; two or more, each >= 1.
    activation, output_activation: a name of `activations.ACTIVATIONS` or an elementwise function.
    weight_init, bias_init: a name of `initializers.INITIALIZERS` or a function (key, shape) → array;
    "auto" is He for the ReLU family, LeCun for the others.
    dtype: of the parameters; None is JAX's default float. Values are drawn in float32, then cast.

    Raises ValueError and TypeError for sizes and names that do not exist.

    >>> model = MLP((2, 3, 1), activation="tanh")
    >>> params = model.init(jax.random.key(0))
    >>> model.apply(params, jnp.ones((5, 2))).shape
    (5, 1)
    """

    sizes: tuple[int, ...]
    activation: str | Callable[[Array], Array] = "relu"
    output_activation: str | Callable[[Array], Array] = "identity"
    weight_init: str | Callable[..., Array] = "auto"
    bias_init: str | Callable[..., Array] = "zeros"
    dtype: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.sizes, str) or not isinstance(self.sizes, Sequence):
            raise bad_type("MLP", "sizes", "a tuple of integers", repr(self.sizes))
        sizes = tuple(check_integer("MLP", "sizes", n, low=1) for n in self.sizes)
        if len(sizes) < 2:
            fix = "Give the number of inputs and of outputs at least."
            raise bad_value("MLP", "sizes", "of two entries or more", sizes, fix)
        object.__setattr__(self, "sizes", sizes)
        activations.get(self.activation)
        activations.get(self.output_activation)
        initializers.get(self._weight_init_name)
        initializers.get(self.bias_init)

    @property
    def _weight_init_name(self) -> str | Callable[..., Array]:
        if self.weight_init != "auto":
            return self.weight_init
        rectified = {"relu", "leaky_relu", "elu", "gelu", "silu", "softplus"}
        return "he_normal" if self.activation in rectified else "lecun_normal"

    @property
    def num_layers(self) -> int:
        """The number of layers with parameters."""
        return len(self.sizes) - 1

    def activation_of(self, layer: int) -> Callable[[Array], Array]:
        """The activation function of layer 0, 1, … num_layers − 1."""
        last = layer == self.num_layers - 1
        return activations.get(self.output_activation if last else self.activation)

    def init(self, key: PRNGKeyArray) -> tuple[Dense, ...]:
        """Parameters of all layers, drawn with children of `key`, one a layer."""
        draw_weight = initializers.get(self._weight_init_name)
        draw_bias = initializers.get(self.bias_init)
        dtype = self.dtype or jnp.result_type(float)
        layers = []
        for number, (inputs, outputs) in enumerate(itertools.pairwise(self.sizes)):
            weight_key, bias_key = jax.random.split(jax.random.fold_in(key, number))
            weight = draw_weight(weight_key, (inputs, outputs)).astype(dtype)
            layers.append(Dense(weight, draw_bias(bias_key, (outputs,)).astype(dtype)))
        return tuple(layers)

    def apply(
        self,
        params: tuple[Dense, ...],
        inputs: Float[Array, "*batch inputs"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch outputs"]:
        """The outputs (logits, unless there is an output activation) for a batch of inputs.

        `key` is ignored: nothing here is random.
        """
        del key
        return self.trace(params, inputs)[-1].activation

    def trace(self, params: tuple[Dense, ...], inputs: Float[Array, "*batch inputs"]) -> Trace:
        """What every layer computes on the way forward, first layer first."""
        layers, signal = [], inputs
        for number, (weight, bias) in enumerate(params):
            product = jnp.dot(signal, weight)
            before = product + jnp.broadcast_to(bias, product.shape)
            signal = self.activation_of(number)(before)
            layers.append(Layer(before, signal))
        return tuple(layers)
