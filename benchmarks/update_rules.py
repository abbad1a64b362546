"""Update rules against Optax's and torch's: the time of a step, ours over theirs, in the same run.

Every rule that Optax has too (`tests/references` says what its counterpart is) and a few of their
flavours meet their peers in three layouts:

    leaf    one large leaf, where memory decides; torch's fastest form stands beside
    leaves  many leaves of 100 to 10,000 elements, where the number of kernels decides; torch too;
            ours is `flattened(rule)`, but for rules that look at leaves or keep no state
    vmap    the parameters of many small networks at once, as a sweep trains them

All are compiled, and ours and Optax's donate parameters and state and return them in the order in
which they came in; both take the learning rate as an argument (ours all its numbers). Samples
alternate, so that all meet the same load, in rounds with new buffers, since where they lie in
memory matters too. A ratio is the median over rounds of the median over a round's samples, with the
exact interval of a median. Before a round is timed, ours and Optax's must give the same parameters.
Beside them stands a copy of an array: `bandwidth` is the least that a step must read and write, for
each second that it took, as a share of what the copy moved.

    python benchmarks/update_rules.py                        # half an hour; --quick for a look
    python benchmarks/update_rules.py --rules adam,lion --layouts leaf,vmap

torch is timed where it can be imported. Results are written after every row.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import typer
from rich.console import Console
from rich.table import Table

from jaxnn import optimizers, tree
from jaxnn.bench.statistics import median_interval
from jaxnn.errors import unknown_name
from jaxnn.models import MLP
from jaxnn.optimizers.base import name_of
from jaxnn.testing import feed

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent))
from _sides import TORCH, Compiled, Copy, fastest_of_torch
from references import REFERENCES

MODEL = MLP((64, 32, 10))  # 2,410 parameters
SAMPLE_SECONDS = 2e-3  # the least time of a sample, so that it is not the clock that is measured

FLAVOURS = (
    ("rmsprop", {"centered": True, "eps_in_sqrt": False}),
    ("rmsprop", {"acceleration": "momentum"}),
)
MAX_TURNED = 1e-6  # the share of elements where signs of what is nearly 0 may differ
SMALLER = {"muon": 20, "galore": 20, "sm3": 1, "adafactor": 1}
"""Rules that look at matrices get a square leaf, so many times smaller than the vector."""
LAYOUTS = ("leaf", "leaves", "vmap")
LOOK_AT_LEAVES = ("layer-wise", "factored", "perturbed")  # families
ELSEWHERE = {"lbfgs": "line_searches.py"}


def contestants(
    name: str, structure: dict[str, Any], params: Any, layout: str
) -> tuple[Any, list[tuple[Any, Any]]]:
    """Our numbers, and (step, init) of ours and of Optax's; "vmap" maps over a leading axis."""
    batched = layout == "vmap"
    rule, reference = optimizers.get(name, **structure), REFERENCES[name]
    numbers = rule.Hyper()
    if "learning_rate" in numbers._fields:
        numbers = numbers._replace(learning_rate=1e-3)
    constants = hyper = optimizers.check(rule, numbers)
    flat = layout == "leaves" and rule.FAMILY not in LOOK_AT_LEAVES
    # Without a state there is one kernel a leaf either way, and gathering would cost a second.
    flat = flat and bool(jax.tree.leaves(jax.eval_shape(rule.init, params, constants)))
    ours = optimizers.flattened(rule) if flat else rule
    own_draws = "key" in rule.NEEDS  # Optax's rule has a key of its own
    example = jax.tree.map(lambda x: x[0], params) if batched else params
    asked = feed.supplies(rule, example, example)

    def theirs(hyper: Any) -> optax.GradientTransformationExtraArgs:
        mixed = constants
        if "learning_rate" in constants._fields:
            mixed = constants._replace(learning_rate=hyper.learning_rate)
        return optax.with_extra_args_support(reference.build(mixed, **structure))

    def our_step(params: Any, state: Any, grads: Any, hyper: Any) -> tuple[Any, Any]:
        given = asked
        if reference.extra and not own_draws:
            given = reference.extra(asked, grads, None)[0]
        updates, state = ours.update(grads, state, params, hyper, **given)
        return optimizers.apply_updates(params, updates), state

    def optax_step(params: Any, state: Any, grads: Any, hyper: Any) -> tuple[Any, Any]:
        extra = reference.extra(asked, grads, state)[1] if reference.extra else {}
        numbers = hyper.inner if flat else hyper
        updates, state = theirs(numbers).update(grads, state, params, **extra)
        return optax.apply_updates(params, updates), state

    numbers = ours.Hyper(inner=hyper) if flat else hyper
    both = [
        (our_step, lambda params: ours.init(params, numbers)),
        (optax_step, lambda params: theirs(hyper).init(params)),
    ]
    if batched:
        both = [(jax.vmap(step, (0, 0, 0, None)), jax.vmap(init)) for step, init in both]
    return numbers, [(jax.jit(step, donate_argnums=(0, 1)), jax.jit(init)) for step, init in both]


