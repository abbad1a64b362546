"""Functions with known optima, to look at how a rule moves.

    quadratic     ½ Σ λᵢ xᵢ², λ from 1 to the condition number, even in the logarithm
    rosenbrock    Σ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)²
    beale         (1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²
    booth         (x + 2y − 7)² + (2x + y − 5)²
    himmelblau    (x² + y − 11)² + (x + y² − 7)²
    branin        (y − 5.1x²/4π² + 5x/π − 6)² + 10 (1 − 1/8π) cos x + 10
    rastrigin     Σ xᵢ² + 10 (1 − cos 2πxᵢ)
    ackley        20 (1 − exp(−√(Σ xᵢ²/d)/5)) + e − exp(Σ cos(2πxᵢ)/d)
    styblinski_tang   ½ Σ xᵢ⁴ − 16 xᵢ² + 5 xᵢ

The minimum is 0, but for branin (5/4π) and styblinski_tang (−39.17 d).
References for functions and starts: Moré, Garbow, Hillstrom 1981, ACM Transactions on Mathematical
Software 7, "Testing Unconstrained Optimization Software" (Rosenbrock, Beale); Himmelblau 1972,
"Applied Nonlinear Programming"; Rastrigin 1974 in the form of Mühlenbein, Schomisch, Born 1991;
Ackley 1987, "A Connectionist Machine for Genetic Hillclimbing"; Branin 1972, IBM Journal of
Research and Development 16, in the form of Dixon, Szegő 1978; Styblinski, Tang 1990, Neural
Networks 3; Booth and domains: Jamil, Yang 2013, International Journal of Mathematical Modelling and
Numerical Optimisation 4, "A literature survey of benchmark functions".
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np

from jaxnn import tree
from jaxnn.errors import check_integer
from jaxnn.problems.base import Function, Target
from jaxnn.problems.check import check_number
from jaxnn.typing import Array, Float

__all__ = [
    "ackley",
    "beale",
    "booth",
    "branin",
    "himmelblau",
    "quadratic",
    "quadratic_value",
    "rastrigin",
    "rosenbrock",
    "styblinski_tang",
]


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


def booth_value(point: Float[Array, "2"]) -> Float[Array, ""]:
    """A quadratic of condition 9 whose axes are the diagonals; least at (1, 3)."""
    x, y = point
    return (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2


def branin_value(point: Float[Array, "2"]) -> Float[Array, ""]:
    """A bent valley with three minima of the same value."""
    x, y = point
    across = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return across**2 + 10 * (1 - 1 / (8 * math.pi)) * jnp.cos(x) + 10


def ackley_value(point: Float[Array, " dim"]) -> Float[Array, ""]:
    """A plain full of dents around a funnel whose tip is a cone; least at 0."""
    radius = tree.sqrt(jnp.mean(point**2))  # its derivative at the tip is 0, not NaN
    waves = jnp.exp(jnp.mean(jnp.cos(2 * math.pi * point)))
    return 20 * (1 - jnp.exp(-0.2 * radius)) + math.e - waves


def styblinski_tang_value(point: Float[Array, " dim"]) -> Float[Array, ""]:
    """Two minima in each coordinate, the deeper one near −2.9."""
    return 0.5 * jnp.sum(point**4 - 16 * point**2 + 5 * point)


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

    dim: >= 2; from 4 on there is a local minimum whose first coordinate is negative, for dim=4 near
    (−0.78, 0.61, 0.38, 0.15). spread: >= 0, deviation of the start between seeds.
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


def booth(*, spread: float = 0.0) -> Function:
    """A slanted bowl of condition 9, from (−5, −5): least at (1, 3).

    spread: >= 0, deviation of the start between seeds.
    """
    return Function(
        name="booth",
        function=booth_value,
        start=np.full(2, -5.0),
        spread=check_number("booth", "spread", spread, low=0),
        optima=np.array([[1.0, 3.0]]),
        minimum=0.0,
        target=Target("loss", 1e-3, "min"),
        domain=((-10.0, 10.0), (-10.0, 10.0)),
    )


def branin(*, spread: float = 0.0) -> Function:
    """A bent valley with three minima of the same depth, 5/4π, from (2.5, 12.5).

    spread: >= 0, deviation of the start between seeds.
    """
    lowest = 5 / (4 * math.pi)
    return Function(
        name="branin",
        function=branin_value,
        start=np.array([2.5, 12.5]),
        spread=check_number("branin", "spread", spread, low=0),
        optima=np.array([[-math.pi, 12.275], [math.pi, 2.275], [3 * math.pi, 2.475]]),
        minimum=lowest,
        target=Target("loss", lowest + 1e-3, "min"),
        domain=((-5.0, 10.0), (0.0, 15.0)),
    )


def ackley(*, dim: int = 2, spread: float = 1.0) -> Function:
    """A plain full of dents around a narrow funnel, least at 0, where it is a cone.

    dim: >= 1. spread: >= 0, deviation of the start around (2, …, 2) between seeds. At the tip the
    gradient does not fade: a rule of steady rate jumps over it for ever. The target lies below
    every other local minimum, of which the least is 2.58 for dim=2 and smaller for more.
    """
    dim = check_integer("ackley", "dim", dim, low=1)
    return Function(
        name="ackley",
        function=ackley_value,
        start=np.full(dim, 2.0),
        spread=check_number("ackley", "spread", spread, low=0),
        optima=np.zeros((1, dim)),
        minimum=0.0,
        target=Target("loss", 0.5, "min"),
        domain=((-5.0, 5.0),) * dim,
    )


def styblinski_tang(*, dim: int = 2, spread: float = 1.0) -> Function:
    """Two minima in each coordinate, so 2^dim in all, of which one is least: −39.17 dim.

    dim: >= 1. spread: >= 0, deviation of the start around 0 between seeds. The target is the basin
    of the optimum: with one coordinate in the other minimum the value is 14.1 higher.
    """
    dim = check_integer("styblinski_tang", "dim", dim, low=1)
    # The least root of 4x³ − 32x + 5, the derivative of each term.
    lowest = -2.9035340277711774
    minimum = dim * (lowest**4 - 16 * lowest**2 + 5 * lowest) / 2
    return Function(
        name="styblinski_tang",
        function=styblinski_tang_value,
        start=np.zeros(dim),
        spread=check_number("styblinski_tang", "spread", spread, low=0),
        optima=np.full((1, dim), lowest),
        minimum=minimum,
        target=Target("loss", minimum + 1, "min"),
        domain=((-5.0, 5.0),) * dim,
    )
