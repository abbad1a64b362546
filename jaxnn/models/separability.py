"""Linear separability: whether any perceptron can be right on all examples, and how soon one is.

Examples are separable where some w and θ have w·x > θ for the targets 1 and w·x < θ for the targets
0: a linear program, solved on the host in float64, that ends with such a line or with none. It is
why XOR can be called impossible, which no number of passes shows.
References: Mangasarian 1965, Operations Research 13, "Linear and Nonlinear Separation of Patterns
by Linear Programming"; Novikoff 1962 (`jaxnn.models.perceptron`).
"""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike

from jaxnn.errors import bad_value
from jaxnn.models.perceptron import PerceptronParams, check_examples

__all__ = ["find_separator", "is_separable", "novikoff_bound"]

_SMALLEST_MARGIN = 1e-6  # ten times the solver's tolerance


def find_separator(
    inputs: ArrayLike, targets: ArrayLike, *, threshold: float | None = None
) -> PerceptronParams | None:
    """A line w·x = θ with every example on its side, or None where there is none.

    inputs: [examples, inputs]; targets: [examples], 0 or 1. `threshold` holds θ; an example of
    class 1 may then lie on the line, where the perceptron answers 1. Margins below a millionth of
    the largest entry, or so, count as none. Raises ValueError and TypeError for other shapes and
    targets.
    """
    from scipy.optimize import linprog

    check_examples("find_separator", inputs, targets)
    points, ones = np.asarray(inputs, np.float64), np.asarray(targets) == 1
    scale = np.abs(points).max() or 1.0
    side = np.where(ones, 1.0, -1.0)[:, None]
    margin = np.where(ones & (threshold is not None), 0.0, 1.0)[:, None]
    # Largest δ <= 1 with side · (w·x − θ) >= margin · δ, over (w, θ, δ).
    rows = np.hstack([-side * points / scale, side, margin])
    free = (None, None)
    held = free if threshold is None else (threshold, threshold)
    found = linprog(
        np.eye(1, rows.shape[1], rows.shape[1] - 1)[0] * -1,
        A_ub=rows,
        b_ub=np.zeros(len(rows)),
        bounds=[free] * points.shape[1] + [held, (0, 1)],
    )
    if found.status != 0 or found.x[-1] < _SMALLEST_MARGIN:
        return None
    return PerceptronParams(found.x[:-2] / scale, found.x[-2])


def is_separable(inputs: ArrayLike, targets: ArrayLike, *, threshold: float | None = None) -> bool:
    """Whether some line has every example on its side; see `find_separator`.

    >>> square = [[0, 0], [1, 0], [0, 1], [1, 1]]
    >>> is_separable(square, [0, 0, 0, 1]), is_separable(square, [0, 1, 1, 0])
    (True, False)
    """
    return find_separator(inputs, targets, threshold=threshold) is not None


def novikoff_bound(inputs: ArrayLike, targets: ArrayLike, separator: PerceptronParams) -> float:
    """(R/γ)², the most mistakes that learning from w = 0 and θ = 0 can make on the examples.

    R is the longest augmented example (x, −1), γ the smallest distance of one from the separator's
    hyperplane through 0. Raises ValueError where an example is not strictly on its side of it.
    """
    check_examples("novikoff_bound", inputs, targets)
    points = np.asarray(inputs, np.float64)
    augmented = np.hstack([points, -np.ones((len(points), 1))])
    line = np.append(np.asarray(separator.weight), np.asarray(separator.threshold))
    signed = np.where(np.asarray(targets) == 1, 1.0, -1.0) * (augmented @ line.astype(np.float64))
    if signed.min() <= 0:
        got, fix = f"a margin of {signed.min():g}", "Take the one that find_separator returns."
        raise bad_value(
            "novikoff_bound", "separator", "a line strictly between the classes", got, fix
        )
    radius = np.linalg.norm(augmented, axis=1).max()
    return float((radius * np.linalg.norm(line) / signed.min()) ** 2)
