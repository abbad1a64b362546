"""`like`: a rule by the name and the arguments that it has in another framework.

Where frameworks disagree under one name, the answer is the flavour that does what that framework
does; docs/disagreements.md shows by how much they differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

import jax

from jaxnn.errors import BadValue, bad_type, bad_value, look_up, unknown_name
from jaxnn.optimizers.frameworks import keras, optax, torch
from jaxnn.optimizers.frameworks.common import require_number
from jaxnn.optimizers.table import OPTIMIZERS

__all__ = ["FRAMEWORKS", "like"]

FRAMEWORKS: dict[str, ModuleType] = {"torch": torch, "keras": keras, "optax": optax}
"""Modules with NAMES, the optimizers; REFUSED, those without a like here, and why; and `build`."""


def like(framework: str, name: str, /, **arguments: Any) -> tuple[Any, Any]:
    """(rule, hyper) that do what the framework's optimizer does with these arguments.

    framework: "torch" (torch.optim), "keras" (keras.optimizers) or "optax". name: as the framework
    has it, in upper or lower case. arguments: the framework's own, by its own names; those left out
    have its defaults. Numbers may be traced, where 0 does not switch something off.

    Weight decay, clipping and gradient accumulation become wrappers around the rule. What changes
    only how the framework computes is ignored. Raises ValueError for an unknown framework, name or
    argument, for one that Optax demands, and for an optimizer or a value that has no counterpart
    here; TypeError for a schedule, which `scheduled` takes, and for a name that is no string.
    Complex parameters are Optax's here; torch squares real and imaginary parts apart:
    `split_complex(rule)`. Rules see no names of leaves, by which Keras' Muon leaves embeddings to
    AdamW: `partitioned` does that.

    What surrounds an optimizer in a recipe goes around rule and numbers alike; a dict of numbers
    would start from the defaults of the rule, and not from those given here:

    >>> from jaxnn.optimizers import bind, clipped, scheduled
    >>> from jaxnn.schedules import warmup_cosine
    >>> rule, hyper = like("torch", "AdamW", lr=3e-4, weight_decay=0.1)
    >>> rule = scheduled(rule, learning_rate=warmup_cosine)
    >>> hyper = rule.Hyper(hyper, {"learning_rate": warmup_cosine.Hyper(0.05)}, num_steps=1000)
    >>> rule = clipped(rule)
    >>> hyper = rule.Hyper(hyper, max_norm=1.0)
    >>> tx = bind(rule, hyper)  # or training.train(problem, rule, hyper, key, num_steps=1000)

    >>> rule, hyper = like("torch", "RMSprop", lr=1e-3, centered=True)
    >>> rule.__name__
    "rmsprop(centered=True, flavor='torch')"
    >>> hyper
    Hyper(learning_rate=0.001, decay=0.99, eps=1e-08, initial_scale=0.0, momentum=0)
    """
    for what, given in {"framework": framework, "name": name}.items():
        if not isinstance(given, str):
            raise bad_type("like", what, "a string", repr(given))
    there = look_up("like", "framework", framework.lower(), FRAMEWORKS)
    found = _named(name, there.NAMES)
    if found is None:
        raise _unknown(framework.lower(), name)
    rule, hyper = there.build(found, arguments)
    for path, number in jax.tree_util.tree_flatten_with_path(hyper)[0]:
        require_number(f"like({framework.lower()}.{found})", jax.tree_util.keystr(path)[1:], number)
    return rule, hyper


def _named(name: str, names: Iterable[str]) -> str | None:
    """The name as the framework writes it, if it has it."""
    return {known.lower(): known for known in names}.get(name.lower())


def _unknown(framework: str, name: str) -> BadValue:
    """The error for what has no like here: what is nearest, or who has it, or what was meant."""
    where, there = f"like({framework})", FRAMEWORKS[framework]
    refused, ours = _named(name, there.REFUSED), _named(name, OPTIMIZERS)
    if refused:
        constraint = "an optimizer that has its like here"
        return bad_value(where, "name", constraint, repr(name), there.REFUSED[refused])
    owners = [
        f"`{known}` is in {other}"
        for other, another in FRAMEWORKS.items()
        if (known := _named(name, another.NAMES))
    ]
    if not owners and not ours:
        return unknown_name(where, "name", name, there.NAMES)
    fix = f"{', '.join(owners)}." if owners else f"optimizers.get({ours!r}) is here."
    return bad_value(where, "name", f"an optimizer of {framework}", repr(name), fix)
