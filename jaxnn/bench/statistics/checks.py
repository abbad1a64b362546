"""What the statistics accept: values, confidences, and the one order of NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxnn.errors import bad_type, bad_value, shown

__all__ = ["array", "check_confidence", "failed_last", "mean_without_warning", "same_length"]


def array(where: str, name: str, values: ArrayLike, axes: tuple[str, ...]) -> NDArray[np.float64]:
    """`values` in float64, of one axis for each name in `axes`; "..." stands for any more in front.

    Raises TypeError for what holds no real numbers, ValueError for another number of axes.
    """
    constraint = f"real numbers [{', '.join(axes)}]"
    try:
        x = np.asarray(values)
    except ValueError as error:  # rows of unequal lengths
        raise bad_value(where, name, constraint, "rows of unequal lengths") from error
    if x.dtype.kind not in "biuf" and x.size:
        raise bad_type(where, name, constraint, shown(values))
    if x.ndim < len(axes) - 1 if axes[0] == "..." else x.ndim != len(axes):
        raise bad_value(where, name, constraint, f"shape {x.shape}")
    return x.astype(np.float64)


def same_length(where: str, a: NDArray[Any], b: NDArray[Any]) -> None:
    """Raises ValueError where two samples that belong together differ in shape."""
    if a.shape != b.shape:
        raise bad_value(where, "b", f"of the shape of `a`, {a.shape}", b.shape)


def check_confidence(where: str, confidence: float) -> None:
    """Raises ValueError for a confidence outside (0, 1)."""
    if not 0 < confidence < 1:
        raise bad_value(where, "confidence", "in (0, 1)", confidence, "Did you mean 0.95?")


def failed_last(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower is better, and a run that failed (NaN) is as bad as one that never arrived (+∞)."""
    return np.where(np.isnan(values), math.inf, values)


def mean_without_warning(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the last axis; NaN of nothing, and of +∞ with −∞."""
    if not x.shape[-1]:
        return np.full(x.shape[:-1], math.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        return x.mean(axis=-1)
