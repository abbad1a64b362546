"""A line search with strong Wolfe conditions: one evaluation a turn, so that it runs under `vmap`.

    φ(t) = f(θ + t·d)      φ(t) <= φ(0) + slope_rtol·t·φ'(0)      |φ'(t)| <= curv_rtol·|φ'(0)|

Lengths grow until two bracket a minimum, then close in on it. `lo` is the best length so far and
`hi` the other end; the next is the minimum of a cubic or a parabola through values and slopes, in
four cases, and the middle where the bracket has not shrunk by a third in two turns. For a length
that is the best so far but has not decreased the value enough the line φ(0) + slope_rtol·t·φ'(0)
is taken off the values, so that both conditions hold where the search ends.
Near a minimum values no longer tell lengths apart: one that rises by at most approx_dec_rtol·|φ(0)|
also counts as a decrease if φ'(t) <= (1 − 2·slope_rtol)·|φ'(0)|. A value or slope that is not
finite sends the search back to a tenth of the way, and it never comes as far again.

Under `vmap` the loop runs until the last lane is done; lanes that are do not change.
Reference: Moré, Thuente 1994, ACM Transactions on Mathematical Software 20, "Line Search Algorithms
with Guaranteed Sufficient Decrease"; Nocedal, Wright 2006, "Numerical Optimization", algorithms 3.5
and 3.6 in one loop; approximate decrease: Hager, Zhang 2005, SIAM Journal on Optimization 16.
The lengths tried are those of SciPy's L-BFGS-B and CG, but that a bracket which is narrow enough
ends the search with the gradient kept there, where SciPy evaluates its best end once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers._sums import dot
from jaxnn.optimizers.base import apply_updates
from jaxnn.typing import Array, Bool, Float, Int, Params

__all__ = ["MAX_EVALUATIONS", "Conditions", "Found", "search"]

MAX_EVALUATIONS = 20
"""After so many the best length so far is taken; as SciPy and Optax do."""


class Conditions(NamedTuple):
    """When a length is good enough; scalars of one dtype, 0 < slope_rtol < curv_rtol < 1."""

    slope_rtol: Float[Array, ""]  # of the slope at 0, for the decrease
    curv_rtol: Float[Array, ""]  # of the slope at 0, for the slope
    approx_dec_rtol: Float[Array, ""]  # of the value at 0, by which rounding may raise it
    interval_rtol: Float[Array, ""]  # of its upper end, the width at which a bracket is not divided


class Found(NamedTuple):
    """Where a search ended."""

    length: Float[Array, ""]  # 0 where no length lowers the value
    value: Float[Array, ""]
    grads: Params  # both at params + length·direction
    evaluations: Int[Array, ""]


class _Point(NamedTuple):
    length: Float[Array, ""]
    value: Float[Array, ""]
    slope: Float[Array, ""]


class _Search(NamedTuple):
    lo: _Point
    hi: _Point
    grads: Params  # at lo
    trial: Float[Array, ""]  # the length to evaluate next
    low: Float[Array, ""]  # the length after it lies between these
    high: Float[Array, ""]
    limit: Float[Array, ""]  # the least length that was not finite
    widths: tuple[Float[Array, ""], Float[Array, ""]]  # of the bracket, a turn and two turns ago
    bracketed: Bool[Array, ""]
    done: Bool[Array, ""]
    evaluations: Int[Array, ""]


def search(
    value_fn: Callable[[Params], Float[Array, ""]],
    params: Params,
    direction: Params,
    value: Float[Array, ""],
    grads: Params,
    first: Float[Array, ""],
    conditions: Conditions,
    *,
    like: Params,
) -> Found:
    """A length along `direction` that meets both conditions, or the best of MAX_EVALUATIONS.

    value, grads: those of `value_fn` at `params`; with `direction`, `first` and `conditions` of one
    dtype, as `tree.promote` gives them. first: the length to try first, > 0. like: the tree in
    whose dtypes length·direction will be added to `params`, so that what is evaluated here is what
    the step arrives at. Where `direction` does not descend nothing is evaluated and the length
    is 0.
    """
    slope = dot(grads, direction)
    start = _Point(jnp.zeros_like(first), value, slope)
    infinite = jnp.full_like(first, jnp.inf)
    state = _Search(
        lo=start,
        hi=start,
        grads=grads,
        trial=first,
        low=start.length,
        high=5 * first,
        limit=infinite,
        widths=(infinite, infinite),
        bracketed=jnp.zeros_like(slope, bool),
        done=~(slope < 0),
        evaluations=jnp.zeros_like(slope, jnp.int32),
    )

    def going_on(state: _Search) -> Bool[Array, ""]:
        return ~state.done & (state.evaluations < MAX_EVALUATIONS)

    def turn(state: _Search) -> _Search:
        moved = tree.map(lambda d: state.trial * d, direction)
        there = apply_updates(params, tree.cast_like(moved, like))
        value, grads = tree.cast(jax.value_and_grad(value_fn)(there), first.dtype)
        new = _Point(state.trial, value, dot(grads, direction))
        return _after(state, start, new, grads, conditions)

    end = jax.lax.while_loop(going_on, turn, state)
    # Where rounding hides every decrease, the best end may be level with the start.
    moves = (end.lo.value < value) | _good_enough(start, end.lo, conditions)
    kept = tree.select(moves, (end.lo, end.grads), (start, grads))
    return Found(kept[0].length, kept[0].value, kept[1], end.evaluations)


def _after(
    state: _Search, start: _Point, new: _Point, grads: Params, conditions: Conditions
) -> _Search:
    """The search after the point `new` has been evaluated."""
    finite = jnp.isfinite(new.value) & jnp.isfinite(new.slope)
    done = finite & _good_enough(start, new, conditions)
    tilt = conditions.slope_rtol * start.slope
    enough = new.value <= start.value + new.length * tilt
    taken_off = jnp.where((new.value <= state.lo.value) & ~enough, tilt, 0)
    lo, hi, at = (_tilt(point, taken_off) for point in (state.lo, state.hi, new))

    higher = at.value > lo.value
    passed = at.slope * jnp.sign(lo.slope) < 0
    trial = _next(lo, hi, at, state, higher, passed)
    bracketed = state.bracketed | higher | passed
    better = finite & (done | ~higher)
    hi = tree.select(higher, new, tree.select(passed, state.lo, state.hi))
    hi = tree.select(finite, hi, state.hi)
    lo, kept = tree.select(better, (new, grads), (state.lo, state.grads))

    width = jnp.abs(hi.length - lo.length)
    halve = bracketed & (width >= 0.66 * state.widths[1])
    trial = jnp.where(halve, lo.length + 0.5 * (hi.length - lo.length), trial)
    trial = jnp.minimum(trial, lo.length + 0.5 * (state.limit - lo.length))
    low = jnp.where(bracketed, jnp.minimum(lo.length, hi.length), 2.1 * trial - 1.1 * lo.length)
    high = jnp.where(bracketed, jnp.maximum(lo.length, hi.length), 5 * trial - 4 * lo.length)
    narrow = (trial <= low) | (trial >= high) | (high - low <= conditions.interval_rtol * high)

    after = _Search(
        lo=lo,
        hi=hi,
        grads=kept,
        trial=trial,
        low=low,
        high=high,
        limit=state.limit,
        widths=tree.select(bracketed, (width, state.widths[0]), state.widths),
        bracketed=bracketed,
        done=done | (bracketed & narrow),
        evaluations=state.evaluations + 1,
    )
    back = state._replace(
        trial=state.lo.length + 0.1 * (new.length - state.lo.length),
        limit=new.length,
        evaluations=state.evaluations + 1,
    )
    return tree.select(finite, after, back)


def _good_enough(start: _Point, new: _Point, conditions: Conditions) -> Bool[Array, ""]:
    slope_rtol, curv_rtol, approx_dec_rtol, _ = conditions
    enough = new.value <= start.value + slope_rtol * new.length * start.slope
    level = new.value <= start.value + approx_dec_rtol * jnp.abs(start.value)
    shallow = new.slope <= (2 * slope_rtol - 1) * start.slope
    flat = jnp.abs(new.slope) <= curv_rtol * jnp.abs(start.slope)
    return flat & (enough | (level & shallow & (approx_dec_rtol > 0)))


def _tilt(point: _Point, slope: Float[Array, ""]) -> _Point:
    return _Point(point.length, point.value - point.length * slope, point.slope - slope)


def _next(
    lo: _Point,
    hi: _Point,
    new: _Point,
    state: _Search,
    higher: Bool[Array, ""],
    passed: Bool[Array, ""],
) -> Float[Array, ""]:
    """The length to try after `new`: the safeguarded step of Moré and Thuente, section 4."""
    step = new.length - lo.length
    far = jnp.where(step > 0, state.high, state.low)
    cubic, turns = _cubic(lo, new)
    secant = new.length - new.slope / (new.slope - lo.slope) * step
    parabola = lo.length + lo.slope / ((lo.value - new.value) / step + lo.slope) / 2 * step

    # 1. Too far: between the cubic and the parabola, never far from the better end.
    near = jnp.abs(cubic - lo.length) < jnp.abs(parabola - lo.length)
    first = jnp.where(near, cubic, (cubic + parabola) / 2)
    # 2. The slope has changed its sign: the longer step back.
    nearer = jnp.abs(cubic - new.length) <= jnp.abs(secant - new.length)
    second = jnp.where(nearer, secant, cubic)
    # 3. Lower and flatter: on, in a bracket not beyond two thirds of the rest.
    cubic = jnp.where(turns, cubic, far)
    nearer = jnp.abs(cubic - new.length) < jnp.abs(secant - new.length)
    two_thirds = new.length + 0.66 * (hi.length - new.length)
    inside = jnp.where(nearer, cubic, secant)
    inside = jnp.where(step > 0, jnp.minimum(two_thirds, inside), jnp.maximum(two_thirds, inside))
    outside = jnp.clip(jnp.where(nearer, secant, cubic), state.low, state.high)
    third = jnp.where(state.bracketed, inside, outside)
    # 4. Lower and no flatter: as far as allowed, or a cubic with the other end.
    fourth = jnp.where(state.bracketed, _cubic(hi, new)[0], far)

    flatter = jnp.abs(new.slope) < jnp.abs(lo.slope)
    following = jnp.where(
        higher, first, jnp.where(passed, second, jnp.where(flatter, third, fourth))
    )
    # Equal slopes or points, or values far apart, leave no curve to go by.
    other = jnp.where(higher | passed, lo.length, hi.length)
    return jnp.where(jnp.isfinite(following), following, (new.length + other) / 2)


def _cubic(a: _Point, b: _Point) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """The minimum of the cubic through two points, and whether it lies on b's side of b or at all.

    Seen from b: the cubic turns upwards somewhere beyond it or between the two.
    """
    theta = 3 * (a.value - b.value) / (b.length - a.length) + a.slope + b.slope
    scale = jnp.maximum(jnp.abs(theta), jnp.maximum(jnp.abs(a.slope), jnp.abs(b.slope)))
    square = (theta / scale) ** 2 - (a.slope / scale) * (b.slope / scale)
    root = scale * jnp.sqrt(jnp.maximum(square, 0)) * jnp.sign(a.length - b.length)
    share = ((root - b.slope) + theta) / (((root - b.slope) + root) + a.slope)
    return b.length + share * (a.length - b.length), (share < 0) & (root != 0)
