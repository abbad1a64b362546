"""`like`: a rule by the name and the arguments that it has in another framework.

Where frameworks disagree under one name, the answer is the flavour that does what that framework
does; docs/disagreements.md shows by how much they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

from jaxnn.errors import bad_type, look_up, unknown_name
from jaxnn.optimizers.frameworks import keras, optax, torch
from jaxnn.optimizers.frameworks.common import require_number

__all__ = ["FRAMEWORKS", "like"]

Build = Callable[[str, Mapping[str, Any]], tuple[Any, Any]]

FRAMEWORKS: dict[str, tuple[Mapping[str, Any], Build]] = {
    "torch": (torch.NAMES, torch.build),
    "keras": (keras.NAMES, keras.build),
    "optax": (optax.NAMES, optax.build),
}
"""Framework → (the names of its optimizers, what makes a rule and its numbers of one)."""


def like(framework: str, name: str, /, **arguments: Any) -> tuple[Any, Any]:
    """(rule, hyper) that do what the framework's optimizer does with these arguments.

    framework: "torch" (torch.optim), "keras" (keras.optimizers) or "optax". name: as the framework
    has it, in upper or lower case. arguments: the framework's own, by its own names; those left out
    have its defaults. Numbers may be traced, where 0 does not switch something off.

    Weight decay, clipping and gradient accumulation become wrappers around the rule. What changes
    only how the framework computes is ignored. Raises ValueError for an unknown framework, name or
    argument, for one that Optax demands, and for a value that has no counterpart here; TypeError
    for a schedule, which `scheduled` takes, and for a name that is no string. Complex parameters
    are Optax's here; torch squares real and imaginary parts apart: `split_complex(rule)`.

    >>> rule, hyper = like("torch", "RMSprop", lr=1e-3, centered=True)
    >>> rule.__name__
    "rmsprop(centered=True, flavor='torch')"
    >>> hyper
    Hyper(learning_rate=0.001, decay=0.99, eps=1e-08, initial_scale=0.0, momentum=0)
    """
    for what, given in {"framework": framework, "name": name}.items():
        if not isinstance(given, str):
            raise bad_type("like", what, "a string", repr(given))
    names, build = look_up("like", "framework", framework.lower(), FRAMEWORKS)
    found = {known.lower(): known for known in names}.get(name.lower())
    if found is None:
        raise unknown_name(f"like({framework.lower()})", "name", name, names)
    rule, hyper = build(found, arguments)
    for path, number in jax.tree_util.tree_flatten_with_path(hyper)[0]:
        require_number(f"like({framework.lower()}.{found})", jax.tree_util.keystr(path)[1:], number)
    return rule, hyper
