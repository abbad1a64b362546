"""Training as a pure function: one step, scanned; the same functions serve `train` and a sweep.

At step t: take a batch, loss and gradient at the parameters, update, check. A trial whose loss or
parameters leave the finite numbers (or the ceiling) keeps the last parameters whose loss was good
and is frozen; other lanes of a `vmap` do not notice.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxnn import tree
from jaxnn.optimizers.base import evaluation_params, record
from jaxnn.training import batches
from jaxnn.training.evaluation import evaluate
from jaxnn.training.evaluations import spent
from jaxnn.training.feed import Data, Fed, Feed, Prepared, prepare
from jaxnn.training.needs import ignores_key
from jaxnn.training.status import Status, after_loss, after_update
from jaxnn.training.step import step as one_step
from jaxnn.typing import Array, Bool, Int, Params, PRNGKeyArray, Staged

__all__ = ["Loop", "Point", "TrialState"]


class Point(NamedTuple):
    """Where a trial stands."""

    params: Params
    optimizer_state: Any


class TrialState(NamedTuple):
    """What a trial carries from step to step."""

    point: Point  # where the next gradient is taken
    kept: Params  # the last ones whose loss was finite and below the ceiling
    status: Status

    @property
    def best_known(self) -> Point:
        """The point to report: the current one; if it failed, with the last good parameters."""
        params = tree.select(self.status.ok, self.point.params, self.kept)
        return self.point._replace(params=params)


@dataclasses.dataclass(frozen=True)
class Loop:
    """The structure of a training run; its methods are the pure functions of a `Staged`.

    optimizer: a rule. batch_size: rows of a batch, None for all. record_every: validation after so
    many updates, 0 for never. split: the rows that `measure` reports on, None for its
    status alone. max_evaluations: gradients after which a trial stays where it is, None for as many
    as its steps take.
    """

    optimizer: Any
    batch_size: int | None = None
    record_every: int = 1
    split: str | None = "validation"
    max_evaluations: int | None = None

    def staged(self, data: Data, num_steps: int) -> Staged:
        """A trial for a sweep; its `hyper` is the rule's own, checked."""
        feed = Feed(self.batch_size)
        return Staged(self.init, self.advance, self.measure, num_steps, data, prepare, feed)

    def init(self, prepared: Prepared, hyper: Any, data: Data) -> TrialState:
        """The state before step 0."""
        del data
        params = prepared.params
        point = Point(params, self.optimizer.init(params, hyper))
        return TrialState(point, params, Status.start())

    def advance(
        self,
        state: TrialState,
        hyper: Any,
        step: Int[ArrayLike, ""],
        data: Data,
        fed: Fed,
        *,
        first: Bool[ArrayLike, ""] | None = None,
    ) -> tuple[TrialState, dict[str, Array]]:
        """One step. Scalars: "loss" before the update; "validation_<metric>" after it, where due,
        NaN elsewhere; the values that the rule reports, as "value_<field>"; with `max_evaluations`
        the "evaluations" so far. NaN once frozen.

        first: whether no step of this run went before, by default at step 0. After it a rule that
        has the next gradient already is asked for it, where every step has the same loss.
        """
        problem, ceiling = data
        batch = batches.take(problem.train, fed.rows)
        reuse: Any = False
        same_loss = self._same_loss(problem, state.point.params, batch, fed.loss)
        if same_loss:
            reuse = jnp.asarray(step) > 0 if first is None else ~jnp.asarray(first)
        params, optimizer_state, loss = one_step(
            problem.loss,
            self.optimizer,
            *state.point,
            batch,
            hyper,
            key=fed.loss,
            rule_key=fed.rule,
            residual_fn=getattr(problem, "residuals", None),
            reuse=reuse,
        )
        status = after_loss(state.status, step, loss, ceiling)
        kept = tree.select(status.ok, state.point.params, state.kept)
        status = after_update(status, step, params, ceiling)
        point = tree.select(status.ok, Point(params, optimizer_state), state.point)
        scalars = {"loss": loss, **self._reported(optimizer_state)}
        scalars |= self._validation(point, hyper, step, problem)
        goes_on, new = state.status.ok, TrialState(point, kept, status)
        if self.max_evaluations is not None:
            before, after = (
                spent(self.optimizer, s.point.optimizer_state, hyper, number, reused=same_loss)
                for s, number in ((state, step), (new, step + 1))
            )
            may = before < self.max_evaluations
            goes_on, new = goes_on & may, tree.select(may, new, state)
            scalars["evaluations"] = after.astype(jnp.float32)
        nan = {name: jnp.full_like(x, jnp.nan) for name, x in scalars.items()}
        return new, tree.select(goes_on, scalars, nan)

    def _same_loss(self, problem: Any, params: Params, batch: Any, key: PRNGKeyArray) -> bool:
        if self.batch_size is not None or not hasattr(self.optimizer, "value_and_grad"):
            return False
        return ignores_key(problem.loss, params, batch, key)

    def _reported(self, optimizer_state: Any) -> dict[str, Array]:
        values = record(self.optimizer, optimizer_state)
        return {f"value_{name}": x for name, x in values.items()}

    def _validation(
        self, point: Point, hyper: Any, step: Int[ArrayLike, ""], problem: Any
    ) -> dict[str, Array]:
        if not self.record_every:
            return {}

        def measured() -> dict[str, Array]:
            metrics = evaluate(problem, self.evaluated(point, hyper), "validation")
            return {f"validation_{name}": x for name, x in metrics.items()}

        nan = {k: jnp.full(x.shape, jnp.nan, x.dtype) for k, x in jax.eval_shape(measured).items()}
        # The step is the same for all lanes, so that this stays a branch under vmap.
        due = jax.lax.rem(jnp.asarray(step, jnp.int32) + 1, jnp.int32(self.record_every)) == 0
        return jax.lax.cond(due, measured, lambda: nan)

    def evaluated(self, point: Point, hyper: Any) -> Params:
        """The parameters to evaluate the model at."""
        return evaluation_params(self.optimizer, point.optimizer_state, point.params, hyper)

    def measure(self, state: TrialState, hyper: Any, data: Data) -> dict[str, Array]:
        """Metrics of `split` at the best known point, and the status."""
        metrics = {}
        if self.split:
            params = self.evaluated(state.best_known, hyper)
            metrics = evaluate(data.problem, params, self.split)
        return {**metrics, "status": state.status.code, "status_step": state.status.step}
