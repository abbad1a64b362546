"""`jaxnn doctor`: what this machine has, and how fast it trains."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version

__all__ = ["doctor", "measured_speed"]


def doctor() -> None:
    """Show versions, devices, cores, memory, and the speed of a tiny run."""
    from rich.console import Console
    from rich.table import Table

    from jaxnn.cli.cache import folder
    from jaxnn.cli.devices import use_all_cores

    use_all_cores()
    import jax

    from jaxnn import __version__

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row("jaxnn", __version__)
    for name in ("jax", "jaxlib", "optax", "numpy", "scipy", "scikit-learn", "matplotlib"):
        table.add_row(name, version(name))
    table.add_row("python", f"{platform.python_version()} on {platform.platform()}")
    kinds = ", ".join(f"{d.platform}:{d.id} ({d.device_kind})" for d in jax.local_devices())
    table.add_row("devices", kinds)
    table.add_row(
        "cores",
        str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
    )
    table.add_row("memory", _memory())
    kept = folder()
    table.add_row("programs", f"kept in {kept}" if kept else "not kept (JAXNN_CACHE is empty)")
    compile_seconds, microseconds = measured_speed()
    table.add_row(
        "tiny run",
        f"{microseconds:.1f} µs a network and step, {compile_seconds:.1f} s to compile "
        "(64 networks 64-32-10 on digits, batch 32, adam, one device)",
    )
    Console().print(table, highlight=False)


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{total / 2**30:.1f} GiB"


def measured_speed(num_steps: int = 100) -> tuple[float, float]:
    """(seconds to compile, µs a network and step) of 64 small networks in one program."""
    from jaxnn import problems
    from jaxnn.optimizers import adam
    from jaxnn.sweeps import TUNING, Engine, Plan, Width, propose
    from jaxnn.training import stages

    width = Width(4, 16)
    staged = stages(
        problems.get("digits"), adam, num_steps=num_steps, batch_size=32, record_every=0
    )
    settings = propose(adam.SEARCH_SPACE, width.settings, 0).columns
    plan = Plan(settings, width.replicates, 0, TUNING, width)
    engine = Engine(staged, settings, width)
    engine.compile()
    block = next(plan.blocks())
    times = []
    for _ in range(3):
        started = time.perf_counter()
        engine.run(plan, block)
        times.append(time.perf_counter() - started)
    return engine.compile_seconds, 1e6 * min(times) / (num_steps * width.lanes)
