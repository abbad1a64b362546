"""Complex parameters for any rule: real and imaginary parts are leaves of their own.

    z = x + i·y        (u_x, u_y) = the rule's on the gradients by x and y        u = u_x + i·u_y

Gradients are ∂f/∂x + i·∂f/∂y, along which f rises: the conjugates of those of `jax.grad`. The
library's training hands them over so; in a loop of your own, `jax.tree.map(jnp.conj, grads)`.
Real leaves stay as they are. What the rule needs beyond gradients is split likewise, functions of
the parameters too. For a rule that treats elements alike this is what a real network with twice the
parameters would do, and what torch does; rules that declare COMPLEX need it only where the squares
of both parts are to be kept apart.
Agrees with `optax.contrib.split_real_and_imaginary`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers import base
from jaxnn.optimizers.wrappers.base import Hyper, State, Wrapper, wrapped
from jaxnn.typing import Params

__all__ = ["Hyper", "SplitComplex", "State", "split_complex"]


@dataclasses.dataclass(frozen=True)
class SplitComplex(Wrapper):
    """A rule that sees real and imaginary parts."""

    LINEAR_IN_GRADIENTS: ClassVar[bool] = True

    @property
    def COMPLEX(self) -> bool:  # noqa: N802
        """It is what this is for."""
        return True

    def init(self, params: Params, hyper: Hyper) -> State:
        """The rule's state for the parts."""
        return State(self.rule.init(_parts(params), hyper.inner))

    def update(
        self, grads: Params, state: State, params: Params, hyper: Hyper, **extra: Any
    ) -> tuple[Params, State]:
        """One step of the rule on the parts. Returns (updates, state)."""
        for name in extra.keys() & {"per_example_grads", "hessian_diagonal"}:
            extra[name] = _parts(extra[name])
        for name in extra.keys() & {"value_fn", "residual_fn"}:
            extra[name] = functools.partial(_of_parts, extra[name], params)
        updates, inner = self.rule.update(
            _parts(grads), state.inner, _parts(params), hyper.inner, **extra
        )
        return _whole(updates, grads), State(inner)

    def evaluation_params(self, state: State, params: Params, hyper: Hyper) -> Params:
        """The rule's."""
        own = base.evaluation_params(self.rule, state.inner, _parts(params), hyper.inner)
        return _whole(own, params)


def _parts(whole: Params) -> Params:
    # Not tree.Parts: a rule inside that is for complex numbers would take both for one.
    return jax.tree.map(lambda x: (jnp.real(x), jnp.imag(x)) if tree.is_complex(x) else x, whole)


def _whole(parts: Params, like: Params) -> Params:
    leaves, structure = jax.tree.flatten(like)
    pairs = zip(structure.flatten_up_to(parts), leaves, strict=True)
    return structure.unflatten(
        [jax.lax.complex(*part) if tree.is_complex(leaf) else part for part, leaf in pairs]
    )


def _of_parts(fn: Callable[[Params], Any], params: Params, parts: Params) -> Any:
    return fn(_whole(parts, params))


def split_complex(rule: Any, /) -> SplitComplex:
    """The rule for complex parameters, each as two real ones: `split_complex(lion)`.

    The answer is the same object for the same arguments. Raises TypeError for what is no rule.

    >>> from jaxnn.optimizers import apply_updates, sign_sgd
    >>> rule, z = split_complex(sign_sgd), jnp.asarray([1 + 2j])
    >>> hyper = rule.Hyper(sign_sgd.Hyper(learning_rate=0.5))
    >>> grads = jnp.conj(jax.grad(lambda z: jnp.sum(jnp.abs(z) ** 2))(z))
    >>> updates, _ = rule.update(grads, rule.init(z, hyper), z, hyper)
    >>> complex(apply_updates(z, updates)[0])
    (0.5+1.5j)
    """
    return wrapped(SplitComplex, rule)
