"""What a block takes of a device's memory, before it runs.

    bytes = fixed + per_replicate · S + per_lane · S · K

Data are fixed, what settings share is drawn once a replicate, the rest is each lane's own. `bound`
reads the three off the traced trial, from above, in milliseconds; `predict` compiles the engine's
programs at a few small widths, which gives them exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnn.sweeps.engine import Engine, lane_dtype, segment_length
from jaxnn.sweeps.plan import Width
from jaxnn.typing import Staged

__all__ = ["Memory", "Numbers", "bound", "bytes_at", "predict", "probes"]

Numbers: TypeAlias = Mapping[str, NDArray[Any]]
"""Those of a program's settings, in columns."""


class Memory(NamedTuple):
    """Bytes on a device, an entry for each moment of a block that may be its largest."""

    fixed: NDArray[np.float64]  # [moments]
    per_replicate: NDArray[np.float64]  # [moments]
    per_lane: NDArray[np.float64]  # [moments]
    convolves: bool = False  # a bound of what has convolutions

    def at(self, width: Width) -> int:
        """Bytes that a block of this width takes when it takes most."""
        lines = self.fixed + width.replicates * self.per_replicate + width.lanes * self.per_lane
        return math.ceil(lines.max())


def bound(
    staged: Staged, numbers: Numbers, *, length: int | None = None, common: bool = True
) -> Memory:
    """No less than what a block takes; nothing is compiled.

    The sum of all values that a trial computes, as if none made room for another, those of a step
    once. What XLA adds to them (copies in another layout) is less than what it leaves out.
    staged, numbers, length, common: as for the `Engine`.
    """
    hyper = {n: jax.ShapeDtypeStruct((), lane_dtype(x)) for n, x in numbers.items()}
    key, data = jax.eval_shape(lambda: jax.random.key(0)), staged.data
    length = length or max(segment_length(staged.num_steps), 1)
    steps = jax.ShapeDtypeStruct((length,), jnp.int32)
    prepare, feed = staged.prepare or _given, staged.feed or _nothing
    prepared = _trace(prepare, key, data)
    fed = _trace(feed, prepared.shapes, steps, data)
    state = _trace(staged.init, prepared.shapes, hyper, data)
    traced = [state, _trace(staged.measure, state.shapes, hyper, data)]
    curves = 0
    if staged.num_steps:
        one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), fed.shapes)
        given = (one,) if staged.feed else ()
        step = jax.ShapeDtypeStruct((), jnp.int32)
        traced.append(_trace(staged.advance, state.shapes, hyper, step, data, *given))
        scalars = traced[-1].shapes[1]
        curves = 2 * staged.num_steps * _num_bytes(scalars)  # in parts, and joined
    # What is fed is there twice, while the next is drawn; a state too, while it is carried over.
    shared = prepared.values + fed.values + _num_bytes((key, fed.shapes))
    own = sum(x.values for x in traced) + curves + _num_bytes((hyper, state.shapes))
    fixed = _num_bytes(data) + sum(x.constants for x in (prepared, fed, *traced))
    line = (fixed, shared, own) if common else (fixed, 0, shared + own)
    convolves = any(x.convolves for x in (prepared, fed, *traced))
    return Memory(*np.array(line, np.float64)[:, None], convolves=convolves)


def predict(
    staged: Staged,
    numbers: Numbers,
    like: Width,
    *,
    length: int | None = None,
    common: bool = True,
) -> Memory:
    """What blocks take, from what the engine's programs take at a few small widths.

    staged, numbers, length, common: as for the `Engine`. like: it holds for widths like this one,
    with one replicate or with many, with one setting or with many.
    What kernels take while they run is not in it: on CPU a copy of an operand for a product of
    large matrices, and so much more for convolutions that `bound` is returned in its place.
    """
    above = bound(staged, numbers, length=length, common=common)
    if above.convolves and jax.local_devices()[0].platform == "cpu":
        return above
    widths = probes(like)
    found = [bytes_at(staged, numbers, w, length=length, common=common) for w in widths]
    powers = np.array([(1, w.replicates, w.lanes) for w in widths], np.float64)
    # Of one replicate nobody can tell what is its own and what is fixed; it is all the same then.
    return Memory(*np.linalg.lstsq(powers, np.array(found))[0])


