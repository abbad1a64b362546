"""Recurrent networks: the same units at every step of a sequence, with what they were before.

    tanh    h ← tanh(x W + h U + b)
    gru     r = σ(x W_r + h U_r + b_r)        z = σ(x W_z + h U_z + b_z)
            h ← (1 − z) tanh(x W_n + r ∘ (h U_n) + b_n) + z h

h is 0 before the first step. The reset gate acts behind the product, as in cuDNN and Flax, not
before it as in the paper.
References: Elman 1990, Cognitive Science 14, "Finding structure in time"; Cho et al. 2014, EMNLP,
"Learning phrase representations using RNN encoder-decoder for statistical machine translation".
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxnn.errors import bad_type, look_up
from jaxnn.initializers import glorot_uniform, orthogonal
from jaxnn.models.layers import Dense, dtype_name
from jaxnn.models.structure import affine, check_sizes, dense, settle
from jaxnn.typing import Array, Float, PRNGKeyArray, Shaped

__all__ = ["CELLS", "RNN", "RNNParams", "Recurrent"]


class Recurrent(NamedTuple):
    """Parameters of one recurrent layer; the gates r, z, n of a GRU lie side by side."""

    inputs: Float[Array, "inputs gates*units"]
    recurrent: Float[Array, "units gates*units"]
    bias: Float[Array, " gates*units"]


class RNNParams(NamedTuple):
    """Parameters of an `RNN`."""

    layers: tuple[Recurrent, ...]
    dense: Dense


def _tanh(state: Array, driven: Array, recurrent: Array) -> Array:
    return jnp.tanh(driven + jnp.dot(state, recurrent))


def _gru(state: Array, driven: Array, recurrent: Array) -> Array:
    units = state.shape[-1]
    product = jnp.dot(state, recurrent)
    gates = jax.nn.sigmoid(driven[..., : 2 * units] + product[..., : 2 * units])
    reset, update = gates[..., :units], gates[..., units:]
    proposed = jnp.tanh(driven[..., 2 * units :] + reset * product[..., 2 * units :])
    return proposed + update * (state - proposed)


class Cell(NamedTuple):
    """A kind of recurrent layer: what it does at a step, and how many gates it has."""

    step: Callable[[Array, Array, Array], Array]  # (state, x W + b, U) → next state
    gates: int


CELLS = {"tanh": Cell(_tanh, 1), "gru": Cell(_gru, 3)}
"""Kinds of recurrent layers by name."""


@dataclasses.dataclass(frozen=True)
class RNN:
    """Recurrent layers, then a dense one; the structure, hashable, without parameters.

    sizes: of the inputs, the units of each recurrent layer, and the outputs.
    cell: one of `CELLS`.
    readout: "all" gives outputs at every step, "last" after the last one only.
    dtype: of the parameters; None is JAX's default float. Recurrent weights start orthogonal, gate
    by gate, those of inputs as Glorot's, biases at 0; drawn in float32, then cast.

    Inputs are numbers [..., time, inputs], or integers [..., time] from 0 to inputs − 1, which
    stand for one-hot vectors; others stand for 0. Raises ValueError and TypeError for what does not
    exist or fit.

    >>> model = RNN((27, 16, 27), cell="gru")
    >>> model.apply(model.init(jax.random.key(0)), jnp.ones((5, 12), int)).shape
    (5, 12, 27)
    """

    sizes: tuple[int, ...]
    cell: str = "tanh"
    readout: str = "all"
    dtype: DTypeLike | None = None

    def __post_init__(self) -> None:
        fix = "Give inputs, units and outputs."
        look_up("RNN", "cell", self.cell, CELLS)
        look_up("RNN", "readout", self.readout, {"all": None, "last": None})
        settle(
            self,
            sizes=check_sizes("RNN", "sizes", self.sizes, least=3, fix=fix),
            dtype=dtype_name("RNN", self.dtype),
        )

    def init(self, key: PRNGKeyArray) -> RNNParams:
        """Parameters of all layers, drawn with children of `key`."""
        *hidden, outputs = self.sizes
        *keys, last = jax.random.split(key, len(hidden))
        layers = tuple(
            self._layer(k, n, m) for k, (n, m) in zip(keys, itertools.pairwise(hidden), strict=True)
        )
        return RNNParams(layers, dense(last, hidden[-1], outputs, "identity", self.dtype))

    def _layer(self, key: PRNGKeyArray, inputs: int, units: int) -> Recurrent:
        gates = CELLS[self.cell].gates
        keys = jax.random.split(key, 2 * gates)
        first = [glorot_uniform(k, (inputs, units)) for k in keys[:gates]]
        second = [orthogonal(k, (units, units)) for k in keys[gates:]]
        dtype = self.dtype or jnp.result_type(float)
        return Recurrent(
            jnp.concatenate(first, axis=1).astype(dtype),
            jnp.concatenate(second, axis=1).astype(dtype),
            jnp.zeros(gates * units, dtype),
        )

    def apply(
        self,
        params: RNNParams,
        inputs: Shaped[Array, "*batch time inputs"] | Shaped[Array, "*batch time"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch time outputs"] | Float[Array, "*batch outputs"]:
        """The outputs for a batch of sequences. `key` is ignored. Raises TypeError for shapes."""
        del key
        signal = jnp.moveaxis(self._vectors(inputs, params.dense.weight.dtype), -2, 0)
        for layer in params.layers:
            signal = self._states(layer, signal)
        if self.readout == "last":
            return affine(params.dense, signal[-1])
        return jnp.moveaxis(affine(params.dense, signal), 0, -2)

    def _states(self, layer: Recurrent, signal: Array) -> Array:
        """[time, ..., units]: what the units were after every step."""
        # What the inputs contribute is one product for all steps.
        driven = affine(Dense(layer.inputs, layer.bias), signal)
        step = CELLS[self.cell].step

        def advance(state: Array, driven: Array) -> tuple[Array, Array]:
            state = step(state, driven, layer.recurrent)
            return state, state

        start = jnp.zeros((*driven.shape[1:-1], len(layer.recurrent)), driven.dtype)
        return jax.lax.scan(advance, start, driven)[1]

    def _vectors(self, inputs: Array, dtype: DTypeLike) -> Array:
        shape, num_inputs = jnp.shape(inputs), self.sizes[0]
        tokens = jnp.issubdtype(jnp.result_type(inputs), jnp.integer)
        fits = len(shape) >= 1 if tokens else len(shape) >= 2 and shape[-1] == num_inputs
        if not fits or 0 in shape:
            wanted = f"numbers of shape (..., time, {num_inputs}) or integers of shape (..., time)"
            raise bad_type("RNN", "inputs", wanted, f"{jnp.result_type(inputs)} of shape {shape}")
        return jax.nn.one_hot(inputs, num_inputs, dtype=dtype) if tokens else inputs
