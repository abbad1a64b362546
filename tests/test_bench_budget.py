"""`--budget`: what an update consists of, what that is predicted to take, what is left out."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxnn.bench import Protocol, estimates, planning
from jaxnn.bench.campaign import Campaign, load_campaign
from jaxnn.bench.estimates import REFERENCE, Machine, Size, durations, fixed_seconds
from jaxnn.bench.planning import Duration
from jaxnn.bench.tasks import tasks
from jaxnn.cli import budget
from jaxnn.cli.app import app
from jaxnn.errors import BadValue
from jaxnn.optimizers import resolve


def size_of(function: Any, *arguments: Any) -> Size:
    return estimates._size(jax.make_jaxpr(function)(*arguments).jaxpr)


def test_what_a_program_consists_of() -> None:
    a, b = jnp.ones((3, 4)), jnp.ones((4, 5))
    assert size_of(lambda a, b: a @ b, a, b) == Size(1, 15, 2 * 3 * 4 * 5)
    assert size_of(lambda a: jnp.exp(-a), a) == Size(2, 24, 0)
    assert size_of(jax.jit(lambda a: jnp.exp(-a)), a) == Size(2, 24, 0)  # the call is none

    def thrice(x: Any) -> Any:
        return jax.lax.scan(lambda c, _: (c @ jnp.ones((4, 4)), None), x, length=3)[0]

    inside = size_of(lambda c: c @ jnp.ones((4, 4)), a)
    looped = size_of(thrice, a)
    assert looped.equations == inside.equations
    assert looped.flops == 3 * inside.flops == 3 * 2 * 3 * 4 * 4

    image, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 5))
    layout = ("NHWC", "HWIO", "NHWC")
    convolved = size_of(
        lambda x, k: jax.lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=layout),
        image,
        kernel,
    )
    assert convolved == Size(1, 2 * 8 * 8 * 5, 2 * (2 * 8 * 8 * 5) * (3 * 3 * 3))


def test_what_costs_more_is_predicted_to_cost_more() -> None:
    entries = tasks(["saddle", "iris", "digits"], Protocol(num_steps=100))
    rules = [resolve(name) for name in ("sgd", "adam", "muon", "lbfgs")]
    found = durations(rules, entries, REFERENCE)
    assert list(found)[:4] == [(name, "saddle") for name in ("sgd", "adam", "muon", "lbfgs")]
    for which in ("compile_seconds", "run_seconds"):
        seconds = {key: getattr(value, which) for key, value in found.items()}
        for problem in ("saddle", "iris", "digits"):
            assert 0 < seconds["sgd", problem] < seconds["adam", problem] < seconds["muon", problem]
        for name in ("sgd", "adam", "muon"):
            assert seconds[name, "saddle"] < seconds[name, "iris"] <= seconds[name, "digits"]
    slower = durations(rules[:1], entries[:1], Machine(2 * REFERENCE[0], 3 * REFERENCE[1]))
    once = found["sgd", "saddle"]
    assert slower["sgd", "saddle"] == pytest.approx((2 * once[0], 3 * once[1]))
    twice = tasks("saddle", Protocol(num_steps=200))
    assert durations(rules[:1], twice, REFERENCE)["sgd", "saddle"].run_seconds == pytest.approx(
        2 * once.run_seconds
    )
    assert fixed_seconds(3, REFERENCE) == 4 + 3 * 1.5


def test_a_contestant_that_cannot_be_traced_takes_no_time() -> None:
    entries = tasks("saddle", Protocol())
    rule = resolve("levenberg_marquardt")  # which needs residuals
    assert durations([rule], entries, REFERENCE) == {
        ("levenberg_marquardt", "saddle"): Duration(0.0, 0.0)
    }


def test_this_machine_is_measured() -> None:
    assert all(0 < x < 100 for x in estimates.machine())


def made(monkeypatch: pytest.MonkeyPatch, run: float) -> None:
    """A machine on which every contest takes 1 s to compile and `run` s a run."""
    monkeypatch.setattr(budget, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(estimates, "machine", lambda: REFERENCE)
    monkeypatch.setattr(estimates, "fixed_seconds", lambda number, here: 2.0)
    monkeypatch.setattr(planning, "evaluates_alone", lambda duration, protocol: False)

    def all_alike(rules: Any, entries: Any, here: Machine) -> Any:
        assert here == REFERENCE
        return {(r.__name__, e.about.name): Duration(1.0, run) for e in entries for r in rules}

    monkeypatch.setattr(estimates, "durations", all_alike)


def test_a_campaign_is_cut_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    made(monkeypatch, 0.01)
    rules = [resolve("sgd"), resolve("adam")]
    protocol = Protocol(tuning_trials=32, tuning_seeds=3, evaluation_seeds=20)
    campaign = Campaign(("sgd", "adam"), ("saddle", "lecture", "iris"), protocol)
    entries = tasks(list(campaign.problems), protocol)
    assert len(entries) == 9  # the saddle is in the suite too
    same, names = budget.within(1e6, campaign, rules, entries)
    assert same.remark.endswith(" s of 1e+06 s.")
    assert dataclasses.replace(same, remark="") == campaign
    assert names == tuple(one.about.name for one in entries)

    cut, names = budget.within(12.0, campaign, rules, entries)
    assert len(names) == 3
    assert cut.protocol == dataclasses.replace(
        protocol, tuning_trials=16, tuning_seeds=2, evaluation_seeds=10
    )
    left_out = [one.about.name for one in entries if one.about.name not in names]
    assert cut.remark == (
        "Predicted to take 11 s of 12 s. Cut down: evaluation seeds 20 → 10, tuning trials "
        "32 → 16, tuning seeds 3 → 2, "
        f"problems without: {', '.join(left_out)}."
    )
    assert cut.problems == names  # those of a suite one by one
    path = tmp_path / "campaign.toml"
    path.write_text(cut.to_toml(), encoding="utf-8")
    assert path.read_text(encoding="utf-8").startswith(f"# {cut.remark}\noptimizers = ")
    assert load_campaign(path) == dataclasses.replace(cut, remark="")


def test_what_is_too_little(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    made(monkeypatch, 1.0)
    monkeypatch.chdir(tmp_path)
    for text, message in {
        "9s": "`--budget` must be at least 27 s, for 4 tuning trials × 1 tuning seed and 5 "
        "evaluation seeds on saddle; got 9 s.",
        "soon": "`--budget` must be a time > 0 in s, m or h; got 'soon'. For example 60s, 10m or",
        "0": "`--budget` must be a time > 0 in s, m or h; got '0'.",
        "3 weeks": "`--budget` must be a time > 0 in s, m or h; got '3 weeks'.",
    }.items():
        with pytest.raises(SystemExit) as caught:
            app(["bench", "--problem", "saddle", "--optimizers", "sgd", "--budget", text])
        assert caught.value.code == 2
        assert f"error: {message}" in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def test_it_is_said_and_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    made(monkeypatch, 0.2)
    monkeypatch.chdir(tmp_path)
    names = ("--problem", "saddle", "--optimizers", "sgd", "--steps", "5", "--out", "x")
    with pytest.raises(SystemExit) as caught:
        app(["bench", *names, "--budget", "8s"])
    assert caught.value.code == 0
    said = capsys.readouterr().out.partition("\n")[0]
    assert said == (
        "Predicted to take 8 s of 8 s. Cut down: evaluation seeds 10 → 5, tuning trials 16 → 4, "
        "tuning seeds 3 → 1."
    )
    written = (tmp_path / "x" / "campaign.toml").read_text(encoding="utf-8")
    assert written.startswith(f"# {said}\n")
    page = (tmp_path / "x" / "report.html").read_text(encoding="utf-8")
    assert said in page


@pytest.mark.parametrize("text", ["", "s", "-3s", "1e9", "60 sec", "inf", "1.2.3"])
def test_no_times(text: str) -> None:
    with pytest.raises(BadValue, match=r"^bench: `budget` must be a time > 0 in s, m or h; got '"):
        budget.seconds_of(text)
