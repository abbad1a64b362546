"""`bind`: a rule with its numbers as a gradient transformation of Optax.

The numbers live in the state, not in the function, so that a new rate is a new argument and no new
program. What comes back works where Optax's own do: in `optax.chain`, `optax.masked` and
`optax.MultiSteps`, in Flax's `TrainState` and `nnx.Optimizer`, in Equinox loops. Not inside of
`optax.inject_hyperparams`, whose numbers it would not see: `scheduled` and `BoundState.set` do what
that is for.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.errors import bad_type
from jaxnn.optimizers import base, hypers
from jaxnn.optimizers.table import check_rule
from jaxnn.typing import ArrayLike, Params

if TYPE_CHECKING:
    import optax

__all__ = ["BoundState", "bind", "evaluation_params"]


class BoundState(NamedTuple):
    """The state of a bound rule."""

    hyper: Any  # the numbers, strong scalars
    inner: Any  # the rule's own state

    def set(self, numbers: Mapping[str, ArrayLike] | None = None, /, **named: ArrayLike) -> Any:
        """The state with other numbers, in the dtypes that they had; nothing is compiled anew.

        By keyword, `state.set(learning_rate=1e-4)`, or by dotted name in a dict,
        `state.set({"inner.learning_rate": 1e-4})`. Raises ValueError for a name that the Hyper does
        not have and for a number outside its range, TypeError for what is not a scalar number.
        """
        where, given = "BoundState.set", {**(numbers or {}), **named}
        hyper = hypers.with_numbers(where, self.hyper, given)
        hyper = hypers.check_numbers(where, hyper, self.hyper)
        return self._replace(hyper=tree.cast_like(hyper, self.hyper))


def bind(rule: Any, hyper: Any = None) -> optax.GradientTransformationExtraArgs:
    """The rule with these numbers as a `GradientTransformationExtraArgs`.

    rule: an optimizer or its name. hyper: its Hyper, a dict of numbers by dotted name, or None for
    the defaults; checked as by `check`. The state is a `BoundState`. What a rule needs beyond
    gradients (see `optimizers.NEEDS`) goes to `update` as a keyword, `tx.update(grads, state,
    params, value=loss)`; keywords that it does not need are ignored, and so is `params`, which may
    then be left out. `evaluation_params(rule, state, params)` reads the average of a rule that is
    evaluated at one.

    `update` is the same function for all numbers of a rule. Raises ValueError and TypeError for
    wrong numbers; `update` raises TypeError for trees that do not match the state and for `params`
    or a keyword that the rule needs and did not get.

    >>> from jaxnn.optimizers import adam
    >>> tx = bind(adam, adam.Hyper(learning_rate=0.5))
    >>> state = tx.init(jnp.zeros(2))
    >>> updates, state = tx.update(jnp.ones(2), state.set(learning_rate=0.25))
    >>> [round(float(u), 4) for u in updates]
    [-0.25, -0.25]
    """
    import optax

    rule = check_rule("bind", rule)
    hyper = hypers.check(rule, rule.Hyper() if hyper is None else hyper)
    init = functools.partial(_init, rule, hyper)
    return optax.GradientTransformationExtraArgs(init, _updater(rule))


def _init(rule: Any, hyper: Any, params: Params) -> BoundState:
    # Copies: a loop that donates its state must not take the numbers from the next `init`.
    return BoundState(jax.tree.map(jnp.array, hyper), rule.init(params, hyper))


@functools.cache
def _updater(rule: Any) -> Any:
    return functools.partial(_update, rule)


def _update(
    rule: Any, grads: Params, state: BoundState, params: Params | None = None, **extra: Any
) -> tuple[Params, BoundState]:
    update = functools.partial(base.update, rule, **base.extras(rule, extra))
    given = _NO_PARAMS if params is None else params
    try:
        updates, inner = update(grads, state.inner, given, state.hyper)
    except Exception as error:
        if params is not None:
            raise
        # With gradients in the place of parameters: raises what else is wrong, if anything is.
        jax.eval_shape(update, grads, state.inner, grads, state.hyper)
        fix = "Call tx.update(grads, state, params)."
        raise bad_type(base.name_of(rule), "params", "given to `update`", None, fix) from error
    return updates, BoundState(state.hyper, inner)


def evaluation_params(rule: Any, state: Any, params: Params, hyper: Any = None) -> Params:
    """The parameters to evaluate and keep the model at: like `params`, often `params` themselves.

    Rules that average, `averaged`, `lookahead` and the schedule-free ones, are trained at one point
    and evaluated at another; `training.train` gives the second as `Run.params`. In a loop of one's
    own it is asked for after the last step, and before each validation.

    rule: an optimizer or its name. state: the rule's own, with its hyper; or without hyper the
    state of what `bind` made of the rule, alone or as part of a state of Optax, as in a chain.
    Raises TypeError where that holds no bound state or several.

    >>> import optax
    >>> from jaxnn.optimizers import averaged, sgd
    >>> rule = averaged(sgd)
    >>> tx = optax.chain(optax.clip(1.0), bind(rule, {"inner.learning_rate": 1.0, "decay": 0.5}))
    >>> params = jnp.array(4.0)
    >>> state = tx.init(params)
    >>> for _ in range(2):
    ...     updates, state = tx.update(jnp.array(1.0), state, params)
    ...     params = params + updates
    >>> float(params), round(float(evaluation_params(rule, state, params)), 4)
    (2.0, 2.3333)
    """
    rule = check_rule("evaluation_params", rule)
    if hyper is None:
        nodes = jax.tree.leaves(state, is_leaf=_is_bound)
        found = [node for node in nodes if _is_bound(node)]
        if len(found) != 1:
            constraint, fix = (
                "one that holds one state of bind",
                "Pass the rule's own and its hyper.",
            )
            raise bad_type("evaluation_params", "state", constraint, f"{len(found)} in it", fix)
        hyper, state = found[0]
    return base.evaluation_params(rule, state, params, hyper)


def _is_bound(node: Any) -> bool:
    return isinstance(node, BoundState)


_NO_PARAMS = object()
"""Stands for parameters that were not given; None would be an empty tree, and read in silence."""
