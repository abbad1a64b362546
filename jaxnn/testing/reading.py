"""Contract on what a rule asks for: each of its numbers and needs has an effect.

Found in the program alone, by following each of them from equation to equation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from jaxnn.errors import BadInput
from jaxnn.optimizers import base, hypers
from jaxnn.testing import feed
from jaxnn.testing.contract import contract, leaves, require

__all__ = ["reads_all"]


@contract
def reads_all(rule: Any, hyper: Any) -> None:
    """What `init` and `update` return depends on every number, and on everything in NEEDS.

    If not as the rule is, then with another value of one structural option. A number without an
    effect is searched over in vain, and a need without one is evaluated in vain.
    """
    paths, live = _effects(rule, hyper)
    ignored = set(paths) - live
    for other in _alike(rule) if ignored else ():
        try:
            ignored -= _effects(other, other.Hyper())[1]
        except BadInput:  # options that contradict each other
            continue
        if not ignored:
            return
    for path in sorted(ignored):
        fix = "Use it, or take it out."
        require(False, path, "of effect on what `init` or `update` returns", "none", fix)


def _alike(rule: Any) -> Iterator[Any]:
    for option, values in rule.STRUCTURE.items():
        for value in values:
            try:
                yield base.variant(rule, **{option: value})
            except BadInput:
                continue


def _effects(rule: Any, hyper: Any) -> tuple[list[str], set[str]]:
    """The paths of numbers and needs, and those of them that something depends on."""
    # In bfloat16, for which more is done: statistics are widened, updates may be rounded at random.
    params, numbers = feed.parameters("bfloat16"), hypers.check(rule, hyper)
    supplied = feed.supplies(rule, params, params)
    functions = {name: x for name, x in supplied.items() if callable(x)}
    arrays = {name: x for name, x in supplied.items() if name not in functions}
    factors = {name: jnp.ones(()) for name in functions}

    def both(hyper: Any, arrays: dict[str, Any], factors: dict[str, Any]) -> Any:
        scaled = {
            name: functools.partial(_scaled, function, factors[name])
            for name, function in functions.items()
        }
        state = rule.init(params, hyper)
        return state, base.update(rule, params, state, params, hyper, **arrays, **scaled)

    program = jax.make_jaxpr(both)(numbers, arrays, factors).jaxpr
    paths = [path for path, _ in leaves("hyper", numbers)]
    paths += [f"NEEDS[{name!r}]" for name in _by_leaf(arrays) + _by_leaf(factors)]
    return paths, {path for path, live in zip(paths, _live(program), strict=True) if live}


def _scaled(function: Callable[..., Any], factor: Any, params: Any) -> Any:
    return factor * function(params)


def _by_leaf(trees: dict[str, Any]) -> list[str]:
    return [name for name in sorted(trees) for _ in jax.tree.leaves(trees[name])]


def _live(program: Any) -> list[bool]:
    """Whether something that the program returns may depend on its arguments, one by one.

    What an equation gives is taken to depend on all that it reads, programs within it included.
    """
    live = {x for x in program.outvars if not isinstance(x, Literal)}
    for equation in reversed(program.eqns):
        if live.intersection(equation.outvars):
            live.update(x for x in equation.invars if not isinstance(x, Literal))
    return [x in live for x in program.invars]
