"""Rules that look at matrices, or at the curvature, and that Optax does not have."""

from __future__ import annotations

__all__ = ["ELSEWHERE"]

_GOLDEN = "golden file of pytorch-optimizer"

ELSEWHERE = {
    "adahessian": _GOLDEN,
    "came": _GOLDEN,
    "shampoo": _GOLDEN,
    "soap": _GOLDEN,
    "kron": _GOLDEN,
    "adamuon": _GOLDEN,
}
