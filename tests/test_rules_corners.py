"""What rules do where references and golden files do not go: each test catches a mutant of one.

See mutants.py, which found the places.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn.optimizers import check, get, madgrad

KEY = jax.random.key(0)
pytestmark = pytest.mark.usefixtures("x64")


def step(rule: Any, numbers: dict[str, float], grads: Any, params: Any = None, **needs: Any) -> Any:
    """The first update, for one leaf."""
    params, hyper = grads if params is None else params, check(rule, numbers)
    return rule.update(grads, rule.init(params, hyper), params, hyper, **needs)[0]


def test_adadelta_without_memory_stands_still_where_gradients_are_zero() -> None:
    grads = jnp.asarray([0.0, 3.0])
    moved = step(get("adadelta"), {"rho": 0.0, "eps": 1e-6}, grads)
    np.testing.assert_allclose(moved, [0.0, -3.0 * np.sqrt(1e-6 / (9 + 1e-6))], rtol=1e-9)


def test_adafactor_of_torch_factors_a_single_row_too() -> None:
    rule = get("adafactor", flavor="torch")
    moment = rule.init(jnp.zeros((1, 4)), rule.Hyper()).second_moment
    assert [x.shape for x in moment] == [(1,), (4,)]


def test_adahessian_divides_by_eps_alone_where_nothing_is_curved() -> None:
    grads = jnp.asarray([3.0, -4.0])
    numbers = {"learning_rate": 0.1, "eps": 0.5}
    flat = step(get("adahessian"), numbers, grads, hessian_diagonal=jnp.zeros(2))
    np.testing.assert_allclose(flat, -0.1 * grads / 0.5, rtol=1e-12)


def test_adam_mini_is_adamw_on_a_scalar() -> None:
    numbers = {"learning_rate": 0.1, "eps": 0.5, "weight_decay": 0.1}
    grad, param = jnp.asarray(3.0), jnp.asarray(2.0)
    wanted = step(get("adamw"), numbers, grad, param)
    np.testing.assert_allclose(step(get("adam_mini"), numbers, grad, param), wanted, rtol=1e-12)


@pytest.mark.parametrize("name", ["adamp", "sgdp"])
def test_eps_stands_beside_the_length_of_the_weights_in_a_projection(name: str) -> None:
    # At right angles to the weights, as gradient and weights are; the step of AdamP is not.
    weights, grads = jnp.asarray([[3.0], [4.0]]), jnp.asarray([[4.0], [-3.0]])
    numbers = {"learning_rate": 1.0, "weight_decay": 0.1, "wd_ratio": 0.5, "eps": 2.0}
    numbers |= {"b1": 0.0, "b2": 0.0} if name == "adamp" else {"momentum": 0.0}
    d = grads / (jnp.abs(grads) + 2) if name == "adamp" else grads + 0.0
    share = jnp.sum(d * weights) / (5 + 2) ** 2
    wanted = -(d - share * weights + 0.5 * 0.1 * weights)
    np.testing.assert_allclose(step(get(name), numbers, grads, weights), wanted, rtol=1e-12)


def test_the_decay_of_sgdp_makes_up_for_what_momentum_adds() -> None:
    grads, params = jnp.asarray([3.0, -4.0]), jnp.asarray([1.0, 2.0])
    numbers = {"learning_rate": 0.1, "momentum": 0.75, "weight_decay": 0.1}
    wanted = -0.1 * (grads + 0.4 * params)
    np.testing.assert_allclose(step(get("sgdp"), numbers, grads, params), wanted, rtol=1e-12)


def test_eps_root_of_amsgrad_stands_beside_the_corrected_mean() -> None:
    numbers, grads = {"learning_rate": 0.1, "eps_root": 0.5}, jnp.asarray([3.0, -4.0])
    wanted = -0.1 * grads / (jnp.sqrt(grads**2 + 0.5) + 1e-8)
    for flavor in ("optax", "torch"):
        found = step(get("amsgrad", flavor=flavor), numbers, grads)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_ftrl_stands_still_where_a_square_overflows() -> None:
    grads = jnp.asarray([1e200, -1e200])
    assert not step(get("ftrl"), {}, grads, jnp.asarray([1.0, 2.0])).any()


def test_vectors_take_the_steps_of_adam_in_galore() -> None:
    numbers, grads = {"learning_rate": 0.1, "eps_root": 0.5}, jnp.asarray([3.0, -4.0])
    wanted = step(get("adam"), numbers, grads)
    np.testing.assert_allclose(step(get("galore"), numbers, grads), wanted, rtol=1e-12)


def test_kron_clips_the_root_mean_square_of_a_scalar_too() -> None:
    numbers = {"learning_rate": 0.1, "clip_threshold": 0.7}
    np.testing.assert_allclose(step(get("kron"), numbers, jnp.asarray(1e6), key=KEY), -0.07)


@pytest.mark.parametrize("name", ["momo", "polyak_sgd"])
def test_a_gradient_counts_as_none_up_to_a_square_of_float64s_eps(name: str) -> None:
    # 2⁻⁵² at every precision, as in Optax.
    for square, moves in ((0.75 * 2.0**-52, False), (1.5 * 2.0**-52, True)):
        grads = jnp.full(1, np.sqrt(square))
        numbers = {"eps": 0.0} if name == "polyak_sgd" else {}
        update = step(get(name), numbers, grads, jnp.zeros(1), value=jnp.ones(()))
        assert bool(update.any()) == moves


def test_the_cube_root_of_madgrad_is_exact() -> None:
    with jax.enable_x64(False):
        x = np.float32(np.logspace(-37, 38, 400))
        np.testing.assert_allclose(madgrad._cbrt(jnp.asarray(x)), np.cbrt(x), rtol=2.5e-7)
    edges = jnp.asarray([0.0, 1e-310, jnp.inf])
    np.testing.assert_array_equal(madgrad._cbrt(edges), [0.0, 0.0, jnp.inf])


def test_polyak_scales_gradients_whose_squares_overflow_too() -> None:
    numbers = {"scaling": 0.5, "max_learning_rate": 1.0}
    grads, value = jnp.asarray([3e200, 4e200]), jnp.asarray(2.5e307)
    found = step(get("polyak_sgd"), numbers, grads, value=value)
    np.testing.assert_allclose(found, [-0.6e107, -0.8e107], rtol=1e-12)


def _bent(params: Any) -> Any:
    x, y = params
    return jnp.stack([x * x - 2, x * y - 1, y + x**3])


def test_levenberg_marquardt_damps_by_how_true_its_model_was() -> None:
    rule, point = get("levenberg_marquardt"), jnp.asarray([1.0, -0.5])
    hyper = check(rule, {"damping": 0.5})
    state = rule.init(point, hyper)
    found, state = rule.update(point, state, point, hyper, residual_fn=_bent)
    jacobian, here = np.asarray(jax.jacobian(_bent)(point)), np.asarray(_bent(point))
    gram = jacobian.T @ jacobian
    step = -np.linalg.solve(gram + 0.5 * np.diag(np.diag(gram)), jacobian.T @ here)
    np.testing.assert_allclose(found, step, rtol=1e-10)
    fall = here @ here - np.sum(np.asarray(_bent(point + step)) ** 2)
    ratio = fall / (here @ here - np.sum((here + jacobian @ step) ** 2))
    assert 0.6 < ratio < 0.9
    np.testing.assert_allclose(state.damping, 0.5 * (1 - (2 * ratio - 1) ** 3), rtol=1e-10)
    assert float(state.growth) == 2


def test_the_damping_stays_within_what_the_dtype_can_tell() -> None:
    rule, point, eps = get("levenberg_marquardt"), jnp.asarray([1.0, -0.5]), 2.0**-52
    hyper, state = check(rule, {}), rule.init(point, check(rule, {}))

    def after(residual_fn: Any, **now: float) -> Any:
        numbers = {name: jnp.asarray(x) for name, x in now.items()}
        now_state = state._replace(**numbers)
        return rule.update(point, now_state, point, hyper, residual_fn=residual_fn)[1]

    # Taken, on a linear model; rejected, where residuals are not finite.
    taken = after(lambda p: 2 * p, damping=2 * eps, growth=4.0)
    assert (float(taken.damping), float(taken.growth)) == (eps, 2)
    never = after(lambda p: jnp.where(p == point, p, jnp.inf), damping=1 / eps, growth=0.75 / eps)
    assert (float(never.damping), float(never.growth)) == (1 / eps, 1 / eps)


def test_a_bound_that_the_loss_keeps_is_not_lowered() -> None:
    numbers = {"learning_rate": 1e3, "b1": 0.5, "lower_bound": 1.0}
    grads, value = jnp.asarray([3.0, -4.0]), jnp.asarray(3.0)
    fixed, adapted = (
        step(get("momo_adam", adapt_lower_bound=adapt), numbers, grads, value=value)
        for adapt in (False, True)
    )
    np.testing.assert_allclose(adapted, fixed, rtol=1e-12)
