"""Models: frozen structure with two pure methods, `init(key)` and `apply(params, inputs)`.

`MODELS` maps names to models; a new one is a file beside this and a line here.
"""

from jaxnn.models.layers import Dense, Layer
from jaxnn.models.mlp import MLP
from jaxnn.models.perceptron import Perceptron, PerceptronFit, PerceptronParams
from jaxnn.models.separability import find_separator, is_separable, novikoff_bound

__all__ = [
    "MLP",
    "MODELS",
    "Dense",
    "Layer",
    "Perceptron",
    "PerceptronFit",
    "PerceptronParams",
    "find_separator",
    "is_separable",
    "novikoff_bound",
]

MODELS = {"perceptron": Perceptron, "mlp": MLP}
