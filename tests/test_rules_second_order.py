"""Rules that search along a line or solve for their step, against SciPy, Optax and closed forms."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize

from jaxnn import problems
from jaxnn.errors import BadValue
from jaxnn.optimizers import (
    apply_updates,
    check,
    get,
    lbfgs,
    levenberg_marquardt,
    nonlinear_cg,
)

CASES = {
    "rosenbrock": problems.get("rosenbrock", dim=10),
    "beale": problems.get("beale"),
    "himmelblau": problems.get("himmelblau"),
    "quadratic": problems.get("quadratic", dim=30, condition=50.0),
}


class Path(NamedTuple):
    values: np.ndarray  # at the start and after each step
    largest_slope: np.ndarray  # |g|∞ there
    evaluations: np.ndarray  # up to there
    point: np.ndarray  # the last


@functools.partial(jax.jit, static_argnames=("rule", "num_steps"))
def descend(rule: Any, problem: Any, hyper: Any, num_steps: int) -> tuple[Any, Any]:
    """Steps of a rule that hands its last gradient on; a row for each."""
    point = jnp.asarray(problem.start)
    value, grads = jax.value_and_grad(problem.loss)(point)

    def step(carry: Any, _: None) -> Any:
        point, state, value, grads = carry
        updates, state = rule.update(grads, state, point, hyper, value=value, value_fn=problem.loss)
        point = apply_updates(point, updates)
        value, grads = rule.value_and_grad(state)
        return (point, state, value, grads), (value, jnp.max(jnp.abs(grads)), state.evaluations)

    first = point, rule.init(point, hyper), value, grads
    (point, *_), rows = jax.lax.scan(step, first, length=num_steps)
    start = value, jnp.max(jnp.abs(grads)), jnp.zeros((), jnp.int32)
    return point, jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), start, rows)


def ours(rule: Any, problem: Any, numbers: dict[str, float], num_steps: int) -> Path:
    point, (values, slopes, evaluations) = descend(rule, problem, check(rule, numbers), num_steps)
    found = (np.asarray(x) for x in (values, slopes, 1 + evaluations, point))
    return Path(*found)


def scipys(problem: Any, method: str, **options: Any) -> Path:
    """SciPy's path to |g|∞ <= 1e-5; of its slopes only the last is known."""
    value_and_grad = jax.jit(jax.value_and_grad(problem.loss))
    values = [float(problem.loss(jnp.asarray(problem.start)))]
    counted: list[int] = [1]
    calls = 0

    def numpy_fn(x: np.ndarray) -> Any:
        nonlocal calls
        calls += 1
        return tuple(np.asarray(y) for y in value_and_grad(x))

    def watch(intermediate_result: Any) -> None:
        values.append(float(intermediate_result.fun))
        counted.append(calls)

    end = scipy.optimize.minimize(
        numpy_fn,
        problem.start,
        jac=True,
        method=method,
        callback=watch,
        options={"gtol": 1e-5, "maxiter": 10_000, **options},
    )
    return Path(np.array(values), np.abs(end.jac).max(), np.array(counted), end.x)


# L-BFGS


@pytest.mark.parametrize("name", CASES)
def test_lbfgs_walks_as_scipy_does(name: str, x64: None) -> None:
    del x64
    theirs = scipys(CASES[name], "L-BFGS-B", ftol=0)
    numbers = {"slope_rtol": 1e-3, "approx_dec_rtol": 0.0}
    mine = ours(lbfgs, CASES[name], numbers, len(theirs.values) - 1)
    # Rounding grows along a path; values near the minimum 0 are rounding themselves.
    np.testing.assert_allclose(mine.values, theirs.values, rtol=1e-3, atol=1e-12)
    early = slice(0, 10)
    np.testing.assert_allclose(mine.values[early], theirs.values[early], rtol=1e-8)
    np.testing.assert_array_equal(mine.evaluations, theirs.evaluations)


@pytest.mark.parametrize(
    ("problem", "num_steps"),
    [
        (problems.get("rosenbrock", dim=100), 600),
        (problems.get("quadratic", dim=1000, condition=1e3), 500),
    ],
    ids=["rosenbrock", "quadratic"],
)
def test_lbfgs_evaluates_no_more_than_scipy(problem: Any, num_steps: int, x64: None) -> None:
    del x64
    theirs = scipys(problem, "L-BFGS-B", ftol=0)
    mine = ours(lbfgs, problem, {}, num_steps)
    arrived = np.flatnonzero(mine.largest_slope <= 1e-5)[0]
    assert theirs.largest_slope <= 1e-5
    assert mine.evaluations[arrived] <= 1.1 * theirs.evaluations[-1]


