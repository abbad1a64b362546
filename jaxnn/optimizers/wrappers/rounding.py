"""Rounding to fewer bits, to the nearest number or at random, that no compiler takes back.

At random: up with the probability of the distance already gone, so that the expectation is x.

    x = 1 + 3/4 ulp    →    1 + ulp with probability 3/4, else 1

Done on the bits of x: a compiler that may keep excess precision drops a cast to few bits and back.
Reference of rounding at random: Forsythe 1950, Bulletin of the American Mathematical Society 56,
"Round-off errors in numerical integration on automatic machinery".
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn.optimizers import base
from jaxnn.typing import Array, Float, PRNGKeyArray, Shaped

__all__ = ["is_coarser", "keys_for", "noise_for", "round_to"]


def is_coarser(dtype: Any, than: Any) -> bool:
    """Whether floating numbers of `dtype` have fewer digits than those of `than`."""
    return jnp.finfo(dtype).nmant < jnp.finfo(than).nmant


def round_to(
    x: Float[Array, "*shape"], dtype: Any, noise: Shaped[Array, "*shape"] | None = None
) -> Float[Array, "*shape"]:
    """x rounded to a number that `dtype` has, in the dtype of x; x itself where that is no wider.

    Without `noise_for` x to the nearest, of two the even; with it at random, so that the
    expectation is x. Infinities and NaN stay; what is beyond the range of `dtype` is rounded as if
    it had no end. The derivative is that of a cast, 1.
    """
    return _rounded(x, jnp.dtype(dtype), noise) if is_coarser(dtype, x.dtype) else x


def noise_for(x: Float[Array, "*shape"], key: PRNGKeyArray) -> Shaped[Array, "*shape"]:
    """Random bits for `round_to`, as many as it may drop of x; drawing them is what costs."""
    short = jnp.finfo(x.dtype).nmant - jnp.finfo(jnp.bfloat16).nmant <= 16
    return jax.random.bits(key, x.shape, jnp.uint16 if short else jnp.uint64)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _rounded(
    x: Float[Array, "*shape"], dtype: Any, noise: Shaped[Array, "*shape"] | None
) -> Float[Array, "*shape"]:
    info, wide = jnp.finfo(dtype), jnp.finfo(x.dtype)
    word, dropped = np.dtype(f"uint{wide.bits}"), int(wide.nmant - info.nmant)
    mask, one, places = (np.asarray(n, word) for n in ((1 << dropped) - 1, 1, dropped))
    raw = jax.lax.bitcast_convert_type(x, word)
    # A carry out of the digits goes into the exponent, which is what rounding up to a power of two
    # is. Just under half a digit, and the whole half where the last digit is odd: ties to even.
    below = (mask >> one) + ((raw >> places) & one) if noise is None else noise.astype(word) & mask
    rounded = jax.lax.bitcast_convert_type((raw + below) & ~mask, x.dtype)
    if info.minexp > wide.minexp:  # below its normal numbers steps are all of a size
        smallest = float(info.smallest_subnormal)
        steps = x / smallest
        share = None if noise is None else below.astype(x.dtype) * 0.5**dropped
        steps = jnp.round(steps) if share is None else jnp.floor(steps + share)
        tiny = jnp.abs(x) < float(info.smallest_normal)
        rounded = jnp.where(tiny, steps * smallest, rounded)
    return jnp.where(jnp.isfinite(x), rounded, x)


@_rounded.defjvp
def _rounded_jvp(dtype: Any, primals: Any, tangents: Any) -> tuple[Array, Array]:
    (x, noise), (dx, _) = primals, tangents
    return _rounded(x, dtype, noise), dx


def keys_for(rule: Any, inside: Any, extra: dict[str, Any]) -> tuple[PRNGKeyArray, dict[str, Any]]:
    """A key for the rounding of `rule`, and what the rule inside is given, with a key of its own.

    Raises TypeError where there is none.
    """
    own, other = jax.random.split(base.extras(rule, extra)["key"])
    inner = {name: x for name, x in extra.items() if name != "key"}
    return own, inner | ({"key": other} if "key" in inside.NEEDS else {})
