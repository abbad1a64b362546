"""Sequences: a text that is the same in every Python, copying, addition, and what counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn.errors import BadType, BadValue
from jaxnn.models import RNN, Transformer
from jaxnn.problems import sequences, text
from jaxnn.problems.base import Batch
from jaxnn.problems.sequences import answers


def parts(problem: Any) -> list[Batch]:
    return [
        Batch(np.asarray(part.inputs), np.asarray(part.targets))  # pyright: ignore[reportArgumentType]
        for part in (problem.train, problem.validation, problem.test)
    ]


# The text.


def test_the_text_is_of_names_in_capitals() -> None:
    names = text.character_names()
    assert len(set(names)) == len(names) == 12886
    assert set("\n".join(names)) == set(text.ALPHABET)
    assert len(text.ALPHABET) == 39
    assert {"BLACK CHESS KNIGHT", "LATIN SMALL LETTER A WITH GRAVE"} < set(names)
    # Unicode 3.2 is of 2002: later characters are not in it.
    assert "PILE OF POO" not in names
    for name in names[::1000]:
        assert text.decode(text.encode(name)) == name


def test_another_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = SimpleNamespace(ucd_3_2_0=SimpleNamespace(name=lambda character, default: "SPACE"))
    monkeypatch.setattr(text, "unicodedata", broken)
    with pytest.raises(RuntimeError) as caught:
        text.character_names.__wrapped__()
    assert str(caught.value) == (
        "the names in unicodedata.ucd_3_2_0 are not those of Unicode 3.2: "
        "this Python cannot offer the text."
    )


def test_a_character_is_followed_by_the_next_and_no_name_is_in_two_parts() -> None:
    problem = sequences.char_rnn(length=16, seed=1)
    lines = []
    for inputs, targets in parts(problem):
        assert inputs.shape == targets.shape
        assert inputs.shape[1] == 16
        whole = inputs.reshape(-1)
        np.testing.assert_array_equal(targets.reshape(-1)[:-1], whole[1:])
        lines.append(text.decode(whole).split("\n")[:-1])  # the last may be cut
        assert set(lines[-1]) <= set(text.character_names())
    names = [set(part) for part in lines]
    assert len(set.union(*names)) == sum(map(len, names))
    assert [len(part) for part in names] == pytest.approx([12113, 386, 386], abs=3)
    assert lines[0] != sorted(lines[0])
    assert isinstance(problem.model, RNN)


def test_both_models_read_the_same_characters() -> None:
    one, other = sequences.char_rnn(length=8), sequences.char_transformer(length=8)
    assert isinstance(other.model, Transformer)
    for a, b in zip(parts(one), parts(other), strict=True):
        np.testing.assert_array_equal(a.inputs, b.inputs)
        np.testing.assert_array_equal(a.targets, b.targets)
    assert not np.array_equal(one.test.inputs, sequences.char_rnn(length=8, seed=1).test.inputs)


# Copying and addition.


def test_copying_asks_for_the_symbols_after_the_signal() -> None:
    problem = sequences.copying(num_symbols=4, length=3, delay=2, num_rows=60)
    found = parts(problem)
    assert [len(part.inputs) for part in found] == [48, 6, 6]
    strings = np.concatenate([part.targets for part in found])
    assert len(np.unique(strings, axis=0)) == 60
    assert set(strings.ravel()) == {0, 1, 2, 3}
    for inputs, targets in found:
        np.testing.assert_array_equal(inputs[:, :3], targets)
        blanks = np.broadcast_to([4, 4, 5, 4, 4], (len(inputs), 5))
        np.testing.assert_array_equal(inputs[:, 3:], blanks)
    assert problem.model.sizes == (6, 32, 4)


@pytest.mark.parametrize("length", [2, 5, 10])
def test_addition_marks_a_number_in_each_half(length: int) -> None:
    problem = sequences.addition(length=length, num_rows=1000)
    sums = []
    for inputs, targets in parts(problem):
        numbers, marks = np.moveaxis(inputs, 2, 0)
        assert numbers.shape[1] == length
        assert np.all((numbers >= 0) & (numbers < 1))
        assert set(np.unique(marks)) <= {0, 1}
        for half in (marks[:, : length // 2], marks[:, length // 2 :]):
            np.testing.assert_array_equal(half.sum(axis=1), 1)
        np.testing.assert_allclose(targets[:, 0], (numbers * marks).sum(axis=1), rtol=1e-6)
        sums.append(targets)
    # What the best constant leaves.
    assert np.var(np.concatenate(sums)) / 2 == pytest.approx(1 / 12, rel=0.1)


class Says(NamedTuple):
    """A model that answers its parameters."""

    def apply(self, params: Any, inputs: Any, *, key: Any = None) -> Any:
        del inputs, key
        return params


def test_only_the_last_answers_count() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 5, 3))
    targets = np.array([[0, 2], [1, 1]])
    rows = answers(Says(), jnp.asarray(logits), Batch(jnp.zeros(2), jnp.asarray(targets)), None)
    last = logits[:, 3:]
    chosen = np.take_along_axis(last, targets[..., None], axis=2)[..., 0]
    wanted = (np.log(np.exp(last).sum(axis=2)) - chosen).mean(axis=1)
    np.testing.assert_allclose(rows["loss"], wanted, rtol=1e-5)
    np.testing.assert_allclose(rows["accuracy"], (last.argmax(axis=2) == targets).mean(axis=1))


ERRORS = {
    "char_rnn: `length` must be in [1, 256]; got 0. Did you mean 1?": (
        lambda: sequences.char_rnn(length=0)
    ),
    "char_transformer: `seed` must be in [0, 4294967296); got -1. Pass for example 0.": (
        lambda: sequences.char_transformer(seed=-1)
    ),
    "copying: `num_rows` must be at most 64, the number of different strings; got 65. "
    "Pass a longer `length`.": lambda: sequences.copying(num_symbols=4, length=3, num_rows=65),
    "copying: `delay` must be >= 1; got 0. Pass 1 or more.": lambda: sequences.copying(delay=0),
    "addition: `length` must be an integer; got 2.5. Pass 2 or more.": (
        lambda: sequences.addition(length=2.5)  # pyright: ignore[reportArgumentType]
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_name_the_parameter_and_the_fix(message: str) -> None:
    with pytest.raises((BadValue, BadType)) as caught:
        ERRORS[message]()
    assert str(caught.value) == message
