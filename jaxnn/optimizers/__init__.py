"""Update rules by hand, one a file: pure functions of gradients, state and numbers.

`from jaxnn.optimizers import adam` gives a rule; `OPTIMIZERS` has them all by name.
"""

from jaxnn.optimizers.base import NEEDS, Optimizer, apply_updates
from jaxnn.optimizers.bind import bind, evaluation_params
from jaxnn.optimizers.describe import describe
from jaxnn.optimizers.from_optax import from_optax
from jaxnn.optimizers.hypers import check, make_hyper
from jaxnn.optimizers.like import like
from jaxnn.optimizers.table import OPTIMIZERS, check_rule, get, resolve
from jaxnn.optimizers.wrappers import (
    accumulated,
    adaptive_clipped,
    averaged,
    cautious,
    centralized,
    clipped,
    decayed,
    flattened,
    frozen,
    lookahead,
    mechanize,
    partitioned,
    reduce_on_plateau,
    regularized,
    rounded,
    sam,
    schedule_free,
    scheduled,
    skip_non_finite,
    split_complex,
    stored,
)

__all__ = [
    "NEEDS",
    "OPTIMIZERS",
    "Optimizer",
    "accumulated",
    "adaptive_clipped",
    "apply_updates",
    "averaged",
    "bind",
    "cautious",
    "centralized",
    "check",
    "check_rule",
    "clipped",
    "decayed",
    "describe",
    "evaluation_params",
    "flattened",
    "from_optax",
    "frozen",
    "get",
    "like",
    "lookahead",
    "make_hyper",
    "mechanize",
    "partitioned",
    "reduce_on_plateau",
    "regularized",
    "resolve",
    "rounded",
    "sam",
    "schedule_free",
    "scheduled",
    "skip_non_finite",
    "split_complex",
    "stored",
]
