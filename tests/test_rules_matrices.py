"""What golden files and contracts leave open of rules that look at matrices."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn.optimizers import kron, shampoo
from jaxnn.optimizers._one_by_one import one_by_one
from jaxnn.optimizers._seldom import seldom


def test_the_first_step_of_shampoo_is_orthogonal_and_that_of_a_scalar_has_unit_size(
    x64: None,
) -> None:
    del x64
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=(n, 3)))[0] for n in (4, 3))
    grads = {"w": left * np.asarray([[30.0, 2.0, 0.5]]) @ right.T, "b": np.asarray(-7.0)}
    hyper = shampoo.Hyper(learning_rate=0.1, eps=1e-12)
    updates, _ = shampoo.update(grads, shampoo.init(grads, hyper), grads, hyper)
    np.testing.assert_allclose(updates["w"], -0.1 * left @ right.T, atol=1e-8)
    np.testing.assert_allclose(updates["b"], 0.1, rtol=1e-8)


def test_gradients_of_zero_leave_the_factors_of_kron_alone() -> None:
    grads = {"dead": jnp.zeros((3, 2)), "b": jnp.ones(2)}
    hyper = kron.Hyper()

    @jax.jit
    def run(state: kron.State) -> kron.State:
        def step(state: kron.State, key: Any) -> tuple[kron.State, None]:
            return kron.update(grads, state, grads, hyper, key=key)[1], None

        return jax.lax.scan(step, state, jax.random.split(jax.random.key(0), 20))[0]

    before = kron.init(grads, hyper)
    after = run(before)
    for old, new in zip(before.factors["dead"], after.factors["dead"], strict=True):
        np.testing.assert_array_equal(old, new)
    assert not np.allclose(before.factors["b"][0], after.factors["b"][0])


def test_what_is_due_in_no_lane_is_not_computed() -> None:
    calls = []

    def change(old: Any, x: Any) -> Any:
        jax.debug.callback(lambda: calls.append(1))
        return {"sum": old["sum"] + x, "none": None}

    @jax.jit
    @jax.vmap
    @jax.vmap
    def run(due: Any, old: Any) -> Any:
        return seldom(due, change, {"sum": old, "none": None}, jnp.asarray(10.0))["sum"]

    old = jnp.arange(6.0).reshape(2, 3)
    never = jnp.zeros((2, 3), bool)
    np.testing.assert_array_equal(run(never, old), old)
    jax.effects_barrier()
    assert not calls
    np.testing.assert_array_equal(run(never.at[1, 2].set(True), old), old.at[1, 2].add(10.0))
    jax.effects_barrier()
    assert calls


def test_a_decomposition_waits_for_the_one_before() -> None:
    good, bad = jnp.eye(2), jnp.full((3, 3), jnp.nan)
    alone, last, after = jax.jit(lambda *x: one_by_one(jnp.linalg.eigh, x))(good, bad, good)
    np.testing.assert_array_equal(alone[0], [1.0, 1.0])
    assert bool(jnp.isnan(last[0]).all())
    assert bool(jnp.isnan(after[0]).all())
