"""What is wrong with a trial is said in one sentence before anything compiles."""

from __future__ import annotations

import itertools
import linecache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import sweeps, training
from jaxnn.errors import BadInput, BadType, BadValue
from jaxnn.space import choice, integers, structural, uniform
from jaxnn.sweeps import Staged

COUNT = itertools.count()

SPACE = {"x": uniform(0.0, 1.0), "n": integers(1, 4)}
NUMBERS = (
    "structural, since the trial uses it for a shape or a branch of Python; got a traced number "
    "({place})"
)


def shape(key: Any, hyper: Any) -> Any:
    return {"loss": hyper["x"] * jnp.zeros((hyper["n"], 3)).sum()}


def loop(key: Any, hyper: Any) -> Any:
    return {"loss": sum(hyper["x"] for _ in range(hyper["n"]))}


def branch(key: Any, hyper: Any) -> Any:
    return {"loss": hyper["n"] if hyper["x"] > 0.5 else 0.0}


def cast(key: Any, hyper: Any) -> Any:
    return {"loss": hyper["n"] * float(hyper["x"])}


def of_numpy(key: Any, hyper: Any) -> Any:
    return {"loss": hyper["n"] * np.sin(hyper["x"])}


def words(key: Any, hyper: Any) -> Any:
    return {"loss": hyper["n"] * hyper["x"], "word": "a"}


def own_status(key: Any, hyper: Any) -> Any:
    return {"loss": hyper["n"] * 1.0, "status": hyper["x"], "status_step": 3}


def impure(key: Any, hyper: Any) -> Any:
    return {"loss": hyper["n"] * hyper["x"] + next(COUNT)}


def both(key: Any, hyper: Any) -> Any:
    return {"loss": jnp.zeros(hyper["n"]).sum() if hyper["x"] > 0 else 0.0}


def reused(key: Any, hyper: Any) -> Any:
    return {"loss": hyper["x"] * hyper["n"] + jax.random.normal(key) + jax.random.normal(key)}


def reused_in_a_loop(key: Any, hyper: Any) -> Any:
    def body(total: Any, _: Any) -> Any:
        return total + jax.random.normal(key), None

    return {"loss": jax.lax.scan(body, hyper["x"] * hyper["n"], length=3)[0]}


def unread(key: Any, hyper: Any) -> Any:
    return {"loss": jnp.sin(hyper["x"])}


def unknown(key: Any, hyper: Any) -> Any:
    return {"loss": hyper["x"] + hyper["n"] * hyper["xx"]}


def raising(key: Any, hyper: Any) -> Any:
    return {"loss": {"a": hyper["x"]}["b"] + hyper["n"]}


def mismatched(key: Any, hyper: Any) -> Any:
    return {"loss": (jnp.ones(3) @ jnp.ones(2)) * hyper["x"] * hyper["n"]}


