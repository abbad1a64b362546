"""The contract of an optimizer, its structural variants, and the check of its numbers.

An optimizer is anything with `Hyper`, `init` and `update`; a module of this package is one,
`variant` gives one whose structure differs, a wrapper returns one:

    hyper = adam.Hyper(learning_rate=1e-3)
    state = adam.init(params, hyper)
    updates, state = adam.update(grads, state, params, hyper, **extra)

Numbers arrive in `hyper` and may be traced or batched; structure is keyword-only and static.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Hashable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol, cast, get_args, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxnn import tree
from jaxnn.errors import bad_type, bad_value, shown, unknown_name
from jaxnn.typing import Params, interval_of

__all__ = [
    "DECLARATIONS",
    "FAMILIES",
    "NEEDS",
    "Optimizer",
    "Variant",
    "apply_updates",
    "check",
    "check_numbers",
    "evaluation_params",
    "extras",
    "make_hyper",
    "name_of",
    "record",
    "variant",
    "with_numbers",
]

NEEDS = frozenset(
    {"value", "value_fn", "residual_fn", "key", "per_example_grads", "hessian_diagonal"}
)
"""What a rule may ask for beyond gradients; the training loop supplies it as a keyword."""

DECLARATIONS = {
    "STRUCTURE": "STRUCTURE = {}",
    "SEARCH_SPACE": 'SEARCH_SPACE = {"learning_rate": log_uniform(1e-4, 1e-1)}',
    "NEEDS": "NEEDS = frozenset()",
    "REVERSE_DIFFERENTIABLE": "REVERSE_DIFFERENTIABLE = True",
}
"""What training, tuning and lists read of a rule besides Hyper, init and update; examples."""

FAMILIES = {
    "momentum": "steps along a sum of past gradients",
    "adaptive": "a rate of its own for each weight, from the gradients that it has seen",
    "sign": "steps whose size does not depend on that of the gradient",
    "layer-wise": "steps scaled or orthogonalised a layer at a time",
    "factored": "statistics kept by rows and columns, in less memory",
    "parameter-free": "the learning rate is found on the way",
    "averaged": "evaluated at an average of the steps",
    "perturbed": "gradients taken elsewhere, or with noise",
    "second-order": "curvature, or a model of it, decides the direction",
    "line search": "the length of a step is searched for",
}
"""What rules do, in groups; the `FAMILY` of each rule of the table is one of them."""


class Optimizer(Protocol):
    """What every rule offers. Optional besides: `evaluation_params`, `value_and_grad`, `record`.

    STRUCTURE maps each structural option to its values (the first is the default), and each value
    to the defaults of `Hyper` that it changes. SEARCH_SPACE maps fields of Hyper to distributions.
    REFERENCE names the implementation that the rule is checked against. NEEDS is a subset of
    `base.NEEDS`. REVERSE_DIFFERENTIABLE says that `jax.grad` passes through training with it.
    FAMILY and YEAR are for lists; rules of the table have them.

    What a rule does not declare has its usual value. EVALUATIONS = 1: the gradient evaluations of a
    step. LINEAR = False: updates are proportional to the gradients, so that gradients near the
    largest number of their dtype overflow in them. SATURATES = False: an infinite gradient gives a
    finite update (a NaN still gives NaN). SKIPS_NON_FINITE = False: either gives a finite one, on
    purpose. GRADIENT_RANGE = 1.0: updates are finite for gradients up to the largest number of
    their dtype to that power; a smaller one is explained in the docstring. COMPLEX = False: complex
    parameters raise TypeError in `init` and `update`; True: steps are against the gradient that is
    given, the conjugate of that of `jax.grad`, whose direction the library's training turns.
    """

    Hyper: Any
    STRUCTURE: Mapping[str, Mapping[Hashable, Mapping[str, float]]]
    SEARCH_SPACE: Mapping[str, Any]
    REFERENCE: str
    NEEDS: frozenset[str]
    REVERSE_DIFFERENTIABLE: bool
    init: Callable[..., Any]
    update: Callable[..., tuple[Params, Any]]


@dataclasses.dataclass(frozen=True)
class _HyperFactory:
    """The `Hyper` of a variant: the module's own class with the variant's defaults."""

    cls: Any
    changed: tuple[tuple[str, float], ...]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        defaults = {**self._field_defaults, **dict(zip(self.cls._fields, args, strict=False))}
        return self.cls(**{**defaults, **kwargs})

    @property
    def _fields(self) -> tuple[str, ...]:
        return self.cls._fields

    @property
    def _field_defaults(self) -> dict[str, Any]:
        return {**self.cls._field_defaults, **dict(self.changed)}


@dataclasses.dataclass(frozen=True)
class Variant:
    """A rule of this package with other structure: hashable, equal by value, pickled by name."""

    module: str
    structure: tuple[tuple[str, Hashable], ...]

    @property
    def _rule(self) -> Any:
        return import_module(self.module)

    @property
    def __name__(self) -> str:
        options = ", ".join(f"{k}={v!r}" for k, v in self.structure)
        return f"{self.module.rpartition('.')[2]}({options})"

    @property
    def __doc__(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._rule.__doc__

    @property
    def Hyper(self) -> Any:  # noqa: N802
        """The module's `Hyper` with the defaults that this structure changes."""
        changed: dict[str, float] = {}
        for option, value in self.structure:
            changed |= self._rule.STRUCTURE[option][value]
        return _HyperFactory(self._rule.Hyper, tuple(sorted(changed.items())))

    def init(self, params: Params, hyper: Any) -> Any:
        """The module's `init` with this variant's structure."""
        return self._rule.init(params, hyper, **dict(self.structure))

    def update(
        self, grads: Params, state: Any, params: Params, hyper: Any, **extra: Any
    ) -> tuple[Params, Any]:
        """The module's `update` with this variant's structure."""
        return self._rule.update(grads, state, params, hyper, **dict(self.structure), **extra)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._rule, name)


