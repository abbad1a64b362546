"""Trials that compete with each other, and who of them is left after each rung."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, shown
from jaxnn.sweeps.ladder import Ladder
from jaxnn.sweeps.rungs import Rungs
from jaxnn.sweeps.stopping import StoppingRule

__all__ = ["Bracket", "brackets"]


def brackets(rule: StoppingRule, ladder: Ladder, shape: tuple[int, ...]) -> list[Bracket]:
    """Those that anybody is in. shape: settings, replicates."""
    found = [
        Bracket(rule, steps, np.nonzero(ladder.brackets == number)[0], shape)
        for number, steps in enumerate(ladder.steps)
    ]
    return [bracket for bracket in found if bracket.rows.any()]


class Bracket:
    """Trials that compete: a unit is a setting with all its replicates, or a trial."""

    def __init__(
        self,
        rule: StoppingRule,
        steps: tuple[int, ...],
        settings: NDArray[np.int64],
        shape: tuple[int, ...],
    ) -> None:
        self.rule, self.steps, self.settings = rule, steps, settings
        self.together = rule.unit == "setting"
        self.rows = np.zeros(shape, bool)  # [settings, replicates] that go on
        self.rows[settings] = True
        self.num_units = len(settings) * (1 if self.together else shape[1])
        self.alive = np.ones(self.num_units, bool)
        self.history: list[NDArray[np.float64]] = []  # [units] for each rung

    def ends(self, wave: int) -> tuple[int, int]:
        """The first step of a wave and the one after its last."""
        return (0, *self.steps)[wave], self.steps[wave]

    def name(self, wave: int) -> str:
        """That of the decision after a wave, in a store."""
        return f"rung@{self.steps[wave]}:{self.settings[0]}"

    def measured(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of scores [settings, replicates] those of the units, NaN for those that were stopped."""
        own = scores[self.settings]
        own = own.mean(axis=1) if self.together else own.ravel()
        return np.where(self.alive, own, np.nan)

    def add(self, scores: NDArray[np.float64]) -> None:
        """The scores at another rung, or at the end."""
        self.history.append(scores)

    def decide(self, scores: NDArray[np.float64], wave: int) -> NDArray[np.bool_]:
        """The rows that do not go on after a rung, [settings, replicates]."""
        self.add(scores)
        seen = np.stack(self.history, axis=1)[self.alive]
        keep = self._kept(seen, wave)
        self.alive[np.nonzero(self.alive)[0][~keep]] = False
        before = self.rows.copy()
        kept = self.alive.reshape(len(self.settings), -1)
        self.rows[self.settings] &= kept
        return before & ~self.rows

    def _kept(self, scores: NDArray[np.float64], wave: int) -> NDArray[np.bool_]:
        """What the rule says, [units that compete still]; raises TypeError for anything else."""
        keep = np.asarray(self.rule.keep(scores, self.num_units, wave, self.steps[wave]))
        if keep.shape != scores.shape[:1] or keep.dtype != bool:
            constraint = f"one that returns a truth value for each of {len(scores)}"
            raise bad_type(type(self.rule).__name__, "keep", constraint, shown(keep))
        return keep

    def expected(self, wave: int, lanes_of_block: int, length: int) -> int:
        """About how many segments come after a wave, if ranks stay as they are.

        lanes_of_block: the width of the program. length: steps of a segment.
        """
        total, alive, history = 0, int(self.alive.sum()), []
        lanes = self.rows.shape[1] if self.together else 1
        for number in range(wave, len(self.steps) - 1):
            history = [np.arange(alive, dtype=np.float64)] * (number + 1)
            step = self.steps[number]
            alive = int(self._kept(np.stack(history, axis=1), number).sum())
            blocks = -(-alive * lanes // lanes_of_block)
            total += blocks * ((self.steps[number + 1] - step) // length)
        return total

    def rungs(self) -> Rungs:
        """What was seen."""
        sign = 1.0 if self.rule.mode == "min" else -1.0
        columns = [*self.history, *[np.full(self.num_units, np.nan)] * len(self.steps)]
        seeds = self.rows.shape[1]
        settings, replicates = self.settings, np.full(self.num_units, -1)
        if not self.together:
            settings = np.repeat(settings, seeds)
            replicates = np.tile(np.arange(seeds), len(self.settings))
        scores = sign * np.stack(columns[: len(self.steps)], axis=1)
        return Rungs(self.rule.metric, np.asarray(self.steps), settings, replicates, scores)
