"""The table of problems: a new one is a function beside this and a line here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable
from typing import Any

from jaxnn.errors import bad_type, look_up, unknown_name
from jaxnn.problems import (
    hard,
    lecture,
    points,
    quadratics,
    real,
    sequences,
    valleys,
    vision,
    words,
)
from jaxnn.problems.base import Problem

__all__ = ["PROBLEMS", "get", "resolve"]

PROBLEMS: dict[str, Callable[..., Problem]] = {
    "gate": lecture.gate,
    "xor": lecture.xor_gate,
    "and": lecture.and_gate,
    "saddle": lecture.saddle,
    "backpropagation": lecture.backpropagation,
    "quadratic": valleys.quadratic,
    "quadratic_1": quadratics.quadratic_1,
    "quadratic_1e4": quadratics.quadratic_1e4,
    "quadratic_1e6": quadratics.quadratic_1e6,
    "noisy_quadratic": quadratics.noisy_quadratic,
    "quadratic_deep": quadratics.quadratic_deep,
    "rosenbrock": valleys.rosenbrock,
    "beale": valleys.beale,
    "booth": valleys.booth,
    "himmelblau": valleys.himmelblau,
    "branin": valleys.branin,
    "rastrigin": valleys.rastrigin,
    "ackley": valleys.ackley,
    "styblinski_tang": valleys.styblinski_tang,
    "moons": points.moons,
    "circles": points.circles,
    "spirals": points.spirals,
    "blobs": points.blobs,
    "digits": real.digits,
    "digits_logistic": real.digits_logistic,
    "breast_cancer": real.breast_cancer,
    "breast_cancer_logistic": real.breast_cancer_logistic,
    "wine": real.wine,
    "wine_logistic": real.wine_logistic,
    "iris": real.iris,
    "iris_logistic": real.iris_logistic,
    "diabetes": real.diabetes,
    "diabetes_linear": real.diabetes_linear,
    "digits_cnn": vision.digits_cnn,
    "digits_residual": vision.digits_residual,
    "digits_autoencoder": vision.digits_autoencoder,
    "digits_vae": vision.digits_vae,
    "char_rnn": sequences.char_rnn,
    "char_transformer": sequences.char_transformer,
    "copying": sequences.copying,
    "addition": sequences.addition,
    "deep_sigmoid": hard.deep_sigmoid,
    "saddles": hard.saddles,
    "plateau": hard.plateau,
    "ill_scaled": hard.ill_scaled,
    "label_noise": hard.label_noise,
    "sparse_words": words.sparse_words,
    "tiny_batch": hard.tiny_batch,
    "huge_batch": hard.huge_batch,
}
"""Names to builders; the options of a builder are keyword-only."""


def get(name: str, /, **structure: Hashable) -> Any:
    """The problem of that name, with other structure where asked: `get("quadratic", dim=2)`.

    Problems are built once a process; the answer is the same object for the same arguments.
    Raises ValueError for an unknown name, option or value.

    >>> get("gate", name="nand").train.targets.tolist()
    [1, 1, 1, 0]
    """
    builder = look_up("problems.get", "name", name, PROBLEMS)
    options = inspect.signature(builder).parameters
    for option in structure:
        if option not in options:
            raise unknown_name(name, "structure", option, options)
    defaults = {option: parameter.default for option, parameter in options.items()}
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in structure.items()}
    for option, value in values.items():
        try:
            hash(value)
        except TypeError:
            fix = "Pass a number, a string or a tuple."
            raise bad_type(name, option, "hashable", repr(value), fix) from None
    return _build(name, **(defaults | values))


@functools.lru_cache(maxsize=64, typed=True)
def _build(name: str, /, **structure: Hashable) -> Any:
    return PROBLEMS[name](**structure)


def resolve(problem_or_name: Any) -> Any:
    """A problem from a problem or from its name."""
    return get(problem_or_name) if isinstance(problem_or_name, str) else problem_or_name
