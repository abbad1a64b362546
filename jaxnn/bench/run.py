"""`run`: every contestant on every problem, several at once, each in a program of its own."""

from __future__ import annotations

import concurrent.futures
import contextlib
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxnn.bench.comparison import Comparison
from jaxnn.bench.contest import contest
from jaxnn.bench.outcome import NotRun, Outcome
from jaxnn.bench.protocol import Protocol
from jaxnn.bench.studies import pooled, study
from jaxnn.bench.tasks import tasks
from jaxnn.errors import BadInput, bad_type, bad_value, unknown_name
from jaxnn.optimizers import check_rule
from jaxnn.optimizers.base import name_of
from jaxnn.sweeps import Store, StoreError
from jaxnn.training.train import checked_hyper

__all__ = ["contestants", "run"]

_MANIFEST = {"format": 1, "kind": "comparison"}
"""Of a store: what its chunks are is in their names, those of programs and data among it."""


class _StoppedError(Exception):
    """Raised in a worker once the caller has given up."""


def run(
    optimizers: Sequence[Any],
    problems: Any,
    protocol: Protocol | None = None,
    *,
    fixed: Mapping[str, Mapping[str, float]] | None = None,
    store: str | PathLike[str] | None = None,
    progress: Callable[[str, str, str, int, int], None] | None = None,
) -> Comparison:
    """Compare optimizers: equal tuning budgets, fresh seeds, an interval around every figure.

    optimizers: rules or names, one or more. problems: one or several, as objects, names, workloads
    or names of suites (`problems.SUITES`), each with a budget of its own.
    fixed: numbers of a contestant that are held, not searched: {"adam": {"b1": 0.8}}.
    store: a file that keeps every block of trials as soon as it is done. Stopped or killed, the
    same call goes on from there; contestants, problems or seeds that come later reuse what is
    there, and what would be computed otherwise than before is computed anew.
    progress: called from worker threads with (optimizer, problem, phase, done, total); of several
    studies the problem is "iris, study 2".
    Contestants run side by side, two at least and one for each local device. One that raises when
    it is traced, compiled or run is in `Comparison.not_run`, and the others go on.
    Raises ValueError and TypeError for bad input before anything compiles, what the first
    contestant raised where all did, and StoreError; Ctrl-C stops after the segments that run.
    """
    protocol = protocol or Protocol()
    held = dict(fixed or {})
    rules = contestants(optimizers, held)
    entries, *others = (tasks(problems, protocol, number) for number in range(protocol.studies))
    protocols = [study(protocol, number) for number in range(protocol.studies)]
    jobs = [
        (rule, entry, its)
        for entries_of, its in zip([entries, *others], protocols, strict=True)
        for entry in entries_of
        for rule in rules
    ]
    said = {one.seed: f"{{}}, study {number + 1}" for number, one in enumerate(protocols)}
    if protocol.studies == 1:
        said = {protocol.seed: "{}"}
    stop, x64 = threading.Event(), jnp.result_type(float) == jnp.float64

    def one(number: int) -> Outcome | Exception:
        rule, entry, its = jobs[number]

        def tell(phase: str, done: int, total: int) -> None:
            if stop.is_set():
                raise _StoppedError
            if progress:
                progress(name_of(rule), said[its.seed].format(entry.about.name), phase, done, total)

        device = free.get()
        try:
            # Both are settings of a thread: without this, workers would forget the caller's.
            with jax.enable_x64(x64), jax.default_device(device):
                numbers = held.get(name_of(rule))
                return contest(rule, entry, its, fixed=numbers, store=kept, progress=tell)
        except (StoreError, _StoppedError):
            stop.set()
            raise
        except Exception as error:
            return error
        except BaseException:
            stop.set()
            raise
        finally:
            free.put(device)

    devices = jax.local_devices()
    free = queue.SimpleQueue[Any]()
    workers = max(2, len(devices))
    for number in range(workers):
        free.put(devices[number % len(devices)])
    with (
        contextlib.nullcontext() if store is None else _opened(store) as kept,
        concurrent.futures.ThreadPoolExecutor(workers) as pool,
    ):
        futures = [pool.submit(one, number) for number in range(len(jobs))]
        try:
            concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
            raised = [e for f in futures if f.done() and (e := f.exception())]
            # What stopped the others comes before their saying that they were stopped.
            for error in sorted(raised, key=lambda e: isinstance(e, _StoppedError)):
                raise error
            found = _over_studies([future.result() for future in futures], protocol.studies)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    outcomes = tuple(one for one in found if isinstance(one, Outcome))
    for error in found:
        if not outcomes and isinstance(error, Exception):
            raise error
    not_run = (
        NotRun(name_of(rule), entry.about.name, _reason(error, name_of(rule)))
        for (rule, entry, _), error in zip(jobs, found, strict=False)  # jobs of the first study
        if isinstance(error, Exception)
    )
    return Comparison(protocol, outcomes, tuple(e.about for e in entries), tuple(not_run))


def _over_studies(found: list[Outcome | Exception], num_studies: int) -> list[Outcome | Exception]:
    """What became of each contestant on each problem, from that in study after study."""
    number = len(found) // num_studies
    combined: list[Outcome | Exception] = []
    for first in range(number):
        parts = found[first::number]
        errors = [one for one in parts if isinstance(one, Exception)]
        outcomes = [one for one in parts if isinstance(one, Outcome)]
        combined.append(errors[0] if errors else pooled(outcomes))
    return combined


def _reason(error: Exception, name: str) -> str:
    """What was raised by a contestant, in a sentence."""
    text = str(error).strip().partition("\n")[0].removeprefix(f"{name}: ")
    return text if isinstance(error, BadInput) else f"it raised {type(error).__name__}: {text}"


def _opened(path: str | PathLike[str]) -> Store:
    """The store of comparisons at a path, a new one where there is none.

    Raises ValueError for the store of something else.
    """
    if not Path(path).exists():
        return Store.create(path, _MANIFEST)
    store = Store.open(path)
    if store.manifest != _MANIFEST:
        store.close()
        fix = "Pass another path."
        raise bad_value("bench.run", "store", "that of a comparison", repr(str(path)), fix)
    return store


def contestants(
    optimizers: Sequence[Any], fixed: Mapping[str, Mapping[str, float]] | None = None
) -> list[Any]:
    """The rules that would take part, with their fixed numbers found valid.

    Raises ValueError for an unknown or repeated name, and for a number outside its range.
    """
    if isinstance(optimizers, str):
        fix = f"Pass [{optimizers!r}]."
        raise bad_type("bench.run", "optimizers", "a list of rules or names", "a string", fix)
    rules = [check_rule("bench.run", optimizer, declared=True) for optimizer in optimizers]
    names = [name_of(rule) for rule in rules]
    if not rules or len(set(names)) != len(names):
        fix = "Name each contestant once."
        raise bad_value("bench.run", "optimizers", "different and at least one", names, fix)
    for name in fixed or {}:
        if name not in names:
            raise unknown_name("bench.run", "fixed", name, names)
    for rule, name in zip(rules, names, strict=True):
        checked_hyper(rule, (fixed or {}).get(name, {}), 1)
    return rules