@pytest.mark.parametrize(
    ("trial", "kind", "text"),
    [
        (shape, BadType, f'`n` must be {NUMBERS}. Declare it: space = {{"n": structural([...])}}.'),
        (loop, BadType, f'`n` must be {NUMBERS}. Declare it: space = {{"n": structural([...])}}.'),
        (
            branch,
            BadType,
            f'`x` must be {NUMBERS}. Declare it: space = {{"x": structural([...])}}.',
        ),
        (
            cast,
            BadType,
            "`x` must be used as it is, an array of JAX; got float(...) ({place}). Leave float "
            "away, and take jax.numpy in the place of math.",
        ),
        (
            of_numpy,
            BadType,
            "`x` must be used by functions of JAX; got a call of NumPy ({place}). Take that of "
            "jax.numpy.",
        ),
        (
            words,
            BadType,
            "`metrics['word']` must be a scalar or an array; got 'a'.",
        ),
        (
            own_status,
            BadType,
            "`metrics['status']` must be an int32 scalar, the code of what became of the trial; "
            "got float32. Rename it, or report 0 where all is well: see sweeps.Results.",
        ),
        (
            impure,
            BadValue,
            "`trial` must be pure; got one that computes something else each time it is traced. "
            "Draw with jax.random from its key, and pass data as `data`.",
        ),
        (
            both,
            BadType,
            f'`x`, `n` must be {NUMBERS}. Declare it: space = {{"x": structural([...])}}.',
        ),
        (
            reused,
            BadValue,
            "`trial` must be one that uses each key once; got one that uses a key twice (In jit, "
            "argument 0 is already consumed.). Give each draw a key of its own, by "
            "jax.random.split or fold_in of the step.",
        ),
        (
            reused_in_a_loop,
            BadValue,
            "`trial` must be one that uses each key once; got one that uses a key twice (scan body "
            "function leads to key reuse when repeatedly executed, because key constants are "
            "repeatedly consumed:). Give each draw a key of its own, by jax.random.split or "
            "fold_in of the step.",
        ),
        (
            unread,
            BadValue,
            "`space` must be of names that the trial reads; got 'n'. It reads x: take 'n' out of "
            "the space, or see how it is spelt there.",
        ),
        (unknown, BadValue, "`hyper` must be one of n, x; got 'xx'. Did you mean 'x'?"),
        (
            raising,
            BadValue,
            "`trial` must run; it raised KeyError: 'b' (test_sweep_preflight.py, line {line}: "
            """return {"loss": {"a": hyper["x"]}["b"] + hyper["n"]})""",
        ),
        (
            mismatched,
            BadType,
            "`trial` must run; it raised TypeError: dot_general requires contracting dimensions to "
            "have the same shape, got (3,) and (2,). (test_sweep_preflight.py, line {line}: "
            """return {"loss": (jnp.ones(3) @ jnp.ones(2)) * hyper["x"] * hyper["n"]})""",
        ),
    ],
)
def test_a_trial_that_cannot_run(trial: Any, kind: type, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        sweeps.run(trial, SPACE, num_trials=4)
    assert type(caught.value) is kind
    line = trial.__code__.co_firstlineno + 1
    source = linecache.getline(__file__, line).strip()
    place = f"test_sweep_preflight.py, line {line}: {source}"
    got = str(caught.value).replace("sweeps: `metrics", "sweeps.run: `metrics")
    assert got == "sweeps.run: " + text.replace("{place}", place).replace("{line}", str(line))


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        (
            lambda x: x,
            "`metrics` must be a dict of scalars; got ShapeDtypeStruct. "
            "Return {'loss': loss}, for example.",
        ),
        (
            lambda x: {},
            "`metrics` must be a dict with one metric or more; got none. "
            "Return {'loss': loss}, for example.",
        ),
        (
            lambda x: {"loss": {"a": x}},
            "`metrics['loss']` must be a scalar or an array, or one for each name; got dict.",
        ),
        (
            lambda x: {"loss": x * 1j},
            "`metrics['loss']` must be real; got complex64. "
            "Return its real part or its absolute value.",
        ),
        (
            lambda x: {"setting": x},
            "`metrics` must be named unlike the settings; got 'setting'. "
            "That is a column of the table already: rename the metric.",
        ),
        (lambda x: {3: x}, "`metrics` must be named by strings; got 3."),
    ],
)
def test_metrics_that_fit_into_no_table(metrics: Any, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        sweeps.run(lambda key, hyper: metrics(hyper["x"]), {"x": uniform(0, 1)}, num_trials=2)
    assert str(caught.value) == f"sweeps: {text}"


def test_nothing_compiles_before_all_is_found_right(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: Any, **kwargs: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(sweeps.Engine, "compile", forbidden)
    trial = lambda key, hyper: {"loss": jnp.zeros(hyper["n"]).sum()}  # noqa: E731
    space = {"kind": choice(["a", "b"]), "n": integers(1, 4)}
    with pytest.raises(BadType, match="`n` must be structural"):
        sweeps.run(trial, space, num_trials=4)


def test_what_is_declared_structural_may_be_a_shape() -> None:
    def trial(key: Any, hyper: Any) -> Any:
        return {"loss": jnp.full(hyper["n"], hyper["x"]).sum()}

    space = SPACE | {"n": structural(integers(1, 4))}
    table = sweeps.run(trial, space, num_trials=16, width=(1, 4)).table()
    np.testing.assert_allclose(table["loss"], table["n"].astype(float) * table["x"], rtol=1e-6)
    assert set(table["n"]) == {1, 2, 3, 4}


def test_numbers_that_are_asked_for_by_default_are_no_error() -> None:
    trial = lambda key, hyper: {"loss": hyper["x"] + hyper.get("y", 2.0)}  # noqa: E731
    table = sweeps.run(trial, {"x": uniform(0, 1)}, num_trials=2).table()
    np.testing.assert_allclose(table["loss"], table["x"] + 2, rtol=1e-6)


def test_programs_must_fill_the_same_columns() -> None:
    def trial(key: Any, hyper: Any) -> Any:
        return {"loss": jnp.ones(hyper["n"]) * hyper["x"]}

    with pytest.raises(BadValue) as caught:
        sweeps.run(trial, [{"x": 1, "n": structural(k)} for k in (1, 2)])
    assert str(caught.value) == (
        "sweeps: `metrics['loss']` must be the same in all programs; got float32[2] for {'n': 2}, "
        "float32[1] before."
    )


def test_the_loop_of_the_library_passes() -> None:
    staged = training.stages("digits", "adam", num_steps=4, batch_size=8, record_every=2)
    found = sweeps.run(staged, {"learning_rate": 0.1}, num_trials=1, num_seeds=2)
    assert np.all(np.isfinite(found.table()["loss"]))


def test_what_no_trial_is() -> None:
    with pytest.raises(TypeError) as caught:
        sweeps.run(sweeps.by_structure(lambda s: 3), {"x": 1.0}, num_trials=1)  # pyright: ignore
    assert str(caught.value) == (
        "sweeps.by_structure: `make` must be one that returns a Staged; got 3. "
        "Return training.stages(...), or another Staged."
    )
    for segment, text in (
        (3, "a divisor of the trial's 8 steps; got 3. Did you mean 1?"),
        (0, ">= 1; got 0. Pass 1 or more."),
    ):
        trial = Staged(
            lambda k, h, d: h["x"], lambda s, h, t, d: (s, {}), lambda s, h, d: {"l": s}, 8
        )
        with pytest.raises(ValueError, match="segment") as caught:
            sweeps.run(trial, {"x": 1.0}, num_trials=1, segment=segment)
        assert str(caught.value) == f"sweeps.run: `segment` must be {text}"
    with pytest.raises(ValueError, match="ceiling") as caught:
        sweeps.run(shape, SPACE, num_trials=1, ceiling=-1.0)
    assert str(caught.value) == "sweeps.run: `ceiling` must be > 0; got -1."
