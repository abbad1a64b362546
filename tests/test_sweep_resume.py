"""A sweep that was stopped, at whatever moment, ends with the table of one that was not."""

from __future__ import annotations

import os
import pathlib
import pty
import sqlite3
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import kill_sweep
import numpy as np
import pytest

from jaxnn import sweeps
from jaxnn.errors import BadValue
from jaxnn.space import choice, log_uniform, uniform
from jaxnn.sweeps import Store, engine

SPACE = {"x": uniform(-1.0, 1.0), "name": choice(["a", "b"])}


def trial(key: Any, hyper: Any) -> Any:
    noise = jax.random.normal(key)
    return {"loss": hyper["x"] ** 2 + noise * (1.0 if hyper["name"] == "a" else 2.0)}


def run(path: pathlib.Path | None, function: Any = trial, **options: Any) -> Any:
    given: dict[str, Any] = {"num_trials": 10, "num_seeds": 3, "width": (2, 3)}
    return sweeps.run(function, SPACE, store=path, **(given | options))


def as_bytes(results: Any) -> dict[str, Any]:
    columns = results.table() | results.curves
    return {k: x.tolist() if x.dtype == object else x.tobytes() for k, x in columns.items()}


def test_a_program_is_the_same_in_a_terminal() -> None:
    program = (
        "import jax; from jaxnn.sweeps.manifest import program_hash; "
        "print(program_hash(jax.make_jaxpr(lambda x: x + 1)(1.0)), flush=True)"
    )
    command = [sys.executable, "-c", program]
    piped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    mine, its = pty.openpty()
    subprocess.run(command, stdout=its, check=True)
    os.close(its)
    assert os.read(mine, 100).decode().split() == piped.split()
    os.close(mine)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "sweep.db"


def stop_after(number: int) -> Any:
    def progress(told: sweeps.Progress) -> None:
        if told.segments == number and told.block is None:
            raise KeyboardInterrupt

    return progress


