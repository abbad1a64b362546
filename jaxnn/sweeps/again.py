"""A sweep once more, to look at it: that of a store, or of the arguments of `sweeps.run`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, TypedDict

from jaxnn.errors import bad_type, bad_value, look_up
from jaxnn.space import Space
from jaxnn.sweeps.asking import Optuna
from jaxnn.sweeps.batches import asked
from jaxnn.sweeps.build import Sweep, build
from jaxnn.sweeps.difference import difference
from jaxnn.sweeps.rules import AnyRule
from jaxnn.sweeps.run import run
from jaxnn.sweeps.settings import Method
from jaxnn.sweeps.store import Store
from jaxnn.sweeps.stored import arguments, stored_manifest
from jaxnn.sweeps.trial import Trial

__all__ = ["Arguments", "again"]

DECIDE = ("programs",)
"""What of a manifest a trial decides: what else differs is where and with what it runs."""


class Arguments(TypedDict, total=False):
    """The arguments of `sweeps.run` that decide its numbers; their defaults are those there."""

    num_trials: int | None
    num_seeds: int
    seed: int
    method: Method | Optuna
    width: tuple[int, int] | None
    common: bool
    ceiling: float | None
    stop: AnyRule | None


def again(
    where: str,
    trial: Trial,
    space: Space | Sequence[Mapping[str, Any]] | None,
    store: str | PathLike[str] | None,
    given: Mapping[str, Any],
) -> Sweep:
    """The sweep, checked; nothing is run.

    where: who asks, for errors. Raises ValueError where there is no such store, or the trial
    computes something else than the one of the store; TypeError for arguments beside a store.
    """
    if store is None:
        known = inspect.signature(run).parameters
        options = {name: known[name].default for name in Arguments.__annotations__}
        for name in given:
            look_up(where, "arguments", name, options)
        chosen: Any = options | dict(given)
        if isinstance(chosen["method"], Optuna):
            fix = "Its store has the settings that were asked for."
            got = "Optuna without a store"
            raise bad_value(where, "method", "one that proposes all settings at once", got, fix)
        return build(trial, [] if space is None else space, **chosen)
    beside = [*(["space"] if space is not None else []), *given]
    if beside:
        fix = "It keeps them: leave them out."
        got = f"{', '.join(beside)} beside it"
        raise bad_type(where, "store", "given without arguments of the sweep", got, fix)
    manifest = stored_manifest(store)
    if manifest is None:
        raise bad_value(where, "store", "an existing store", repr(str(store)))
    sweep = _of_store(where, trial, store, arguments(manifest))
    lines = difference(*({name: x[name] for name in DECIDE} for x in (manifest, sweep.manifest)))
    if lines:
        got = "\n    ".join(["another:", *lines])
        raise bad_value(where, "trial", "that of the store", got)
    return sweep


def _of_store(where: str, trial: Trial, store: str | PathLike[str], given: dict[str, Any]) -> Sweep:
    if not isinstance(given["method"], Optuna):
        return build(trial, **given)
    with Store.open(store, read_only=True) as kept:
        settings = asked(kept, given["space"])
    if not settings.num_settings:
        raise bad_value(where, "store", "one with settings that were asked for", "none so far")
    return build(trial, **given, batch=(0, settings))
