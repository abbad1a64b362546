"""The perceptron: one threshold unit, and the rule that learns from its mistakes.

    z = w·x − θ        ŷ = 1 where z >= 0, else 0
    after a wrong answer:  w ← w + η (t − ŷ) x        θ ← θ − η (t − ŷ)

θ is a weight on the constant input −1. On linearly separable examples, from w = 0 and θ = 0, the
rule stops after at most (R/γ)² mistakes (`novikoff_bound`); on others it never does, so that `fit`
counts passes.
References: Rosenblatt 1958, Psychological Review 65, "The Perceptron: A Probabilistic Model for
Information Storage and Organization in the Brain"; Novikoff 1962, Symposium on the Mathematical
Theory of Automata 12, "On Convergence Proofs on Perceptrons".
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike, DTypeLike

from jaxnn import activations, initializers
from jaxnn.errors import bad_type, bad_value, check_integer, unknown_name
from jaxnn.models.layers import Dense, Trace, dtype_name, forward
from jaxnn.typing import Array, Bool, Float, Int, PRNGKeyArray, Shaped

__all__ = ["Perceptron", "PerceptronFit", "PerceptronParams"]

Tie: TypeAlias = Literal["one", "both"]


class PerceptronParams(NamedTuple):
    """The line (plane, hyperplane) w·x = θ."""

    weight: Float[Array, " inputs"]
    threshold: Float[Array, ""]


class PerceptronFit(NamedTuple):
    """What mistake-driven learning came to; under `vmap` every field has leading axes."""

    params: PerceptronParams  # after the last pass
    separated: Bool[Array, ""]  # the last pass was without a mistake
    num_mistakes: Int[Array, ""]
    num_passes: Int[Array, ""]  # with that last one
    mistakes: Int[Array, " max_passes"]  # in every pass, 0 where none was run
    history: PerceptronParams  # after every pass [max_passes, ...], the last one repeated

    def verdict(self, *, separable: bool | None = None) -> str:
        """The outcome of one fit in words; `separable` is what `models.is_separable` says.

        Raises TypeError for a batch of fits.
        """
        shape = jnp.shape(self.separated)
        if shape:
            fix = "Take one of the batch: jax.tree.map(lambda x: x[0], fit)."
            raise bad_type("PerceptronFit.verdict", "fit", "a single fit", f"shape {shape}", fix)
        if self.separated:
            count = int(self.num_mistakes)
            return f"separable: learned in {count} mistake{'s' * (count != 1)}"
        count = int(self.num_passes)
        passes = f"not separated after {count} pass{'es' * (count != 1)}"
        if separable is None:
            return passes
        return f"{'separable, but' if separable else 'not linearly separable:'} {passes}"


@dataclasses.dataclass(frozen=True)
class Perceptron:
    """One threshold unit on `num_inputs` inputs; the structure, hashable, without parameters.

    weight_init: a name of `initializers.INITIALIZERS` or a function (key, shape) → array.
    dtype: of the parameters; None is JAX's default float.
    Raises ValueError and TypeError for sizes, names and dtypes that do not exist.

    The AND gate, with a point on the line counted as 1:

    >>> inputs = jnp.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    >>> model = Perceptron(2)
    >>> fit = model.fit(model.init(jax.random.key(0)), inputs, jnp.array([0, 0, 0, 1]))
    >>> fit.verdict()
    'separable: learned in 11 mistakes'
    >>> model.predict(fit.params, inputs).tolist()
    [0, 0, 0, 1]
    """

    num_inputs: int
    weight_init: str | Callable[..., Array] = "zeros"
    dtype: DTypeLike | None = None

    def __post_init__(self) -> None:
        num_inputs = check_integer("Perceptron", "num_inputs", self.num_inputs, low=1)
        initializers.get(self.weight_init)
        object.__setattr__(self, "num_inputs", num_inputs)
        object.__setattr__(self, "dtype", dtype_name("Perceptron", self.dtype))

    def init(self, key: PRNGKeyArray) -> PerceptronParams:
        """Weights from `weight_init`, θ = 0."""
        dtype = self.dtype or jnp.result_type(float)
        weight = initializers.get(self.weight_init)(key, (self.num_inputs, 1))
        return PerceptronParams(weight[:, 0].astype(dtype), jnp.zeros((), dtype))

    def score(
        self, params: PerceptronParams, inputs: Float[Array, "*batch inputs"]
    ) -> Float[Array, "*batch"]:
        """z = w·x − θ, a number for each example."""
        return self.apply(params, inputs)[..., 0]

    def apply(
        self,
        params: PerceptronParams,
        inputs: Float[Array, "*batch inputs"],
        *,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch 1"]:
        """`score` with an axis of one output, as every model has it: a logit, fit for any loss.

        `key` is ignored: nothing here is random. Raises TypeError where shapes do not fit.
        """
        del key
        return self.trace(params, inputs)[-1].activation

    def predict(
        self, params: PerceptronParams, inputs: Float[Array, "*batch inputs"]
    ) -> Int[Array, "*batch"]:
        """1 where z >= 0, else 0: a point on the line counts as 1."""
        return (self.score(params, inputs) >= 0).astype(jnp.int32)

    def activation_of(self, layer: int) -> activations.Activation:
        """The identity: the threshold belongs to `predict`, so that losses see z."""
        del layer
        return activations.identity

    def layers(self, params: PerceptronParams) -> tuple[Dense]:
        """The parameters as one dense layer of one unit, whose bias is −θ."""
        return (Dense(params.weight[:, None], -params.threshold[None]),)

    def trace(self, params: PerceptronParams, inputs: Float[Array, "*batch inputs"]) -> Trace:
        """The one layer's pre-activation and activation, both z."""
        inputs = jnp.asarray(inputs).astype(params.weight.dtype)
        return forward(self.layers(params), [self.activation_of(0)], inputs, where="Perceptron")

    def update(
        self,
        params: PerceptronParams,
        x: Shaped[Array, " inputs"],
        target: Shaped[Array, ""],
        *,
        learning_rate: ArrayLike = 1.0,
        tie: Tie = "one",
        learn_threshold: bool = True,
    ) -> PerceptronParams:
        """The parameters after one example with its target, 0 or 1; the same where ŷ is right.

        tie: at z = 0, "one" answers 1; "both" is wrong for either class and so learns, which is
        what scikit-learn's Perceptron does. learn_threshold=False holds θ.
        """
        error = self._error(params, x, target, _check_tie(tie))
        step = jnp.asarray(learning_rate).astype(error.dtype) * error
        weight = params.weight + step * jnp.asarray(x).astype(error.dtype)
        threshold = params.threshold - step if learn_threshold else params.threshold
        return PerceptronParams(weight, threshold)

    def _error(
        self, params: PerceptronParams, x: Array, target: Array, tie: Tie
    ) -> Float[Array, ""]:
        """t − ŷ: 1 or −1 for a wrong answer, else 0."""
        z = self.score(params, x)
        t = jnp.asarray(target).astype(z.dtype)
        answer = activations.step(z)
        if tie == "both":
            answer = jnp.where(z == 0, 1 - t, answer)
        return t - answer

    def fit(
        self,
        params: PerceptronParams,
        inputs: Shaped[Array, "examples inputs"],
        targets: Shaped[Array, " examples"],
        *,
        max_passes: int = 100,
        learning_rate: ArrayLike = 1.0,
        tie: Tie = "one",
        learn_threshold: bool = True,
    ) -> PerceptronFit:
        """`update` on all examples in their order, pass after pass, until one is without a mistake.

        Pure, and batched by `jax.vmap` over parameters, inputs, targets or the rate. Targets are
        0 or 1. Raises ValueError and TypeError for wrong options, shapes and concrete values.
        """
        check_integer("Perceptron.fit", "max_passes", max_passes, low=1)
        check_examples("Perceptron.fit", inputs, targets)
        dtype = params.weight.dtype
        return _fit(
            self,
            params,
            jnp.asarray(inputs).astype(dtype),
            jnp.asarray(targets).astype(dtype),
            jnp.asarray(learning_rate).astype(dtype),
            max_passes=max_passes,
            tie=_check_tie(tie),
            learn_threshold=learn_threshold,
        )


