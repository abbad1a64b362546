"""Search spaces in dicts, lists, strings and numbers alone: what TOML reads and a manifest holds.

[space]
learning_rate = { log_uniform = [1e-4, 1e-1] }
b1 = { one_minus = { log_uniform = [1e-3, 0.5] } }
width = { structural = [16, 64] }
optimizer = { choice = { sgd = {}, adam = { b2 = { uniform = [0.9, 0.999] } } } }
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxnn.errors import bad_type, look_up, shown
from jaxnn.space import (
    Choice,
    Grid,
    Integers,
    LogUniform,
    Normal,
    OneMinus,
    Structural,
    Uniform,
    choice,
    grid,
    integers,
    log_uniform,
    normal,
    one_minus,
    structural,
    uniform,
)

__all__ = ["DISTRIBUTIONS", "from_plain", "to_plain"]

DISTRIBUTIONS: dict[str, Callable[..., Any]] = {
    "uniform": uniform,
    "log_uniform": log_uniform,
    "normal": normal,
    "integers": integers,
    "one_minus": one_minus,
    "choice": choice,
    "grid": grid,
    "structural": structural,
}
"""What an entry of a space can be, by name."""


def to_plain(entry: Any) -> Any:
    """An entry, or a whole space, of dicts, lists, strings and numbers alone.

    >>> to_plain({"b1": one_minus(log_uniform(0.001, 0.1)), "width": structural([16, 64])})["b1"]
    {'one_minus': {'log_uniform': [0.001, 0.1]}}
    """
    match entry:
        case Mapping():
            return {name: to_plain(inside) for name, inside in entry.items()}
        case Uniform() | LogUniform() | Integers():
            name = {Uniform: "uniform", LogUniform: "log_uniform", Integers: "integers"}
            return {name[type(entry)]: [entry.low, entry.high]}
        case Normal():
            return {"normal": [entry.mean, entry.deviation]}
        case OneMinus() | Structural():
            name = "one_minus" if isinstance(entry, OneMinus) else "structural"
            return {name: to_plain(entry.inner)}
        case Choice() if entry.spaces:
            return {"choice": {o: to_plain(entry.space(o)) for o in entry.options}}
        case Choice() | Grid():
            return {"choice" if isinstance(entry, Choice) else "grid": list(entry.options)}
    return entry.item() if isinstance(entry, np.generic) else entry


def from_plain(name: str, plain: Any) -> Any:
    """The entry called `name` of a space from its plain form, as TOML has it.

    A list is a choice, what is no dict a constant. Raises ValueError and TypeError as the functions
    do that are named in it.

    >>> from_plain("rate", {"log_uniform": [1e-4, 1e-1]})
    LogUniform(low=0.0001, high=0.1, scale='log')
    """
    if isinstance(plain, list):
        return choice(plain)
    if not isinstance(plain, Mapping):
        return plain
    if len(plain) != 1:
        fix = "For example {log_uniform = [1e-4, 1e-1]}."
        raise bad_type("space", name, "one distribution", shown(dict(plain)), fix)
    ((kind, given),) = plain.items()
    make = look_up("space", name, kind, DISTRIBUTIONS)
    if kind == "choice" and isinstance(given, Mapping):
        return choice(
            {
                option: {n: from_plain(n, x) for n, x in inside.items()}
                for option, inside in given.items()
            }
        )
    if kind in ("one_minus", "structural"):
        return make(from_plain(name, given))
    if kind in ("choice", "grid"):
        return make(given)
    if not isinstance(given, list) or len(given) != 2:
        raise bad_type("space", name, f"two numbers, {kind} = [low, high]", shown(given))
    return make(*given)