def probes(like: Width) -> tuple[Width, ...]:
    """Where XLA compiles as it does for wide blocks; it drops axes of one, so that they differ."""
    if like.replicates == 1:
        return Width(1, 8), Width(1, 32)
    if like.settings == 1:
        return Width(8, 1), Width(32, 1)
    return Width(2, 4), Width(2, 16), Width(4, 8)


def bytes_at(
    staged: Staged,
    numbers: Numbers,
    width: Width,
    *,
    length: int | None = None,
    common: bool = True,
) -> NDArray[np.float64]:
    """Bytes at each moment of a block that may be its largest, as XLA compiled it: [moments].

    Its first state, what is fed, a segment, the metrics, and the curves when they are joined; on
    CPU these stay where they were computed.
    """
    engine = Engine(staged, numbers, width, length=length, common=common)
    engine.compile()
    programs = {name: x.memory_analysis() for name, x in engine._compiled.items()}
    init, measure = programs["init"], programs[staged.measure]
    prepared, steps, fed = engine._drawn()
    state = init.output_size_in_bytes
    numbers_of_lanes = width.settings * sum(np.dtype(x).itemsize for x in engine.dtypes.values())
    fixed = bound(staged, numbers, length=length, common=common).fixed[0]
    held = fixed + _num_bytes(prepared) + numbers_of_lanes
    if not staged.num_steps:
        return held + np.array([_new(init), state + _new(measure)], np.float64)
    segment, drawn, drawing = programs["segment"], _num_bytes(fed), 0
    if staged.feed:
        lowered = engine._drawing[1].lower(staged.feed, common, prepared, steps, staged.data)
        drawing = drawn + lowered.compile().memory_analysis().temp_size_in_bytes
    scalars, segments = segment.output_size_in_bytes - state, engine.num_segments
    kept = segments if engine._platform == "cpu" else 1
    before, curves = scalars * min(kept, segments - 1), scalars * kept
    moments = (
        _new(init),
        state + before + drawn * min(segments - 1, 1) + drawing,
        state + before + drawn + _new(segment),
        state + curves + drawn + _new(measure),
        state + curves + drawn + (curves if engine._platform == "cpu" else 0),
    )
    return held + np.array(moments, np.float64)


def _new(program: Any) -> int:
    """Bytes that a program takes beside what it is given."""
    made = program.temp_size_in_bytes + program.output_size_in_bytes
    return made - program.alias_size_in_bytes


class _Trace(NamedTuple):
    shapes: Any  # of what it gives
    values: int  # bytes of all that it computes
    constants: int  # bytes of the arrays that it closes over
    convolves: bool


def _trace(fn: Any, *args: Any) -> _Trace:
    program, shapes = jax.make_jaxpr(fn, return_shape=True)(*args)
    programs = list(_programs(program))
    equations = [equation for one in programs for equation in one.eqns]
    values = [x.aval for equation in equations for x in equation.outvars]
    constants = [x for one in programs for x in getattr(one, "consts", ())]
    convolves = any(x.primitive.name == "conv_general_dilated" for x in equations)
    return _Trace(shapes, _num_bytes(values), _num_bytes(constants), convolves)


def _programs(program: Any) -> Iterator[Any]:
    """A traced program and those inside it."""
    yield program
    for equation in program.eqns:
        for inside in _inside(equation.params.values()):
            yield from _programs(inside)


def _inside(parameters: Iterable[Any]) -> Iterator[Any]:
    """The programs among the parameters of an equation."""
    for parameter in parameters:
        if isinstance(parameter, tuple | list):
            yield from _inside(parameter)
        elif hasattr(parameter, "eqns"):
            yield parameter


def _given(key: Any, data: Any) -> Any:
    del data
    return key


def _nothing(prepared: Any, steps: Any, data: Any) -> None:
    del prepared, steps, data


def _num_bytes(arrays: Any) -> int:
    """Those of a tree of arrays, or of what is known of them."""
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(arrays) if hasattr(x, "dtype"))
