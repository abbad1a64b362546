"""Problems: the contracts over the table, and the numbers of the functions and gates."""

from __future__ import annotations

import dataclasses
import inspect
import math
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnn import problems
from jaxnn.errors import BadType, BadValue
from jaxnn.models import Dense
from jaxnn.problems import GATE_INPUTS, GATES, PROBLEMS, Batch, Function, Supervised, Target
from jaxnn.testing.contract import ContractError
from jaxnn.testing.problem import PROBLEM_CONTRACTS, check_problem

FUNCTIONS = [name for name in PROBLEMS if isinstance(problems.get(name), Function)]


def code_path(name: str) -> tuple[Any, ...]:
    """What of a problem is code, not numbers: two alike compute alike."""
    problem = problems.get(name)
    told = ("loss_name", "function", "row_fn", "target_kind")
    model = getattr(problem, "model", None)
    kind = (type(model), getattr(model, "activation", None), getattr(model, "cell", None))
    parts = tuple(getattr(problem, part, None) for part in told)
    return (type(problem), kind, *parts, problem.residuals is None)


FIRST = {code_path(name): name for name in reversed(PROBLEMS)}
"""Of the problems that share their code, the first in the table."""

OF_CODE = ("means", "transforms", "gradient")
"""Contracts that hold for all problems of the same code, or for none; they compile most."""


@pytest.mark.parametrize("name", PROBLEMS)
def test_contracts_hold(name: str) -> None:
    first = FIRST[code_path(name)] == name
    for contract, holds in PROBLEM_CONTRACTS.items():
        if first or contract not in OF_CODE:
            holds(name)


@pytest.mark.parametrize("name", PROBLEMS)
def test_builders_are_documented_and_keyword_only(name: str) -> None:
    builder = PROBLEMS[name]
    first = (inspect.getdoc(builder) or "").splitlines()[0]
    assert first.endswith((".", "?"))
    assert len(first) > 20
    for parameter in inspect.signature(builder).parameters.values():
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty


@pytest.mark.parametrize("name", PROBLEMS)
def test_two_builds_are_one_structure(name: str) -> None:
    one, two = PROBLEMS[name](), PROBLEMS[name]()
    assert one is not two
    assert jax.tree.structure(one) == jax.tree.structure(two)
    assert hash(jax.tree.structure(one)) == hash(jax.tree.structure(two))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(a, b)
    again = pickle.loads(pickle.dumps(one))
    assert jax.tree.structure(again) == jax.tree.structure(one)


def test_get_is_cached_by_meaning() -> None:
    assert problems.get("iris") is problems.get("iris", seed=0)
    assert problems.get("iris", sizes=[4, 8, 3]) is problems.get("iris", sizes=(4, 8, 3))
    assert problems.get("iris", seed=1) is not problems.get("iris")
    assert problems.resolve("iris") is problems.get("iris")
    assert problems.resolve(problems.get("iris")) is problems.get("iris")


