"""A trial that failed is replayed to the bit, and the primitive that went wrong is named."""

from __future__ import annotations

import inspect
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import problems, sweeps, training
from jaxnn.cli import sweep_debug
from jaxnn.models import MLP
from jaxnn.space import choice, grid, uniform
from jaxnn.sweeps import Optuna, PopulationBased, Staged, Store, SuccessiveHalving
from jaxnn.sweeps.eager import look
from jaxnn.sweeps.replay import Replay, debug

FALLS: Any = [{"fall": 0.125}, {"fall": 0.5}, {"fall": 1.0}]
WIDE: Any = {"num_seeds": 2, "width": (2, 2)}


def line_of(code: str) -> str:
    """As a replay shows a line of this file."""
    lines = inspect.getsource(inspect.getmodule(line_of)).splitlines()  # type: ignore[arg-type]
    number = next(k for k, line in enumerate(lines, start=1) if line.strip() == code)
    return f"test_sweep_replay.py, line {number}: {code}"


def advance(state: Any, hyper: Any, step: Any, data: Any, fed: Any) -> Any:
    at = state["at"] - hyper["fall"] - 0 * fed
    loss = jnp.sum(jnp.log(at))
    return {"at": at, "key": state["key"]}, {"loss": loss}


FALL = Staged(
    lambda key, hyper, data: {"at": jnp.array([2.0, 8.0]), "key": key},
    advance,
    lambda state, hyper, data: {"at": jnp.sum(state["at"])},
    num_steps=6,
    feed=lambda key, steps, data: steps.astype(jnp.float32),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("sweep") / "falls.db"
    sweeps.run(FALL, FALLS, store=path, **WIDE)
    return path


def test_a_step_that_failed_is_replayed_and_its_primitive_named(store: pathlib.Path) -> None:
    assert str(debug(FALL, row=(1, 1), store=store)) == "\n".join(
        [
            "row 3: setting 1, replicate 1",
            "numbers: fall=0.5",
            "key: fold_in(fold_in(key(0), 0), 1)",
            "status: non-finite at step 3 of 6",
            "replayed in its block of 2 × 2 lanes, as in the store to the bit",
            "loss at that step: -inf",
            "norm of the state before it: 6.5192",
            "step 3, alone and a primitive at a time: `log` is the first to go wrong",
            "    gives float32[2] of 1.79176, but for 1 of 2",
            "    takes float32[2] in [0, 6]",
            "    " + line_of("loss = jnp.sum(jnp.log(at))"),
        ]
    )


def test_without_a_store_and_with_keys_of_their_own() -> None:
    found = debug(FALL, FALLS, row=4, common=False, **WIDE)
    assert (found.setting, found.replicate, found.step, found.differs) == (2, 0, 1, None)
    assert found.key == "fold_in(fold_in(fold_in(key(0), 0), 0), 2)"
    assert "\nreplayed in its block of 2 × 2 lanes\n" in str(found)


def test_what_is_not_as_in_the_store_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "changed.db"
    sweeps.run(FALL, FALLS, store=path, **WIDE)
    with Store.open(path) as kept:
        arrays = kept.get("0-1/0-1")
        arrays["metric/at"][1, 1] = -1.0
        arrays["curve/loss"][1, 1, 0] = -1.0
        kept.discard(["0-1/0-1"])
        kept.put("0-1/0-1", arrays)
    found = debug(FALL, row=3, store=path)
    assert found.differs == ("at", "curve loss")
    assert "block of 2 × 2 lanes, not as in the store: at, curve loss\n" in str(found)
    assert debug(FALL, row=4, store=path).differs == ()


def test_training_that_diverges(tmp_path: pathlib.Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    problem = problems.regression(x, x.sum(axis=1), model=MLP((2, 1)))
    trial = training.stages(problem, "sgd", num_steps=30, batch_size=4, record_every=0, split=None)
    path = tmp_path / "training.db"
    rates: Any = [{"learning_rate": rate} for rate in (1e-2, 1e3)]
    table = sweeps.run(trial, rates, store=path).table()
    assert list(table["status"]) == [0, 1]
    found = debug(trial, row=1, store=path)
    assert (found.step, found.differs) == (table["status_step"][1], ())
    assert 5 < found.step < 30
    assert found.norm is not None
    assert found.norm[0] == "parameters"
    assert found.norm[1] > 1e10
    assert found.origin is not None
    # The squares of the errors exceed the largest number.
    assert (found.origin.primitive, found.origin.gives.kind) == ("mul", "float32[4, 1]")
    assert found.origin.place.endswith(": return 0.5 * error * error")


def test_a_trial_above_the_ceiling() -> None:
    grow = FALL._replace(
        advance=lambda state, hyper, step, data: (
            state | {"at": state["at"] * 2},
            {"loss": state["at"].sum() * hyper["fall"]},
        ),
        feed=None,
    )
    found = debug(grow, [{"fall": 1.0}], row=0, ceiling=100.0)
    head, *largest = str(found).split("the largest numbers by line:\n")
    assert head.splitlines()[3:] == [
        "status: above the ceiling at step 4 of 6",
        "replayed in its block of 1 × 1 lanes",
        "loss at that step: 160",
        "norm of the state before it: 131.939",
        "step 4, alone and a primitive at a time, ",
    ]
    assert largest[0].splitlines() == [
        "    256 by `mul`, " + line_of('state | {"at": state["at"] * 2},'),
        "    160 by `reduce_sum`, " + line_of('{"loss": state["at"].sum() * hyper["fall"]},'),
    ]


def masked(key: Any, hyper: Any) -> Any:
    def cost(x: Any) -> Any:
        return jnp.where(x > 0, jnp.log(x), 0.0)

    return {"slope": jax.grad(cost)(hyper["x"])}


def test_a_function_of_no_steps_and_a_failure_that_a_mask_does_not_hide() -> None:
    # The logarithm is masked; the NaN that comes out is that of its derivative, 0 / 0.
    found = debug(masked, {"x": grid([1.0, 0.0])}, row=1)
    assert isinstance(found, Replay)
    assert (found.numbers, found.loss, found.norm) == ({"x": 0.0}, None, None)
    lines = str(found).splitlines()
    assert lines[3:7] == [
        "status: non-finite",
        "replayed in its block of 1 × 2 lanes",
        "the function, alone and a primitive at a time: `div` is the first to go wrong",
        "    gives float32[], none of it finite",
    ]
    assert lines[-1] == "    " + line_of("return jnp.where(x > 0, jnp.log(x), 0.0)")


def test_what_is_measured_at_the_end_and_at_a_rung(tmp_path: pathlib.Path) -> None:
    count = Staged(
        lambda key, hyper, data: hyper["x"],
        lambda state, hyper, step, data: (state - 1, {"at": state}),
        lambda state, hyper, data: {"root": jnp.sqrt(state)},
        num_steps=4,
    )
    found = debug(count, [{"x": 3.0}], row=0)
    assert (found.step, found.looked_at) == (4, "what is measured after 4 steps")
    assert found.origin is not None
    assert found.origin.primitive == "sqrt"
    back = count._replace(measure=lambda s, hyper, data: {"root": 1 / (s - hyper["x"] + 2)})
    rule = SuccessiveHalving(metric="root", first=2)
    rows: Any = [{"x": float(x)} for x in range(4)]
    path = tmp_path / "rung.db"
    results = sweeps.run(back, rows, stop=rule, store=path)
    assert set(results.table()["status_step"]) == {2}
    found = debug(back, row=0, store=path)
    assert (found.step, found.looked_at) == (2, "what is measured after 2 steps")
    assert found.differs == ()
    assert found.origin is not None
    assert found.origin.primitive == "div"


def test_settings_that_were_asked_for(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "asked.db"

    def trial(key: Any, hyper: Any) -> Any:
        return {"loss": jnp.log(hyper["x"]) * (1 if hyper["name"] == "a" else 2)}

    space = {"x": uniform(-1, 1), "name": choice(["a", "b"])}
    method = Optuna("random", batch=4)
    status = sweeps.run(trial, space, num_trials=8, method=method, store=path).status
    for row in np.flatnonzero(status):
        found = debug(trial, row=int(row), store=path)
        assert (found.differs, found.numbers["x"] < 0) == ((), True)
    assert 0 < np.count_nonzero(status) < 8


def own(step: int) -> Staged:
    """Fails by a status of its own, though all its numbers are finite."""
    return Staged(
        lambda key, hyper, data: hyper["x"],
        lambda at, hyper, step, data: (at * 3, {}),
        lambda state, hyper, data: {"status": jnp.int32(1), "status_step": jnp.int32(step)},
        num_steps=4,
    )


def test_a_step_that_alone_is_finite() -> None:
    lines = str(debug(own(2), [{"x": 2.0}], row=0)).splitlines()
    assert lines[-4:] == [
        "step 2, alone and a primitive at a time: what comes of it is finite",
        "Its last bits alone are not those of the block: the failure may hang on them.",
        "there, the largest numbers by line:",
        "    54 by `mul`, " + line_of("lambda at, hyper, step, data: (at * 3, {}),"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"row": 0},
            "sweeps.debug: `row` must be one that failed; got 0 (setting 0, replicate 0), ok. "
            "These did: 2, 3, 4, 5.",
        ),
        ({"row": 6}, "sweeps.debug: `row` must be in [0, 5]; got 6. Did you mean 5?"),
        ({"row": (3, 0)}, "sweeps.debug: `row` must be in [0, 2]; got 3. Did you mean 2?"),
        (
            {"row": (1, 2, 3)},
            "sweeps.debug: `row` must be a number or (setting, replicate); got (1, 2, 3).",
        ),
        (
            {"row": 2, "space": FALLS, "num_seeds": 2},
            "sweeps.debug: `store` must be given without arguments of the sweep; "
            "got space, num_seeds beside it. It keeps them: leave them out.",
        ),
        (
            {"row": 2, "store": "nowhere.db"},
            "sweeps.debug: `store` must be an existing store; got 'nowhere.db'.",
        ),
        (
            {"row": 2, "store": None, "space": FALLS, "sed": 1},
            "sweeps.debug: `arguments` must be one of ceiling, common, method, num_seeds, "
            "num_trials, seed, stop, width; got 'sed'. Did you mean 'seed'?",
        ),
        (
            {"row": 0, "store": None, "space": FALLS, "stop": PopulationBased(every=2)},
            "sweeps.run: `space` must be a dict of distributions, to draw other numbers from; "
            "got [{'fall': 0.125}, {'fall': 0.5}, {'fall': 1.0}]. "
            "Pass {'learning_rate': log_uniform(1e-4, 1e-1)}, for example.",
        ),
        (
            {
                "row": 0,
                "store": None,
                "space": {"fall": grid([1.0])},
                "stop": PopulationBased(metric="at", every=2),
            },
            "sweeps.debug: `stop` must be no population; got PopulationBased. Its trials take "
            "over states of others, so that none can be replayed by itself.",
        ),
        (
            {"row": 0, "store": None, "space": {"fall": uniform(0, 1)}, "method": Optuna()},
            "sweeps.debug: `method` must be one that proposes all settings at once; "
            "got Optuna without a store. Its store has the settings that were asked for.",
        ),
        (
            {"row": 0, "store": None, "space": [{"x": 1.0}], "trial": own(-1)},
            "sweeps.debug: `trial` must be one that reports a status_step in [0, 4] where it "
            "fails; got -1.",
        ),
    ],
)
def test_bad_input(store: pathlib.Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        debug(**({"trial": FALL, "store": store} | arguments))
    assert str(caught.value) == message


def test_another_trial_than_that_of_the_store(store: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="trial") as caught:
        debug(FALL._replace(num_steps=7), row=3, store=store)
    head, line = str(caught.value).split("\n    ")
    assert head == "sweeps.debug: `trial` must be that of the store; got another:"
    assert line.startswith("programs.fall: stored '")
    assert line.endswith(", 7 steps'.")


def test_the_command(store: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{__name__}:FALL"
    sweep_debug.debug(store, name, "1/1")
    assert capsys.readouterr().out == f"{debug(FALL, row=3, store=store)}\n"
    with pytest.raises(ValueError, match="row") as caught:
        sweep_debug.debug(store, name, "1/b")
    assert str(caught.value) == (
        "sweep debug: `row` must be whole numbers, such as 17, or 8/1; got '1/b'."
    )


# Programs of any form


@jax.jit
def inside(x: Any) -> Any:
    return jnp.var(x) / jnp.sum(x - x)


def by_scan(x: Any) -> Any:
    carry, listed = jax.lax.scan(lambda c, y: (c * 10, jnp.log(c - y)), x, jnp.arange(4) * 30.0)
    return carry + listed.sum()


def by_while(x: Any) -> Any:
    return jax.lax.while_loop(lambda c: c[1] < 9, lambda c: (c[0] ** 2, c[1] + 1), (x, 0))


@pytest.mark.parametrize(
    ("function", "x", "primitive", "takes"),
    [
        (inside, [0.0, 3.0], "div", [(2.25, 2.25), (0.0, 0.0)]),
        (by_scan, 2.0, "log", [(-10.0, -10.0)]),
        (by_while, 1e5, "integer_pow", [(1e20, 1e20)]),
        (lambda x: jax.lax.cond(x > 1, jnp.exp, jnp.negative, x), 99.0, "exp", [(99.0, 99.0)]),
        (lambda x: jnp.isnan(jnp.sqrt(x)), -4.0, "sqrt", [(-4.0, -4.0)]),
        (lambda x: jax.checkpoint(jnp.log)(jax.nn.relu(x)), 0.0, "log", [(0.0, 0.0)]),
        (lambda x: jax.nn.softmax(jnp.where(x > 9, x, -jnp.inf)), [1.0, 2.0], "sub", None),
        (lambda x: jnp.where(x > 0, jnp.log(x), x), [-1.0, 2.0], None, None),
        (lambda x: jnp.minimum(x, jnp.inf), 1.0, None, None),
    ],
)
def test_where_a_program_goes_wrong(
    function: Callable[..., Any], x: Any, primitive: str | None, takes: Any
) -> None:
    origin = look(function, jnp.asarray(x)).origin
    assert (origin and origin.primitive) == primitive
    if takes is not None:
        assert origin is not None
        np.testing.assert_allclose([(r.low, r.high) for r in origin.takes], takes, rtol=1e-6)


def test_a_line_of_a_function_of_jax_is_that_of_its_caller() -> None:
    origin = look(inside, jnp.array([jnp.inf, 1.0])).origin
    assert origin is not None
    assert origin.place == line_of("return jnp.var(x) / jnp.sum(x - x)")
