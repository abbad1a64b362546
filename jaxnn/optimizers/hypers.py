"""Numbers of a rule: read from dicts by dotted name, validated, cast. The one boundary for them.

    check(adam, {"learning_rate": 1e-3})       a Hyper of strong scalars, or an error that says why

Inside a trace nothing is checked: `init` and `update` never call this.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any, cast, get_args, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxnn import tree
from jaxnn.errors import bad_type, bad_value, shown, unknown_name
from jaxnn.optimizers.base import name_of
from jaxnn.typing import Interval, interval_of

__all__ = ["check", "check_numbers", "make_hyper", "numbers_of", "with_numbers"]


def make_hyper(rule: Any, values: Mapping[str, Any]) -> Any:
    """The rule's `Hyper` with the numbers in `values`; dotted names reach nested ones.

    Raises ValueError for a name that it does not have.
    """
    return with_numbers(name_of(rule), rule.Hyper(), values)


def with_numbers(where: str, hyper: Any, values: Mapping[str, Any]) -> Any:
    """`hyper` with the numbers in `values`, by dotted name, unchecked but for the names."""
    for path, value in values.items():
        inner = hyper
        for part in path.split("."):
            known = tree.fields(inner)
            if part not in known:
                raise unknown_name(where, "hyper", path, numbers_of(hyper))
            inner = known[part]
        hyper = tree.replace_field(hyper, path, value)
    return hyper


def numbers_of(hyper: Any, annotation: Any = None) -> dict[str, tuple[Any, Interval | None]]:
    """The numbers in nested Hypers by dotted name, each with the range that its field declares.

    >>> from jaxnn.optimizers import clipped, sgd
    >>> {name: str(interval) for name, (_, interval) in numbers_of(clipped(sgd).Hyper()).items()}
    {'inner.learning_rate': '> 0', 'max_norm': '> 0'}
    """
    hints, each = _hints(type(hyper)), _of_each(annotation)
    found: dict[str, tuple[Any, Interval | None]] = {}
    for name, part in tree.fields(hyper).items():
        hint = hints.get(name, each)
        if isinstance(part, dict | tuple):
            found |= {f"{name}.{inside}": x for inside, x in numbers_of(part, hint).items()}
        else:
            found[name] = part, interval_of(hint)
    return found


def _of_each(annotation: Any) -> Any:
    return next(iter(get_args(annotation)), None)  # of tuple[UnitInterval, ...]


def check(rule: Any, hyper: Any) -> Any:
    """`hyper` with its concrete numbers validated and everything cast to strong scalars.

    The one boundary where numbers are checked: `bind`, `train`, the sweep builder and the command
    line call it; `init` and `update` never do, so that they trace. A dict is read by `make_hyper`.
    Raises ValueError for a number outside its range, TypeError for what is not a scalar number.
    """
    if isinstance(hyper, Mapping):
        hyper = make_hyper(rule, hyper)
    expected = type(rule.Hyper())
    if type(hyper) is not expected:
        fix = f"Build it with {name_of(rule)}.Hyper(...)."
        raise bad_type(name_of(rule), "hyper", "of its own Hyper class", _class_of(hyper), fix)
    checked = check_numbers(name_of(rule), hyper, rule.Hyper())
    for low, high in getattr(rule, "ORDERED", ()):
        smaller, larger = tree.get_field(checked, low), tree.get_field(checked, high)
        traced = isinstance(smaller, Tracer) or isinstance(larger, Tracer)
        if not traced and not smaller < larger:
            raise bad_value(name_of(rule), low, f"< {high} = {larger:g}", f"{smaller:g}")
    return checked


def _class_of(hyper: Any) -> str:
    """With the name of its module where it is a Hyper: all rules call theirs so."""
    cls = type(hyper)
    module = f"{cls.__module__.rpartition('.')[2]}." if hasattr(hyper, "_fields") else ""
    return module + cls.__qualname__


def check_numbers(where: str, hyper: Any, defaults: Any) -> Any:
    """`hyper` checked and cast as by `check`; `defaults` has its structure and is suggested."""
    return _check_part(where, "", hyper, defaults, None)


def _check_part(where: str, path: str, value: Any, default: Any, hint: Any) -> Any:
    if not isinstance(value, dict | tuple) and not isinstance(default, dict | tuple):
        if value is None and default is None:
            return None
        return _check_number(where, path, value, default, interval_of(hint))
    if _kind(value) != _kind(default):
        raise bad_type(where, path, f"a {_kind(default)}", _kind(value), "Start from the default.")
    defaults, hints = tree.fields(default), _hints(type(value))
    each = _of_each(hint)
    prefix, checked = f"{path}." if path else "", {}
    for name, part in tree.fields(value).items():
        hint = hints.get(name, each)
        checked[name] = _check_part(where, prefix + name, part, defaults.get(name), hint)
    return tree.with_fields(value, checked)


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"dict of {', '.join(sorted(value))}"
    cls = type(value)
    return f"{cls.__module__}.{cls.__qualname__}" if hasattr(value, "_fields") else cls.__name__


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True) if hasattr(cls, "_fields") else {}


def _check_number(where: str, path: str, value: Any, default: Any, interval: Any) -> jax.Array:
    if isinstance(value, Tracer):
        _check_traced(where, path, value)
        return value.astype(jnp.result_type(float))
    try:
        if value is None or isinstance(value, str | bool) or np.iscomplexobj(value):
            raise TypeError
        number = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        fix = _instead(value) or _suggest(default)
        raise bad_type(where, path, "a real number", shown(value), fix) from None
    if number.ndim:
        fix = "Batch over numbers with jax.vmap."
        raise bad_type(where, path, "a scalar", f"shape {number.shape}", fix)
    # What counts is the number that the rule will see: 1 - 1e-9 is 1 in float32, and 1e-50 is 0.
    dtype, concrete = jnp.result_type(float), float(number)
    with np.errstate(over="ignore", under="ignore"):
        stored = float(number.astype(dtype))
    finite = math.isfinite(stored)
    if not finite or (interval is not None and stored not in interval):
        lost = math.isfinite(concrete) and (interval is None or concrete in interval)
        got = f"{concrete!r}, which is {stored:g} in {dtype}" if lost else f"{concrete:g}"
        near = -concrete if interval is not None and -concrete in interval else default
        raise bad_value(where, path, str(interval) if finite else "finite", got, _suggest(near))
    return jnp.asarray(cast(Any, value), dtype)


def _check_traced(where: str, path: str, value: Tracer) -> None:
    """The shape and the dtype of a traced number, which are known."""
    if value.ndim:
        fix = "Batch over numbers with jax.vmap."
        raise bad_type(where, path, "a scalar", f"shape {value.shape}", fix)
    if not any(jnp.issubdtype(value.dtype, kind) for kind in (jnp.floating, jnp.integer)):
        raise bad_type(where, path, "a real number", f"a traced {value.dtype}")


def _instead(value: Any) -> str:
    """What to pass for a number as text, or for a schedule; empty for anything else."""
    if callable(value) or hasattr(value, "Hyper"):
        return _SCHEDULE
    try:
        return f"Pass the number {float(value):g}." if isinstance(value, str) else ""
    except ValueError:
        return ""


_SCHEDULE = (
    "For a schedule use optimizers.scheduled, or `schedule` in training; "
    "schedules.from_optax makes one of Optax's."
)


def _suggest(value: Any) -> str:
    if value is None or isinstance(value, Tracer):
        return ""
    return f"Did you mean {float(value):g}?"