def one_round(
    makers: list[Callable[[], Any]], num_samples: int, growth: int, *, backwards: bool
) -> np.ndarray:
    """Seconds of a step [samples, sides], in the buffers of this round; ours and Optax's first.

    backwards: whose buffers are made first; where they lie in memory has a price of its own.
    """
    turn = -1 if backwards else 1
    sides = [make() for make in makers[::turn]][::turn]
    for side in sides:
        side.run(2)  # compiles, the first time
    fastest = min(side.run(4) for side in sides)
    if growth:
        check_equal(sides[0].params, sides[1].params, growth)
    calls = 2 + int(SAMPLE_SECONDS / fastest)
    order = list(range(len(sides)))
    seconds = np.empty((num_samples, len(sides)))
    for sample in range(num_samples):
        for number in order if sample % 2 else reversed(order):
            seconds[sample, number] = sides[number].run(calls)
    return seconds


def check_equal(ours: Any, theirs: Any, growth: float) -> None:
    """Raises AssertionError where parameters differ, but for one in a million.

    Among millions of means some are so near 0 that the last bit decides their sign, and with it
    what a rule that looks at signs does.
    """
    rtol, atol = 1e-4 * growth, 1e-5 * growth
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        if np.mean(~np.isclose(a, b, rtol=rtol, atol=atol)) > MAX_TURNED:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def ratio_of(seconds: np.ndarray, peer: int) -> dict[str, Any]:
    """Ours over a peer's: the ratio, its interval and the quartiles of all samples."""
    ratios = seconds[..., 0] / seconds[..., peer]
    ratio, low, high = median_interval(np.median(ratios, axis=1))
    quartiles = np.quantile(ratios, [0.25, 0.75]).tolist()
    return {"ratio": ratio, "ratio_interval_95": [low, high], "ratio_quartiles": quartiles}


def contest(
    name: str, structure: dict[str, Any], params: Any, *, layout: str, rounds: int, samples: int
) -> dict[str, Any]:
    """A row of the report. In the layout `vmap`, `params` has a leading axis to map over."""
    rule = optimizers.get(name, **structure)
    hyper, both = contestants(name, structure, params, layout)
    # Two gradients in turn: of a constant one a centred second moment would fade to nothing.
    gradients = [normal_like(seed, params) for seed in (1, 2)]
    makers: list[Callable[[], Any]] = [
        functools.partial(Compiled, step, init, params, gradients, hyper) for step, init in both
    ]
    copy = Copy(tree.num_elements(params))
    makers.append(lambda: copy)
    torch = None
    if layout != "vmap" and name in TORCH and not structure:
        torch = fastest_of_torch(name, params, gradients)
    if torch is not None:
        makers.append(torch[1])
    growth = 0 if "key" in rule.NEEDS else REFERENCES[name].growth  # its own draws in each
    seconds = np.array(
        [one_round(makers, samples, growth, backwards=k % 2 == 1) for k in range(rounds)]
    )
    state = both[0][1](params)
    moved = 3 * tree.num_bytes(params) + 2 * tree.num_bytes(state)  # read p, g, s; write p, s
    copied = copy.num_bytes / np.median(seconds[..., 2])
    row = {
        "rule": name_of(rule),
        "reference": rule.REFERENCE,
        "microseconds": dict(
            zip(("ours", "optax", "copy"), 1e6 * np.median(seconds, axis=(0, 1)), strict=False)
        ),
        "optax": ratio_of(seconds, 1),
        "bandwidth": float(moved / np.median(seconds[..., 0]) / copied),
    }
    if torch is not None:
        row["microseconds"]["torch"] = 1e6 * float(np.median(seconds[..., 3]))
        row["torch"] = {"form": torch[0], **ratio_of(seconds, 3)}
    return row


def normal_like(seed: int, params: Any) -> Any:
    """A tree like `params` of standard normal numbers."""
    rng, (leaves, structure) = np.random.default_rng(seed), jax.tree.flatten(params)
    return structure.unflatten([jnp.asarray(rng.normal(size=x.shape), x.dtype) for x in leaves])


def parameters(layout: str, name: str, size: int, num_leaves: int, num_networks: int) -> Any:
    """What a rule is given in a layout."""
    if layout == "vmap":
        return jax.vmap(MODEL.init)(jax.random.split(jax.random.key(0), num_networks))
    rng = np.random.default_rng(0)
    if layout == "leaves":
        sizes = np.exp(rng.uniform(np.log(100), np.log(10_000), size=num_leaves)).astype(int)
        return [jnp.asarray(rng.normal(size=n), jnp.float32) for n in sizes]
    side = int((size / SMALLER.get(name, 1)) ** 0.5)
    shape = (side, side) if name in SMALLER else (size,)
    return jnp.asarray(rng.normal(size=shape), jnp.float32)


