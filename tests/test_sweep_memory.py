"""What a block will take of memory, and the width that follows."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnn import sweeps, training
from jaxnn.errors import BadInput, BadType, BadValue
from jaxnn.sweeps import Staged, Width, budget, memory
from jaxnn.sweeps.budget import fit_width
from jaxnn.sweeps.trial import bound, guarded

X = {"x": np.zeros(1)}
DATA = np.ones((40, 30), np.float32)


def square(key: Any, hyper: Any) -> Any:
    return {"loss": jnp.sum((DATA * hyper["x"] + jax.random.normal(key, (40, 30))) ** 2)}


def loss_fn(state: Any, data: Any) -> Any:
    return jnp.sum(jnp.tanh(data @ state) ** 2)


def cheap(key: Any, hyper: Any) -> Any:
    return {"loss": hyper["x"] ** 2 + jax.random.normal(key)}


PLAIN = guarded(bound(square, {}))
CHEAP = guarded(bound(cheap, {}))
DESCENT = guarded(
    Staged(
        lambda key, hyper, data: jax.random.normal(key, (30, 20)),
        lambda state, hyper, step, data: (
            state - hyper["x"] * jax.grad(loss_fn)(state, data),
            {"loss": loss_fn(state, data)},
        ),
        lambda state, hyper, data: {"loss": loss_fn(state, data)},
        num_steps=4,
        data=DATA,
    )
)


def draw(key: Any, steps: Any, data: Any) -> Any:
    return jax.vmap(lambda step: jax.random.normal(jax.random.fold_in(key, step), (50,)))(steps)


FED = guarded(
    Staged(
        lambda key, hyper, data: hyper["x"],
        lambda state, hyper, step, data, fed: (state + fed.sum(), {"at": state}),
        lambda state, hyper, data: {"at": state},
        num_steps=40,
        feed=draw,
    )
)


@functools.cache
def of_descent(kind: tuple[Width, ...]) -> memory.Memory:
    return memory.predict(DESCENT, X, kind[-1])


@pytest.fixture
def needs(monkeypatch: pytest.MonkeyPatch) -> memory.Memory:
    """What blocks of DESCENT take, compiled for once in all tests."""

    def predict(staged: Staged, numbers: Any, like: Width, **options: Any) -> memory.Memory:
        return of_descent(memory.probes(like))

    monkeypatch.setattr(budget, "predict", predict)
    return of_descent(memory.probes(Width(4, 16)))


SPARE = dict(budget.SPARE)


@pytest.fixture(autouse=True)
def no_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is asked of a budget is what is predicted."""
    monkeypatch.setattr(budget, "SPARE", {})


def no_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: Any, **kwargs: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(sweeps.Engine, "compile", forbidden)


# What is predicted


@pytest.mark.parametrize("width", [Width(3, 40), Width(1, 100), Width(100, 1)])
def test_the_memory_of_wide_blocks_is_known_from_narrow_ones(width: Width) -> None:
    predicted = memory.predict(DESCENT, X, width).at(width)
    engine = sweeps.Engine(DESCENT, X, width)
    engine.compile()
    program = engine._compiled["segment"].memory_analysis()
    taken = program.temp_size_in_bytes + program.argument_size_in_bytes
    taken += program.output_size_in_bytes - program.alias_size_in_bytes
    np.testing.assert_allclose(predicted, taken, rtol=0.02)


@pytest.mark.parametrize(("common", "length"), [(True, None), (False, 20)])
def test_what_is_drawn_and_recorded_counts(common: bool, length: int | None) -> None:
    options: dict[str, Any] = {"common": common, "length": length}
    width = Width(5, 24)
    predicted = memory.predict(FED, X, width, **options)
    taken = memory.bytes_at(FED, X, width, **options)
    np.testing.assert_allclose(predicted.at(width), taken.max(), rtol=0.01)
    # By a segment 20 steps of 50 numbers, or 4 of them, for a replicate or for each lane.
    drawn = predicted.per_replicate if common else predicted.per_lane
    assert np.all(drawn[1:] > 0.95 * (length or 4) * 50 * 4)
    # A number and its curve of 40 steps, in parts and joined.
    assert predicted.per_lane[-1] > 2 * 40 * 4


