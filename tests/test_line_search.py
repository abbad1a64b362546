"""The line search against SciPy's, and where no length, or no finite value, is to be found."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize._dcsrch import DCSRCH

from jaxnn.optimizers.line_search import MAX_EVALUATIONS, Conditions, search

NUM_LINES = 1000


def _lines() -> dict[str, np.ndarray]:
    """Lines that bend up in the end, with many minima on the way, half with a kink; rows."""
    rng = np.random.default_rng(1000)
    size = (NUM_LINES, 3)
    return {
        "heights": rng.normal(size=size),
        "frequencies": 10 ** rng.uniform(-1, 1, size),
        "phases": rng.uniform(0, 2 * np.pi, size),
        "bend": 10 ** rng.uniform(-4, 0, (NUM_LINES, 1)),
        "kink": rng.normal(size=(NUM_LINES, 1)),
        "at_kink": 3.0 * (np.arange(NUM_LINES)[:, None] % 2),
    }


def _value(line: dict[str, Any], x: Any) -> Any:
    angles = line["frequencies"] * x + line["phases"]
    kink = line["at_kink"] * jnp.abs(x - line["kink"])
    return jnp.sum(line["heights"] * jnp.cos(angles) + line["bend"] * x**2 + kink)


@jax.jit
@jax.vmap
def _along(line: dict[str, Any], first: Any, conditions: Conditions) -> Any:
    value_fn, start = functools.partial(_value, line), jnp.zeros_like(first)
    value, grad = jax.value_and_grad(value_fn)(start)
    way = -2 * jnp.sign(grad)
    return search(value_fn, start, way, value, grad, first, conditions, like=start), way


class _Line:
    """One of those lines, by the length of the way, in NumPy."""

    def __init__(self, number: int, way: float) -> None:
        self.line = {name: x[number] for name, x in _lines().items()}
        self.way, self.evaluations = way, 0

    def value(self, length: float) -> float:
        self.evaluations += 1
        line, x = self.line, self.way * length
        angles = line["frequencies"] * x + line["phases"]
        kink = line["at_kink"] * np.abs(x - line["kink"])
        return np.sum(line["heights"] * np.cos(angles) + line["bend"] * x**2 + kink)

    def slope(self, length: float) -> float:
        line, x = self.line, self.way * length
        angles = line["frequencies"] * x + line["phases"]
        kink = line["at_kink"] * np.sign(x - line["kink"])
        turned = line["heights"] * line["frequencies"] * np.sin(angles)
        return self.way * np.sum(2 * line["bend"] * x + kink - turned)


def _conditions(approx_dec_rtol: float, interval_rtol: float) -> tuple[np.ndarray, Conditions]:
    """A first length and conditions for each line."""
    rng = np.random.default_rng(1001)
    first = 10 ** rng.uniform(-2, 2, NUM_LINES)
    slope_rtol = np.where(
        rng.uniform(size=NUM_LINES) < 0.5,
        10 ** rng.uniform(-5, -1, NUM_LINES),
        rng.uniform(0.1, 0.45, NUM_LINES),
    )
    curv_rtol = rng.uniform(slope_rtol, 0.99)
    approx_dec_rtol = approx_dec_rtol * rng.uniform(size=NUM_LINES)
    return first, Conditions(
        slope_rtol, curv_rtol, approx_dec_rtol, np.full(NUM_LINES, interval_rtol)
    )


def test_lengths_are_those_of_scipys_search(x64: None) -> None:
    del x64
    first, conditions = _conditions(0.0, 0.01)
    found, ways = _along(_lines(), first, conditions)
    lengths, evaluations, narrow = [], [], 0
    for number, way in enumerate(np.asarray(ways)):
        line = _Line(number, way)
        slope_rtol, curv_rtol, _, interval_rtol = (x[number] for x in conditions)
        theirs = DCSRCH(line.value, line.slope, slope_rtol, curv_rtol, interval_rtol, 0.0, 1e20)
        start = line.value(0.0), line.slope(0.0)
        length, *_ = theirs(first[number], *start, maxiter=MAX_EVALUATIONS + 1)
        # Where the bracket is narrow SciPy gives up; this search takes its best end.
        lengths.append(theirs.stx if length is None else length)
        evaluations.append(line.evaluations - (1 if length is None else 0) - 1)
        narrow += length is None
    np.testing.assert_array_equal(found.evaluations, evaluations)
    np.testing.assert_allclose(found.length, lengths, rtol=1e-9)
    assert min(evaluations) == 1
    assert max(evaluations) > 8
    assert narrow > 20


def test_the_first_length_is_taken_where_it_meets_the_conditions(x64: None) -> None:
    del x64
    first, conditions = _conditions(3.0, 0.0)
    found, ways = _along(_lines(), first, conditions)
    by = []
    for number, way in enumerate(np.asarray(ways)):
        line, t = _Line(number, way), first[number]
        slope_rtol, curv_rtol, approx_dec_rtol, _ = (x[number] for x in conditions)
        rise, start = line.value(t) - line.value(0.0), line.slope(0.0)
        flat = abs(line.slope(t)) <= curv_rtol * abs(start)
        level = rise <= approx_dec_rtol * abs(line.value(0.0))
        shallow = line.slope(t) <= (1 - 2 * slope_rtol) * abs(start)
        by.append(flat * (2 * (rise <= slope_rtol * t * start) + (level and shallow)))
    np.testing.assert_array_equal(found.evaluations == 1, np.array(by) > 0)
    assert set(by) == {0, 1, 2, 3}


CONDITIONS = Conditions(*(jnp.float32(x) for x in (1e-4, 0.1, 1e-6, 1e-3)))


def _from(
    value_fn: Callable[..., Any],
    start: float,
    first: float,
    *,
    curve: Any = 1.0,
    conditions: Conditions = CONDITIONS,
) -> Any:
    value_fn, point = functools.partial(value_fn, curve=curve), jnp.float32(start)
    value, grad = jax.value_and_grad(value_fn)(point)
    way = -jnp.sign(grad)
    return search(value_fn, point, way, value, grad, jnp.float32(first), conditions, like=point)


def _barrier(x: jax.Array, curve: Any) -> jax.Array:
    return curve * x - jnp.log(x)  # least at 1/curve, NaN below 0


def _slope(x: jax.Array, curve: Any) -> jax.Array:
    return -curve * x


def test_the_search_comes_back_from_where_the_value_is_not_finite() -> None:
    found = jax.jit(functools.partial(_from, _barrier, 5.0))(100.0)
    assert 5 - float(found.length) == pytest.approx(1, abs=0.1)
    assert int(found.evaluations) < MAX_EVALUATIONS
    assert float(found.grads) == pytest.approx(1 - 1 / (5 - float(found.length)), abs=1e-5)


def test_the_search_gives_the_best_length_where_there_is_no_minimum() -> None:
    found = jax.jit(functools.partial(_from, _slope, 0.0))(1.0)
    assert int(found.evaluations) == MAX_EVALUATIONS
    assert float(found.value) == -float(found.length)
    assert float(found.length) > 1e6


def test_lanes_that_are_done_do_not_change() -> None:
    curves = jnp.asarray([0.5, 1.0, 8.0, 1e-3], jnp.float32)
    one = jax.jit(lambda curve: _from(_barrier, 5.0, 1.0, curve=curve))
    together = jax.jit(jax.vmap(one))(curves)
    alone = [one(curve) for curve in curves]
    np.testing.assert_array_equal(together.evaluations, [int(x.evaluations) for x in alone])
    np.testing.assert_allclose(together.length, [float(x.length) for x in alone], rtol=1e-6)
    assert len(set(np.asarray(together.evaluations).tolist())) > 1


def test_a_search_that_starts_at_the_minimum_evaluates_nothing() -> None:
    found = jax.jit(functools.partial(_from, _barrier, 1.0))(1.0)
    assert (float(found.length), int(found.evaluations)) == (0, 0)
    assert float(found.value) == 1


def _tried(value_fn: Callable[..., Any], start: float, first: float) -> tuple[list[float], Any]:
    """The points where a search evaluates its function, and where it ends."""
    tried: list[float] = []

    def watched(x: jax.Array, curve: Any) -> jax.Array:
        jax.debug.callback(lambda x: tried.append(float(x)), x, ordered=True)
        return value_fn(x, curve)

    found = jax.jit(functools.partial(_from, watched, start))(first)
    jax.effects_barrier()
    return tried[1:], found


def _ends(x: jax.Array, curve: Any) -> jax.Array:
    return jnp.where(x <= 3, -x, jnp.nan) * curve


def test_after_a_value_that_is_not_finite_it_never_comes_as_far_again() -> None:
    tried, found = _tried(_ends, 0.0, 100.0)
    length, best, limit, expected = 100.0, 0.0, np.inf, []
    for _ in range(MAX_EVALUATIONS):
        expected.append(length)
        if length <= 3:
            best, length = length, (length + limit) / 2
        else:
            limit, length = min(limit, length), best + (length - best) / 10
    np.testing.assert_allclose(tried, expected, rtol=1e-6)
    assert float(found.length) == pytest.approx(best)
    assert int(found.evaluations) == MAX_EVALUATIONS


def _steep(x: jax.Array, curve: Any) -> jax.Array:
    return 3e37 * x * x * curve


def test_where_the_cubic_overflows_the_middle_is_tried() -> None:
    tried, found = _tried(_steep, 2.0, 5.0)
    np.testing.assert_allclose(tried, [-3.0, -0.5, 0.0], atol=1e-6)
    assert float(found.value) == 0


def _after_a_jump(value: float, slope: float) -> list[float]:
    """The points tried where the value jumps inside the bracket from 0 to 1, whose end is best."""

    def value_fn(x: jax.Array, curve: Any) -> jax.Array:
        inside = jnp.float32(value) + jnp.float32(slope) * x
        return jnp.where(x <= 0, -x, jnp.where(x < 1, inside, 2 * x - 2.5)) * curve

    return _tried(value_fn, 0.0, 1.0)[0]


@pytest.mark.parametrize(
    ("value", "slope", "end"),
    [(1.5e38, 0.0, 1), (-1.5e38, -1e30, 1), (-1.5e38, 1e30, 0)],
    ids=["higher", "lower and past the minimum", "lower"],
)
def test_where_a_cubic_in_a_bracket_overflows_its_middle_is_tried(
    value: float, slope: float, end: int
) -> None:
    first, inside, following, *_ = _after_a_jump(value, slope)
    assert first == 1
    assert 0 < inside < 1
    assert following == pytest.approx((inside + end) / 2)


def test_a_bracket_without_a_length_inside_ends_the_search() -> None:
    never = Conditions(*(jnp.float32(x) for x in (1e-31, 1e-30, 0, 0)))
    rng = np.random.default_rng(0)
    starts, first, curves = rng.uniform([2, 0.1, 1], [10, 4, 3], (100, 3)).T.astype(np.float32)
    found = jax.jit(jax.vmap(lambda s, t, c: _from(_barrier, s, t, curve=c, conditions=never)))(
        starts, first, curves
    )
    assert np.mean(found.evaluations == MAX_EVALUATIONS) < 0.03
    np.testing.assert_allclose(starts - found.length, 1 / curves, rtol=2e-3)
