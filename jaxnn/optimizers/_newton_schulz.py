"""Orthogonal matrices by Newton–Schulz iteration: products alone, no decomposition.

    X ← X/‖X‖          several times: A = XXᵀ,  X ← a·X + (b·A + c·A²)·X

From X = U·S·Vᵀ it goes to about U·Vᵀ: a step maps the singular values by a·s + b·s³ + c·s⁵, which
lifts small ones fast, by its slope a at 0, and then keeps all within some 0.3 of 1.
Reference: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp

from jaxnn import tree
from jaxnn.typing import Array, Float

__all__ = ["DION", "STANDARD", "Matrix", "Preconditioning", "orthogonalized"]

Matrix: TypeAlias = Float[Array, "rows columns"]
Preconditioning: TypeAlias = Literal["frobenius", "spectral", "aol", "schatten"]

STANDARD = (3.4445, -4.7750, 2.0315)
DION = (
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
)


def orthogonalized(
    x: Matrix,
    unit: Float[Array, ""],
    eps: Float[Array, ""],
    preconditioning: Preconditioning,
    coefficients: tuple[tuple[float, float, float], ...],
    *,
    at_least: bool = False,
) -> Matrix:
    """About U·Vᵀ for x/unit = U·S·Vᵀ, in the dtype of x; a step for each triple a, b, c.

    preconditioning: the norm that X is divided by first; "frobenius" √ΣX², "spectral" the largest
    singular value, both plus eps or, where at_least=True, at least eps; "schatten" (ΣA²)^¼, "aol"
    each row by the root of its sum of |A|, both at least 1e-4.
    """
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    if preconditioning in ("aol", "schatten"):
        x = _by_squares(x, unit, rows=preconditioning == "aol")
    else:
        largest = preconditioning == "spectral"
        size = jnp.linalg.norm(x, ord=2) if largest else tree.global_norm(x)
        x = x / (jnp.maximum(size, eps * unit) if at_least else size + eps * unit)
    for a, b, c in coefficients:
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


def _by_squares(x: Matrix, unit: Float[Array, ""], *, rows: bool) -> Matrix:
    """x divided by a norm that comes from A = xxᵀ; that norm of x/unit is at least 1e-4."""
    # By a power of 2, so that squares neither overflow nor lose a bit.
    _, exponent = jnp.frexp(jax.lax.stop_gradient(jnp.max(jnp.abs(x), initial=0)))
    power = jnp.maximum(jnp.ldexp(jnp.ones_like(unit), exponent - 1), jnp.finfo(x.dtype).tiny)
    x = x / power
    square = x @ x.T
    if rows:
        size = jnp.sum(jnp.abs(square), axis=1, keepdims=True)
    else:
        size = tree.sqrt(jnp.sum(square * square, keepdims=True))
    floor = unit / power
    floor = jnp.maximum(1e-8 * floor * floor, jnp.finfo(x.dtype).tiny)
    return x * jax.lax.rsqrt(jnp.maximum(size, floor))
