"""jaxnn: train thousands of small networks in one program; say which optimizer is better.

Models, losses and update rules are pure functions over parameter pytrees. The packages load on
first use, so that `import jaxnn` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "activations",
    "bench",
    "dissect",
    "initializers",
    "losses",
    "models",
    "optimizers",
    "plots",
    "problems",
    "schedules",
    "space",
    "sweeps",
    "testing",
    "training",
    "tree",
]

if TYPE_CHECKING:
    from jaxnn import (
        activations,
        bench,
        dissect,
        initializers,
        losses,
        models,
        optimizers,
        plots,
        problems,
        schedules,
        space,
        sweeps,
        testing,
        training,
        tree,
    )


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"jaxnn.{name}")
    raise AttributeError(f"module 'jaxnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
