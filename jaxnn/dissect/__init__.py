"""Numbers that explain: backpropagation by hand, decision boundaries, landscapes, saturation."""

from jaxnn.dissect.backpropagation import Backprop, LayerSignals, as_table, backprop
from jaxnn.dissect.boundaries import (
    LayerRegions,
    LinearBoundary,
    RegionMap,
    layer_regions,
    linear_boundary,
    linear_side,
    region_map,
    signed_distance,
)
from jaxnn.dissect.landscapes import Landscape, landscape, random_direction, slice_landscape
from jaxnn.dissect.saturation import dead_units, saturated_units

__all__ = [
    "Backprop",
    "Landscape",
    "LayerRegions",
    "LayerSignals",
    "LinearBoundary",
    "RegionMap",
    "as_table",
    "backprop",
    "dead_units",
    "landscape",
    "layer_regions",
    "linear_boundary",
    "linear_side",
    "random_direction",
    "region_map",
    "saturated_units",
    "signed_distance",
    "slice_landscape",
]
