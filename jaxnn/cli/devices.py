"""How the command line sets JAX up: a device a core, and programs that are kept."""

from __future__ import annotations

import contextlib
import os

__all__ = ["set_up", "use_all_cores"]


def set_up() -> None:
    """Use all cores, and programs that were compiled before; before JAX starts."""
    from jaxnn.cli.cache import use_cache

    use_all_cores()
    use_cache()


def use_all_cores() -> None:
    """Give the CPU backend a device for each core this process may use; before JAX starts it.

    On CPU that is faster than several threads in one device.
    """
    import jax

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # A host program may have started JAX already: then what it chose stays.
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", cores or 1)
