"""Models: frozen structure with two pure methods, `init(key)` and `apply(params, inputs)`.

`MODELS` maps names to models; a new one is a file beside this and a line here.
"""

from jaxnn.models.autoencoder import Autoencoder, VariationalAutoencoder
from jaxnn.models.cnn import CNN, ResidualCNN
from jaxnn.models.layers import Dense, Layer
from jaxnn.models.mlp import MLP
from jaxnn.models.perceptron import Perceptron, PerceptronFit, PerceptronParams
from jaxnn.models.recurrent import RNN
from jaxnn.models.separability import find_separator, is_separable, novikoff_bound
from jaxnn.models.transformer import Transformer

__all__ = [
    "CNN",
    "MLP",
    "MODELS",
    "RNN",
    "Autoencoder",
    "Dense",
    "Layer",
    "Perceptron",
    "PerceptronFit",
    "PerceptronParams",
    "ResidualCNN",
    "Transformer",
    "VariationalAutoencoder",
    "find_separator",
    "is_separable",
    "novikoff_bound",
]

MODELS = {
    "perceptron": Perceptron,
    "mlp": MLP,
    "cnn": CNN,
    "residual_cnn": ResidualCNN,
    "autoencoder": Autoencoder,
    "variational_autoencoder": VariationalAutoencoder,
    "rnn": RNN,
    "transformer": Transformer,
}
