"""One compiled program of fixed width; the rest is a host loop over it.

    segment: (state[S, K], hyper[K], step) → state[S, K], scalars[L, S, K]

S replicates × K settings, a nested `vmap` with the keys unbatched over the settings. The engine
knows
nothing of models or training: it runs anybody's `Staged`.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value
from jaxnn.sweeps.plan import Block, Plan, Width
from jaxnn.typing import Array, Int, Shared, Staged

__all__ = ["BlockResult", "Engine", "segment_length"]

MAX_SEGMENTS = 10


def segment_length(num_steps: int) -> int:
    """Steps between two looks of the host: a divisor of `num_steps`, at most 10 segments.

    >>> segment_length(500), segment_length(499), segment_length(7)
    (50, 499, 1)
    """
    return num_steps // next(n for n in range(MAX_SEGMENTS, 0, -1) if num_steps % n == 0)


class BlockResult(NamedTuple):
    """What the real lanes of a block gave, as NumPy arrays, padding dropped."""

    metrics: dict[str, NDArray[Any]]  # [replicates, settings, ...]
    curves: dict[str, NDArray[Any]]  # [replicates, settings, steps]


class Engine:
    """The compiled program of a trial for one width, on the default device of its thread.

    staged: the trial. names: the numbers of a setting. width: S × K lanes.
    Compile and run time are counted apart, in seconds.
    """

    def __init__(self, staged: Staged, names: tuple[str, ...], width: Width) -> None:
        self.staged, self.names, self.width = staged, names, width
        self.length = max(segment_length(staged.num_steps), 1)
        self.compile_seconds = 0.0
        self.run_seconds: list[float] = []  # of each block
        self._data = jax.device_put(staged.data)
        self._compiled: dict[Any, Any] = {}

    @property
    def num_segments(self) -> int:
        """How often the host looks in a block."""
        return self.staged.num_steps // self.length

    def compile(self, *measures: Callable[..., Any]) -> None:
        """Compile what every block runs, and other measures than the trial's own; once each."""
        number = jnp.result_type(float)
        hyper = {n: jax.ShapeDtypeStruct((self.width.settings,), number) for n in self.names}
        keys = jax.eval_shape(
            self._prepare, jax.random.split(jax.random.key(0), self.width.replicates)
        )
        init = functools.partial(_init, self.staged.init, self.width.settings)
        state = jax.eval_shape(init, keys, hyper, self._data)
        step = jax.ShapeDtypeStruct((), jnp.int32)
        self._compile("init", init, keys, hyper, self._data)
        segment = functools.partial(_segment, self.staged.advance, self.length)
        if self.staged.num_steps:
            self._compile("segment", segment, state, hyper, step, self._data, donate=(0,))
        for measure in measures or (self.staged.measure,):
            measured = functools.partial(_measure, measure, self.width.settings)
            _check_metrics(jax.eval_shape(measured, state, hyper, self._data), self.names)
            self._compile(measure, measured, state, hyper, self._data)

    def _prepare(self, keys: Array) -> Any:
        prepare = self.staged.prepare
        return _prepared(prepare, keys, self._data) if prepare else keys

    def _compile(self, name: Any, fn: Any, *args: Any, donate: tuple[int, ...] = ()) -> None:
        if name not in self._compiled:
            started = time.perf_counter()
            self._compiled[name] = jax.jit(fn, donate_argnums=donate).lower(*args).compile()
            self.compile_seconds += time.perf_counter() - started

    def run(
        self,
        plan: Plan,
        block: Block,
        *,
        measure: Callable[..., Any] | None = None,
        on_segment: Callable[[int], None] | None = None,
    ) -> BlockResult:
        """Run one block; `on_segment(segments done)` is called after each and may raise."""
        measure = measure or self.staged.measure
        self.compile(measure)
        started = time.perf_counter()
        keys = self._prepare(plan.keys(block))
        hyper = {n: jnp.asarray(x, jnp.result_type(float)) for n, x in plan.numbers(block).items()}
        state = self._compiled["init"](keys, hyper, self._data)
        curves: list[dict[str, NDArray[Any]]] = []
        for first in range(0, self.staged.num_steps, self.length):
            step = jnp.asarray(first, jnp.int32)
            state, scalars = self._compiled["segment"](state, hyper, step, self._data)
            curves.append(jax.device_get(scalars))
            if on_segment:
                on_segment(len(curves))
        if on_segment and not curves:
            on_segment(1)
        metrics = jax.device_get(self._compiled[measure](state, hyper, self._data))
        self.run_seconds.append(time.perf_counter() - started)
        joined = {k: np.concatenate([c[k] for c in curves]) for k in curves[0]} if curves else {}
        real = np.s_[: block.num_replicates, : block.num_settings]
        return BlockResult(
            {name: x[real] for name, x in metrics.items()},
            {name: np.moveaxis(x, 0, -1)[real] for name, x in joined.items()},
        )


def _state_axes(state: Any) -> Any:
    """vmap axes over the settings: 0, and None for what is marked as shared by them."""
    return jax.tree.map(
        lambda x: None if isinstance(x, Shared) else 0,
        state,
        is_leaf=lambda x: isinstance(x, Shared),
    )


@functools.partial(jax.jit, static_argnums=0)
def _prepared(prepare: Callable[..., Any], keys: Array, data: Any) -> Any:
    return jax.vmap(prepare, in_axes=(0, None))(keys, data)


def _init(
    init: Callable[..., Any], size: int, keys: Any, hyper: dict[str, Array], data: Any
) -> Any:
    first = {name: x[0] for name, x in hyper.items()}
    one = jax.tree.map(lambda x: x[0], keys)
    axes = _state_axes(jax.eval_shape(init, one, first, data))
    settings = jax.vmap(init, in_axes=(None, 0, None), out_axes=axes, axis_size=size)
    return jax.vmap(settings, in_axes=(0, None, None))(keys, hyper, data)


def _segment(
    advance: Callable[..., Any],
    length: int,
    state: Any,
    hyper: dict[str, Array],
    first: Int[ArrayLike, ""],
    data: Any,
) -> tuple[Any, dict[str, Array]]:
    axes = _state_axes(state)
    settings = jax.vmap(advance, in_axes=(axes, 0, None, None), out_axes=(axes, 0))
    lanes = jax.vmap(settings, in_axes=(0, None, None, None))

    def body(state: Any, step: Array) -> tuple[Any, dict[str, Array]]:
        return lanes(state, hyper, step, data)

    return jax.lax.scan(body, state, jnp.add(first, jnp.arange(length, dtype=jnp.int32)))


def _measure(
    measure: Callable[..., Any], size: int, state: Any, hyper: dict[str, Array], data: Any
) -> Any:
    settings = jax.vmap(measure, in_axes=(_state_axes(state), 0, None), axis_size=size)
    return jax.vmap(settings, in_axes=(0, None, None))(state, hyper, data)


def _check_metrics(metrics: Any, names: tuple[str, ...]) -> None:
    """Metrics become columns of a table: a dict, under names that are free."""
    if not isinstance(metrics, Mapping):
        fix = "Return {'loss': loss}, for example."
        raise bad_type("sweeps", "metrics", "a dict of scalars", type(metrics).__name__, fix)
    for name in ("setting", "replicate", *names):
        if name in metrics:
            fix = "That is a column of the table already: rename the metric."
            raise bad_value("sweeps", "metrics", "named unlike the settings", repr(name), fix)
