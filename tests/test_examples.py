"""Every example runs, small, and what it returns is right; a new file in the folder is found."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "examples"
FILES = sorted(FOLDER.glob("*.py"))


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def gate_by_perceptron(result: dict[str, Any]) -> None:
    np.testing.assert_array_equal(result["weight"], [2, 2])
    np.testing.assert_array_equal(result["scores"], [-2.5, -0.5, -0.5, 1.5])
    assert sum(bool(fit.separated) for fit in result["held"].values()) == 7
    not_learned = {name for name, fit in result["learned"].items() if not fit.separated}
    assert not_learned == {"xor", "xnor"}


def xor_by_mlp(result: dict[str, Any]) -> None:
    assert result["by_hand"] == [0, 1, 1, 0]
    assert result["solved"][1] == 0
    assert 0 < result["solved"][2] < 8


def backpropagation(values: dict[str, float]) -> None:
    right = [0.41500000, 0.60228618, 0.89102878, 0.70910243, 0.00102081, 0.05703764]
    right += [0.01020810, 0.09470189, 0.14897919, 0.39296236, 0.38979190, 0.52529811]
    assert [round(x, 8) for x in values.values()] == right


def saddle(result: dict[str, Any]) -> None:
    path = result["path"]
    np.testing.assert_allclose(path[:3], [[2, 3], [1.6, 3.6], [1.28, 4.32]], rtol=1e-12)
    np.testing.assert_allclose(path[-1], [4.0740719527e-10, 248453923.5660], rtol=1e-10)
    assert result["verdict"] == "diverging"


def layers(result: dict[str, Any]) -> None:
    regions = result["by_hand"]
    x, y = np.meshgrid(regions.x, regions.y)
    long_x, long_y = (abs(x) <= 0.8), (abs(y) <= 0.8)
    upright, foot = long_y & long_x & (x <= -0.2), long_x & long_y & (y <= -0.2)
    np.testing.assert_array_equal(regions.on[1], np.stack([upright, foot], axis=-1))
    np.testing.assert_array_equal(regions.on[2][..., 0], upright | foot)
    assert result["trained"].on[0].shape == (*x.shape, 8)
    agree = np.mean(np.asarray(result["trained"].on[2][..., 0]) == (upright | foot))
    assert agree > 0.85
    assert result["accuracies"].min() > 0.8


def universal_approximation(errors: dict[int, np.ndarray]) -> None:
    assert list(errors) == [1, 2, 4]
    typical = [np.median(e) for e in errors.values()]
    assert typical[0] > typical[1] > 2 * typical[2] > 0


def deep_against_classical(accuracies: dict[str, np.ndarray]) -> None:
    classical, linear, deep = (a.mean() for a in accuracies.values())
    assert 0.7 < classical < linear < deep < 1


def digits(result: dict[str, Any]) -> None:
    assert result["accuracy"].low < result["accuracy"].value < result["accuracy"].high
    assert 0.95 < result["accuracy"].value < 1
    assert result["loss"].shape == (2, 20)
    assert (result["loss"][:, -1] < 0.2).all()


def rates_and_seeds(result: dict[str, Any]) -> None:
    rates, losses = result["rates"], result["losses"]
    assert {values.shape for values in losses.values()} == {(2, 4)}
    np.testing.assert_allclose(rates, [1e-4, 10 ** (-7 / 3), 10 ** (-2 / 3), 10])
    best = {name: values.mean(axis=0).argmin() for name, values in losses.items()}
    assert best["adam"] == 1
    assert best["sgd"] == 2
    assert all(values[0, 0] != values[1, 0] for values in losses.values())


def equinox_loop(result: dict[str, Any]) -> None:
    assert result["num_traces"] == 1
    assert result["loss"][-1] < 0.5 * result["loss"][0]
    assert result["accuracy"] > 0.8


def flax_train_state(result: dict[str, Any]) -> None:
    np.testing.assert_allclose([result["rates"][k] for k in (0, 100)], [0.02, 0.01], rtol=1e-5)
    assert result["loss"][-1] < 0.5 * result["loss"][0]
    assert result["accuracy"] > 0.8


def hypergradient(result: dict[str, Any]) -> None:
    x, loss, slope = result["path"].T
    assert (np.diff(loss) < 0).all()
    trapezoids = np.diff(x) * (slope[1:] + slope[:-1]) / 2
    np.testing.assert_allclose(np.diff(loss), trapezoids, rtol=0.05)
    assert result["losses"].shape == (64,)


def sweep_plain(result: dict[str, Any]) -> None:
    best = result["best"]
    assert 0.2 < best.low < best.mean < best.high < 0.6
    assert len(result["loss"]) == 16 * 4


def sweep_equinox(result: dict[str, Any]) -> None:
    assert result["reached"].tolist() == [8, 4, 2, 1]
    assert result["best"].setting.keys() == {"learning_rate", "b1"}
    assert result["best"].mean < 1


def sweep_flax(result: dict[str, Any]) -> None:
    assert set(result["best"]) == {4, 16, 64}
    assert result["loss"].shape == (12, 2)
    assert result["best"][64].mean < 0.7  # log 2 is a guess


def sweep_simulation(result: dict[str, Any]) -> None:
    assert 0 < result["kept"].sum() < 64
    assert (result["peak"] <= 0.05).mean() >= 0.95
    assert result["setting"]["cut"] > 0.3


def quadratic_deep(result: dict[str, Any]) -> None:
    assert [round(x, 4) for x in result["initial"]] == [353.7064, 353.4468]  # DeepOBS's test loss
    curves = result["curves"]
    assert list(curves) == ["sgd", "momentum", "adam"]
    for losses in curves.values():
        assert losses.shape == (3, 3)
        np.testing.assert_allclose(losses[:, 0], 353.4468, rtol=1e-6)
        assert len(set(losses[:, -1].tolist())) == 3  # no two shuffles alike
        assert (losses[:, 1] < losses[:, 0]).all()


class Case(NamedTuple):
    check: Callable[[Any], None]
    options: dict[str, int] = {}  # noqa: RUF012


CASES = {
    "gate_by_perceptron": Case(gate_by_perceptron),
    "xor_by_mlp": Case(xor_by_mlp, {"num_widths": 2, "num_seeds": 8, "num_steps": 300}),
    "backpropagation": Case(backpropagation),
    "saddle": Case(saddle),
    "layers": Case(layers, {"num_seeds": 2, "num_steps": 400}),
    "universal_approximation": Case(
        universal_approximation, {"num_widths": 3, "num_seeds": 4, "num_steps": 1500}
    ),
    "deep_against_classical": Case(deep_against_classical, {"num_seeds": 2, "num_steps": 300}),
    "digits": Case(digits, {"num_seeds": 2, "num_steps": 400}),
    "rates_and_seeds": Case(rates_and_seeds, {"num_rates": 4, "num_seeds": 2, "num_steps": 30}),
    "equinox_loop": Case(equinox_loop, {"num_steps": 60}),
    "flax_train_state": Case(flax_train_state, {"num_steps": 200}),
    "hypergradient": Case(hypergradient, {"num_steps": 20, "num_updates": 3}),
    "quadratic_deep": Case(quadratic_deep, {"num_epochs": 2, "num_shuffles": 3}),
    "sweep_plain": Case(sweep_plain, {"num_trials": 16}),
    "sweep_equinox": Case(sweep_equinox, {"num_trials": 8, "num_steps": 32}),
    "sweep_flax": Case(sweep_flax, {"num_trials": 4, "num_steps": 30}),
    "sweep_simulation": Case(sweep_simulation, {"num_trials": 64, "num_seeds": 8}),
}
"""How small, and what must come out."""


def numbers(result: Any) -> list[np.ndarray]:
    arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(result)]
    return [x for x in arrays if x.dtype.kind in "iuf"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    out, case = tmp_path / "deep" / "out", CASES.get(path.stem)
    result = load(path).main(out, **(case.options if case else {}))
    printed = capsys.readouterr().out.splitlines()

    assert numbers(result)
    assert all(np.isfinite(x).all() for x in numbers(result))
    written = [x for x in tmp_path.rglob("*") if x.is_file()]
    assert written
    assert all(x.parent == out and x.read_bytes().startswith(b"\x89PNG") for x in written)
    assert {f"picture: {x}" for x in written} < set(printed)
    if case:
        case.check(result)


def test_no_check_is_left_without_its_example() -> None:
    assert set(CASES) <= {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_is_short_and_writes_where_git_does_not_look(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 100
    assert text.endswith('\n\nif __name__ == "__main__":\n    typer.run(main)\n')
    assert inspect.signature(load(path).main).parameters["out"].default == Path(
        "jaxnn-results/examples"
    )


def test_from_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, FOLDER / "saddle.py", "--out", tmp_path, "--num-steps", "3"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "step   2: (1.2800, 4.3200)   the lecture's slip: (1.008, 3.792)" in ran.stdout
    assert (tmp_path / "saddle.png").exists()
