"""Every rule gives the updates and the states of Optax."""

from __future__ import annotations

import functools
import operator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from references import ELSEWHERE, REFERENCES
from references.kind import LIKE_FOR_LIKE

from jaxnn.optimizers import OPTIMIZERS, get
from jaxnn.optimizers.base import apply_updates, name_of
from jaxnn.optimizers.hypers import check, make_hyper
from jaxnn.testing import feed, variants

NUM_STEPS = 50


class Layer(NamedTuple):
    weight: Any
    scale: Any


def _trees(dtype: Any) -> list[Any]:
    """Gradients of three pytrees with a leading axis of steps; magnitudes from 1e-3 to 1e1."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        sizes = 10 ** rng.uniform(-3, 1, size=shape)
        return jnp.asarray(rng.normal(size=(NUM_STEPS, *shape)) * sizes, dtype)

    return [
        {"layer": {"weight": draw(3, 2), "bias": draw(2)}, "scale": draw(1)},
        [draw(), draw(2, 1, 3)],
        Layer(weight=draw(2, 4), scale=None),
    ]


def _cases() -> list[Any]:
    found = []
    for name in OPTIMIZERS:
        structures = [dict(getattr(rule, "structure", ())) for rule in variants(name)]
        combinations = REFERENCES[name].combinations if name in REFERENCES else ()
        for structure in [*structures, *combinations]:
            label = name_of(get(name, **structure))
            if label not in ELSEWHERE:
                found.append(pytest.param(name, structure, id=label))
    return found


def _run_pair(name: str, structure: dict[str, Any], grads: Any, params: Any, hyper: Any) -> Any:
    """Both on the same gradients, each from its own parameters: a row a step for each."""
    rule, reference = get(name, **structure), REFERENCES[name]
    transformation = optax.with_extra_args_support(reference.build(hyper, **structure))

    def step(carry: Any, grads: Any) -> Any:
        (params, state), (their_params, their_state) = carry
        extra, theirs = feed.supplies(rule, grads, params), {}
        if reference.extra:
            extra, theirs = reference.extra(extra, grads, their_state)
        updates, state = rule.update(grads, state, params, hyper, **extra)
        moved, their_state = transformation.update(grads, their_state, their_params, **theirs)
        params = apply_updates(params, updates)
        their_params = optax.apply_updates(their_params, moved)
        if reference.point:
            updates, moved, their_params = params, their_params, params
        rows = (updates, state), (moved, reference.state(their_state, **structure))
        return ((params, state), (their_params, their_state)), rows

    start = (params, rule.init(params, hyper)), (params, transformation.init(params))
    return jax.lax.scan(step, start, grads)[1]


def _run_both(name: str, structure: dict[str, Any], dtype: Any) -> tuple[Any, Any]:
    """(ours, Optax's): updates and states of all steps, for each tree, under three settings."""
    rule, trees = get(name, **structure), _trees(dtype)
    if dtype == jnp.float32:
        trees = trees[:1]  # structures and shapes are a matter of float64
    settings = [{}, *REFERENCES[name].settings]
    hypers = [check(rule, make_hyper(rule, setting)) for setting in settings]
    hyper = jax.tree.map(lambda *x: jnp.stack(x), *hypers)

    rounds = dtype == jnp.float32 or REFERENCES[name].growth > 1
    options = LIKE_FOR_LIKE if rounds else None

    @functools.partial(jax.jit, compiler_options=options)
    @functools.partial(jax.vmap, in_axes=(None, 0))
    def run(trees: Any, hyper: Any) -> tuple[Any, Any]:
        starts = [jax.tree.map(lambda g: g[0], grads) for grads in trees]
        pairs = zip(trees, starts, strict=True)
        both = [_run_pair(name, structure, grads, params, hyper) for grads, params in pairs]
        ours, theirs = zip(*both, strict=True)
        return ours, theirs

    return run(trees, hyper)


def _require_close(ours: Any, theirs: Any, *, rtol: float, num_ulps: int) -> None:
    """Equal to rtol, or to some ulps of the largest value that the element takes in the run.

    The second, because sums of terms of both signs cancel: at a zero crossing of a velocity the
    rounding of its terms is all that is left.
    """
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.dtype == b.dtype
        a, b = np.asarray(a) * 1, np.asarray(b) * 1  # flags as numbers
        eps = np.finfo(b.dtype).eps if np.issubdtype(b.dtype, np.floating) else 0
        peak = np.abs(b).max(axis=1, keepdims=True)  # axis 0 settings, axis 1 steps
        gap = np.abs(a - b) - np.maximum(rtol * np.abs(b), num_ulps * eps * peak)
        assert gap.max() <= 0, f"{a.ravel()[gap.argmax()]} against {b.ravel()[gap.argmax()]}"


@pytest.mark.parametrize(("name", "structure"), _cases())
def test_agrees_with_optax_in_float64(name: str, structure: dict[str, Any], x64: None) -> None:
    del x64
    ours, theirs = _run_both(name, structure, jnp.float64)
    _require_close(ours, theirs, rtol=1e-12, num_ulps=4)


@pytest.mark.parametrize("name", REFERENCES)
def test_agrees_with_optax_in_float32(name: str) -> None:
    # What an option changes is a matter of float64.
    # Like for like: the numbers are traced float32 on both sides. Each side rounds some ten times
    # on the way to an update, half an ulp each, and old roundings decay with what they are part of.
    ours, theirs = _run_both(name, {}, jnp.float32)
    _require_close(ours, theirs, rtol=0, num_ulps=16 * REFERENCES[name].growth)


def test_every_rule_has_a_reference() -> None:
    for name, rule in OPTIMIZERS.items():
        package, _, factory = rule.REFERENCE.partition(".")
        if package == "optax":
            assert name in REFERENCES, name
            assert callable(operator.attrgetter(factory)(optax)), name
        else:
            assert name in ELSEWHERE, name
    assert REFERENCES.keys() <= OPTIMIZERS.keys()
    names = {name_of(rule) for name in OPTIMIZERS for rule in variants(name)}
    assert ELSEWHERE.keys() <= names


def test_the_centred_form_of_optax_turns_negative_and_ours_does_not() -> None:
    # A constant gradient: the variance falls to 0, where mean(g²) − m² is rounding of either sign.
    rule = get("rmsprop", centered=True, eps_in_sqrt=False)
    sizes = np.random.default_rng(0).uniform(0.1, 1, size=50)
    grads, start = jnp.tile(jnp.asarray(sizes, jnp.float32), (300, 1)), jnp.zeros(50)
    hyper = check(rule, rule.Hyper())
    pair = _run_pair("rmsprop", dict(rule.structure), grads, start, hyper)
    (updates, _), (theirs, _) = pair
    assert bool(jnp.isnan(theirs).any())
    assert bool(jnp.isfinite(updates).all())
