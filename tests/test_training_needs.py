"""What the loop supplies beyond gradients agrees with closed forms; what is kept is not misused."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import problems, training, tree
from jaxnn.errors import BadType
from jaxnn.models import MLP
from jaxnn.optimizers import lbfgs, levenberg_marquardt, scheduled
from jaxnn.schedules import constant
from jaxnn.training import needs

KEY = jax.random.key(3)


class Hyper(NamedTuple):
    learning_rate: float = 0.1


@dataclasses.dataclass(frozen=True)
class Asks:
    """A rule that does nothing but keep what it asked for."""

    need: str

    Hyper: ClassVar[Any] = Hyper
    STRUCTURE: ClassVar[dict[str, Any]] = {}
    SEARCH_SPACE: ClassVar[dict[str, Any]] = {}
    REFERENCE: ClassVar[str] = "nowhere.asks"
    REVERSE_DIFFERENTIABLE: ClassVar[bool] = True

    @property
    def __name__(self) -> str:
        return "asks"

    @property
    def NEEDS(self) -> frozenset[str]:  # noqa: N802
        return frozenset({self.need})

    def init(self, params: Any, hyper: Any) -> None:
        del params, hyper

    def update(self, grads: Any, state: Any, params: Any, hyper: Any, **extra: Any) -> Any:
        del state, params, hyper
        return tree.zeros_like(grads), extra[self.need]


def ask(need: str, loss_fn: Any, params: Any, batch: Any = None, **options: Any) -> Any:
    """What a rule that asks for it is given in a step."""
    return training.step(loss_fn, Asks(need), params, None, batch, Hyper(), **options)[1]


# Gradients of rows


def _line(params: Any, batch: Any, key: Any) -> Any:
    del key
    x, y = batch
    return jnp.mean(0.5 * (x @ params["w"] + params["b"] - y) ** 2)


def _rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.normal(size=(5, 3))), jnp.asarray(rng.normal(size=5))


LINE = {"b": jnp.asarray(0.5), "w": jnp.asarray([1.0, -2.0, 0.25])}


def test_per_example_grads_are_those_of_each_row() -> None:
    (x, y), params = _rows(), LINE
    found = ask("per_example_grads", _line, params, (x, y))
    errors = x @ params["w"] + params["b"] - y
    np.testing.assert_allclose(found["b"], errors, rtol=1e-5)
    np.testing.assert_allclose(found["w"], errors[:, None] * x, rtol=1e-5)
    grads = jax.grad(_line)(params, (x, y), None)
    np.testing.assert_allclose(found["w"].mean(axis=0), grads["w"], rtol=1e-5)


def _noisy(params: Any, batch: Any, key: Any) -> Any:
    return jnp.sum(params) * jax.random.normal(key) * jnp.mean(batch)


def test_every_row_draws_for_itself() -> None:
    found = ask("per_example_grads", _noisy, jnp.ones(()), jnp.ones(4), key=KEY)
    expected = [jax.random.normal(jax.random.fold_in(KEY, row)) for row in range(4)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


# The diagonal of the Hessian


def _quadratic(hessian: Any, params: Any, batch: Any, key: Any) -> Any:
    del batch, key
    point = jnp.concatenate([params["b"][None], params["w"]])
    return 0.5 * point @ hessian @ point


def test_the_diagonal_is_exact_where_the_hessian_is_diagonal() -> None:
    curvatures = jnp.asarray([1.0, -2.0, 3.0, 0.5])
    loss_fn = functools.partial(_quadratic, jnp.diag(curvatures))
    found = ask("hessian_diagonal", loss_fn, LINE, rule_key=KEY)
    np.testing.assert_allclose(found["b"], curvatures[0], rtol=1e-6)
    np.testing.assert_allclose(found["w"], curvatures[1:], rtol=1e-6)


def test_the_diagonal_is_unbiased_with_the_variance_of_hutchinson() -> None:
    rng, num_draws = np.random.default_rng(1), 4000
    root = rng.normal(size=(4, 4))
    hessian = root + root.T
    loss_fn = functools.partial(_quadratic, jnp.asarray(hessian))

    def draw(key: Any) -> Any:
        found = ask("hessian_diagonal", loss_fn, LINE, rule_key=key)
        return jnp.concatenate([found["b"][None], found["w"]])

    draws = np.asarray(jax.vmap(draw)(jax.random.split(KEY, num_draws)))
    variance = (hessian**2).sum(axis=1) - np.diag(hessian) ** 2
    error = np.sqrt(variance / num_draws)
    assert np.all(np.abs(draws.mean(axis=0) - np.diag(hessian)) < 4 * error)
    np.testing.assert_allclose(draws.var(axis=0), variance, rtol=0.15)


# Residuals


@pytest.fixture(scope="module")
def line() -> Any:
    """A regression on 40 rows, 28 of them for training."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 2))
    return problems.regression(x, x @ [1.0, -1.0], model=MLP((2, 1)), seed=0)


