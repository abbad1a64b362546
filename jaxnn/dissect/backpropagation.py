"""Backpropagation, layer by layer and unit by unit, as a reader would do it by hand.

    forward    z_k = a_{k−1} W_k + b_k       a_k = f_k(z_k)                the functional signal
    backward   δ_last = f'(z_last) · ∂E/∂a   δ_k = f'(z_k) · δ_{k+1} W_{k+1}ᵀ   the error signal
    gradients  ∂E/∂W_k = a_{k−1}ᵀ δ_k        ∂E/∂b_k = Σ δ_k over the examples

Only the derivative of each activation, and of the loss by the outputs, is asked of JAX; the result
equals `jax.grad` to rounding.
Reference: Rumelhart, Hinton, Williams 1986, Nature 323, "Learning representations by
back-propagating errors".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn import losses
from jaxnn.dissect.layered import check_layered
from jaxnn.errors import bad_type, check_integer
from jaxnn.models import Dense
from jaxnn.typing import Array, ArrayLike, Float, Params, Shaped

__all__ = ["Backprop", "LayerSignals", "as_table", "backprop"]


class LayerSignals(NamedTuple):
    """Both phases of one layer."""

    inputs: Float[Array, "*batch inputs"]
    pre_activation: Float[Array, "*batch units"]  # z
    activation: Float[Array, "*batch units"]  # a
    error: Float[Array, "*batch units"]  # δ = ∂E/∂z
    params: Dense
    gradients: Dense  # ∂E/∂W and ∂E/∂b, over all examples


class Backprop(NamedTuple):
    """Both phases of a model on some examples."""

    loss: Float[Array, ""]
    layers: tuple[LayerSignals, ...]  # first layer first
    gradients: Params  # of the loss, like the parameters


def backprop(
    model: Any,
    params: Params,
    inputs: Float[Array, "*batch inputs"],
    targets: Shaped[ArrayLike, ...],
    loss: str | Callable[[Array, Array], Array],
) -> Backprop:
    """Both phases for a model of dense layers, written out.

    loss: a name of `losses.LOSSES` or a function of (outputs, targets). E is the mean of what it
    returns: of the examples' losses, or a scalar as it is. Targets without the axis of a single
    output meet outputs without it.
    Pure: under `jax.jit`, `model` and `loss` are static. Raises TypeError for other models and for
    shapes that do not fit.
    """
    check_layered("backprop", model)
    loss_fn = losses.get(loss)
    layers = model.layers(params)
    inputs = jnp.asarray(inputs).astype(layers[0].weight.dtype)
    trace = model.trace(params, inputs)
    signals_in = [inputs, *(layer.activation for layer in trace[:-1])]
    value, signal = jax.value_and_grad(_mean_loss)(trace[-1].activation, targets, loss_fn)
    backward = []
    for number in reversed(range(len(layers))):
        before, after = trace[number]
        _, pull_back = jax.vjp(model.activation_of(number), before)
        (error,) = pull_back(signal)
        gradients = _gradients(signals_in[number], error)
        backward.append(
            LayerSignals(signals_in[number], before, after, error, layers[number], gradients)
        )
        signal = jnp.dot(error, layers[number].weight.T)
    signals = tuple(reversed(backward))
    _, pull_back = jax.vjp(model.layers, params)
    (as_params,) = pull_back(tuple(layer.gradients for layer in signals))
    return Backprop(value, signals, as_params)


def _mean_loss(
    outputs: Array, targets: ArrayLike, loss_fn: Callable[..., Array]
) -> Float[Array, ""]:
    if outputs.shape[-1] == 1 and outputs.ndim == jnp.ndim(targets) + 1:
        outputs = outputs[..., 0]
    return jnp.mean(loss_fn(outputs, targets))


def _gradients(inputs: Float[Array, "*batch inputs"], error: Float[Array, "*batch units"]) -> Dense:
    rows = inputs.reshape(-1, inputs.shape[-1])
    errors = error.reshape(-1, error.shape[-1])
    return Dense(jnp.dot(rows.T, errors), jnp.sum(errors, axis=0))


def as_table(trace: Backprop, *, example: int = 0) -> list[dict[str, Any]]:
    """One row a unit, in plain numbers, to print or to load into a data frame.

    Layers and units count from 1. `pre_activation`, `activation` and `error` are those of the row
    `example` of the batch; the gradients are of the loss over all of it.
    Raises ValueError for a row that is not there, TypeError for a batch of traces.
    """
    if jnp.ndim(trace.loss):
        fix = "Take one of the batch: jax.tree.map(lambda x: x[0], trace)."
        raise bad_type("as_table", "trace", "of one model", f"shape {trace.loss.shape}", fix)
    num_units = trace.layers[0].error.shape[-1]
    num_examples = trace.layers[0].error.size // num_units
    check_integer("as_table", "example", example, low=0, high=num_examples - 1)
    table = []
    for number, layer in enumerate(trace.layers, start=1):
        flat = (layer.pre_activation, layer.activation, layer.error)
        z, a, delta = (np.asarray(x).reshape(-1, x.shape[-1])[example].tolist() for x in flat)
        weights, slopes = (np.asarray(x.weight).T.tolist() for x in (layer.params, layer.gradients))
        biases, drifts = (np.asarray(x.bias).tolist() for x in (layer.params, layer.gradients))
        table += [
            {
                "layer": number,
                "unit": unit + 1,
                "pre_activation": z[unit],
                "activation": a[unit],
                "error": delta[unit],
                "weights": weights[unit],
                "weight_gradients": slopes[unit],
                "bias": biases[unit],
                "bias_gradient": drifts[unit],
            }
            for unit in range(len(z))
        ]
    return table
