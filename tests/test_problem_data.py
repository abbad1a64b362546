"""Data of problems: splits, standardising without leaks, real data sets and a user's own arrays."""

from __future__ import annotations

from typing import Any

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import losses, problems
from jaxnn.errors import BadType, BadValue
from jaxnn.models import MLP, Perceptron
from jaxnn.problems import Scaling, Supervised, classification, regression
from jaxnn.problems.base import LOSSES_OF_TASK
from jaxnn.problems.data import split_rows
from jaxnn.typing import Array

REAL = {"digits": 1797, "breast_cancer": 569, "wine": 178, "iris": 149, "diabetes": 442}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, -1.0]
Y = np.arange(20) % 2
KEY = jax.random.key(0)


def parts(problem: Supervised) -> list[Any]:
    return [problem.train, problem.validation, problem.test]


# Splits.


@hypothesis.given(
    counts=st.lists(st.integers(3, 40), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
    shares=st.tuples(*[st.integers(1, 20)] * 3),
)
def test_split_is_disjoint_complete_and_stratified(
    counts: list[int], seed: int, shares: tuple[int, int, int]
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    fractions = tuple(share / sum(shares) for share in shares)
    rows = split_rows(len(labels), seed, fractions=fractions, labels=labels)
    assert sorted(np.concatenate(rows)) == list(range(len(labels)))
    for part, fraction in zip(rows, fractions, strict=True):
        found = np.bincount(labels[part], minlength=len(counts))
        assert found.min() >= 1
        # Rounded at both ends, then moved by at most two rows to leave one for the other parts.
        assert np.all(np.abs(found - fraction * np.array(counts)) <= 2)


def test_split_depends_on_the_seed_alone() -> None:
    one, again, other = split_rows(100, 5), split_rows(100, 5), split_rows(100, 6)
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one.test, other.test)
    assert not np.array_equal(one.train, np.sort(one.train))
    assert [len(part) for part in one] == [70, 15, 15]


# Real data.


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("seed", [0, 1])
def test_real_rows_are_disjoint_and_complete(name: str, seed: int) -> None:
    problem = problems.get(name, seed=seed)
    rows = [{row.tobytes() for row in np.asarray(part.inputs)} for part in parts(problem)]
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]
    sizes = [len(part.inputs) for part in parts(problem)]
    assert sizes == [len(distinct) for distinct in rows]
    assert sum(sizes) == REAL[name]
    np.testing.assert_allclose(np.array(sizes) / REAL[name], [0.7, 0.15, 0.15], atol=0.02)


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "iris", "diabetes"])
def test_real_rows_are_standardised_with_training_rows_alone(name: str) -> None:
    from sklearn import datasets

    problem = problems.get(name)
    train, _, test = (np.asarray(part.inputs, np.float64) for part in parts(problem))
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-5)
    assert np.abs(test.mean(axis=0)).max() > 1e-3
    raw = {tuple(row) for row in getattr(datasets, f"load_{name}")(return_X_y=True)[0]}
    restored = problem.input_scaling.restore(np.concatenate([train, test]))
    near = np.array(sorted(raw))
    for row in restored[::20]:
        assert np.min(np.max(np.abs(near - row) / problem.input_scaling.scale, axis=1)) < 1e-5


def test_digits_are_sixteenths() -> None:
    from sklearn.datasets import load_digits

    problem = problems.get("digits")
    inputs, labels = load_digits(return_X_y=True)
    found = np.concatenate([np.asarray(part.inputs) for part in parts(problem)]) * 16
    order, expected = np.lexsort(found.T), np.lexsort(inputs.T)
    np.testing.assert_array_equal(found[order], inputs[expected])
    targets = np.concatenate([np.asarray(part.targets) for part in parts(problem)])
    np.testing.assert_array_equal(targets[order], labels[expected])
    assert problem.train.targets.dtype == jnp.int32


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "wine", "iris"])
def test_classes_have_the_same_share_of_every_part(name: str) -> None:
    shares = [
        np.bincount(np.asarray(p.targets)) / len(p.targets) for p in parts(problems.get(name))
    ]
    np.testing.assert_allclose(shares[1], shares[0], atol=0.04)
    np.testing.assert_allclose(shares[2], shares[0], atol=0.04)


