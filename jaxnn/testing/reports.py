"""Contract on what a rule tells besides its updates.

That is `evaluation_params`, `record` and `value_and_grad`, which the training loop and the wrappers
take for the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxnn.errors import shown
from jaxnn.optimizers import base, hypers
from jaxnn.testing import feed
from jaxnn.testing.contract import contract, leaves, require, require_close, require_finite
from jaxnn.typing import Params

__all__ = ["reports"]


@contract
def reports(rule: Any, hyper: Any) -> None:
    """What a rule offers besides `init` and `update` is of the documented kind, and true.

    Parameters for evaluation are finite, before the first step too. `record` gives real scalars by
    name. `value_and_grad` gives the loss and its gradient at the parameters that the last update
    led to, in float64 to rounding.
    """
    with jax.enable_x64(True):
        numbers, params = hypers.check(rule, hyper), feed.parameters("float64")
        if hasattr(rule, "record"):
            _require_record(rule, params, numbers)
        if hasattr(rule, "evaluation_params"):
            start = base.evaluation_params(rule, rule.init(params, numbers), params, numbers)
            fix = "The average of no steps is the start itself."
            _require_evaluable(start, "before the first step", fix)
            _, state, after = feed.run(rule, params, feed.filled("float64", 1.0), numbers)
            own = base.evaluation_params(rule, state, after, numbers)
            _require_evaluable(own, f"after {feed.NUM_STEPS} steps")
        if hasattr(rule, "value_and_grad"):
            _require_true(rule, params, numbers)


def _require_evaluable(params: Params, when: str, fix: str = "") -> None:
    for path, leaf in leaves("evaluation_params", params):
        require_finite(path, leaf, f"finite {when}", fix)


def _require_record(rule: Any, params: Params, numbers: Any) -> None:
    answer = _traced(lambda: rule.record(rule.init(params, numbers)))
    named = isinstance(answer, dict) and all(isinstance(name, str) for name in answer)
    fix = 'For example {"learning_rate": state.learning_rate}.'
    require(named, "record", "a function that returns a dict by name", shown(answer), fix)
    for name, value in answer.items():
        require(_is_real_scalar(value), f"record[{name!r}]", "a real scalar", shown(value))


def _require_true(rule: Any, params: Params, numbers: Any) -> None:
    answer = _traced(lambda: rule.value_and_grad(rule.init(params, numbers)))
    pair = isinstance(answer, tuple) and len(answer) == 2
    require(pair, "value_and_grad", "a function that returns (value, gradient)", shown(answer))
    value, slope = answer
    name = "value_and_grad(state)"
    require(_is_real_scalar(value), f"{name}[0]", "a real scalar", shown(value))
    structure, wanted = jax.tree.structure(slope), jax.tree.structure(params)
    constraint = f"of the structure {wanted}, as the parameters"
    require(structure == wanted, f"{name}[1]", constraint, structure)
    for (path, x), p in zip(leaves(f"{name}[1]", slope), jax.tree.leaves(params), strict=True):
        shape = jnp.shape(x)
        require(shape == p.shape, path, f"of shape {p.shape}, as the parameter", shape)
    grads = feed.gradients("float64", 1)
    updates, state, after = feed.run(rule, params, grads, numbers)
    last = jax.tree.map(lambda g: g[-1], grads)
    before = jax.tree.map(lambda p, u: p - u[-1], after, updates)
    true = jax.value_and_grad(feed.value_fn(last, before))(after)
    those = "those of the loss at the parameters that the last update led to"
    fix = "Keep in the state what was evaluated last, or leave value_and_grad out."
    require_close(name, rule.value_and_grad(state), true, those, fix)


def _is_real_scalar(value: Any) -> bool:
    real = isinstance(value, float | int) or hasattr(value, "dtype")
    return real and jnp.ndim(value) == 0 and not jnp.iscomplexobj(value)


def _traced(function: Callable[[], Any]) -> Any:
    """What a function returns under `jit`, whatever it is."""
    answers = []
    jax.eval_shape(lambda: answers.append(function()))
    return answers[0]
