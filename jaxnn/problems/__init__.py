"""Problems: data, model, loss and target together, or a function to minimise; each a pytree."""

from jaxnn.problems.arrays import classification, regression
from jaxnn.problems.base import Batch, Function, Problem, Scaling, Supervised, Target
from jaxnn.problems.lecture import GATE_INPUTS, GATES
from jaxnn.problems.loaders import image_classification
from jaxnn.problems.quadratics import loss_moments
from jaxnn.problems.suites import SUITES, WORKLOADS, Workload, suite
from jaxnn.problems.table import PROBLEMS, get, resolve

__all__ = [
    "GATES",
    "GATE_INPUTS",
    "PROBLEMS",
    "SUITES",
    "WORKLOADS",
    "Batch",
    "Function",
    "Problem",
    "Scaling",
    "Supervised",
    "Target",
    "Workload",
    "classification",
    "get",
    "image_classification",
    "loss_moments",
    "regression",
    "resolve",
    "suite",
]
