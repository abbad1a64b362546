"""Rules beyond Optax: momentum, averages, and what is built on them."""

from __future__ import annotations

__all__ = ["ELSEWHERE"]

ELSEWHERE = {
    "qhm": "golden file of pytorch-optimizer",
    "aggmo": "golden file of pytorch-optimizer",
    "asgd": "golden file of torch",
    "sgdp": "golden file of pytorch-optimizer",
    "sgdp(output_axis=0)": "golden file of pytorch-optimizer",
    "adamp": "golden file of pytorch-optimizer",
    "adamp(output_axis=0)": "golden file of pytorch-optimizer",
    "tiger": "golden file of pytorch-optimizer",
    "kate": "golden file of pytorch-optimizer",
    "ftrl": "golden file of pytorch-optimizer",
    "adam_mini": "golden file of pytorch-optimizer",
}
