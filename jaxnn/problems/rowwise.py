"""Problems whose loss is more than a comparison of outputs with targets.

Sequences with an answer at every step, autoencoders, lower bounds: each is a model and a function
that says what every row of a batch costs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxnn import tree
from jaxnn.problems.base import Metrics, Target
from jaxnn.typing import Array, Float, Params, PRNGKeyArray

__all__ = ["RowFn", "RowWise", "place"]

RowFn = Callable[[Any, Params, Any, PRNGKeyArray | None], dict[str, Array]]
"""(model, params, batch, key) → scalars of each row [rows] by name, "loss" among them."""

_STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RowWise:
    """A model, and what it costs each row. The data are leaves; the rest is static.

    train, validation, test: pytrees of arrays, rows first.
    name: what tables call it.
    model: frozen structure with `init(key)`; whatever else `row_fn` asks of it.
    row_fn: a `RowFn` at module level; `jit` caches on its identity. Numbers of the batch come in
    the dtype of the parameters, integers as they are. A row's scalars may depend on that row alone,
    and with key=None on nothing random: what is measured then is the same for everybody.
    target: what counts as solved, measured on the validation rows.
    """

    train: Any
    validation: Any
    test: Any
    name: str = field(metadata=_STATIC)
    model: Any = field(metadata=_STATIC)
    row_fn: RowFn = field(metadata=_STATIC)
    target: Target | None = field(default=None, metadata=_STATIC)

    residuals = None

    def __repr__(self) -> str:
        return f"RowWise({self.name!r}, {self.model})"

    @property
    def num_rows(self) -> int:
        """The number of training rows."""
        return jax.tree.leaves(self.train)[0].shape[0]

    def init(self, key: PRNGKeyArray) -> Params:
        """The model's initial parameters."""
        return self.model.init(key)

    def loss(self, params: Params, batch: Any, key: PRNGKeyArray | None = None) -> Float[Array, ""]:
        """The mean loss over the rows of `batch`; `key` where it is random."""
        return jnp.mean(self._rows(params, batch, key)["loss"])

    def per_row(self, params: Params, batch: Any) -> dict[str, Float[Array, " rows"]]:
        """The scalars of each row, without randomness."""
        return self._rows(params, batch, None)

    def metrics(self, params: Params, batch: Any) -> Metrics:
        """The means of `per_row` over the rows."""
        return {name: jnp.mean(rows) for name, rows in self.per_row(params, batch).items()}

    def _rows(self, params: Params, batch: Any, key: PRNGKeyArray | None) -> dict[str, Array]:
        dtype = jax.tree.leaves(params)[0].dtype
        return self.row_fn(self.model, params, tree.cast(batch, dtype), key)


def place(values: NDArray) -> Array:
    """Data on the device: int32 for integers, float32 for others."""
    # Concrete even where a problem is built while something is traced: problems are cached.
    with jax.ensure_compile_time_eval():
        return jnp.asarray(values, np.int32 if values.dtype.kind == "i" else np.float32)
