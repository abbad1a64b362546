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
from typing import Any

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.optimizers.wrappers.base import Hyper, State, structural, wrapped
from jaxnn.optimizers.wrappers.viewed import Viewed
from jaxnn.typing import Array, Params

__all__ = ["Hyper", "SplitComplex", "State", "split_complex"]


@dataclasses.dataclass(frozen=True)
class SplitComplex(Viewed):
    """A rule that sees real and imaginary parts."""

    @property
    def COMPLEX(self) -> bool:  # noqa: N802
        """It is what this is for."""
        return True

    def view(self, whole: Params, params: Params, *, num_axes: int = 0) -> Params:
        """A pair in the place of each complex leaf."""
        del params, num_axes
        # Not tree.Parts: a rule inside that is for complex numbers would take both for one.
        return jax.tree.map(_pair, whole)

    def whole(self, view: Params, params: Params, like: Params) -> Params:
        """Pairs as complex numbers again."""
        del params
        leaves, structure = jax.tree.flatten(like)
        pairs = zip(structure.flatten_up_to(view), leaves, strict=True)
        return structure.unflatten(
            [jax.lax.complex(*part) if tree.is_complex(leaf) else part for part, leaf in pairs]
        )


def _pair(x: Array) -> Any:
    return (jnp.real(x), jnp.imag(x)) if tree.is_complex(x) else x


@structural
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