def test_a_trial_of_no_steps_is_as_large_as_its_first_state() -> None:
    width = Width(1, 200)
    predicted = memory.predict(PLAIN, X, width)
    taken = memory.bytes_at(PLAIN, X, width)
    np.testing.assert_allclose(predicted.at(width), taken.max(), rtol=0.02)
    assert predicted.at(Width(1, 1)) > DATA.nbytes  # what it closes over is there too


def test_the_bound_needs_no_compiler_and_is_above(monkeypatch: pytest.MonkeyPatch) -> None:
    trials, width = [FED, DESCENT, PLAIN, CHEAP], Width(4, 16)
    taken = [memory.bytes_at(trial, X, width).max() for trial in trials]
    no_compiling(monkeypatch)
    above = [memory.bound(trial, X).at(width) for trial in trials]
    assert np.all(np.array(above) > taken)
    assert memory.bound(DESCENT, X).fixed == [DATA.nbytes]
    assert memory.bound(PLAIN, X).fixed >= [DATA.nbytes]


def test_convolutions_on_cpu_take_what_xla_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def trial(key: Any, hyper: Any) -> Any:
        filtered = jnp.convolve(jax.random.normal(key, (50,)), jnp.ones(5))
        return {"loss": hyper["x"] * filtered.sum()}

    staged = guarded(bound(trial, {}))
    no_compiling(monkeypatch)
    predicted, above = memory.predict(staged, X, Width(1, 64)), memory.bound(staged, X)
    assert predicted.convolves
    assert predicted.at(Width(1, 64)) == above.at(Width(1, 64))


# The width that follows


