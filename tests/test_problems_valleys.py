"""Functions to minimise: their optima are optima, all of them, and what docstrings say of them."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from jaxnn import problems
from jaxnn.problems import PROBLEMS, Function

BOUNDED = [
    name
    for name in PROBLEMS
    if isinstance(problem := problems.get(name), Function) and problem.optima is not None
]


@functools.cache
def slope(name: str) -> Any:
    return jax.jit(jax.value_and_grad(problems.get(name).loss))


def value_and_slope(name: str, point: Any) -> tuple[float, Any]:
    value, gradient = slope(name)(jnp.asarray(point, float))
    return float(value), np.asarray(gradient)


def test_one_has_no_least_value_and_two_have_many_points_of_it() -> None:
    functions = {name for name in PROBLEMS if isinstance(problems.get(name), Function)}
    assert functions - set(BOUNDED) == {"saddle", "saddles", "backpropagation"}
    assert [name for name in functions if problems.get(name).minimum is None] == ["saddle"]


@pytest.mark.parametrize("name", BOUNDED)
def test_optima_are_points_of_least_value_without_slope(name: str, x64: None) -> None:
    problem = problems.get(name)
    assert problem.minimum is not None
    for optimum in problem.optima:
        value, gradient = value_and_slope(name, optimum)
        assert value == pytest.approx(problem.minimum, rel=1e-14, abs=1e-14)
        np.testing.assert_allclose(gradient, 0, atol=1e-6)
        around = np.random.default_rng(0).normal(scale=1e-3, size=(20, optimum.size))
        assert all(value_and_slope(name, optimum + d)[0] > value for d in around)


@pytest.mark.parametrize("name", [n for n in BOUNDED if "quadratic" not in n])
def test_scipy_finds_nothing_lower_and_no_other_optimum(name: str, x64: None) -> None:
    problem = problems.get(name)
    low, high = np.transpose(problem.domain)
    generator = np.random.default_rng(0)
    starts = [*generator.uniform(low, high, size=(30, low.size)), *(problem.optima + 0.05)]
    found = [
        optimize.minimize(
            lambda x: value_and_slope(name, x), start, jac=True, method="L-BFGS-B",
            bounds=problem.domain,
        )
        for start in starts
    ]  # fmt: skip
    assert min(end.fun for end in found) >= problem.minimum - 1e-9
    best = [end.x for end in found if end.fun < problem.minimum + 1e-6]
    nearest = {
        int(np.argmin(np.linalg.norm(problem.optima - x, axis=1)))
        for x in best
        if np.min(np.linalg.norm(problem.optima - x, axis=1)) < 1e-2
    }
    assert nearest == set(range(len(problem.optima)))
    strangers = [x for x in best if np.min(np.linalg.norm(problem.optima - x, axis=1)) > 0.05]
    assert strangers == []


@pytest.mark.parametrize("name", ["rastrigin", "ackley", "styblinski_tang"])
def test_the_target_lies_below_every_other_minimum(name: str, x64: None) -> None:
    problem = problems.get(name)
    others = []
    for start in itertools.product(np.arange(-3.0, 3.5, 1.0), repeat=2):
        end = optimize.minimize(lambda x: value_and_slope(name, x), start, jac=True, tol=1e-10)
        if np.linalg.norm(end.x - problem.optima[0]) > 0.1:
            others.append(end.fun)
    lowest = {"rastrigin": 0.9949591, "ackley": 2.5799275, "styblinski_tang": -64.1956}[name]
    assert min(others) == pytest.approx(lowest, abs=2e-4)
    assert problem.minimum < problem.target.threshold < min(others)


def test_rosenbrock_is_scipys(x64: None) -> None:
    for dim in (2, 5):
        loss = problems.get("rosenbrock", dim=dim).loss
        for point in np.random.default_rng(dim).normal(size=(5, dim)):
            assert float(loss(jnp.asarray(point))) == pytest.approx(
                optimize.rosen(point), rel=1e-13
            )
            slope = jax.grad(loss)(jnp.asarray(point))
            np.testing.assert_allclose(slope, optimize.rosen_der(point), rtol=1e-11)


def test_rosenbrock_has_a_second_valley_from_four_dimensions_on(x64: None) -> None:
    problem = problems.get("rosenbrock", dim=4)
    end = optimize.minimize(optimize.rosen, [-1, 1, 1, 1], jac=optimize.rosen_der, tol=1e-10)
    np.testing.assert_allclose(end.x, [-0.78, 0.61, 0.38, 0.15], atol=5e-3)
    assert float(problem.loss(jnp.asarray(end.x))) == pytest.approx(3.7014, abs=1e-4)
    curvatures = np.linalg.eigvalsh(jax.hessian(problem.loss)(jnp.asarray(end.x)))
    assert np.all(curvatures > 0)


@pytest.mark.parametrize(("name", "ratio"), [("booth", 9.0), ("quadratic", 100.0)])
def test_condition_at_the_optimum(name: str, ratio: float, x64: None) -> None:
    problem = problems.get(name)
    curvatures = np.linalg.eigvalsh(jax.hessian(problem.loss)(jnp.asarray(problem.optima[0])))
    assert curvatures[-1] / curvatures[0] == pytest.approx(ratio, rel=1e-9)


def test_ackley_does_not_fade_at_its_tip(x64: None) -> None:
    problem = problems.get("ackley")
    for radius in (1e-3, 1e-6, 1e-9):
        point = jnp.array([radius, 0.0])
        # 20 (1 − exp(−r/5√2)) has the slope 4/√2 there, whatever the radius.
        assert float(jnp.linalg.norm(jax.grad(problem.loss)(point))) == pytest.approx(
            4 / math.sqrt(2), rel=2e-2
        )
    np.testing.assert_array_equal(jax.grad(problem.loss)(jnp.zeros(2)), [0, 0])


@pytest.mark.parametrize(
    ("name", "value"),
    [("booth", 884.0), ("branin", 95.8445), ("ackley", 6.5936), ("styblinski_tang", 0.0)],
)
def test_more_values_at_the_starts(name: str, value: float) -> None:
    problem = problems.get(name, spread=0.0)
    assert float(problem.loss(problem.init(jax.random.key(0)))) == pytest.approx(value, abs=1e-3)