@functools.cache
def _variant(module: str, structure: tuple[tuple[str, Hashable], ...]) -> Variant:
    return Variant(module, structure)


def variant(rule: Any, **structure: Hashable) -> Any:
    """A module, or a variant of it, with other structure; the module itself where nothing differs.

    Raises ValueError for an option or a value that the rule's STRUCTURE does not have.
    """
    where = name_of(rule)
    for option, value in structure.items():
        if not rule.STRUCTURE:
            constraint = "empty, since the rule has no options"
            raise bad_value(where, "structure", constraint, repr(option))
        if option not in rule.STRUCTURE:
            raise unknown_name(where, "structure", option, rule.STRUCTURE)
        if value not in list(rule.STRUCTURE[option]):
            known = ", ".join(repr(v) for v in rule.STRUCTURE[option])
            raise bad_value(where, option, f"one of {known}", repr(value))
    if hasattr(rule, "with_structure"):
        return rule.with_structure(structure)
    if isinstance(rule, Variant):
        rule, structure = import_module(rule.module), {**dict(rule.structure), **structure}
    changed = {k: v for k, v in structure.items() if v != next(iter(rule.STRUCTURE[k]))}
    return _variant(rule.__name__, tuple(sorted(changed.items()))) if changed else rule


def name_of(rule: Any) -> str:
    """The rule's name as it stands in tables and errors: that of a module without its packages."""
    name = getattr(rule, "__name__", type(rule).__name__)
    return name.rpartition(".")[2] if isinstance(rule, ModuleType) else name


def extras(rule: Any, available: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the `available` extras that the rule asks for.

    Raises TypeError, while tracing, where the rule needs one that is not there.
    """
    missing = rule.NEEDS - set(available)
    if missing:
        fix = "Pass it to `update` as a keyword."
        raise bad_type(name_of(rule), min(missing), "supplied with each update", "nothing", fix)
    return {name: available[name] for name in rule.NEEDS}


def evaluation_params(rule: Any, state: Any, params: Params, hyper: Any) -> Params:
    """The parameters to evaluate the model at: the rule's own, or `params`."""
    own = getattr(rule, "evaluation_params", None)
    return own(state, params, hyper) if own else params


def record(rule: Any, state: Any) -> dict[str, Any]:
    """The numbers that the last update used and that belong in a history, by dotted field name."""
    own = getattr(rule, "record", None)
    return own(state) if own else {}


def apply_updates(params: Params, updates: Params) -> Params:
    """`params + updates`, summed in at least float32, in the dtypes of `params`."""
    wide_params, _, _, wide_updates = tree.promote(params, (), (), updates, complex_as="parts")
    return tree.cast_like(tree.map(jnp.add, wide_params, wide_updates), params)


def make_hyper(rule: Any, values: Mapping[str, Any]) -> Any:
    """The rule's `Hyper` with the numbers in `values`; dotted names reach nested ones.

    Raises ValueError for a name that it does not have.
    """
    return with_numbers(name_of(rule), rule.Hyper(), values)


def with_numbers(where: str, hyper: Any, values: Mapping[str, Any]) -> Any:
    """`hyper` with the numbers in `values`, by dotted name, unchecked but for the names."""
    for path, value in values.items():
        inner, prefix = hyper, ""
        for part in path.split("."):
            known = tree.fields(inner)
            if part not in known:
                options = [prefix + k for k in known] or tree.fields(hyper)
                raise unknown_name(where, "hyper", path, options)
            inner, prefix = known[part], f"{prefix}{part}."
        hyper = tree.replace_field(hyper, path, value)
    return hyper


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
    return check_numbers(name_of(rule), hyper, rule.Hyper())


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
    each = next(iter(get_args(hint)), None)  # of tuple[UnitInterval, ...]
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
