"""What differs between two dicts of plain values, the manifests of two sweeps, in lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jaxnn.sweeps.plain import DISTRIBUTIONS

__all__ = ["difference"]

MAX_TOGETHER = 8
"""A list of at most so many constants is shown as one."""


def difference(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Where two manifests differ, a line each, by dotted path.

    >>> old, new = ({"space": {"rate": {"log_uniform": [low, 0.1]}}} for low in (1e-5, 1e-4))
    >>> print(*difference(old | {"seed": 0}, new), sep="\\n")
    seed: stored 0, given nothing
    space.rate: stored log_uniform(1e-05, 0.1), given log_uniform(0.0001, 0.1)
    """
    one, two = (dict(_leaves((), json.loads(json.dumps(x)))) for x in (stored, given))
    return [
        f"{'.'.join(path)}: stored {one.get(path, 'nothing')}, given {two.get(path, 'nothing')}"
        for path in sorted(one.keys() | two.keys(), key=_natural)
        if one.get(path) != two.get(path)
    ]


def _leaves(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    text = _whole(value) if path else None
    if text is not None:
        yield path, text
        return
    for name, inside in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves((*path, str(name)), inside)


def _whole(value: Any) -> str | None:
    """What is shown as one: constants, short lists of them, distributions, what is empty."""
    if isinstance(value, list) and value:
        constants = not any(isinstance(x, dict | list) for x in value)
        return repr(value) if constants and len(value) <= MAX_TOGETHER else None
    if isinstance(value, dict) and value:
        name, inside = next(iter(value.items()))
        text = _whole(inside) if len(value) == 1 and name in DISTRIBUTIONS else None
        return text and f"{name}({text.removeprefix('[').removesuffix(']')})"
    return repr(value)


def _natural(path: tuple[str, ...]) -> list[Any]:
    return [int(x) if x.isdecimal() else x for x in re.split(r"(\d+)", ".".join(path))]
