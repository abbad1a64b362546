"""What XLA stores besides the results of a step: nothing as large as a leaf, for most rules.

A root or a quotient that two kernels need, and a donated buffer that one kernel reads and another
writes, cost as much as several passes where leaves are large; rules compute or order such things by
`tree.after`. A change that brings one back fails here, not in somebody's training.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxnn import optimizers, tree
from jaxnn.testing import feed

NOTHING = (
    "adabelief adadelta adafactor adam adamax adamw adan ademamix adopt amsgrad cocob dadapt_adamw "
    "dog dowg lamb lars lion madgrad momo_adam nadam prodigy rmsprop schedule_free_adamw "
    "schedule_free_sgd yogi"
)
STRUCTURES = {"rmsprop": {"centered": True, "eps_in_sqrt": False}}


@pytest.mark.parametrize("name", NOTHING.split())
def test_a_step_stores_nothing_as_large_as_a_leaf(name: str) -> None:
    rule = optimizers.get(name, **STRUCTURES.get(name, {}))
    params = jnp.zeros(1 << 14, jnp.float32)
    hyper = optimizers.check(rule, rule.Hyper())
    extra = feed.supplies(rule, params, params)

    def step(params: Any, state: Any, grads: Any, hyper: Any) -> tuple[Any, Any]:
        updates, state = rule.update(grads, state, params, hyper, **extra)
        return optimizers.apply_updates(params, updates), state

    state = jax.eval_shape(rule.init, params, hyper)
    lowered = jax.jit(step, donate_argnums=(0, 1)).lower(params, state, params, hyper)
    analysis = lowered.compile().memory_analysis()
    assert analysis is not None
    assert analysis.temp_size_in_bytes < tree.num_bytes(params)
