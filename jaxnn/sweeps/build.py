"""A sweep as it will run: settings in groups, a trial for each, and everything found in order.

All that can be wrong is found here, before anything compiles.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value, check_integer, note_mode, shown
from jaxnn.space import Space
from jaxnn.sweeps import manifest
from jaxnn.sweeps.asking import Asker, Optuna, method_to_plain
from jaxnn.sweeps.budget import fit_width
from jaxnn.sweeps.checks import check_columns, plain_space
from jaxnn.sweeps.engine import Engine, Part, lane_dtype
from jaxnn.sweeps.ladder import Ladder, advice, check_metric, check_trials, ladder
from jaxnn.sweeps.local import Program, Unit
from jaxnn.sweeps.naming import block_name
from jaxnn.sweeps.plan import TUNING, Plan, Width
from jaxnn.sweeps.population import PopulationBased, check_space
from jaxnn.sweeps.preflight import Traced, preflight
from jaxnn.sweeps.rules import AnyRule, check_rule, rule_to_plain
from jaxnn.sweeps.settings import Group, Method, Settings, at_points, propose
from jaxnn.sweeps.states import States
from jaxnn.sweeps.trial import Trial, bound, check_trial, guarded
from jaxnn.typing import Staged

__all__ = ["Sweep", "build"]

FEW_LANES = 256
"""So many lanes that run for nothing are nothing to speak of."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Everything that `run` needs, checked."""

    settings: Settings
    groups: tuple[Group, ...]
    staged: tuple[Staged, ...]  # by group
    plans: tuple[Plan, ...]  # by group
    manifest: dict[str, Any]
    space: Any = None
    rule: AnyRule | None = None
    ladder: Ladder | None = None  # where there is a rule
    reads_key: bool = True

    @property
    def num_seeds(self) -> int:
        """Replicates of each setting."""
        return self.manifest["num_seeds"]

    @property
    def num_steps(self) -> int:
        """Those of the longest trial."""
        return max(staged.num_steps for staged in self.staged)

    def programs(self, length: int | None = None) -> list[Program]:
        """What is compiled, by group."""
        pairs = zip(self.staged, self.plans, strict=True)
        return [Program(_Making(staged, plan, length)) for staged, plan in pairs]

    def units(self) -> Iterator[tuple[str, Unit]]:
        """The blocks, each with the name of what it gives: that of its settings and replicates."""
        for group, plan in enumerate(self.plans):
            for block in plan.blocks():
                unit = Unit(group, block, plan)
                yield block_name(unit), unit

    def parts(
        self,
        rows: NDArray[np.bool_],
        first: int,
        last: int,
        states: States,
        *,
        plans: Sequence[Plan] | None = None,
        parents: NDArray[np.int64] | None = None,
    ) -> Iterator[tuple[str, Unit]]:
        """Blocks of these rows [settings, replicates] from one step to another.

        plans: by group, with other numbers than at first. parents: whose state each setting takes;
        such a state cannot be made anew from step 0, so that a lost one raises LostStateError.
        """
        keep = last < self.num_steps
        for group, plan in enumerate(plans or self.plans):
            for block in plan.blocks(rows[self.groups[group].members]):
                settings = plan.global_settings(block)
                if parents is None:
                    state = functools.partial(states.gather, first, settings, block.replicates)
                else:
                    own = parents[settings], block.replicates
                    state = functools.partial(states.gather, first, *own, needed=True)
                part = Part(first, last, state if first else None)
                unit = Unit(group, block, plan, part, keep_state=keep)
                yield f"{block_name(unit)}@{first}-{last}", unit

    @property
    def num_lanes(self) -> int:
        """Lanes that will run, padding included."""
        return sum(plan.num_blocks * plan.width.lanes for plan in self.plans)

    @property
    def num_padded(self) -> int:
        """Those of them that run for nothing."""
        return sum(plan.num_padded for plan in self.plans)

    def advice(self) -> list[str]:
        """What would make it cheaper, in sentences."""
        found = advice(self.ladder, self.staged) if self.ladder else []
        if self.num_seeds > 1 and not self.reads_key:
            found.append(
                f"The trial does not read its key, so that its {self.num_seeds} seeds give the same"
                " and intervals have no width."
            )
        wasted = self.num_padded / self.num_lanes
        if wasted <= 0.25 or self.num_padded < FEW_LANES:
            return found
        sizes = [len(group.members) for group in self.groups]
        return [
            *found,
            f"{self.num_padded:,} of {self.num_lanes:,} lanes are padding ({wasted:.0%}): "
            f"{len(sizes)} programs of {min(sizes)} to {max(sizes)} settings fill blocks of "
            f"{self.plans[0].width.settings}. Pass width=({self.plans[0].width.replicates}, "
            f"{min(sizes)}), or more trials.",
        ]


