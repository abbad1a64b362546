"""A decoder-only transformer: each position attends to itself and to those before it.

    x = token embedding + position embedding
    x ← x + attention(norm(x))        x ← x + dense(act(dense(norm(x))))        block after block
    outputs = norm(x) · weight + bias

    attention: softmax over j <= i of q_i·k_j / √d, times v_j, in each head of d units

References: Vaswani et al. 2017, NeurIPS, "Attention is all you need", section 3.2; Radford et al.
2019, "Language models are unsupervised multitask learners" (GPT-2: normalisation first, learned
positions).
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxnn import activations, initializers
from jaxnn.errors import bad_type, bad_value, check_integer
from jaxnn.models.convolution import Norm, layer_norm, norm
from jaxnn.models.layers import Dense, dtype_name
from jaxnn.models.structure import Activation, affine, dense, name_of_activation, settle
from jaxnn.typing import Array, Float, Int, PRNGKeyArray

__all__ = ["Block", "Transformer", "TransformerParams", "attend"]


class Block(NamedTuple):
    """Parameters of one block."""

    attention_norm: Norm
    queries_keys_values: Dense  # [width, 3 · width], each head by head
    projection: Dense
    dense_norm: Norm
    up: Dense
    down: Dense


class TransformerParams(NamedTuple):
    """Parameters of a `Transformer`."""

    tokens: Float[Array, "tokens width"]
    positions: Float[Array, "length width"]
    blocks: tuple[Block, ...]
    norm: Norm
    dense: Dense


def attend(
    queries: Float[Array, "*batch time heads units"],
    keys: Float[Array, "*batch time heads units"],
    values: Float[Array, "*batch time heads units"],
) -> Float[Array, "*batch time heads units"]:
    """Causal attention, head by head; `jax.nn.dot_product_attention(..., is_causal=True)`."""
    time, _, units = queries.shape[-3:]
    scores = jnp.einsum("...qhd,...khd->...hqk", queries / math.sqrt(units), keys)
    past = jnp.tril(jnp.ones((time, time), bool))
    # The diagonal is never masked, so that no row is −∞ throughout.
    scores = jnp.where(jnp.broadcast_to(past, scores.shape), scores, -jnp.inf)
    return jnp.einsum("...hqk,...khd->...qhd", jax.nn.softmax(scores, axis=-1), values)


@dataclasses.dataclass(frozen=True)
class Transformer:
    """Blocks of causal attention and dense layers; the structure, hashable, without parameters.

    num_tokens: inputs are integers from 0 to num_tokens − 1 (others have no embedding); there is
    one output, a logit, for each.
    length: of the longest sequence.
    width: of the signal between blocks, a multiple of `num_heads`. num_blocks: >= 1.
    activation: between the dense layers of a block, the first of which has 4 · width units.
    dtype: of the parameters; None is JAX's default float. Embeddings start as N(0, 0.02²), dense
    weights as LeCun's, or He's before the activation; biases at 0, normalisations as 1 and 0; drawn
    in float32, then cast.

    Raises ValueError and TypeError for sizes, names and dtypes that do not exist.

    >>> model = Transformer(num_tokens=27, length=16, width=8, num_heads=2)
    >>> model.apply(model.init(jax.random.key(0)), jnp.ones((5, 12), int)).shape
    (5, 12, 27)
    """

    num_tokens: int
    length: int
    width: int = 32
    num_heads: int = 2
    num_blocks: int = 1
    activation: Activation = "gelu"
    dtype: DTypeLike | None = None

    def __post_init__(self) -> None:
        numbers = ("num_tokens", "length", "width", "num_heads", "num_blocks")
        checked = {n: check_integer("Transformer", n, getattr(self, n), low=1) for n in numbers}
        settle(
            self,
            **checked,
            activation=name_of_activation(self.activation),
            dtype=dtype_name("Transformer", self.dtype),
        )
        if self.width % self.num_heads:
            wanted = f"a multiple of the {self.num_heads} heads"
            fix = f"Did you mean {self.width // self.num_heads * self.num_heads or self.num_heads}?"
            raise bad_value("Transformer", "width", wanted, self.width, fix)

    def init(self, key: PRNGKeyArray) -> TransformerParams:
        """Parameters of all layers, drawn with children of `key`."""
        tokens, positions, head, *keys = jax.random.split(key, 3 + self.num_blocks)
        return TransformerParams(
            self._embedding(tokens, self.num_tokens),
            self._embedding(positions, self.length),
            tuple(self._block(k) for k in keys),
            norm(self.width, self.dtype),
            dense(head, self.width, self.num_tokens, "identity", self.dtype),
        )

    def _embedding(self, key: PRNGKeyArray, number: int) -> Array:
        drawn = initializers.normal(key, (number, self.width), stddev=0.02)
        return drawn.astype(self.dtype or jnp.result_type(float))

    def _block(self, key: PRNGKeyArray) -> Block:
        qkv, projection, up, down = jax.random.split(key, 4)
        width, dtype = self.width, self.dtype
        return Block(
            norm(width, dtype),
            dense(qkv, width, 3 * width, "identity", dtype),
            dense(projection, width, width, "identity", dtype),
            norm(width, dtype),
            dense(up, width, 4 * width, self.activation, dtype),
            dense(down, 4 * width, width, "identity", dtype),
        )

    def apply(
        self,
        params: TransformerParams,
        inputs: Int[Array, "*batch time"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch time tokens"]:
        """Logits of the next token at every position. `key` is ignored.

        Raises TypeError for what is no integers, or no sequence of at most `length`.
        """
        del key
        shape, dtype = jnp.shape(inputs), jnp.result_type(inputs)
        time = shape[-1] if len(shape) else 0
        fits = 1 <= time <= self.length
        if not fits or not jnp.issubdtype(dtype, jnp.integer):
            wanted = f"integers of shape (..., time), time being at most {self.length}"
            raise bad_type("Transformer", "inputs", wanted, f"{dtype} of shape {shape}")
        one_hot = jax.nn.one_hot(inputs, self.num_tokens, dtype=params.tokens.dtype)
        signal = jnp.dot(one_hot, params.tokens)
        signal = signal + jnp.broadcast_to(params.positions[:time], signal.shape)
        act = activations.get(self.activation)
        for block in params.blocks:
            signal = signal + self._attention(block, layer_norm(block.attention_norm, signal))
            hidden = act(affine(block.up, layer_norm(block.dense_norm, signal)))
            signal = signal + affine(block.down, hidden)
        return affine(params.dense, layer_norm(params.norm, signal))

    def _attention(self, block: Block, signal: Array) -> Array:
        parts = jnp.split(affine(block.queries_keys_values, signal), 3, axis=-1)
        heads = (*signal.shape[:-1], self.num_heads, self.width // self.num_heads)
        mixed = attend(*(part.reshape(heads) for part in parts))
        return affine(block.projection, mixed.reshape(signal.shape))
