"""Losses: the contract over the table, with a reference for each entry, and the errors."""

from __future__ import annotations

import functools
import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import sklearn.metrics
from beartype import beartype
from jaxtyping import jaxtyped

from jaxnn import losses
from jaxnn.errors import BadType, BadValue
from jaxnn.losses import LOSSES

DTYPES = [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64]
LOGITS = [-1e4, -100.0, -1.0, -6.2e-5, 0.0, 6.2e-5, 1.0, 100.0, 1e4]
PROBABILITIES = [0.0, 1e-8, 1e-3, 0.3, 0.5, 0.9, 0.999, 1 - 1e-7, 1.0]
CLASSES = 9

every_name = pytest.mark.parametrize("name", LOSSES)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)


# What each loss takes, its numbers, and another implementation of it. A new entry has a line here.


def optax_loss(name, **renamed):
    f = getattr(optax.losses, name)
    return lambda o, t, **numbers: f(o, t, **{renamed.get(k, k): v for k, v in numbers.items()})


def smoothed(f, num_classes):
    def reference(o, t, smoothing=0.0):
        return f(o, (1 - smoothing) * t + smoothing / num_classes)

    return reference


def sparse(o, t, smoothing=0.0):
    one_hot = np.eye(o.shape[-1])[np.asarray(t)]
    return smoothed(optax.losses.softmax_cross_entropy, o.shape[-1])(o, one_hot, smoothing)


def binary(p, t):
    return -scipy.special.xlogy(t, p) - scipy.special.xlog1py(1 - t, -p)


def softmax_focal(z, t, gamma=2.0):
    p = scipy.special.softmax(z, axis=-1)
    return -np.sum(t * (1 - p) ** gamma * np.log(p), axis=-1)


TABLE = {
    "squared_error": ("reals", [], optax_loss("l2_loss")),
    "absolute_error": ("reals", [], lambda o, t: np.abs(o - t)),
    "huber": ("reals", [{"delta": 0.3}, {"delta": 4.0}], optax_loss("huber_loss")),
    "log_cosh": ("reals", [], optax_loss("log_cosh")),
    "hinge": ("signs", [], optax_loss("hinge_loss")),
    "perceptron": ("signs", [], optax_loss("perceptron_loss")),
    "binary_cross_entropy": ("binary probabilities", [{"smoothing": 0.1}], smoothed(binary, 2)),
    "sigmoid_binary_cross_entropy": (
        "binary logits",
        [{"smoothing": 0.1}],
        smoothed(optax.losses.sigmoid_binary_cross_entropy, 2),
    ),
    "sigmoid_focal": (
        "binary logits",
        [{"gamma": 0.0}, {"gamma": 0.5, "alpha": 0.25}, {"gamma": 5.0}],
        optax_loss("sigmoid_focal_loss"),
    ),
    "categorical_cross_entropy": (
        "probabilities",
        [{"smoothing": 0.1}],
        smoothed(lambda p, t: -scipy.special.xlogy(t, p).sum(-1), CLASSES),
    ),
    "softmax_cross_entropy": (
        "logits",
        [{"smoothing": 0.1}],
        smoothed(optax.losses.softmax_cross_entropy, CLASSES),
    ),
    "softmax_cross_entropy_with_integer_labels": ("labels", [{"smoothing": 0.1}], sparse),
    "softmax_focal": ("logits", [{"gamma": 0.0}, {"gamma": 0.5}, {"gamma": 5.0}], softmax_focal),
    "kl_divergence": ("probabilities", [], lambda p, t: scipy.special.rel_entr(t, p).sum(-1)),
}


def ordinary(name, dtype=jnp.float64):
    """Outputs and targets of the kind that the loss takes, shape (6, 9); none near a kink."""
    rng = np.random.default_rng(0)
    reals, others = rng.normal(size=(2, 6, CLASSES)) * 2
    sigmoid, softmax = scipy.special.expit(reals), scipy.special.softmax(reals, axis=-1)
    outputs, targets = {
        "reals": (reals, others),
        "signs": (reals, np.sign(others)),
        "binary probabilities": (sigmoid, others > 0),
        "binary logits": (reals, others > 0),
        "probabilities": (softmax, scipy.special.softmax(others, axis=-1)),
        "logits": (reals, scipy.special.softmax(others, axis=-1)),
        "labels": (reals, others.argmax(-1)),
    }[TABLE[name][0]]
    outputs = jnp.asarray(outputs, dtype)
    return outputs, jnp.asarray(targets, jnp.int32 if TABLE[name][0] == "labels" else dtype)


