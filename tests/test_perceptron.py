"""The perceptron of the lecture, the sixteen gates, scikit-learn's weights, Novikoff's bound."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnn import losses, models
from jaxnn.errors import BadType, BadValue
from jaxnn.models import Perceptron, PerceptronParams, perceptron
from jaxnn.optimizers import apply_updates, sgd

SQUARE = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
GATES = np.array(list(itertools.product([0, 1], repeat=4)))
XOR, XNOR = (0, 1, 1, 0), (1, 0, 0, 1)
NAMED = {"or": (0, 1, 1, 1), "and": (0, 0, 0, 1), "nand": (1, 1, 1, 0), "nor": (1, 0, 0, 0)}
MODEL = Perceptron(2)


@pytest.fixture(params=["float64", "float32"])
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both precisions: the dtype of JAX's floats in the test."""
    with jax.enable_x64(request.param == "float64"):
        yield request.param


def start(model: Perceptron = MODEL) -> PerceptronParams:
    return model.init(jax.random.key(0))


def separable(gate: np.ndarray) -> bool:
    return tuple(gate) not in (XOR, XNOR)


def test_and_gate_by_hand(precision):
    """Lecture, section 2: from w = (1, 1) with θ = 2.5 held, one mistake leads to w = (2, 2)."""
    begin = PerceptronParams(jnp.ones(2, precision), jnp.asarray(2.5, precision))
    targets = np.array(NAMED["and"])
    assert MODEL.score(begin, SQUARE).tolist() == [-2.5, -1.5, -1.5, -0.5]
    assert MODEL.predict(begin, SQUARE).tolist() == [0, 0, 0, 0]

    after = begin
    for x, t in zip(SQUARE, targets, strict=True):
        after = MODEL.update(after, x, t, learn_threshold=False)
    fit = MODEL.fit(begin, SQUARE, targets, learn_threshold=False)
    for params in (after, fit.params):
        assert params.weight.tolist() == [2.0, 2.0]
        assert params.threshold == 2.5
        assert params.weight.dtype == params.threshold.dtype == precision
    assert MODEL.score(fit.params, SQUARE).tolist() == [-2.5, -0.5, -0.5, 1.5]
    assert MODEL.predict(fit.params, SQUARE).tolist() == [0, 0, 0, 1]
    assert fit.verdict() == "separable: learned in 1 mistake"
    assert (int(fit.num_passes), fit.mistakes[:3].tolist()) == (2, [1, 0, 0])


@pytest.mark.parametrize("tie", ["one", "both"])
def test_fourteen_gates_are_learned_within_novikoffs_bound_and_two_never(tie, precision):
    fits = jax.vmap(lambda targets: MODEL.fit(start(), SQUARE, targets, tie=tie))(GATES)
    assert fits.params.weight.dtype == fits.params.threshold.dtype == precision
    for index, gate in enumerate(GATES):
        fit = jax.tree.map(lambda leaf, index=index: leaf[index], fits)
        line = models.find_separator(SQUARE, gate)
        assert bool(fit.separated) == (line is not None) == separable(gate)
        if line is None:
            assert int(fit.num_passes) == 100
            continue
        assert MODEL.predict(fit.params, SQUARE).tolist() == gate.tolist()
        assert int(fit.num_mistakes) <= models.novikoff_bound(SQUARE, gate, line) + 1e-9


@pytest.mark.parametrize("name", NAMED)
def test_named_gates_are_learned(name, precision):
    fit = MODEL.fit(start(), SQUARE, np.array(NAMED[name]))
    assert fit.params.weight.dtype == precision
    assert MODEL.predict(fit.params, SQUARE).tolist() == list(NAMED[name])
    assert fit.verdict() == f"separable: learned in {int(fit.num_mistakes)} mistakes"


@pytest.mark.parametrize("gate", [XOR, XNOR])
def test_the_library_says_that_xor_is_not_separable(gate, precision):
    fit = MODEL.fit(start(), SQUARE, np.array(gate), max_passes=7)
    assert fit.params.weight.dtype == precision
    assert fit.verdict() == "not separated after 7 passes"
    known = models.is_separable(SQUARE, gate)
    assert fit.verdict(separable=known) == "not linearly separable: not separated after 7 passes"


def test_a_separable_gate_stopped_early_says_so():
    fit = MODEL.fit(start(), SQUARE, np.array(NAMED["and"]), max_passes=1)
    known = models.is_separable(SQUARE, NAMED["and"])
    assert fit.verdict(separable=known) == "separable, but not separated after 1 pass"