@dataclasses.dataclass(frozen=True)
class _Making:
    """How the engine of a group is made."""

    staged: Staged
    plan: Plan
    length: int | None

    def __call__(self) -> Engine:
        plan = self.plan
        return Engine(self.staged, plan.numbers, plan.width, length=self.length, common=plan.common)


def build(
    trial: Trial,
    space: Space | Sequence[Mapping[str, Any]],
    *,
    num_trials: int | None,
    num_seeds: int,
    seed: int,
    method: Method | Optuna,
    width: tuple[int, int] | None,
    common: bool,
    ceiling: float | None,
    stop: AnyRule | None = None,
    memory: float | str | None = None,
    batch: tuple[int, Settings] | None = None,
) -> Sweep:
    """The sweep that `run` would do; its arguments, and what it raises.

    batch: of a sweep whose settings come one after another, the number of the first and these.
    """
    check_trial(trial)
    check_integer("sweeps", "num_seeds", num_seeds, low=1)
    if stop is not None:
        check_rule(stop)
        if isinstance(stop, PopulationBased):
            check_space(space)
    space = plain_space(space)
    if num_trials is not None:
        num_trials = check_integer("sweeps", "num_trials", num_trials, low=1)
    first, settings = batch or (0, _proposed(space, num_trials, seed, method))
    check_columns(settings)
    alone = stop is not None and stop.unit == "trial"
    given = _checked_width(width, alone=alone)
    groups = tuple(settings.groups())
    staged, programs, wanted, reads_key = [], {}, None, False
    hashes = _DataHashes()
    for group in groups:
        one = bound(trial, group.structure, group.numbers)
        _check_numbers(one, group)
        dtypes = {name: lane_dtype(column) for name, column in group.numbers.items()}
        traced = preflight(one, dtypes, tuple(settings.kinds))
        if wanted is None and not first:
            _check_pure(one, dtypes, tuple(settings.kinds), traced)
        wanted = wanted or traced.metrics
        _check_same(traced.metrics, wanted, group)
        reads_key = reads_key or traced.reads_key
        staged.append(one if "status" in traced.metrics else guarded(one, ceiling))
        for argument, judge in (("stop", stop), ("method", method)):
            if judge is not None and not isinstance(judge, str):
                check_metric(argument, judge.metric, traced.metrics)
        structure = ", ".join([*(f"{k}={x!r}" for k, x in group.structure.items()), *dtypes])
        program = f"{manifest.program_hash(traced.program)}, {one.num_steps} steps"
        programs[structure] = program + hashes.text(one.data)
    for judge in (stop, method):
        if judge is not None and not isinstance(judge, str):
            note_mode("sweeps.run", judge.metric, judge.mode)
    wide = fit_width(
        [(one, group.numbers) for one, group in zip(staged, groups, strict=True)],
        settings.num_settings,
        1 if alone else num_seeds,
        sizes=[len(group.members) for group in groups],
        width=given,
        memory=memory,
        common=common,
    )
    plans = [
        Plan(group.numbers, num_seeds, seed, TUNING, wide, group.members + first, common)
        for group in groups
    ]
    climb = None
    if stop is not None:
        climb = ladder(stop, settings.num_settings, check_trials(staged))
    described = manifest.describe(
        space,
        programs,
        num_trials=num_trials,
        num_seeds=num_seeds,
        seed=seed,
        method=method_to_plain(method),
        width=list(wide),
        common=common,
        ceiling=ceiling,
        num_steps=max(one.num_steps for one in staged),
        stop=rule_to_plain(stop) if stop is not None else None,
    )
    parts = settings, groups, tuple(staged), tuple(plans), described, space, stop, climb
    return Sweep(*parts, reads_key)


