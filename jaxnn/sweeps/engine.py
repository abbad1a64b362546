"""One compiled program of fixed width; the rest is a host loop over it.

    segment: (state[S, K], hyper[K], steps[L], fed[L, S]) → state[S, K], scalars[L, S, K]

S replicates × K settings, a nested `vmap`; what a replicate draws is unbatched over the settings.
The engine knows nothing of models or training: it runs anybody's `Staged`.
"""

from __future__ import annotations

import functools
import inspect
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value
from jaxnn.sweeps.compiling import options
from jaxnn.sweeps.plan import Block, Plan, Width
from jaxnn.typing import Array, Staged

__all__ = ["BlockResult", "Engine", "segment_length"]

MAX_SEGMENTS = 10

_DRAWING = threading.Lock()
"""Contestants side by side draw with the same programs: one compiles them, the others wait."""


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

    staged: the trial. names: the numbers of a setting. width: S × K lanes. short: it will run for
    about as long as it compiles, so let it compile fast; the last bits of its numbers depend on
    that, as they do on the width. Compile and run time are counted apart, in seconds.
    """

    def __init__(
        self, staged: Staged, names: tuple[str, ...], width: Width, *, short: bool = False
    ) -> None:
        _check_staged(staged)
        self.staged, self.names, self.width = staged, names, width
        self.length = max(segment_length(staged.num_steps), 1)
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
        number = jnp.result_type(float)
        hyper = {n: jax.ShapeDtypeStruct((self.width.settings,), number) for n in self.names}
        with _DRAWING:
            prepared, steps, fed = self._drawn()
        init = functools.partial(_init, self.staged.init, self.width.settings)
        state = jax.eval_shape(init, prepared, hyper, self._data)
        self._compile("init", init, prepared, hyper, self._data)
        segment = functools.partial(_segment, self.staged.advance)
        if self.staged.num_steps:
            given = state, hyper, steps, self._data, fed
            self._compile("segment", segment, *given, donate=(0,), short=self._short)
        for measure in measures:
            measured = functools.partial(_measure, measure, self.width.settings)
            _check_metrics(jax.eval_shape(measured, state, hyper, self._data), self.names)
            self._compile(measure, measured, state, hyper, self._data)

    def _drawn(self) -> tuple[Any, Array, tuple[Any, ...]]:
        """What a block is given, for keys of no account: it compiles the programs that draw it."""
        started = time.perf_counter()
        prepared = self._prepare(jax.random.split(jax.random.key(0), self.width.replicates))
        steps = jnp.arange(self.length, dtype=jnp.int32)
        if self.staged.feed:
            one = jax.tree.map(lambda x: x[0], prepared)
            _check_fed(jax.eval_shape(self.staged.feed, one, steps, self._data), self.length)
        drawn = prepared, steps, self._feed(prepared, steps)
        jax.block_until_ready(drawn)
        self.compile_seconds += time.perf_counter() - started
        return drawn

    def _prepare(self, keys: Array) -> Any:
        prepare = self.staged.prepare
        return self._drawing[0](prepare, keys, self._data) if prepare else keys

    def _feed(self, prepared: Any, steps: Array) -> tuple[Any, ...]:
        feed = self.staged.feed
        return (self._drawing[1](feed, prepared, steps, self._data),) if feed else ()

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
        on_segment: Callable[[int], None] | None = None,
    ) -> BlockResult:
        """Run one block; `on_segment(segments done)` is called after each and may raise."""
        measure = measure or self.staged.measure
        self.compile(measure)
        started = time.perf_counter()
        prepared = self._prepare(plan.keys(block))
        hyper = {n: jnp.asarray(x, jnp.result_type(float)) for n, x in plan.numbers(block).items()}
        state = self._compiled["init"](prepared, hyper, self._data)
        curves: list[dict[str, NDArray[Any]]] = []
        for first in range(0, self.staged.num_steps, self.length):
            steps = jnp.arange(first, first + self.length, dtype=jnp.int32)
            fed = self._feed(prepared, steps)
            state, scalars = self._compiled["segment"](state, hyper, steps, self._data, fed)
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


@functools.cache
def _drawing(platform: str) -> tuple[Any, Any]:
    """`_prepared` and `_fed`, jitted once for all engines of a platform."""
    chosen = options(platform, short=True)
    jitted = functools.partial(jax.jit, static_argnums=0, compiler_options=chosen)
    return jitted(_prepared), jitted(_fed)


def _prepared(prepare: Callable[..., Any], keys: Array, data: Any) -> Any:
    return jax.vmap(prepare, in_axes=(0, None))(keys, data)


def _fed(feed: Callable[..., Any], prepared: Any, steps: Array, data: Any) -> Any:
    return jax.vmap(feed, in_axes=(0, None, None), out_axes=1)(prepared, steps, data)


def _init(
    init: Callable[..., Any], size: int, prepared: Any, hyper: dict[str, Array], data: Any
) -> Any:
    settings = jax.vmap(init, in_axes=(None, 0, None), axis_size=size)
    return jax.vmap(settings, in_axes=(0, None, None))(prepared, hyper, data)


def _segment(
    advance: Callable[..., Any],
    state: Any,
    hyper: dict[str, Array],
    steps: Array,
    data: Any,
    fed: tuple[Any, ...],
) -> tuple[Any, dict[str, Array]]:
    none = (None,) * len(fed)
    settings = jax.vmap(advance, in_axes=(0, 0, None, None, *none))
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


def _check_staged(staged: Staged) -> None:
    """`advance` takes what it is given, and what is compiled for all trials can be told apart."""
    given = ("state", "hyper", "step", "data", "fed")[: 5 if staged.feed else 4]
    signature = inspect.signature(staged.advance)
    try:
        signature.bind(*given)
    except TypeError:
        why = "there is a feed" if staged.feed else "there is no feed"
        constraint = f"called as advance({', '.join(given)}), since {why}"
        raise bad_type("sweeps", "advance", constraint, f"advance{signature}") from None
    for name in ("prepare", "feed"):
        if not isinstance(getattr(staged, name), Hashable):
            fix = "Pass a function, or an object of a frozen dataclass."
            raise bad_type("sweeps", name, "hashable", repr(getattr(staged, name)), fix)


def _check_fed(fed: Any, length: int) -> None:
    for leaf in jax.tree.leaves(fed):
        if leaf.shape[:1] != (length,):
            constraint = f"arrays with an entry for each of the {length} steps it is given"
            raise bad_type("sweeps", "feed", constraint, f"shape {leaf.shape}")


def _check_metrics(metrics: Any, names: tuple[str, ...]) -> None:
    """Metrics become columns of a table: a dict, under names that are free."""
    if not isinstance(metrics, Mapping):
        fix = "Return {'loss': loss}, for example."
        raise bad_type("sweeps", "metrics", "a dict of scalars", type(metrics).__name__, fix)
    for name in ("setting", "replicate", *names):
        if name in metrics:
            fix = "That is a column of the table already: rename the metric."
            raise bad_value("sweeps", "metrics", "named unlike the settings", repr(name), fix)