def test_a_problem_built_while_tracing_is_concrete() -> None:
    @jax.jit
    def loss(key: Any) -> Any:
        problem = problems.get("wine", seed=12)
        return problem.loss(problem.init(key), problem.train)

    loss(jax.random.key(0))
    assert not any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(problems.get("wine")))
    problem = problems.get("wine", seed=12)
    assert np.isfinite(problem.loss(problem.init(jax.random.key(0)), problem.train))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: problems.get("digts"),
            BadValue,
            "problems.get: `name` must be a known name; got 'digts'. Did you mean 'digits'?",
        ),
        (
            lambda: problems.get("digits", size=(64, 10)),
            BadValue,
            "digits: `structure` must be one of activation, seed, sizes; got 'size'. "
            "Did you mean 'sizes'?",
        ),
        (
            lambda: problems.get("digits", sizes=np.array([64, 10])),
            BadType,
            "digits: `sizes` must be hashable; got array([64, 10]). "
            "Pass a number, a string or a tuple.",
        ),
        (
            lambda: problems.get("digits", sizes=(60, 10)),
            BadValue,
            "digits: `model` must be for 64 inputs, one a column of the data; got 60. "
            "Change the first of its sizes.",
        ),
        (
            lambda: problems.get("digits", sizes=(64, 9)),
            BadValue,
            "digits: `model` must be for 10 outputs or more, the largest label being 9; got 9. "
            "Change the last of its sizes.",
        ),
        (
            lambda: problems.get("diabetes", sizes=(10, 2)),
            BadValue,
            "diabetes: `model` must be for 1 output, one a column of the targets; got 2. "
            "Change the last of its sizes.",
        ),
        (
            lambda: problems.get("digits", seed=2**32),
            BadValue,
            "digits: `seed` must be in [0, 4294967296); got 4294967296. Pass for example 0.",
        ),
        (
            lambda: problems.get("gate", name="nnd"),
            BadValue,
            "gate: `name` must be one of a, a_and_not_b, a_or_not_b, and, b, b_and_not_a, "
            "b_or_not_a, false, nand, nor, not_a, not_b, or, true, xnor, xor; got 'nnd'. "
            "Did you mean 'nand'?",
        ),
        (
            lambda: problems.get("quadratic", condition=0.5),
            BadValue,
            "quadratic: `condition` must be finite and >= 1; got 0.5. Pass 1 or more.",
        ),
        (
            lambda: problems.get("quadratic", dim="ten"),
            BadType,
            "quadratic: `dim` must be an integer; got 'ten'. Pass 1 or more.",
        ),
        (
            lambda: problems.get("rosenbrock", dim=1),
            BadValue,
            "rosenbrock: `dim` must be >= 2; got 1. Pass 2 or more.",
        ),
        (
            lambda: problems.get("beale", spread=math.nan),
            BadValue,
            "beale: `spread` must be finite and >= 0; got nan. Pass 0 or more.",
        ),
        (
            lambda: problems.get("moons", noise="much"),
            BadType,
            "moons: `noise` must be a real number; got 'much'. Pass 0 or more.",
        ),
        (
            lambda: problems.get("blobs", num_rows=11, num_classes=4),
            BadValue,
            "blobs: `num_rows` must be >= 12; got 11. Pass 12 or more.",
        ),
        (
            lambda: Target("loss", 0.1, "down"),
            BadValue,
            "Target: `direction` must be 'max' or 'min'; got 'down'.",
        ),
    ],
)
def test_bad_structure_is_one_sentence(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text


def test_an_error_of_type_is_not_hidden_by_the_cache() -> None:
    problems.get("quadratic", dim=1)
    with pytest.raises(BadType):
        problems.get("quadratic", dim=1.0)
    with pytest.raises(BadType):
        problems.get("quadratic", dim=True)


# Gates.


def test_gates_are_all_sixteen_in_order() -> None:
    numbers = [int("".join(map(str, outputs)), 2) for outputs in GATES.values()]
    assert numbers == list(range(16))
    python = {"and": lambda a, b: a and b, "or": lambda a, b: a or b, "xor": lambda a, b: a ^ b}
    python |= {"a": lambda a, b: a, "b": lambda a, b: b}
    python |= {"a_and_not_b": lambda a, b: a and not b, "a_or_not_b": lambda a, b: a or not b}
    for name, function in python.items():
        assert GATES[name] == tuple(int(function(*row)) for row in GATE_INPUTS)
    opposites = [("nand", "and"), ("nor", "or"), ("xnor", "xor"), ("not_a", "a"), ("not_b", "b")]
    opposites += [("true", "false"), ("b_or_not_a", "a_and_not_b"), ("b_and_not_a", "a_or_not_b")]
    for name, opposite in opposites:
        assert GATES[name] == tuple(1 - output for output in GATES[opposite])


@pytest.mark.parametrize("name", GATES)
def test_gate_data(name: str) -> None:
    problem = problems.get("gate", name=name)
    assert problem.name == name
    for batch in (problem.train, problem.validation, problem.test):
        assert batch.inputs.tolist() == [list(row) for row in GATE_INPUTS]
        assert tuple(batch.targets.tolist()) == GATES[name]


def test_xor_by_hand_with_two_hidden_units() -> None:
    problem = problems.get("xor", sizes=(2, 2, 1), activation="sigmoid")
    hidden = Dense(jnp.array([[20.0, -20.0], [20.0, -20.0]]), jnp.array([-10.0, 30.0]))
    output = Dense(jnp.array([[20.0], [20.0]]), jnp.array([-30.0]))
    metrics = problem.metrics((hidden, output), problem.train)
    assert metrics["accuracy"] == 1
    assert metrics["loss"] < 1e-4
    assert problem.target.reached(metrics["loss"])
    assert problem.predict((hidden, output), GATE_INPUTS).tolist() == [0, 1, 1, 0]


# Functions to minimise.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("saddle", -5.0),
        ("rosenbrock", 24.2),
        ("beale", 14.203125),
        ("himmelblau", 106.0),
        ("rastrigin", 8.0),
    ],
)
def test_values_at_the_starts(name: str, value: float) -> None:
    problem = problems.get(name, spread=0.0)
    start = problem.init(jax.random.key(3))
    np.testing.assert_array_equal(start, jnp.asarray(problem.start, jnp.float32))
    assert float(problem.loss(start)) == pytest.approx(value, rel=1e-6)