def test_residuals_are_outputs_minus_targets_of_the_batch(line: Any) -> None:
    params, batch = line.init(KEY), jax.tree.map(lambda x: x[:5], line.train)
    found = ask("residual_fn", line.loss, params, batch, residual_fn=line.residuals)
    expected = line.outputs(params, batch.inputs) - batch.targets
    np.testing.assert_allclose(found(params), expected, rtol=1e-6)


def test_least_squares_are_fitted_by_the_loop(line: Any) -> None:
    options: dict[str, Any] = {"num_steps": 8, "record_every": 0}
    for batch_size in (None, 14):
        run = training.train(line, levenberg_marquardt, {}, KEY, batch_size=batch_size, **options)
        assert float(run.history.loss[-1]) < 1e-9


# Needs that cannot be met


@pytest.mark.parametrize(
    ("need", "message"),
    [
        (
            "per_example_grads",
            "asks: `batch` must be rows, since the rule asks for the gradient of each; got none. "
            "Pass a problem with data.",
        ),
        (
            "hessian_diagonal",
            "asks: `rule_key` must be a key, since the diagonal of the Hessian is estimated at "
            "random; got None. Pass jax.random.key(0), and another one at each step.",
        ),
        (
            "key",
            "asks: `rule_key` must be a key, since the rule draws numbers; got None. "
            "Pass jax.random.key(0), and another one at each step.",
        ),
        (
            "residual_fn",
            "asks: `residual_fn` must be a function (params, batch) → residuals, since the rule "
            "fits least squares; got None. Pass it as `residual_fn`; training.train has that of a "
            "regression problem.",
        ),
    ],
)
def test_a_need_that_cannot_be_met(need: str, message: str) -> None:
    with pytest.raises(BadType) as caught:
        ask(need, functools.partial(_quadratic, jnp.eye(4)), LINE)
    assert str(caught.value) == message


def test_a_problem_without_residuals_is_refused_by_train() -> None:
    problem = problems.get("rosenbrock")
    with pytest.raises(BadType, match="asks: `residual_fn` must be a function"):
        training.train(problem, Asks("residual_fn"), {}, KEY, num_steps=1)


# What a line search computed already


class Kept(NamedTuple):
    value: Any
    grads: Any


@dataclasses.dataclass(frozen=True)
class Remembers(Asks):
    """A rule that claims to know the next loss, 123, and its gradient, 0."""

    need: str = "value"

    @property
    def __name__(self) -> str:
        return "remembers"

    def init(self, params: Any, hyper: Any) -> Any:
        del hyper
        return Kept(jnp.zeros(()), tree.zeros_like(params))

    def update(self, grads: Any, state: Any, params: Any, hyper: Any, **extra: Any) -> Any:
        del state, params, extra
        updates = jax.tree.map(lambda g: -hyper.learning_rate * g, grads)
        return updates, Kept(jnp.full((), 123.0), tree.zeros_like(grads))

    def value_and_grad(self, state: Kept) -> Any:
        return state


def reused(problem: Any, **options: Any) -> list[bool]:
    run = training.train(problem, Remembers(), {}, KEY, num_steps=3, record_every=0, **options)
    return (np.asarray(run.history.loss) == 123).tolist()


@jax.tree_util.register_pytree_node_class
class Dropping:
    """A problem whose loss draws from its key."""

    name, target = "dropping", None
    train = validation = test = None

    def tree_flatten(self) -> Any:
        return (), None

    @classmethod
    def tree_unflatten(cls, aux: Any, children: Any) -> Any:
        del aux, children
        return cls()

    def init(self, key: Any) -> Any:
        return jax.random.normal(key, (2,))

    def loss(self, params: Any, batch: Any, key: Any) -> Any:
        del batch
        return jnp.sum(params**2 * jax.random.uniform(key, (2,)))

    def metrics(self, params: Any, batch: Any) -> Any:
        del batch
        return {"loss": jnp.sum(params**2)}


