"""What the dissections ask of a model: a row of dense layers that can be taken apart."""

from __future__ import annotations

from typing import Any

from jaxnn.errors import bad_type

__all__ = ["check_layered"]

_PARTS = ("activation_of", "layers", "trace")


def check_layered(where: str, model: Any) -> None:
    """Raises TypeError for a model without `activation_of`, `layers` and `trace`."""
    if not all(hasattr(model, part) for part in _PARTS):
        fix = "Use MLP or Perceptron, or give yours activation_of, layers and trace."
        raise bad_type(where, "model", "made of dense layers", repr(type(model).__name__), fix)
