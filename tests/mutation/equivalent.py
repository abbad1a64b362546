"""Mutants that are the same rule: by file and name, why nobody could tell them from it."""

from __future__ import annotations

__all__ = ["EQUIVALENT"]

_UNUSED = "what stands there only keeps a branch that is not taken from dividing by 0"
_UNIT = "a unit, which cancels"
_OVERFLOWN = "where the mean of the rows overflows so do the columns, and the step is 0"

EQUIVALENT: dict[str, dict[str, str]] = {
    "acprop": {
        "update: jnp.maximum(s.step, 1) → s.step": (
            "where the step is 0 the correction is not used"
        ),
    },
    "adafactor": {
        "_start: zeros.take(0, axis) → zeros.take(1, axis)": "zeros like any row",
        "_divided: jnp.where(lost, 1, rows) → jnp.where(lost, 2, rows)": _OVERFLOWN,
        "_divided: jnp.where(lost, 1, share) → jnp.where(lost, 2, share)": _OVERFLOWN,
        "_divided: jnp.where(lost, 1, rows) → jnp.where(lost, 2, rows), number 2": _OVERFLOWN,
    },
    "adahessian": {
        "update: jnp.where(v > 0, v, 1) → jnp.where(v > 0, v, 2)": _UNUSED,
    },
    "adamp": {
        "init: :4 → :5": "the moments start at 0 whatever the numbers are",
    },
    "adopt": {
        "update: jnp.maximum(s.step, 1) → s.step": "where the step is 0 what is clipped is 0",
    },
    "asgd": {
        "evaluation_params: state.step > 0 → state.step > 1": (
            "the average of one point is that point"
        ),
    },
    "came": {
        "_divided: jnp.where(lost, 1, rows) → jnp.where(lost, 2, rows)": _OVERFLOWN,
    },
    "dadapt_adamw": {
        "update: jnp.where(unseen, 1, size) → jnp.where(unseen, 2, size)": _UNUSED,
    },
    "ftrl": {
        "_leader: jnp.where(weight > 0, weight, 1) → jnp.where(weight > 0, weight, 2)": _UNUSED,
    },
    "galore": {
        "_projectors: jnp.abs(x) → x": _UNIT,
        "_projectors: jnp.max(jnp.abs(x), initial=0) → jnp.max(jnp.abs(x), initial=1)": _UNIT,
        "_projectors: exponent - 1 → exponent + 1": _UNIT,
        "_projectors: jnp.maximum(power, jnp.finfo(x.dtype).tiny) → power": (
            "the power of numbers that are flushed to 0"
        ),
    },
    "kate": {
        "_root_of_ratio: jnp.where(jnp.isinf(over), 0, over) → "
        "jnp.where(jnp.isinf(over), 1, over)": (
            "where the numerator overflows so has the divisor, and the quotient is 0"
        ),
    },
    "kron": {
        "update: jnp.maximum(age - h.flat_start, 0) → age - h.flat_start": (
            "the share of steps is above 1 then, and 1 as good"
        ),
        "_size: jnp.max(jnp.abs(mean), initial=0) / correction → "
        "jnp.max(jnp.abs(mean), initial=0) * correction": _UNIT,
        "_size: jnp.max(jnp.abs(mean), initial=0) → jnp.max(jnp.abs(mean), initial=1)": _UNIT,
        "_learnt: jnp.max(jnp.abs(x), initial=0) → jnp.max(jnp.abs(x), initial=1)": _UNIT,
        "_balanced: jnp.abs(q) → q": "how factors are balanced cancels in their product",
        "_spectral_norm: jnp.sum(matrix * matrix, axis=0) → jnp.sum(matrix * matrix, "
        "axis=1)": "of a symmetric matrix",
        "_solved: jax.scipy.linalg.solve_triangular(q, rows.reshape(len(q), -1), "
        "trans=1) → jax.scipy.linalg.solve_triangular(q, rows.reshape(len(q), -1), "
        "trans=2)": "of a real matrix",
    },
    "levenberg_marquardt": {
        "update: start.size <= here.size → start.size > here.size": (
            "two ways to the same Jacobian"
        ),
        "update: jax.jacfwd if narrow else jax.jacrev → jax.jacrev if narrow else "
        "jax.jacfwd": "two ways to the same Jacobian",
        "update: jnp.where(certain, foreseen, 1) → jnp.where(certain, foreseen, 2)": _UNUSED,
    },
    "madgrad": {
        "_cbrt: jnp.where(zero | unbounded, 1, x) → jnp.where(zero | unbounded, 2, x)": _UNUSED,
    },
    "mars": {
        "_carried: jnp.maximum(jnp.max(jnp.abs(g), initial=1), "
        "jnp.max(jnp.abs(last), initial=1)) → jnp.max(jnp.abs(g), initial=1)": _UNIT,
        "_carried: jnp.abs(g) → g": _UNIT,
        "_carried: jnp.max(jnp.abs(g), initial=1) → jnp.max(jnp.abs(g), initial=2)": _UNIT,
        "_carried: jnp.max(jnp.abs(last), initial=1) → jnp.min(jnp.abs(last), initial=1)": _UNIT,
        "_carried: jnp.abs(last) → last": _UNIT,
        "_carried: jnp.max(jnp.abs(last), initial=1) → jnp.max(jnp.abs(last), initial=2)": _UNIT,
        "_carried: jnp.maximum(1 / unit, jnp.finfo(c.dtype).tiny) → 1 / unit": _UNIT,
    },
    "momo": {
        "rate_and_bound: jnp.where(flat, 0, fall / jnp.where(flat, 1, squared)) → "
        "jnp.where(flat, 1, fall / jnp.where(flat, 1, squared))": _UNUSED,
        "rate_and_bound: jnp.where(flat, 1, squared) → jnp.where(flat, 2, squared)": _UNUSED,
    },
    "polyak_sgd": {
        "update: h.eps * scale * scale → h.eps * scale / scale": (
            "the scale is not 1 only where squares overflow, beside which eps is nothing"
        ),
        "update: h.eps * scale → h.eps / scale": (
            "the scale is not 1 only where squares overflow, beside which eps is nothing"
        ),
        "update: jnp.where(flat, 1, squared) → jnp.where(flat, 2, squared)": _UNUSED,
    },
    "prodigy": {
        "update: jnp.where(unseen, 1, size) → jnp.where(unseen, 2, size)": _UNUSED,
    },
    "rprop": {
        "_unless_turned: 0 * agree → 0 / agree": (
            "only an infinite gradient tells them apart, and it may hide in its sign"
        ),
    },
    "shampoo": {
        "init: _multiples_of_identity(x, 0.0) → _multiples_of_identity(x, 1.0)": (
            "the first step replaces them"
        ),
        "update: seldom(due, _roots, s.roots, g, sums, h.eps) → seldom(due, _roots, "
        "s.roots, g, sums, 0 * h.eps)": (
            "sums start at eps·I: no eigenvalue is below it but by rounding"
        ),
    },
}
