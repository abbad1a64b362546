"""What other frameworks call their optimizers and their arguments, for `optimizers.like`.

A module for each: NAMES are its optimizers, `build` makes a rule and its numbers from the name of
one and arguments as it takes them.
"""

from jaxnn.optimizers.frameworks import keras, optax, torch

__all__ = ["keras", "optax", "torch"]
