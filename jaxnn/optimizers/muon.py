"""Muon: the momentum of a matrix, made orthogonal, so that no direction is stepped along more.

    m ← beta·m + (1 − beta)·g          t ← t + 1
    X = beta·m/(1 − betaᵗ⁺¹) + (1 − beta)·g/(1 − betaᵗ)          X ← X/(‖X‖ + eps)
    ns_steps times: A = XXᵀ, X ← a·X + (b·A + c·A²)·X
    u = −learning_rate · ( √max(1, columns/rows)·X + weight_decay·θ )

That is a Newton–Schulz iteration: from X = U·S·Vᵀ it goes to about U·Vᵀ, singular values within
some 0.3 of 1. Leaves that are no matrices go to NAdamW, with this eps; their numbers begin with
adam_, and their rate is `learning_rate`, unless own_adam_rate=True makes it adam_learning_rate.
nesterov=False: X = m/(1 − betaᵗ), and AdamW for the leaves that are no matrices.
adaptive=True: X is multiplied by ⟨X₀, X⟩, X₀ being what was made orthogonal: near its nuclear norm.
preconditioning: what X is divided by first; "frobenius" √ΣX², "spectral" the largest singular value
(needs a decomposition), "schatten" (ΣA²)^¼, "aol" each row by the root of its sum of |A|. The last
two are at least 1e-4 (their squares 1e-8), whatever eps is; they save a step.
ns_coeffs: a, b, c; "standard" one triple for all steps, "dion" five of them for five steps, in
which case ns_steps has no part.
scaling="consistent_rms": consistent_rms·√max(rows, columns) for the root, sizes like those of Adam;
"none": neither.
flavor="torch": X = beta·m + (1 − beta)·g, or m, as they are, without corrections; X/max(‖X‖, eps).
Leaves that are no matrices, which torch refuses, go to AdamW. A matrix of torch, which has the
outputs first, is the transpose of one here, and there the iteration is computed in bfloat16.
flavor="keras": X as in torch, but at a scale at which m is a sum, X/(1 − beta), and divided by
‖X‖ + 1e-7; eps is that of AdamW alone, in the flavour of Keras, to which the other leaves go.
Reference: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; adaptive:
Bernstein, Newhouse 2024, arXiv:2409.20325; scaling: Liu et al. 2025, arXiv:2502.16982; "schatten":
Grishina et al. 2025, arXiv:2506.10935; "aol": Boissin et al. 2025, arXiv:2512.04632; "dion": Ahn et
al. 2025, arXiv:2504.05295. Agrees with `optax.contrib.muon` without dimension numbers; with torch
and Keras in their flavours.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import adam, adamw, base, nadam, nadamw
from jaxnn.optimizers._nesterov import corrected
from jaxnn.optimizers._newton_schulz import DION, STANDARD, Matrix, Preconditioning, orthogonalized
from jaxnn.space import log_uniform, one_minus
from jaxnn.typing import Fraction, NonNegative, Params, Positive

__all__ = ["Hyper", "State", "init", "update"]


class Hyper(NamedTuple):
    """Numbers of the rule; scalars, dimensionless, may be traced or batched."""

    learning_rate: Positive = 2e-2
    beta: Fraction = 0.95  # decay of the mean
    eps: Positive = 1e-8
    weight_decay: NonNegative = 0.0  # of matrices, per step and unit of rate
    consistent_rms: Positive = 0.2  # with scaling="consistent_rms"
    adam_learning_rate: Positive = 3e-4  # with own_adam_rate=True
    adam_b1: Fraction = 0.9
    adam_b2: Fraction = 0.999
    adam_eps_root: NonNegative = 0.0
    adam_weight_decay: NonNegative = 0.0


class State(NamedTuple):
    """Like the parameters and at least float32."""

    mean: Params  # of matrices, None elsewhere
    adam: adam.State | nadam.State  # of the others, None where matrices are


Coefficients: TypeAlias = Literal["standard", "dion"]
Scaling: TypeAlias = Literal["width", "consistent_rms", "none"]
Flavor: TypeAlias = Literal["optax", "torch", "keras"]

STRUCTURE = {
    "flavor": {
        "optax": {},
        "torch": {"learning_rate": 1e-3, "eps": 1e-7, "weight_decay": 0.1},
        "keras": {
            "learning_rate": 1e-3,
            "eps": 1e-7,
            "weight_decay": 4e-3,
            "adam_weight_decay": 4e-3,
        },
    },
    "nesterov": {True: {}, False: {}},
    "adaptive": {False: {}, True: {}},
    "preconditioning": {"frobenius": {}, "spectral": {}, "aol": {}, "schatten": {}},
    "ns_coeffs": {"standard": {}, "dion": {}},
    "ns_steps": {5: {}, 4: {}},
    "scaling": {"width": {}, "consistent_rms": {}, "none": {}},
    "own_adam_rate": {False: {}, True: {}},
}
SEARCH_SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "beta": one_minus(log_uniform(1e-2, 3e-1)),
    "weight_decay": log_uniform(1e-4, 1e0),
}
FAMILY, YEAR = "layer-wise", 2024
REFERENCE = "optax.contrib.muon"
NEEDS = frozenset()
REVERSE_DIFFERENTIABLE = True

_KERAS_EPS = 1e-7  # of the iteration, whatever that of Adam is


def init(
    params: Params,
    hyper: Hyper,
    *,
    flavor: Flavor = "optax",
    nesterov: bool = True,
    adaptive: bool = False,
    preconditioning: Preconditioning = "frobenius",
    ns_coeffs: Coefficients = "standard",
    ns_steps: int = 5,
    scaling: Scaling = "width",
    own_adam_rate: bool = False,
) -> State:
    """All means at 0."""
    del adaptive, preconditioning, ns_coeffs, ns_steps, scaling
    tree.require_real(params)
    matrices, others = _split(params)
    rule, numbers = _of_adam(hyper, flavor, nesterov, own_adam_rate)
    return State(tree.zeros_like(matrices, min_dtype=jnp.float32), rule.init(others, numbers))


def update(
    grads: Params,
    state: State,
    params: Params,
    hyper: Hyper,
    *,
    flavor: Flavor = "optax",
    nesterov: bool = True,
    adaptive: bool = False,
    preconditioning: Preconditioning = "frobenius",
    ns_coeffs: Coefficients = "standard",
    ns_steps: int = 5,
    scaling: Scaling = "width",
    own_adam_rate: bool = False,
) -> tuple[Params, State]:
    """One step. Returns (updates, state); updates have the shapes and dtypes of `grads`.

    Raises TypeError at trace time where gradients, state and parameters differ in structure.
    """
    g, s, h, p = tree.promote(grads, state, hyper, params)
    (g, g_others), (p, p_others) = _split(g), _split(p)
    rule, numbers = _of_adam(h, flavor, nesterov, own_adam_rate)
    other_updates, of_adam = rule.update(g_others, s.adam, p_others, numbers)

    # Half of X, since beside the largest gradients the whole may overflow.
    half = jnp.full_like(h.beta, 0.5)
    mean = tree.map(lambda m, g: h.beta * m + (1 - h.beta) * g, s.mean, g)
    if flavor == "optax":
        t = of_adam.step.astype(h.beta.dtype)
        halves = corrected(mean, g, h.beta, t, half, nesterov=nesterov)
    elif nesterov:
        halves = tree.map(lambda m, g: half * h.beta * m + half * (1 - h.beta) * g, mean, g)
    else:
        halves = tree.map(lambda m: half * m, mean)
    unit, eps = half, h.eps
    if flavor == "keras":
        unit, eps = half * (1 - h.beta), jnp.full_like(h.eps, _KERAS_EPS)
    coefficients = DION if ns_coeffs == "dion" else (STANDARD,) * ns_steps

    def step(x: Matrix, p: Matrix) -> Matrix:
        y = orthogonalized(x, unit, eps, preconditioning, coefficients, at_least=flavor == "torch")
        rows, columns = x.shape
        rate = h.learning_rate
        if scaling == "consistent_rms":
            rate = rate * (h.consistent_rms * max(rows, columns) ** 0.5)
        elif scaling == "width":
            rate = rate * max(1.0, columns / max(rows, 1)) ** 0.5
        if adaptive:
            rate = jnp.sum((rate / half * x) * y)
        return -rate * y - h.learning_rate * h.weight_decay * p

    updates = _joined(grads, tree.map(step, halves, p), other_updates)
    return tree.cast_like((updates, State(mean, of_adam)), (grads, state))


def _of_adam(h: Hyper, flavor: Flavor, nesterov: bool, own_rate: bool) -> tuple[Any, Any]:
    """The rule of the leaves that are no matrices, and its numbers."""
    rule = nadamw if nesterov and flavor == "optax" else adamw
    if flavor == "keras":
        rule = base.variant(adamw, flavor="keras")
    return rule, rule.Hyper(
        learning_rate=h.adam_learning_rate if own_rate else h.learning_rate,
        b1=h.adam_b1,
        b2=h.adam_b2,
        eps=h.eps,
        eps_root=h.adam_eps_root,
        weight_decay=h.adam_weight_decay,
    )


def _split(params: Params) -> tuple[Params, Params]:
    """(matrices, all others), each with None in place of the leaves of the other."""
    matrices = jax.tree.map(lambda x: x if jnp.ndim(x) == 2 else None, params)
    return matrices, jax.tree.map(lambda x: None if jnp.ndim(x) == 2 else x, params)


def _joined(like: Params, matrices: Params, others: Params) -> Params:
    return jax.tree.map(lambda _, a, b: b if a is None else a, like, matrices, others)
