"""What several rules share, where their references do not go: against formulas, Optax and NumPy.

See mutants.py, which found the places.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnn.optimizers import check, get, lbfgs
from jaxnn.optimizers._projection import projected
from jaxnn.optimizers._schedule_free import advance, start
from jaxnn.optimizers._trust import trust_ratio

pytestmark = pytest.mark.usefixtures("x64")


def first_update(rule: Any, numbers: dict[str, float], grads: Any, params: Any) -> Any:
    hyper = check(rule, numbers)
    return rule.update(grads, rule.init(params, hyper), params, hyper)[0]


# Newton–Schulz


@pytest.mark.parametrize("preconditioning", ["aol", "schatten"])
def test_muon_divides_tiny_gradients_by_the_floor_of_their_norm(preconditioning: Any) -> None:
    grads = 1e-6 * jax.random.normal(jax.random.key(0), (3, 5))
    rule = get("muon", preconditioning=preconditioning)
    reference = optax.contrib.muon(1.0, preconditioning=preconditioning)
    wanted, _ = reference.update(grads, reference.init(grads), grads)
    found = first_update(rule, {"learning_rate": 1.0}, grads, grads)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("preconditioning", ["aol", "schatten"])
def test_muon_leaves_a_row_of_zeros_beside_large_ones(preconditioning: Any) -> None:
    grads = jnp.asarray([[1e200, -3e200, 2e200], [0.0, 0.0, 0.0]])
    rule = get("muon", preconditioning=preconditioning)
    found = first_update(rule, {"learning_rate": 1.0}, grads, grads)
    assert np.all(np.isfinite(found))
    assert not found[1].any()


def test_a_single_row_is_as_wide_for_muon_as_for_optax() -> None:
    grads = jax.random.normal(jax.random.key(0), (1, 4))
    reference = optax.contrib.muon(1.0)
    wanted, _ = reference.update(grads, reference.init(grads), grads)
    found = first_update(get("muon"), {"learning_rate": 1.0}, grads, grads)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


# Projections


def _projected(step: Any, grad: Any, weights: Any, delta: float, eps: float) -> np.ndarray:
    """As published, an output a column, without decay."""

    def at_right_angles(g: np.ndarray, w: np.ndarray) -> bool:
        lengths = max(np.linalg.norm(g), eps) * max(np.linalg.norm(w), eps)
        return abs(np.sum(g * w)) / lengths < delta / np.sqrt(w.size)

    def without(d: np.ndarray, w: np.ndarray) -> np.ndarray:
        unit = w / (np.linalg.norm(w) + eps)
        return d - unit * np.sum(unit * d)

    columns = list(zip(step.T, grad.T, weights.T, strict=True))
    if all(at_right_angles(g, w) for _, g, w in columns):
        return np.stack([without(d, w) for d, _, w in columns], axis=1)
    return without(step, weights) if at_right_angles(grad, weights) else step


@pytest.mark.parametrize("shape", [(1, 3), (4, 2), (3, 1)])
def test_projections_are_those_of_the_paper_for_weights_and_gradients_below_eps(shape: Any) -> None:
    rng = np.random.default_rng(0)
    size = (200, *shape)
    steps, grads, weights = rng.normal(size=(3, *size)) * 10 ** rng.uniform(-2, 1, (3, 200, 1, 1))
    delta, eps = 10 ** rng.uniform(-1, 1, 200), 10 ** rng.uniform(-2, 1, 200)
    leaf = functools.partial(projected, output_axis=-1, decay=jnp.zeros(()), wd_ratio=jnp.zeros(()))
    found = jax.jit(jax.vmap(lambda d, g, w, *numbers: leaf(d, g, w, delta=numbers[0],
                                                            eps=numbers[1])))(
        steps, grads, weights, delta, eps)  # fmt: skip
    rows = zip(steps, grads, weights, delta, eps, strict=True)
    wanted = np.stack([_projected(*row) for row in rows])
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-13)
    same = np.all(np.isclose(wanted, steps), axis=(1, 2)).mean()
    assert 0.1 < same < 0.9


# Schedule-free


def test_a_schedule_free_step_weighs_by_the_largest_rate_so_far() -> None:
    params = jnp.asarray([1.0, -2.0])
    average, total, z, y = start(params), 0.0, np.asarray(params), np.asarray(params)
    numbers = {"b1": jnp.asarray(0.9), "weight_lr_power": jnp.asarray(2.0)}
    for rate, largest in ((0.5, 0.5), (0.1, 0.5), (0.7, 0.7)):
        step = np.asarray([0.3, 0.4]) * rate
        updates, average = advance(step, average, y, learning_rate=jnp.asarray(rate), **numbers)
        total += largest**2
        c = largest**2 / total
        x = (y - (1 - 0.9) * z) / 0.9
        z = z + step
        after = (1 - 0.9) * z + 0.9 * ((1 - c) * x + c * z)
        np.testing.assert_allclose(updates, after - y, rtol=1e-10)
        y = after


def test_a_schedule_free_step_of_no_weight_leaves_the_average() -> None:
    step, rate = jnp.asarray([3e-200]), jnp.asarray(1e-200)  # whose square is 0
    numbers = {"b1": jnp.asarray(0.9), "weight_lr_power": jnp.asarray(2.0)}
    updates, _ = advance(step, start(jnp.zeros(1)), jnp.zeros(1), learning_rate=rate, **numbers)
    np.testing.assert_allclose(updates, 0.1 * step, rtol=1e-12)


# Trust ratios


@pytest.mark.parametrize(
    ("weights", "step", "ratio"),
    [(0.0, 3.0, 1.0), (3.0, 0.0, 1.0), (1.0, 1.5, 0.5), (3.0, 1.0, 2.0)],
)
def test_a_trust_ratio_is_1_where_a_norm_is_0(weights: float, step: float, ratio: float) -> None:
    found = trust_ratio(jnp.asarray(weights), jnp.asarray(step), 0.5)
    np.testing.assert_allclose(found, ratio, rtol=1e-12)


# Factors


def test_came_factors_a_matrix_of_one_element_too() -> None:
    rule = get("came")
    moment = rule.init(jnp.zeros((1, 1)), rule.Hyper()).second_moment
    assert [x.shape for x in moment] == [(1,), (1,)]


# The memory of L-BFGS


def test_the_first_direction_of_lbfgs_is_at_most_of_length_1() -> None:
    memory = lbfgs.init(jnp.zeros(2), lbfgs.Hyper()).memory
    for grads in ([0.9, 1.2], [0.3, 0.4], [30.0, 40.0]):
        g = np.asarray(grads)
        found = lbfgs.direction(jnp.asarray(g), memory, jnp.ones(()))
        np.testing.assert_allclose(found, -g / max(np.linalg.norm(g), 1), rtol=1e-12)


@pytest.mark.parametrize(
    ("step", "difference", "kept"),
    [
        (0.5 * 2.0**-52, 1.0, False),  # curved too little: ⟨s, y⟩ <= eps·‖y‖²
        (2.0 * 2.0**-52, 1.0, True),
        (1e-160, 1e-160, False),  # ⟨s, y⟩ below the smallest normal number
        (-1.0, 1.0, False),
    ],
)
def test_lbfgs_remembers_what_is_curved(step: float, difference: float, kept: bool) -> None:
    state = lbfgs.init(jnp.zeros(1), lbfgs.Hyper())
    pair = jnp.full(1, step), jnp.full(1, difference)
    memory, scale = lbfgs._remember(state.memory, state.scale, *pair)
    wanted = (step, difference, 1 / (step * difference)) if kept else (0, 0, 0)
    for found, new in zip(memory, wanted, strict=True):
        np.testing.assert_allclose(found[-1], np.full(found[-1].shape, new), rtol=1e-12)
    np.testing.assert_allclose(scale, step / difference if kept else 1.0, rtol=1e-12)


# Conjugate gradients


def _bowl(x: Any) -> Any:
    return 0.5 * jnp.sum(x * x)


def _plain(x: Any) -> Any:
    return -jnp.sum(x)


def _on(
    value_fn: Any, point: Any, *, sign: float = 1.0, formula: Any = "polak_ribiere", **state: Any
) -> Any:
    """The updates and the state after a step from a state like that."""
    rule, point = get("nonlinear_cg", beta=formula), jnp.asarray(point)
    hyper = check(rule, {"approx_dec_rtol": 0.0})
    value, grads = jax.value_and_grad(value_fn)(point)
    before = rule.init(point, hyper)
    before = before._replace(**{name: jnp.asarray(x) for name, x in state.items()})
    return rule.update(sign * grads, before, point, hyper, value=value, value_fn=value_fn)


@pytest.mark.parametrize(("along", "kept"), [(0.985, True), (0.995, False), (1.005, False)])
def test_nonlinear_cg_keeps_a_direction_that_descends_by_a_hundredth(
    along: float, kept: bool
) -> None:
    _, state = _on(_bowl, [1.0, 0.0], direction=[along, 0.5], beta=1.0, decrease=0.1)
    wanted = [along - 1, 0.5] if kept else [-1.0, 0.0]
    np.testing.assert_allclose(state.direction, wanted, rtol=1e-12)


@pytest.mark.parametrize(("size", "decrease"), [(1.0, 100.0), (1e100, 1e-300)])
def test_nonlinear_cg_first_tries_a_length_of_at_most_1_and_above_0(
    size: float, decrease: float
) -> None:
    updates, state = _on(_bowl, [size, 0.0], decrease=decrease)
    np.testing.assert_array_equal(updates, [-size, 0.0])
    assert int(state.evaluations) == 1


def test_nonlinear_cg_starts_anew_where_nothing_is_lower() -> None:
    updates, state = _on(_bowl, [1.0, 2.0], sign=-1.0, decrease=0.5)
    np.testing.assert_array_equal(updates, [0.0, 0.0])
    assert (float(state.beta), float(state.decrease)) == (0, 0)


@pytest.mark.parametrize("beta", ["hestenes_stiefel", "dai_yuan"])
def test_nonlinear_cg_starts_anew_where_nothing_is_curved(beta: Any) -> None:
    _, state = _on(_plain, [1.0, 2.0], formula=beta)
    assert float(state.beta) == 0
    assert float(state.decrease) > 0


# SOAP


def test_soap_starts_with_the_eigenvectors_of_a_share_of_the_gram_matrices() -> None:
    grads = jax.random.normal(jax.random.key(0), (2, 3))
    rule = get("soap")
    hyper = check(rule, {"shampoo_beta": 0.8})
    _, state = rule.update(grads, rule.init(grads, hyper), grads, hyper)
    for gram, basis, wanted in zip(
        state.grams, state.bases, (grads @ grads.T, grads.T @ grads), strict=True
    ):
        np.testing.assert_allclose(gram, 0.2 * wanted, rtol=1e-12, atol=1e-14)
        spectrum = basis.T @ wanted @ basis
        values = np.sort(np.linalg.eigvalsh(wanted))[::-1]
        np.testing.assert_allclose(spectrum, np.diag(values), atol=1e-12)
