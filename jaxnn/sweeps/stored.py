"""A sweep in its store: begun, gone on with, extended, read back.

Each block is a chunk, named by its settings and replicates, so that a sweep which was stopped, at
whatever moment, computes the blocks that are not there. More trials or seeds are more blocks; one
that was not full before has another name then, and is computed again.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from jaxnn.errors import bad_value
from jaxnn.sweeps.asking import method_from_plain
from jaxnn.sweeps.build import Sweep
from jaxnn.sweeps.difference import difference
from jaxnn.sweeps.engine import BlockResult
from jaxnn.sweeps.manifest import EXTENDS
from jaxnn.sweeps.plain import from_plain
from jaxnn.sweeps.rules import RULES, rule_from_plain
from jaxnn.sweeps.store import DamagedError, Journal, Store

__all__ = [
    "arguments",
    "attach",
    "check_same",
    "extend",
    "pack",
    "stored_manifest",
    "taken",
    "unpack",
]


def stored_manifest(path: str | PathLike[str] | None) -> dict[str, Any] | None:
    """That of the store at a path, None where there is none yet."""
    if path is None or not Path(path).exists():
        return None
    with Store.open(path, read_only=True) as store:
        return store.manifest


def arguments(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `sweeps.run` that a manifest holds, all but the trial."""
    names = ("num_trials", "num_seeds", "seed", "common", "ceiling")
    plain = manifest["space"]
    if isinstance(plain, list):
        space: Any = [{n: from_plain(n, x) for n, x in row.items()} for row in plain]
    else:
        space = {name: from_plain(name, entry) for name, entry in plain.items()}
    stop = manifest["stop"]
    # A rule of somebody's own cannot be made from its name.
    stop = rule_from_plain(stop) if stop and stop["rule"] in RULES else None
    method = method_from_plain(manifest["method"])
    given = {"space": space, "width": tuple(manifest["width"]), "stop": stop, "method": method}
    return given | {n: manifest[n] for n in names}


def attach(path: str | PathLike[str], sweep: Sweep, journal: Journal | None = None) -> Store:
    """The store of a sweep, open for writing: a new one, or the one that it goes on in.

    Raises ValueError for the store of another sweep, with what differs, and StoreError where it
    cannot be opened or another process writes into it.
    """
    if not Path(path).exists():
        return Store.create(path, sweep.manifest, journal=journal)
    store = Store.open(path, journal=journal)
    try:
        extend(store, sweep)
    except BaseException:
        store.close()
        raise
    return store


def extend(store: Store, sweep: Sweep) -> None:
    """Take in what a sweep has more than its store: trials, seeds, structures.

    Raises ValueError for the store of another sweep.
    """
    check_same(store, sweep)
    if sweep.rule is not None:
        _check_no_fewer(store, sweep)
    grown = {name: sweep.manifest[name] for name in EXTENDS if _grows(store, sweep, name)}
    if grown and sweep.rule is not None:
        # More trials compete anew: what was decided among fewer is no more.
        store.discard(n for n in store.names() if "@" in n and "@0-" not in n)
    programs = store.manifest["programs"] | sweep.manifest["programs"]
    if grown or programs != store.manifest["programs"]:
        store.replace_manifest(store.manifest | grown | {"programs": programs})


def _check_no_fewer(store: Store, sweep: Sweep) -> None:
    """With a rule the trials compete: among fewer, other ones would go on."""
    for name in EXTENDS:
        stored, given = store.manifest[name], sweep.manifest[name]
        if (given or 0) < (stored or 0):
            fix = "Pass another store for a smaller sweep."
            constraint = f">= {stored}, as in the store, whose trials competed"
            raise bad_value("sweeps.run", name, constraint, given, fix)


def _grows(store: Store, sweep: Sweep, name: str) -> bool:
    return (sweep.manifest[name] or 0) > (store.manifest[name] or 0)


def check_same(store: Store, sweep: Sweep) -> None:
    """Raises ValueError for the store of another sweep, line by line."""
    stored, given = (
        {name: x for name, x in manifest.items() if name not in EXTENDS}
        for manifest in (store.manifest, sweep.manifest)
    )
    # Other numbers of settings may have other structures among them.
    both = stored["programs"].keys() & given["programs"].keys()
    for manifest in (stored, given):
        manifest["programs"] = {name: manifest["programs"][name] for name in both}
    lines = difference(stored, given)
    if lines:
        got = "\n    ".join(["another:", *lines])
        fix = "Pass another path, or what it was begun with."
        raise bad_value("sweeps.run", "store", "that of this sweep", got, fix)


def taken(store: Store, wanted: Collection[str]) -> dict[str, BlockResult]:
    """What is there of the blocks that are wanted; what is damaged is discarded, with a warning."""
    found, damaged = {}, []
    for name in store.names():
        if name in wanted:
            try:
                found[name] = unpack(store.get(name))
            except DamagedError:
                damaged.append(name)
    if damaged:
        store.discard(damaged)
        text = f"{store.path}: {len(damaged)} damaged chunks are computed again: {damaged[0]!r}, …"
        warnings.warn(text, stacklevel=4)
    return found


def pack(result: BlockResult) -> dict[str, NDArray[Any]]:
    """The arrays of a block by one name each."""
    return _prefixed("metric", result.metrics) | _prefixed("curve", result.curves)


def _prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{prefix}/{name}": x for name, x in arrays.items()}


def unpack(arrays: Mapping[str, NDArray[Any]]) -> BlockResult:
    """What `pack` was given."""
    parts: dict[str, dict[str, NDArray[Any]]] = {"metric": {}, "curve": {}}
    for name, x in arrays.items():
        kind, _, own = name.partition("/")
        parts[kind][own] = x
    return BlockResult(parts["metric"], parts["curve"])
