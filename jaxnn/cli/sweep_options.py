"""What a sweep on the command line is told: a TOML file of its arguments, and what judges it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxnn.errors import bad_type, bad_value, shown, unknown_name

__all__ = ["judged", "read_options"]

ELSEWHERE = ("trial", "space", "progress")
"""Arguments of `sweeps.run` that stand in no file by their own names."""


def read_options(path: Path) -> dict[str, Any]:
    """The arguments of `sweeps.run` in a TOML file, by their names, all but the trial.

    [space] in its plain form, or settings one by one as [[settings]]; `stop` and `method` are
    tables: stop = { rule = "successive_halving", eta = 2 }.
    Raises ValueError for a file that cannot be read and for a name that is no argument.
    """
    import tomllib

    from jaxnn import sweeps
    from jaxnn.sweeps.asking import method_from_plain
    from jaxnn.sweeps.rules import rule_from_plain

    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise bad_value("sweep", "space", "a TOML file", f"{str(path)!r}", f"{error}.") from None
    arguments = [x for x in inspect.signature(sweeps.run).parameters if x not in ELSEWHERE]
    known = [*arguments, "space", "settings"]
    for name in read:
        if name not in known:
            raise unknown_name("sweep", "space", name, known)
    if ("space" in read) == ("settings" in read):
        fix = "For example [space] and learning_rate = { log_uniform = [1e-4, 1e-1] }."
        constraint = "a file with a table [space] or a list [[settings]]"
        raise bad_value("sweep", "space", constraint, repr(str(path)), fix)
    options = {name: read[name] for name in arguments if name in read}
    if "settings" in read:
        rows = _of_kind(list, "settings", read["settings"], "a list of tables, [[settings]]")
        options["space"] = [
            _space(_of_kind(dict, "settings", row, "a list of tables, [[settings]]"))
            for row in rows
        ]
    else:
        options["space"] = _space(_of_kind(dict, "space", read["space"], "a table, [space]"))
    if "stop" in options:
        fix = 'For example { rule = "successive_halving", eta = 2 }.'
        options["stop"] = rule_from_plain(_of_kind(dict, "stop", read["stop"], "a table", fix))
    if "method" in options:
        options["method"] = method_from_plain(options["method"])
    if isinstance(options.get("width"), list):
        options["width"] = tuple(options["width"])
    return options


def _space(plain: Mapping[str, Any]) -> dict[str, Any]:
    from jaxnn.sweeps.plain import from_plain

    return {name: from_plain(name, entry) for name, entry in plain.items()}


def _of_kind(kind: type, name: str, got: Any, constraint: str, fix: str = "") -> Any:
    if not isinstance(got, kind):
        raise bad_type("sweep", name, constraint, shown(got), fix)
    return got


def judged(
    options: Mapping[str, Any], metric: str | None, high: bool | None
) -> tuple[str | None, str]:
    """The metric that decides, None where nobody says, and its mode.

    As asked, or as a rule or a sampler of the sweep has them.
    """
    for judge in (options.get("stop"), options.get("method")):
        own = getattr(judge, "metric", None)
        if own is not None and metric in (None, own):
            mode = judge.mode if high is None else "max" if high else "min"  # pyright: ignore
            return own, mode
    return metric, "max" if high else "min"
