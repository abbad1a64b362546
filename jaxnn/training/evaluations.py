"""How many gradients a run has evaluated: what makes budgets of unlike rules equal.

    an update               its gradient, and those that the rule declares besides (EVALUATIONS)
    a search along a line   each loss and gradient on the way
    a Hessian's product     HESSIAN_PRODUCT gradients

Losses without a gradient, a step's arithmetic and the linear systems of Levenberg–Marquardt are not
counted: wall time shows them. Reference for the product: Pearlmutter 1994, Neural Computation 6,
"Fast exact multiplication by the Hessian".
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxnn.typing import Array, Int

__all__ = ["HESSIAN_PRODUCT", "per_update", "spent"]

HESSIAN_PRODUCT = 2
"""Gradients in whose place a product with the Hessian counts."""


def per_update(rule: Any) -> int | None:
    """Gradient evaluations of an update; None where they differ from update to update.

    >>> from jaxnn.optimizers import adahessian, adam, lbfgs, sam
    >>> per_update(adam), per_update(sam(adam)), per_update(adahessian), per_update(lbfgs)
    (1, 2, 3, None)
    """
    if hasattr(rule, "extra_evaluations"):
        return None
    product = HESSIAN_PRODUCT if "hessian_diagonal" in rule.NEEDS else 0
    return getattr(rule, "EVALUATIONS", 1) + product


def spent(
    rule: Any, state: Any, hyper: Any, num_updates: Int[ArrayLike, ""], *, reused: bool = False
) -> Int[Array, ""]:
    """Gradient evaluations of so many updates, after which the rule has this state.

    reused: whether an update takes its gradient from the search before, the first one aside.
    """
    updates = jnp.asarray(num_updates, jnp.int32)
    every = per_update(rule)
    if every is not None:
        return jnp.int32(every) * updates
    given = jnp.minimum(updates, 1) if reused else updates
    products, others = rule.extra_evaluations(state, hyper)
    return given + HESSIAN_PRODUCT * products + others
