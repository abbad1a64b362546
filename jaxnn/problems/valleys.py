"""Functions with known optima, to look at how a rule moves.

    quadratic     ½ Σ λᵢ xᵢ², λ from 1 to the condition number, even in the logarithm
    rosenbrock    Σ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)²
    beale         (1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²
    himmelblau    (x² + y − 11)² + (x + y² − 7)²
    rastrigin     Σ xᵢ² + 10 (1 − cos 2πxᵢ)

All have the minimum 0. Reference for functions and starts: Moré, Garbow, Hillstrom 1981, ACM
Transactions on Mathematical Software 7, "Testing Unconstrained Optimization Software" (Rosenbrock,
Beale); Himmelblau 1972, "Applied Nonlinear Programming"; Rastrigin 1974 in the form of Mühlenbein,
Schomisch, Born 1991.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np

from jaxnn.errors import check_integer
from jaxnn.problems.base import Function, Target
from jaxnn.problems.check import check_number
from jaxnn.typing import Array, Float

__all__ = ["beale", "himmelblau", "quadratic", "rastrigin", "rosenbrock"]


def quadratic_value(
    point: Float[Array, " dim"], curvatures: Float[Array, " dim"]
) -> Float[Array, ""]:
    """½ Σ λᵢ xᵢ² for the curvatures λ."""
    return 0.5 * jnp.sum(curvatures * point**2)


def rosenbrock_value(point: Float[Array, " dim"]) -> Float[Array, ""]:
    """A curved valley; its floor falls slowly towards (1, …, 1)."""
    here, after = point[:-1], point[1:]
    return jnp.sum(100 * (after - here**2) ** 2 + (1 - here) ** 2)


def beale_value(point: Float[Array, "2"]) -> Float[Array, ""]:
    """A flat valley with steep walls; least at (3, ½)."""
    x, y = point
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def himmelblau_value(point: Float[Array, "2"]) -> Float[Array, ""]:
    """Four minima of the same value."""
    x, y = point
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def rastrigin_value(point: Float[Array, " dim"]) -> Float[Array, ""]:
    """A bowl with a local minimum near every point of whole coordinates; least at 0."""
    return jnp.sum(point**2 + 10 * (1 - jnp.cos(2 * math.pi * point)))


def quadratic(*, condition: float = 100.0, dim: int = 10, spread: float = 0.0) -> Function:
    """A bowl ½ Σ λᵢ xᵢ² with a given condition number λ_max/λ_min, from (1, …, 1).

    condition: >= 1, the ratio of the largest curvature to the least, which is 1. dim: >= 1; in one
    dimension the curvature is `condition`. spread: >= 0, deviation of the start between seeds.
    Gradient descent converges for learning rates below 2/condition; the best, 2/(1 + condition),
    shrinks the distance by (condition − 1)/(condition + 1) a step.
    """
    dim = check_integer("quadratic", "dim", dim, low=1)
    condition = check_number("quadratic", "condition", condition, low=1)
    curvatures = np.geomspace(1, condition, dim) if dim > 1 else np.array([condition])
    return Function(
        name="quadratic",
        function=quadratic_value,
        constants=(curvatures,),
        start=np.ones(dim),
        spread=check_number("quadratic", "spread", spread, low=0),
        optima=np.zeros((1, dim)),
        minimum=0.0,
        target=Target("loss", 1e-3, "min"),
        domain=((-1.5, 1.5),) * dim,
    )


def rosenbrock(*, dim: int = 2, spread: float = 0.0) -> Function:
    """The banana Σ 100(xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)² from (−1.2, 1, −1.2, …); least at (1, …, 1).

    dim: >= 2; from 4 on there is a local minimum near (−1, 1, …, 1). spread: >= 0, deviation of the
    start between seeds.
    """
    dim = check_integer("rosenbrock", "dim", dim, low=2)
    return Function(
        name="rosenbrock",
        function=rosenbrock_value,
        start=np.resize([-1.2, 1.0], dim),
        spread=check_number("rosenbrock", "spread", spread, low=0),
        optima=np.ones((1, dim)),
        minimum=0.0,
        target=Target("loss", 1e-3, "min"),
        domain=((-2.0, 2.0), (-1.0, 3.0)) + ((-2.0, 2.0),) * (dim - 2),
    )


def beale(*, spread: float = 0.0) -> Function:
    """A flat valley between steep walls, from (1, 1); least at (3, ½).

    spread: >= 0, deviation of the start between seeds.
    """
    return Function(
        name="beale",
        function=beale_value,
        start=np.ones(2),
        spread=check_number("beale", "spread", spread, low=0),
        optima=np.array([[3.0, 0.5]]),
        minimum=0.0,
        target=Target("loss", 1e-3, "min"),
        domain=((-4.5, 4.5), (-4.5, 4.5)),
    )


def himmelblau(*, spread: float = 0.0) -> Function:
    """Four valleys of the same depth, from (1, 1): which one a rule finds depends on its path.

    spread: >= 0, deviation of the start between seeds.
    """
    optima = [
        [3.0, 2.0],
        [-2.8051180869527448, 3.1313125182505730],
        [-3.7793102533777469, -3.2831859912861694],
        [3.5844283403304917, -1.8481265269644034],
    ]
    return Function(
        name="himmelblau",
        function=himmelblau_value,
        start=np.ones(2),
        spread=check_number("himmelblau", "spread", spread, low=0),
        optima=np.array(optima),
        minimum=0.0,
        target=Target("loss", 1e-3, "min"),
        domain=((-5.0, 5.0), (-5.0, 5.0)),
    )


def rastrigin(*, dim: int = 2, spread: float = 1.0) -> Function:
    """A bowl full of local minima, one near each point of whole coordinates; least at 0.

    dim: >= 1. spread: >= 0, deviation of the start around (2, …, 2) between seeds. The target is
    the basin of the optimum: below 1 lies no other local minimum's value (0.995).
    """
    dim = check_integer("rastrigin", "dim", dim, low=1)
    return Function(
        name="rastrigin",
        function=rastrigin_value,
        start=np.full(dim, 2.0),
        spread=check_number("rastrigin", "spread", spread, low=0),
        optima=np.zeros((1, dim)),
        minimum=0.0,
        target=Target("loss", 0.9, "min"),
        domain=((-5.12, 5.12),) * dim,
    )
