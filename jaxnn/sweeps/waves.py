"""Blocks of a sweep run wave after wave, what a store has already left out.

Without a rule there is one wave. With one a wave ends at a rung, where the rule says who goes on,
and how: a pure function of metrics that are committed, so that a sweep which was stopped comes to
the same decisions when it goes on. Those that go on are gathered into full blocks of the program
that ran before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from jaxnn.sweeps.brackets import Bracket, brackets
from jaxnn.sweeps.build import Sweep
from jaxnn.sweeps.collector import Collector
from jaxnn.sweeps.engine import BlockResult, num_segments
from jaxnn.sweeps.ladder import Ladder
from jaxnn.sweeps.local import Done, Unit, run_units
from jaxnn.sweeps.naming import rows_of
from jaxnn.sweeps.population import Genealogy, PopulationBased, evolve
from jaxnn.sweeps.progress import Progress
from jaxnn.sweeps.results import Results
from jaxnn.sweeps.settings import Settings
from jaxnn.sweeps.states import LostStateError, States
from jaxnn.sweeps.stopping import StoppingRule
from jaxnn.sweeps.store import DamagedError, Store, StoreError
from jaxnn.sweeps.stored import pack, taken

__all__ = ["Waves"]


class Waves:
    """A sweep while it runs."""

    def __init__(
        self,
        sweep: Sweep,
        segment: int | None,
        store: Store | None,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.sweep, self.store, self.progress = sweep, store, progress
        self.length = segment or (sweep.ladder.length if sweep.ladder else None)
        self.programs = sweep.programs(self.length)
        self.segments = self.num_segments = 0
        self.begin(sweep.settings)

    def begin(self, settings: Settings) -> None:
        """With nothing done. settings: how many, at least."""
        given = self.sweep.num_seeds, self.sweep.num_steps, self.sweep.space
        self.collector = Collector(settings, *given)
        self.states = States(self.store, settings.num_settings, self.sweep.num_seeds)
        self.rows = 0

    def run(self) -> Results:
        """All of it."""
        rule, ladder = self.sweep.rule, self.sweep.ladder
        if rule is None or ladder is None:
            self.wave(self.sweep.units())
            return self.collector.results()
        if isinstance(rule, StoppingRule):
            found = self._climb(rule, ladder)
        else:
            found = self._evolve_anyway(rule, ladder.steps[0])
        if self.store is not None:
            # States have come and gone; a disk too full to tidy up is no reason to fail now.
            with contextlib.suppress(StoreError):
                self.store.compact()
        return found

    def _evolve_anyway(self, rule: PopulationBased, steps: tuple[int, ...]) -> Results:
        try:
            return self._evolve(rule, steps)
        except LostStateError:
            # Numbers changed on the way, so that the way is gone once more.
            if self.store is not None:
                self.store.discard(name for name in self.store.names() if "@" in name)
            self.begin(self.sweep.settings)
            return self._evolve(rule, steps)

    def wave(self, units: Iterable[tuple[str, Unit]], later: int = 0) -> None:
        """A wave; `later` segments are expected after it."""
        named = dict(units)
        before = taken(self.store, named.keys()) if self.store is not None else {}
        for name, result in before.items():
            self._take(named[name], result)
            self._tell(result)
        names = [name for name in named if name not in before]
        todo = [named[name] for name in names]
        self.num_segments = self.segments + sum(map(self._segments, todo)) + later

        def on_results(done: list[Done]) -> None:
            for number, result, _ in done:
                self._take(todo[number], result)
            if self.store is not None:
                self.store.put_all((names[k], pack(x), seconds) for k, x, seconds in done)
            for _, result, _ in done:
                self._tell(result)

        def on_segment(number: int) -> None:
            del number
            self.segments += 1
            self._tell(None)

        devices = sorted(jax.local_devices(), key=functools.partial(self._is_new_to, todo))
        devices = devices[: len(todo)]
        told = {"on_results": on_results, "on_segment": on_segment}
        run_units(self.programs, todo, devices=devices, **told)

    def _is_new_to(self, todo: list[Unit], device: Any) -> bool:
        """Whether a device has compiled nothing of what is to be run."""
        return not any(device in self.programs[unit.group].engines for unit in todo)

    def _take(self, unit: Unit, result: BlockResult) -> None:
        """Into the table; the state first, so that a block in a store has one beside it."""
        settings, replicates = rows_of(unit)
        first = 0
        if unit.part is not None:
            first = unit.part.first
            if result.state is not None:
                self.states.put(unit.part.last, (settings, replicates), result.state)
        if not unit.keep_state:
            self.rows += settings.size * replicates.size
        self.collector.add(settings, replicates, result, first)

    def _tell(self, block: BlockResult | None) -> None:
        if self.progress:
            total = max(self.num_segments, self.segments)
            rows = self.collector.num_rows
            self.progress(Progress(self.segments, total, self.rows, rows, block))

    def _segments(self, unit: Unit) -> int:
        if unit.part is None:
            return num_segments(self.sweep.staged[unit.group].num_steps, self.length)
        return (unit.part.last - unit.part.first) // (self.length or 1)

    # Early stopping

    def _climb(self, rule: StoppingRule, ladder: Ladder) -> Results:
        found = brackets(rule, ladder, self.collector.stopped.shape)
        for wave in itertools.count():
            running = [x for x in found if wave < len(x.steps) and x.rows.any()]
            if not running:
                break
            units, later = [], 0
            for bracket in running:
                first, last = bracket.ends(wave)
                units.append(self.sweep.parts(bracket.rows, first, last, self.states))
                later += bracket.expected(wave, self.sweep.plans[0].width.lanes, self.length or 1)
            self.wave(itertools.chain(*units), later)
            for bracket in running:
                self._decide(bracket, wave)
            for step in {x.ends(wave)[0] for x in running} - {x.ends(wave)[1] for x in running}:
                self.states.discard(step)
        return self.collector.results(tuple(bracket.rungs() for bracket in found))

    def _decide(self, bracket: Bracket, wave: int) -> None:
        step = bracket.steps[wave]
        scores = bracket.measured(self.collector.scores(bracket.rule.metric, bracket.rule.mode))
        if wave == len(bracket.steps) - 1:
            bracket.add(scores)
            return
        stopped = bracket.decide(scores, wave)
        self.collector.stop(stopped, step)
        self.rows += int(stopped.sum())
        self.commit(bracket.name(wave), {"scores": scores, "stopped": stopped})

    # Populations

    def _evolve(self, rule: PopulationBased, steps: tuple[int, ...]) -> Results:
        sweep = self.sweep
        genealogy = Genealogy(sweep.settings, steps)
        plans, parents = sweep.plans, None
        everybody = np.ones(self.collector.stopped.shape, bool)
        blocks = sum(plan.num_blocks for plan in plans)
        for wave, last in enumerate(steps):
            first = (0, *steps)[wave]
            units = sweep.parts(everybody, first, last, self.states, plans=plans, parents=parents)
            self.wave(units, blocks * ((steps[-1] - last) // (self.length or 1)))
            self.states.discard(first)
            if last == steps[-1]:
                break
            scores = self.collector.scores(rule.metric, rule.mode).mean(axis=1)
            numbers = [plan.numbers for plan in plans]
            given = sweep.space, scores, sweep.groups, numbers, sweep.manifest["seed"], wave
            parents, numbers = evolve(rule, *given)
            genealogy.add(parents, sweep.groups, numbers)
            self.commit(genealogy.name(wave), genealogy.to_store() | {"scores": scores})
            plans = tuple(
                dataclasses.replace(plan, numbers=own)
                for plan, own in zip(plans, numbers, strict=True)
            )
        return genealogy.results(self.collector)

    def commit(self, name: str, made: Mapping[str, NDArray[Any]]) -> None:
        """Keep a decision, or find that it is the one that was kept."""
        if self.store is None:
            return
        try:
            kept = self.store.get(name) if name in self.store else None
        except DamagedError:
            self.store.discard([name])
            kept = None
        if kept is None:
            self.store.put(name, made)
        elif any(kept[key].tobytes() != np.asarray(x).tobytes() for key, x in made.items()):
            text = f"{self.store.path}: {name!r} is decided otherwise than it was."
            raise StoreError(text)
