"""StableAdamW: AdamW that shortens its step in a leaf whose gradients have suddenly grown.

    m ← b1·m + (1 − b1)·g          v ← b2·v + (1 − b2)·g²          t ← t + 1
    r = √mean( g² / max(v/(1 − b2ᵗ), eps²) ), the mean over a leaf
    u = −learning_rate/max(1, r) · ( m/(1 − b1ᵗ) / (√(v/(1 − b2ᵗ)) + eps) + weight_decay·θ )

r is about 1 as long as v knows how large the gradients are, and exceeds 1 when they outgrow it, up
to 1/√(1 − b2): the clipping of Adafactor, which leaves no need for another.
Reference: Wortsman, Dettmers, Zettlemoyer, Morcos, Farhadi, Schmidt 2023, NeurIPS, "Stable and
Low-Precision Training for Large-Scale Vision-Language Models", algorithm 2.
Agrees with pytorch-optimizer's StableAdamW, which in low precision also keeps
what rounding takes from θ.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import adam, adamw
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Array, Float, Fraction, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 1e-3
    b1: Fraction = 0.9  # decay of the mean
    b2: Fraction = 0.99  # decay of the mean of squares
    eps: Positive = 1e-8  # outside the root
    weight_decay: NonNegative = 1e-2  # per step and unit of rate


State = adam.State

STRUCTURE = {}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "b1": one_minus(log_uniform(3e-2, 3e-1)),
    "weight_decay": log_uniform(1e-4, 1e0),
}
FAMILY, YEAR = "adaptive", 2023
REFERENCE = "pytorch_optimizer.StableAdamW"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True


def init(params: Params, hyper: Hyper) -> State:
    """Both moments at 0."""
    tree.require_real(params)
    return adamw.init(params, adamw.Hyper(**hyper._asdict()))


def update(grads: Params, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    updates, s = adamw.update(g, s, p, adamw.Hyper(**h._asdict()))
    root = tree.sqrt(1 - h.b2 ** s.step.astype(h.b2.dtype))
    updates = tree.map(
        lambda u, g, v: u / jnp.maximum(1, root * _excess(g, v, h.eps * root)),
        updates,
        g,
        s.mean_of_squares,
    )
    return tree.cast_like((updates, s), (grads, state))


def _excess(g: Array, v: Array, eps: Float[Array, ""]) -> Float[Array, ""]:
    # Divided, then squared: where g² overflows so has v, and the quotient is 0.
    quotient = g / jnp.maximum(tree.sqrt(v), eps)
    return tree.sqrt(jnp.mean(quotient * quotient))
