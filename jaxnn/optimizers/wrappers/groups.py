"""Groups of leaves: masks and labels as values that hash, and the trees that hold one group alone.

A mask or a tree of labels is a pytree prefix of the parameters, `{"encoder": True, "head": False}`,
or a function of the parameters that returns one, best one at the level of a module, so that it
pickles. It is structure: a function may look at paths, shapes and dtypes, never at values. In the
tree of a group the leaves of all others are None.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxnn.errors import bad_type
from jaxnn.typing import Params, PyTree

__all__ = ["Static", "joined", "part", "restricted", "spread", "static"]


@dataclasses.dataclass(frozen=True)
class Static:
    """A pytree of constants that is equal and hashed by value."""

    structure: Any
    leaves: tuple[Any, ...]

    @property
    def tree(self) -> PyTree:
        """The pytree again."""
        return self.structure.unflatten(self.leaves)

    def __repr__(self) -> str:
        return repr(self.tree)

    def __reduce__(self) -> tuple[Any, ...]:
        return _static, (self.tree,)


def _static(constants: PyTree) -> Static:
    leaves, structure = jax.tree.flatten(constants)
    return Static(structure, tuple(leaves))


def static(where: str, name: str, prefix: Any, kind: type) -> Any:
    """A mask (kind bool) or labels (str), checked, as what hashes; None and functions as they are.

    Raises TypeError for a leaf of another kind.
    """
    if prefix is None or callable(prefix):
        return prefix
    return _static(jax.tree.map(functools.partial(_leaf, where, name, kind), prefix))


def _leaf(where: str, name: str, kind: type, leaf: Any) -> Any:
    if kind is bool and isinstance(leaf, np.bool_):
        return bool(leaf)
    if not isinstance(leaf, kind):
        constraint = f"a function of the parameters or a pytree of {kind.__name__}"
        raise bad_type(where, name, constraint, f"the leaf {leaf!r}")
    return leaf


def spread(where: str, name: str, prefix: Any, kind: type, params: Params) -> tuple[Any, ...]:
    """The value of the mask, or of the labels, for each leaf of the parameters, in their order.

    Raises TypeError where it is not a prefix of the parameters or has a leaf of another kind.
    """
    given = prefix(params) if callable(prefix) else prefix.tree
    given = jax.tree.map(functools.partial(_leaf, where, name, kind), given)
    try:
        return tuple(jax.tree.leaves(jax.tree.broadcast(given, params)))
    except ValueError:
        constraint = f"a prefix of the parameters' structure {jax.tree.structure(params)}"
        raise bad_type(where, name, constraint, jax.tree.structure(given)) from None


def part(where: str, whole: PyTree, chosen: tuple[bool, ...]) -> PyTree:
    """The tree with None for the leaves that are not chosen.

    Raises TypeError where it has not one leaf for each leaf of the parameters.
    """
    leaves, structure = jax.tree.flatten(whole)
    if len(leaves) != len(chosen):
        constraint = f"of the parameters' structure, with {len(chosen)} leaves"
        raise bad_type(where, "grads", constraint, structure)
    return structure.unflatten([x if c else None for x, c in zip(leaves, chosen, strict=True)])


def joined(whole: PyTree, chosen: tuple[bool, ...], group: PyTree) -> PyTree:
    """The tree with the leaves of the group in the place of the chosen ones."""
    leaves, structure = jax.tree.flatten(whole)
    new = iter(jax.tree.leaves(group))
    return structure.unflatten([next(new) if c else x for x, c in zip(leaves, chosen, strict=True)])


_OF_GROUPS = 0x67726F75
"""No number that anybody else folds into a key."""


def restricted(
    where: str,
    extra: Mapping[str, Any],
    needs: frozenset[str],
    params: Params,
    chosen: tuple[bool, ...],
    number: int | None,
) -> dict[str, Any]:
    """What the rule of a group needs: trees and functions of its leaves alone, a key of its own.

    The other leaves stand in a function at the present parameters. number: that of the group, None
    where there is no other.
    """
    found = {name: extra[name] for name in needs & extra.keys()}
    for name in found.keys() & {"per_example_grads", "hessian_diagonal"}:
        found[name] = part(where, found[name], chosen)
    for name in found.keys() & {"value_fn", "residual_fn"}:
        found[name] = functools.partial(_of_group, found[name], params, chosen)
    if number is not None and "key" in found:
        # Folded twice, since a rule itself splits its key, or folds small numbers into it.
        found["key"] = jax.random.fold_in(jax.random.fold_in(found["key"], _OF_GROUPS), number)
    return found


def _of_group(
    fn: Callable[[Params], Any], params: Params, chosen: tuple[bool, ...], group: Params
) -> Any:
    return fn(joined(params, chosen, group))