def test_with_the_threshold_held_exactly_seven_gates_are_learned(precision):
    begin = PerceptronParams(jnp.ones(2, precision), jnp.asarray(2.5, precision))
    fits = jax.vmap(lambda t: MODEL.fit(begin, SQUARE, t, learn_threshold=False))(GATES)
    # At (0, 0) z is −2.5 whatever w is: the gates that answer 0 there, without XOR.
    expected = [gate[0] == 0 and separable(gate) for gate in GATES]
    assert fits.separated.tolist() == expected
    assert sum(expected) == 7
    assert np.all(np.asarray(fits.params.threshold) == 2.5)
    assert fits.params.weight.dtype == fits.params.threshold.dtype == precision
    assert [models.is_separable(SQUARE, gate, threshold=2.5) for gate in GATES] == expected


def sklearn_weights(inputs: np.ndarray, targets: np.ndarray, epochs: int) -> np.ndarray:
    from sklearn.linear_model import Perceptron as Reference

    reference = Reference(shuffle=False, tol=None, max_iter=epochs).fit(inputs, targets)
    return np.append(reference.coef_[0], -reference.intercept_)


def test_every_gate_has_scikit_learns_weights_after_1_2_3_and_10_epochs(precision):
    gates = GATES[1:-1]  # scikit-learn refuses a single class
    fits = jax.vmap(lambda t: MODEL.fit(start(), SQUARE, t, max_passes=10, tie="both"))(gates)
    assert fits.history.weight.dtype == precision
    for epochs in (1, 2, 3, 10):
        ours = np.column_stack(
            [fits.history.weight[:, epochs - 1], fits.history.threshold[:, epochs - 1]]
        )
        theirs = np.stack([sklearn_weights(SQUARE, gate, epochs) for gate in gates])
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_real_valued_examples_have_scikit_learns_weights(noise, precision):
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(40, 5)).astype(precision)
    targets = (inputs.sum(axis=1) + noise * rng.normal(size=40) > 0.3).astype(int)
    model = Perceptron(5)
    fit = model.fit(start(model), inputs, targets, max_passes=10, tie="both")
    assert fit.history.weight.dtype == precision
    for epochs in (1, 2, 3, 10):
        ours = np.append(fit.history.weight[epochs - 1], fit.history.threshold[epochs - 1])
        theirs = sklearn_weights(inputs, targets, epochs)
        rtol = {"float64": 1e-12, "float32": 5e-7}[precision]
        np.testing.assert_allclose(ours, theirs, rtol=rtol)


@given(
    points=st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=8, max_size=8, unique=True),
    weight=st.tuples(*[st.integers(-3, 3)] * 3),
    threshold=st.integers(-3, 3),
    tie=st.sampled_from(["one", "both"]),
)
@settings(max_examples=40)
def test_separable_points_are_learned_within_the_bound(points, weight, threshold, tie):
    inputs = np.array(points, float)
    known = PerceptronParams(np.array(weight, float), threshold + 0.5)  # no point lies on it
    targets = (inputs @ known.weight > known.threshold).astype(int)
    model = Perceptron(3)
    # ‖(w, θ)‖² <= 40 and ‖(x, −1)‖² <= 28 at a margin of 1/2: at most 4,480 mistakes.
    fit = model.fit(start(model), inputs, targets, max_passes=4481, tie=tie)
    assert bool(fit.separated)
    assert int(fit.num_mistakes) <= models.novikoff_bound(inputs, targets, known) + 1e-6
    assert model.predict(fit.params, inputs).tolist() == targets.tolist()
    best = models.find_separator(inputs, targets)
    assert best is not None
    signs = np.where(targets == 1, 1, -1)
    assert np.all(signs * (inputs @ best.weight - best.threshold) > 0)


def test_104_of_the_256_gates_of_three_inputs_are_separable():
    """The count of threshold functions of three variables; Muroga 1971, "Threshold Logic"."""
    cube = np.array(list(itertools.product([0, 1], repeat=3)))
    gates = itertools.product([0, 1], repeat=8)
    assert sum(models.is_separable(cube, gate) for gate in gates) == 104


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_separability_does_not_depend_on_units(scale):
    line = models.find_separator(scale * SQUARE, NAMED["and"])
    assert line is not None
    assert (scale * SQUARE @ line.weight > line.threshold).tolist() == [False, False, False, True]
    assert not models.is_separable(scale * SQUARE, XOR)


