"""Quadratics whose course is known: runs against closed forms, and DeepOBS's to its digits."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from jaxnn import problems, sweeps, training
from jaxnn.errors import BadType
from jaxnn.optimizers import momentum, sgd
from jaxnn.problems import loss_moments
from jaxnn.space import log_uniform

NUM_SEEDS = 2000


@pytest.mark.parametrize("name", ["quadratic_1", "quadratic_1e4", "quadratic_1e6"])
def test_conditions(name: str) -> None:
    problem = problems.get(name)
    curvatures = np.sort(np.asarray(problem.constants[0]))
    condition = {"quadratic_1": 1.0, "quadratic_1e4": 1e4, "quadratic_1e6": 1e6}[name]
    assert curvatures[-1] / curvatures[0] == pytest.approx(condition)
    assert curvatures[-1] <= 100 * (1 + 1e-12)
    value = float(problem.loss(jnp.ones(10), None))
    assert value == pytest.approx(curvatures.sum() / 2, rel=1e-6)
    # The target asks for the flattest direction too.
    assert problem.target.threshold <= curvatures[0] / 2 / 5


def test_the_noise_of_a_gradient(x64: None) -> None:
    problem = problems.get("noisy_quadratic", dim=4, noise=0.5)
    point = jnp.array([1.0, -2.0, 0.5, 3.0])
    keys = jax.random.split(jax.random.key(0), 20_000)
    grads = np.asarray(jax.jit(jax.vmap(lambda k: jax.grad(problem.loss)(point, None, k)))(keys))
    curvatures = 1 / np.arange(1, 5)
    exact = curvatures * np.asarray(point)
    deviation = 0.5 * np.sqrt(curvatures)
    error = np.abs(grads.mean(axis=0) - exact) / (deviation / np.sqrt(len(grads)))
    assert np.all(error < 4)
    np.testing.assert_allclose(grads.std(axis=0), deviation, rtol=0.03)
    correlation = np.corrcoef(grads.T) - np.eye(4)
    assert np.abs(correlation).max() < 0.04
    value, quiet = problem.loss(point, None), jax.grad(problem.loss)(point, None)
    assert float(value) == pytest.approx(0.5 * np.sum(curvatures * np.asarray(point) ** 2))
    np.testing.assert_allclose(quiet, exact)


@pytest.mark.parametrize("rate", [0.05, 0.3, 1.2])
@pytest.mark.parametrize("decay", [0.0, 0.8])
def test_noisy_runs_have_the_moments_of_the_closed_form(rate: float, decay: float) -> None:
    """Mean and variance of the loss after 20 and 60 steps over 2,000 seeds."""
    if decay:
        rate = rate / 5
    problem = problems.get("noisy_quadratic", dim=5)
    rule: Any = momentum if decay else sgd
    hyper = {"learning_rate": rate} | ({"momentum": decay} if decay else {})
    staged = training.stages(problem, rule, num_steps=60, record_every=20)
    found = sweeps.run(
        staged, hyper, num_trials=1, num_seeds=NUM_SEEDS, width=(NUM_SEEDS, 1), progress=False
    )
    exact = loss_moments(problem, num_steps=60, learning_rate=rate, momentum=decay)
    for step in (20, 60):
        values = found.curves["validation_loss"][:, step - 1].astype(np.float64)
        mean, variance = exact.mean[step], exact.variance[step]
        assert abs(values.mean() - mean) < 3.5 * np.sqrt(variance / NUM_SEEDS), step
        # The variance of a variance, from the fourth moment that the seeds show.
        spread = np.sqrt((stats.moment(values, 4) - variance**2) / NUM_SEEDS)
        assert abs(values.var() - variance) < 4 * spread, step


def test_moments_of_sgd_are_those_of_the_paper() -> None:
    """Zhang et al. 2019, equation 3, coordinate by coordinate."""
    problem = problems.get("noisy_quadratic", dim=3, noise=0.7)
    found = loss_moments(problem, num_steps=9, learning_rate=0.4)
    curvatures, rate, steps = 1 / np.arange(1, 4), 0.4, np.arange(10)[:, None]
    keeps = 1 - rate * curvatures
    mean = keeps**steps
    variance = rate**2 * 0.49 * curvatures * (1 - keeps ** (2 * steps)) / (1 - keeps**2)
    expected = (curvatures * (mean**2 + variance)).sum(axis=1) / 2
    np.testing.assert_allclose(found.mean, expected)
    second = curvatures**2 * (variance**2 / 2 + mean**2 * variance)
    np.testing.assert_allclose(found.variance, second.sum(axis=1), atol=1e-15)


def test_moments_need_a_quadratic() -> None:
    with pytest.raises(BadType) as caught:
        loss_moments(problems.get("rosenbrock"), num_steps=3, learning_rate=0.1)
    assert str(caught.value).startswith("loss_moments: `problem` must be a quadratic; got ")


# DeepOBS's problem.


def test_quadratic_deep_starts_where_deepobs_does(x64: None) -> None:
    problem = problems.get("quadratic_deep")
    start = problem.init(jax.random.key(0))
    assert float(problem.loss(start, problem.test)) == pytest.approx(353.4468, abs=5e-5)
    hessian = np.asarray(problem.hessian)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    curvatures = np.linalg.eigvalsh(hessian)
    assert np.all((curvatures[:90] > 0) & (curvatures[:90] < 1))
    assert np.all((curvatures[90:] > 30) & (curvatures[90:] < 60))
    drawn = np.random.RandomState(42)
    expected = np.sort([*drawn.uniform(0, 1, 90), *drawn.uniform(30, 60, 10)])
    np.testing.assert_allclose(curvatures, expected, rtol=1e-9, atol=1e-12)
    assert problem.train.shape == (1000, 100)
    rows = np.random.RandomState(42).normal(0, 0.6, (1000, 100)).astype(np.float32)
    np.testing.assert_array_equal(problem.train, rows)
    # By hand: the mean of half of all (1 − x)ᵀ Q (1 − x) over the training rows.
    gaps = 1 - rows.astype(np.float64)
    by_hand = np.einsum("ri,ij,rj->r", gaps, hessian, gaps).mean() / 2
    assert float(problem.loss(start, problem.train)) == pytest.approx(by_hand, rel=1e-9)


def test_quadratic_deep_has_its_minimum_at_the_mean_of_its_rows(x64: None) -> None:
    problem = problems.get("quadratic_deep")
    mean = jnp.asarray(problem.train).mean(axis=0, dtype=jnp.float64)
    grad = jax.grad(problem.loss)(mean, problem.train)
    assert float(jnp.abs(grad).max()) < 1e-9
    least = float(problem.loss(mean, problem.train))
    assert least == pytest.approx(0.5 * 0.36 * np.trace(problem.hessian), rel=0.02)


# What theory says of rates, found by sweeps.


def swept(rule: Any, space: Any, num_trials: int, *, num_steps: int = 20) -> Any:
    """Losses at the end from (1, 1), curvatures 1 and 25; what runs away is frozen as it was."""
    problem = problems.get("quadratic", dim=2, condition=25.0)
    staged = training.stages(problem, rule, num_steps=num_steps, record_every=0)
    return sweeps.run(staged, space, num_trials=num_trials, progress=False)


def exact_loss(rate: float, decay: float = 0.0, num_steps: int = 20) -> float:
    problem = problems.get("quadratic", dim=2, condition=25.0)
    moments = loss_moments(
        problem, num_steps=num_steps, learning_rate=float(rate), momentum=float(decay)
    )
    return float(moments.mean[-1])


def test_gradient_descent_diverges_above_two_over_the_curvature() -> None:
    """Rates 0.2 % apart around 2/25: the loss grows exactly for those above."""
    rates = np.geomspace(0.07, 0.09, 128)
    found = swept(sgd, [{"learning_rate": float(rate)} for rate in rates], 128, num_steps=4000)
    start = exact_loss(0.05, num_steps=0)
    grows = (found.table()["loss"] > start) | (found.status != 0)
    first = rates[np.argmax(grows)]
    assert np.all(grows[rates > first])
    assert 2 / 25 < first < 2 / 25 * (rates[1] / rates[0])


def test_the_best_rate_of_gradient_descent_in_finite_time() -> None:
    table = swept(sgd, {"learning_rate": log_uniform(1e-2, 1e-1)}, 512).table()
    best = float(table["learning_rate"][np.argmin(table["loss"])])
    closed = optimize.minimize_scalar(
        exact_loss, bounds=(1e-2, 1e-1), method="bounded", options={"xatol": 1e-9}
    )
    resolution = 10 ** (2 / 512)  # Sobol points lie so far apart at most
    assert closed.x / resolution < best < closed.x * resolution
    # In finite time it is not the rate that is best in the end, 2/(1 + 25).
    assert closed.x == pytest.approx(2 / 26, rel=0.1)
    assert exact_loss(2 / 26) > exact_loss(closed.x)
    near = exact_loss(best)
    assert float(table["loss"].min()) == pytest.approx(near, rel=1e-3)


def test_the_best_rate_of_heavy_ball_in_finite_time() -> None:
    """With the momentum that is best in the end: the least of many ups and downs."""
    decay = ((5 - 1) / (5 + 1)) ** 2
    space = {"learning_rate": log_uniform(2e-2, 2e-1), "momentum": decay}
    table = swept(momentum, space, 512, num_steps=8).table()
    winner = int(np.argmin(table["loss"]))
    best = float(table["learning_rate"][winner])
    rates = np.geomspace(2e-2, 2e-1, 4096)
    closed = rates[np.argmin([exact_loss(rate, decay, 8) for rate in rates])]
    resolution = 10 ** (2 / 512)
    assert closed / resolution < best < closed * resolution
    # In the end (2/(√1 + √25))² is best, and after 8 steps it is not yet.
    assert exact_loss((2 / 6) ** 2, decay, 8) > 100 * exact_loss(closed, decay, 8)
    assert float(table["loss"][winner]) == pytest.approx(exact_loss(best, decay, 8), rel=2e-3)
    # Heavy ball at its best is far ahead of gradient descent at its best.
    assert exact_loss(closed, decay, 8) < 0.1 * float(
        min(exact_loss(rate, 0.0, 8) for rate in np.geomspace(1e-2, 1e-1, 512))
    )
