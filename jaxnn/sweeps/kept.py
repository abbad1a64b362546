"""Blocks of several plans in one store, each plan under a prefix of its own."""

from __future__ import annotations

from jaxnn.sweeps.engine import BlockResult
from jaxnn.sweeps.store import DamagedError, Store
from jaxnn.sweeps.stored import pack, unpack

__all__ = ["Kept"]


class Kept:
    """The chunks of a store whose names begin with a prefix, as blocks.

    Threads may share the store; a prefix has one writer. What is damaged is discarded, and counts
    as not there.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self.store, self.prefix = store, prefix
        self._seconds = {
            chunk.name: chunk.seconds for chunk in store.info() if chunk.name.startswith(prefix)
        }

    def get(self, name: str) -> tuple[BlockResult, float] | None:
        """A block and the seconds that it took; None where it is not there."""
        whole = self.prefix + name
        if whole not in self._seconds:
            return None
        try:
            return unpack(self.store.get(whole)), self._seconds[whole]
        except DamagedError:
            self.store.discard([whole])
            return None

    def put(self, name: str, result: BlockResult, seconds: float) -> None:
        """Keep a block."""
        self.store.put(self.prefix + name, pack(result), seconds)