def test_a_stopped_sweep_goes_on_and_runs_no_block_twice(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = as_bytes(run(None))
    with pytest.raises(KeyboardInterrupt) as stopped:
        run(path, progress=stop_after(3))
    note = f"What is done is in {path}: the same call goes on from there."
    assert stopped.value.__notes__ == [note]
    with Store.open(path, read_only=True) as store:
        before = store.names()
    assert 3 <= len(before) < 8
    ran, real = [], engine.Engine.run

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        ran.append(args)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(engine.Engine, "run", counted)
    assert as_bytes(run(path)) == whole
    with Store.open(path, read_only=True) as store:
        assert len(ran) == len(store.names()) - len(before)
    ran.clear()
    assert as_bytes(sweeps.resume(path, trial)) == whole
    assert as_bytes(sweeps.load(path)) == whole
    assert not ran


def test_what_is_there_can_be_read_before_the_end(path: pathlib.Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(path, progress=stop_after(2))
    table, whole = sweeps.load(path).table(), run(None).table()
    there = table["status"] == 0
    assert 0 < np.count_nonzero(there) < 30
    assert set(table["status"][~there]) == {-1}
    assert np.all(np.isnan(table["loss"][~there]))
    np.testing.assert_array_equal(table["loss"][there], whole["loss"][there])


@pytest.mark.parametrize(
    "more", [{"num_trials": 17}, {"num_seeds": 5}, {"num_trials": 13, "num_seeds": 4}]
)
def test_more_trials_and_seeds_reuse_what_is_there(path: pathlib.Path, more: Any) -> None:
    run(path)
    with Store.open(path, read_only=True) as store:
        before = {chunk.name: chunk.committed_at for chunk in store.info()}
    grown = run(path, **more, width=None)
    assert as_bytes(grown) == as_bytes(run(None, **more))
    with Store.open(path, read_only=True) as store:
        after = {chunk.name: chunk.committed_at for chunk in store.info()}
        assert store.manifest["num_trials"] == more.get("num_trials", 10)
    assert before.items() <= after.items()
    assert as_bytes(sweeps.resume(path, trial)) == as_bytes(grown)
    # The smaller sweep is still in it.
    assert as_bytes(run(path)) == as_bytes(run(None))


def test_another_sweep_is_refused_line_by_line(path: pathlib.Path) -> None:
    run(path)
    other = {"x": log_uniform(1.0, 2.0), "name": choice(["a", "b"])}
    with pytest.raises(BadValue) as caught:
        sweeps.run(trial, other, num_trials=10, num_seeds=3, seed=1, width=(2, 4), store=path)
    head, *lines, last = str(caught.value).split("\n    ")
    assert head == "sweeps.run: `store` must be that of this sweep; got another:"
    assert lines == [
        "seed: stored 0, given 1",
        "space.x: stored uniform(-1.0, 1.0), given log_uniform(1.0, 2.0)",
    ]
    assert last == (
        "width: stored [2, 3], given [2, 4]. Pass another path, or what it was begun with."
    )


def test_a_trial_that_computes_something_else_is_refused(path: pathlib.Path) -> None:
    run(path)

    def changed(key: Any, hyper: Any) -> Any:
        noise = jax.random.normal(key)
        return {"loss": hyper["x"] ** 2 + noise * (1.5 if hyper["name"] == "a" else 2.0)}

    def renamed(key: Any, hyper: Any) -> Any:
        drawn = jax.random.normal(key)
        return {"loss": hyper["x"] ** 2 + drawn * {"a": 1.0}.get(hyper["name"], 2.0)}

    with pytest.raises(BadValue, match=r"programs\.name='a', x: stored '\w+, 0 steps', given"):
        run(path, changed)
    assert as_bytes(run(path, renamed)) == as_bytes(run(None))


def test_other_data_are_refused(path: pathlib.Path) -> None:
    def staged(value: float) -> sweeps.Staged:
        return sweeps.Staged(
            lambda key, hyper, data: hyper["x"],
            lambda state, hyper, step, data: (state, {}),
            lambda state, hyper, data: {"loss": state * data},
            0,
            jnp.float32(value),
        )

    options: dict[str, Any] = {"num_trials": 2, "store": path}
    sweeps.run(staged(1.0), {"x": 1.0}, **options)
    with pytest.raises(BadValue, match=r"0 steps, data \w+', given '\w+, 0 steps, data"):
        sweeps.run(staged(2.0), {"x": 1.0}, **options)


def test_other_data_in_a_closure_are_refused(path: pathlib.Path) -> None:
    def closed(value: float) -> Any:
        data = jnp.full(3, value)
        return lambda key, hyper: {"loss": (data * hyper["x"]).sum()}

    options: dict[str, Any] = {"num_trials": 2, "store": path}
    sweeps.run(closed(1.0), {"x": 1.0}, **options)
    sweeps.run(closed(1.0), {"x": 1.0}, **options)
    with pytest.raises(BadValue, match=r"programs\.x: stored '\w+, 0 steps', given"):
        sweeps.run(closed(2.0), {"x": 1.0}, **options)


def test_a_damaged_chunk_is_named_and_computed_again(path: pathlib.Path) -> None:
    whole = as_bytes(run(path))
    with Store.open(path, read_only=True) as store:
        name = store.names()[1]
    connection = sqlite3.connect(path)
    connection.execute(
        "UPDATE chunks SET data = zeroblob(length(data)) WHERE name = ?", (name.encode(),)
    )
    connection.commit()
    connection.close()
    with pytest.raises(sweeps.DamagedError, match=name):
        sweeps.load(path)
    with pytest.warns(UserWarning, match=f"1 damaged chunks are computed again: '{name}'"):
        assert as_bytes(run(path)) == whole
    assert as_bytes(sweeps.load(path)) == whole


def test_a_store_that_is_not_there(path: pathlib.Path) -> None:
    with pytest.raises(BadValue) as caught:
        sweeps.resume(path, trial)
    assert str(caught.value) == (
        f"sweeps.resume: `store` must be an existing store; got {str(path)!r}. "
        "sweeps.run(..., store=path) begins one."
    )


def test_bad_input_begins_no_store(path: pathlib.Path) -> None:
    with pytest.raises(BadValue, match="trial"):
        run(path, lambda key, hyper: {"loss": 1 / 0})
    assert not path.exists()


def test_killed_at_random_moments_it_ends_with_the_same_table(tmp_path: pathlib.Path) -> None:
    found = kill_sweep.main(1, trials=48, devices=1, halving=True, folder=tmp_path, seed=0)
    assert found["kills"] == 1
    assert found["sweeps"] >= 1
    assert found["different"] == 0
