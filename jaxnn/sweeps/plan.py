"""What a sweep will run: settings × replicates, cut into blocks of one fixed width.

A row is (setting i, replicate r); its key is fold_in(fold_in(key(seed), purpose), r), which neither
the setting nor the optimizer enters: all settings meet the same initial parameters and batches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value, check_integer, check_seed
from jaxnn.typing import Array

__all__ = ["EVALUATION", "TUNING", "Block", "Plan", "Width", "default_width", "propose"]

MAX_TRIALS = 1_000_000
"""Settings of a sweep, and seeds: more would not fit into the tables that hold them."""

TUNING, EVALUATION = 0, 1
"""Purposes: the seeds of one never occur in the other."""

Settings = dict[str, NDArray[np.float64]]


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


def propose(space: Mapping[str, Any], num_trials: int, seed: int) -> Settings:
    """`num_trials` settings: scrambled Sobol points of the space, constants repeated.

    The first k points do not change when more are asked for, and contestants whose spaces have the
    same number of dimensions get the same points by rank. Raises TypeError for an entry that is
    neither a distribution nor a number.
    Reference: Sobol 1967; Owen 1998 (scrambling), by scipy.stats.qmc.
    """
    check_integer("sweeps", "num_trials", num_trials, low=1, high=MAX_TRIALS)
    check_seed("sweeps", seed)
    free = {name: entry for name, entry in space.items() if hasattr(entry, "quantile")}
    settings: Settings = {}
    points = _sobol(len(free), num_trials, seed)
    for name, entry in space.items():
        if name in free:
            settings[name] = entry.quantile(points[:, list(free).index(name)])
        elif isinstance(entry, int | float) and not isinstance(entry, bool):
            settings[name] = np.full(num_trials, float(entry))
        else:
            fix = "Use log_uniform, uniform or a constant."
            raise bad_type("sweeps", name, "a distribution or a number", repr(entry), fix)
    return settings


def _sobol(dimensions: int, num_points: int, seed: int) -> NDArray[np.float64]:
    if not dimensions:
        return np.zeros((num_points, 0))
    from scipy.stats import qmc

    exponent = max(num_points - 1, 0).bit_length()
    return qmc.Sobol(dimensions, scramble=True, rng=seed).random_base2(exponent)[:num_points]


class Block(NamedTuple):
    """Rows that run at once; the last ones of a padded block repeat its first."""

    settings: NDArray[np.int64]  # [width.settings] which setting each lane has
    replicates: NDArray[np.int64]  # [width.replicates]
    num_settings: int  # how many of them are real
    num_replicates: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """All rows of a sweep. settings: columns of equal length, one entry a setting."""

    settings: Settings
    num_seeds: int
    seed: int
    purpose: int
    width: Width

    def __post_init__(self) -> None:
        check_integer("sweeps", "num_seeds", self.num_seeds, low=1, high=MAX_TRIALS)
        check_seed("sweeps", self.seed)
        for lanes in self.width:
            check_integer("sweeps", "width", lanes, low=1)
        lengths = {len(column) for column in self.settings.values()}
        if len(lengths) > 1:
            raise bad_value("sweeps", "settings", "columns of one length", sorted(lengths))

    @property
    def num_settings(self) -> int:
        """The number of settings; one where there is nothing to set."""
        return len(next(iter(self.settings.values()))) if self.settings else 1

    def keys(self, block: Block) -> Array:
        """The key of each replicate lane."""
        base = jax.random.fold_in(jax.random.key(self.seed), self.purpose)
        return jax.vmap(lambda r: jax.random.fold_in(base, r))(block.replicates.astype(np.uint32))

    def numbers(self, block: Block) -> dict[str, NDArray[np.float64]]:
        """The numbers of each setting lane."""
        return {name: column[block.settings] for name, column in self.settings.items()}

    def blocks(self) -> Iterator[Block]:
        """Settings outermost, so that all replicates of a setting are done early."""
        for first in range(0, self.num_settings, self.width.settings):
            settings, num_settings = _lanes(first, self.num_settings, self.width.settings)
            for start in range(0, self.num_seeds, self.width.replicates):
                replicates, num_seeds = _lanes(start, self.num_seeds, self.width.replicates)
                yield Block(settings, replicates, num_settings, num_seeds)

    @property
    def num_blocks(self) -> int:
        """How many times the program runs."""
        return -(-self.num_settings // self.width.settings) * -(
            -self.num_seeds // self.width.replicates
        )


def _lanes(first: int, total: int, width: int) -> tuple[NDArray[np.int64], int]:
    real = min(width, total - first)
    lanes = np.full(width, first, np.int64)
    lanes[:real] += np.arange(real)
    return lanes, real