def test_points_have_the_shape_they_are_named_for() -> None:
    clean = {"noise": 0.0, "num_rows": 60}
    circles = problems.get("circles", **clean).train
    radius = np.linalg.norm(np.asarray(circles.inputs), axis=1)
    np.testing.assert_allclose(radius, np.where(circles.targets == 1, 0.5, 1.0), rtol=1e-6)
    spirals = problems.get("spirals", turns=2.0, **clean).train
    x, y = np.asarray(spirals.inputs, np.float64).T
    radius = np.hypot(x, y)
    # The angle of a point is that of its radius, half a turn on for the other arm.
    angle = 2 * np.pi * radius + np.pi * np.asarray(spirals.targets)
    np.testing.assert_allclose(
        np.stack([x, y]), radius * np.stack([np.cos(angle), np.sin(angle)]), atol=1e-5
    )
    assert radius.max() <= 2
    blobs = problems.get("blobs", num_rows=60, noise=0.01, num_classes=4).train
    for label in range(4):
        cloud = np.asarray(blobs.inputs)[np.asarray(blobs.targets) == label]
        assert np.all(cloud.std(axis=0) < 0.03)


# A user's own arrays.


def test_other_parts_do_not_reach_the_training_rows() -> None:
    clean = classification(X, Y, seed=3)
    rows = split_rows(20, 3, labels=Y)
    spoiled = X.copy()
    spoiled[np.concatenate([rows.validation, rows.test])] *= 1e6
    problem = classification(spoiled, Y, seed=3)
    np.testing.assert_array_equal(problem.train.inputs, clean.train.inputs)
    assert clean.input_scaling is not None
    np.testing.assert_array_equal(clean.input_scaling.mean, X[rows.train].mean(axis=0))
    np.testing.assert_array_equal(clean.input_scaling.scale, X[rows.train].std(axis=0))
    expected = (X[rows.test] - X[rows.train].mean(axis=0)) / X[rows.train].std(axis=0)
    np.testing.assert_allclose(clean.test.inputs, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(clean.test.targets, Y[rows.test])


@hypothesis.given(value=st.floats(-1e12, 1e12), rows=st.integers(3, 50), noise=st.floats(1e-6, 1e6))
def test_scaling(value: float, rows: int, noise: float) -> None:
    raw = np.stack([np.full(rows, value), noise * np.arange(rows)], axis=1)
    scaling = Scaling.of(raw)
    assert scaling.scale[0] == 1
    scaled = scaling.standardize(raw)
    np.testing.assert_allclose(scaled[:, 0], 0, atol=1e-3)
    np.testing.assert_allclose(scaled[:, 1].std(), 1)
    np.testing.assert_allclose(scaling.restore(scaled), raw, rtol=1e-9, atol=noise * 1e-9)


def test_a_constant_column_becomes_zero() -> None:
    problem = classification(np.column_stack([X, np.full(20, 0.1)]), Y)
    for part in parts(problem):
        np.testing.assert_allclose(part.inputs[:, 3], 0, atol=1e-6)


def test_columns_far_from_zero_keep_their_digits() -> None:
    dates = 1.7e9 + 60.0 * np.arange(40)
    problem = regression(dates[:, None], dates - 1.7e9, seed=1)
    assert len(np.unique(problem.train.inputs)) == 28
    same = problem.predict(problem.init(KEY), dates[:1])
    other = problem.predict(problem.init(KEY), dates[1:2])
    assert same != other


def test_without_standardising_numbers_stay_as_they_are() -> None:
    problem = classification(X, Y, standardize=False, split=(0.5, 0.25, 0.25))
    found = np.concatenate([np.asarray(part.inputs) for part in parts(problem)])
    assert {tuple(r) for r in found} == {tuple(r) for r in X.astype(np.float32)}
    assert problem.input_scaling is None
    assert [len(part.inputs) for part in parts(problem)] == [10, 6, 4]


@pytest.mark.parametrize(
    "labels",
    [Y, Y.tolist(), Y.astype(bool), Y.astype(np.float32), Y.astype(object), jnp.asarray(Y)],
)
def test_labels_of_many_kinds_are_the_same_integers(labels: Any) -> None:
    problem = classification(X, labels)
    np.testing.assert_array_equal(problem.train.targets, classification(X, Y).train.targets)
    assert problem.train.targets.dtype == jnp.int32
    assert problem.classes is None


@pytest.mark.parametrize("kind", [list, np.array, lambda names: np.array(names, object)])
def test_strings_become_integers_in_sorted_order(kind: Any) -> None:
    problem = classification(X, kind(np.array(["yes", "no"])[Y].tolist()))
    assert problem.classes == ("no", "yes")
    np.testing.assert_array_equal(problem.test.targets, 1 - classification(X, Y).test.targets)
    answers = problem.predict(problem.init(KEY), X)
    assert set(answers) <= {"no", "yes"}
    accuracy = problem.metrics(problem.init(KEY), problem.test)["accuracy"]
    rows = split_rows(20, 0, labels=1 - Y).test
    right = np.mean(answers[rows] == np.array(["yes", "no"])[Y][rows])
    assert accuracy == pytest.approx(right)


def test_data_frames_are_arrays() -> None:
    class Frame:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.asarray(X, dtype)

    np.testing.assert_array_equal(
        classification(Frame(), Y).train.inputs,
        classification(X, Y).train.inputs,
    )


def test_default_models() -> None:
    assert classification(X, np.arange(20) % 4).model == MLP((3, 32, 4))
    assert regression(X, X[:, :2]).model == MLP((3, 32, 2))
    assert regression(X, X[:, 0]).train.targets.shape == (14, 1)


def test_regression_answers_in_the_units_of_the_targets() -> None:
    y = 1000 + 50 * X[:, 0]
    problem = regression(X, y)
    assert problem.target_scaling is not None
    np.testing.assert_allclose(np.asarray(problem.train.targets).std(), 1, rtol=1e-5)
    params = jax.tree.map(jnp.zeros_like, problem.init(KEY))
    rows = split_rows(20, 0).train
    np.testing.assert_allclose(problem.predict(params, X), np.full((20, 1), y[rows].mean()))
    assert problem.residuals is not None
    residuals = problem.residuals(params, problem.test)
    np.testing.assert_array_equal(residuals, -problem.test.targets)
    assert problem.loss(params, problem.test) == pytest.approx(float(jnp.mean(residuals**2) / 2))
    error = problem.metrics(params, problem.test)["absolute_error"]
    assert error == pytest.approx(float(jnp.abs(residuals).mean()))


def test_two_classes_and_one_output_are_binary() -> None:
    problem = classification(X, Y, model=MLP((3, 4, 1)))
    assert problem.task == "binary"
    assert problem.residuals is None
    params = problem.init(KEY)
    logits = problem.outputs(params, problem.test.inputs)[:, 0]
    targets = problem.test.targets
    expected = jnp.mean(losses.sigmoid_binary_cross_entropy(logits, targets))
    assert problem.loss(params, problem.test) == pytest.approx(float(expected))
    accuracy = problem.metrics(params, problem.test)["accuracy"]
    assert accuracy == pytest.approx(float(jnp.mean((logits >= 0) == (targets == 1))))


@pytest.mark.parametrize("loss_name", [name for names in LOSSES_OF_TASK.values() for name in names])
def test_every_loss_meets_the_targets_it_is_made_for(loss_name: str) -> None:
    loss = losses.LOSSES[loss_name]
    if loss_name in LOSSES_OF_TASK["regression"]:
        problem = regression(X, X[:, :2], loss_name=loss_name)
        encode = np.asarray
    elif loss_name in LOSSES_OF_TASK["binary"]:
        problem = classification(X, Y, model=MLP((3, 4, 1)), loss_name=loss_name)
        signed = loss_name in ("hinge", "perceptron")
        encode = lambda t: (2 * t - 1 if signed else t)[:, None]  # noqa: E731
    else:
        problem = classification(X, Y, loss_name=loss_name)
        labels = loss_name.endswith("integer_labels")
        encode = lambda t: t if labels else np.eye(2)[t]  # noqa: E731
    params = problem.init(KEY)
    outputs = problem.outputs(params, problem.train.inputs)
    expected = jnp.mean(loss(outputs, jnp.asarray(encode(np.asarray(problem.train.targets)))))
    assert problem.loss(params, problem.train) == pytest.approx(float(expected), rel=1e-5)


def row_cubes(outputs: Array, targets: Array) -> Array:
    return jnp.abs(outputs - targets) ** 3


def test_a_loss_of_ones_own() -> None:
    problem = regression(X, X[:, 0], loss_name=row_cubes)
    params = problem.init(KEY)
    outputs = problem.outputs(params, problem.test.inputs)
    expected = jnp.mean(row_cubes(outputs, problem.test.targets))
    assert problem.loss(params, problem.test) == pytest.approx(float(expected))


def test_a_perceptron_is_a_model_too() -> None:
    problem = classification(X, Y, model=Perceptron(3), loss_name="perceptron", standardize=False)
    params = problem.init(KEY)
    answers = Perceptron(3).predict(params, jnp.asarray(X, jnp.float32))
    np.testing.assert_array_equal(problem.predict(params, X), answers)
    accuracy = problem.metrics(params, problem.test)["accuracy"]
    rows = split_rows(20, 0, labels=Y).test
    assert accuracy == pytest.approx(float(np.mean(np.asarray(answers)[rows] == Y[rows])))


def test_images_with_a_model_of_ones_own() -> None:
    images = RNG.normal(size=(12, 4, 4))
    problem = classification(images, np.arange(12) % 2, model=Flat(MLP((16, 2))), seed=2)
    assert problem.train.inputs.shape == (8, 4, 4)
    assert np.isfinite(problem.loss(problem.init(KEY), problem.train))


class Flat:
    """An MLP on flattened images."""

    def __init__(self, inner: MLP) -> None:
        self.inner = inner

    def init(self, key: Any) -> Any:
        return self.inner.init(key)

    def apply(self, params: Any, inputs: Any, *, key: Any = None) -> Any:
        return self.inner.apply(params, inputs.reshape(len(inputs), -1), key=key)


def test_data_and_parameters_of_every_precision() -> None:
    single = classification(X, Y)
    assert single.train.inputs.dtype == jnp.float32
    for dtype in ("float16", "bfloat16"):
        low = classification(X, Y, model=MLP((3, 4, 2), dtype=dtype))
        assert low.loss(low.init(KEY), low.train).dtype == dtype
    with jax.enable_x64(True):
        double = classification(X, Y)
        assert double.train.inputs.dtype == jnp.float64
        params = double.init(KEY)
        assert double.loss(params, double.train).dtype == jnp.float64
        mixed = float(single.loss(params, single.train))
        assert mixed == pytest.approx(float(double.loss(params, double.train)), rel=1e-6)


def with_value(value: Any, row: int = 3, column: int = 1) -> np.ndarray:
    changed = X.copy()
    changed[row, column] = value
    return changed


FRACTIONS = "three positive fractions that sum to 1"
SUGGESTED = "Did you mean (0.7, 0.15, 0.15)?"
RECODE = "Recode with np.unique(y, return_inverse=True)[1]."
KINDS = "`y` must be integer labels, or strings throughout"
DROP = "Drop rows without a label; float targets are for problems.regression."
ROWS = "an array or rows of numbers"
FINITE = "finite and at most 3.4e+38"
FILL = "Drop such rows, or fill in the value."


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        (([], []), {}, BadValue, "`x` must be non-empty; got shape (0,). Pass 3 rows or more."),
        ((None, Y), {}, BadType, f"`x` must be {ROWS}; got None. Pass one, rows first."),
        ((X, None), {}, BadType, f"`y` must be {ROWS}; got None. Pass one, rows first."),
        (
            (2.0, Y),
            {},
            BadValue,
            "`x` must be of shape (rows, features); got (). Pass an array, rows first.",
        ),
        (
            (X[:, :0], Y),
            {},
            BadValue,
            "`x` must be non-empty; got shape (20, 0). Pass one column or more.",
        ),
        (
            (X[:0], Y[:0]),
            {},
            BadValue,
            "`x` must be non-empty; got shape (0, 3). Pass 3 rows or more.",
        ),
        ((X, []), {}, BadValue, "`y` must be non-empty; got shape (0,). Pass 3 rows or more."),
        (
            (X, Y[:5]),
            {},
            BadValue,
            "`y` must be of 20 rows, as `x` is; got 5. Pass one for each row of `x`.",
        ),
        (
            (X[:, 0], Y),
            {},
            BadValue,
            "`x` must be of shape (rows, features); got (20,). "
            "Pass x[:, None] if it is one column.",
        ),
        (
            ([[1.0, 2.0], [3.0]], [0, 1]),
            {},
            BadType,
            "`x` must be an array or rows of numbers; got list. Rows must have the same length.",
        ),
        (
            ([["a", "b"]] * 20, Y),
            {},
            BadType,
            "`x` must be real numbers; got dtype <U1. "
            "Turn text, dates and categories into numbers first.",
        ),
        (
            (X + 1j, Y),
            {},
            BadType,
            "`x` must be real numbers; got dtype complex128. "
            "Turn text, dates and categories into numbers first.",
        ),
        (
            (with_value(np.nan), Y),
            {},
            BadValue,
            f"`x` must be {FINITE}; got nan in row 3, column 1. {FILL}",
        ),
        (
            (with_value(-np.inf, 19, 0), Y),
            {},
            BadValue,
            f"`x` must be {FINITE}; got -inf in row 19, column 0. {FILL}",
        ),
        (
            (with_value(1e300), Y),
            {},
            BadValue,
            f"`x` must be {FINITE}; got 1e+300 in row 3, column 1. {FILL}",
        ),
        (
            (X, Y[:, None]),
            {},
            BadValue,
            "`y` must be of shape (rows,); got (20, 1). Pass y[:, 0].",
        ),
        (
            (X, np.eye(2)[Y]),
            {},
            BadValue,
            "`y` must be of shape (rows,); got (20, 2). Pass y.argmax(axis=1) if one-hot.",
        ),
        (
            (X, 1),
            {},
            BadValue,
            "`y` must be of shape (rows,); got (). Pass one label for each row.",
        ),
        ((X, Y + 0.5), {}, BadType, f"{KINDS}; got 0.5 in row 0. {DROP}"),
        ((X, np.where(Y == 1, np.nan, Y)), {}, BadType, f"{KINDS}; got nan in row 1. {DROP}"),
        ((X, ["a", None] * 10), {}, BadType, f"{KINDS}; got None in row 1. {DROP}"),
        ((X, ["a", "b", np.nan, "b"] * 5), {}, BadType, f"{KINDS}; got nan in row 2. {DROP}"),
        (
            (X, np.array([b"a", b"b"] * 10)),
            {},
            BadType,
            f"{KINDS}; got dtype |S1. Turn other kinds into strings first.",
        ),
        (
            (X, Y - 1),
            {},
            BadValue,
            f"`y` must be labels from 0 to 2147483647; got -1 in row 0. {RECODE}",
        ),
        (
            (X, Y * 2**40),
            {},
            BadValue,
            f"`y` must be labels from 0 to 2147483647; got 1099511627776 in row 1. {RECODE}",
        ),
        (
            (X, Y + 1),
            {},
            BadValue,
            "`y` must be labels 0, 1, 2, … without a gap where no `model` is given; "
            f"got 2 but never 0. {RECODE}",
        ),
        (
            (X, Y * 7),
            {"model": MLP((3, 5))},
            BadValue,
            "`model` must be for 8 outputs or more, the largest label being 7; got 5. "
            "Change the last of its sizes.",
        ),
        (
            (X, Y * 2),
            {"model": MLP((3, 1))},
            BadValue,
            "`model` must be for 3 outputs or more, the largest label being 2; got 1. "
            "Change the last of its sizes.",
        ),
        (
            (X, Y),
            {"model": MLP((4, 2))},
            BadValue,
            "`model` must be for 3 inputs, one a column of the data; got 4. "
            "Change the first of its sizes.",
        ),
        (
            (X, Y),
            {"model": "mlp"},
            BadType,
            "`model` must be a model with `init` and `apply`; got 'mlp'. "
            "Pass one of jaxnn.models, or any frozen object with both.",
        ),
        (
            (X, Y),
            {"model": MLP},
            BadType,
            "`model` must be a model with `init` and `apply`; got <class 'jaxnn.models.mlp.MLP'>. "
            "Pass one of jaxnn.models, or any frozen object with both.",
        ),
        (
            (X[:, :, None], Y),
            {},
            BadValue,
            "`model` must be given for inputs of shape ('rows', 3, 1); got None. "
            "The default one takes (rows, features): flatten `x`.",
        ),
        (
            (X[:, :, None], Y),
            {"model": MLP((1, 2))},
            BadValue,
            "`model` must be one whose outputs have the shape (rows, outputs); got (2, 3, 2). "
            "Flatten them in `apply`.",
        ),
        (
            (X, np.zeros(20)),
            {},
            BadValue,
            "`y` must be of two classes or more; got only 0. Pass rows of another class too.",
        ),
        (
            (X, ["cat"] * 18 + ["dog"] * 2),
            {},
            BadValue,
            "`y` must be of 3 rows or more in each class, one for each part of the split; "
            "got 2 of 'dog'. Drop the class, or merge it with another.",
        ),
        ((X, Y), {"split": 0.7}, BadType, f"`split` must be {FRACTIONS}; got 0.7. {SUGGESTED}"),
        (
            (X, Y),
            {"split": (0.8, 0.2)},
            BadType,
            f"`split` must be {FRACTIONS}; got (0.8, 0.2). {SUGGESTED}",
        ),
        (
            (X, Y),
            {"split": (0.8, 0.2, 0.0)},
            BadValue,
            f"`split` must be {FRACTIONS}; got (0.8, 0.2, 0.0). {SUGGESTED}",
        ),
        (
            (X, Y),
            {"split": (0.8, 0.2, 0.2)},
            BadValue,
            f"`split` must be {FRACTIONS}; got (0.8, 0.2, 0.2). {SUGGESTED}",
        ),
        (
            (X, Y),
            {"seed": -1},
            BadValue,
            "`seed` must be in [0, 4294967296); got -1. Pass for example 0.",
        ),
        (
            (X, Y),
            {"loss_name": "softmax_crossentropy"},
            BadValue,
            "`loss_name` must be one of softmax_cross_entropy, "
            "softmax_cross_entropy_with_integer_labels, softmax_focal; "
            "got 'softmax_crossentropy'. Did you mean 'softmax_cross_entropy'?",
        ),
        (
            (X, Y),
            {"loss_name": "nll"},
            BadValue,
            "`loss_name` must be one of softmax_cross_entropy, "
            "softmax_cross_entropy_with_integer_labels, softmax_focal; "
            "got 'nll'. Did you mean 'softmax_cross_entropy_with_integer_labels'?",
        ),
    ],
)
def test_bad_classification_is_one_sentence(
    arguments: Any, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        classification(*arguments, **options)
    assert str(caught.value) == f"classification: {text}"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_cannot_be_learned_from_is_not_answered(bad: float) -> None:
    problem = classification(X, Y)
    with pytest.raises(BadValue) as caught:
        problem.predict(problem.init(KEY), with_value(bad))
    assert (
        str(caught.value)
        == f"predict: `raw` must be {FINITE}; got {bad} in row 3, column 1. {FILL}"
    )


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        (
            (X, Y[:3]),
            {},
            BadValue,
            "`y` must be of 20 rows, as `x` is; got 3. Pass one for each row of `x`.",
        ),
        (
            (X[:2], Y[:2]),
            {},
            BadValue,
            "`x` must be of 3 rows or more, one for each part of the split; got 2. Pass more rows.",
        ),
        (
            (X, ["a"] * 20),
            {},
            BadType,
            "`y` must be real numbers; got dtype <U1. "
            "Turn text, dates and categories into numbers first.",
        ),
        (
            (X, np.where(Y == 1, np.inf, 0.0)),
            {},
            BadValue,
            f"`y` must be {FINITE}; got inf in row 1, column 0. {FILL}",
        ),
        (
            (X, np.zeros((20, 2, 2))),
            {},
            BadValue,
            "`y` must be of shape (rows, outputs); got (20, 2, 2). Flatten them.",
        ),
        (
            (X, X[:, :2]),
            {"model": MLP((3, 4, 1))},
            BadValue,
            "`model` must be for 2 outputs, one a column of the targets; got 1. "
            "Change the last of its sizes.",
        ),
        (
            (X, Y),
            {"seed": 0.5},
            BadType,
            "`seed` must be an integer; got 0.5. Pass one in [0, 4294967296).",
        ),
        (
            (X, Y),
            {"loss_name": "hinge"},
            BadValue,
            "`loss_name` must be one of absolute_error, huber, log_cosh, squared_error; "
            "got 'hinge'.",
        ),
    ],
)
def test_bad_regression_is_one_sentence(
    arguments: Any, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        regression(*arguments, **options)
    assert str(caught.value) == f"regression: {text}"


def test_a_model_that_cannot_be_applied_says_why() -> None:
    with pytest.raises(BadValue, match=r"`model` must be applicable to inputs of shape"):
        classification(X, Y, model=Perceptron(5))
