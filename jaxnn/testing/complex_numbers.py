"""The contract on complex parameters: handled as declared, or refused in one sentence."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.errors import BadType
from jaxnn.optimizers import hypers
from jaxnn.testing import feed
from jaxnn.testing.contract import contract, leaves, require, require_close
from jaxnn.typing import Params

__all__ = ["complex_numbers"]


@contract
def complex_numbers(rule: Any, hyper: Any) -> None:
    """Complex parameters are handled where the rule declares COMPLEX, and refused elsewhere.

    Refused in `init` and in `update`, in the sentence of `tree.require_real`. Handled: numbers
    without an imaginary part give the steps of real ones, and a quarter turn of parameters and
    gradients turns the steps.
    """
    if getattr(rule, "COMPLEX", False):
        with jax.enable_x64(True):
            _require_turned(rule, hypers.check(rule, hyper))
        return
    numbers, real = hypers.check(rule, hyper), feed.parameters("float32")
    turned = _times(1j, real)
    state, supplied = rule.init(real, numbers), feed.supplies(rule, real, real)
    update = functools.partial(rule.update, turned, state, turned, numbers, **supplied)
    known = [_sentence(lambda: tree.require_real({name: turned[name]})) for name in turned]  # noqa: B023
    for name, call in (("init", lambda: rule.init(turned, numbers)), ("update", update)):
        said = _sentence(call)
        fix = "Call tree.require_real there, or handle them and declare COMPLEX = True."
        refused = said in known
        require(refused, name, "a refusal of complex numbers, as by tree.require_real", said, fix)


def _require_turned(rule: Any, numbers: Any) -> None:
    feeds = feed.parameters("float64", 0), feed.gradients("float64", 1)
    wanted_updates, _, wanted_params = feed.run(rule, *feeds, numbers)
    for turn in (1, 1j):
        turned = _times(turn, feeds)
        updates, _, params = feed.run(rule, turned[0], turned[1], numbers)
        for name, got, wanted in (
            ("updates", updates, wanted_updates),
            ("params", params, wanted_params),
        ):
            for path, leaf in leaves(name, got):
                require(leaf.dtype == jnp.complex128, path, "of dtype complex128", leaf.dtype)
            back = _times(1 / turn, got)
            parts = jax.tree.map(jnp.real, back), jax.tree.map(jnp.imag, back)
            which = f"those of real numbers, once both are multiplied by {turn}"
            require_close(name, parts, (wanted, jax.tree.map(jnp.zeros_like, wanted)), which)


def _times(factor: complex, values: Params) -> Params:
    return jax.tree.map(lambda x: x * jnp.asarray(factor, jnp.result_type(x, 1j)), values)


def _sentence(call: Callable[[], Any]) -> str:
    try:
        call()
    except BadType as error:
        return str(error)
    return "none"