def extreme(name, dtype):
    """Every extreme output with every kind of target, shape (6, 9)."""
    kind = TABLE[name][0]
    ends = PROBABILITIES if "probabilities" in kind else LOGITS
    top, bottom = max(ends), min(ends)
    rows = [ends, ends[::-1], [top] * 9, [bottom] * 9, [top] + [bottom] * 8, [bottom] * 8 + [top]]
    ones = np.eye(CLASSES)
    targets = {
        "reals": np.resize([0.0, 1.0, -1.0, 1e4], (6, 9)),
        "signs": np.resize([-1.0, 1.0], (6, 9)),
        "binary probabilities": np.resize([0.0, 1.0, 0.3, 1.0], (6, 9)),
        "binary logits": np.resize([0.0, 1.0, 0.3, 1.0], (6, 9)),
        "probabilities": np.stack([*ones[[0, 4, 8, 3, 1]], np.full(9, 1 / 9)]),
        "logits": np.stack([*ones[[0, 4, 8, 3, 1]], np.full(9, 1 / 9)]),
        "labels": np.array([0, 4, 8, 3, 1, 8]),
    }[kind]
    outputs = jnp.asarray(rows, dtype)
    return outputs, jnp.asarray(targets, jnp.int32 if kind == "labels" else dtype)


@functools.cache
def values_and_pull(name):
    """Losses and the gradient of their sum times `scale`; compiled once for all tests."""

    def f(outputs, targets, scale, numbers):
        values, pull = jax.vjp(lambda o: LOSSES[name](o, targets, **numbers), outputs)
        return values, pull(jnp.broadcast_to(jnp.asarray(scale, values.dtype), values.shape))[0]

    return jax.jit(f)


def wide(x):
    return np.asarray(x.astype(jnp.float64))


def in_float64(targets):
    return targets if jnp.issubdtype(targets.dtype, jnp.integer) else wide(targets)


def test_every_loss_has_its_reference_here():
    assert set(TABLE) == set(LOSSES)
    for name, (_, cases, _) in TABLE.items():
        keywords = [
            p.name
            for p in inspect.signature(LOSSES[name]).parameters.values()
            if p.kind is p.KEYWORD_ONLY
        ]
        assert set(keywords) == {k for case in cases for k in case}, name


@every_name
def test_matches_its_reference(name, x64):
    _, cases, reference = TABLE[name]
    outputs, targets = ordinary(name)
    for numbers in [{}, *cases]:
        values, _ = values_and_pull(name)(outputs, targets, 1.0, numbers)
        expected = reference(outputs, targets, **numbers)
        np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-14)


@every_name
def test_gradient_matches_finite_differences(name, x64):
    outputs, targets = ordinary(name)
    direction, step = 0.1 * np.cos(np.arange(54)).reshape(6, 9) * np.asarray(outputs), 1e-5
    for numbers in [{}, *TABLE[name][1]]:
        f = functools.partial(values_and_pull(name), targets=targets, scale=1.0, numbers=numbers)
        ahead, behind = (np.sum(f(outputs + s * direction)[0]) for s in (step, -step))
        slope = np.sum(f(outputs)[1] * direction)
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-7)


