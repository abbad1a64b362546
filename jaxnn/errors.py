"""The one wording of errors: where, name, constraint, value, fix.

    adam: `b2` must be in [0, 1); got 1.5. Did you mean 0.999?

Every error about a user's input is a `BadInput`, and a ValueError (values) or a TypeError (types
and trees) besides, so that research code catches what it expects and the command line knows what to
answer with exit code 2.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any, TypeVar, cast

__all__ = [
    "BadInput",
    "BadType",
    "BadValue",
    "bad_type",
    "bad_value",
    "check_integer",
    "check_seed",
    "look_up",
    "look_up_function",
    "note_mode",
    "shown",
    "unknown_name",
]

T = TypeVar("T")


class BadInput(Exception):
    """A user's input is wrong; the message names the parameter, constraint, value and fix."""


class BadValue(BadInput, ValueError):
    """A value outside its constraint."""


class BadType(BadInput, TypeError):
    """A wrong type, or trees that do not match."""


def _sentence(where: str, name: str, constraint: str, got: Any, fix: str) -> str:
    text = f"{where}: `{name}` must be {constraint}; got {got}."
    return f"{text} {fix}" if fix else text


def bad_value(where: str, name: str, constraint: str, got: Any, fix: str = "") -> BadValue:
    """The error for a value; `got` is shown as given, so pass a repr for strings.

    >>> str(bad_value("adam", "b2", "in [0, 1)", 1.5, "Did you mean 0.999?"))
    'adam: `b2` must be in [0, 1); got 1.5. Did you mean 0.999?'
    """
    return BadValue(_sentence(where, name, constraint, got, fix))


def bad_type(where: str, name: str, constraint: str, got: Any, fix: str = "") -> BadType:
    """The error for a type or a tree, in the same wording as `bad_value`."""
    return BadType(_sentence(where, name, constraint, got, fix))


MAX_SHOWN = 80
"""An error shows at most so many characters of a value."""


def shown(value: Any) -> str:
    """The value in a few words on one line: arrays by shape and dtype, others by their repr, cut.

    >>> import numpy as np
    >>> shown(np.zeros((3, 2))), shown("a"), shown(shown)
    ('an array of shape (3, 2) and dtype float64', "'a'", 'the function shown')
    """
    if getattr(value, "shape", ()) != () and hasattr(value, "dtype"):
        return f"an array of shape {tuple(value.shape)} and dtype {value.dtype}"
    if isinstance(value, FunctionType | ModuleType):
        return f"the {type(value).__name__} {value.__name__}"
    text = " ".join(repr(value).split())
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


MAX_LISTED = 24
"""An error lists at most so many names."""

CUTOFF = 0.6
"""How alike a name must be to be suggested, as `difflib` measures it; "nope" is no "wine"."""


def unknown_name(
    where: str,
    name: str,
    got: Any,
    options: Iterable[str],
    aliases: Mapping[str, str] | None = None,
) -> BadValue:
    """The error for a name that is in no table, with the one that is meant where that is clear.

    The names are listed, unless they are many and one is near. aliases: what others call an option,
    in lower case, to its name here.

    >>> str(unknown_name("get", "name", "adm", ["adam", "sgd"]))
    "get: `name` must be one of adam, sgd; got 'adm'. Did you mean 'adam'?"
    """
    known, text = sorted(options), str(got).lower()
    near = _nearest((aliases or {}).get(text, text), known) or _nearest(text, known)
    fix = f"Did you mean {near!r}?" if near else ""
    many = len(known) > MAX_LISTED and near
    listed = "a known name" if many else f"one of {', '.join(known)}"
    return bad_value(where, name, listed, shown(got), fix)


def _nearest(text: str, known: list[str]) -> str | None:
    lower = {n.lower(): n for n in known}
    ends = [n.rpartition(".")[2] for n in lower]
    if text not in lower and ends != list(lower):
        # Of dotted names the end is what is remembered: learning_rate, not inner.learning_rate.
        end = _nearest(text.rpartition(".")[2], ends)
        lower = {n: lower[n] for n, e in zip(lower, ends, strict=True) if e == end}
        return next(map(lower.get, difflib.get_close_matches(text, lower, n=1, cutoff=0)), None)
    close = difflib.get_close_matches(text, lower, n=1, cutoff=CUTOFF)
    initials = [n for n in lower if "".join(word[:1] for word in n.split("_")) == text]  # lr, wd
    parts = [n for n in lower if len(text) > 2 and text in n]
    return next((lower[n] for n in close + initials + parts), None)


def look_up(
    where: str,
    name: str,
    got: Any,
    table: Mapping[str, T],
    aliases: Mapping[str, str] | None = None,
) -> T:
    """The entry of `table` named `got`; raises the ValueError of `unknown_name` without one."""
    if got not in table:
        raise unknown_name(where, name, got, table, aliases)
    return table[got]


def look_up_function(
    where: str, got: Any, table: Mapping[str, T], aliases: Mapping[str, str] | None = None
) -> T:
    """The entry named `got`, or `got` itself if callable; raises TypeError for anything else."""
    if isinstance(got, str):
        return look_up(where, "name", got, table, aliases)
    if callable(got):
        return cast(T, got)
    fix = f"Try {next(iter(table))!r}."
    raise bad_type(where, "name", "a name or a function", repr(got), fix)


MORE_IS_BETTER = frozenset(
    {"acc", "accuracy", "auc", "auroc", "f1", "precision", "r2", "recall", "return", "reward"}
)


def note_mode(where: str, metric: str, mode: str) -> None:
    """A warning where the smallest is asked for of what is better when larger, by its name."""
    if mode == "min" and metric.lower().rpartition("_")[2] in MORE_IS_BETTER:
        text = f"{where}: {metric!r} is better when larger, by its name, and mode is 'min'."
        warnings.warn(f"{text} Pass mode='max'.", stacklevel=3)


def check_integer(where: str, name: str, got: Any, *, low: int, high: int | None = None) -> int:
    """`got` as an int >= low, and <= high where given.

    Raises TypeError for what is no integer, ValueError outside the range.

    >>> check_integer("train", "batch_size", 99, low=1, high=84)
    Traceback (most recent call last):
        ...
    jaxnn.errors.BadValue: train: `batch_size` must be in [1, 84]; got 99. Did you mean 84?
    """
    if isinstance(got, bool) or not hasattr(got, "__index__"):
        raise bad_type(where, name, "an integer", f"{got!r}", f"Pass {low} or more.")
    value = int(got.__index__())
    if value < low and high is None:
        raise bad_value(where, name, f">= {low}", value, f"Pass {low} or more.")
    if high is not None and not low <= value <= high:
        nearest = min(max(value, low), high)
        raise bad_value(where, name, f"in [{low}, {high}]", value, f"Did you mean {nearest}?")
    return value


def check_seed(where: str, seed: Any) -> int:
    """`seed` as an int in [0, 2³²): JAX silently truncates seeds outside it."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise bad_type(where, "seed", "an integer", f"{seed!r}", "Pass one in [0, 4294967296).")
    value = int(seed.__index__())
    if not 0 <= value < 2**32:
        fix = "Pass for example 0."
        raise bad_value(where, "seed", "in [0, 4294967296)", value, fix)
    return value
