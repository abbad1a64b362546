"""What the reference of a rule is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import optax

__all__ = ["LIKE_FOR_LIKE", "Reference", "find"]

LIKE_FOR_LIKE = {"xla_backend_optimization_level": 1}
"""For the compiler: both sides are contracted into the same fused multiply-adds."""


class Reference(NamedTuple):
    """How to check one rule against Optax.

    Rules that ask for more than gradients are given what `feed` in `jaxnn.testing` gives; `extra`
    says what of it Optax's update takes, by its own names, and may replace what ours gets.
    """

    build: Callable[..., optax.GradientTransformation]  # (hyper, **structure)
    state: Callable[..., Any]  # (state of Optax, **structure) → what ours must be
    settings: tuple[dict[str, float], dict[str, float]]  # besides the defaults
    combinations: tuple[dict[str, Any], ...] = ()  # besides one structural option at a time
    extra: Callable[[dict[str, Any], Any, Any], tuple[dict[str, Any], dict[str, Any]]] | None = None
    # (what ours would get, gradients, Optax's state) → (what ours gets, what Optax's gets)
    point: bool = False  # updates lead to a point, which is what is compared; both go on from ours:
    # the rounding is of the size of the parameters, however short the step
    growth: int = 1  # by how much the formula itself enlarges the roundings that it is given


def find(state: Any, name: str) -> Any:
    """The part of that name in a state of Optax, wherever it lies."""
    return optax.tree_utils.tree_get(state, name)
