"""Update rules by hand, one a file: pure functions of gradients, state and numbers."""

from jaxnn.optimizers import adam, sgd
from jaxnn.optimizers.base import Optimizer, apply_updates, check, make_hyper
from jaxnn.optimizers.table import OPTIMIZERS, get, resolve

__all__ = [
    "OPTIMIZERS",
    "Optimizer",
    "adam",
    "apply_updates",
    "check",
    "get",
    "make_hyper",
    "resolve",
    "sgd",
]