@pytest.mark.parametrize("memory_size", [3, 10])
def test_lbfgs_direction_is_that_of_optax_for_its_memory(memory_size: int, x64: None) -> None:
    del x64
    rng = np.random.default_rng(0)
    root = rng.normal(size=(12, 12))
    hessian = jnp.asarray(root @ root.T + np.eye(12))
    reference: Any = optax.scale_by_lbfgs(memory_size)
    points = jnp.asarray(rng.normal(size=(8, 12)))
    state: Any = reference.init(points[0])
    for count, point in enumerate(points):
        grads = hessian @ point
        theirs, state = reference.update(grads, state, point)
        theirs = np.asarray(theirs)
        order = (count + np.arange(memory_size)) % memory_size  # oldest first
        s, y = state.diff_params_memory[order], state.diff_updates_memory[order]
        memory = lbfgs.Memory(s, y, state.weights_memory[order])
        scale = jnp.asarray(s[-1] @ y[-1] / (y[-1] @ y[-1]) if count else 1.0)
        mine = lbfgs.direction(grads, memory, scale)
        np.testing.assert_allclose(mine, -theirs, rtol=1e-12, atol=1e-12 * np.abs(theirs).max())


def test_lbfgs_takes_optax_steps_where_both_searches_take_the_first_length(x64: None) -> None:
    del x64
    problem, num_steps = CASES["quadratic"], 5
    reference, mine = optax.lbfgs(), ours(lbfgs, CASES["quadratic"], {}, num_steps)
    point = jnp.asarray(problem.start)
    state: Any = reference.init(point)
    value_and_grad = optax.value_and_grad_from_state(problem.loss)

    def step(carry: Any, _: None) -> Any:
        point, state = carry
        value, grad = value_and_grad(point, state=state)
        updates, state = reference.update(
            grad, state, point, value=value, grad=grad, value_fn=problem.loss
        )
        return (optax.apply_updates(point, updates), state), value

    values = jax.lax.scan(step, (point, state), length=num_steps + 1)[1]
    np.testing.assert_array_equal(mine.evaluations, np.arange(num_steps + 1) + 1)
    np.testing.assert_allclose(mine.values, values, rtol=1e-12)


def _bowl(center: Any, point: jax.Array) -> jax.Array:
    return 0.5 * jnp.sum((point - center) ** 2)


@jax.jit
def _in_bowl(point: Any, state: Any, center: Any, sign: Any = 1.0) -> Any:
    value_fn = functools.partial(_bowl, center)
    value, grads = jax.value_and_grad(value_fn)(point)
    grads, hyper = sign * grads, check(lbfgs, {})
    updates, state = lbfgs.update(grads, state, point, hyper, value=value, value_fn=value_fn)
    return updates, state, value, grads


def test_lbfgs_pairs_belong_to_one_loss_though_every_step_has_another() -> None:
    point = jnp.asarray([1.0, -2.0])
    state = lbfgs.init(point, lbfgs.Hyper())
    for center in (3.0, -4.0, 10.0):
        updates, state, *_ = _in_bowl(point, state, center)
        point = apply_updates(point, updates)
    steps, differences, weights = (x[-3:] for x in state.memory)
    np.testing.assert_allclose(differences, steps, rtol=1e-5)  # the Hessian is the identity
    np.testing.assert_allclose(weights, 1 / np.sum(np.asarray(steps) ** 2, axis=1), rtol=1e-5)
    assert float(state.scale) == pytest.approx(1)


def test_a_search_that_finds_nothing_lower_takes_no_step_and_empties_the_memory() -> None:
    point = jnp.asarray([1.0, -2.0])
    _, state, *_ = _in_bowl(point, lbfgs.init(point, lbfgs.Hyper()), 3.0)
    assert float(state.memory.weights[-1]) > 0
    updates, state, value, grads = _in_bowl(point, state, 3.0, -1.0)
    np.testing.assert_array_equal(updates, np.zeros(2))
    np.testing.assert_array_equal(state.memory.weights, np.zeros(10))
    kept, kept_grads = lbfgs.value_and_grad(state)
    np.testing.assert_array_equal(kept_grads, grads)
    assert float(kept) == float(value)


def test_memory_size_must_be_an_integer_from_1_on() -> None:
    with pytest.raises(BadValue) as caught:
        lbfgs.init(jnp.zeros(2), lbfgs.Hyper(), memory_size=0)
    assert str(caught.value) == "lbfgs: `memory_size` must be >= 1; got 0. Pass 1 or more."
    state = get("lbfgs", memory_size=20).init(jnp.zeros(2), lbfgs.Hyper())
    assert state.memory.steps.shape == (20, 2)


# Conjugate gradients

BETAS = list(nonlinear_cg.STRUCTURE["beta"])
EXACT = {"slope_rtol": 1e-10, "curv_rtol": 1e-9, "approx_dec_rtol": 0.0, "interval_rtol": 0.0}


