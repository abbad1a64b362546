"""A sweep of something that learns nothing: an epidemic, and how little must be done against it.

Susceptible, infected and recovered people of one town, day by day, with chance in who meets whom.
Two numbers are swept: how much contacts are cut, and from which share of infected people on. The
question is not the least loss, but the cheapest setting that keeps a promise on nearly all seeds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import typer

from jaxnn import plots, sweeps
from jaxnn.space import log_uniform, uniform

NUM_DAYS = 180
BEDS = 0.05
"""The share of the town that hospitals can take at a time."""


def epidemic(key: jax.Array, hyper: dict[str, Any]) -> dict[str, jax.Array]:
    """Kermack and McKendrick's equations (1927), with noise; the curve is a metric too."""

    def day(state: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        healthy, infected, cost = state
        active = infected > hyper["threshold"]
        contacts = jnp.where(active, 1 - hyper["cut"], 1.0)
        chance = jnp.exp(0.3 * jax.random.normal(key))
        new = jnp.minimum(0.25 * chance * contacts * healthy * infected, healthy)
        cost = cost + active * hyper["cut"]
        return (healthy - new, infected + new - 0.1 * infected, cost), infected

    keys = jax.random.split(key, NUM_DAYS)
    (_, _, cost), curve = jax.lax.scan(day, (jnp.array(0.999), jnp.array(1e-3), 0.0), keys)
    return {"peak": curve.max(), "cost": cost, "infected": curve}


def main(
    out: Path = Path("jaxnn-results/examples"), num_trials: int = 512, num_seeds: int = 16
) -> dict[str, Any]:
    """The cheapest setting whose peak stays below the beds on 95 % of the seeds."""
    space = {"cut": uniform(0.0, 0.9), "threshold": log_uniform(1e-3, 1e-1)}
    found = sweeps.run(epidemic, space, num_trials=num_trials, num_seeds=num_seeds)
    peaks, costs = (found.by_setting(name) for name in ("peak", "cost"))
    kept = (peaks <= BEDS).mean(axis=1) >= 0.95
    days = costs.mean(axis=1)
    cheapest = int(np.where(kept, days, np.inf).argmin())
    setting = found.setting(cheapest)
    print(f"{kept.sum()} of {found.num_settings} settings keep the peak below {BEDS:.0%}")
    print(f"the cheapest: cut {setting['cut']:.0%} of contacts from {setting['threshold']:.2%} on")
    low, high = np.percentile(costs[cheapest], [5, 95])
    print(f"cost: {days[cheapest]:.0f} full days, {low:.0f} to {high:.0f} on 90 % of the seeds")

    columns = found.table() | {"log10 of the peak": np.log10(found.table()["peak"])}
    title = "An epidemic: its peak by what is done"
    picture = plots.heat_map(columns, "cut", "threshold", "log10 of the peak", title=title)
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {plots.save(picture, out / 'sweep_simulation.png')}")
    return {"kept": kept, "setting": setting, "peak": peaks[cheapest], "cost": days}


if __name__ == "__main__":
    typer.run(main)
