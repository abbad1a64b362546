"""Problems: data, model, loss and target together, or a function to minimise; each a pytree."""

from jaxnn.problems.arrays import classification, regression
from jaxnn.problems.base import Batch, Function, Problem, Scaling, Supervised, Target
from jaxnn.problems.lecture import GATE_INPUTS, GATES
from jaxnn.problems.table import PROBLEMS, get, resolve

__all__ = [
    "GATES",
    "GATE_INPUTS",
    "PROBLEMS",
    "Batch",
    "Function",
    "Problem",
    "Scaling",
    "Supervised",
    "Target",
    "classification",
    "get",
    "regression",
    "resolve",
]