def test_an_ordinary_sweep_compiles_nothing_to_know_its_width(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_compiling(monkeypatch)
    trained = training.stages("digits", "adam", num_steps=20, batch_size=8)
    groups = [(trained, {"learning_rate": np.zeros(1)})]
    assert fit_width(groups, 1000, 4) == (4, 16)
    assert fit_width([*groups, (CHEAP, X)], 10, 1, memory="1 GB") == (1, 10)
    assert fit_width(groups, 1000, 4, width=Width(3, 500)) == (3, 500)


def test_cheap_trials_of_no_steps_run_in_wide_blocks_where_there_are_many() -> None:
    for rows, lanes in ((100, 64), (1000, 64), (2048, 256), (100_000, 1024)):
        assert fit_width([(CHEAP, X)], rows, 1) == (1, lanes)
    assert fit_width([(CHEAP, X)] * 10, 10_000, 1) == (1, 64)
    large = guarded(bound(lambda key, hyper: {"loss": (hyper["x"] * DATA.T @ DATA).sum()}, {}))
    assert fit_width([(large, X)], 100_000, 1)[1] < 256


def test_an_accelerator_takes_wide_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_platform", lambda: "gpu")
    assert fit_width([(DESCENT, X)], 10_000, 4, memory="80 GiB") == (4, 256)


def test_the_width_is_halved_until_a_block_fits(needs: memory.Memory) -> None:
    room = needs.at(Width(4, 8))
    assert fit_width([(DESCENT, X)], 1000, 4, memory=room) == (4, 8)
    assert fit_width([(DESCENT, X)], 1000, 4, memory=room - 1) == (4, 4)
    assert fit_width([(DESCENT, X)], 3, 4, memory=needs.at(Width(4, 3)) - 1) == (4, 1)
    narrow = of_descent(memory.probes(Width(4, 1)))
    assert fit_width([(DESCENT, X)], 1000, 4, memory=narrow.at(Width(2, 1))) == (2, 1)


def test_the_largest_program_decides_and_data_are_counted_once(needs: memory.Memory) -> None:
    room = needs.at(Width(4, 16))
    groups = [(CHEAP, X), (DESCENT, X), (DESCENT, X)]
    assert fit_width(groups, 1000, 4, memory=room) == (4, 16)
    other = DESCENT._replace(data=DATA.copy())
    assert fit_width([*groups, (other, X)], 1000, 4, memory=room) == (4, 8)


def test_half_of_what_there_is_by_default(
    monkeypatch: pytest.MonkeyPatch, needs: memory.Memory
) -> None:
    monkeypatch.setattr(budget, "_there", lambda: 2 * needs.at(Width(4, 8)))
    assert fit_width([(DESCENT, X)], 1000, 4) == (4, 8)
    monkeypatch.setattr(budget, "_there", lambda: 2000)
    with pytest.raises(BadValue) as caught:
        fit_width([(DESCENT, X)], 1000, 1)
    one = of_descent(memory.probes(Width(1, 1))).at(Width(1, 1))
    assert str(caught.value) == (
        f"sweeps.run: `memory` must be at least {one / 1024:.1f} KiB, which one trial takes; got "
        "1000.0 B, half of what there is. Pass memory=, to take more."
    )


def test_devices_of_a_host_share_its_memory(
    monkeypatch: pytest.MonkeyPatch, needs: memory.Memory
) -> None:
    monkeypatch.setattr(budget, "_num_devices", lambda: 2)
    room = needs.at(Width(4, 16))
    assert fit_width([(DESCENT, X)], 1000, 4, memory=2 * room) == (4, 16)
    assert fit_width([(DESCENT, X)], 1000, 4, memory=room) == (4, 4)
    with pytest.raises(BadValue, match=r"which one trial takes on each of 2 devices; got 1\.0 KiB"):
        fit_width([(DESCENT, X)], 1000, 4, memory=1024)


def test_memory_that_one_trial_does_not_fit_into() -> None:
    # Here nothing stands for what is compiled.
    with pytest.raises(BadValue) as caught:
        fit_width([(DESCENT, X)], 1000, 4, memory="1 KB")
    one = of_descent(memory.probes(Width(1, 1))).at(Width(1, 1))
    assert str(caught.value) == (
        f"sweeps.run: `memory` must be at least {one / 1024:.1f} KiB, which one trial takes; got "
        "1000.0 B."
    )


def test_a_given_width_that_does_not_fit(needs: memory.Memory) -> None:
    room, asked = needs.at(Width(4, 10)), needs.at(Width(4, 16))
    assert fit_width([(DESCENT, X)], 1000, 4, width=Width(4, 10), memory=room) == (4, 10)
    with pytest.raises(BadValue) as caught:
        fit_width([(DESCENT, X)], 1000, 4, width=Width(4, 16), memory=room)
    assert str(caught.value) == (
        f"sweeps.run: `width` must be at most (4, 10), to fit into {room / 1024:.1f} KiB; got "
        f"(4, 16), which takes {asked / 1024:.1f} KiB."
    )


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ("much", BadValue, "bytes with a unit; got 'much'. For example '2 GiB' or '500 MB'."),
        ("2", BadValue, "bytes with a unit; got '2'. For example '2 GiB' or '500 MB'."),
        (
            True,
            BadType,
            "a number of bytes or a string; got True. For example 2 * 2**30 or '2 GiB'.",
        ),
        (-1, BadValue, "> 0; got -1."),
        (float("nan"), BadValue, "> 0; got nan."),
    ],
)
def test_what_is_no_amount_of_memory(given: Any, kind: type[BadInput], message: str) -> None:
    with pytest.raises(kind) as caught:
        fit_width([(CHEAP, X)], 10, 1, memory=given)
    assert str(caught.value) == f"sweeps.run: `memory` must be {message}"


@pytest.mark.parametrize(
    ("given", "num_bytes"),
    [("2 GiB", 2**31), ("1.5KB", 1500), ("3 b", 3), ("1 mib", 2**20), (7, 7), (np.int64(9), 9)],
)
def test_amounts_of_memory(given: Any, num_bytes: int) -> None:
    assert budget._budget(given)[0] == num_bytes


def test_there_is_some_memory() -> None:
    assert 2**28 < budget._there() < 2**50


def test_the_committed_figures_agree_with_measurements() -> None:
    file = Path(__file__).parents[1] / "benchmarks" / "results" / "sweep_memory-cpu.json"
    rows = {row["model"]: row for row in json.loads(file.read_text())["rows"]}
    for row in rows.values():
        assert row["ratio"] == row["bytes"]["predicted"] / row["bytes"]["measured"]
        assert row["bytes"]["bound"] > row["bytes"]["measured"]
        assert SPARE["cpu"] * row["bytes"]["predicted"] > row["bytes"]["measured"]
    for model in ("mlp", "equinox_mlp", "plain"):
        assert 0.85 <= rows[model]["ratio"] <= 1.15
