"""What a sweep will be: structures, programs, blocks, padding, and what its store has of it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from jaxnn.sweeps import Plan
    from jaxnn.sweeps.build import Sweep

__all__ = ["built", "counted", "in_blocks", "print_preview"]

SHOWN = 12
"""So many structures, the largest first."""


def print_preview(console: Console, trial: Any, options: Mapping[str, Any], path: Path) -> None:
    """Everything that `sweeps.run` would find before it compiles anything.

    options: its arguments but for the trial and the store, which is at `path`.
    Raises what it would raise.
    """
    from rich.table import Table

    sweep = built(trial, options, path)
    manifest = sweep.manifest
    seeds, steps = manifest["num_seeds"], sweep.num_steps
    settings = manifest["num_trials"] if _asks(manifest) else sweep.settings.num_settings
    text = f"{settings:,} settings × {counted(seeds, 'seed')}: {settings * seeds:,} trials"
    console.print(text + (f" of {counted(steps, 'step')}" if steps else ""), highlight=False)
    if _asks(manifest):
        sampler, batch = manifest["method"]["optuna"]["sampler"], sweep.settings.num_settings
        text = f"{sampler} proposes them {batch:,} at a time; a batch at random, for example:"
        console.print(text, highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("settings", "blocks", "padded lanes"):
        table.add_column(name, justify="right")
    table.add_column("structure and numbers", overflow="fold")
    groups = sorted(zip(sweep.groups, sweep.plans, strict=True), key=lambda x: -len(x[0].members))
    for group, plan in groups[:SHOWN]:
        words = [f"{k} = {v!r}" for k, v in group.structure.items()] + list(group.numbers)
        counts = (len(group.members), plan.num_blocks, plan.num_padded)
        table.add_row(*(f"{x:,}" for x in counts), ", ".join(words) or "nothing to set")
    console.print(table, highlight=False)
    if len(groups) > SHOWN:
        console.print(f"… and {len(groups) - SHOWN:,} structures more", highlight=False)
    at_first = ", at first" if sweep.ladder else ""
    console.print(in_blocks(sweep.plans) + at_first, highlight=False)
    if sweep.ladder:
        name = manifest["stop"]["rule"]
        for bracket in sweep.ladder.steps:
            looks = ", ".join(f"{step:,}" for step in bracket[:-1]) or "no step"
            console.print(f"{name} looks at {looks} of {bracket[-1]:,} steps", highlight=False)
    console.print(_stored(sweep, path), highlight=False)
    for sentence in sweep.advice():
        console.print(f"note: {sentence}", highlight=False)


def built(trial: Any, options: Mapping[str, Any], path: Path) -> Sweep:
    """The sweep that `sweeps.run` would do with these options; nothing is compiled.

    Of one that asks a sampler, its first batch, with random settings in place of those.
    """
    from jaxnn import sweeps
    from jaxnn.sweeps.build import build
    from jaxnn.sweeps.plan import default_width
    from jaxnn.sweeps.settings import propose
    from jaxnn.sweeps.stored import stored_manifest

    parameters = inspect.signature(sweeps.run).parameters
    known = inspect.signature(build).parameters.keys() & parameters.keys() - {"trial"}
    given = {n: parameters[n].default for n in known if n != "space"}
    given |= {name: x for name, x in options.items() if name in known}
    before = stored_manifest(path)
    if before and given["width"] is None:
        given["width"] = tuple(before["width"])
    method = given["method"]
    if isinstance(method, sweeps.Optuna):
        asked = given["num_trials"]
        given["width"] = given["width"] or tuple(default_width(asked or 1, given["num_seeds"]))
        size = min(method.batch or given["width"][1], asked or 1)
        given["batch"] = 0, propose(given["space"], asked and size, given["seed"])
    return build(trial, **given)


def in_blocks(plans: Sequence[Plan]) -> str:
    """Programs, blocks and padding of a sweep in words."""
    blocks = sum(plan.num_blocks for plan in plans)
    lanes = sum(plan.num_blocks * plan.width.lanes for plan in plans)
    padded = sum(plan.num_padded for plan in plans)
    width = plans[0].width
    percent = round(100 * padded / lanes)
    share = "none" if not padded else f"{percent} %" if percent else "less than 1 %"
    return (
        f"{counted(len(plans), 'program')}, {counted(blocks, 'block')} of "
        f"{counted(width.replicates, 'seed')} × {counted(width.settings, 'setting')}, "
        f"{share} of {lanes:,} lanes padded"
    )


def _stored(sweep: Sweep, path: Path) -> str:
    """What there is of it in its store. Raises ValueError for the store of another sweep."""
    from jaxnn import sweeps
    from jaxnn.sweeps import stored

    if not path.exists():
        return f"{path} is not there yet"
    with sweeps.Store.open(path, read_only=True) as store:
        stored.check_same(store, sweep)
        names = set(store.names())
    if sweep.ladder is None and not _asks(sweep.manifest):
        wanted = [name for name, _ in sweep.units()]
        there = sum(name in names for name in wanted)
        return f"{path} has {there:,} of {counted(len(wanted), 'block')}"
    outcomes = sweeps.load(path).outcomes
    left = outcomes["not run yet"]
    return (
        f"{path} has {sum(outcomes.values()) - left:,} trials that are done, {left:,} that are not"
    )


def _asks(manifest: Mapping[str, Any]) -> bool:
    return isinstance(manifest["method"], Mapping)


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "seed"), counted(1000, "seed")
    ('1 seed', '1,000 seeds')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"