@pytest.mark.parametrize("name", CASES)
def test_conjugate_gradients_walk_as_scipys_do(name: str, x64: None) -> None:
    del x64
    theirs = scipys(CASES[name], "CG")
    numbers = {"approx_dec_rtol": 0.0, "interval_rtol": 0.0}
    mine = ours(nonlinear_cg, CASES[name], numbers, 2 * len(theirs.values))
    # On Himmelblau's function the third search ends where the next direction would lead uphill:
    # there SciPy searches on, and this rule goes down the gradient.
    early = slice(0, 3 if name == "himmelblau" else 10)
    np.testing.assert_allclose(mine.values[early], theirs.values[early], rtol=1e-8)
    np.testing.assert_array_equal(mine.evaluations[early], theirs.evaluations[early])
    arrived = np.flatnonzero(mine.largest_slope <= 1e-5)[0]
    # On Rosenbrock's, rounding decides how long it takes: SciPy needs 380 to 520 evaluations, by
    # how the same loss is compiled.
    factor = 1.5 if name == "rosenbrock" else 1.1
    assert mine.evaluations[arrived] <= factor * theirs.evaluations[-1]


def _linear_cg(curvatures: np.ndarray, point: np.ndarray) -> list[Any]:
    """½ xᵀ diag(curvatures) x along the method of 1952."""
    residual = -curvatures * point
    direction, values = residual, [0.5 * point @ (curvatures * point)]
    for _ in range(len(point)):
        length = residual @ residual / (direction @ (curvatures * direction))
        point = point + length * direction
        after = residual - length * curvatures * direction
        direction = after + after @ after / (residual @ residual) * direction
        residual = after
        values.append(0.5 * point @ (curvatures * point))
    return values


@pytest.mark.parametrize("beta", BETAS)
def test_on_a_quadratic_every_beta_is_linear_cg_and_ends_in_n_steps(beta: Any, x64: None) -> None:
    del x64
    problem = problems.get("quadratic", dim=6, condition=20.0)
    mine = ours(get("nonlinear_cg", beta=beta), problem, EXACT, 6)
    expected = _linear_cg(np.asarray(problem.constants[0]), np.asarray(problem.start))
    np.testing.assert_allclose(mine.values[:-1], expected[:-1], rtol=1e-9)
    assert mine.values[-1] < 1e-20
    assert mine.largest_slope[-1] < 1e-9


@pytest.mark.parametrize("beta", BETAS)
def test_beta_away_from_quadratics_is_its_formula(beta: Any, x64: None) -> None:
    del x64
    problem, rule = CASES["rosenbrock"], get("nonlinear_cg", beta=beta)
    point, grad = jnp.asarray(problem.start), jax.jit(jax.value_and_grad(problem.loss))
    hyper = check(rule, {})
    update = jax.jit(functools.partial(rule.update, value_fn=problem.loss))
    state = rule.init(point, hyper)
    for _ in range(3):
        value, g = grad(point)
        updates, after = update(g, state, point, hyper, value=value)
        d = state.beta * state.direction - g
        np.testing.assert_allclose(after.direction, d, rtol=1e-12)
        point, state = apply_updates(point, updates), after
        new = grad(point)[1]
        y = new - g
        formula = {
            "polak_ribiere": max(0, new @ y) / (g @ g),
            "fletcher_reeves": new @ new / (g @ g),
            "hestenes_stiefel": new @ y / (d @ y),
            "dai_yuan": new @ new / (d @ y),
        }
        np.testing.assert_allclose(state.beta, formula[beta], rtol=1e-9)


def test_a_direction_that_hardly_descends_is_replaced_by_the_gradient() -> None:
    problem = CASES["beale"]
    point, hyper = jnp.asarray(problem.start, jnp.float32), check(nonlinear_cg, {})
    value, grads = jax.value_and_grad(problem.loss)(point)
    state = nonlinear_cg.init(point, hyper)
    uphill = state._replace(direction=grads, beta=jnp.float32(2))
    update = jax.jit(functools.partial(nonlinear_cg.update, value_fn=problem.loss))
    fresh, kept = (update(grads, s, point, hyper, value=value)[1] for s in (state, uphill))
    np.testing.assert_array_equal(kept.direction, -grads)
    np.testing.assert_array_equal(kept.direction, fresh.direction)


# Levenberg–Marquardt


TIMES = np.linspace(0, 4, 40)


def _decay(params: Any, times: Any) -> Any:
    return params["a"] * jnp.exp(-params["b"] * times) + params["c"]


def _peak(params: Any, times: Any) -> Any:
    return params["a"] * jnp.exp(-0.5 * ((times - params["b"]) / params["c"]) ** 2)


def _misfit(curve: Any, times: Any, observed: Any, params: Any) -> Any:
    return curve(params, times) - observed


