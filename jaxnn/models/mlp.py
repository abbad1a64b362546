"""The multi-layer perceptron: fully connected layers, one after the other.

    a₀ = x        z_k = a_{k−1} W_k + b_k        a_k = activation(z_k)        output = a_last

The last layer has its own activation, the identity by default, so that outputs are logits.
Reference: Rumelhart, Hinton, Williams 1986, Nature 323, "Learning representations by
back-propagating errors".
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxnn import activations, initializers
from jaxnn.errors import bad_type, bad_value, check_integer
from jaxnn.models.layers import Dense, Trace, dtype_name, forward
from jaxnn.typing import Array, Float, PRNGKeyArray

__all__ = ["MLP"]

_RECTIFIED = frozenset({"relu", "leaky_relu", "elu", "gelu", "silu", "softplus"})


def _table_name(function: object, table: dict[str, Callable[..., Array]]) -> object:
    """The name of a function that is in the table, so that both spellings are the same model."""
    return next((name for name, known in table.items() if known is function), function)


@dataclasses.dataclass(frozen=True)
class MLP:
    """A network of fully connected layers; the structure, hashable, without parameters.

    sizes: units of the inputs, of each hidden layer and of the outputs; two or more, each >= 1.
    activation, output_activation: a name of `activations.ACTIVATIONS` or a function.
    weight_init, bias_init: a name of `initializers.INITIALIZERS` or a function (key, shape) →
    array; "auto" is He for the ReLU family by name, LeCun for every other activation.
    dtype: of the parameters; None is JAX's default float. Values are drawn in float32, then cast.

    Functions that are in the tables are kept by name. Raises ValueError and TypeError for sizes,
    names and dtypes that do not exist.

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
    dtype: DTypeLike | None = None

    def __post_init__(self) -> None:
        if isinstance(self.sizes, str) or not isinstance(self.sizes, Sequence):
            raise bad_type("MLP", "sizes", "a tuple of integers", repr(self.sizes))
        sizes = tuple(check_integer("MLP", "sizes", n, low=1) for n in self.sizes)
        if len(sizes) < 2:
            fix = "Give the number of inputs and of outputs at least."
            raise bad_value("MLP", "sizes", "of two entries or more", sizes, fix)
        settled = {"sizes": sizes, "dtype": dtype_name("MLP", self.dtype)}
        for field in ("activation", "output_activation"):
            function = activations.get(getattr(self, field))
            settled[field] = _table_name(function, activations.ACTIVATIONS)
        for field in ("weight_init", "bias_init"):
            name = getattr(self, field)
            automatic = field == "weight_init" and name == "auto"
            function = name if automatic else initializers.get(name)
            settled[field] = _table_name(function, initializers.INITIALIZERS)
        for field, value in settled.items():
            object.__setattr__(self, field, value)

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
        automatic = "he_normal" if self.activation in _RECTIFIED else "lecun_normal"
        draw_weight = initializers.get(
            automatic if self.weight_init == "auto" else self.weight_init
        )
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

        `key` is ignored: nothing here is random. Raises TypeError where shapes do not fit.
        """
        del key
        return self.trace(params, inputs)[-1].activation

    def layers(self, params: tuple[Dense, ...]) -> tuple[Dense, ...]:
        """The parameters as dense layers: here they are just that."""
        return params

    def trace(self, params: tuple[Dense, ...], inputs: Float[Array, "*batch inputs"]) -> Trace:
        """What every layer computes on the way forward, first layer first."""
        functions = [self.activation_of(layer) for layer in range(self.num_layers)]
        return forward(params, functions, inputs, where="MLP")
