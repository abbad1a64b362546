"""Decision boundaries: where a classifier changes its mind.

A linear classifier says N where w·x + θ < 0, else P (the perceptron's z = w·x − θ has its θ with
the other sign). The boundary, w·x + θ = 0, is a point in 1-D, a line in 2-D, a plane in 3-D and a
hyperplane in n-D. Any other classifier is asked on a grid, and so is each layer of a network: the
first draws lines, the second combines them into convex shapes, the third makes any shape.
Reference: Lippmann 1987, IEEE ASSP Magazine 4, "An Introduction to Computing with Neural Nets",
section "Multi-layer perceptron".
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnn.dissect.grids import grid_axes, grid_points
from jaxnn.dissect.layered import check_layered
from jaxnn.errors import bad_type, bad_value
from jaxnn.typing import Array, ArrayLike, Bool, Float, Int, Params, Shaped

__all__ = [
    "LayerRegions",
    "LinearBoundary",
    "RegionMap",
    "layer_regions",
    "linear_boundary",
    "linear_side",
    "region_map",
    "signed_distance",
]


class LinearBoundary(NamedTuple):
    """The part of w·x + θ = 0 within a box, for n = 1, 2 or 3."""

    weight: NDArray[np.float64]  # [n], points to the side P
    theta: float
    low: NDArray[np.float64]  # [n], a corner of the box
    high: NDArray[np.float64]  # [n], the opposite one
    vertices: NDArray[np.float64]  # [k, n]: 1 point, 2 ends, a polygon of 3 to 6; 0 outside the box


class RegionMap(NamedTuple):
    """The class of every point of a grid in 2-D."""

    x: Float[Array, " columns"]
    y: Float[Array, " rows"]
    classes: Int[Array, "rows columns"]


class LayerRegions(NamedTuple):
    """Which units of each layer are on, at every point of a grid in 2-D."""

    x: Float[Array, " columns"]
    y: Float[Array, " rows"]
    on: tuple[Bool[Array, "rows columns units"], ...]  # first layer first


def linear_side(
    weight: Float[ArrayLike, " n"], theta: ArrayLike, points: Float[ArrayLike, "*batch n"]
) -> Bool[Array, "*batch"]:
    """True on the side P, w·x + θ >= 0; False on N.

    >>> linear_side(jnp.array([2.0]), -9.0, jnp.array([[4.4], [4.5]])).tolist()
    [False, True]
    """
    return _score("linear_side", weight, theta, points)[0] >= 0


def signed_distance(
    weight: Float[ArrayLike, " n"], theta: ArrayLike, points: Float[ArrayLike, "*batch n"]
) -> Float[Array, "*batch"]:
    """(w·x + θ)/‖w‖: the Euclidean distance from the boundary, below 0 on the side N.

    >>> float(signed_distance(jnp.array([3.0, 4.0]), -5.0, jnp.zeros(2)))
    -1.0
    """
    score, w = _score("signed_distance", weight, theta, points)
    return score / jnp.linalg.norm(w)


def _score(where: str, weight: ArrayLike, theta: ArrayLike, points: ArrayLike) -> tuple[Any, Any]:
    x = jnp.asarray(points)
    x = x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.result_type(float))
    w = jnp.asarray(weight).astype(x.dtype)
    if w.ndim != 1 or x.shape[-1:] != w.shape:
        got = f"shapes {w.shape} and {x.shape}"
        raise bad_type(where, "weight", "of shape (n,) for points of shape (..., n)", got)
    return jnp.dot(x, w) + jnp.asarray(theta).astype(x.dtype), w


def linear_boundary(
    weight: ArrayLike, theta: float, low: ArrayLike, high: ArrayLike
) -> LinearBoundary:
    """The boundary within the box from `low` to `high`: exact corners, in the order to draw them.

    weight: of n = 1, 2 or 3 entries; low, high: n each, or one number for all. On the host, in
    float64. Raises ValueError for a weight of 0 or another length, and where low >= high.

    >>> linear_boundary([2.0], -9.0, 0.0, 10.0).vertices.tolist()
    [[4.5]]
    """
    w = np.atleast_1d(np.asarray(weight, np.float64))
    if w.ndim != 1 or len(w) not in (1, 2, 3):
        fix = "In more dimensions, look at signed_distance."
        raise bad_value(
            "linear_boundary", "weight", "of 1, 2 or 3 entries", f"shape {w.shape}", fix
        )
    if not (np.isfinite(w).all() and w.any()):
        raise bad_value("linear_boundary", "weight", "finite and not all 0", w.tolist())
    bounds = np.asarray([np.broadcast_to(np.asarray(b, np.float64), w.shape) for b in (low, high)])
    if not (np.isfinite(bounds).all() and (bounds[0] < bounds[1]).all()):
        got = " and ".join(str(bound) for bound in bounds.tolist())
        raise bad_value("linear_boundary", "low", "finite and below `high`", got)
    vertices = _in_order(_crossed_edges(w, float(theta), bounds), w, bounds[1] - bounds[0])
    return LinearBoundary(w, float(theta), bounds[0], bounds[1], vertices)


def _crossed_edges(w: NDArray[Any], theta: float, bounds: NDArray[Any]) -> NDArray[Any]:
    """Where the hyperplane meets the edges of the box [k, n]; corners may come several times."""
    found = []
    for axis in np.flatnonzero(w):
        others = [bounds[:, k] if k != axis else [0.0] for k in range(len(w))]
        for corner in itertools.product(*others):
            point = np.array(corner)
            point[axis] = -(w @ point + theta) / w[axis]
            if bounds[0, axis] <= point[axis] <= bounds[1, axis]:
                found.append(point)
    return np.array(found).reshape(-1, len(w))


def _in_order(points: NDArray[Any], w: NDArray[Any], span: NDArray[Any]) -> NDArray[Any]:
    """The points once each: along the line, or around the polygon."""
    _, first = np.unique(np.round(points / span, 9), axis=0, return_index=True)
    points = points[np.sort(first)]
    if len(points) < 3:
        return points[np.lexsort(points.T[::-1])]
    from_middle = points - points.mean(axis=0)
    across = np.linalg.svd(w[None])[2][1:]
    u, v = across @ from_middle.T
    return points[np.argsort(np.arctan2(v, u))]


def region_map(
    classify: Callable[[Array], Array],
    low: Sequence[float],
    high: Sequence[float],
    *,
    resolution: int = 300,
) -> RegionMap:
    """The class that any classifier gives to each point of a grid in 2-D, in one batched call.

    classify: a function of points [n, 2]. Integers or booleans [n] are the classes; of real outputs
    [n, classes] the largest wins; one real output, [n] or [n, 1], is class 1 where it is >= 0.
    low, high: two numbers each, the corners. resolution: points a side, >= 2.
    Raises ValueError and TypeError for bounds and outputs of other shapes.

    >>> region_map(lambda p: p[:, 0] > p[:, 1], (0, 0), (1, 1), resolution=2).classes.tolist()
    [[0, 1], [0, 0]]
    """
    x, y = grid_axes("region_map", low, high, resolution)
    points = grid_points(x, y)
    answers = _as_classes(classify(points.reshape(-1, 2)), len(x) * len(y))
    return RegionMap(x, y, answers.reshape(len(y), len(x)))


def _as_classes(outputs: Shaped[Array, "points ..."], num_points: int) -> Int[Array, " points"]:
    outputs = jnp.asarray(outputs)
    real = jnp.issubdtype(outputs.dtype, jnp.floating)
    if outputs.shape[:1] != (num_points,) or outputs.ndim > 1 + real or 0 in outputs.shape:
        constraint = f"a function to ({num_points},) classes or ({num_points}, classes) outputs"
        got = f"shape {outputs.shape} of {outputs.dtype}"
        raise bad_type("region_map", "classify", constraint, got)
    if not real:
        return outputs.astype(jnp.int32)
    if outputs.ndim == 1 or outputs.shape[1] == 1:
        return (outputs.reshape(-1) >= 0).astype(jnp.int32)
    return jnp.argmax(outputs, axis=1).astype(jnp.int32)


def layer_regions(
    model: Any,
    params: Params,
    low: Sequence[float],
    high: Sequence[float],
    *,
    resolution: int = 300,
) -> LayerRegions:
    """Which units of each layer are on, z >= 0, on a grid in 2-D: lines, convex shapes, any shape.

    model: of dense layers with two inputs. low, high, resolution: as in `region_map`.
    Pure in `params`. Raises ValueError and TypeError for bounds and models that do not fit.
    """
    check_layered("layer_regions", model)
    x, y = grid_axes("layer_regions", low, high, resolution)
    points = grid_points(x, y).astype(model.layers(params)[0].weight.dtype)
    return LayerRegions(
        x, y, tuple(layer.pre_activation >= 0 for layer in model.trace(params, points))
    )
