"""Sequences: the next character of a real text, a string to repeat, two numbers to add.

    char_rnn, char_transformer   a name of a Unicode character, letter by letter: what comes next?
    copying                      symbols, blanks, a signal: now say the symbols again
    addition                     numbers, two of them marked: what is their sum?

Losses are means over the positions that count, in nats; a uniform guess is log 39 = 3.66 for the
text and log 8 = 2.08 for copying, the best constant 1/12 for addition.
References: Karpathy, Johnson, Fei-Fei 2016, ICLR workshop, "Visualizing and understanding recurrent
networks"; Hochreiter, Schmidhuber 1997, Neural Computation 9, "Long short-term memory", experiment
4 (addition); Arjovsky, Shah, Bengio 2016, ICML, "Unitary evolution recurrent neural networks",
section 4.1 (copying); Le, Jaitly, Hinton 2015, arXiv:1504.00941, "A simple way to initialize
recurrent networks of rectified linear units", section 4.1 (addition).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnn import losses
from jaxnn.errors import bad_value, check_integer, check_seed
from jaxnn.models import RNN, Transformer
from jaxnn.problems import text
from jaxnn.problems.base import Batch, Supervised, Target
from jaxnn.problems.data import assemble, split_rows
from jaxnn.problems.rowwise import RowWise, place
from jaxnn.typing import Array, Params, PRNGKeyArray

__all__ = ["addition", "char_rnn", "char_transformer", "copying"]

_TEXT_SPLIT = (0.94, 0.03, 0.03)
_DRAWN_SPLIT = (0.8, 0.1, 0.1)


def char_rnn(*, units: int = 32, cell: str = "tanh", length: int = 16, seed: int = 0) -> RowWise:
    """The next character of a text by a recurrent network of one layer.

    The text is `text.character_names`, a name a line, names shuffled; a row is `length` characters
    in a row and the ones after each. Parts have no name in common.
    units: of the layer. cell: "tanh" or "gru". length: in [1, 256]. seed: in [0, 2³²), of the order
    and the split.
    """
    length = check_integer("char_rnn", "length", length, low=1, high=256)
    num_tokens = len(text.ALPHABET)
    model = RNN((num_tokens, units, num_tokens), cell=cell)
    return _characters("char_rnn", model, length, seed, Target("loss", 2.0, "min"))


def char_transformer(
    *,
    width: int = 16,
    num_heads: int = 2,
    num_blocks: int = 1,
    length: int = 16,
    seed: int = 0,
) -> RowWise:
    """The next character of a text by a decoder-only transformer.

    width, num_heads, num_blocks: of the `Transformer`. Other arguments as for `char_rnn`.
    """
    length = check_integer("char_transformer", "length", length, low=1, high=256)
    model = Transformer(len(text.ALPHABET), length, width, num_heads, num_blocks)
    return _characters("char_transformer", model, length, seed, Target("loss", 2.1, "min"))


def copying(
    *,
    num_symbols: int = 8,
    length: int = 4,
    delay: int = 8,
    units: int = 32,
    cell: str = "tanh",
    num_rows: int = 2500,
    seed: int = 0,
) -> RowWise:
    """Symbols, blanks, a signal: which symbols were they? Only the answer counts, not the blanks.

    num_symbols: in [2, 16], besides the blank and the signal. length: of the string, in [1, 15].
    delay: steps from its end to the signal, >= 1. num_rows: of all parts together, >= 10, no two
    with the same string, so at most num_symbols ** length. units, cell, seed: as for `char_rnn`.
    """
    where = "copying"
    num_symbols = check_integer(where, "num_symbols", num_symbols, low=2, high=16)
    length = check_integer(where, "length", length, low=1, high=15)
    delay = check_integer(where, "delay", delay, low=1)
    num_rows = check_integer(where, "num_rows", num_rows, low=10)
    num_strings = num_symbols**length
    if num_rows > num_strings:
        wanted = f"at most {num_strings}, the number of different strings"
        raise bad_value(where, "num_rows", wanted, num_rows, "Pass a longer `length`.")
    rng = np.random.default_rng(check_seed(where, seed))
    numbers = rng.choice(num_strings, num_rows, replace=False)
    strings = numbers[:, None] // num_symbols ** np.arange(length) % num_symbols
    blank, signal = num_symbols, num_symbols + 1
    inputs = np.full((num_rows, length + delay + length), blank)
    inputs[:, :length] = strings
    inputs[:, length + delay] = signal
    model = RNN((num_symbols + 2, units, num_symbols), cell=cell)
    rows = split_rows(num_rows, seed, fractions=_DRAWN_SPLIT)
    parts = [(inputs[part], strings[part]) for part in rows]
    return _problem(where, model, parts, Target("accuracy", 0.95))


def addition(
    *, length: int = 10, units: int = 16, cell: str = "gru", num_rows: int = 2500, seed: int = 0
) -> Supervised:
    """Numbers from U(0, 1), one marked in each half: what is the sum of the two?

    length: of the sequence, >= 2. num_rows: of all parts together, >= 10. units, cell, seed: as for
    `char_rnn`. Inputs are [rows, length, 2], a number and its mark; the loss is half the squared
    error.
    """
    where = "addition"
    length = check_integer(where, "length", length, low=2)
    num_rows = check_integer(where, "num_rows", num_rows, low=10)
    rng = np.random.default_rng(check_seed(where, seed))
    numbers = rng.uniform(size=(num_rows, length))
    first = rng.integers(length // 2, size=num_rows)
    second = rng.integers(length // 2, length, size=num_rows)
    marks = np.zeros_like(numbers)
    for column in (first, second):
        np.put_along_axis(marks, column[:, None], 1.0, axis=1)
    sums = np.sum(numbers * marks, axis=1, keepdims=True)
    model = RNN((2, units, 1), cell=cell, readout="last")
    rows = split_rows(num_rows, seed, fractions=_DRAWN_SPLIT)
    inputs = np.stack([numbers, marks], axis=2)
    return assemble(where, inputs, sums, model, rows, target=Target("loss", 0.005, "min"))


@functools.lru_cache(maxsize=4)
def _windows(length: int, seed: int) -> tuple[tuple[NDArray, NDArray], ...]:
    """Characters and the ones after each, [rows, length], of each part."""
    names = text.character_names()
    parts = []
    for rows in split_rows(len(names), seed, fractions=_TEXT_SPLIT):
        codes = text.encode("".join(names[row] + "\n" for row in rows))
        end = (len(codes) - 1) // length * length
        parts.append((codes[:end].reshape(-1, length), codes[1 : end + 1].reshape(-1, length)))
    return tuple(parts)


def _characters(name: str, model: Any, length: int, seed: int, target: Target) -> RowWise:
    return _problem(name, model, _windows(length, check_seed(name, seed)), target)


def _problem(
    name: str, model: Any, parts: Iterable[tuple[NDArray, NDArray]], target: Target
) -> RowWise:
    train, validation, test = (Batch(place(x), place(y)) for x, y in parts)
    return RowWise(
        train=train,
        validation=validation,
        test=test,
        name=name,
        model=model,
        row_fn=answers,
        target=target,
    )


def answers(model: Any, params: Params, batch: Batch, key: PRNGKeyArray | None) -> dict[str, Array]:
    """Cross-entropy and accuracy of the last outputs, as many as there are targets, by row."""
    targets = batch.targets
    outputs = model.apply(params, batch.inputs, key=key)[:, -targets.shape[1] :]
    loss = losses.softmax_cross_entropy_with_integer_labels(outputs, targets)
    right = jnp.argmax(outputs, axis=-1).astype(targets.dtype) == targets
    return {
        "loss": jnp.mean(loss, axis=1),
        "accuracy": jnp.mean(right.astype(outputs.dtype), axis=1),
    }
