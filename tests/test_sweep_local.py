"""The host loop of a sweep: which device takes what, and how results are handed over."""

from __future__ import annotations

import threading
from typing import Any

import jax
import numpy as np
import pytest

from jaxnn.sweeps.engine import BlockResult
from jaxnn.sweeps.local import MAX_TOGETHER, Done, Program, Unit, run_units
from jaxnn.sweeps.plan import Block, Plan, Width

PLAN = Plan({"x": np.arange(100.0)}, 1, 0, 0, Width(1, 1))
NOTHING = BlockResult({}, {})


class Fake:
    """An engine that computes nothing; `when` is called with the unit's block."""

    def __init__(self, when: Any) -> None:
        self.when, self.run_seconds = when, [0.0]

    def run(self, plan: Plan, block: Block, **_: Any) -> BlockResult:
        self.when(block)
        return NOTHING


def units(count: int) -> list[Unit]:
    blocks = list(PLAN.blocks())
    return [Unit(0, block, PLAN) for block in blocks[:count]]


def test_a_device_that_compiled_a_program_before_takes_its_last_block() -> None:
    both = threading.Barrier(2, timeout=20)  # broken unless two devices run at once
    devices = [jax.local_devices()[0], "cpu"]
    program = Program(lambda: Fake(lambda block: both.wait()))
    for device in devices:
        program.engine(device)
    found: list[Done] = []
    run_units([program], units(2), devices=devices, on_results=found.extend)
    assert sorted(one.number for one in found) == [0, 1]


def test_who_compiled_a_program_before_but_is_not_there_is_not_waited_for() -> None:
    here, away = jax.local_devices()[0], "cpu"
    programs = [Program(lambda: Fake(lambda block: None)) for _ in range(2)]
    programs[0].engine(away)
    programs[1].engine(here)
    todo = [unit._replace(group=k % 2) for k, unit in enumerate(units(3))]
    found: list[Done] = []
    run_units(programs, todo, devices=[here], on_results=found.extend)
    assert sorted(one.number for one in found) == [0, 1, 2]


def test_blocks_that_nobody_runs_are_an_error() -> None:
    program = Program(lambda: Fake(lambda block: None))
    with pytest.raises(RuntimeError, match="1 of 1 blocks were run by nobody"):
        run_units([program], units(1), devices=[], on_results=lambda done: None)


def test_a_program_is_not_compiled_again_for_its_last_block() -> None:
    made: list[None] = []

    def make() -> Any:
        made.append(None)
        return Fake(lambda block: None)

    found: list[Done] = []
    devices = [jax.local_devices()[0], "cpu"]
    run_units([Program(make)], units(1), devices=devices, on_results=found.extend)
    assert (len(found), len(made)) == (1, 1)


def test_results_that_wait_are_handed_over_together() -> None:
    count = MAX_TOGETHER + 5
    last, sizes, numbers = threading.Event(), [], []

    def when(block: Block) -> None:
        if block.settings[0] == count - 1:
            last.set()

    def on_results(done: list[Done]) -> None:
        sizes.append(len(done))
        numbers.extend(one.number for one in done)
        assert last.wait(timeout=20)

    program = Program(lambda: Fake(when))
    run_units([program], units(count), devices=jax.local_devices()[:1], on_results=on_results)
    assert numbers == list(range(count))
    # Whatever waits at first; then the others, as many as may go together.
    assert sizes[0] <= MAX_TOGETHER
    assert sizes[1:-1] == [MAX_TOGETHER] * (len(sizes) - 2)
    assert len(sizes) <= 3


def test_what_is_done_is_handed_over_when_a_callback_raises() -> None:
    numbers: list[int] = []

    def on_results(done: list[Done]) -> None:
        numbers.extend(one.number for one in done)

    def on_segment(number: int) -> None:
        raise KeyboardInterrupt

    class Telling(Fake):
        def run(self, plan: Plan, block: Block, **given: Any) -> BlockResult:
            given["on_segment"](1)
            return NOTHING

    told = {"on_results": on_results, "on_segment": on_segment}
    with pytest.raises(KeyboardInterrupt):
        run_units(
            [Program(lambda: Telling(None))], units(50), devices=jax.local_devices()[:1], **told
        )
    assert numbers
    assert numbers == list(range(max(numbers) + 1))
