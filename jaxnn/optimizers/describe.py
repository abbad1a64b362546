"""What a rule is and what it costs: formula, paper, numbers with their ranges, size of its state.

print(describe(adam, params))
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer

from jaxnn import tree
from jaxnn.optimizers.base import name_of
from jaxnn.optimizers.hypers import check, numbers_of
from jaxnn.optimizers.table import check_rule
from jaxnn.typing import Interval, Params

__all__ = ["Description", "Number", "describe"]


class Number(NamedTuple):
    """One field of a Hyper, by dotted name."""

    name: str
    value: float | None  # None where it is traced or not given
    interval: Interval | None  # None where every real number will do


@dataclasses.dataclass(frozen=True)
class Description:
    """What `describe` found; `str` of it is for reading.

    state_bytes: of the state for the given parameters. state_multiple: as a multiple of their own
    bytes. state_dtypes: what each part of it is kept in, by dotted name of the field. needs: what
    the rule asks for beyond gradients. evaluations: gradients a step costs, searches: at least,
    since it searches a line. reverse_differentiable: whether `jax.grad` passes through training
    with it.
    """

    name: str
    summary: str
    formula: str
    paper: str
    agrees_with: str
    family: str
    year: int | None
    numbers: tuple[Number, ...]
    structure: dict[str, tuple[Any, ...]]
    needs: tuple[str, ...]
    evaluations: int
    searches: bool
    reverse_differentiable: bool
    state_bytes: int
    state_multiple: float
    state_dtypes: dict[str, str]

    def __str__(self) -> str:
        year = f", {self.year}" if self.year else ""
        lines = [f"{self.name} ({self.family}{year}): {self.summary}", "", self.formula, ""]
        for number in self.numbers:
            value = "–" if number.value is None else f"{number.value:g}"
            limits = f"  {number.interval}" if number.interval else ""
            lines.append(f"  {number.name} = {value}{limits}")
        for option, values in self.structure.items():
            lines.append(f"  {option}: {' | '.join(repr(v) for v in values)}")
        lines += [
            "",
            f"state: {self.state_bytes:,} bytes, {self.state_multiple:.2f} × the parameters",
            *self._kept(),
            f"needs: {', '.join(self.needs) or 'gradients alone'}",
            f"gradient evaluations: {self.evaluations} a step{self._besides()}",
            f"jax.grad through training: {'yes' if self.reverse_differentiable else 'no'}",
            f"reference: {self.paper}",
        ]
        if self.agrees_with:
            lines.append(f"agrees with: {self.agrees_with}")
        return "\n".join(lines)

    def _besides(self) -> str:
        besides = [text for need, text in _COSTS.items() if need in self.needs]
        if self.searches:
            besides = ["those of its line search that go on from the first"]
        return f", and {' and '.join(besides)}" if besides else ""

    def _kept(self) -> list[str]:
        names: dict[str, list[str]] = {}
        for name, dtype in self.state_dtypes.items():
            names.setdefault(dtype, []).append(name)
        kept = "; ".join(f"{', '.join(fields)} in {dtype}" for dtype, fields in names.items())
        return [f"kept: {kept}"] if kept else []


_COSTS = {
    "hessian_diagonal": "a product with the Hessian, in the time of some three",
    "per_example_grads": "that of each example",
    "residual_fn": "a linear system of the residuals' derivatives",
}
"""What training spends on a need, besides gradients."""


def describe(rule_or_name: Any, params: Params = None, hyper: Any = None) -> Description:
    """What a rule is, and what it costs for these parameters; nothing is computed.

    rule_or_name: an optimizer or its name. params: arrays or `jax.ShapeDtypeStruct`s; by default
    those of a layer of 64 × 32 in float32. hyper: the rule's Hyper or a dict; its defaults.
    Raises ValueError and TypeError for an unknown name and for numbers outside their range.

    >>> found = describe("adam")
    >>> found.family, found.year, round(found.state_multiple, 3)
    ('adaptive', 2015, 2.0)
    >>> found.state_dtypes
    {'step': 'int32', 'mean': 'float32', 'mean_of_squares': 'float32'}
    """
    rule = check_rule("describe", rule_or_name, declared=True)
    if params is None:
        params = {"bias": jax.ShapeDtypeStruct((32,), jnp.float32)} | {
            "weight": jax.ShapeDtypeStruct((64, 32), jnp.float32)
        }
    numbers = check(rule, rule.Hyper() if hyper is None else hyper)
    state = jax.eval_shape(functools.partial(rule.init, hyper=_whole(numbers)), params)
    size, own = _bytes(state), _bytes(jax.eval_shape(lambda x: x, params))
    document = inspect.cleandoc(rule.__doc__ or "")
    paper, agrees = _paper(document)
    summary, _, rest = document.partition("\n\n")
    return Description(
        name=name_of(rule),
        summary=_joined(summary.partition(": ")[2] or summary),
        formula=_indented(rest),
        paper=paper,
        agrees_with=agrees,
        family=getattr(rule, "FAMILY", "of your own"),
        year=getattr(rule, "YEAR", None),
        numbers=tuple(
            Number(name, _plain(value), interval)
            for name, (value, interval) in numbers_of(numbers).items()
        ),
        structure={option: tuple(values) for option, values in rule.STRUCTURE.items()},
        needs=tuple(sorted(rule.NEEDS)),
        evaluations=getattr(rule, "EVALUATIONS", 1),
        searches=hasattr(rule, "value_and_grad"),
        reverse_differentiable=rule.REVERSE_DIFFERENTIABLE,
        state_bytes=size,
        state_multiple=size / own if own else 0.0,
        state_dtypes=_dtypes(state),
    )


def _whole(hyper: Any) -> Any:
    """With a length of the run where a schedule waits for one: it decides no shape."""
    parts = {name: _whole(part) for name, part in tree.fields(hyper).items()}
    if "num_steps" in parts and parts["num_steps"] is None:
        parts["num_steps"] = 1
    return tree.with_fields(hyper, parts) if parts else hyper


def _bytes(shapes: Any) -> int:
    # A key has no number of bytes: it counts as none.
    found = [x for x in jax.tree.leaves(shapes) if not jnp.issubdtype(x.dtype, jax.dtypes.extended)]
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in found)


def _dtypes(state: Any, path: str = "") -> dict[str, str]:
    """The dtypes of the parts of a state by their names, those of wrappers and groups apart."""
    parts = tree.fields(state)
    if hasattr(state, "_fields") or any(hasattr(part, "_fields") for part in parts.values()):
        prefix = f"{path}." if path else ""
        return {
            k: x for name, part in parts.items() for k, x in _dtypes(part, prefix + name).items()
        }
    found = dict.fromkeys(str(x.dtype) for x in jax.tree.leaves(state))
    return {path or "state": " and ".join(found)} if found else {}


def _plain(value: Any) -> float | None:
    return None if value is None or isinstance(value, Tracer) else float(value)


def _joined(text: str) -> str:
    return " ".join(text.split()).removesuffix(".")


def _indented(text: str) -> str:
    """The formula: the first indented lines."""
    lines = text.splitlines()
    first = next((n for n, line in enumerate(lines) if line.startswith("    ")), len(lines))
    formula = []
    for line in lines[first:]:
        if line and not line.startswith("    "):
            break
        formula.append(line)
    return "\n".join(formula).rstrip()


def _paper(document: str) -> tuple[str, str]:
    """What stands behind "Reference:", and the sentence on what the rule agrees with."""
    found = re.search(r"^Reference: (.*?)(?=\n\n|\Z)", document, re.MULTILINE | re.DOTALL)
    paper, _, agrees = (found.group(1) if found else "none").partition("Agrees with ")
    return _joined(paper), _joined(agrees)