def test_gradient_descent_on_the_saddle_runs_away(x64: None) -> None:
    problem = problems.get("saddle")
    start = problem.init(jax.random.key(0))
    np.testing.assert_array_equal(jax.grad(problem.loss)(start), [4.0, -6.0])
    end = jax.lax.fori_loop(0, 100, lambda _, x: x - 0.1 * jax.grad(problem.loss)(x), start)
    assert float(end[1]) == pytest.approx(248453923.5660, abs=1e-4)
    assert float(end[0]) == pytest.approx(4.0740719527e-10, rel=1e-10)
    assert problem.optima is None
    assert problem.minimum is None
    assert list(problem.metrics(end)) == ["loss"]


@pytest.mark.parametrize("condition", [1.0, 37.5, 1e6])
def test_quadratic_has_the_condition_number(condition: float, x64: None) -> None:
    problem = problems.get("quadratic", condition=condition, dim=4)
    curvatures = np.linalg.eigvalsh(jax.hessian(problem.loss)(jnp.full(4, 0.3)))
    np.testing.assert_allclose(curvatures, condition ** (np.arange(4) / 3), rtol=1e-9)


def test_another_condition_number_compiles_nothing() -> None:
    traces = []

    @jax.jit
    def loss(problem: Function, point: Any) -> Any:
        traces.append(point)
        return problem.loss(point)

    for condition in (2.0, 50.0, 1000.0):
        problem = problems.get("quadratic", condition=condition, dim=3)
        assert float(loss(problem, jnp.ones(3))) == pytest.approx(
            (1 + condition**0.5 + condition) / 2
        )
    assert len(traces) == 1


def test_rastrigin_has_a_local_minimum_near_whole_coordinates(x64: None) -> None:
    problem = problems.get("rastrigin")
    point = jnp.array([0.99495863, 0.0])
    assert float(jnp.max(jnp.abs(jax.grad(problem.loss)(point)))) < 1e-4
    assert np.all(np.linalg.eigvalsh(jax.hessian(problem.loss)(point)) > 0)
    assert float(problem.loss(point)) == pytest.approx(0.9949591, rel=1e-6)
    assert problem.target.threshold < 0.9949


def test_rosenbrock_in_more_dimensions() -> None:
    problem = problems.get("rosenbrock", dim=5)
    np.testing.assert_allclose(problem.start, [-1.2, 1.0, -1.2, 1.0, -1.2])
    assert float(problem.loss(jnp.zeros(5))) == 4.0
    assert float(problem.metrics(jnp.zeros(5))["distance"]) == pytest.approx(5**0.5)


