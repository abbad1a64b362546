"""Curves made short enough for a page, with their shape and their gaps kept."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

__all__ = ["runs", "thin"]

MANY_RUNS = 25
"""A curve in more pieces is thinned by its index alone."""


def runs(finite: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The pieces [start, stop) of a curve between its gaps.

    >>> runs(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], finite, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def thin(x: NDArray[np.float64], y: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Which points of a curve to keep: all where they are `most` or fewer, else about so many.

    x, y: positions on the paper, NaN in gaps. The ends of every piece stay, and between them the
    points that span the largest triangles with their neighbours; every gap between two points that
    stay has a point of its own, so that no line crosses it.
    Reference: Steinarsson 2013, "Downsampling Time Series for Visual Representation", section 4.2.
    """
    if len(x) <= most:
        return np.arange(len(x))
    finite = np.isfinite(x) & np.isfinite(y)
    pieces = runs(finite)
    if len(pieces) > MANY_RUNS:
        drawn = np.flatnonzero(finite)
        kept = drawn[np.linspace(0, len(drawn) - 1, most).round().astype(np.intp)]
    else:
        share = most / max(1, int(finite.sum()))
        each = [(i, j, max(2, int(share * (j - i)))) for i, j in pieces]
        parts = [i + _triangles(x[i:j], y[i:j], count) for i, j, count in each]
        kept = np.concatenate([np.zeros(0, np.intp), *parts])
    gaps = np.flatnonzero(~finite)
    following = np.searchsorted(gaps, kept)
    first = gaps[following[following < len(gaps)]]
    return np.unique(np.concatenate([kept, first]))


def _triangles(x: NDArray[np.float64], y: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """The indices of `most` points: the ends, and the largest triangle of each bucket between."""
    length = len(x)
    if length <= most:
        return np.arange(length)
    if most < 3:
        return np.array([0, length - 1])
    edges = np.linspace(1, length - 1, most - 1).astype(np.intp)
    sizes = np.diff([*edges, length])
    mean_x, mean_y = (np.add.reduceat(v, edges) / sizes for v in (x, y))
    kept = [0]
    for i, (start, stop) in enumerate(itertools.pairwise(edges)):
        last_x, last_y = x[kept[-1]], y[kept[-1]]
        across, up = mean_x[i + 1] - last_x, mean_y[i + 1] - last_y
        area = np.abs((x[start:stop] - last_x) * up - (y[start:stop] - last_y) * across)
        kept.append(int(start) + int(area.argmax()))
    return np.array([*kept, length - 1], np.intp)
