"""A rule for each group of leaves, as Muon for matrices beside AdamW for the rest is used.

    partitioned({"matrices": muon, "rest": adamw}, labels)

Each rule sees a tree in which the leaves of the other groups are None, and what it needs beyond
gradients is restricted likewise: a function of the parameters becomes one of its leaves, the others
standing at their present values; each group draws from a key of its own.
Agrees with `optax.partition`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, NamedTuple

from jaxnn.errors import bad_type, unknown_name
from jaxnn.optimizers import base
from jaxnn.optimizers.table import check_rule
from jaxnn.optimizers.wrappers.base import Composite, as_reference, made, referred, structural
from jaxnn.optimizers.wrappers.groups import joined, part, restricted, spread, static
from jaxnn.typing import Array, Params

__all__ = ["Hyper", "Partitioned", "State", "partitioned"]


class Hyper(NamedTuple):
    """Numbers of the rules."""

    inner: dict[str, Any]  # by label


class State(NamedTuple):
    """States of the rules."""

    inner: dict[str, Any]  # by label


@dataclasses.dataclass(frozen=True)
class Partitioned(Composite):
    """A rule that is another one for each group of leaves."""

    LINEAR_IN_GRADIENTS: ClassVar[bool] = True
    PASSES_COMPLEX: ClassVar[bool] = True

    references: tuple[tuple[str, Any], ...]  # label, reference to the rule
    labels: Any

    @property
    def groups(self) -> dict[str, Any]:
        """The rules by label."""
        return {label: referred(reference) for label, reference in self.references}

    @property
    def rules(self) -> dict[str, Any]:
        """The rules, whose numbers are in `inner.<label>`."""
        return {f"inner.{label}": rule for label, rule in self.groups.items()}

    @property
    def __name__(self) -> str:
        items = ", ".join(f"{label}={base.name_of(rule)}" for label, rule in self.groups.items())
        return f"partitioned({items})"

    def Hyper(self, inner: Mapping[str, Any] | None = None) -> Hyper:  # noqa: N802
        """The numbers of the rules, by label; those that are left out have their defaults.

        Raises ValueError for a label that no rule has.
        """
        for label in inner or {}:
            self._check(label)
        defaults = {label: rule.Hyper() for label, rule in self.groups.items()}
        return Hyper(defaults | dict(inner or {}))

    def _check(self, label: str) -> None:
        if label not in self.groups:
            raise unknown_name(base.name_of(self), "label", label, self.groups)

    def _chosen(self, params: Params) -> dict[str, tuple[bool, ...]]:
        labels = spread(base.name_of(self), "labels", self.labels, str, params)
        for label in labels:
            self._check(label)
        return {group: tuple(label == group for label in labels) for group in self.groups}

    def init(self, params: Params, hyper: Hyper) -> State:
        """The states of the rules, each on its leaves.

        Raises ValueError for a label that no rule has, TypeError where labels are no prefix.
        """
        where, chosen = base.name_of(self), self._chosen(params)
        return State(
            {
                label: rule.init(part(where, params, chosen[label]), hyper.inner[label])
                for label, rule in self.groups.items()
            }
        )

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of each rule on its leaves. Returns (updates, state).

        Raises as `init` does, and TypeError where gradients and parameters differ in structure.
        """
        where, chosen = base.name_of(self), self._chosen(params)
        updates, states = grads, {}
        for number, (label, rule) in enumerate(self.groups.items()):
            mine = chosen[label]
            own, states[label] = rule.update(
                part(where, grads, mine),
                state.inner[label],
                part(where, params, mine),
                hyper.inner[label],
                **restricted(where, extra, rule.NEEDS, params, mine, number),
            )
            updates = joined(updates, mine, own)
        return updates, State(states)

    def evaluation_params(self, state: State, params: Params, hyper: Hyper) -> Params:
        """Those of each rule for its leaves."""
        where, chosen = base.name_of(self), self._chosen(params)
        evaluated = params
        for label, rule in self.groups.items():
            own = part(where, params, chosen[label])
            own = base.evaluation_params(rule, state.inner[label], own, hyper.inner[label])
            evaluated = joined(evaluated, chosen[label], own)
        return evaluated

    def record(self, state: State) -> dict[str, Array]:
        """What the rules record, each name after the label of its group."""
        return {
            f"{label}.{name}": value
            for label, rule in self.groups.items()
            for name, value in base.record(rule, state.inner[label]).items()
        }

    def _inside(self, structure: dict[str, Hashable]) -> dict[str, Any]:
        changed = []
        for label, rule in self.groups.items():
            prefix = f"inner.{label}."
            own = {k.removeprefix(prefix): x for k, x in structure.items() if k.startswith(prefix)}
            changed.append((label, as_reference(base.variant(rule, **own))))
        return {"references": tuple(changed)}


@structural
def partitioned(rules: Mapping[str, Any], /, labels: Any) -> Partitioned:
    """A rule for each group of leaves: `partitioned({"matrices": muon, "rest": adamw}, labels)`.

    rules: by label; optimizers or their names. labels: of the leaves, as a pytree prefix of the
    parameters or a function of them that returns one. A label that marks no leaf is fine.
    The answer is the same object for the same arguments. Raises TypeError for what is no rule, no
    mapping or no label, ValueError for a label that is not a name.

    >>> import jax.numpy as jnp
    >>> from jaxnn.optimizers import adam, sgd
    >>> rule = partitioned({"fast": sgd, "slow": sgd}, {"w": "fast", "b": "slow"})
    >>> hyper = rule.Hyper({"fast": sgd.Hyper(1.0), "slow": sgd.Hyper(0.25)})
    >>> params = {"w": jnp.ones(()), "b": jnp.ones(())}
    >>> updates, _ = rule.update(params, rule.init(params, hyper), params, hyper)
    >>> float(updates["w"]), float(updates["b"])
    (-1.0, -0.25)

    Muon is made for the matrices inside a network; biases and the last layer get AdamW. Numbers go
    by label, or by dotted name as in {"inner.matrices.learning_rate": 0.02}, under which sweeps and
    benchmarks search those of both rules.

    >>> import jax
    >>> from jaxnn import training
    >>> from jaxnn.optimizers import adamw, muon
    >>> def labels(params):
    ...     *layers, last = jax.tree.map(lambda x: "matrices" if x.ndim == 2 else "rest", params)
    ...     return *layers, jax.tree.map(lambda label: "rest", last)
    >>> rule = partitioned({"matrices": muon, "rest": adamw}, labels)
    >>> hyper = rule.Hyper({"matrices": muon.Hyper(0.02), "rest": adamw.Hyper(3e-3)})
    >>> run = training.train("moons", rule, hyper, jax.random.key(0), num_steps=100)
    >>> bool(run.history.validation["accuracy"][-1] > 0.8)
    True
    """
    if not isinstance(rules, Mapping) or not rules:
        fix = 'Pass for example {"matrices": muon, "rest": adamw}.'
        raise bad_type("partitioned", "rules", "a dict of rules by label", repr(rules), fix)
    for label in rules:
        if not isinstance(label, str) or not label.isidentifier():
            raise bad_type("partitioned", "rules", "a dict by names such as 'rest'", repr(label))
    checked = {k: check_rule("partitioned", rule) for k, rule in sorted(rules.items())}
    references = tuple((label, as_reference(rule)) for label, rule in checked.items())
    fixed = static("partitioned", "labels", labels, str)
    if fixed is None:
        raise bad_type("partitioned", "labels", "a pytree or a function of the parameters", None)
    return made(Partitioned, references, fixed)
