"""One compiled program of fixed width; the rest is a host loop over it.

    segment: (state[S, K], hyper[K], steps[L], fed[L, S]) → state[S, K], scalars[L, S, K]

S replicates × K settings, a nested `vmap`; what a replicate draws is unbatched over the settings,
unless each row has a key of its own.
The engine knows nothing of models or training: it runs anybody's `Staged`.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnn.sweeps.compiling import options
from jaxnn.sweeps.plan import Block, Plan, Width
from jaxnn.typing import Array, Staged

__all__ = ["BlockResult", "Engine", "Part", "lane_dtype", "num_segments", "segment_length"]

MAX_SEGMENTS = 10

Steps: TypeAlias = NDArray[np.int32]
"""The numbers of a segment's steps."""

_DRAWING = threading.Lock()
"""Contestants side by side draw with the same programs: one compiles them, the others wait."""


def lane_dtype(column: NDArray[Any]) -> Any:
    """The dtype of a number in a trial: int32 for whole numbers, JAX's float for others."""
    return np.dtype(np.int32) if column.dtype.kind == "i" else jnp.result_type(float)


def segment_length(num_steps: int) -> int:
    """Steps between two looks of the host: a divisor of `num_steps`, at most 10 segments.

    >>> segment_length(500), segment_length(499), segment_length(7)
    (50, 499, 1)
    """
    return num_steps // next(n for n in range(MAX_SEGMENTS, 0, -1) if num_steps % n == 0)


