"""Real data, small enough for a laptop, that scikit-learn carries with it; nothing is downloaded.

    digits           1,797 images of 8 × 8 pixels, 10 classes      inputs / 16
    breast_cancer      569 tumours, 30 measurements, 2 classes     standardised
    wine               178 wines, 13 measurements, 3 classes       standardised
    iris               149 flowers, 4 measurements, 3 classes      standardised
    diabetes           442 patients, 10 measurements → progression   both standardised

Rows are split 70 : 15 : 15 by a fixed seed, classification class by class; the statistics are those
of the training rows. Iris lists one of its 150 flowers twice; it counts once, so that no row is
both learned and reported. Each comes with a network of one hidden layer; `…_logistic` (diabetes:
`…_linear`) is the same without one, a convex problem. Targets are what a tuned rule reaches well
before 500 steps of 32 rows.
Reference: UCI Machine Learning Repository (Alpaydin, Kaynak 1998; Wolberg, Mangasarian, Street
1995; Aeberhard, Forina 1991; Fisher 1936); for diabetes, Efron, Hastie, Johnstone, Tibshirani 2004,
Annals of Statistics 32, "Least angle regression".
"""

from __future__ import annotations

import dataclasses
import functools
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import check_seed
from jaxnn.models import MLP
from jaxnn.problems.base import Supervised, Target
from jaxnn.problems.data import assemble, split_rows

__all__ = [
    "breast_cancer",
    "breast_cancer_logistic",
    "diabetes",
    "diabetes_linear",
    "digits",
    "digits_logistic",
    "iris",
    "iris_logistic",
    "load",
    "wine",
    "wine_logistic",
]


def digits(
    *, sizes: tuple[int, ...] = (64, 32, 10), activation: str = "relu", seed: int = 0
) -> Supervised:
    """Handwritten digits, 8 × 8 pixels: which of ten is it? The standard benchmark.

    sizes: 64 inputs, hidden layers, 10 outputs. seed: of the split, in [0, 2³²).
    """
    inputs, labels = load("load_digits")
    return _build("digits", inputs / 16, labels, sizes, activation, seed, Target("accuracy", 0.95))


def breast_cancer(
    *, sizes: tuple[int, ...] = (30, 16, 1), activation: str = "relu", seed: int = 0
) -> Supervised:
    """Measurements of cell nuclei: is the tumour benign?

    Arguments as for `digits`; 30 inputs, 1 output (the logit of benign) or 2.
    """
    inputs, labels = load("load_breast_cancer")
    target = Target("accuracy", 0.95)
    return _build("breast_cancer", inputs, labels, sizes, activation, seed, target)


def wine(
    *, sizes: tuple[int, ...] = (13, 16, 3), activation: str = "relu", seed: int = 0
) -> Supervised:
    """Chemical analysis of wines: which of three cultivars? Arguments as for `digits`."""
    inputs, labels = load("load_wine")
    return _build("wine", inputs, labels, sizes, activation, seed, Target("accuracy", 0.92))


def iris(
    *, sizes: tuple[int, ...] = (4, 16, 3), activation: str = "relu", seed: int = 0
) -> Supervised:
    """Lengths and widths of sepals and petals: which of three irises? Arguments as for `digits`."""
    inputs, labels = load("load_iris")
    return _build("iris", inputs, labels, sizes, activation, seed, Target("accuracy", 0.95))


def diabetes(
    *, sizes: tuple[int, ...] = (10, 16, 1), activation: str = "tanh", seed: int = 0
) -> Supervised:
    """Ten measurements of patients: how far does diabetes progress in a year? A regression.

    Arguments as for `digits`; 1 output.
    """
    inputs, progression = load("load_diabetes")
    target = Target("loss", 0.28, "min")
    return _build("diabetes", inputs, progression[:, None], sizes, activation, seed, target)


def digits_logistic(*, seed: int = 0) -> Supervised:
    """Digits by softmax regression: which of ten is it, by a plane each? `seed`: of the split."""
    return _linear(digits(sizes=(64, 10), seed=seed), "digits_logistic", Target("accuracy", 0.96))


def breast_cancer_logistic(*, seed: int = 0) -> Supervised:
    """Measurements of cell nuclei: is the tumour benign, by logistic regression? As for digits."""
    problem = breast_cancer(sizes=(30, 1), seed=seed)
    return _linear(problem, "breast_cancer_logistic", Target("loss", 0.065, "min"))


def wine_logistic(*, seed: int = 0) -> Supervised:
    """Chemical analysis of wines: which cultivar, by softmax regression? As for digits."""
    return _linear(wine(sizes=(13, 3), seed=seed), "wine_logistic", Target("loss", 0.2, "min"))


def iris_logistic(*, seed: int = 0) -> Supervised:
    """Sepals and petals: which iris, by softmax regression? As for digits."""
    return _linear(iris(sizes=(4, 3), seed=seed), "iris_logistic", Target("loss", 0.1, "min"))


def diabetes_linear(*, seed: int = 0) -> Supervised:
    """Ten measurements: how far does diabetes progress, by least squares? As for digits."""
    problem = diabetes(sizes=(10, 1), seed=seed)
    return _linear(problem, "diabetes_linear", Target("loss", 0.26, "min"))


def _linear(problem: Supervised, name: str, target: Target) -> Supervised:
    return dataclasses.replace(problem, name=name, target=target)


@functools.cache
def load(loader: str) -> tuple[NDArray, NDArray]:
    """A data set of scikit-learn by its loader: inputs in float64, targets; each row once."""
    inputs, targets = getattr(import_module("sklearn.datasets"), loader)(return_X_y=True)
    rows = np.sort(np.unique(inputs, axis=0, return_index=True)[1])
    return np.asarray(inputs[rows], np.float64), targets[rows]


def _build(
    name: str,
    inputs: NDArray,
    targets: NDArray,
    sizes: tuple[int, ...],
    activation: str,
    seed: int,
    target: Target,
) -> Supervised:
    labels = targets if targets.ndim == 1 else None
    rows = split_rows(len(inputs), check_seed(name, seed), labels=labels)
    model = MLP(sizes, activation)
    standardize = name != "digits"
    return assemble(name, inputs, targets, model, rows, standardize=standardize, target=target)