def test_distance_is_to_the_nearest_optimum() -> None:
    problem = problems.get("himmelblau")
    for optimum in problem.optima:
        near = jnp.asarray(optimum + np.array([0.003, 0.004]), jnp.float32)
        assert float(problem.metrics(near)["distance"]) == pytest.approx(0.005, rel=1e-3)


def test_spread_moves_the_start_from_seed_to_seed() -> None:
    problem = problems.get("beale", spread=0.5)
    starts = jax.vmap(problem.init)(jax.random.split(jax.random.key(0), 2000))
    np.testing.assert_allclose(starts.mean(axis=0), [1, 1], atol=0.05)
    np.testing.assert_allclose(starts.std(axis=0), [0.5, 0.5], atol=0.03)
    wider = dataclasses.replace(problem, spread=1.0)
    key = jax.random.key(1)
    moved = (wider.init(key) - 1) / (problem.init(key) - 1)
    np.testing.assert_allclose(moved, [2, 2], rtol=1e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_domain_shows_start_and_optima(name: str) -> None:
    problem = problems.get(name)
    low, high = np.transpose(problem.domain)
    shown = [problem.start] if problem.optima is None else [problem.start, *problem.optima]
    for point in shown:
        assert np.all((low <= point) & (point <= high))


def test_reached() -> None:
    history = jnp.array([0.4, 0.96, jnp.nan, 0.95])
    assert Target("accuracy", 0.95).reached(history).tolist() == [False, True, False, True]
    assert Target("loss", 0.4, "min").reached(history).tolist() == [True, False, False, False]


# Learning, and the contracts on broken problems.


def test_digits_are_learned_to_96_percent() -> None:
    problem, rule = problems.get("digits"), optax.adam(1e-2)

    def trained(key: Any) -> Any:
        params = problem.init(key)

        def step(carry: Any, step_key: Any) -> Any:
            params, state = carry
            rows = jax.random.choice(step_key, problem.num_rows, (32,), replace=False)
            batch = jax.tree.map(lambda x: x[rows], problem.train)
            updates, state = rule.update(jax.grad(problem.loss)(params, batch), state)
            return (optax.apply_updates(params, updates), state), None

        keys = jax.random.split(key, 500)
        (params, _), _ = jax.lax.scan(step, (params, rule.init(params)), keys)
        return problem.metrics(params, problem.validation), problem.metrics(params, problem.test)

    keys = jax.random.split(jax.random.key(0), 3)
    validation, test = jax.jit(jax.vmap(trained))(keys)
    assert float(test["accuracy"].mean()) >= 0.96
    assert bool(problem.target.reached(validation["accuracy"]).all())


def registered(cls: type) -> Any:
    settings: dict[str, bool] = {"frozen": True, "eq": False, "repr": False, "kw_only": True}
    return jax.tree_util.register_dataclass(dataclasses.dataclass(**settings)(cls))


def changed(cls: Any = Supervised, **changes: Any) -> Any:
    """The AND gate as another class, with other fields."""
    gate = problems.get("and")
    fields = {field.name: getattr(gate, field.name) for field in dataclasses.fields(gate)}
    return cls(**(fields | changes))


@registered
class DrawsInDefaultPrecision(Supervised):
    def init(self, key: Any) -> Any:
        params = self.model.init(key)
        return jax.tree.map(lambda x: jax.random.normal(key, x.shape), params)


@registered
class SumsRows(Supervised):
    def loss(self, params: Any, batch: Any, key: Any = None) -> Any:
        return super().loss(params, batch, key) * batch.inputs.shape[0]


@registered
class TakesTheLargest(Supervised):
    def metrics(self, params: Any, batch: Any) -> Any:
        metrics = super().metrics(params, batch)
        return metrics | {"worst": self.per_row(params, batch)["loss"].max()}


@registered
class MixesPrecisions(Supervised):
    def loss(self, params: Any, batch: Any, key: Any = None) -> Any:
        return super().loss(params, batch, key) * jnp.float32(1)


@registered
class LooksWhetherItIsTraced(Supervised):
    def loss(self, params: Any, batch: Any, key: Any = None) -> Any:
        traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(params))
        return super().loss(params, batch, key) + (0 if traced else 1)


