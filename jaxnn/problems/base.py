"""What a problem is: data, model, loss and target, or a function to minimise.

Both kinds are pytrees whose arrays are leaves and whose structure is static and hashable, so that a
problem is an ordinary argument of a jitted function: other data of the same shapes, or the same
problem built twice, find the program that is compiled already.

Supervised problems are means over rows: `loss` and every metric is the mean of `per_row`, so that
blocks of rows can be evaluated apart and averaged with the right weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import field
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn import losses
from jaxnn.errors import bad_type, bad_value
from jaxnn.problems.check import check_finite
from jaxnn.typing import Array, ArrayLike, Float, Params, PRNGKeyArray, PyTree, Shaped

__all__ = [
    "LOSSES_OF_TASK",
    "Batch",
    "Function",
    "Metrics",
    "Problem",
    "Scaling",
    "Supervised",
    "Target",
    "Task",
]

Task: TypeAlias = Literal["classification", "binary", "regression"]
Metrics: TypeAlias = dict[str, Array]

LOSSES_OF_TASK: dict[Task, tuple[str, ...]] = {
    "classification": (
        "softmax_cross_entropy_with_integer_labels",
        "softmax_cross_entropy",
        "softmax_focal",
    ),
    "binary": ("sigmoid_binary_cross_entropy", "sigmoid_focal", "hinge", "perceptron"),
    "regression": ("squared_error", "absolute_error", "huber", "log_cosh"),
}
"""The losses that fit each task's labels and logits; the first where none is named."""

_ONE_HOT = ("softmax_cross_entropy", "softmax_focal")
_SIGNED = ("hinge", "perceptron")


class Batch(NamedTuple):
    """Examples, rows first."""

    inputs: Float[Array, "rows *features"]
    targets: Shaped[Array, "rows *outputs"]  # integer labels [rows], or floats [rows, outputs]


class Scaling(NamedTuple):
    """Standardising columns on the host, in float64: (raw − mean) / scale.

    In float32 a column such as a date, far from 0 and narrow, would lose its digits first.
    """

    mean: Float[np.ndarray, " columns"]
    scale: Float[np.ndarray, " columns"]

    @classmethod
    def of(cls, rows: Float[np.ndarray, "rows columns"]) -> Scaling:
        """The mean and the standard deviation of each column; a constant column has the scale 1."""
        mean, deviation = rows.mean(axis=0), rows.std(axis=0)
        # The deviation of a constant column is the rounding of its mean, not always exactly 0.
        constant = deviation <= 1e-12 * np.abs(mean)
        return cls(mean, np.where(constant, 1.0, deviation))

    def standardize(self, raw: Float[np.ndarray, "rows columns"]) -> np.ndarray:
        """Raw columns around the mean, in units of the scale."""
        return (raw - self.mean) / self.scale

    def restore(self, standardized: Float[np.ndarray, "rows columns"]) -> np.ndarray:
        """The inverse of `standardize`."""
        return standardized * self.scale + self.mean


@dataclasses.dataclass(frozen=True)
class Target:
    """When a problem counts as solved: a metric of the validation rows has reached a threshold.

    >>> Target("accuracy", 0.95).reached(0.97), Target("loss", 0.1, "min").reached(0.2)
    (True, False)
    """

    metric: str
    threshold: float
    direction: Literal["max", "min"] = "max"

    def __post_init__(self) -> None:
        if self.direction not in ("max", "min"):
            raise bad_value("Target", "direction", "'max' or 'min'", repr(self.direction))

    def reached(self, value: Any) -> Any:
        """Whether `value` is at the threshold or past it; elementwise, False for NaN."""
        return value >= self.threshold if self.direction == "max" else value <= self.threshold


class Problem(Protocol):
    """What training asks of a problem. `Supervised` and `Function` offer it; anybody's class may.

    It must be a registered pytree. Where there are no data, `train`, `validation` and `test` are
    None, and so is the batch that `loss` and `metrics` are given.
    """

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def target(self) -> Target | None:
        """What counts as solved, on the validation rows."""
        ...

    @property
    def train(self) -> Any:
        """The rows to learn from: a pytree, rows first."""
        ...

    @property
    def validation(self) -> Any:
        """The rows to choose settings by."""
        ...

    @property
    def test(self) -> Any:
        """The rows to report."""
        ...

    def init(self, key: PRNGKeyArray) -> Params:
        """Initial parameters."""
        ...

    def loss(self, params: Params, batch: Any, key: PRNGKeyArray | None) -> Float[Array, ""]:
        """The mean loss over the rows of a batch; `key` where it is random."""
        ...

    def metrics(self, params: Params, batch: Any) -> Metrics:
        """Scalars by name, "loss" among them, each a mean over the rows."""
        ...