def test_a_kept_gradient_is_used_from_the_second_step_on(line: Any) -> None:
    assert reused(line) == [False, True, True]
    assert reused(problems.get("rosenbrock")) == [False, True, True]


def test_a_kept_gradient_is_never_used_for_another_loss(line: Any) -> None:
    assert reused(line, batch_size=8) == [False] * 3
    assert reused(Dropping()) == [False] * 3


def test_a_run_that_goes_on_evaluates_its_first_step(line: Any) -> None:
    first = training.train(line, Remembers(), {}, KEY, num_steps=2)
    second = training.train(line, Remembers(), {}, KEY, num_steps=2, initial=first)
    loss = line.loss(first.raw_params, line.train)
    np.testing.assert_allclose(second.history.loss, [loss, 123], rtol=1e-6)


def test_the_choice_stays_a_branch_for_the_lanes_of_a_sweep(line: Any) -> None:
    stages: Any = training.stages(line, Remembers(), num_steps=3, record_every=0)
    prepared = jax.vmap(stages.prepare, (0, None))(jax.random.split(KEY, 2), stages.data)
    state = jax.vmap(lambda p: stages.init(p, {}, stages.data))(prepared)
    fed = jax.vmap(lambda p: stages.feed(p, jnp.arange(1), stages.data))(prepared)
    fed = jax.tree.map(lambda x: x[:, 0], fed)

    def advance(state: Any, step: Any) -> Any:
        one = functools.partial(stages.advance, hyper={}, step=step, data=stages.data)
        return jax.vmap(lambda s, f: one(s, fed=f))(state, fed)[1]["loss"]

    assert "cond[" in str(jax.make_jaxpr(advance)(state, jnp.int32(1)))
    state = state._replace(point=state.point._replace(optimizer_state=_kept_in_lanes(state)))
    np.testing.assert_array_equal(jax.jit(advance)(state, jnp.int32(1)), [5.0, 6.0])
    np.testing.assert_allclose(
        jax.jit(advance)(state, jnp.int32(0)),
        jax.vmap(lambda p: line.loss(p, line.train))(prepared.params),
        rtol=1e-6,
    )


def _kept_in_lanes(state: Any) -> Kept:
    return state.point.optimizer_state._replace(value=jnp.asarray([5.0, 6.0]))


@pytest.mark.parametrize("reuse", [False, True, "traced"])
def test_step_uses_what_is_kept_only_when_told_to(line: Any, reuse: Any) -> None:
    params, rule = line.init(KEY), Remembers()
    state = Kept(jnp.full((), 7.0), tree.zeros_like(params))
    compiled = training.make_step(line.loss, rule)
    args = params, state, line.train, Hyper()
    if reuse == "traced":
        losses = [float(compiled(*args, reuse=jnp.asarray(flag))[2]) for flag in (True, False)]
    else:
        losses = [float(training.step(line.loss, rule, *args, reuse=reuse)[2])]
    real = float(line.loss(params, line.train))
    expected = {False: [real], True: [7.0], "traced": [7.0, real]}[reuse]
    np.testing.assert_allclose(losses, expected, rtol=1e-6)


def test_lbfgs_in_the_loop_evaluates_what_it_must_and_no_more(line: Any) -> None:
    # The optimum is a line through the data: two or three steps, one evaluation each.
    run = training.train(line, lbfgs, {}, KEY, num_steps=12, record_every=0)
    again = training.train(
        line, scheduled(lbfgs, learning_rate=constant), {}, KEY, num_steps=12, record_every=0
    )
    assert float(run.history.loss[-1]) < 1e-9
    assert bool(run.status.ok)
    np.testing.assert_allclose(again.history.loss, run.history.loss, rtol=1e-4, atol=1e-9)
    batch = training.train(line, lbfgs, {}, KEY, num_steps=12, batch_size=14, record_every=0)
    assert float(batch.history.loss[-1]) < 1e-6
    kept = float(run.optimizer_state.value)
    np.testing.assert_allclose(kept, line.loss(run.params, line.train), rtol=1e-3, atol=1e-12)


def test_whether_a_loss_reads_its_key(line: Any) -> None:
    params = line.init(KEY)
    assert needs.ignores_key(line.loss, params, line.train, KEY)
    assert needs.ignores_key(line.loss, params, line.train, None)
    assert not needs.ignores_key(_noisy, jnp.ones(()), jnp.ones(4), KEY)
    assert not needs.ignores_key(jax.jit(_noisy), jnp.ones(()), jnp.ones(4), KEY)
