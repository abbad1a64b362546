"""Quadratics whose course is known: by condition, with noise in the gradient, over rows of data.

    quadratic_1, …_1e4, _1e6   ½ Σ λᵢ xᵢ² of condition 1, 10⁴ and 10⁶
    noisy_quadratic            the same, λᵢ = 1/i, and gradients λᵢ xᵢ + σ √λᵢ N(0, 1)
    quadratic_deep             ½ E[(θ − x)ᵀ Q (θ − x)] over rows x; DeepOBS's problem, to the bit

`loss_moments` gives the mean and the variance of the loss after each step of SGD and of momentum on
the first two kinds, exactly.
References: Zhang et al. 2019, NeurIPS, "Which algorithmic choices matter at which batch sizes?
Insights from a noisy quadratic model"; Schneider, Balles, Hennig 2019, ICLR, "DeepOBS: a deep
learning optimizer benchmark suite"; Chaudhari et al. 2017, ICLR, "Entropy-SGD" (its spectrum);
Diaconis, Shahshahani 1987, Probability in the Engineering and Informational Sciences 1, "The
subgroup algorithm for generating uniform random variables" (its rotation).
"""

from __future__ import annotations

import dataclasses
from dataclasses import field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, check_integer
from jaxnn.problems.base import Function, Metrics, Target
from jaxnn.problems.check import check_number
from jaxnn.problems.rowwise import place
from jaxnn.problems.valleys import quadratic, quadratic_value
from jaxnn.typing import Array, Float, PRNGKeyArray

__all__ = [
    "LossMoments",
    "NoisyFunction",
    "RowQuadratic",
    "loss_moments",
    "noisy_quadratic",
    "quadratic_1",
    "quadratic_1e4",
    "quadratic_1e6",
    "quadratic_deep",
]

_STATIC = {"static": True}


def quadratic_1(*, dim: int = 10, spread: float = 0.0) -> Function:
    """A round bowl, all curvatures 1: gradient descent needs one step.

    dim: >= 1. spread: >= 0, deviation of the start around (1, …, 1) between seeds.
    """
    return _conditioned("quadratic_1", 1.0, dim, spread)


def quadratic_1e4(*, dim: int = 10, spread: float = 0.0) -> Function:
    """A bowl of condition 10⁴, curvatures from 0.01 to 100. Arguments as for `quadratic_1`."""
    return _conditioned("quadratic_1e4", 1e4, dim, spread)


def quadratic_1e6(*, dim: int = 10, spread: float = 0.0) -> Function:
    """A bowl of condition 10⁶, curvatures from 0.0001 to 100. Arguments as for `quadratic_1`."""
    return _conditioned("quadratic_1e6", 1e6, dim, spread)


def _conditioned(name: str, condition: float, dim: int, spread: float) -> Function:
    """A quadratic whose largest curvature is 100 at most, so that usual rates suit it.

    The target is a fifth of what the flattest direction costs at the start, or less.
    """
    problem = quadratic(condition=condition, dim=dim, spread=spread)
    least = min(1.0, 100 / condition)
    return dataclasses.replace(
        problem,
        name=name,
        constants=(least * problem.constants[0],),
        target=Target("loss", min(1e-3, 1e-2 * least), "min"),
    )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class NoisyFunction(Function):
    """A function whose gradient is noisy in training: a random slope is added, of mean 0.

    noise: deviation of the gradient in each coordinate. Without a key there is none, so that
    metrics are the function itself, the mean over the noise.
    """

    noise: Float[Array | np.ndarray, " dim"]

    def loss(
        self,
        params: Float[Array, " dim"],
        batch: None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, ""]:
        """The value at the point, and with a key the random slope times the point."""
        value = super().loss(params, batch)
        if key is None:
            return value
        slope = jax.random.normal(key, params.shape, jnp.float32).astype(params.dtype)
        return value + jnp.sum(jnp.asarray(self.noise, params.dtype) * slope * params)