@pytest.mark.parametrize("name", [name for name, (_, cases, _) in TABLE.items() if cases])
def test_numbers_are_traced_differentiated_and_batched(name, x64):
    outputs, targets = ordinary(name)
    traces = []

    def total(numbers):
        traces.append(1)
        return jnp.sum(LOSSES[name](outputs, targets, **numbers))

    f = jax.jit(jax.value_and_grad(total))
    for numbers in TABLE[name][1]:
        slopes = f(numbers)[1]
        for key, value in numbers.items():
            ahead, behind = (f({**numbers, key: value + s})[0] for s in (1e-6, -1e-6))
            np.testing.assert_allclose(slopes[key], (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-6)
    assert len(traces) == len({tuple(case) for case in TABLE[name][1]})
    case = TABLE[name][1][0]
    lanes = jax.vmap(total)({k: jnp.array([v, v + 0.25]) for k, v in case.items()})
    alone = [total({k: v + shift for k, v in case.items()}) for shift in (0.0, 0.25)]
    np.testing.assert_allclose(lanes, alone, rtol=1e-12)


@every_name
@every_dtype
def test_keeps_dtype_and_shape(name, dtype, x64, strict_dtypes):
    outputs, targets = ordinary(name, dtype)
    checked = jaxtyped(LOSSES[name], typechecker=beartype)
    for other in (targets, targets.astype(jnp.int32), targets.astype(jnp.uint8)):
        out = jax.eval_shape(checked, outputs, other)
        by_class = TABLE[name][0] in ("probabilities", "logits", "labels")
        assert (out.shape, out.dtype) == (outputs.shape[:-1] if by_class else (6, 9), dtype)
    numbers = {k: jnp.float32(v) for case in TABLE[name][1] for k, v in case.items()}
    assert jax.eval_shape(functools.partial(checked, **numbers), outputs, targets).dtype == dtype


@every_name
@every_dtype
def test_is_finite_at_the_extremes(name, dtype, x64, strict_dtypes):
    outputs, targets = extreme(name, dtype)
    for numbers in [{}, *TABLE[name][1]]:
        values, slopes = map(wide, values_and_pull(name)(outputs, targets, 1.0, numbers))
        exact, _ = values_and_pull(name)(wide(outputs), in_float64(targets), 1.0, numbers)
        assert np.array_equal(np.isinf(values), exact > float(jnp.finfo(dtype).max))
        assert (values >= 0).all()
        assert np.isfinite(slopes).all()
        # The scale that keeps small gradients alive in float16 may overflow there, not become NaN.
        _, scaled = map(wide, values_and_pull(name)(outputs, targets, 2.0**15, numbers))
        assert np.isfinite(scaled).all() or (dtype == jnp.float16 and not np.isnan(scaled).any())


@every_name
@pytest.mark.parametrize("dtype", DTYPES[:3], ids=lambda d: d.__name__)
def test_low_precision_follows_float64(name, dtype, x64):
    outputs, targets = ordinary(name, dtype)
    values, slopes = map(wide, values_and_pull(name)(outputs, targets, 1.0, {}))
    expected, expected_slopes = values_and_pull(name)(wide(outputs), in_float64(targets), 1.0, {})
    eps = float(jnp.finfo(dtype).eps)
    # Sums over classes and logarithms near 1 round in units of 1, the others relatively.
    assert (np.abs(values - expected) <= 8 * eps * (1 + np.abs(expected))).all()
    assert (np.abs(slopes - expected_slopes) <= 8 * eps * (1 + np.abs(expected_slopes))).all()


@every_name
def test_jit_and_vmap_agree_with_eager(name):
    outputs, targets = ordinary(name, jnp.float32)
    eager, compiled = LOSSES[name], jax.jit(LOSSES[name])
    alone = np.stack([compiled(o, t) for o, t in zip(outputs, targets, strict=True)])
    for f in (eager, compiled, jax.jit(jax.vmap(eager))):
        np.testing.assert_allclose(f(outputs, targets), alone, rtol=1e-5, atol=1e-6)


@every_name
def test_nan_stays_nan(name):
    outputs, targets = ordinary(name, jnp.float32)
    values, _ = values_and_pull(name)(jnp.full_like(outputs, jnp.nan), targets, 1.0, {})
    assert np.isnan(values).all()


@every_name
def test_shapes_are_never_broadcast(name):
    outputs, targets = ordinary(name, jnp.float32)
    for bad in (targets[..., None], targets[:1], targets[0]):
        with pytest.raises(BadType, match="nothing is broadcast"):
            jax.eval_shape(LOSSES[name], outputs, bad)


@every_name
def test_get_finds_it_by_name_and_pickle_too(name):
    f = losses.get(name)
    assert f is LOSSES[name] is losses.get(f)
    assert f.__name__ == name
    assert pickle.loads(pickle.dumps(f)) is f


def test_means_agree_with_scikit_learn(x64):
    p, t = ordinary("binary_cross_entropy")
    ours = losses.binary_cross_entropy(p, t).mean()
    np.testing.assert_allclose(ours, sklearn.metrics.log_loss(t.ravel(), p.ravel()), rtol=1e-12)
    z, signs = ordinary("hinge")
    ours = losses.hinge(z, signs).mean()
    theirs = sklearn.metrics.hinge_loss(signs.ravel(), z.ravel())
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    p, _ = ordinary("categorical_cross_entropy")
    labels = np.array([0, 4, 8, 3, 1, 8])
    ours = losses.categorical_cross_entropy(p, np.eye(9)[labels]).mean()
    theirs = sklearn.metrics.log_loss(labels, p, labels=np.arange(9))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@every_dtype
def test_softmax_before_a_loss_of_probabilities_is_finite(dtype, x64):
    def cost(z, t):
        return jnp.mean(losses.categorical_cross_entropy(jax.nn.softmax(z), t))

    value, slope = jax.value_and_grad(cost)(*extreme("softmax_cross_entropy", dtype))
    assert jnp.isfinite(value)
    assert jnp.isfinite(slope).all()


# Errors.


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: losses.squared_error(jnp.ones(5), jnp.ones((5, 1))),
            "losses.squared_error: `targets` must be of the shape of the outputs, (5,); "
            "got (5, 1). Reshape one of them: nothing is broadcast.",
        ),
        (
            lambda: losses.softmax_cross_entropy_with_integer_labels(
                jnp.ones((5, 3)), jnp.zeros((5, 1), int)
            ),
            "losses.softmax_cross_entropy_with_integer_labels: `targets` must be of the shape of "
            "the outputs without the classes, (5,); got (5, 1). "
            "Reshape one of them: nothing is broadcast.",
        ),
        (
            lambda: losses.softmax_cross_entropy_with_integer_labels(jnp.ones((5, 3)), jnp.ones(5)),
            "losses.softmax_cross_entropy_with_integer_labels: `targets` must be integers; got "
            "float32. For one-hot targets use softmax_cross_entropy.",
        ),
        (
            lambda: losses.huber(jnp.ones(5, int), jnp.ones(5)),
            "losses.huber: `outputs` must be floats; got int32. Cast them first.",
        ),
        (
            lambda: losses.softmax_focal(jnp.float32(1), jnp.float32(1)),
            "losses.softmax_focal: `outputs` must be of one axis or more; got a scalar. "
            "The last axis holds the classes.",
        ),
        (
            lambda: losses.smooth_labels(jnp.float32(1), 0.1),
            "losses.smooth_labels: `targets` must be of one axis or more; got a scalar. "
            "The last axis holds the classes.",
        ),
        (
            lambda: losses.get(losses),
            f"losses.get: `name` must be a name or a function; got {losses!r}. "
            "Try 'squared_error'.",
        ),
    ],
)
def test_wrong_types(call, message):
    with pytest.raises(BadType) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("got", "meant"),
    [
        ("mse", "squared_error"),
        ("MAE", "absolute_error"),
        ("l1", "absolute_error"),
        ("bce", "binary_cross_entropy"),
        ("nll", "softmax_cross_entropy_with_integer_labels"),
        ("cross_entropy", "softmax_cross_entropy_with_integer_labels"),
    ],
)
def test_the_names_of_others_are_suggested_and_not_taken(got, meant):
    with pytest.raises(BadValue) as caught:
        losses.get(got)
    assert str(caught.value).endswith(f"; got {got!r}. Did you mean {meant!r}?")
    assert set(losses.KNOWN_AS.values()) <= set(LOSSES)


def test_unknown_name():
    with pytest.raises(BadValue) as caught:
        losses.get("hubert")
    assert str(caught.value) == (
        f"losses.get: `name` must be one of {', '.join(sorted(LOSSES))}; got 'hubert'. "
        "Did you mean 'huber'?"
    )
