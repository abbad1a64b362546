"""What `jaxnn sweep` reads, a file of arguments, and the lines that it draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jaxnn import sweeps
from jaxnn.cli.sweep_options import judged, read_options
from jaxnn.cli.sweep_sparks import curves, histogram
from jaxnn.errors import BadInput
from jaxnn.space import choice, log_uniform, structural


def test_a_file_says_everything_that_run_takes(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(
        """
num_seeds = 3
seed = 7
width = [1, 8]
common = false
ceiling = 1e3
segment = 5
journal = "rollback"
method = { optuna = { sampler = "cmaes", metric = "score", mode = "max" } }
stop = { rule = "curve_threshold", metric = "loss", at = { "50" = 0.5 } }
[[settings]]
rate = 0.1
width = { structural = 16 }
[[settings]]
rate = 1.0
name = "a"
"""
    )
    options = read_options(path)
    assert options == {
        "num_seeds": 3,
        "seed": 7,
        "width": (1, 8),
        "common": False,
        "ceiling": 1e3,
        "segment": 5,
        "journal": "rollback",
        "method": sweeps.Optuna("cmaes", metric="score", mode="max"),
        "stop": sweeps.CurveThreshold("loss", at={50: 0.5}),
        "space": [{"rate": 0.1, "width": structural(16)}, {"rate": 1.0, "name": "a"}],
    }
    assert judged(options, None, None) == ("loss", "min")
    assert judged(options, "score", None) == ("score", "max")
    assert judged(options, "score", False) == ("score", "min")
    assert judged(options, "other", True) == ("other", "max")
    assert judged({"method": "sobol"}, None, None) == (None, "min")
    path.write_text("[space]\nrate = { log_uniform = [1e-4, 1e-1] }\nname = ['a', 'b']")
    assert read_options(path) == {
        "space": {"rate": log_uniform(1e-4, 1e-1), "name": choice(["a", "b"])}
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "stop = 'hyperband'\n[space]",
            "sweep: `stop` must be a table; got 'hyperband'. For example { rule = "
            '"successive_halving", eta = 2 }.',
        ),
        (
            "stop = { rule = 'halving' }\n[space]",
            "sweeps: `stop` must be one of curve_threshold, hyperband, median_rule, "
            "population_based, successive_halving; got 'halving'. Did you mean "
            "'successive_halving'?",
        ),
        ("space = 3", "sweep: `space` must be a table, [space]; got 3."),
        ("settings = 3", "sweep: `settings` must be a list of tables, [[settings]]; got 3."),
        ("settings = [3]", "sweep: `settings` must be a list of tables, [[settings]]; got 3."),
        (
            "settings = []\n[space]",
            "sweep: `space` must be a file with a table [space] or a list [[settings]]; got "
            "'odd.toml'. For example [space] and learning_rate = { log_uniform = [1e-4, 1e-1] }.",
        ),
        (
            "method = { optuna = { sample = 'tpe' } }\n[space]",
            "sweeps: optuna: `field` must be one of batch, metric, mode, sampler; got 'sample'. "
            "Did you mean 'sampler'?",
        ),
    ],
)
def test_bad_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd.toml").write_text(text)
    with pytest.raises(BadInput) as error:
        read_options(Path("odd.toml"))
    assert str(error.value) == complaint


def test_sparklines_share_a_scale_and_leave_out_what_was_not_recorded() -> None:
    steps = np.arange(64)
    falling = np.where(steps % 8 == 7, 10.0 ** (-steps / 16), np.nan)
    drawn = curves(np.stack([falling, 10 * falling]), 16)
    assert drawn is not None
    assert drawn.lines == ["▆▆▅▄▃▃▂▁", "█▇▆▆▅▄▃▃"]
    assert drawn.kind == "log"
    assert drawn.scale == f"from {falling[-1]:.3g} to {10 * falling[7]:.3g}, logarithmic"
    gap = np.array([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]])
    linear = curves(gap, 16)
    assert linear is not None
    assert linear.lines == ["▁ █", "▁▅█"]
    assert curves(np.full((2, 3), np.nan), 16) is None
    assert curves(np.zeros((2, 0)), 16) is None


def test_a_histogram_ends_before_a_few_that_are_far_off() -> None:
    values = np.concatenate([np.linspace(1.0, 2.0, 99), [900.0]])
    drawn = histogram(values, 10)
    assert (drawn.low, drawn.high, drawn.beyond) == (1.0, pytest.approx(1.95, abs=0.02), 5)
    assert set(drawn.lines[0]) <= set("▇█")
    highest = histogram(-values, 10, mode="max")
    assert (highest.high, highest.beyond) == (-1.0, 5)
    assert histogram(np.full(9, 2.0), 10).lines == ["█"]
    assert histogram(np.array([0.0, 0.0, 0.0, 1.0]), 4).lines == ["█  ▃"]
