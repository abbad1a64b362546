"""`from_optax`: any factory of Optax as a rule, with its numbers in the argument.

The transformation is built anew from traced numbers inside each `init` and `update`, which costs
nothing once compiled: a new number is then no new program, and numbers can be batched.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections import namedtuple
from collections.abc import Callable, Hashable, Iterable, Mapping
from importlib import import_module
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn import tree
from jaxnn.errors import bad_type, bad_value, unknown_name
from jaxnn.optimizers import base
from jaxnn.space import Distribution, log_uniform
from jaxnn.typing import Params, Positive, Real

__all__ = ["OptaxRule", "from_optax"]

# What update functions of Optax may ask for by keyword, and what supplies it; grad is there anyway.
_ARGUMENTS = {"grad": None, "obj_fn": "value_fn", **{name: name for name in base.NEEDS}}

_DEMANDS_A_VALUE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


@dataclasses.dataclass(frozen=True)
class OptaxRule:
    """A rule made by `from_optax`: equal and hashed by value, pickled where its factory is."""

    factory: Callable[..., Any]
    numbers: tuple[tuple[str, float], ...]
    structure: tuple[tuple[str, Hashable], ...]
    title: str
    search_space: tuple[tuple[str, Distribution], ...]
    needs: frozenset[str]
    reverse_differentiable: bool
    evaluation: Callable[[Any, Params], Params] | None

    STRUCTURE: ClassVar[dict[str, Any]] = {}

    def __post_init__(self) -> None:
        made = self.factory(**dict(self.structure), **dict(self.numbers))
        if not (hasattr(made, "init") and hasattr(made, "update")):
            constraint = "a factory of gradient transformations"
            raise bad_type("from_optax", "factory", constraint, f"one of {type(made).__name__}")
        hyper = self.Hyper()
        for name in hyper._fields:
            try:
                jax.eval_shape(lambda x, n=name: self._built(hyper._replace(**{n: x})), 0.5)
            except _DEMANDS_A_VALUE as error:
                raise self._not_traceable(name) from error

    def _built(self, hyper: Any) -> tuple[()]:
        self.transformation(hyper)
        return ()

    def __reduce__(self) -> tuple[Any, ...]:
        factory, *rest = (getattr(self, field.name) for field in dataclasses.fields(self))
        return _restored, (_public_name(factory) or factory, *rest)

    @property
    def __name__(self) -> str:
        return self.title

    @property
    def Hyper(self) -> Any:  # noqa: N802
        """A NamedTuple of the numbers, with their defaults."""
        return _hyper_class(self.numbers)

    @property
    def SEARCH_SPACE(self) -> dict[str, Distribution]:  # noqa: N802
        """Distributions by name of the number."""
        return dict(self.search_space)

    @property
    def REFERENCE(self) -> str:  # noqa: N802
        """The factory's dotted name."""
        return _dotted_name(self.factory)

    @functools.cached_property
    def arguments(self) -> frozenset[str]:
        """The keywords with which the transformation's `update` is called."""
        return _asked_for(self.transformation(self.Hyper()).update) | self.needs

    @property
    def NEEDS(self) -> frozenset[str]:  # noqa: N802
        """What the transformation asks for beyond gradients."""
        return frozenset(filter(None, map(_ARGUMENTS.get, self.arguments)))

    @property
    def REVERSE_DIFFERENTIABLE(self) -> bool:  # noqa: N802
        """As told; False where nothing was said."""
        return self.reverse_differentiable

    def transformation(self, hyper: Any) -> Any:
        """What the factory makes of these numbers, taking any keyword in `update`."""
        import optax

        made = self.factory(**dict(self.structure), **hyper._asdict())
        return optax.with_extra_args_support(made)

    def init(self, params: Params, hyper: Any) -> Any:
        """The transformation's state. Raises TypeError for parameters below float32."""
        _check_dtypes(self.title, "params", params)
        _, _, numbers = tree.promote(params, (), hyper)
        state = self._traced(lambda: self.transformation(numbers).init(params))
        return _like(state, state)

    def update(
        self, grads: Params, state: Any, params: Params, hyper: Any, **extra: Any
    ) -> tuple[Params, Any]:
        """One step. Returns (updates, state), in the dtypes of `grads` and of `state`.

        Raises TypeError for gradients below float32.
        """
        _check_dtypes(self.title, "grads", grads)
        _, _, numbers = tree.promote(grads, (), hyper)
        available = {**base.extras(self, extra), None: grads}
        passed = {name: available[_ARGUMENTS[name]] for name in self.arguments}
        updates, new = self._traced(
            lambda: self.transformation(numbers).update(grads, state, params, **passed)
        )
        return _like(updates, grads), _like(new, state)

    def evaluation_params(self, state: Any, params: Params, hyper: Any) -> Params:
        """Those that `evaluation_params=` gave, or `params`."""
        del hyper
        return params if self.evaluation is None else self.evaluation(state, params)

    def _traced(self, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except _DEMANDS_A_VALUE as error:
            raise self._not_traceable(", ".join(dict(self.numbers))) from error

    def _not_traceable(self, names: str) -> Exception:
        fix = f"Hold it fixed: from_optax({self.REFERENCE}, static=({names!r},))."
        return bad_type(self.title, names, "traceable", "a test of its value in Python", fix)


@functools.cache
def _rule(*fields: Any) -> OptaxRule:
    return OptaxRule(*fields)


def _restored(factory: Any, *fields: Any) -> OptaxRule:
    if isinstance(factory, str):
        module, _, name = factory.rpartition(".")
        factory = getattr(import_module(module), name)
    return _rule(factory, *fields)


@functools.cache
def _hyper_class(numbers: tuple[tuple[str, float], ...]) -> Any:
    names, defaults = zip(*numbers, strict=True) if numbers else ((), ())
    cls: Any = namedtuple("Hyper", names, defaults=defaults, module=__name__)
    cls.__doc__ = "Numbers of an Optax rule; scalars, may be traced or batched."
    cls.__annotations__ = {**dict.fromkeys(names, Real), "learning_rate": Positive}
    # By value: pickle would look for the class by name, and there is one for each rule.
    cls.__reduce__ = lambda self: (_hyper, (numbers, tuple(self)))
    return cls


def _hyper(numbers: tuple[tuple[str, float], ...], values: tuple[Any, ...]) -> Any:
    return _hyper_class(numbers)(*values)


def from_optax(
    factory: Callable[..., Any],
    /,
    *,
    search_space: Mapping[str, Distribution] | None = None,
    needs: Iterable[str] = (),
    static: Iterable[str] = (),
    reverse_differentiable: bool = False,
    evaluation_params: Callable[[Any, Params], Params] | None = None,
    **defaults: Any,
) -> OptaxRule:
    """A rule from a factory of gradient transformations: `from_optax(optax.sgd, momentum=0.9)`.

    defaults: arguments of the factory. The numbers, fields of `Hyper`, are the learning rate and
    what is a float by its given or default value, but for the names in `static`; integers, tuples,
    booleans, None, strings and callables (schedules too) are structure. A learning rate that has
    no default gets 1e-3; where its default is None (adadelta, adafactor) it is a number only if
    given.
    search_space: distributions by name; by default the learning rate's, 1e-4 … 1.
    needs: of `base.NEEDS`, beyond those that the update function is seen to ask for.
    evaluation_params: (state, params) → the parameters to evaluate at, for example
    `optax.contrib.schedule_free_eval_params`.

    Arithmetic is Optax's own: parameters below float32 are refused. A random key is structure, so
    that all runs draw the same noise. Evaluations that a line search makes are not counted.
    `optax.contrib.dpsgd` wants gradients by example in the place of gradients, `optax.lookahead`
    pairs of parameters: neither is a rule.

    The answer is the same object for the same arguments. Raises TypeError for what is no factory,
    ValueError for an argument that it does not have or that is missing, TypeError for structure
    that does not hash and for a number whose value the factory tests in Python, as
    `optax.contrib.reduce_on_plateau` does.

    >>> import optax
    >>> rule = from_optax(optax.sgd, momentum=0.9)
    >>> rule.__name__, rule.Hyper()
    ('optax.sgd(momentum=0.9)', Hyper(learning_rate=0.001, momentum=0.9))
    """
    if not callable(factory):
        fix = "Pass optax.adamw itself, not what optax.adamw(1e-3) returns."
        raise bad_type("from_optax", "factory", "a callable", type(factory).__name__, fix)
    name = _dotted_name(factory)
    numbers, structure = _arguments(name, factory, defaults, frozenset(static))
    space = {"learning_rate": log_uniform(1e-4, 1e0)} if "learning_rate" in numbers else {}
    space = space if search_space is None else search_space
    for key in space:
        if key not in numbers:
            raise unknown_name(name, "search_space", key, numbers)
    for key in needs:
        if key not in base.NEEDS:
            raise unknown_name(name, "needs", key, base.NEEDS)
    return _rule(
        factory,
        tuple(numbers.items()),
        tuple(structure.items()),
        _name(name, factory, defaults),
        tuple(space.items()),
        frozenset(needs),
        reverse_differentiable,
        evaluation_params,
    )


def _arguments(
    name: str, factory: Callable[..., Any], given: Mapping[str, Any], static: frozenset[str]
) -> tuple[dict[str, float], dict[str, Hashable]]:
    """The factory's arguments as (numbers, structure), in the order of its signature."""
    parameters = inspect.signature(factory).parameters
    for key in (*given, *static):
        if key not in parameters:
            raise unknown_name(name, "defaults" if key in given else "static", key, parameters)
    numbers: dict[str, float] = {}
    structure: dict[str, Hashable] = {}
    for key, parameter in parameters.items():
        default = 1e-3 if key == "learning_rate" else parameter.empty
        default = default if parameter.default is parameter.empty else parameter.default
        value = given.get(key, default)
        if value is parameter.empty:
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                continue
            fix = f"Write from_optax({name}, {key}=...)."
            raise bad_value(name, key, "given", "nothing", fix)
        if key not in static and _is_number(key, value, default):
            numbers[key] = float(value)
        else:
            structure[key] = _hashable(name, key, value)
    return numbers, structure


def _is_number(key: str, value: Any, default: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return key == "learning_rate" or isinstance(default, float)
    scalar = isinstance(value, float | np.generic | np.ndarray | jax.Array) and not np.ndim(value)
    return scalar and jnp.issubdtype(jnp.result_type(value), jnp.floating)


def _hashable(name: str, key: str, value: Any) -> Hashable:
    try:
        hash(value)
    except TypeError:
        fix = "Pass an integer for a key, a function of the parameters for a mask."
        constraint = "hashable, being structure"
        raise bad_type(name, key, constraint, f"a {type(value).__name__}", fix) from None
    return value


def _public_name(factory: Callable[..., Any]) -> str | None:
    """Where users find it, `optax.adamw`; by identity, for some of Optax's are partial objects."""
    for module in ("optax", "optax.contrib"):
        for name, thing in vars(import_module(module)).items():
            if thing is factory:
                return f"{module}.{name}"
    return None


def _dotted_name(factory: Callable[..., Any]) -> str:
    named = getattr(factory, "func", factory)
    name = getattr(named, "__qualname__", type(named).__name__)
    return _public_name(factory) or f"{named.__module__}.{name}"


def _name(name: str, factory: Callable[..., Any], given: Mapping[str, Any]) -> str:
    parameters = inspect.signature(factory).parameters
    options = ", ".join(
        f"{key}={_shown(given[key])}"
        for key, parameter in parameters.items()
        if key in given and key != "learning_rate" and given[key] != parameter.default
    )
    return f"{name}({options})" if options else name


def _shown(value: Any) -> str:
    name = type(value).__name__ if hasattr(value, "_fields") else getattr(value, "__name__", None)
    return name or repr(value)


def _asked_for(update: Any) -> frozenset[str]:
    """The arguments of `_ARGUMENTS` that an update function takes, or one inside it."""
    found: set[str] = set()
    seen: set[int] = set()
    waiting = [update]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, Mapping):
            waiting.extend(thing.values())
        elif isinstance(thing, tuple | list):
            waiting.extend(thing)
        elif inspect.isfunction(thing):
            names = list(inspect.signature(thing).parameters)
            # Other functions in the closure may have arguments of the same names.
            if names[1:2] == ["state"]:
                found.update(name for name in names[2:] if name in _ARGUMENTS)
            waiting.extend(cell.cell_contents for cell in thing.__closure__ or ())
    return frozenset(found)


def _check_dtypes(where: str, name: str, values: Params) -> None:
    for leaf in jax.tree.leaves(values):
        dtype = jnp.result_type(leaf)
        if jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32:
            fix = "Most Optax rules change the dtype of their state or overflow below it."
            raise bad_type(where, name, "of float32 or wider", dtype, fix)


def _like(values: Any, like: Any) -> Any:
    """Each leaf in the dtype of its counterpart, and of a strong type: a scan can carry it."""
    return jax.tree.map(_as, values, like)


def _as(value: Any, like: Any) -> Any:
    if isinstance(like, jax.Array) and jnp.issubdtype(like.dtype, jax.dtypes.extended):
        return value
    return jax.lax.convert_element_type(value, jnp.result_type(like))