class _Progress(NamedTuple):
    params: PerceptronParams
    num_passes: Int[Array, ""]
    clean: Bool[Array, ""]  # the last pass was without a mistake
    mistakes: Int[Array, " max_passes"]
    history: PerceptronParams


@functools.partial(jax.jit, static_argnames=("model", "max_passes", "tie", "learn_threshold"))
def _fit(
    model: Perceptron,
    params: PerceptronParams,
    inputs: Array,
    targets: Array,
    learning_rate: Array,
    *,
    max_passes: int,
    tie: Tie,
    learn_threshold: bool,
) -> PerceptronFit:
    rule = functools.partial(
        model.update, learning_rate=learning_rate, tie=tie, learn_threshold=learn_threshold
    )

    def learn(params: PerceptronParams, example: tuple[Array, Array]) -> tuple[Any, Array]:
        return rule(params, *example), model._error(params, *example, tie) != 0

    def one_pass(now: _Progress) -> _Progress:
        params, wrong = jax.lax.scan(learn, now.params, (inputs, targets))
        count = jnp.sum(wrong, dtype=jnp.int32)
        record = functools.partial(jax.tree.map, lambda all, new: all.at[now.num_passes].set(new))
        return _Progress(
            params,
            now.num_passes + 1,
            count == 0,
            record(now.mistakes, count),
            record(now.history, params),
        )

    def unfinished(now: _Progress) -> Bool[Array, ""]:
        return ~now.clean & (now.num_passes < max_passes)

    empty = jax.tree.map(lambda x: jnp.zeros((max_passes, *x.shape), x.dtype), params)
    start = _Progress(
        params, jnp.int32(0), jnp.asarray(False), jnp.zeros(max_passes, jnp.int32), empty
    )
    end = jax.lax.while_loop(unfinished, one_pass, start)
    after = jnp.arange(max_passes, dtype=jnp.int32) >= end.num_passes
    history = PerceptronParams(
        jnp.where(after[:, None], end.params.weight[None], end.history.weight),
        jnp.where(after, end.params.threshold[None], end.history.threshold),
    )
    total = jnp.sum(end.mistakes, dtype=jnp.int32)
    return PerceptronFit(end.params, end.clean, total, end.num_passes, end.mistakes, history)


