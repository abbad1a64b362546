"""Averaged SGD: gradient descent whose points are averaged, and that is evaluated at their mean.

    η = learning_rate/(1 + lambd·learning_rate·t)^alpha          u = −η · (g + lambd·θ)
    c = 1/max(1, t − t0)          a ← (1 − c)·a + c·(θ + u)          t ← t + 1

Training moves θ, the model is evaluated at a, which `evaluation_params` gives: the mean of θ from
after step t0 + 2 on, θ itself until then. The rate falls slower than 1/t, so that θ goes on moving,
and its mean is in the limit as good as what second-order steps reach. lambd is both the decay of
the weights and the pace at which the rate falls; at lambd = 0 the rate is constant.
Reference: Polyak, Juditsky 1992, SIAM Journal on Control and Optimization 30, "Acceleration of
Stochastic Approximation by Averaging"; this form: Xu 2011, arXiv:1107.2490, "Towards Optimal One
Pass Large Scale Learning with Averaged Stochastic Gradient Descent". Agrees with torch's ASGD,
where t0 is 1e6 by default: shorter runs of it average nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform
from jaxnn.typing import Array, Int, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "evaluation_params", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    lambd: NonNegative = 1e-4  # decay of the weights, and of the rate
    alpha: NonNegative = 0.75  # power of the steps by which the rate falls
    t0: NonNegative = 0.0  # steps before the average begins


class State(NamedTuple):
    """The average, like the parameters and at least float32; before the first step 0."""

    step: Int[Array, ""]
    average: Params


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-3, 3e0),
    "lambd": log_uniform(1e-6, 1e-2),
}
FAMILY, YEAR = "averaged", 1992
REFERENCE = "torch.optim.ASGD"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """An average of nothing."""
    del hyper
    return State(jnp.zeros((), jnp.int32), tree.zeros_like(params, min_dtype=jnp.float32))


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    t = s.step.astype(h.t0.dtype)
    rate = h.learning_rate / (1 + h.lambd * h.learning_rate * t) ** h.alpha
    share = 1 / jnp.maximum(1, t - h.t0)
    decay = rate * h.lambd
    updates = tree.map(lambda g, p: -(rate * g + decay * p), g, p)
    average = tree.map(lambda a, p, u: (1 - share) * a + share * (p + u), s.average, p, updates)
    return tree.cast_like((updates, State(tree.increment(s.step), average)), (grads, state))


def evaluation_params(state: State, params: Params, hyper: Hyper) -> Params:
    """The average, in the dtypes of `params`; before the first step, `params`."""
    del hyper
    return tree.select(state.step > 0, tree.cast_like(state.average, params), params)
