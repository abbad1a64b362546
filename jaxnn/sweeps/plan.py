"""What one compiled program will run: settings × replicates, cut into blocks of one fixed width.

A row is (setting i, replicate r); its key is fold_in(fold_in(key(seed), purpose), r), which neither
the setting nor the optimizer enters: all settings meet the same initial parameters and batches.
With common=False the setting is folded in last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_value, check_integer, check_seed
from jaxnn.sweeps.settings import MAX_TRIALS
from jaxnn.typing import Array

__all__ = ["EVALUATION", "TUNING", "Block", "Plan", "Width", "default_width"]

TUNING, EVALUATION = 0, 1
"""Purposes: the seeds of one never occur in the other."""


class Width(NamedTuple):
    """The fixed width of a program: W = replicates × settings. It belongs to a sweep's identity."""

    replicates: int
    settings: int

    @property
    def lanes(self) -> int:
        """Trials in a block."""
        return self.replicates * self.settings


def default_width(num_trials: int, num_seeds: int, *, lanes: int = 64) -> Width:
    """About `lanes` trials a block: all replicates of as many settings as fit."""
    replicates = min(num_seeds, lanes)
    return Width(replicates, min(num_trials, max(1, lanes // replicates)))


class Block(NamedTuple):
    """Rows that run at once; the last ones of a padded block repeat its first."""

    settings: NDArray[np.int64]  # [width.settings] which of the plan's settings each lane has
    replicates: NDArray[np.int64]  # [width.replicates]
    num_settings: int  # how many of them are real
    num_replicates: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """All rows of a program.

    numbers: columns of equal length, an entry a setting. members: the numbers of these settings in
    the whole sweep; 0, 1, … by default. common: whether settings share the keys of replicates.
    """

    numbers: dict[str, NDArray[Any]]
    num_seeds: int
    seed: int
    purpose: int
    width: Width
    members: NDArray[np.int64] | None = None
    common: bool = True

    def __post_init__(self) -> None:
        check_integer("sweeps", "num_seeds", self.num_seeds, low=1, high=MAX_TRIALS)
        check_seed("sweeps", self.seed)
        for lanes in self.width:
            check_integer("sweeps", "width", lanes, low=1)
        lengths = {len(column) for column in self.numbers.values()}
        if self.members is not None:
            lengths.add(len(self.members))
        if len(lengths) > 1:
            raise bad_value("sweeps", "settings", "columns of one length", sorted(lengths))

    @property
    def num_settings(self) -> int:
        """The number of settings; one where there is nothing to set."""
        columns = [*self.numbers.values(), *([] if self.members is None else [self.members])]
        return len(columns[0]) if columns else 1

    def global_settings(self, block: Block) -> NDArray[np.int64]:
        """The number of each setting lane in the whole sweep."""
        return block.settings if self.members is None else self.members[block.settings]

    def keys(self, block: Block) -> Array:
        """The key of each replicate lane, [replicates]; [replicates, settings] if not common."""
        replicates = block.replicates.astype(np.uint32)
        if self.common:
            return _keys(np.uint32(self.seed), np.uint32(self.purpose), replicates)
        settings = self.global_settings(block).astype(np.uint32)
        return _own_keys(np.uint32(self.seed), np.uint32(self.purpose), replicates, settings)

    def lanes(self, block: Block) -> dict[str, NDArray[Any]]:
        """The numbers of each setting lane."""
        return {name: column[block.settings] for name, column in self.numbers.items()}

    def blocks(self, rows: NDArray[np.bool_] | None = None) -> Iterator[Block]:
        """Settings outermost, so that all replicates of a setting are done early.

        rows: [settings, seeds], which are to be run, by default all; replicates that share a block
        have the same settings.
        """
        if rows is None:
            rows = np.ones((self.num_settings, self.num_seeds), bool)
        parts = [
            (replicates, np.nonzero(rows[:, replicates[0]])[0])
            for replicates in _cut(np.arange(self.num_seeds), self.width.replicates)
        ]
        for first in range(0, self.num_settings, self.width.settings):
            for replicates, settings in parts:
                chosen = settings[first : first + self.width.settings]
                if len(chosen):
                    yield Block(
                        _padded(chosen, self.width.settings),
                        _padded(replicates, self.width.replicates),
                        len(chosen),
                        len(replicates),
                    )

    @property
    def num_blocks(self) -> int:
        """How many times the program runs."""
        settings = -(-self.num_settings // self.width.settings)
        return settings * -(-self.num_seeds // self.width.replicates)

    @property
    def num_padded(self) -> int:
        """Lanes of all blocks that run for nothing."""
        return self.num_blocks * self.width.lanes - self.num_settings * self.num_seeds


def _cut(numbers: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]


def _padded(numbers: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    lanes = np.full(width, numbers[0])
    lanes[: len(numbers)] = numbers
    return lanes


@jax.jit
def _keys(seed: Array, purpose: Array, replicates: Array) -> Array:
    base = jax.random.fold_in(jax.random.key(seed), purpose)
    return jax.vmap(jax.random.fold_in, (None, 0))(base, replicates)


@jax.jit
def _own_keys(seed: Array, purpose: Array, replicates: Array, settings: Array) -> Array:
    keys = _keys(seed, purpose, replicates)
    return jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)), (0, None))(keys, settings)
