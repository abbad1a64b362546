"""What a store holds of a sweep, taken into a collector without computing anything."""

from __future__ import annotations

import numpy as np

from jaxnn.sweeps.brackets import brackets
from jaxnn.sweeps.collector import Collector
from jaxnn.sweeps.ladder import ladder
from jaxnn.sweeps.naming import numbers_of
from jaxnn.sweeps.population import Genealogy, PopulationBased
from jaxnn.sweeps.results import UNRUN, Results
from jaxnn.sweeps.rules import AnyRule
from jaxnn.sweeps.rungs import Rungs
from jaxnn.sweeps.stopping import StoppingRule
from jaxnn.sweeps.store import Store
from jaxnn.sweeps.stored import unpack

__all__ = ["read"]


def read(store: Store, collector: Collector, rule: AnyRule | None) -> Results:
    """Its blocks, and what was decided at rungs; rows that have not ended have the status −1."""
    end = collector.num_steps
    found = []
    for name in store.names():
        block, _, steps = name.partition("@")
        rows = numbers_of(block)
        if rows is not None and max(rows[0]) < collector.settings.num_settings:
            first, last = map(int, steps.split("-")) if steps else (0, end)
            found.append((last, first, name, rows))
    reached = np.zeros(collector.stopped.shape, bool)
    for last, first, name, (settings, replicates) in sorted(found, key=lambda x: x[:2]):
        collector.add(settings, replicates, unpack(store.get(name)), first)
        reached[np.ix_(settings, replicates)] = last == end
    for name in store.names("rung@"):
        decided = store.get(name)
        if "stopped" in decided and decided["stopped"].shape == reached.shape:
            step = int(name.partition("@")[2].partition(":")[0])
            collector.stop(decided["stopped"], step)
    rungs: tuple[Rungs, ...] = ()
    if isinstance(rule, StoppingRule):
        rungs = _decided(store, rule, collector)
    if "status" in collector.metrics:
        status = collector.metrics["status"]
        between = (~reached & (collector.stopped < 0)).ravel()
        # A population may still mend what has failed.
        status[between & ((status == 0) | isinstance(rule, PopulationBased))] = UNRUN
    if isinstance(rule, PopulationBased):
        return _evolved(store, rule, collector)
    return collector.results(rungs)


def _decided(store: Store, rule: StoppingRule, collector: Collector) -> tuple[Rungs, ...]:
    climb = ladder(rule, collector.settings.num_settings, collector.num_steps)
    found = brackets(rule, climb, collector.stopped.shape)
    for bracket in found:
        for wave in range(len(bracket.steps) - 1):
            if bracket.name(wave) not in store:
                break
            bracket.decide(store.get(bracket.name(wave))["scores"], wave)
        else:
            if "status" in collector.metrics:
                bracket.add(bracket.measured(collector.scores(rule.metric, rule.mode)))
    return tuple(bracket.rungs() for bracket in found)


def _evolved(store: Store, rule: PopulationBased, collector: Collector) -> Results:
    (steps,) = ladder(rule, collector.settings.num_settings, collector.num_steps).steps
    genealogy = Genealogy(collector.settings, steps)
    for wave in range(len(steps) - 1):
        if genealogy.name(wave) not in store:
            break
        genealogy.add_stored(store.get(genealogy.name(wave)))
    return genealogy.results(collector)
