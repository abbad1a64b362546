"""Contracts on the numbers that a rule gives, however it is run and whatever it is fed."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn.optimizers import base, hypers
from jaxnn.testing import feed
from jaxnn.testing.contract import (
    both_kinds,
    contract,
    leaves,
    require,
    require_close,
    require_finite,
    require_no_nan,
)
from jaxnn.typing import Params

__all__ = [
    "counts_on",
    "descends",
    "differentiable",
    "finite",
    "lanes_alone",
    "linear",
    "scan_as_loop",
    "shows_non_finite",
]


@contract
def scan_as_loop(rule: Any, hyper: Any) -> None:
    """A compiled scan gives what a Python loop without `jit` gives, to rounding in float64.

    In the loop, `init` and `update` write into nothing that they are given: wrappers and loops of
    one's own use it again.
    """
    with jax.enable_x64(True):
        numbers = hypers.check(rule, hyper)
        feeds = feed.parameters("float64", 0), feed.gradients("float64", 1), numbers
        _require_same(feed.run(rule, *feeds), feed.loop(rule, *feeds), "of a loop without jit")


@contract
def lanes_alone(rule: Any, hyper: Any) -> None:
    """A lane of a `vmap` gives what it gives alone, to rounding in float64.

    Every lane has parameters and gradients of its own, and each but the first one other number. The
    rule can also be batched over each number by itself.
    """
    with jax.enable_x64(True):
        numbers = hypers.check(rule, hyper)
        lanes = [
            (feed.parameters("float64", k), feed.gradients("float64", k), feed.altered(numbers, k))
            for k in range(len(jax.tree.leaves(numbers)) + 1)
        ]
        batch = jax.tree.map(lambda *rows: np.stack(rows), *lanes)
        together = jax.jit(jax.vmap(functools.partial(feed.scan, rule)))(*batch)
        together = jax.tree.map(np.asarray, together)
        for k, lane in enumerate(lanes):
            own = jax.tree.map(lambda x: x[k], together)  # noqa: B023
            _require_same(own, feed.run(rule, *lane), f"of lane {k} alone")
    for k in range(len(jax.tree.leaves(numbers))):
        _batch_one_number(rule, hypers.check(rule, hyper), k)


def _batch_one_number(rule: Any, numbers: Any, index: int) -> None:
    found, structure = jax.tree.flatten(numbers)
    axes = structure.unflatten([0 if k == index else None for k in range(len(found))])
    found[index] = np.stack([found[index]] * 2)
    one = functools.partial(
        feed.scan, rule, feed.parameters("float32"), feed.gradients("float32", 0)
    )
    jax.eval_shape(jax.vmap(one, in_axes=(axes,)), structure.unflatten(found))


def _require_same(got: Any, wanted: Any, which: str) -> None:
    for name, a, b in zip(("updates", "state", "params"), got, wanted, strict=True):
        require_close(name, a, b, f"those {which}")


@contract
def finite(rule: Any, hyper: Any) -> None:
    """Finite updates, and no NaN in the state, for gradients of every magnitude of every dtype.

    0, the smallest normal number, 1, √max and max, of constant and alternating sign, in float16,
    bfloat16, float32 and float64, with arrays as numbers and, where it makes a difference, numbers
    of Python: those take the dtype of what they meet, which is that of the arrays for float32 and
    float64. The updates of a rule that declares LINEAR grow with the gradients: it gets as its
    largest what its gain leaves room for. One that declares a GRADIENT_RANGE below 1 gets no larger
    ones than max to that power.
    """
    room, power = _room(rule, hyper), getattr(rule, "GRADIENT_RANGE", 1.0)
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        with jax.enable_x64(dtype == "float64"):
            params = feed.parameters(dtype)
            kinds = both_kinds(rule, hyper)
            for numbers in kinds[:1] if dtype in ("float32", "float64") else kinds:
                for which, grads in _extremes(dtype, room, power):
                    updates, state, _ = feed.run(rule, params, grads, numbers)
                    for path, leaf in leaves("updates", updates):
                        require_finite(path, leaf, f"finite for {which}")
                    require_no_nan(state, f"after {which}")


def _extremes(dtype: str, room: float, power: float) -> Iterator[tuple[str, Params]]:
    info = jnp.finfo(dtype)
    sizes = {
        "0": 0.0,
        "the smallest normal number": float(info.smallest_normal),
        "1": 1.0,
        "√max": float(info.max) ** 0.5,
        "max": float(info.max) * room,
    }
    for size, value in sizes.items():
        if value > float(info.max) ** power:
            continue
        yield f"{dtype} gradients of {size}", feed.filled(dtype, value)
        flipping = feed.filled(dtype, value, alternating=True)
        yield f"{dtype} gradients of {size}, of alternating sign", flipping


def _room(rule: Any, hyper: Any) -> float:
    # By linearity the growth of a run on ones is the growth of every run.
    if not getattr(rule, "LINEAR", False):
        return 1.0
    ones, params = feed.filled("float32", 1.0), feed.parameters("float32")
    updates, state, _ = feed.run(rule, params, ones, hypers.check(rule, hyper))
    gain = max(float(jnp.max(jnp.abs(x))) for x in jax.tree.leaves((updates, state)))
    return 1.0 if gain <= 1 else 1 / (2 * gain)


@contract
def counts_on(rule: Any, hyper: Any) -> None:
    """Training may be long: counts that have reached the largest of their dtype stay there.

    A scalar integer of the state is taken for a count. One that wraps is negative after 2³¹ steps,
    and its decays and bias corrections are of another formula, or NaN.
    """
    params, grads = feed.parameters("float32"), feed.gradients("float32", 1)
    updates, state, _ = feed.run(rule, params, grads, hypers.check(rule, hyper), late=True)
    when = "after more steps than its counts can hold"
    fix = "Count by jaxnn.tree.increment, which stops at the largest."
    for path, leaf in leaves("state", state):
        if feed.is_count(leaf):
            require(int(leaf) >= 0, path, f"at least 0 {when}", int(leaf), fix)
    for path, leaf in leaves("updates", updates):
        require_finite(path, leaf, f"finite {when}", fix)
    require_no_nan(state, when, fix)


@contract
def shows_non_finite(rule: Any, hyper: Any) -> None:
    """An infinite or NaN gradient gives a non-finite update: a failure is never hidden.

    A rule that declares SATURATES may step on for an infinite one. One that declares
    SKIPS_NON_FINITE hides a failure on purpose: its update must be finite instead.
    """
    params, numbers = feed.parameters("float32"), hypers.check(rule, hyper)
    saturates = getattr(rule, "SATURATES", False)
    for value in (np.nan,) if saturates else (np.inf, -np.inf, np.nan):
        grads = feed.filled("float32", 1.0)
        grads["w"] = grads["w"].at[1, 0, 0].set(value)
        update = feed.run(rule, params, grads, numbers)[0]["w"][1]
        hidden = bool(jnp.isfinite(update).all())
        if getattr(rule, "SKIPS_NON_FINITE", False):
            require(hidden, "updates['w']", f"finite for a gradient of {value}", "another")
            continue
        fix = "Let it through, so that the training loop sees it"
        fix += "." if np.isnan(value) else ", or declare SATURATES = True if steps are bounded."
        require(not hidden, "updates['w']", f"non-finite for a gradient of {value}", "finite", fix)


@contract
def descends(rule: Any, hyper: Any) -> None:
    """Steps go downhill: a gradient that stays the same is moved against, within four steps.

    In float64, in which the first steps of rules that find their rate on the way are not rounded.
    """
    with jax.enable_x64(True):
        params, ones = feed.parameters("float64"), feed.filled("float64", 1.0)
        updates, _, _ = feed.run(rule, params, ones, hypers.check(rule, hyper))
        along = sum(float(jnp.sum(u)) for u in jax.tree.leaves(updates))
    fix = "Updates are added to the parameters, so that they carry the sign of −gradient."
    require(along < 0, "updates", "negative in sum for gradients of 1", f"{along:.2g}", fix)


@contract
def linear(rule: Any, hyper: Any) -> None:
    """Where a rule declares LINEAR, updates are proportional to the gradients, to the last bit."""
    if not getattr(rule, "LINEAR", False):
        return
    params, numbers = feed.parameters("float32"), hypers.check(rule, hyper)
    grads = feed.gradients("float32", 1)
    one = feed.run(rule, params, grads, numbers)[0]
    four = feed.run(rule, params, jax.tree.map(lambda g: 4 * g, grads), numbers)[0]
    for (path, a), (_, b) in zip(leaves("updates", four), leaves("updates", one), strict=True):
        same = bool(jnp.all(a == 4 * b))
        require(same, path, "four times as large for four times the gradients", "another factor")


@contract
def differentiable(rule: Any, hyper: Any) -> None:
    """Derivatives of a loss after a few steps are finite, by every number and by the start.

    For rules that declare REVERSE_DIFFERENTIABLE. Neither those by the numbers nor those by the
    start are all 0. Half of the weights have a gradient of 0 at every step, like those on pixels
    that are always dark.
    """
    if not rule.REVERSE_DIFFERENTIABLE:
        return
    numbers, params = hypers.check(rule, hyper), feed.parameters("float32")
    derivatives = jax.jit(jax.grad(_trained, argnums=(1, 2)), static_argnums=0)
    by_hyper, by_params = derivatives(rule, numbers, params)
    for path, slope in leaves("hyper", by_hyper) + leaves("params", by_params):
        fix = "Roots by jaxnn.tree.sqrt have the derivative 0 at 0."
        require_finite(path, slope, "a number with a finite derivative", fix)
    for name, slopes in (("hyper", by_hyper), ("params", by_params)):
        found = jax.tree.leaves(slopes)
        known = not found or any(np.any(slope) for slope in found)
        fix = "Leave out stop_gradient, or declare REVERSE_DIFFERENTIABLE = False."
        constraint = "of influence on the trained loss by its derivatives"
        require(known, name, constraint, "0 for each", fix)


def _trained(rule: Any, hyper: Any, params: Params) -> Any:
    def step(carry: tuple[Params, Any], _: None) -> tuple[tuple[Params, Any], None]:
        params, state = carry
        grads = jax.grad(_quadratic)(params)
        updates, state = feed.update(rule, grads, state, params, hyper)
        return (base.apply_updates(params, updates), state), None

    start = params, rule.init(params, hyper)
    (params, _), _ = jax.lax.scan(step, start, length=feed.NUM_STEPS)
    return _quadratic(params) + jnp.sum(params["w"])


def _quadratic(params: Params) -> Any:
    return (params["b"] ** 2 + jnp.sum(params["w"][:, 0] ** 2)) / 2
