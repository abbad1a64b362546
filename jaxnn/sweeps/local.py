"""The host loop on one machine: blocks handed to a thread for each device, results taken in order.

Nothing that a block gives depends on where or when it runs, so that blocks go to whoever is free:
a device keeps to programs that it has compiled, then takes one that nobody has, then helps.
"""

from __future__ import annotations

import collections
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from jaxnn.sweeps.engine import BlockResult, Engine, Part
from jaxnn.sweeps.plan import Block, Plan

__all__ = ["Done", "Program", "Unit", "run_units"]

MAX_TOGETHER = 64
"""So many results at most are handed over at once."""


class Unit(NamedTuple):
    """What is run at once: a block, or some of its steps."""

    group: int  # which program
    block: Block
    plan: Plan
    part: Part | None = None
    keep_state: bool = False


class Done(NamedTuple):
    """What a unit has given."""

    number: int  # of the unit
    result: BlockResult
    seconds: float


class Program:
    """One group's engine on each device that runs it, compiled when it is first needed there."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        self.make = make
        self.engines: dict[Any, Engine] = {}

    def engine(self, device: Any) -> Engine:
        """The engine of a device; called by that device's thread alone."""
        if device not in self.engines:
            self.engines[device] = self.make()
        return self.engines[device]


class _Stopped(Exception):
    """A worker was told to stop."""


class _Work:
    """The units that nobody has taken, by program."""

    def __init__(
        self, programs: Sequence[Program], units: Sequence[Unit], devices: Sequence[Any]
    ) -> None:
        self.waiting: dict[int, collections.deque[tuple[int, Unit]]] = {}
        for number, unit in enumerate(units):
            self.waiting.setdefault(unit.group, collections.deque()).append((number, unit))
        # Who compiled a program for an earlier wave has it still; who is not there cannot help.
        here = set(devices)
        self.taken = {group: here & set(programs[group].engines) for group in self.waiting}
        self.lock = threading.Lock()

    def take(self, device: Any) -> tuple[int, Unit] | None:
        """The next unit for a device, with its number; None where there is none left for it."""
        with self.lock:
            left = [group for group, units in self.waiting.items() if units]
            own = [group for group in left if device in self.taken[group]]
            new = [group for group in left if not self.taken[group]]
            # A program compiled for one block more would end later than its owner does.
            help_ = [group for group in left if len(self.waiting[group]) > 1]
            for group in (*own, *new, *help_):
                self.taken[group].add(device)
                return self.waiting[group].popleft()
            return None


def run_units(
    programs: Sequence[Program],
    units: Sequence[Unit],
    *,
    devices: Sequence[Any],
    on_results: Callable[[list[Done]], None],
    on_segment: Callable[[int], None] | None = None,
) -> None:
    """Run all units; `on_results(done)` is called in the caller's thread, with all that wait.

    So is `on_segment(number)`, after each segment of a unit, when what was done before it has been
    handed over. Either may raise to stop: the blocks that run are then finished and handed over
    first, as they are after Ctrl-C, unless it is pressed again.
    """
    work, stop = _Work(programs, units, devices), threading.Event()
    events: queue.SimpleQueue[tuple[str, int, Any]] = queue.SimpleQueue()
    settings = _settings()

    def worker(device: Any) -> None:
        try:
            with contextlib.ExitStack() as stack:
                for setting in (*settings, lambda: jax.default_device(device)):
                    stack.enter_context(setting())
                while not stop.is_set():
                    taken = work.take(device)
                    if taken is None:
                        break
                    number, unit = taken
                    engine = programs[unit.group].engine(device)
                    result = engine.run(
                        unit.plan,
                        unit.block,
                        part=unit.part,
                        keep_state=unit.keep_state,
                        on_segment=lambda _, number=number: events.put(("segment", number, None)),
                    )
                    events.put(("result", number, (result, engine.run_seconds[-1])))
            events.put(("end", 0, None))
        except BaseException as error:
            stop.set()
            events.put(("end", 0, error))

    threads = [
        threading.Thread(target=worker, args=(device,), daemon=True, name=f"jaxnn-sweep-{k}")
        for k, device in enumerate(devices)
    ]
    for thread in threads:
        thread.start()
    running, raised = len(threads), None
    done: list[Done] = []
    segments: list[int] = []
    missing = len(units)
    while running:
        try:
            kind, number, value = events.get()
            if kind == "end":
                running -= 1
                raised = raised or value
            elif kind == "result":
                done.append(Done(number, *value))
                missing -= 1
            else:
                segments.append(number)
            if events.empty() or len(done) == MAX_TOGETHER:
                handed, done = done, []
                if handed:
                    on_results(handed)
                told, segments = segments, []
                if on_segment and raised is None:
                    for number in told:
                        on_segment(number)
        except BaseException as error:
            if stop.is_set() and isinstance(error, KeyboardInterrupt):
                raise
            stop.set()
            raised = raised or error
    for thread in threads:
        thread.join()
    if raised is not None:
        raise raised
    if missing:
        raise RuntimeError(f"{missing} of {len(units)} blocks were run by nobody.")


def _settings() -> list[Callable[[], Any]]:
    """JAX's settings of this thread, that its workers would else forget."""
    config: Any = jax.config
    return [
        lambda on=config.jax_enable_x64: jax.enable_x64(on),
        lambda precision=config.jax_default_matmul_precision: jax.default_matmul_precision(
            precision
        ),
        lambda mode=config.jax_numpy_dtype_promotion: jax.numpy_dtype_promotion(mode),
        lambda mode=config.jax_numpy_rank_promotion: jax.numpy_rank_promotion(mode),
        lambda on=config.jax_debug_nans: jax.debug_nans(on),
    ]