def _proposed(space: Any, num_trials: Any, seed: int, method: Method | Optuna) -> Settings:
    """All settings; of a sampler's, what it asks for before it is told anything."""
    if not isinstance(method, Optuna):
        return propose(space, num_trials, seed, method=method)
    count = check_integer("sweeps.run", "num_trials", num_trials, low=1)
    return at_points(space, Asker(method, space, seed).ask(min(count, method.batch or 64)))


class _DataHashes:
    """Hashes of data, each computed once: structures mostly share them."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, ...], str] = {}

    def text(self, data: Any) -> str:
        """What a manifest says of data: nothing where there are none."""
        leaves = jax.tree.leaves(data)
        if not leaves:
            return ""
        same = tuple(map(id, leaves))
        if same not in self.known:
            self.known[same] = manifest.data_hash(data)
        return f", data {self.known[same]}"


def _checked_width(width: Any, *, alone: bool) -> Width | None:
    if width is None:
        return None
    if alone and isinstance(width, tuple) and width[:1] != (1,):
        fix = 'Pass (1, 64), or unit="setting".'
        constraint = "(1, settings), since trials are stopped one by one"
        raise bad_value("sweeps.run", "width", constraint, shown(width), fix)
    if not isinstance(width, tuple) or len(width) != 2:
        fix = "Pass (replicates, settings), such as (4, 16)."
        raise bad_type("sweeps.run", "width", "a pair of integers", shown(width), fix)
    return Width(*(check_integer("sweeps", "width", lanes, low=1) for lanes in width))


def _check_numbers(staged: Staged, group: Group) -> None:
    """Every setting's numbers by the trial's own check."""
    if not staged.check:
        return
    if staged.convex and 2 ** len(group.numbers) < len(group.members):
        ends = [(column.min().item(), column.max().item()) for column in group.numbers.values()]
        # A corner that is refused may be nobody's setting.
        with contextlib.suppress(ValueError, TypeError):
            for corner in itertools.product(*ends):
                staged.check(dict(zip(group.numbers, corner, strict=True)))
            return
    for row in range(len(group.members)):
        staged.check({name: column[row].item() for name, column in group.numbers.items()})


def _check_pure(
    staged: Staged, dtypes: Mapping[str, Any], columns: Sequence[str], before: Traced
) -> None:
    """Traced again it is the same program: what NumPy or a clock gives is drawn once for all."""
    again = preflight(staged, dtypes, columns)
    if manifest.program_hash(again.program) != manifest.program_hash(before.program):
        fix = "Draw with jax.random from its key, and pass data as `data`."
        got = "one that computes something else each time it is traced"
        raise bad_value("sweeps.run", "trial", "pure", got, fix)


def _check_same(metrics: Mapping[str, Any], wanted: Mapping[str, Any], group: Group) -> None:
    """All programs fill the same columns."""
    for found, name in ((metrics, name) for name in {**metrics, **wanted}):
        one, other = found.get(name), wanted.get(name)
        if one is None or other is None or (one.shape, one.dtype) != (other.shape, other.dtype):
            got = f"{_text(one)} for {group.structure}, {_text(other)} before"
            raise bad_value("sweeps", f"metrics[{name!r}]", "the same in all programs", got)


def _text(metric: Any) -> str:
    return "nothing" if metric is None else f"{metric.dtype}{list(metric.shape)}"