def test_with_the_threshold_held_class_1_may_lie_on_the_line():
    """At θ = 0 the origin is on every line, and the perceptron answers 1 there."""
    points = np.array([[0, 0], [1, 0]])
    begin = PerceptronParams(jnp.zeros(2), jnp.zeros(()))
    for targets in ([1, 0], [0, 1]):
        fit = MODEL.fit(begin, points, np.array(targets), learn_threshold=False)
        known = models.is_separable(points, targets, threshold=0.0)
        assert known == bool(fit.separated) == (targets == [1, 0])


def test_ties_are_counted_as_1_or_as_wrong_for_both():
    x, flat = jnp.array([1.0, 2.0]), PerceptronParams(jnp.zeros(2), jnp.zeros(()))
    assert int(MODEL.predict(flat, x)) == 1
    moves = {
        (tie, t): MODEL.update(flat, x, jnp.asarray(t), tie=tie).weight.tolist()
        for tie in ("one", "both")
        for t in (0, 1)
    }
    assert moves == {
        ("one", 0): [-1.0, -2.0],
        ("one", 1): [0.0, 0.0],
        ("both", 0): [-1.0, -2.0],
        ("both", 1): [1.0, 2.0],
    }


def test_the_rule_is_gradient_descent_on_the_perceptron_loss():
    rng = np.random.default_rng(0)
    params = PerceptronParams(jnp.array([0.5, -1.0]), jnp.array(0.25))
    for x in rng.normal(size=(20, 2)).astype(np.float32):
        for target in (0, 1):
            sign = jnp.float32(2 * target - 1)

            def loss(params, x=x, sign=sign):
                return losses.perceptron(MODEL.score(params, x), sign)

            hyper = sgd.Hyper(0.5)
            updates, _ = sgd.update(jax.grad(loss)(params), sgd.init(params, hyper), params, hyper)
            ours = MODEL.update(params, x, jnp.asarray(target), learning_rate=0.5, tie="both")
            for a, b in zip(ours, apply_updates(params, updates), strict=True):
                np.testing.assert_array_equal(a, b)


def test_from_zero_the_rate_scales_the_weights_and_changes_no_answer():
    rates = jnp.array([1.0, 0.25, 2.0])
    targets = np.array(NAMED["nand"])
    fits = jax.vmap(lambda rate: MODEL.fit(start(), SQUARE, targets, learning_rate=rate))(rates)
    assert len(set(fits.num_mistakes.tolist())) == 1
    for weight, rate in zip(fits.params.weight, rates, strict=True):
        np.testing.assert_array_equal(weight, rate * fits.params.weight[0])


def test_lanes_over_initial_parameters_are_the_fits_alone():
    model = Perceptron(2, weight_init="normal")
    begins = jax.vmap(model.init)(jax.random.split(jax.random.key(4), 5))
    targets = np.array(NAMED["or"])
    lanes = jax.vmap(lambda params: model.fit(params, SQUARE, targets))(begins)
    for lane in range(5):
        alone = model.fit(jax.tree.map(lambda x, i=lane: x[i], begins), SQUARE, targets)
        for a, b in zip(jax.tree.leaves(lanes), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[lane], b, rtol=1e-6)


def test_history_ends_with_the_last_parameters_repeated():
    fit = MODEL.fit(start(), SQUARE, np.array(NAMED["and"]), max_passes=9)
    passes = int(fit.num_passes)
    assert 1 < passes < 9
    assert fit.mistakes[passes - 1 :].tolist() == [0] * (10 - passes)
    assert int(fit.mistakes.sum()) == int(fit.num_mistakes)
    for k in range(passes - 1, 9):
        assert fit.history.weight[k].tolist() == fit.params.weight.tolist()
        assert float(fit.history.threshold[k]) == float(fit.params.threshold)
    assert fit.history.weight[0].tolist() != fit.params.weight.tolist()


def test_a_new_rate_or_new_data_compile_nothing():
    MODEL.fit(start(), SQUARE, GATES[7], max_passes=11)
    before = perceptron._fit._cache_size()
    MODEL.fit(start(), SQUARE, GATES[8], max_passes=11, learning_rate=0.1)
    Perceptron(2).fit(start(), 2 * SQUARE, GATES[8], max_passes=11, learning_rate=jnp.array(0.2))
    assert perceptron._fit._cache_size() == before


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes_are_kept_without_promotion(strict_dtypes, x64, dtype):
    model = Perceptron(2, dtype=dtype)
    fit = model.fit(start(model), SQUARE, np.array(NAMED["and"]))
    assert fit.params.weight.dtype == fit.params.threshold.dtype == dtype
    assert model.apply(fit.params, SQUARE).dtype == dtype
    assert model.predict(fit.params, SQUARE).tolist() == [0, 0, 0, 1]


