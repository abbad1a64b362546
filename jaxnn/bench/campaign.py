"""A comparison as a file: contestants, problems, held numbers and the protocol, in TOML.

    optimizers = ["sgd", "adam", "clipped(adamw)"]
    problems = ["small", "my_module:problem"]

    [protocol]
    tuning_trials = 32
    evaluation_seeds = 20

    [fixed.adam]
    b1 = 0.8

Contestants and problems are written as on the command line. What is left out has its default.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from jaxnn.bench.protocol import Protocol
from jaxnn.errors import bad_type, bad_value, look_up, shown

__all__ = ["Campaign", "load_campaign"]


@dataclasses.dataclass(frozen=True)
class Campaign:
    """What a comparison consists of, in words that a file can hold.

    optimizers, problems: as on the command line. fixed: numbers of contestants that are held.
    remark: a line of comment at the head of the file.
    """

    optimizers: tuple[str, ...]
    problems: tuple[str, ...]
    protocol: Protocol = dataclasses.field(default_factory=Protocol)
    fixed: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    remark: str = ""

    def to_toml(self) -> str:
        """The file; `load_campaign` reads it back.

        >>> print(Campaign(("adam",), ("iris",), Protocol(tuning_trials=8)).to_toml(), end="")
        optimizers = ["adam"]
        problems = ["iris"]
        <BLANKLINE>
        [protocol]
        tuning_trials = 8
        tuning_seeds = 3
        evaluation_seeds = 10
        seed = 0
        studies = 1
        """
        lines = [f"# {self.remark}"] if self.remark else []
        lines += [
            f"{name} = {_toml(list(getattr(self, name)))}" for name in ("optimizers", "problems")
        ]
        lines += ["", "[protocol]"]
        protocol = dataclasses.asdict(self.protocol)
        lines += [f"{name} = {_toml(x)}" for name, x in protocol.items() if x is not None]
        for contestant, numbers in self.fixed.items():
            lines += ["", f"[fixed.{_key(contestant)}]"]
            lines += [f"{_key(name)} = {_toml(float(x))}" for name, x in numbers.items()]
        return "\n".join(lines) + "\n"


_LISTS, _TABLES = ("optimizers", "problems"), ("protocol", "fixed")

_FIX = 'For example: optimizers = ["adam"], problems = ["small"].'


def load_campaign(path: str | PathLike[str]) -> Campaign:
    """The campaign of a file.

    Raises ValueError for a file that is not there, that is no TOML, or that has an unknown or
    missing entry, TypeError for an entry of another type.
    """
    where = "load_campaign"
    try:
        with Path(path).open("rb") as file:
            plain = tomllib.load(file)
    except OSError as error:
        got = f"{str(path)!r} ({error.strerror})"
        raise bad_value(where, "path", "a file that can be read", got) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise bad_value(where, "path", "a file of TOML", f"{str(path)!r}: {error}") from None
    for name in plain:
        look_up(
            where, "entry", name, dict.fromkeys(("optimizers", "problems", "protocol", "fixed"))
        )
    optimizers, problems = (_strings(where, name, plain.get(name)) for name in _LISTS)
    protocol, fixed = (_mapping(where, name, plain.get(name, {})) for name in ("protocol", "fixed"))
    fields = {field.name: None for field in dataclasses.fields(Protocol)}
    for name in protocol:
        look_up(where, "protocol", name, fields)
    held = {name: _numbers(where, name, numbers) for name, numbers in fixed.items()}
    return Campaign(optimizers, problems, Protocol(**protocol), held)


def _strings(where: str, name: str, got: Any) -> tuple[str, ...]:
    if not isinstance(got, list) or not got or not all(isinstance(x, str) for x in got):
        raise bad_type(where, name, "a list of strings, one or more", shown(got), _FIX)
    return tuple(got)


def _mapping(where: str, name: str, got: Any) -> dict[str, Any]:
    if not isinstance(got, dict):
        raise bad_type(where, name, "a table", shown(got), f"Write it under [{name}].")
    return got


def _numbers(where: str, name: str, got: Any) -> dict[str, float]:
    numbers = _mapping(where, f"fixed.{name}", got)
    for field, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise bad_type(where, f"fixed.{name}.{field}", "a number", shown(value))
    return {field: float(value) for field, value in numbers.items()}


def _toml(value: Any) -> str:
    # Strings and lists of JSON are those of TOML; so are whole numbers, and floats with a point.
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
