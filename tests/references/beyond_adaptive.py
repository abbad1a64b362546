"""Rules beyond Optax: a rate of its own for each weight."""

from __future__ import annotations

__all__ = ["ELSEWHERE"]

ELSEWHERE = {
    "laprop": "golden file of pytorch-optimizer",
    "diffgrad": "golden file of pytorch-optimizer",
    "adabound": "golden file of pytorch-optimizer",
    "adamod": "golden file of pytorch-optimizer",
    "padam": "golden file of pytorch-optimizer, with the maximum of the paper",
    "qhadam": "golden file of pytorch-optimizer",
    "stable_adamw": "golden file of pytorch-optimizer",
    "mars": "golden file of pytorch-optimizer",
    "grams": "golden file of pytorch-optimizer",
}
