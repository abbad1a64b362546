"""What every wrapper is: a rule made from a rule, with the declarations of the one inside.

    clipped(adam, by="global_norm").Hyper(inner=adam.Hyper(), max_norm=1.0)

A wrapper is a frozen value of structure: equal and hashed by what it is made of, one object for the
same arguments, pickled by the names of its modules. Its numbers are those of the rule inside, in
the field `inner`, and its own beside them; its state likewise. So dotted names, `inner.eps`, reach
every number and every structural option at any depth.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Hashable
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar, NamedTuple, ParamSpec, TypeAlias, TypeVar

import jax.numpy as jnp

from jaxnn import tree
from jaxnn.errors import BadValue, bad_type, bad_value, unknown_name
from jaxnn.optimizers import base
from jaxnn.optimizers.table import check_rule
from jaxnn.typing import Array, Float, Params

__all__ = [
    "EVALUATED",
    "Composite",
    "Hyper",
    "State",
    "Wrapper",
    "as_reference",
    "copied",
    "has_learning_rate",
    "learning_rate",
    "made",
    "referred",
    "structural",
    "wrapped",
]

EVALUATED = frozenset({"value_fn", "residual_fn", "per_example_grads"})
"""What a rule reads in the place of the gradient that it is given, or beside it."""

Reference: TypeAlias = Any
"""A module's name, or a rule that is an object: what hashes and pickles."""


class Hyper(NamedTuple):
    """Numbers of a wrapper that has none of its own."""

    inner: Any  # the rule's


class State(NamedTuple):
    """State of a wrapper that has nothing of its own to remember."""

    inner: Any  # the rule's


