"""Models: frozen structure with two pure methods, `init(key)` and `apply(params, inputs)`."""

from jaxnn.models.mlp import MLP, Dense, Layer

__all__ = ["MLP", "Dense", "Layer"]