def test_it_is_a_model_with_one_output():
    model = Perceptron(3, weight_init="normal")
    params = model.init(jax.random.key(1))
    inputs = jax.random.normal(jax.random.key(2), (4, 5, 3))
    assert params.weight.shape == (3,)
    assert params.threshold == 0
    assert model.apply(params, inputs, key=jax.random.key(0)).shape == (4, 5, 1)
    assert model.score(params, inputs).shape == model.predict(params, inputs).shape == (4, 5)
    loss = losses.sigmoid_binary_cross_entropy
    slopes = jax.grad(lambda p: jnp.mean(loss(model.score(p, inputs), jnp.ones((4, 5)))))(params)
    assert float(slopes.threshold) > 0  # a lower threshold says 1 more often


def test_initial_values_are_the_same_in_double_precision():
    single = start(Perceptron(4, weight_init="normal")).weight
    with jax.enable_x64(True):
        double = start(Perceptron(4, weight_init="normal")).weight
        assert double.dtype == jnp.float64
        np.testing.assert_array_equal(np.asarray(double), np.asarray(single, np.float64))


def test_models_are_values():
    model = Perceptron(2, "normal", jnp.float32)
    assert model == Perceptron(2, weight_init="normal", dtype="float32")
    assert hash(pickle.loads(pickle.dumps(model))) == hash(model)
    assert models.MODELS["perceptron"] is Perceptron


ERRORS = {
    "Perceptron: `num_inputs` must be >= 1; got 0. Pass 1 or more.": lambda: Perceptron(0),
    "Perceptron: `dtype` must be a floating dtype; got 'int32'. Did you mean 'float32'?": (
        lambda: Perceptron(2, dtype="int32")
    ),
    "Perceptron: `inputs` must be an array of shape (..., 2); got shape (4, 3).": (
        lambda: MODEL.apply(start(), jnp.ones((4, 3)))
    ),
    "Perceptron: `tie` must be one of both, one; got 'on'. Did you mean 'one'?": (
        lambda: MODEL.fit(start(), SQUARE, GATES[0], tie="on")
    ),
    "Perceptron.fit: `max_passes` must be >= 1; got 0. Pass 1 or more.": (
        lambda: MODEL.fit(start(), SQUARE, GATES[0], max_passes=0)
    ),
    "Perceptron.fit: `inputs` must be of shape (examples, inputs); got shape (2,).": (
        lambda: MODEL.fit(start(), SQUARE[0], GATES[0])
    ),
    "Perceptron.fit: `inputs` must be of one example or more; got shape (0, 2).": (
        lambda: MODEL.fit(start(), SQUARE[:0], GATES[0, :0])
    ),
    "Perceptron.fit: `targets` must be of shape (4,), as `inputs`; got shape (3,).": (
        lambda: MODEL.fit(start(), SQUARE, GATES[0, :3])
    ),
    "Perceptron.fit: `targets` must be 0 or 1; got -1. Map the two classes so.": (
        lambda: MODEL.fit(start(), SQUARE, 2 * GATES[6] - 1)
    ),
    "Perceptron.fit: `inputs` must be finite; got an entry that is not. "
    "Drop the rows with NaN or infinity.": (
        lambda: MODEL.fit(start(), np.where(SQUARE == 0, np.nan, 1.0), GATES[0])
    ),
    "novikoff_bound: `separator` must be a line strictly between the classes; "
    "got a margin of -1. Take the one that find_separator returns.": (
        lambda: models.novikoff_bound(SQUARE, GATES[0], PerceptronParams(jnp.ones(2), 1.0))
    ),
    "PerceptronFit.verdict: `fit` must be a single fit; got shape (16,). "
    "Take one of the batch: jax.tree.map(lambda x: x[0], fit).": (
        lambda: jax.vmap(lambda t: MODEL.fit(start(), SQUARE, t))(GATES).verdict()
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_parameter_and_the_fix(message):
    with pytest.raises((BadValue, BadType)) as caught:
        ERRORS[message]()
    assert str(caught.value) == message