def environment() -> dict[str, Any]:
    """What the times depend on, besides the load."""
    packages = ("jaxnn", "jax", "jaxlib", "optax", "numpy", "torch")
    installed = {dist.name for dist in importlib.metadata.distributions()}
    return {
        "device": jax.devices()[0].device_kind,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {x: importlib.metadata.version(x) for x in packages if x in installed},
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """For each layout: geometric means of the ratios, and the rules that are slower than Optax."""
    found = {}
    for layout in dict.fromkeys(row["layout"] for row in rows):
        here = [row for row in rows if row["layout"] == layout]
        ratios = {row["rule"]: row["optax"]["ratio"] for row in here}
        found[layout] = {
            "rules": len(here),
            "geometric_mean": float(np.exp(np.mean(np.log(list(ratios.values()))))),
            "slower": {rule: ratio for rule, ratio in ratios.items() if ratio > 1.05},
        }
    return found


def show(layout: str, rows: list[dict[str, Any]]) -> None:
    """A table of one layout."""
    table = Table(title=layout, title_justify="left")
    table.add_column("rule", overflow="fold", min_width=20)
    for column in ("ours, µs", "/ Optax", "95 %", "/ torch", "bandwidth"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        low, high = row["optax"]["ratio_interval_95"]
        ratios = f"{row['optax']['ratio']:.2f}", f"{low:.2f} – {high:.2f}"
        torch = f"{row['torch']['ratio']:.2f}" if "torch" in row else ""
        ours = f"{row['microseconds']['ours']:,.0f}"
        table.add_row(row["rule"], ours, *ratios, torch, f"{row['bandwidth']:.0%}")
    Console().print(table)


def main(
    size: int = 20_000_000,
    num_leaves: int = 1_000,
    num_networks: int = 64,
    num_rounds: int = 6,
    num_samples: int = 6,
    rules: str = "all",
    layouts: str = ",".join(LAYOUTS),
    quick: bool = False,
    out: Path = Path(__file__).parent / "results",
) -> dict[str, Any]:
    """Time every rule on one leaf of SIZE elements, on NUM_LEAVES leaves, on NUM_NETWORKS networks.

    rules: names with commas between them, or all. layouts: those of leaf, leaves and vmap.
    """
    if quick:
        size, num_leaves, num_networks, num_rounds, num_samples = 10_000, 5, 4, 6, 2
    options = {"size": size, "num-leaves": num_leaves, "num-networks": num_networks}
    options |= {"num-rounds": num_rounds, "num-samples": num_samples}
    options |= {"rules": rules, "layouts": layouts}
    given = " ".join(f"--{name} {value}" for name, value in options.items())
    shared = [name for name in optimizers.OPTIMIZERS if name in REFERENCES.keys() - ELSEWHERE]
    chosen = shared if rules == "all" else rules.split(",")
    for name in chosen:
        if name not in shared:
            raise unknown_name("update_rules", "rules", name, shared)
    for layout in layouts.split(","):
        if layout not in LAYOUTS:
            raise unknown_name("update_rules", "layouts", layout, LAYOUTS)
    contests = [(name, {}) for name in chosen] + [x for x in FLAVOURS if x[0] in chosen]
    report: dict[str, Any] = {
        "command": f"python benchmarks/update_rules.py {given}",
        **environment(),
        "load_average": [os.getloadavg()[0]],
        "rows": [],
    }
    out.mkdir(parents=True, exist_ok=True)
    device = re.sub(r"[^a-z0-9]+", "-", report["device"].lower())
    path = out / f"update_rules-{device}.json"
    for layout in layouts.split(","):
        for name, structure in contests:
            params = parameters(layout, name, size, num_leaves, num_networks)
            row = contest(
                name, structure, params, layout=layout, rounds=num_rounds, samples=num_samples
            )
            report["rows"].append({"layout": layout, **row})
            report["load_average"][1:] = [os.getloadavg()[0]]
            path.write_text(json.dumps(report, indent=2) + "\n")
            jax.clear_caches()  # the programs of many leaves are large
        show(layout, [row for row in report["rows"] if row["layout"] == layout])
    report["summary"] = summary(report["rows"])
    path.write_text(json.dumps(report, indent=2) + "\n")
    before, after = report["load_average"]
    print(f"load average {before:.1f} before, {after:.1f} after; written to {path}")
    return report


if __name__ == "__main__":
    typer.run(main)
