"""`train`: a whole training run as one compiled pure function; `stages`: the same, step by step."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer

from jaxnn import problems, schedules, tree
from jaxnn.errors import bad_type, bad_value, check_integer, shown
from jaxnn.optimizers import check, check_rule, make_hyper, scheduled
from jaxnn.optimizers.base import name_of
from jaxnn.training import batches
from jaxnn.training.feed import Data, Fed, Feed, Keys, Prepared, prepare
from jaxnn.training.loop import Loop, Point, TrialState
from jaxnn.training.status import Status
from jaxnn.typing import Array, ArrayLike, Bool, Float, Int, Params, PRNGKeyArray, Staged

__all__ = ["History", "Run", "checked_hyper", "stages", "train"]


class History(NamedTuple):
    """What was recorded."""

    loss: Float[Array, " steps"]  # of the batch, before the update; NaN after a failure
    validation: dict[str, Float[Array, " records"]]  # after each `record_every`-th update; a run
    # that goes on from another has room for one more, NaN where it is not due
    values: dict[str, Float[Array, " steps"]]  # of scheduled numbers, as used


class Run(NamedTuple):
    """The end of a training run; `train(..., initial=run)` goes on from it.

    params are those to evaluate (averaged, where the rule averages), raw_params those that the next
    gradient would be taken at. A failed run holds the last whose loss was finite, and the
    optimizer's state as it was when it failed. After the last update parameters are found finite;
    their loss is that of the next step, and of the last validation.
    """

    params: Params
    raw_params: Params
    optimizer_state: Any
    step: Int[Array, ""]  # updates since the start, over all the runs continued
    status: Status
    history: History


def train(
    problem: Any,
    optimizer: Any,
    hyper: Any,
    key: PRNGKeyArray,
    *,
    num_steps: int,
    batch_size: int | None = None,
    schedule: Any = None,
    record_every: int = 1,
    initial: Any = None,
    ceiling: float | None = None,
    horizon: int | None = None,
) -> Run:
    """Train, as a pure function: `vmap` over `key` and `hyper`, `grad` where the rule allows it.

    problem: of `jaxnn.problems` or with the same methods, or a name. optimizer: a rule or a name.
    hyper: the rule's Hyper, or a dict of its numbers; {} or None for the defaults.
    key: its children 0 … 3 decide parameters, batches, the rule and the loss.
    num_steps: updates, >= 1. batch_size: None is gradient descent on all rows, 1 is stochastic, B
    is mini-batch; rows are drawn without replacement within an epoch.
    schedule: a schedule or its name, for the learning rate (short for `optimizers.scheduled`).
    record_every: validation after every so many updates, 0 for never; each costs a pass over those
    rows.
    initial: parameters to start from, or a Run to go on from (with the same key: then 200 + 200
    steps are 400, to the bit; but for rules that reuse the gradient of a line search, L-BFGS and
    conjugate gradients: to rounding).
    ceiling: of |loss| and of the parameters' norm; a trial above it is frozen. None is infinite:
    then a run that ends at a loss of 2e29 is OK too, as everything in it was finite.
    horizon: the steps that schedules are stretched over; by default where this run ends.

    Compiled once for a problem's shapes, a rule and the integers above; never again for other
    numbers. Raises ValueError and TypeError for bad input before anything compiles. A failure
    inside is not raised but stands in `Run.status`.
    """
    loop, data = _build(
        "train", problem, optimizer, num_steps, batch_size, schedule, record_every, ceiling
    )
    if not _is_key(key):
        many = getattr(key, "ndim", 0) > 0
        fix = "Pass one of them, or vmap over keys." if many else "Pass jax.random.key(0)."
        raise bad_type("train", "key", "one JAX key", shown(key), fix)
    if horizon is not None:
        check_integer("train", "horizon", horizon, low=1)
    start = initial.step if isinstance(initial, Run) else 0
    stretch = horizon if horizon is not None else start + num_steps
    hyper = checked_hyper(loop.optimizer, hyper, stretch)
    if isinstance(initial, Run):
        _check_state(loop.optimizer, initial, hyper)
    return _train(loop, num_steps, data, hyper, key, initial)


def stages(
    problem: Any,
    optimizer: Any,
    *,
    num_steps: int,
    batch_size: int | None = None,
    schedule: Any = None,
    record_every: int = 1,
    ceiling: float | None = None,
    split: str | None = "validation",
    max_evaluations: int | None = None,
) -> Staged:
    """The run that `train` would do as a `Staged` trial for a sweep: the same functions.

    The trial's `hyper` is a dict of the rule's numbers, dotted names for nested ones, as a sweep's
    space names them; those that are missing have their defaults. `measure` reports on the rows of
    `split` (None: on no rows), and "status" and "status_step". max_evaluations: gradients (see
    `training.evaluations`) after which a trial stays where it is, whatever steps are left; the last
    update may spend more. Raises as `train` does.
    """
    if split not in ("train", "validation", "test", None):
        constraint = "'train', 'validation', 'test' or None"
        raise bad_value("stages", "split", constraint, repr(split))
    loop, data = _build(
        "stages", problem, optimizer, num_steps, batch_size, schedule, record_every, ceiling
    )
    if max_evaluations is not None:
        max_evaluations = check_integer("stages", "max_evaluations", max_evaluations, low=1)
    swept = _SweepLoop(
        loop.optimizer, loop.batch_size, loop.record_every, split, max_evaluations, num_steps
    )
    horizon = num_steps if _has_horizon(loop.optimizer.Hyper()) else None
    staged = swept.staged(data, num_steps)
    return staged._replace(check=swept.check, convex=True, horizon=horizon)


@dataclasses.dataclass(frozen=True)
class _SweepLoop(Loop):
    """A loop whose `hyper` is a dict of numbers, as a sweep hands it over."""

    num_steps: int = 1

    def _numbers(self, hyper: Any) -> Any:
        return checked_hyper(self.optimizer, hyper, self.num_steps)

    def check(self, hyper: dict[str, float]) -> None:
        self._numbers(hyper)

    def init(self, prepared: Prepared, hyper: Any, data: Data) -> TrialState:
        return super().init(prepared, self._numbers(hyper), data)

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
        return super().advance(state, self._numbers(hyper), step, data, fed, first=first)

    def measure(self, state: TrialState, hyper: Any, data: Data) -> dict[str, Array]:
        return super().measure(state, self._numbers(hyper), data)


def checked_hyper(rule: Any, hyper: Any, horizon: ArrayLike) -> Any:
    """The rule's checked numbers, each `num_steps` that is None filled with the horizon.

    Numbers of a rule inside a wrapper may be given as if it stood alone.
    """
    hyper = _lifted({} if hyper is None else hyper, rule.Hyper())
    hyper = make_hyper(rule, hyper) if isinstance(hyper, Mapping) else hyper
    return check(rule, _with_horizon(rule, hyper, horizon))


def _lifted(hyper: Any, defaults: Any) -> Any:
    own = tree.fields(defaults)
    if "inner" not in own:
        return hyper
    if isinstance(hyper, Mapping):
        here = {name: x for name, x in hyper.items() if name.partition(".")[0] in own}
        inside = {name: x for name, x in hyper.items() if name not in here}
        deeper = _lifted(inside, own["inner"])
        return here | {f"inner.{name}": x for name, x in deeper.items()}
    inner = _lifted(hyper, own["inner"])
    return defaults._replace(inner=inner) if type(inner) is type(own["inner"]) else hyper


def _has_horizon(hyper: Any) -> bool:
    """Whether a `num_steps` waits for the length of the training."""
    own = tree.fields(hyper)
    waits = "num_steps" in own and own["num_steps"] is None
    return waits or any(_has_horizon(x) for x in own.values() if isinstance(x, tuple))


def _with_horizon(rule: Any, hyper: Any, horizon: ArrayLike) -> Any:
    if "num_steps" in tree.fields(hyper) and hyper.num_steps is None:
        hyper = hyper._replace(num_steps=horizon)
    inside = rule.inner_steps(horizon, hyper) if hasattr(rule, "inner_steps") else horizon
    for path, inner in getattr(rule, "rules", {}).items():
        filled = _with_horizon(inner, tree.get_field(hyper, path), inside)
        hyper = tree.replace_field(hyper, path, filled)
    return hyper


def _build(
    where: str,
    problem: Any,
    optimizer: Any,
    num_steps: int,
    batch_size: int | None,
    schedule: Any,
    record_every: int,
    ceiling: float | None,
) -> tuple[Loop, Data]:
    problem = problems.resolve(problem)
    missing = [n for n in ("init", "loss", "metrics", "train") if not hasattr(problem, n)]
    if missing:
        fix = "Make one from arrays with problems.classification(x, y), or pass the name of one."
        got = f"{type(problem).__name__} without `{'`, `'.join(missing)}`"
        raise bad_type(where, "problem", "a problem of jaxnn.problems, or its name", got, fix)
    rule = check_rule(where, optimizer, declared=True)
    if schedule is not None:
        chosen = schedules.get(schedule)
        field = getattr(chosen, "field", "learning_rate")
        rule = scheduled(rule, **dict.fromkeys(_fields_of(rule, field), chosen))
    check_integer(where, "num_steps", num_steps, low=1)
    check_integer(where, "record_every", record_every, low=0, high=num_steps)
    if ceiling is not None and not isinstance(ceiling, Tracer) and not ceiling > 0:
        raise bad_value(where, "ceiling", "> 0", repr(ceiling), "Pass None for no ceiling.")
    limit = None if ceiling is None else jnp.asarray(ceiling, jnp.result_type(float))
    rows = batches.check_batch_size(where, batch_size, problem.train)
    loop = Loop(rule, rows, record_every)
    return loop, Data(problem, limit)


def _check_state(rule: Any, run: Run, hyper: Any) -> None:
    wanted = jax.eval_shape(rule.init, run.raw_params, hyper)
    states = (run.optimizer_state, wanted)
    found, wanted = (
        [(jax.tree_util.keystr(path), x.shape, x.dtype) for path, x in leaves]
        for leaves in (jax.tree_util.tree_flatten_with_path(state)[0] for state in states)
    )
    if found != wanted or type(states[0]) is not type(states[1]):
        got = f"that of another: {', '.join(name for name, *_ in found[:4]) or 'no arrays'}"
        fix = "Pass its parameters alone, initial=run.params, to start the rule anew."
        constraint = f"a Run with the state of {name_of(rule)}"
        raise bad_type("train", "initial", constraint, got, fix)


def _fields_of(rule: Any, field: str) -> list[str]:
    """A number by its dotted names in a rule and the rules inside it, of which the first counts."""
    if field in tree.fields(rule.Hyper()):
        return [field]
    inside = getattr(rule, "rules", {})
    found = [f"{path}.{x}" for path, inner in inside.items() for x in _fields_of(inner, field)]
    return [name for name in found if tree.get_field(rule.Hyper(), name) is not None] or [field]


def _is_key(key: Any) -> bool:
    if not isinstance(key, jax.Array):
        return False
    legacy = key.dtype == jnp.uint32 and key.shape == (2,)
    return legacy or (jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ())


@functools.partial(jax.jit, static_argnames=("loop", "num_steps"))
def _train(loop: Loop, num_steps: int, data: Data, hyper: Any, key: Any, initial: Any) -> Run:
    start = initial.step if isinstance(initial, Run) else jnp.zeros((), jnp.int32)
    feed, keys = Feed(loop.batch_size), Keys.of(key)

    def body(carried: tuple[TrialState, Array], passed: Array) -> Any:
        state, order = carried
        step = start + passed
        order, fed = feed.one(order, keys, step, redraw=passed == 0)
        state, scalars = loop.advance(state, hyper, step, data, fed, first=passed == 0)
        return (state, order), scalars

    first = (
        _initial_state(loop, data, hyper, key, initial),
        batches.start(data.problem.train, loop.batch_size),
    )
    passed = jnp.arange(num_steps, dtype=jnp.int32)
    (state, _), scalars = jax.lax.scan(body, first, passed)
    raw, optimizer_state = state.best_known
    return Run(
        loop.evaluated(state.best_known, hyper),
        raw,
        optimizer_state,
        start + num_steps,
        state.status,
        _history(scalars, start, loop.record_every, fresh=not isinstance(initial, Run)),
    )


def _initial_state(
    loop: Loop, data: Data, hyper: Any, key: PRNGKeyArray, initial: Any
) -> TrialState:
    if initial is None:
        return loop.init(prepare(key, data), hyper, data)
    if not isinstance(initial, Run):
        return loop.init(Prepared(initial, Keys.of(key)), hyper, data)
    point = Point(initial.raw_params, initial.optimizer_state)
    return TrialState(point, initial.raw_params, initial.status)


def _history(scalars: dict[str, Array], start: Array, record_every: int, *, fresh: bool) -> History:
    def named(prefix: str) -> dict[str, Array]:
        return {k.removeprefix(prefix): x for k, x in scalars.items() if k.startswith(prefix)}

    validation, num_steps = named("validation_"), len(scalars["loss"])
    if validation:
        # Records fall on multiples of record_every, counted from step 0 of the first run; a run
        # that goes on from an odd step may hold one more than its length suggests.
        slots = num_steps // record_every if fresh else -(-num_steps // record_every)
        first = jnp.remainder(-start - 1, jnp.int32(record_every))
        at = first + record_every * jnp.arange(slots, dtype=jnp.int32)
        validation = {
            name: x.at[at].get(mode="fill", fill_value=jnp.nan) for name, x in validation.items()
        }
    return History(scalars["loss"], validation, named("value_"))
