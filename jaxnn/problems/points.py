"""Points in the plane that a line cannot sort, to see the boundaries that a network draws.

    moons      two half circles, interlocked
    circles    one ring inside the other
    spirals    two arms, each winding around the other
    blobs      round clouds, one a class

Moons, circles and blobs are scikit-learn's. The spirals, arm by arm, are θ/2π·(±cos θ, ±sin θ) with
√(θ/2πt) even in [0, 1] for t turns, so that points lie evenly along the arm.
Reference for the spirals: Lang, Witbrock 1988, "Learning to Tell Two Spirals Apart".
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from jaxnn.errors import check_integer, check_seed
from jaxnn.models import MLP
from jaxnn.problems.base import Supervised, Target
from jaxnn.problems.check import check_number
from jaxnn.problems.data import assemble, split_rows

__all__ = ["blobs", "circles", "moons", "spirals"]


def moons(
    *,
    num_rows: int = 1000,
    noise: float = 0.2,
    sizes: tuple[int, ...] = (2, 16, 1),
    activation: str = "tanh",
    seed: int = 0,
) -> Supervised:
    """Two half circles, interlocked; which one is a point on?

    num_rows: >= 6, of all parts together. noise: >= 0, standard deviation of the points. sizes: 2
    inputs, hidden layers, 1 output. seed: in [0, 2³²), of the points and of the split.
    """
    from sklearn.datasets import make_moons

    num_rows, noise, seed = _check("moons", num_rows, noise, seed, num_classes=2)
    inputs, labels = make_moons(num_rows, noise=noise, random_state=seed)
    return _problem("moons", inputs, labels, MLP(sizes, activation), seed, 0.95)


def circles(
    *,
    num_rows: int = 1000,
    noise: float = 0.1,
    sizes: tuple[int, ...] = (2, 16, 1),
    activation: str = "tanh",
    seed: int = 0,
) -> Supervised:
    """A ring of radius ½ inside one of radius 1; which one is a point on?

    Arguments as for `moons`.
    """
    from sklearn.datasets import make_circles

    num_rows, noise, seed = _check("circles", num_rows, noise, seed, num_classes=2)
    inputs, labels = make_circles(num_rows, noise=noise, factor=0.5, random_state=seed)
    return _problem("circles", inputs, labels, MLP(sizes, activation), seed, 0.95)


def spirals(
    *,
    num_rows: int = 1000,
    noise: float = 0.05,
    turns: float = 1.5,
    sizes: tuple[int, ...] = (2, 32, 32, 1),
    activation: str = "tanh",
    seed: int = 0,
) -> Supervised:
    """Two arms that wind around each other; which one is a point on?

    turns: >= 0.1, how often an arm winds; the radius grows by 1 a turn. Others as for `moons`.
    """
    num_rows, noise, seed = _check("spirals", num_rows, noise, seed, num_classes=2)
    turns = check_number("spirals", "turns", turns, low=0.1)
    rng = np.random.default_rng(seed)
    labels = np.arange(num_rows) % 2
    radius = turns * np.sqrt(rng.uniform(size=num_rows))
    angle = 2 * math.pi * radius + math.pi * labels
    arms = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inputs = arms + noise * rng.normal(size=arms.shape)
    return _problem("spirals", inputs, labels, MLP(sizes, activation), seed, 0.95)


def blobs(
    *,
    num_rows: int = 1000,
    noise: float = 1.0,
    num_classes: int = 3,
    hidden: tuple[int, ...] = (16,),
    activation: str = "tanh",
    seed: int = 0,
) -> Supervised:
    """Round clouds around random centres in [−10, 10]²; which one does a point belong to?

    num_classes: >= 2, the number of clouds. num_rows: at least three a cloud. hidden: units of the
    hidden layers. Other arguments as for `moons`.
    """
    from sklearn.datasets import make_blobs

    num_classes = check_integer("blobs", "num_classes", num_classes, low=2)
    num_rows, noise, seed = _check("blobs", num_rows, noise, seed, num_classes=num_classes)
    inputs, labels, *_ = make_blobs(
        num_rows, 2, centers=num_classes, cluster_std=noise, random_state=seed
    )
    return _problem("blobs", inputs, labels, MLP((2, *hidden, num_classes), activation), seed, 0.9)


def _check(
    where: str, num_rows: int, noise: float, seed: int, *, num_classes: int
) -> tuple[int, float, int]:
    return (
        check_integer(where, "num_rows", num_rows, low=3 * num_classes),
        check_number(where, "noise", noise, low=0),
        check_seed(where, seed),
    )


def _problem(
    name: str, points: ArrayLike, labels: ArrayLike, model: MLP, seed: int, accuracy: float
) -> Supervised:
    inputs, labels = np.asarray(points), np.asarray(labels)
    rows = split_rows(len(inputs), seed, labels=labels)
    return assemble(name, inputs, labels, model, rows, target=Target("accuracy", accuracy))
