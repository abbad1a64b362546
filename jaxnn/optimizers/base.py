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
from collections.abc import Callable, Hashable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn import tree
from jaxnn.errors import bad_type, bad_value, shown, unknown_name
from jaxnn.typing import Params

__all__ = [
    "DECLARATIONS",
    "FAMILIES",
    "NEEDS",
    "Optimizer",
    "Variant",
    "apply_updates",
    "evaluation_params",
    "extras",
    "name_of",
    "record",
    "update",
    "variant",
]

NEEDS = {
    "value": "the loss at `params`, a scalar",
    "value_fn": "the loss on this batch as a function of parameters alone",
    "residual_fn": "outputs − targets on this batch as a function of parameters alone",
    "key": "a key of jax.random, another one at each step",
    "per_example_grads": "like `params`, with a leading axis of examples",
    "hessian_diagonal": "like `params`, the diagonal of the Hessian or an estimate of it",
}
"""What a rule may ask for beyond gradients, and what that is.

It goes to `update` as a keyword of that name. `training.step` and `training.train` make it from a
loss and a batch, `bind`'s `update` takes it from the caller.
"""

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
    step; where their number differs from step to step, `extra_evaluations(state, hyper)` says how
    many products with the Hessian, and gradients besides those given, there were so far. LINEAR =
    False: updates are proportional to the gradients, so that gradients near the largest number of
    their dtype overflow in them. SATURATES = False: an infinite gradient gives a finite update (a
    NaN still gives NaN). SKIPS_NON_FINITE = False: either gives a finite one, on purpose.
    GRADIENT_RANGE = 1.0: updates are finite for gradients up to the largest number of their dtype
    to that power; a smaller one is explained in the docstring. COMPLEX = False: complex parameters
    raise TypeError in `init` and `update`; True: steps are against the gradient that is given, the
    conjugate of that of `jax.grad`, whose direction the library's training turns. ORDERED = ():
    pairs of fields of Hyper of which the first must be smaller than the second.
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

    Raises TypeError, while tracing, where the rule needs one that is not there or is of another
    kind than NEEDS says.
    """
    for name in sorted(rule.NEEDS):
        if name not in available:
            fix = f"Pass it to `update` as a keyword: {NEEDS[name]}."
            raise bad_type(name_of(rule), name, "supplied with each update", "nothing", fix)
        if not _is_kind(name, available[name]):
            raise bad_type(name_of(rule), name, NEEDS[name], shown(available[name]))
    return {name: available[name] for name in rule.NEEDS}


def _is_kind(name: str, value: Any) -> bool:
    if name.endswith("_fn"):
        return callable(value)
    leaves = jax.tree.leaves(value)
    if name == "key":  # typed, or the two words of an old one
        keys = [x for x in leaves if hasattr(x, "dtype")]
        new = [jnp.issubdtype(x.dtype, jax.dtypes.prng_key) for x in keys]
        return len(keys) == len(leaves) == 1 and (new[0] or keys[0].dtype == jnp.uint32)
    arrays = all(isinstance(x, float | int | np.generic | np.ndarray | jax.Array) for x in leaves)
    return arrays and (name != "value" or (len(leaves) == 1 and jnp.ndim(leaves[0]) == 0))


def update(
    rule: Any, grads: Params, state: Any, params: Params, hyper: Any, **extra: Any
) -> tuple[Params, Any]:
    """The rule's `update`, found to give what the contract says: anybody's rule comes in here.

    Raises TypeError, while tracing, where it gives something else than (updates, state).
    """
    answer = rule.update(grads, state, params, hyper, **extra)
    wanted, fix = "a function that returns (updates, state)", ""
    pair = type(answer) is tuple and len(answer) == 2
    if pair and jax.tree.structure(answer[0]) == jax.tree.structure(grads):
        return answer
    got = f"one that returns {f'{len(answer)} things' if type(answer) is tuple else shown(answer)}"
    if pair:
        got = f"updates of the structure {jax.tree.structure(answer[0])}"
        fix = f"They are like the gradients, {jax.tree.structure(grads)}."
    raise bad_type(name_of(rule), "update", wanted, got, fix)


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
