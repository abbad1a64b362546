"""The tool shows what the width of a program does to the numbers of a sweep."""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxnn import sweeps
from jaxnn.cli import sweep_debug
from jaxnn.space import grid, uniform
from jaxnn.sweeps import Staged, widths
from jaxnn.sweeps.widths import check_width


@jax.custom_batching.custom_vmap
def lanes(x: Any) -> Any:
    """Zero, and how many settings run side by side: what rounding does, by design."""
    return 0 * x


@lanes.def_vmap
def _lanes(size: int, batched: Any, x: Any) -> Any:
    del batched
    return 0 * x + size, True


def advance(at: Any, hyper: Any, step: Any, data: Any) -> Any:
    off = lanes(hyper["x"]) * (hyper["x"] > 1.5) * (step == 2)
    new = 2 * at + 2.0**-8 * off
    return new, {"at": new, "time": step}


TRIAL = Staged(
    lambda key, hyper, data: jnp.float32(1.0),
    advance,
    lambda at, hyper, data: {"at": at, "half": jnp.stack([hyper["x"], at / 2])},
    num_steps=5,
)
SPACE = {"x": grid([1.0, 2.0, 3.0, 1.25])}
OPTIONS: Any = {"num_seeds": 2, "width": (2, 3)}

TEXT = """\
3 settings × 2 seeds, compared with 2 × 3 lanes, the width of the sweep

2 × 3 lanes, from last to first, in one segment
metric       equal   largest  relative  setting/replicate
at           6 of 6  0        0
half         6 of 6  0        0
status       6 of 6  0        0
status_step  6 of 6  0        0
curve  equal   from step  relative  to step  relative
at     6 of 6
time   6 of 6

1 × 1 lanes
metric       equal   largest  relative  setting/replicate
at           2 of 6  0.031    0.00098   1/0
half         2 of 6  0.016    0.00098   1/0
status       6 of 6  0        0
status_step  6 of 6  0        0
curve  equal   from step  relative  to step  relative
at     2 of 6  2          0.00098   4        0.00098
time   6 of 6
"""


def test_the_own_width_is_bit_equal_and_another_is_not() -> None:
    text = str(check_width(TRIAL, SPACE, **OPTIONS))
    assert f"{text}\n" == TEXT
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.filterwarnings("ignore:The trial does not read its key")
def test_the_command_and_a_store(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sweep.db"
    sweeps.run(TRIAL, SPACE, store=path, **OPTIONS)
    monkeypatch.setattr(widths, "MAX_NAME", 5)
    sweep_debug.check_width(path, f"{__name__}:TRIAL", ["1x2"], 4)
    first, *_, last = capsys.readouterr().out.split("\n\n")
    assert first == "4 settings × 2 seeds, compared with 2 × 3 lanes, the width of the sweep"
    assert last.splitlines()[:3] == [
        "1 × 2 lanes",
        "metric  equal   largest  relative  setting/replicate",
        "at      4 of 8  0.016    0.00049   1/0",
    ]
    assert last.splitlines()[4:6] == ["stat…   8 of 8  0        0"] * 2
    with pytest.raises(ValueError, match="width") as caught:
        sweep_debug.check_width(path, f"{__name__}:TRIAL", ["32"])
    assert str(caught.value) == (
        "sweep check-width: `width` must be whole numbers, such as 1x32; got '32'."
    )


def named(key: Any, hyper: Any) -> Any:
    x = hyper["x"] + lanes(hyper["x"])
    return {"loss": jnp.where(x == 4, jnp.nan, x) if hyper["name"] == "a" else x}


def test_programs_are_taken_together_and_a_nan_is_no_number() -> None:
    rows: Any = [
        {"x": float(x), "name": sweeps.structural(name)}
        for x, name in ((1, "b"), (3, "a"), (2, "b"), (4, "a"))
    ]
    found = check_width(named, rows, width=(1, 1), widths=((1, 2),))
    assert found.num_settings == 2
    own, other = found.compared
    assert {(x.num_equal, x.setting) for x in own.metrics} == {(2, -1)}
    # At width 1, 3 becomes 4, and so NaN; at width 2 it becomes 5.
    assert other.metrics[0] == ("loss", 0, 2, jnp.inf, jnp.inf, 1, 0)
    assert other.curves == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"widths": ((1, 0),)},
            "sweeps.check_width: `widths` must be >= 1; got 0. Pass 1 or more.",
        ),
        (
            {"widths": (8,)},
            "sweeps.check_width: `widths` must be pairs of integers; got 8. "
            "Pass (replicates, settings), such as (1, 32).",
        ),
        (
            {"num_settings": 0},
            "sweeps.check_width: `num_settings` must be >= 1; got 0. Pass 1 or more.",
        ),
        (
            {"store": "sweep.db"},
            "sweeps.check_width: `store` must be given without arguments of the sweep; "
            "got space beside it. It keeps them: leave them out.",
        ),
    ],
)
def test_bad_input(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        check_width(TRIAL, {"x": uniform(0, 1)}, **arguments)
    assert str(caught.value) == message