_STATIC = {"static": True}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Supervised:
    """A model to fit to examples. The data are leaves; the rest is static.

    name: what tables call it.
    model: frozen structure with `init(key)` and `apply(params, inputs, *, key=None)`.
    task: "classification" (integer labels, one output a class), "binary" (labels 0 and 1, one
    output, the logit of 1) or "regression" (float targets [rows, outputs]).
    loss_name: one of `LOSSES_OF_TASK`, or a function (outputs, targets) → losses, rows first.
    target: what counts as solved, measured on the validation rows.
    classes: the user's own labels, in the order of the integer ones.
    input_scaling, target_scaling: how raw columns were standardised.

    Data are cast to the dtype of the parameters, so that one problem serves every precision.
    """

    train: Batch
    validation: Batch
    test: Batch
    input_scaling: Scaling | None = None
    target_scaling: Scaling | None = None
    name: str = field(metadata=_STATIC)
    model: Any = field(metadata=_STATIC)
    task: Task = field(metadata=_STATIC)
    loss_name: str | Callable[..., Array] = field(metadata=_STATIC)
    target: Target | None = field(default=None, metadata=_STATIC)
    classes: tuple[Any, ...] | None = field(default=None, metadata=_STATIC)

    def __repr__(self) -> str:
        return f"Supervised({self.name!r}, {self.task!r}, {self.model})"

    @property
    def num_rows(self) -> int:
        """The number of training rows."""
        return self.train.inputs.shape[0]

    def init(self, key: PRNGKeyArray) -> Params:
        """The model's initial parameters."""
        return self.model.init(key)

    def outputs(
        self, params: Params, inputs: Array, key: PRNGKeyArray | None = None
    ) -> Float[Array, "rows outputs"]:
        """The model's outputs for standardised inputs, in the dtype of the parameters."""
        return self.model.apply(params, inputs.astype(_dtype_of(params)), key=key)

    def loss(
        self, params: Params, batch: Batch, key: PRNGKeyArray | None = None
    ) -> Float[Array, ""]:
        """The mean loss over the rows of `batch`; `key` is for models that draw in training."""
        return jnp.mean(self._row_losses(self.outputs(params, batch.inputs, key), batch.targets))

    def per_row(self, params: Params, batch: Batch) -> dict[str, Float[Array, " rows"]]:
        """Loss and accuracy (regression: absolute error) of each row, without randomness."""
        outputs = self.outputs(params, batch.inputs)
        rows = {"loss": self._row_losses(outputs, batch.targets)}
        if self.task == "regression":
            return rows | {"absolute_error": jnp.mean(jnp.abs(_errors(outputs, batch.targets)), 1)}
        return rows | {"accuracy": (self._labels(outputs) == batch.targets).astype(outputs.dtype)}

    def metrics(self, params: Params, batch: Batch) -> Metrics:
        """The means of `per_row` over the rows: "loss", and "accuracy" or "absolute_error"."""
        return {name: jnp.mean(rows) for name, rows in self.per_row(params, batch).items()}

    @property
    def residuals(self) -> Callable[[Params, Batch], Float[Array, "rows outputs"]] | None:
        """The function (params, batch) → outputs − targets of a regression; None elsewhere."""
        return self._residuals if self.task == "regression" else None

    def _residuals(self, params: Params, batch: Batch) -> Float[Array, "rows outputs"]:
        return _errors(self.outputs(params, batch.inputs), batch.targets)

    def predict(self, params: Params, raw: Float[ArrayLike, "rows features"]) -> np.ndarray:
        """Answers to concrete rows as they were given: labels [rows] or values [rows, outputs].

        Inputs are standardised as the training rows were. Labels are `classes`, where there are
        any, else integers; values are in the units of the given targets. Raises
        ValueError for a NaN or an infinity, as the builders do.
        """
        inputs = np.asarray(raw, np.float64)
        check_finite("predict", "raw", np.atleast_2d(inputs))
        if self.input_scaling is not None:
            inputs = self.input_scaling.standardize(inputs)
        outputs = self.outputs(params, jnp.asarray(inputs, self.train.inputs.dtype))
        if self.task != "regression":
            labels = np.asarray(self._labels(outputs))
            return labels if self.classes is None else np.array(self.classes)[labels]
        values = np.asarray(outputs, np.float64)
        return values if self.target_scaling is None else self.target_scaling.restore(values)

    def _labels(self, outputs: Float[Array, "rows outputs"]) -> Array:
        if self.task == "binary":
            return (outputs[:, 0] >= 0).astype(jnp.int32)
        return jnp.argmax(outputs, axis=-1).astype(jnp.int32)

    def _row_losses(self, outputs: Float[Array, "rows outputs"], targets: Array) -> Array:
        if self.loss_name in _ONE_HOT:
            targets = jax.nn.one_hot(targets, outputs.shape[1], dtype=outputs.dtype)
        elif self.loss_name in _SIGNED:
            targets = 2 * targets - 1
        if self.task == "binary":
            outputs = outputs[:, 0]
        row_losses = losses.get(self.loss_name)(outputs, targets)
        return jnp.mean(row_losses, axis=1) if row_losses.ndim == 2 else row_losses


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Function:
    """A function to minimise over points [dim], without data.

    function: (point [dim], *constants) → scalar, at module level; `jit` caches on its identity.
    constants: arrays that the function takes besides; leaves: other values recompile nothing.
    start, spread: every seed starts at `start`, plus normal noise of the deviation `spread`.
    optima: the points of least value, or None where there is none.
    minimum: the value there, or None where the function has no lower bound.
    domain: low and high of each coordinate that a picture shows.
    """

    start: Float[Array | np.ndarray, " dim"]
    optima: Float[Array | np.ndarray, "optima dim"] | None = None
    spread: Float[ArrayLike, ""] = 0.0
    constants: tuple[PyTree, ...] = ()
    name: str = field(metadata=_STATIC)
    function: Callable[..., Float[Array, ""]] = field(metadata=_STATIC)
    minimum: float | None = field(default=None, metadata=_STATIC)
    target: Target | None = field(default=None, metadata=_STATIC)
    domain: tuple[tuple[float, float], ...] = field(default=(), metadata=_STATIC)

    train = validation = test = residuals = None

    def __repr__(self) -> str:
        return f"Function({self.name!r}, {self.function.__name__})"

    @property
    def num_rows(self) -> int:
        """0: there are no data."""
        return 0

    def init(self, key: PRNGKeyArray) -> Float[Array, " dim"]:
        """The start, with normal noise of deviation `spread`, drawn in float32."""
        noise = jax.random.normal(key, self.start.shape, jnp.float32)
        dtype = jnp.result_type(float)
        spread = jnp.broadcast_to(jnp.asarray(self.spread, dtype), noise.shape)
        return jnp.asarray(self.start, dtype) + spread * noise.astype(dtype)

    def loss(
        self, params: Float[Array, " dim"], batch: None = None, key: PRNGKeyArray | None = None
    ) -> Float[Array, ""]:
        """The value at the point `params`; there is no batch and nothing random."""
        del batch, key
        constants = jax.tree.map(lambda c: jnp.asarray(c, params.dtype), self.constants)
        return self.function(params, *constants)

    def metrics(self, params: Float[Array, " dim"], batch: None = None) -> Metrics:
        """The "loss", and the "distance" to the nearest optimum where one is known."""
        del batch
        metrics = {"loss": self.loss(params)}
        if self.optima is not None:
            optima = jnp.asarray(self.optima, params.dtype)
            gaps = optima - jnp.broadcast_to(params, optima.shape)
            metrics["distance"] = jnp.min(jnp.linalg.norm(gaps, axis=1))
        return metrics


def _dtype_of(params: Params) -> Any:
    """The dtype of the first inexact leaf: the precision that the model computes in."""
    for leaf in jax.tree.leaves(params):
        if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            return jnp.result_type(leaf)
    raise bad_type("problems", "params", "a tree with inexact arrays", "none", "Pass init(key).")


def _errors(outputs: Array, targets: Array) -> Array:
    return outputs - targets.astype(outputs.dtype)