@registered
class HidesAGradient(Supervised):
    def loss(self, params: Any, batch: Any, key: Any = None) -> Any:
        return super().loss((params[0], jax.lax.stop_gradient(params[1])), batch, key)


@registered
class SumsResiduals(Supervised):
    def residuals(self, params: Any, batch: Any) -> Any:
        return self.outputs(params, batch.inputs).sum(axis=0)


NAN = Batch(jnp.full((4, 2), jnp.nan), problems.get("and").test.targets)
EMPTY = Batch(jnp.zeros((0, 2)), jnp.zeros(0, jnp.int32))
UNEVEN = Batch(jnp.zeros((4, 2)), jnp.zeros(3, jnp.int32))


@pytest.mark.parametrize(
    ("contract", "build"),
    [
        ("offers", lambda: object()),
        ("offers", lambda: changed(validation=None)),
        ("offers", lambda: changed(test=EMPTY)),
        ("offers", lambda: changed(train=UNEVEN)),
        ("offers", lambda: changed(target=Target("accurcy", 0.9))),
        ("is_pytree", lambda: changed(classes=(object(), object()))),
        ("is_pytree", lambda: changed(input_scaling="none")),
        ("same_start", lambda: changed(DrawsInDefaultPrecision)),
        ("finite", lambda: changed(test=NAN)),
        ("strict_promotion", lambda: changed(MixesPrecisions)),
        ("means", lambda: changed(SumsRows)),
        ("means", lambda: changed(TakesTheLargest)),
        ("transforms", lambda: changed(LooksWhetherItIsTraced)),
        ("gradient", lambda: changed(HidesAGradient)),
        ("known_optima", lambda: dataclasses.replace(problems.get("beale"), minimum=1.0)),
        (
            "known_optima",
            lambda: dataclasses.replace(problems.get("beale"), optima=np.array([[3.0, 0.6]])),
        ),
        ("residuals", lambda: changed(SumsResiduals)),
    ],
)
def test_a_broken_problem_breaks_its_contract(contract: str, build: Any) -> None:
    with pytest.raises(ContractError, match=f": contract `{contract}`: "):
        PROBLEM_CONTRACTS[contract](build())


def test_check_problem_names_the_first_broken_contract() -> None:
    problem = changed(target=Target("accurcy", 0.9))
    with pytest.raises(ContractError) as caught:
        check_problem(problem)
    assert str(caught.value) == (
        "and: contract `offers`: `target.metric` must be one of ['accuracy', 'loss']; got accurcy."
    )


@registered
class Own:
    """Somebody's own problem: a ridge regression in other words, without `per_row`."""

    train: Any
    validation: Any
    test: Any
    name: str = dataclasses.field(default="own", metadata={"static": True})

    def init(self, key: Any) -> Any:
        return {"w": 0.1 * jax.random.normal(key, (3,), jnp.float32).astype(float)}

    def loss(self, params: Any, batch: Any, key: Any = None) -> Any:
        del key
        product = batch["x"].astype(params["w"].dtype) @ params["w"]
        return jnp.mean((product - batch["y"].astype(product.dtype)) ** 2)

    def metrics(self, params: Any, batch: Any) -> Any:
        return {"loss": self.loss(params, batch)}


def test_check_problem_on_somebody_elses() -> None:
    rng = np.random.default_rng(0)
    rows = {"x": jnp.asarray(rng.normal(size=(9, 3)), jnp.float32), "y": jnp.arange(9.0)}
    check_problem(Own(train=rows, validation=rows, test=rows))
