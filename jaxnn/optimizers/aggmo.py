"""AggMo: the mean of several momenta, from one that forgets at once to one that hardly does.

    vᵢ ← betasᵢ·vᵢ + g          u = −learning_rate · (v₁ + … + v_K)/K

The slow velocities run far along flat directions; where they begin to oscillate across a steep one
the fast ones, which do not oscillate in step with them, damp it. The paper chooses betasᵢ =
1 − 0.1ⁱ⁻¹, which is the default for K = 3. As many velocities are kept as there are numbers in
`betas`: their number is structure, the numbers may be traced. A single one is `momentum`.
A constant gradient g grows to g/(1 − betasᵢ) in vᵢ: gradients near the largest number of their
dtype overflow there.
Reference: Lucas, Sun, Zemel, Grosse 2019, ICLR, "Aggregated Momentum: Stability Through Passive
Damping", equation 4. Agrees with pytorch-optimizer's AggMo.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Fraction, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-2
    betas: tuple[Fraction, ...] = (0.0, 0.9, 0.99)  # decay of each velocity


class State(NamedTuple):
    """The velocities, one for each of `betas`, like the parameters and at least float32."""

    velocities: tuple[Params, ...]


STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e0),
    "betas.2": one_minus(log_uniform(1e-3, 3e-1)),
}
FAMILY, YEAR = "momentum", 2019
REFERENCE = "pytorch_optimizer.AggMo"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True
LINEAR = True


def init(params: Params, hyper: Hyper) -> State:
    """At rest."""
    # Trees of their own, not one several times: a buffer can be donated only once.
    return State(tuple(tree.zeros_like(params, min_dtype=jnp.float32) for _ in hyper.betas))


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where `grads` and `state` differ in structure or shapes.
    """
    del params
    g, s, h = tree.promote(grads, state, hyper)
    velocities = tuple(
        tree.map(lambda v, g, b=b: b * v + g, v, g)
        for b, v in zip(h.betas, s.velocities, strict=True)
    )
    rate = h.learning_rate / len(h.betas)
    updates = tree.map(lambda *v: -sum(rate * x for x in v), *velocities)
    return tree.cast_like((updates, State(velocities)), (grads, state))