@functools.partial(jax.jit, static_argnames=("curve", "num_steps"))
def fit(curve: Any, times: Any, observed: Any, params: Any, hyper: Any, num_steps: int) -> Any:
    residual_fn = functools.partial(_misfit, curve, times, observed)

    def step(carry: Any, _: None) -> Any:
        params, state = carry
        updates, state = levenberg_marquardt.update(
            params, state, params, hyper, residual_fn=residual_fn
        )
        params = apply_updates(params, updates)
        return (params, state), jnp.sum(residual_fn(params) ** 2)

    start = params, levenberg_marquardt.init(params, hyper)
    (params, state), squares = jax.lax.scan(step, start, length=num_steps)
    return params, state, squares


@pytest.mark.parametrize(
    ("curve", "truth", "start"),
    [(_decay, (2.5, 1.3, 0.5), (1.0, 0.2, 0.0)), (_peak, (3.0, 1.7, 0.4), (1.0, 1.0, 1.0))],
    ids=["decay", "peak"],
)
def test_curve_fits_end_where_scipys_do(curve: Any, truth: Any, start: Any, x64: None) -> None:
    del x64
    names = ("a", "b", "c")
    noise = 0.05 * np.random.default_rng(0).normal(size=len(TIMES))
    observed = np.asarray(curve(dict(zip(names, truth, strict=True)), TIMES)) + noise
    params = {name: jnp.asarray(x) for name, x in zip(names, start, strict=True)}
    hyper = check(levenberg_marquardt, {})
    found, _, squares = fit(curve, TIMES, observed, params, hyper, 40)

    @jax.jit
    def residuals(x: Any) -> Any:
        return _misfit(curve, TIMES, observed, dict(zip(names, x, strict=True)))

    def numpy_residuals(x: np.ndarray) -> np.ndarray:
        return np.asarray(residuals(x))

    theirs = scipy.optimize.least_squares(
        numpy_residuals, start, method="lm", xtol=1e-14, ftol=1e-14, gtol=1e-14
    )
    np.testing.assert_allclose([found[name] for name in names], theirs.x, rtol=1e-7)
    np.testing.assert_allclose(squares[-1], 2 * theirs.cost, rtol=1e-12)
    assert np.all(np.diff(squares) <= 0)


def _plane(params: Any, rows: Any) -> Any:
    return rows @ params


def test_a_linear_problem_is_solved_in_one_step_without_damping(x64: None) -> None:
    del x64
    rng = np.random.default_rng(0)
    rows, observed = rng.normal(size=(12, 4)), rng.normal(size=12)
    hyper = check(levenberg_marquardt, {"damping": 1e-12})
    found, *_ = fit(_plane, rows, observed, jnp.zeros(4), hyper, 1)
    expected = np.linalg.lstsq(rows, observed)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_damping_follows_the_ratio(x64: None) -> None:
    del x64
    rng = np.random.default_rng(0)
    rows, observed = 0.1 * rng.normal(size=(12, 4)), rng.normal(size=12)
    hyper = check(levenberg_marquardt, {"damping": 0.3})
    # A linear model is always true: the ratio is 1 and the damping falls to a third.
    found, state, _ = fit(_plane, rows, observed, jnp.zeros(4), hyper, 1)
    gram = rows.T @ rows
    damped = np.linalg.solve(gram + 0.3 * np.diag(np.diag(gram)), rows.T @ observed)
    np.testing.assert_allclose(found, damped, rtol=1e-10)
    np.testing.assert_allclose(state.damping, 0.1, rtol=1e-10)
    assert float(state.growth) == 2


def _root(params: Any, times: Any) -> Any:
    return jnp.log(params) * times  # the first step leads below 0


def test_a_step_to_where_residuals_are_not_finite_is_rejected() -> None:
    hyper = check(levenberg_marquardt, {"damping": 1e-6})
    params, state, _ = fit(_root, jnp.ones(3), jnp.full(3, -3.0), jnp.full(1, 5.0), hyper, 1)
    np.testing.assert_array_equal(params, [5.0])
    assert float(state.damping) == pytest.approx(2e-6)
    assert float(state.growth) == 4
    params, *_ = fit(_root, jnp.ones(3), jnp.full(3, -3.0), jnp.full(1, 5.0), hyper, 30)
    np.testing.assert_allclose(params, [np.exp(-3)], rtol=1e-4)


def test_a_parameter_without_influence_stays() -> None:
    rows = jnp.asarray([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    hyper = check(levenberg_marquardt, {})
    found, *_ = fit(_plane, rows, jnp.ones(3), jnp.asarray([0.0, 7.0]), hyper, 10)
    np.testing.assert_allclose(found, [6 / 14, 7.0], rtol=1e-5)
