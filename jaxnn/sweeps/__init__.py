"""Sweeps: any pure function, thousands of trials, one compiled program for each structure."""

from jaxnn.space import (
    choice,
    grid,
    integers,
    log_uniform,
    normal,
    one_minus,
    structural,
    uniform,
)
from jaxnn.sweeps.engine import Engine
from jaxnn.sweeps.plan import EVALUATION, TUNING, Plan, Width, default_width
from jaxnn.sweeps.results import Results
from jaxnn.sweeps.run import execute, run
from jaxnn.sweeps.settings import Settings, propose
from jaxnn.sweeps.trial import by_structure
from jaxnn.typing import Staged

__all__ = [
    "EVALUATION",
    "TUNING",
    "Engine",
    "Plan",
    "Results",
    "Settings",
    "Staged",
    "Width",
    "by_structure",
    "choice",
    "default_width",
    "execute",
    "grid",
    "integers",
    "log_uniform",
    "normal",
    "one_minus",
    "propose",
    "run",
    "structural",
    "uniform",
]