def _check_tie(tie: Tie) -> Tie:
    if tie not in ("one", "both"):
        raise unknown_name("Perceptron", "tie", tie, ("one", "both"))
    return tie


def check_examples(where: str, inputs: ArrayLike, targets: ArrayLike) -> None:
    """Raises TypeError for wrong shapes, ValueError for values that are known and wrong."""
    rows, labels = np.shape(inputs), np.shape(targets)
    if len(rows) != 2:
        raise bad_type(where, "inputs", "of shape (examples, inputs)", f"shape {rows}")
    if 0 in rows:
        raise bad_value(where, "inputs", "of one example or more", f"shape {rows}")
    if labels != rows[:1]:
        raise bad_type(where, "targets", f"of shape {rows[:1]}, as `inputs`", f"shape {labels}")
    # Under a transformation the values are not known: what they are is then the caller's care.
    if not isinstance(inputs, Tracer) and not np.isfinite(np.asarray(inputs)).all():
        fix = "Drop the rows with NaN or infinity."
        raise bad_value(where, "inputs", "finite", "an entry that is not", fix)
    if not isinstance(targets, Tracer):
        others = np.setdiff1d(np.asarray(targets).astype(np.float64), [0.0, 1.0])
        if others.size:
            raise bad_value(where, "targets", "0 or 1", f"{others[0]:g}", "Map the two classes so.")
