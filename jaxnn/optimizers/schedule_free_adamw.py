"""Schedule-free AdamW: its steps without their momentum, evaluated at the steps' weighted mean.

    v ← b2·v + (1 − b2)·g²          t ← t + 1
    d = −learning_rate · ( g / (√(v/(1 − b2ᵗ)) + eps) + weight_decay·y )          z ← z + d
    w = learning_rate^weight_lr_power          c = w/Σw          x ← (1 − c)·x + c·z
    y ← b1·x + (1 − b1)·z

Gradients are taken at y, which is what training moves; the model is evaluated at x, which
`evaluation_params` gives: x = (y − (1 − b1)·z)/b1. The place between takes the part of momentum.
Over the first warmup_steps the rate rises from 0: the step d has t − 1 of them behind it, its
weight, which counts the largest rate so far, t, as in Optax. So the first d of a warm-up is 0.
flavor="keras": d of a warm-up has t steps of it behind it, all steps weigh the same, by default,
and instead of z it is y that decays, by learning_rate·weight_decay·y, before all else.
Reference: Defazio, Yang, Mehta, Mishchenko, Khaled, Cutkosky 2024, NeurIPS, "The Road Less
Scheduled", algorithm 1. Agrees with `optax.contrib.schedule_free_adamw` and its
schedule_free_eval_params; with Keras in its flavour.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import _schedule_free
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Fraction, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "evaluation_params", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 2.5e-3
    warmup_steps: NonNegative = 0.0
    b1: _schedule_free.Nearness = 0.9  # how near the gradients are taken to the mean
    b2: Fraction = 0.999  # decay of the mean of squares
    eps: Positive = 1e-8
    weight_decay: NonNegative = 0.0  # per step and unit of rate
    weight_lr_power: NonNegative = 2.0  # of the rate in the weight of a step


class State(NamedTuple):
    """The points, and the mean of squares; like the parameters and at least float32."""

    average: _schedule_free.Average
    mean_of_squares: Params


Flavor: TypeAlias = Literal["optax", "keras"]

STRUCTURE = {"flavor": {"optax": {}, "keras": {"weight_lr_power": 0.0}}}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(1e-2, 3e-1)),
    "b2": one_minus(log_uniform(1e-3, 1e-1)),
}
FAMILY, YEAR = "averaged", 2024
REFERENCE = "optax.contrib.schedule_free_adamw"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper, *, flavor: Flavor = "optax") -> State:
    """All three points at the parameters, the mean of squares at 0."""
    del hyper, flavor
    return State(_schedule_free.start(params), tree.zeros_like(params, min_dtype=jnp.float32))


def update(
    grads: Params, state: State, params: Params, hyper: Hyper, *, flavor: Flavor = "optax"
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    t = tree.increment(s.average.step).astype(h.b1.dtype)
    square = tree.map(lambda v, g: h.b2 * v + (1 - h.b2) * g * g, s.mean_of_squares, g)
    behind = t - 1 if flavor == "optax" else t
    rate = _schedule_free.warmed_up(h.learning_rate, behind, h.warmup_steps)
    # The bias correction goes into the rate and into eps, as in Adam.
    scale = tree.sqrt(1 - h.b2**t)
    step, eps, y = rate * scale, h.eps * scale, p
    steps, again = (
        tree.map(lambda g, v: -step * (g / (tree.sqrt(v) + eps)), g, v)
        for v in (square, tree.after(square, g))
    )
    decay = h.weight_decay * (rate if flavor == "optax" else h.learning_rate)
    if flavor == "optax":
        steps, again = (tree.map(lambda d, p: d - decay * p, x, p) for x in (steps, again))
    else:
        y = tree.map(lambda p: p - decay * p, p)
    updates, average = _schedule_free.advance(
        steps,
        s.average,
        y,
        again=again,
        learning_rate=_schedule_free.warmed_up(h.learning_rate, t, h.warmup_steps),
        b1=h.b1,
        weight_lr_power=h.weight_lr_power,
    )
    if flavor == "keras":
        updates = tree.map(lambda u, p: u - decay * p, updates, p)
    return tree.cast_like((updates, State(average, square)), (grads, state))


def evaluation_params(state: State, params: Params, hyper: Hyper) -> Params:
    """The weighted mean x of all z, in the dtypes of `params`."""
    return _schedule_free.average_of(state.average, params, hyper.b1)
