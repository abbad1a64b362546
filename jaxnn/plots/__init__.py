"""Pictures, from plain arrays: each function returns a matplotlib Figure and opens no window."""

from jaxnn.plots.boundaries import (
    decision_boundary_1d,
    decision_boundary_2d,
    decision_boundary_3d,
)
from jaxnn.plots.curves import learning_curves, sensitivity
from jaxnn.plots.effects import effect
from jaxnn.plots.halving import rungs
from jaxnn.plots.heat_maps import heat_map
from jaxnn.plots.landscapes import landscape
from jaxnn.plots.parallel import parallel_coordinates
from jaxnn.plots.regions import decision_regions, layer_regions
from jaxnn.plots.signals import backprop, saturation
from jaxnn.plots.style import save
from jaxnn.plots.sweeps import best_curves, importance

__all__ = [
    "backprop",
    "best_curves",
    "decision_boundary_1d",
    "decision_boundary_2d",
    "decision_boundary_3d",
    "decision_regions",
    "effect",
    "heat_map",
    "importance",
    "landscape",
    "layer_regions",
    "learning_curves",
    "parallel_coordinates",
    "rungs",
    "saturation",
    "save",
    "sensitivity",
]