def num_segments(num_steps: int, length: int | None = None) -> int:
    """How often the host looks in a block, at its end at least."""
    return max(num_steps // (length or segment_length(num_steps) or 1), 1)


class BlockResult(NamedTuple):
    """What the real lanes of a block gave, as NumPy arrays, padding dropped."""

    metrics: dict[str, NDArray[Any]]  # [replicates, settings, ...]
    curves: dict[str, NDArray[Any]]  # [replicates, settings, steps]
    state: list[NDArray[Any]] | None = None  # [replicates, settings, ...], where it was asked for


class Part(NamedTuple):
    """Steps of a block: from `first` up to `last`.

    state: gives the leaves [S, K, ...] that the lanes had then, padding included; where there is
    none, or it gives None, they begin at step 0, and what comes before `first` is not reported.
    """

    first: int
    last: int
    state: Callable[[], list[NDArray[Any]] | None] | None = None


class Engine:
    """The compiled program of a trial for one width, on the default device of its thread.

    staged: the trial. numbers: those of a setting, by name as columns of float64 or int64, which
    become floats and int32. width: S × K lanes. length: the steps of a segment; whatever it is, the
    numbers are the same, to the bit. common: whether settings share the keys of replicates. short:
    it will run for about as long as it compiles, so let it compile fast; the last bits of its
    numbers depend on that, as they do on the width. Compile and run time are counted apart, in
    seconds.
    """

    def __init__(
        self,
        staged: Staged,
        numbers: Mapping[str, NDArray[Any]],
        width: Width,
        *,
        length: int | None = None,
        common: bool = True,
        short: bool = False,
    ) -> None:
        self.staged, self.width, self.common = staged, width, common
        self.dtypes = {name: lane_dtype(column) for name, column in numbers.items()}
        self.length = length or max(segment_length(staged.num_steps), 1)
        self.compile_seconds = 0.0
        self.run_seconds: list[float] = []  # of each block
        self._data = jax.device_put(staged.data)
        self._compiled: dict[Any, Any] = {}
        (device,) = jnp.zeros(()).devices()
        self._platform, self._short = device.platform, short

    @property
    def num_segments(self) -> int:
        """How often the host looks in a block."""
        return self.staged.num_steps // self.length

    def compile(self, *measures: Callable[..., Any]) -> None:
        """Compile what every block runs, and other measures than the trial's own; once each."""
        measures = measures or (self.staged.measure,)
        if all(name in self._compiled for name in ("init", *measures)):
            return
        size = (self.width.settings,)
        hyper = {name: jax.ShapeDtypeStruct(size, dtype) for name, dtype in self.dtypes.items()}
        with _DRAWING:
            prepared, steps, fed = self._drawn()
        init = functools.partial(_init, self.staged.init, self.width.settings, self.common)
        self._shapes = state = jax.eval_shape(init, prepared, hyper, self._data)
        self._compile("init", init, prepared, hyper, self._data)
        segment = functools.partial(_segment, self.staged.advance, self.common)
        if self.staged.num_steps:
            given = state, hyper, steps, self._data, fed
            self._compile("segment", segment, *given, donate=(0,), short=self._short)
        for measure in measures:
            measured = functools.partial(_measure, measure, self.width.settings)
            self._compile(measure, measured, state, hyper, self._data)

    def _drawn(self) -> tuple[Any, Steps, tuple[Any, ...]]:
        """What a block is given, for keys of no account: it compiles the programs that draw it."""
        started = time.perf_counter()
        shape = self.width if not self.common else self.width[:1]
        prepared = self._prepare(jax.random.split(jax.random.key(0), tuple(shape)))
        steps = self._steps(0)
        drawn = prepared, steps, self._feed(prepared, steps)
        jax.block_until_ready(drawn)
        self.compile_seconds += time.perf_counter() - started
        return drawn

    def _steps(self, first: int) -> Steps:
        return np.arange(first, first + self.length, dtype=np.int32)

    def _prepare(self, keys: Array) -> Any:
        prepare = self.staged.prepare
        return self._drawing[0](prepare, self.common, keys, self._data) if prepare else keys

    def _feed(self, prepared: Any, steps: Steps) -> tuple[Any, ...]:
        feed = self.staged.feed
        return (self._drawing[1](feed, self.common, prepared, steps, self._data),) if feed else ()

    @property
    def _drawing(self) -> tuple[Any, Any]:
        return _drawing(self._platform)

    def _compile(
        self, name: Any, fn: Any, *args: Any, donate: tuple[int, ...] = (), short: bool = True
    ) -> None:
        if name not in self._compiled:
            started = time.perf_counter()
            lowered = jax.jit(fn, donate_argnums=donate).lower(*args)
            self._compiled[name] = lowered.compile(options(self._platform, short=short))
            self.compile_seconds += time.perf_counter() - started

    def run(
        self,
        plan: Plan,
        block: Block,
        *,
        measure: Callable[..., Any] | None = None,
        part: Part | None = None,
        keep_state: bool = False,
        on_segment: Callable[[int], None] | None = None,
    ) -> BlockResult:
        """Run one block, or some of its steps; `on_segment(segments done)` may raise."""
        measure = measure or self.staged.measure
        self.compile(measure)
        started = time.perf_counter()
        first, last, given = part or Part(0, self.staged.num_steps)
        prepared = self._prepare(plan.keys(block))
        hyper = {n: x.astype(self.dtypes[n]) for n, x in plan.lanes(block).items()}
        leaves = given() if given else None
        begins = 0 if leaves is None else first
        state = self._state(leaves, prepared, hyper)
        del leaves  # they are as large as the state
        curves: list[dict[str, NDArray[Any]]] = []
        for begin in range(begins, last, self.length):
            steps = self._steps(begin)
            fed = self._feed(prepared, steps)
            state, scalars = self._compiled["segment"](state, hyper, steps, self._data, fed)
            curves.append(jax.device_get(scalars))
            if on_segment:
                on_segment(len(curves))
        if on_segment and not curves:
            on_segment(1)
        metrics = jax.device_get(self._compiled[measure](state, hyper, self._data))
        leaves = map(_as_numbers, jax.tree.leaves(state) if keep_state else ())
        kept = jax.device_get(list(leaves))
        self.run_seconds.append(time.perf_counter() - started)
        joined = {k: np.concatenate([c[k] for c in curves]) for k in curves[0]} if curves else {}
        real = np.s_[: block.num_replicates, : block.num_settings]
        return BlockResult(
            {name: x[real] for name, x in metrics.items()},
            {name: np.moveaxis(x[first - last :], 0, -1)[real] for name, x in joined.items()},
            [x[real] for x in kept] if keep_state else None,
        )

    def _state(self, leaves: list[NDArray[Any]] | None, prepared: Any, hyper: Any) -> Any:
        """The one that these leaves make, or the first."""
        begin = functools.partial(self._compiled["init"], prepared, hyper, self._data)
        if leaves is None:
            return begin()
        like, treedef = jax.tree.flatten(self._shapes)
        if any(map(_is_key, like)):
            like = jax.tree.leaves(begin())  # arrays know their kind of key, shapes do not
        return treedef.unflatten(map(_as_leaf, like, leaves))


def _is_key(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _as_numbers(leaf: Array) -> Array:
    """A leaf of a state as numbers, which keys are not."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _as_leaf(like: Any, data: NDArray[Any]) -> Any:
    if not _is_key(like):
        return data
    return jax.random.wrap_key_data(jnp.asarray(data), impl=jax.random.key_impl(like))


@functools.cache
def _drawing(platform: str) -> tuple[Any, Any]:
    """`_prepared` and `_fed`, jitted once for all engines of a platform."""
    chosen = options(platform, short=True)
    jitted = functools.partial(jax.jit, static_argnums=(0, 1), compiler_options=chosen)
    return jitted(_prepared), jitted(_fed)


def _prepared(prepare: Callable[..., Any], common: bool, keys: Array, data: Any) -> Any:
    each = prepare if common else jax.vmap(prepare, in_axes=(0, None))
    return jax.vmap(each, in_axes=(0, None))(keys, data)


def _fed(feed: Callable[..., Any], common: bool, prepared: Any, steps: Array, data: Any) -> Any:
    each = feed if common else jax.vmap(feed, in_axes=(0, None, None), out_axes=1)
    return jax.vmap(each, in_axes=(0, None, None), out_axes=1)(prepared, steps, data)


def _init(
    init: Callable[..., Any],
    size: int,
    common: bool,
    prepared: Any,
    hyper: dict[str, Array],
    data: Any,
) -> Any:
    settings = jax.vmap(init, in_axes=(None if common else 0, 0, None), axis_size=size)
    return jax.vmap(settings, in_axes=(0, None, None))(prepared, hyper, data)


def _segment(
    advance: Callable[..., Any],
    common: bool,
    state: Any,
    hyper: dict[str, Array],
    steps: Array,
    data: Any,
    fed: tuple[Any, ...],
) -> tuple[Any, dict[str, Array]]:
    drawn = (None if common else 0 for _ in fed)
    settings = jax.vmap(advance, in_axes=(0, 0, None, None, *drawn))
    lanes = jax.vmap(settings, in_axes=(0, None, None, None, *(0 for _ in fed)))

    def body(state: Any, passed: tuple[Array, tuple[Any, ...]]) -> tuple[Any, dict[str, Array]]:
        step, fed = passed
        return lanes(state, hyper, step, data, *fed)

    return jax.lax.scan(body, state, (steps, fed))


def _measure(
    measure: Callable[..., Any], size: int, state: Any, hyper: dict[str, Array], data: Any
) -> Any:
    settings = jax.vmap(measure, in_axes=(0, 0, None), axis_size=size)
    return jax.vmap(settings, in_axes=(0, None, None))(state, hyper, data)
