"""Where trials stood at a rung, until those that go on are gathered from there.

States are kept in the store where there is one, in memory otherwise. They only save time: a trial
whose state is lost is run again from its first step, to the same bits.
"""

from __future__ import annotations

import collections
import re
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.sweeps.naming import Rows, numbers_of, rows_name
from jaxnn.sweeps.store import DamagedError, Store

__all__ = ["LostStateError", "States"]

MAX_BYTES = 2**28
"""Of a chunk: a state that is larger is cut by settings, as far as that goes."""

MAX_OPEN = 8
"""Chunks of a store that are held at once; survivors lie in order, so that a few are enough."""

Leaves = list[NDArray[Any]]


class LostStateError(Exception):
    """A state that cannot be made anew by itself is not there."""


class States:
    """States of rows by step, as lists of arrays [replicates, settings, ...]; used by threads."""

    def __init__(self, store: Store | None, num_settings: int, num_seeds: int) -> None:
        self.store, self.shape = store, (num_settings, num_seeds)
        self._chunks: dict[int, list[str]] = {}  # by step
        # By step the number of the chunk that each row is in, [settings, seeds], −1 for none.
        self._where: dict[int, NDArray[np.int64]] = {}
        self._rows: dict[str, Rows] = {}
        self._open: collections.OrderedDict[str, Leaves | None] = collections.OrderedDict()
        self._lock = threading.Lock()
        for name in store.names("state@") if store is not None else ():
            found = re.fullmatch(r"state@(\d+):(.*)", name)
            rows = numbers_of(found[2]) if found else None
            if found and rows is not None:
                self._note(int(found[1]), name, rows)

    def put(self, step: int, rows: Rows, leaves: Leaves) -> None:
        """Where these rows stood after so many steps."""
        settings, replicates = rows
        size = sum(x.nbytes for x in leaves)
        with self._lock:
            for part in np.array_split(
                np.arange(len(settings)), min(-(-size // MAX_BYTES) or 1, len(settings))
            ):
                own = settings[part], replicates
                name = f"state@{step}:{rows_name(own)}"
                cut = [x[:, part[0] : part[-1] + 1] for x in leaves]
                if self.store is None:
                    self._open[name] = cut
                else:
                    self.store.put(name, {str(k): x for k, x in enumerate(cut)})
                self._note(step, name, own)

    def _note(self, step: int, name: str, rows: Rows) -> None:
        chunks = self._chunks.setdefault(step, [])
        where = self._where.setdefault(step, np.full(self.shape, -1, np.int64))
        where[np.ix_(*rows)] = len(chunks)
        self._rows[name] = rows
        chunks.append(name)

    def gather(
        self,
        step: int,
        settings: NDArray[np.int64],
        replicates: NDArray[np.int64],
        *,
        needed: bool = False,
    ) -> Leaves | None:
        """Those of a block's lanes, [replicates, settings, ...].

        None where one is lost; LostStateError where it is needed.
        """
        with self._lock:
            found = self._gather(step, settings, replicates)
        if found is None and needed:
            raise LostStateError(f"the states at step {step} are lost")
        return found

    def _gather(
        self, step: int, settings: NDArray[np.int64], replicates: NDArray[np.int64]
    ) -> Leaves | None:
        if step not in self._where:
            return None
        chosen = self._where[step][np.ix_(settings, replicates)].T
        if (chosen < 0).any():
            return None
        gathered: Leaves | None = None
        for number in np.unique(chosen):
            name = self._chunks[step][number]
            leaves = self._read(name)
            if leaves is None:
                return None
            if gathered is None:
                shape = len(replicates), len(settings)
                gathered = [np.empty((*shape, *x.shape[2:]), x.dtype) for x in leaves]
            rows, columns = np.nonzero(chosen == number)
            own_settings, own_replicates = self._rows[name]
            at = (
                np.searchsorted(own_replicates, replicates[rows]),
                np.searchsorted(own_settings, settings[columns]),
            )
            for whole, leaf in zip(gathered, leaves, strict=True):
                whole[rows, columns] = leaf[at]
        return gathered

    def _read(self, name: str) -> Leaves | None:
        if self.store is None:
            return self._open[name]
        if name not in self._open:
            try:
                arrays = self.store.get(name)
                self._open[name] = [arrays[str(k)] for k in range(len(arrays))]
            except DamagedError:
                self._open[name] = None
        self._open.move_to_end(name)
        while len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        return self._open[name]

    def discard(self, step: int) -> None:
        """Forget the states at a step."""
        with self._lock:
            names = self._chunks.pop(step, [])
            self._where.pop(step, None)
            for name in names:
                self._open.pop(name, None)
                self._rows.pop(name, None)
            if self.store is not None and names:
                self.store.discard(names)