@dataclasses.dataclass(frozen=True)
class Composite:
    """A rule made of rules; what it declares follows from what they declare.

    OPTIONS are its own structural options, by field: the values each may have, the default first.
    LINEAR_IN_GRADIENTS says that updates stay proportional to the gradients where those of the
    rules are, BOUNDS_GRADIENTS that the rules see none that are large, RETURNS_UPDATES that theirs
    are passed on as they are, so that what a line search computed at its end still holds,
    PASSES_COMPLEX that complex leaves are no matter to this, KEEPS_SKIPPING that a gradient which
    the rule skips does nothing here either. A rule that asks for something in REFUSES would not
    notice what this does to gradients, and is refused with the advice INSTEAD.
    """

    OPTIONS: ClassVar[dict[str, tuple[Hashable, ...]]] = {}
    OWN_SPACE: ClassVar[dict[str, Any]] = {}
    OWN_NEEDS: ClassVar[frozenset[str]] = frozenset()
    OWN_EVALUATIONS: ClassVar[int] = 0
    LINEAR_IN_GRADIENTS: ClassVar[bool] = False
    BOUNDS_GRADIENTS: ClassVar[bool] = False
    RETURNS_UPDATES: ClassVar[bool] = False
    PASSES_COMPLEX: ClassVar[bool] = False
    KEEPS_SKIPPING: ClassVar[bool] = True
    REFUSES: ClassVar[frozenset[str]] = frozenset()
    INSTEAD: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        # One wrapper a file: its mathematics and its paper are what a reader of the rule looks for.
        cls.__doc__ = sys.modules[cls.__module__].__doc__ or cls.__doc__

    @property
    def rules(self) -> dict[str, Any]:
        """The rules inside, by the path of their numbers in `Hyper`."""
        raise NotImplementedError

    @property
    def __name__(self) -> str:
        inside = [base.name_of(rule) for rule in self.rules.values()]
        options = list(_fields(self).items())[1:]
        own = [f"{k}={_text(v)}" for k, v in options if v != getattr(type(self), k, None)]
        return f"{type(self).__module__.rpartition('.')[2]}({', '.join(inside + own)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return made, (type(self), *_fields(self).values())

    @property
    def STRUCTURE(self) -> dict[str, Any]:  # noqa: N802
        """Its own options, then those of the rules; their names get the prefix `inner.`."""
        found: dict[str, Any] = {k: {v: {} for v in values} for k, values in self.OPTIONS.items()}
        for path, rule in self.rules.items():
            for option, values in rule.STRUCTURE.items():
                found[f"{path}.{option}"] = {
                    value: {f"{path}.{name}": x for name, x in changed.items()}
                    for value, changed in values.items()
                }
        return found

    @property
    def SEARCH_SPACE(self) -> dict[str, Any]:  # noqa: N802
        """Those of its own numbers and of the rules; their names get the prefix `inner.`."""
        inside = {
            f"{path}.{name}": distribution
            for path, rule in self.rules.items()
            for name, distribution in rule.SEARCH_SPACE.items()
        }
        return self.OWN_SPACE | inside

    @property
    def ORDERED(self) -> tuple[tuple[str, str], ...]:  # noqa: N802
        """Those of the rules; their names get the prefix `inner.`."""
        return tuple(
            (f"{path}.{low}", f"{path}.{high}")
            for path, rule in self.rules.items()
            for low, high in getattr(rule, "ORDERED", ())
        )

    @property
    def REFERENCE(self) -> str:  # noqa: N802
        """Those of the rules."""
        return ", ".join(dict.fromkeys(rule.REFERENCE for rule in self.rules.values()))

    @property
    def NEEDS(self) -> frozenset[str]:  # noqa: N802
        """What any of the rules needs, and its own."""
        return self.OWN_NEEDS.union(*(rule.NEEDS for rule in self.rules.values()))

    @property
    def REVERSE_DIFFERENTIABLE(self) -> bool:  # noqa: N802
        """Where all of the rules are."""
        return all(rule.REVERSE_DIFFERENTIABLE for rule in self.rules.values())

    @property
    def LINEAR(self) -> bool:  # noqa: N802
        """Where all of the rules are and this keeps it so."""
        linear = (getattr(rule, "LINEAR", False) for rule in self.rules.values())
        return self.LINEAR_IN_GRADIENTS and all(linear)

    @property
    def SATURATES(self) -> bool:  # noqa: N802
        """Where any of the rules does."""
        return any(getattr(rule, "SATURATES", False) for rule in self.rules.values())

    @property
    def COMPLEX(self) -> bool:  # noqa: N802
        """Where all of the rules are for complex parameters and this passes them on."""
        own = (getattr(rule, "COMPLEX", False) for rule in self.rules.values())
        return self.PASSES_COMPLEX and all(own)

    @property
    def SKIPS_NON_FINITE(self) -> bool:  # noqa: N802
        """Where all of the rules do and this keeps it so."""
        skips = [getattr(rule, "SKIPS_NON_FINITE", False) for rule in self.rules.values()]
        return self.KEEPS_SKIPPING and bool(skips) and all(skips)

    @property
    def GRADIENT_RANGE(self) -> float:  # noqa: N802
        """The least of the rules; 1/2 where one that is linear is inside one that is not.

        The first overflows for the largest gradients, which a caller of the second cannot foresee.
        """
        found = [getattr(rule, "GRADIENT_RANGE", 1.0) for rule in self.rules.values()]
        linear = any(getattr(rule, "LINEAR", False) for rule in self.rules.values())
        overflows = linear and not self.LINEAR and not self.BOUNDS_GRADIENTS
        return min([*found, 0.5] if overflows else found, default=1.0)

    @property
    def EVALUATIONS(self) -> int:  # noqa: N802
        """One gradient for all; what the rules and this evaluate besides is added."""
        more = sum(getattr(rule, "EVALUATIONS", 1) - 1 for rule in self.rules.values())
        return 1 + more + self.OWN_EVALUATIONS

    def with_structure(self, structure: dict[str, Hashable]) -> Any:
        """This with other values of options in STRUCTURE; called by `optimizers.base.variant`."""
        own = {name: x for name, x in structure.items() if name in self.OPTIONS}
        changed = _fields(self) | own | self._inside(structure)
        return made(type(self), *changed.values())

    def _inside(self, structure: dict[str, Hashable]) -> dict[str, Any]:
        """The fields that change where options of the rules inside do."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Wrapper(Composite):
    """A rule around one other. Subclasses have `update`, and `init` where they remember more."""

    HYPER: ClassVar[Any] = Hyper

    reference: Reference

    @property
    def rule(self) -> Any:
        """The rule inside."""
        return referred(self.reference)

    @property
    def rules(self) -> dict[str, Any]:
        """The rule inside, whose numbers are in `inner`."""
        return {"inner": self.rule}

    def Hyper(self, inner: Any = None, *args: Any, **numbers: Any) -> Any:  # noqa: N802
        """The numbers: the rule's own, then those of the wrapper; each has a default.

        Raises ValueError for a number that the wrapper itself does not have.
        """
        cls, defaults = self._hyper_class(), self.rule.Hyper()
        for name in numbers:
            if name not in cls._fields:
                raise self._no_number(name, cls._fields, defaults)
        return cls(defaults if inner is None else inner, *args, **numbers)

    def _no_number(self, name: str, own: tuple[str, ...], defaults: Any) -> BadValue:
        where = base.name_of(self)
        if name not in tree.fields(defaults):
            return unknown_name(where, "hyper", name, own)
        fix = f"It is the rule's: Hyper(inner={base.name_of(self.rule)}.Hyper({name}=...))."
        return bad_value(where, "hyper", f"one of {', '.join(own)}", repr(name), fix)

    def _hyper_class(self) -> Any:
        return self.HYPER

    def init(self, params: Params, hyper: Any) -> Any:
        """The rule's state."""
        if not self.COMPLEX:
            tree.require_real(params)
        return State(self.rule.init(params, hyper.inner))

    def evaluation_params(self, state: Any, params: Params, hyper: Any) -> Params:
        """The rule's."""
        return base.evaluation_params(self.rule, state.inner, params, hyper.inner)

    def record(self, state: Any) -> dict[str, Array]:
        """What the rule records."""
        return base.record(self.rule, state.inner)

    def _inside(self, structure: dict[str, Hashable]) -> dict[str, Any]:
        inner = {k.removeprefix("inner."): x for k, x in structure.items() if "inner." in k}
        return {"reference": as_reference(base.variant(self.rule, **inner))} if inner else {}

    def __getattr__(self, name: str) -> Any:
        # Only there when the rule has it: its presence tells the loop what the rule does.
        if name == "value_and_grad" and self.RETURNS_UPDATES and hasattr(self.rule, name):
            return functools.partial(_value_and_grad, self.rule)
        if name == "extra_evaluations" and hasattr(self.rule, name):
            return functools.partial(_extra_evaluations, self.rule)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _value_and_grad(rule: Any, state: Any) -> Any:
    return rule.value_and_grad(state.inner)


