"""Losses: what an output costs, given its target.

    f(outputs, targets, *, numbers) → losses

Elementwise losses have the shape of the outputs; the categorical ones sum over the last axis, the
classes. The mean over a batch is the caller's. A prefix says what the loss applies to the outputs:
`sigmoid_…` and `softmax_…` take logits, `binary_cross_entropy`, `categorical_cross_entropy` and
`kl_divergence` take probabilities. `LOSSES` maps names to functions; `get` looks one up.

Targets are brought to the dtype of the outputs, which the losses keep. Shapes that differ raise
TypeError while tracing: nothing is broadcast, since (n,) − (n, 1) would silently be n × n. Numbers
are scalars and may be traced. Values and gradients are finite for outputs of ±1e4, probabilities of
0 and 1, unless the value has no room in the dtype: in float16 that of `squared_error` for errors
beyond 361 and of `huber` beyond delta·|e| = 65504. A NaN in the outputs is a NaN in the loss.

Probabilities are clipped, below at the root of the smallest normal number (float16: at that number,
6e-5), and above, where 1 − p counts, at the largest number under 1. So −log p is at most 9.7 in
float16, 43.7 in bfloat16 and float32, 354.2 in float64; −log(1 − p) at most 7.6 in float16, 5.5 in
bfloat16, 16.6 in float32, 36.7 in float64. The gradient there is that at the clipped probability:
finite, and not 0, so that the worst mistakes teach too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Integer

from jaxnn.errors import bad_type, look_up_function
from jaxnn.typing import Array, ArrayLike, Float, NonNegative, Positive, Shaped, UnitInterval

__all__ = [
    "KNOWN_AS",
    "LOSSES",
    "Loss",
    "absolute_error",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "perceptron",
    "sigmoid_binary_cross_entropy",
    "sigmoid_focal",
    "smooth_labels",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "softmax_focal",
    "squared_error",
]

Loss: TypeAlias = Callable[..., Array]
_LABELS = "softmax_cross_entropy_with_integer_labels"
_NOT_BROADCAST = "Reshape one of them: nothing is broadcast."


def squared_error(
    outputs: Float[Array, "*shape"], targets: Shaped[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """½(y − ŷ)², so that the gradient is the error; `optax.l2_loss`, half of `optax.squared_error`.

    In float16 the value, though not the gradient, overflows to infinity beyond |y − ŷ| = 361.
    Legendre 1805, "Nouvelles méthodes pour la détermination des orbites des comètes".
    """
    outputs, targets = _pair("squared_error", outputs, targets)
    error = outputs - targets
    return 0.5 * error * error


def absolute_error(
    outputs: Float[Array, "*shape"], targets: Shaped[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """|y − ŷ|, with derivative 0 at 0. Laplace 1774, "Mémoire sur la probabilité des causes"."""
    outputs, targets = _pair("absolute_error", outputs, targets)
    error = outputs - targets
    return error * jnp.sign(error)  # the derivative of jnp.abs at 0 is 1


def huber(
    outputs: Float[Array, "*shape"], targets: Shaped[Array, "*shape"], *, delta: Positive = 1.0
) -> Float[Array, "*shape"]:
    """½e² where |e| <= delta, else delta(|e| − ½delta), for the error e = ŷ − y.

    Huber 1964, Annals of Mathematical Statistics 35, "Robust estimation of a location parameter".
    """
    outputs, targets = _pair("huber", outputs, targets)
    error, bound = outputs - targets, _number(delta, outputs)
    size = abs(error)
    return jnp.where(size <= bound, 0.5 * error * error, bound * (size - 0.5 * bound))


def log_cosh(
    outputs: Float[Array, "*shape"], targets: Shaped[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """log cosh e for the error e = ŷ − y: ½e² near 0, |e| − log 2 far from it; derivative tanh e.

    Green 1990, IEEE Transactions on Medical Imaging 9, "Bayesian reconstructions from emission
    tomography data using a modified EM algorithm".
    """
    outputs, targets = _pair("log_cosh", outputs, targets)
    error, size = outputs - targets, abs(outputs - targets)
    far = size + jnp.log1p(jnp.exp(-2 * size)) - math.log(2)
    # Near 0 that would cancel, and could be negative.
    half = jnp.sinh(0.5 * jnp.where(size < 1, error, jnp.zeros_like(error)))
    return jnp.where(size < 1, jnp.log1p(2 * half * half), far)


def hinge(
    outputs: Float[Array, "*shape"], targets: Shaped[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """max(0, 1 − t·z) for targets t of −1 or +1; the derivative at the kink is −t.

    Cortes, Vapnik 1995, Machine Learning 20, "Support-vector networks".
    """
    outputs, targets = _pair("hinge", outputs, targets)
    return _rectified(1 - outputs * targets)


def perceptron(
    outputs: Float[Array, "*shape"], targets: Shaped[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """max(0, −t·z) for targets t of −1 or +1: gradient descent on it is the perceptron's rule.

    The derivative at z = 0 is −t, so that weights of 0 learn; as in scikit-learn.
    Rosenblatt 1958, Psychological Review 65, "The perceptron"; Bishop 2006, equation 4.54.
    """
    outputs, targets = _pair("perceptron", outputs, targets)
    return _rectified(-outputs * targets)


def binary_cross_entropy(
    outputs: Float[Array, "*shape"],
    targets: Shaped[Array, "*shape"],
    *,
    smoothing: UnitInterval = 0.0,
) -> Float[Array, "*shape"]:
    """−t log p − (1 − t) log(1 − p) for probabilities p and targets in [0, 1].

    Good 1952, JRSS B 14, "Rational decisions".

    >>> [round(float(binary_cross_entropy(p, 1)), 7) for p in (jnp.float32(0.9), jnp.float32(0.5))]
    [0.1053605, 0.6931472]
    """
    p, t = _pair("binary_cross_entropy", outputs, targets)
    t = smooth_labels(t, smoothing, num_classes=2)
    return t * -_log(p) + (1 - t) * -_log_complement(p)


def sigmoid_binary_cross_entropy(
    outputs: Float[Array, "*shape"],
    targets: Shaped[Array, "*shape"],
    *,
    smoothing: UnitInterval = 0.0,
) -> Float[Array, "*shape"]:
    """−t log σ(z) − (1 − t) log(1 − σ(z)) for logits z and targets in [0, 1].

    Cox 1958, JRSS B 20, "The regression analysis of binary sequences".
    """
    z, t = _pair("sigmoid_binary_cross_entropy", outputs, targets)
    t = smooth_labels(t, smoothing, num_classes=2)
    return t * jax.nn.softplus(-z) + (1 - t) * jax.nn.softplus(z)


def sigmoid_focal(
    outputs: Float[Array, "*shape"],
    targets: Shaped[Array, "*shape"],
    *,
    gamma: NonNegative = 2.0,
    alpha: UnitInterval | None = None,
) -> Float[Array, "*shape"]:
    """−t (1 − p)^gamma log p − (1 − t) p^gamma log(1 − p), where p = σ(z), for logits z.

    gamma turns easy examples down, 0 is cross-entropy. alpha weighs t = 1, 1 − alpha weighs t = 0,
    None weighs both 1. Targets in [0, 1]; soft ones mix the losses of the two labels.
    Lin, Goyal, Girshick, He, Dollár 2017, ICCV, "Focal loss for dense object detection".
    """
    z, t = _pair("sigmoid_focal", outputs, targets)
    dtype, z, t = z.dtype, _wide(z), _wide(t)
    power = _number(gamma, z)
    minus_log_p, minus_log_q = jax.nn.softplus(-z), jax.nn.softplus(z)
    positive = t * jnp.exp(-power * minus_log_q) * minus_log_p
    negative = (1 - t) * jnp.exp(-power * minus_log_p) * minus_log_q
    if alpha is not None:
        weight = _number(alpha, z)
        positive, negative = weight * positive, (1 - weight) * negative
    return (positive + negative).astype(dtype)


def categorical_cross_entropy(
    outputs: Float[Array, "*batch classes"],
    targets: Shaped[Array, "*batch classes"],
    *,
    smoothing: UnitInterval = 0.0,
) -> Float[Array, "*batch"]:
    """−Σ tₖ log pₖ for probabilities p, taken as they are, and one-hot or soft targets.

    Good 1952, JRSS B 14, "Rational decisions".

    >>> p, t = jnp.array([0.8, 0.1, 0.1]), jnp.array([1, 0, 0])
    >>> round(float(categorical_cross_entropy(p, t)), 6)
    0.223144
    """
    p, t = _pair("categorical_cross_entropy", outputs, targets, classes=True)
    return jnp.sum(smooth_labels(t, smoothing) * -_log(p), axis=-1)


def softmax_cross_entropy(
    outputs: Float[Array, "*batch classes"],
    targets: Shaped[Array, "*batch classes"],
    *,
    smoothing: UnitInterval = 0.0,
) -> Float[Array, "*batch"]:
    """−Σ tₖ log softmax(z)ₖ for logits z and one-hot or soft targets.

    Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs".
    """
    z, t = _pair("softmax_cross_entropy", outputs, targets, classes=True)
    return jnp.sum(smooth_labels(t, smoothing) * -jax.nn.log_softmax(z), axis=-1)


def softmax_cross_entropy_with_integer_labels(
    outputs: Float[Array, "*batch classes"],
    targets: Integer[Array, "*batch"],
    *,
    smoothing: UnitInterval = 0.0,
) -> Float[Array, "*batch"]:
    """−log softmax(z)ₖ for logits z and the label k; `softmax_cross_entropy` of its one-hot.

    A label outside 0 … classes − 1, negative or not, gives NaN: under trace nothing can raise, and
    a number would go unnoticed. Logits of −∞ leave a class out, while smoothing is the default.
    Raises TypeError for labels that are not integers.
    """
    z, labels = _floats(_LABELS, outputs, classes=True), jnp.asarray(targets)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        fix = "For one-hot targets use softmax_cross_entropy."
        raise bad_type(f"losses.{_LABELS}", "targets", "integers", labels.dtype, fix)
    if labels.shape != z.shape[:-1]:
        constraint = f"of the shape of the outputs without the classes, {z.shape[:-1]}"
        raise bad_type(f"losses.{_LABELS}", "targets", constraint, labels.shape, _NOT_BROADCAST)
    # Gathering beats a one-hot product: value and gradient for 64 nets, batch 32, 10 classes take
    # 58 against 66–74 µs on two CPU cores. It wraps −1 and huge labels round: put just outside.
    labels, num_classes = labels.astype(int), z.shape[-1]
    labels = jnp.where((labels >= 0) & (labels < num_classes), labels, num_classes)
    total = jax.nn.logsumexp(z, axis=-1)
    loss = total - jnp.take_along_axis(z, labels[..., None], axis=-1, mode="fill")[..., 0]
    if isinstance(smoothing, int | float) and smoothing == 0:
        return loss  # the hot case: a fifth faster, and −∞ never meets 0
    share = _number(smoothing, z)
    return (1 - share) * loss + share * (total - jnp.mean(z, axis=-1))


def softmax_focal(
    outputs: Float[Array, "*batch classes"],
    targets: Shaped[Array, "*batch classes"],
    *,
    gamma: NonNegative = 2.0,
) -> Float[Array, "*batch"]:
    """−Σ tₖ (1 − pₖ)^gamma log pₖ, where p = softmax(z), for logits z and one-hot or soft targets.

    gamma turns easy examples down, 0 is cross-entropy. Lin et al. 2017, as in `sigmoid_focal`.
    """
    z, t = _pair("softmax_focal", outputs, targets, classes=True)
    dtype, z, t = z.dtype, _wide(z), _wide(t)
    log_p = jax.nn.log_softmax(z)
    # The floor keeps the derivatives of the power finite where p is 1 and gamma small.
    others = jnp.maximum(-jnp.expm1(log_p), float(jnp.finfo(z.dtype).eps))
    return jnp.sum(t * others ** _number(gamma, z) * -log_p, axis=-1).astype(dtype)


def kl_divergence(
    outputs: Float[Array, "*batch classes"], targets: Shaped[Array, "*batch classes"]
) -> Float[Array, "*batch"]:
    """Σ tₖ (log tₖ − log pₖ) for probabilities p and targets t, where 0 log 0 is 0.

    Not negative where both sum to 1. `optax.kl_divergence` takes log p.
    Kullback, Leibler 1951, Annals of Mathematical Statistics 22, "On information and sufficiency".
    """
    p, t = _pair("kl_divergence", outputs, targets, classes=True)
    return jnp.sum(t * (_log(t) - _log(p)), axis=-1)


def smooth_labels(
    targets: Shaped[Array, "*shape"], smoothing: UnitInterval, *, num_classes: int | None = None
) -> Float[Array, "*shape"]:
    """(1 − smoothing)·t + smoothing/K: a share of every target spread over all K classes.

    K is the size of the last axis; num_classes=2 is for binary targets. Integers become floats.
    Szegedy et al. 2016, CVPR, "Rethinking the Inception architecture for computer vision".

    >>> smooth_labels(jnp.array([0, 1, 0, 0]), 0.2)
    Array([0.05, 0.85, 0.05, 0.05], dtype=float32)
    """
    t = jnp.asarray(targets)
    t = t if jnp.issubdtype(t.dtype, jnp.inexact) else t.astype(float)
    if num_classes is None:
        num_classes = _num_classes("smooth_labels", "targets", t)
    share = _number(smoothing, t)
    return (1 - share) * t + share / num_classes


LOSSES: dict[str, Loss] = {
    f.__name__: f
    for f in (
        squared_error,
        absolute_error,
        huber,
        log_cosh,
        hinge,
        perceptron,
        binary_cross_entropy,
        sigmoid_binary_cross_entropy,
        sigmoid_focal,
        categorical_cross_entropy,
        softmax_cross_entropy,
        softmax_cross_entropy_with_integer_labels,
        softmax_focal,
        kl_divergence,
    )
}

KNOWN_AS: dict[str, str] = {  # by others → here: errors suggest it, `get` does not take it
    **dict.fromkeys(("mse", "mse_loss", "l2", "l2_loss"), "squared_error"),
    **dict.fromkeys(("mae", "l1", "l1_loss"), "absolute_error"),
    "bce": "binary_cross_entropy",
    "bce_with_logits": "sigmoid_binary_cross_entropy",
    **dict.fromkeys(("ce", "cross_entropy", "nll", "nll_loss"), _LABELS),
}


def get(name: str | Loss) -> Loss:
    """The loss of that name; a function is returned as it is.

    Raises ValueError for a name that is not in `LOSSES`, TypeError for anything else.
    """
    return look_up_function("losses.get", name, LOSSES, KNOWN_AS)


def _floats(name: str, outputs: Any, *, classes: bool) -> Array:
    outputs = jnp.asarray(outputs)
    if not jnp.issubdtype(outputs.dtype, jnp.floating):
        raise bad_type(f"losses.{name}", "outputs", "floats", outputs.dtype, "Cast them first.")
    if classes:
        _num_classes(name, "outputs", outputs)
    return outputs


def _num_classes(name: str, parameter: str, x: Array) -> int:
    if x.ndim == 0:
        fix = "The last axis holds the classes."
        raise bad_type(f"losses.{name}", parameter, "of one axis or more", "a scalar", fix)
    return x.shape[-1]


def _pair(name: str, outputs: Any, targets: Any, *, classes: bool = False) -> tuple[Array, Array]:
    outputs, targets = _floats(name, outputs, classes=classes), jnp.asarray(targets)
    if targets.shape != outputs.shape:
        constraint = f"of the shape of the outputs, {outputs.shape}"
        raise bad_type(f"losses.{name}", "targets", constraint, targets.shape, _NOT_BROADCAST)
    return outputs, targets.astype(outputs.dtype)


def _wide(x: Array) -> Array:
    # Focal losses multiply by gamma before they multiply by what is small: float16 overflows.
    return x if x.dtype == jnp.float64 else x.astype(jnp.float32)


def _number(number: ArrayLike, like: Array) -> Array:
    return jnp.asarray(number, like.dtype)


@jax.custom_jvp
def _clamp(p: Array, low: float, high: float) -> Array:
    # With derivative 1 outside too.
    return jnp.clip(p, low, high)


@_clamp.defjvp
def _clamp_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    return _clamp(*primals), tangents[0]


def _log(p: Array) -> Array:
    # Rules and norms square the gradient 1/p in float32 at least: the root keeps that finite.
    tiny, wide_tiny = float(jnp.finfo(p.dtype).tiny), float(jnp.finfo(_wide(p).dtype).tiny)
    return jnp.log(_clamp(p, max(tiny, wide_tiny**0.5), 1.0))


def _log_complement(p: Array) -> Array:
    return jnp.log1p(-_clamp(p, 0.0, 1.0 - float(jnp.finfo(p.dtype).epsneg)))


def _rectified(x: Array) -> Array:
    # Not jnp.maximum, whose derivative at the kink is ½; this order of branches keeps a NaN.
    return jnp.where(x < 0, jnp.zeros_like(x), x)
