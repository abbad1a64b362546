"""Words: sparse gradients, on a real text that every Python carries.

    sparse_words   the words of a character's name, without their order: what kind of character?

Of a thousand words a batch holds some fifty, most of them rare, so that most of the gradient is 0
at every step: a word's weights move when it comes, and a rule must know how long ago that was.
References: Duchi, Hazan, Singer 2011, JMLR 12, "Adaptive subgradient methods for online learning
and stochastic optimization" (sparse features); Joulin, Grave, Bojanowski, Mikolov 2017, EACL, "Bag
of tricks for efficient text classification" (the model).
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import unicodedata
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnn import losses
from jaxnn.errors import check_integer, check_seed
from jaxnn.models import Dense
from jaxnn.problems.base import Batch, Target
from jaxnn.problems.data import split_rows
from jaxnn.problems.rowwise import RowWise, place
from jaxnn.problems.text import character_names
from jaxnn.typing import Array, Float, Int, PRNGKeyArray

__all__ = ["CATEGORIES", "WordBag", "WordBagParams", "sparse_words"]

CATEGORIES = ("Lo", "So", "Ll", "Lu", "Sm", "Mn", "Nd", "No", "other")
"""Kinds of characters, by Unicode's general category: letters, symbols, marks, digits."""

_MAX_WORDS = 8


class WordBagParams(NamedTuple):
    """Parameters of a `WordBag`."""

    embedding: Float[Array, "words width"]  # of word 1 in row 0
    dense: Dense


@dataclasses.dataclass(frozen=True)
class WordBag:
    """The mean of the words' vectors, then a dense layer; the structure, hashable.

    num_words, width: of the embedding. num_outputs: of the logits.
    """

    num_words: int
    width: int
    num_outputs: int

    def init(self, key: PRNGKeyArray) -> WordBagParams:
        """Vectors from N(0, 1), weights from N(0, 1/width), in float32, then cast; biases 0."""
        first, second = jax.random.split(key)
        dtype = jnp.result_type(float)
        embedding = jax.random.normal(first, (self.num_words, self.width), jnp.float32)
        weight = jax.random.normal(second, (self.width, self.num_outputs), jnp.float32)
        weight = (weight * self.width**-0.5).astype(dtype)
        dense = Dense(weight, jnp.zeros(self.num_outputs, dtype))
        return WordBagParams(embedding.astype(dtype), dense)

    def apply(
        self,
        params: WordBagParams,
        inputs: Int[Array, "rows words"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "rows outputs"]:
        """Logits for rows of word numbers, 0 being no word. `key` is ignored."""
        del key
        vectors = params.embedding.at[jnp.maximum(inputs - 1, 0)].get(mode="promise_in_bounds")
        there = (inputs > 0).astype(vectors.dtype)
        total = jnp.sum(vectors * there[:, :, None], axis=1)
        mean = total / jnp.maximum(jnp.sum(there, axis=1, keepdims=True), 1)
        product = jnp.dot(mean, params.dense.weight)
        return product + jnp.broadcast_to(params.dense.bias, product.shape)


def sparse_words(*, num_rows: int = 4000, width: int = 8, seed: int = 0) -> RowWise:
    """The words of a Unicode character's name: which of nine kinds is it? Gradients are sparse.

    num_rows: names, drawn from all 12,886, in [100, 12886]; split 70 : 15 : 15. width: of a word's
    vector. seed: of drawing and splitting, in [0, 2³²). Words that two training names have at least
    are known; a name counts with its first eight.
    """
    where = "sparse_words"
    names, labels = _names()
    num_rows = check_integer(where, "num_rows", num_rows, low=100, high=len(names))
    width = check_integer(where, "width", width, low=1)
    chosen = np.random.default_rng(check_seed(where, seed)).permutation(len(names))[:num_rows]
    rows = split_rows(num_rows, seed)
    words = [names[number].split()[:_MAX_WORDS] for number in chosen]
    counts = collections.Counter(word for row in rows.train for word in sorted(set(words[row])))
    known = {word: code for code, word in enumerate(sorted(w for w in counts if counts[w] > 1), 1)}
    inputs = np.zeros((num_rows, _MAX_WORDS), int)
    for row, found in enumerate(words):
        inputs[row, : len(found)] = [known.get(word, 0) for word in found]
    train, validation, test = (
        Batch(place(inputs[part]), place(labels[chosen[part]])) for part in rows
    )
    return RowWise(
        train=train,
        validation=validation,
        test=test,
        name=where,
        model=WordBag(len(known), width, len(CATEGORIES)),
        row_fn=kinds,
        target=Target("accuracy", 0.9),
    )


@functools.cache
def _names() -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The names of Unicode 3.2's characters and the numbers of their kinds."""
    names, unicode = character_names(), unicodedata.ucd_3_2_0
    other = CATEGORIES.index("other")
    codes = {category: code for code, category in enumerate(CATEGORIES)}
    labels = [codes.get(unicode.category(unicode.lookup(name)), other) for name in names]
    return names, np.array(labels)


def kinds(
    model: WordBag, params: WordBagParams, batch: Batch, key: PRNGKeyArray | None
) -> dict[str, Array]:
    """Cross-entropy and accuracy by row."""
    outputs = model.apply(params, batch.inputs, key=key)
    right = jnp.argmax(outputs, axis=1).astype(batch.targets.dtype) == batch.targets
    return {
        "loss": losses.softmax_cross_entropy_with_integer_labels(outputs, batch.targets),
        "accuracy": right.astype(outputs.dtype),
    }