def _extra_evaluations(rule: Any, state: Any, hyper: Any) -> Any:
    return rule.extra_evaluations(state.inner, hyper.inner)


def _fields(made_of: Any) -> dict[str, Any]:
    return {field.name: getattr(made_of, field.name) for field in dataclasses.fields(made_of)}


def _text(value: Any) -> str:
    return getattr(value, "__name__", None) or repr(value)


def as_reference(thing: Any) -> Reference:
    """What stands for a rule or a schedule in a frozen value: for a module its name."""
    return thing.__name__ if isinstance(thing, ModuleType) else thing


def referred(reference: Reference) -> Any:
    """What `as_reference` was given."""
    return import_module(reference) if isinstance(reference, str) else reference


@functools.cache
def made(cls: Any, *fields: Any) -> Any:
    """The one object of this class and these fields, so that `jit` finds what it compiled."""
    return cls(*fields)


def wrapped(cls: Any, rule: Any, **fields: Any) -> Any:
    """A wrapper around a rule or the rule of that name, with its structural fields, in order.

    Raises TypeError for what is no rule, ValueError for an unknown name or value of an option and
    for a rule that asks for what the wrapper would not reach.
    """
    where = cls.__module__.rpartition(".")[2]
    rule = check_rule(where, rule)
    for need in sorted(cls.REFUSES & set(getattr(rule, "NEEDS", ()))):
        constraint = f"one that does not ask for {need}, which would go past {where}"
        raise bad_value(where, "rule", constraint, base.name_of(rule), cls.INSTEAD)
    for option, known in cls.OPTIONS.items():
        if fields[option] not in known:
            constraint = f"one of {', '.join(repr(v) for v in known)}"
            raise bad_value(where, option, constraint, repr(fields[option]))
    return made(cls, as_reference(rule), *fields.values())


P = ParamSpec("P")
T = TypeVar("T")


def structural(function: Callable[P, T]) -> Callable[P, T]:
    """A wrapper's function, which says where numbers go when it is given some.

    The answer raises TypeError for arguments that the function does not take.
    """
    signature = inspect.signature(function)
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    text = f"{function.__name__}{inspect.Signature(plain)}"

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            fix = "Numbers go to Hyper, or by dotted name to bind and train."
            constraint, got = f"structure, {text}", str(error).removeprefix("got ")
            raise bad_type(function.__name__, "arguments", constraint, got, fix) from None
        return function(*args, **kwargs)

    return checked


def copied(params: Params) -> Params:
    """A copy, in buffers of its own and in at least float32, for a state to keep."""
    zeros = tree.zeros_like(params, min_dtype=jnp.float32)
    return tree.map(lambda zero, x: jnp.array(x, zero.dtype), zeros, params)


def has_learning_rate(rule: Any) -> bool:
    """Whether the rule, or the one inside it, has a number of that name."""
    return _rate_path(rule.Hyper()) is not None


def learning_rate(rule: Any, state: Any, hyper: Any) -> Float[Array, ""]:
    """The learning rate that the rule's last update used, scheduled or not."""
    used = base.record(rule, state).get("learning_rate")
    return tree.get_field(hyper, _rate_path(hyper) or "") if used is None else used


def _rate_path(hyper: Any) -> str | None:
    # By label, in a dict, there are several and none is the rule's.
    own = {} if isinstance(hyper, dict) else tree.fields(hyper)
    if "learning_rate" in own:
        return "learning_rate"
    deeper = _rate_path(own["inner"]) if "inner" in own else None
    return deeper and f"inner.{deeper}"
