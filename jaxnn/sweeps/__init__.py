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
from jaxnn.sweeps.asking import Optuna
from jaxnn.sweeps.display import Display
from jaxnn.sweeps.edges import edges
from jaxnn.sweeps.engine import Engine
from jaxnn.sweeps.importance import Importance, Importances, importance
from jaxnn.sweeps.kept import Kept
from jaxnn.sweeps.plan import EVALUATION, TUNING, Plan, Width, default_width
from jaxnn.sweeps.population import PopulationBased
from jaxnn.sweeps.progress import Progress
from jaxnn.sweeps.replay import Replay, debug
from jaxnn.sweeps.results import Leader, Results
from jaxnn.sweeps.run import execute, load, resume, run
from jaxnn.sweeps.rungs import Lineage, Rungs
from jaxnn.sweeps.settings import Settings, propose
from jaxnn.sweeps.stopping import (
    CurveThreshold,
    Hyperband,
    MedianRule,
    StoppingRule,
    SuccessiveHalving,
)
from jaxnn.sweeps.store import DamagedError, Store, StoreError
from jaxnn.sweeps.trial import by_structure
from jaxnn.sweeps.widths import Widths, check_width
from jaxnn.typing import Staged

__all__ = [
    "EVALUATION",
    "TUNING",
    "CurveThreshold",
    "DamagedError",
    "Display",
    "Engine",
    "Hyperband",
    "Importance",
    "Importances",
    "Kept",
    "Leader",
    "Lineage",
    "MedianRule",
    "Optuna",
    "Plan",
    "PopulationBased",
    "Progress",
    "Replay",
    "Results",
    "Rungs",
    "Settings",
    "Staged",
    "StoppingRule",
    "Store",
    "StoreError",
    "SuccessiveHalving",
    "Width",
    "Widths",
    "by_structure",
    "check_width",
    "choice",
    "debug",
    "default_width",
    "edges",
    "execute",
    "grid",
    "importance",
    "integers",
    "load",
    "log_uniform",
    "normal",
    "one_minus",
    "propose",
    "resume",
    "run",
    "structural",
    "uniform",
]
