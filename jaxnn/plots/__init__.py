"""Pictures, from plain arrays: each function returns a matplotlib Figure and opens no window."""

from jaxnn.plots.boundaries import (
    decision_boundary_1d,
    decision_boundary_2d,
    decision_boundary_3d,
)
from jaxnn.plots.curves import learning_curves, sensitivity
from jaxnn.plots.landscapes import landscape
from jaxnn.plots.regions import decision_regions, layer_regions
from jaxnn.plots.signals import backprop, saturation
from jaxnn.plots.style import save

__all__ = [
    "backprop",
    "decision_boundary_1d",
    "decision_boundary_2d",
    "decision_boundary_3d",
    "decision_regions",
    "landscape",
    "layer_regions",
    "learning_curves",
    "saturation",
    "save",
    "sensitivity",
]
