"""d(final loss of training) / d(every number of every rule) against finite differences."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import problems, training
from jaxnn.optimizers import check, get
from jaxnn.optimizers.base import name_of

LECTURE = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw")
# Of every other mechanism one; that all derivatives are finite is a contract of every rule.
OTHERS = ("amsgrad", "nadamw", "adamax", "radam", "ademamix", "muon")
RULES = [
    *(get(name) for name in (*LECTURE, *OTHERS)),
    get("rmsprop", centered=True, acceleration="momentum"),
]

# Inside the ranges and away from the kinks of roots, where a difference quotient is exact.
INTERIOR = {
    "eps": 1e-3,
    "eps_root": 1e-3,
    "weight_decay": 1e-1,
    "initial_scale": 1e-2,
    "momentum": 0.8,
    "min_norm": 1e-3,
    "decay_offset": 1e-2,
    "weight_decay_rate": 1e-2,
    "b2": 0.99,
    "threshold": 5.5,
    "warmup_steps": 4.5,
    "simplified_ademamix.alpha": 2.0,
    "adam_b2": 0.99,
    "adam_eps_root": 1e-3,
    "adam_weight_decay": 1e-1,
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_gradient_through_training_on_digits(rule: Any) -> None:
    problem = problems.get("digits", activation="tanh")
    defaults = rule.Hyper()
    inside = {f: INTERIOR.get(f, getattr(defaults, f)) for f in defaults._fields}
    chosen = {f: INTERIOR.get(f"{name_of(rule)}.{f}", x) for f, x in inside.items()}
    hyper = check(rule, rule.Hyper(**chosen))

    # Drawn once: another program may round the float32 draws in another way.
    start = problem.init(jax.random.key(0))

    def final_loss(numbers: Any) -> Any:
        run = training.train(
            problem,
            rule,
            numbers,
            jax.random.key(0),
            num_steps=20,
            batch_size=32,
            record_every=0,
            initial=start,
        )
        return problem.loss(run.params, problem.validation)

    gradient_of = jax.jit(jax.grad(final_loss))
    gradient = gradient_of(hyper)
    # At the defaults too, an eps_root of 0 among them: the same program with other numbers.
    assert np.all(np.isfinite(jnp.stack(gradient_of(check(rule, defaults)))))
    assert gradient_of._cache_size() == 1
    # Fourth-order central differences, all fields and points in one vmapped call.
    points, steps = [], []
    for i, value in enumerate(hyper):
        # Within the range: a decay of 0.999 has little room above. So small that it rarely meets
        # the kink of a maximum; no smaller, since the loss is rounded.
        h = 2e-5 * min(float(value), 1 - float(value)) if value < 1 else 2e-5 * float(value)
        steps.append(h)
        for k in (-2, -1, 1, 2):
            shifted = list(map(float, hyper))
            shifted[i] += k * h
            points.append(shifted)
    columns = rule.Hyper(*jnp.asarray(points).T)
    values = np.asarray(jax.vmap(final_loss)(columns)).reshape(len(steps), 4)
    differences = (values @ np.array([1, -8, 8, -1])) / (12 * np.asarray(steps))
    assert np.all(np.isfinite(jnp.stack(gradient)))
    np.testing.assert_allclose(jnp.stack(gradient), differences, rtol=1e-6, atol=1e-9)