def noisy_quadratic(*, dim: int = 100, noise: float = 1.0, spread: float = 0.0) -> NoisyFunction:
    """The noisy quadratic model: curvatures 1, ½, ⅓, …, and noise of the curvatures' shape.

    dim: >= 1. noise: >= 0, the deviation σ; the gradient's covariance is σ² times the Hessian, so a
    batch of B rows is σ = 1/√B. spread: >= 0, deviation of the start around (1, …, 1).
    The larger the rate the faster the start and the higher the floor: what is best depends on the
    number of steps, and a falling rate beats every steady one.
    """
    dim = check_integer("noisy_quadratic", "dim", dim, low=1)
    curvatures = 1 / np.arange(1, dim + 1)
    return NoisyFunction(
        name="noisy_quadratic",
        function=quadratic_value,
        constants=(curvatures,),
        noise=check_number("noisy_quadratic", "noise", noise, low=0) * np.sqrt(curvatures),
        start=np.ones(dim),
        spread=check_number("noisy_quadratic", "spread", spread, low=0),
        optima=np.zeros((1, dim)),
        minimum=0.0,
        target=Target("loss", 0.4, "min"),
        domain=((-1.5, 1.5),) * dim,
    )


class LossMoments(NamedTuple):
    """Of the loss after 0, 1, … num_steps updates, over seeds."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


def loss_moments(
    problem: Function, *, num_steps: int, learning_rate: float, momentum: float = 0.0
) -> LossMoments:
    """Mean and variance [num_steps + 1] of a quadratic's loss under SGD or momentum, exactly.

    problem: `quadratic` in any condition, or `noisy_quadratic`. The rule is v ← momentum·v + g,
    x ← x − learning_rate·v; momentum=0 is SGD, and gradient descent where there is no noise.
    Each coordinate's (x, v) is an affine map of itself and of normal noise, so it stays normal with
    moments m ← A m, P ← A P Aᵀ + b bᵀ; and for x ~ N(m, p), λx²/2 has the mean λ(m² + p)/2 and the
    variance λ²(p²/2 + m²p). With SGD and no spread that is
        m_t = (1 − αλ)^t        p_t = α²s² (1 − (1 − αλ)^2t) / (1 − (1 − αλ)²)
    for noise of deviation s (Zhang et al. 2019, equation 3). Raises TypeError for other problems.

    >>> from jaxnn.problems import get
    >>> loss_moments(get("quadratic", dim=1, condition=4), num_steps=2, learning_rate=0.2).mean
    array([2.    , 0.08  , 0.0032])
    """
    if getattr(problem, "function", None) is not quadratic_value:
        fix = "Pass problems.get('noisy_quadratic')."
        raise bad_type("loss_moments", "problem", "a quadratic", repr(problem), fix)
    num_steps = check_integer("loss_moments", "num_steps", num_steps, low=0)
    curvatures = np.asarray(problem.constants[0], np.float64)
    dim, ones = len(curvatures), np.ones_like(curvatures)
    noise = np.asarray(getattr(problem, "noise", 0 * ones), np.float64)
    forward = np.array(
        [
            [1 - learning_rate * curvatures, -learning_rate * momentum * ones],
            [curvatures, momentum * ones],
        ]
    ).transpose(2, 0, 1)
    kick = noise[:, None] * np.array([-learning_rate, 1.0])
    kicks = kick[:, :, None] * kick[:, None, :]
    mean, covariance = np.zeros((dim, 2)), np.zeros((dim, 2, 2))
    mean[:, 0], covariance[:, 0, 0] = problem.start, np.square(problem.spread)
    moments = np.empty((2, num_steps + 1))
    for step in range(num_steps + 1):
        if step:
            mean = np.einsum("dij,dj->di", forward, mean)
            covariance = forward @ covariance @ forward.transpose(0, 2, 1) + kicks
        square, spread = mean[:, 0] ** 2, covariance[:, 0, 0]
        moments[0, step] = np.sum(curvatures * (square + spread)) / 2
        moments[1, step] = np.sum(curvatures**2 * (spread**2 / 2 + square * spread))
    return LossMoments(*moments)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RowQuadratic:
    """½ (θ − x)ᵀ Q (θ − x), the mean over rows x, to minimise over points θ [dim].

    train, validation, test: rows x. hessian: Q, symmetric. start: where every seed begins.
    """

    train: Float[Array, "rows dim"]
    validation: Float[Array, "rows dim"]
    test: Float[Array, "rows dim"]
    hessian: Float[np.ndarray, "dim dim"]
    start: Float[np.ndarray, " dim"]
    name: str = field(metadata=_STATIC)
    target: Target | None = field(default=None, metadata=_STATIC)

    residuals = None

    def __repr__(self) -> str:
        return f"RowQuadratic({self.name!r})"

    @property
    def num_rows(self) -> int:
        """The number of training rows."""
        return self.train.shape[0]

    def init(self, key: PRNGKeyArray) -> Float[Array, " dim"]:
        """The start, whatever the key."""
        del key
        return jnp.asarray(self.start, jnp.result_type(float))

    def loss(
        self,
        params: Float[Array, " dim"],
        batch: Float[Array, "rows dim"],
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, ""]:
        """The mean over the rows of `batch`; nothing is random."""
        del key
        return jnp.mean(self.per_row(params, batch)["loss"])

    def per_row(
        self, params: Float[Array, " dim"], batch: Float[Array, "rows dim"]
    ) -> dict[str, Float[Array, " rows"]]:
        """The loss of each row."""
        gaps = params[None] - batch.astype(params.dtype)
        products = jnp.dot(gaps, jnp.asarray(self.hessian, params.dtype))
        return {"loss": jnp.sum(gaps * products, axis=1) / 2}

    def metrics(self, params: Float[Array, " dim"], batch: Float[Array, "rows dim"]) -> Metrics:
        """The mean "loss"."""
        return {"loss": self.loss(params, batch)}


def quadratic_deep() -> RowQuadratic:
    """DeepOBS's quadratic in 100 dimensions: 90 curvatures in (0, 1), 10 in (30, 60), noisy rows.

    Spectrum, rotation and 1,000 training rows from N(0, 0.6²) are those of RandomState(42), the
    test rows those of RandomState(43), in float32, as in DeepOBS; its batches of 128 leave out the
    last 104 of the test rows, so they are not among them here. It has no validation rows: these are
    as many, of RandomState(44). The start is θ = (1, …, 1), where the test loss is 353.4468.
    The least possible test loss is the rows' own variance, about ½ · 0.36 · tr Q.
    """
    rng = np.random.RandomState(42)
    eigenvalues = np.concatenate([rng.uniform(0, 1, 90), rng.uniform(30, 60, 10)])
    rotation = _rotation(rng, 100)
    train, test, validation = (
        place(np.random.RandomState(seed).normal(0, 0.6, (1000, 100))[:count])
        for seed, count in ((42, 1000), (43, 896), (44, 896))
    )
    return RowQuadratic(
        train=train,
        validation=validation,
        test=test,
        hessian=rotation.T @ np.diag(eigenvalues) @ rotation,
        start=np.ones(100),
        name="quadratic_deep",
        target=Target("loss", 86.5, "min"),
    )


def _rotation(rng: np.random.RandomState, dim: int) -> NDArray[np.float64]:
    """A uniform rotation by the subgroup algorithm: a Householder reflection a dimension."""
    angle = 2 * np.pi * rng.uniform()
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for size in range(3, dim + 1):
        goal = rng.normal(size=size)
        normal = np.eye(size)[0] - goal / np.sqrt(goal @ goal)
        normal /= np.sqrt(normal @ normal)
        larger = np.eye(size)
        larger[1:, 1:] = rotation
        rotation = larger - 2 * np.outer(normal, normal @ larger)
    return -rotation
