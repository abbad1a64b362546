"""A comparison on disk, and back: every trial's figures, and the curves that were reported.

comparison.json   what it was, and all that is said of it
runs.npz          arrays: columns of tuning and evaluation, curves of the settings chosen
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxnn.bench.comparison import Comparison
from jaxnn.bench.outcome import Cost, NotRun, Outcome
from jaxnn.bench.protocol import Protocol
from jaxnn.bench.tasks import About
from jaxnn.errors import bad_value
from jaxnn.problems import Target
from jaxnn.sweeps import Results

__all__ = ["ARRAYS", "DOCUMENT", "arrays", "description", "load"]

DOCUMENT, ARRAYS = "comparison.json", "runs.npz"

FORMAT = 1


def description(comparison: Comparison) -> dict[str, Any]:
    """All but the arrays, of dicts, lists, strings and numbers."""
    return {
        "format": FORMAT,
        "protocol": dataclasses.asdict(comparison.protocol),
        "problems": [_of_task(about) for about in comparison.tasks],
        "outcomes": [_of_outcome(outcome) for outcome in comparison.outcomes],
        "not_run": [one._asdict() for one in comparison.not_run],
    }


def _of_task(about: About) -> dict[str, Any]:
    plain = {f.name: getattr(about, f.name) for f in dataclasses.fields(about)}
    target = about.target and dataclasses.asdict(about.target)
    return plain | {"target": target, "facts": dict(about.facts)}


def _of_outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "optimizer": outcome.optimizer,
        "problem": outcome.problem,
        "setting": outcome.setting,
        "num_steps": outcome.num_steps,
        "per_update": outcome.per_update,
        "cost": outcome.cost._asdict(),
        "names": outcome.tuning.names,
        "kinds": outcome.tuning.kinds,
    }


def arrays(comparison: Comparison) -> dict[str, NDArray[Any]]:
    """Of all outcomes, named by the number of the outcome, what it belongs to, and its own name."""
    found = {}
    for number, outcome in enumerate(comparison.outcomes):
        parts = {
            "tuning": outcome.tuning.columns,
            "evaluation": outcome.evaluation.columns,
            "points": outcome.points,
            "updates": outcome.updates,
            "steps": {} if outcome.steps is None else {"steps": outcome.steps},
        }
        for part, columns in parts.items():
            found |= {f"{number}/{part}/{name}": column for name, column in columns.items()}
    return found


def load(folder: str | PathLike[str]) -> Comparison:
    """The comparison that `Comparison.save` wrote into a folder.

    Raises ValueError where there is none, or one of another format.
    """
    path = Path(folder)
    try:
        document = json.loads((path / DOCUMENT).read_text(encoding="utf-8"))
        with (path / ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as kept:
            columns = {name: kept[name] for name in kept.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        got = f"{str(folder)!r} ({error})"
        raise bad_value("bench.load", "folder", "one with results of jaxnn bench", got) from None
    if document.get("format") != FORMAT:
        got = f"format {document.get('format')} in {str(folder)!r}"
        raise bad_value("bench.load", "folder", f"of format {FORMAT}", got)
    parts = _by_outcome(columns.items())
    outcomes = (_outcome(x, parts.get(k, {})) for k, x in enumerate(document["outcomes"]))
    return Comparison(
        Protocol(**document["protocol"]),
        tuple(outcomes),
        tuple(_task(plain) for plain in document["problems"]),
        tuple(NotRun(**plain) for plain in document["not_run"]),
    )


def _by_outcome(
    columns: Iterable[tuple[str, NDArray[Any]]],
) -> dict[int, dict[str, dict[str, NDArray[Any]]]]:
    found: dict[int, dict[str, dict[str, NDArray[Any]]]] = {}
    for whole, column in columns:
        number, part, name = whole.split("/", 2)
        found.setdefault(int(number), {}).setdefault(part, {})[name] = column
    return found


def _task(plain: Mapping[str, Any]) -> About:
    target = plain["target"] and Target(**plain["target"])
    return About(**{**plain, "target": target})


def _outcome(plain: Mapping[str, Any], parts: Mapping[str, dict[str, NDArray[Any]]]) -> Outcome:
    names, kinds = tuple(plain["names"]), dict(plain["kinds"])
    tuning, evaluation = (
        Results(names, parts.get(part, {}), {}, kinds) for part in ("tuning", "evaluation")
    )
    # JSON has no NaN: what is unknown of a cost is null there.
    cost: Any = {name: np.nan if x is None else x for name, x in plain["cost"].items()}
    return Outcome(
        plain["optimizer"],
        plain["problem"],
        plain["setting"],
        tuning,
        evaluation,
        parts.get("points", {}),
        parts.get("updates", {}),
        parts.get("steps", {}).get("steps"),
        plain["num_steps"],
        plain["per_update"],
        Cost(**cost),
    )
