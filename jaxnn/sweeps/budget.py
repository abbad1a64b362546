"""How wide the blocks of a sweep are: as wide as is fast, as far as memory allows."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxnn import tree
from jaxnn.errors import bad_type, bad_value, shown
from jaxnn.sweeps.memory import Memory, Numbers, bound, predict, probes
from jaxnn.sweeps.plan import Width, default_width
from jaxnn.typing import Staged

__all__ = ["fit_width"]

LANES = 64
"""Of trials with steps on CPU: more of them fall out of a core's cache."""

MANY_LANES = 1024
"""On an accelerator, and of trials of no steps that stay in the cache."""

CACHE = 2**20
"""Bytes that a block of many lanes may touch on CPU."""

MIN_BLOCKS = 8
"""Blocks of many lanes are at least so many, so that padding is a small part of them."""

SPARE = {"cpu": 1.6}
"""What processes may take of what is predicted, 1.54 were seen: kernels copy operands, and what one
program leaves is freed while the next begins."""

SHARE = 0.5
"""Of the memory that there is, where nobody says how much to use."""


def fit_width(
    groups: Sequence[tuple[Staged, Numbers]],
    num_settings: int,
    num_seeds: int,
    *,
    sizes: Sequence[int] = (),
    width: Width | None = None,
    memory: float | str | None = None,
    common: bool = True,
    length: int | None = None,
) -> Width:
    """The one width of all programs of a sweep: that by default, halved until a block fits.

    groups: of each program its trial and its numbers. sizes: how many settings each has, for which
    blocks are narrowed where they would be mostly padding. width: as given, only checked.
    memory: bytes, or a string such as "2 GiB"; by default half of what there is. It is that of each
    accelerator, and of all CPU devices of the host together.
    Only programs for which `bound` does not tell are compiled, at small widths. Raises ValueError
    where one trial does not fit, or a given width, and TypeError for what is no amount of memory.
    """
    budget, got = _budget(memory)
    if width is not None and memory is None:
        return width
    options: Any = {"length": length, "common": common}
    bounds = [bound(*group, **options) for group in groups]
    if width is None:
        rows = num_settings * num_seeds // len(groups)
        lanes = _default_lanes([staged for staged, _ in groups], bounds, rows)
        start = default_width(num_settings, num_seeds, lanes=lanes)
        start = _less_padding(start, sizes)
        smaller = [start.lanes >> k for k in range(start.lanes.bit_length())]
    else:
        start, smaller = width, range(width.lanes, 0, -1)
    fits = start
    devices = min(_num_devices(), num_settings * num_seeds)
    data = _data_bytes(groups)
    for group, above in sorted(zip(groups, bounds, strict=True), key=lambda x: -x[1].at(start)):
        beside = data - _data_bytes([group])
        if devices * (above.at(fits) + beside) <= budget:
            continue
        needs = _Needs(group, options, beside, devices)
        shapes = (default_width(fits.settings, fits.replicates, lanes=n) for n in smaller)
        fits = next((shape for shape in shapes if needs.at(shape) <= budget), None)
        if fits is None:
            one = f"at least {_text(needs.at(Width(1, 1)))}, which one trial takes"
            one += f" on each of {devices} devices" if devices > 1 else ""
            fix = "" if memory is not None else "Pass memory=, to take more."
            raise bad_value("sweeps.run", "memory", one, got, fix)
        if width not in (None, fits):
            constraint = f"at most {tuple(fits)}, to fit into {got}"
            takes = f"{tuple(start)}, which takes {_text(needs.at(start))}"
            raise bad_value("sweeps.run", "width", constraint, takes)
    return fits


class _Needs:
    """What blocks of a trial take on all devices, predicted when it is asked."""

    def __init__(
        self, group: tuple[Staged, Numbers], options: Any, beside: int, devices: int
    ) -> None:
        self.group, self.options, self.beside, self.devices = group, options, beside, devices
        self._known: dict[tuple[Width, ...], Memory] = {}

    def at(self, width: Width) -> int:
        """Bytes at this width, those beside the block included."""
        kind = probes(width)
        if kind not in self._known:
            self._known[kind] = predict(*self.group, width, **self.options)
        known = self._known[kind]
        spare = 1.0 if known.convolves else SPARE.get(_platform(), 1.0)
        return math.ceil(self.devices * (spare * known.at(width) + self.beside))


BLOCK = 16
"""A block costs as much as so many lanes beside those that it has."""


def _less_padding(start: Width, sizes: Sequence[int]) -> Width:
    """A width of fewer settings, where programs have so few that blocks would be mostly padding."""
    if len(sizes) < 2:
        return start

    def cost(settings: int) -> int:
        lanes = BLOCK + start.replicates * settings
        return sum(math.ceil(size / settings) * lanes for size in sizes)

    return start._replace(settings=min(range(start.settings, 0, -1), key=cost))


def _default_lanes(trials: Sequence[Staged], bounds: Sequence[Memory], rows: int) -> int:
    """About how many trials a block has, where a program has so many rows."""
    if _platform() != "cpu":
        return MANY_LANES
    if any(staged.num_steps for staged in trials):
        return LANES
    cached = CACHE // max(int(one.per_lane.max()) for one in bounds)
    many = max(LANES, min(MANY_LANES, cached, rows // MIN_BLOCKS))
    return 1 << many.bit_length() - 1


def _data_bytes(groups: Iterable[tuple[Staged, Numbers]]) -> int:
    """Of the arrays that trials share, each counted once."""
    leaves = {id(x): x for staged, _ in groups for x in jax.tree.leaves(staged.data)}
    return tree.num_bytes(list(leaves.values()))


UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def _budget(memory: float | str | None) -> tuple[float, str]:
    """(bytes, how an error calls them)."""
    if memory is None:
        there = _there()
        return SHARE * there, f"{_text(SHARE * there)}, half of what there is"
    if isinstance(memory, str):
        match = re.fullmatch(r"\s*(\d+\.?\d*)\s*([kmgt]?)(i?)b\s*", memory.lower())
        if match is None:
            fix = "For example '2 GiB' or '500 MB'."
            raise bad_value("sweeps.run", "memory", "bytes with a unit", shown(memory), fix)
        number, prefix, binary = match.groups()
        power = " kmgt".index(prefix or " ")
        memory = int(float(number) * (1024 if binary else 1000) ** power)
    elif isinstance(memory, bool) or not isinstance(memory, int | float | np.integer):
        fix = "For example 2 * 2**30 or '2 GiB'."
        raise bad_type("sweeps.run", "memory", "a number of bytes or a string", shown(memory), fix)
    if not memory > 0:
        raise bad_value("sweeps.run", "memory", "> 0", memory)
    return memory, _text(memory)


def _text(num_bytes: float) -> str:
    """
    >>> _text(1500), _text(3 * 2**30)
    ('1.5 KiB', '3.0 GiB')
    """
    power = max(0, min(int(math.log2(max(num_bytes, 1))) // 10, len(UNITS) - 1))
    return f"{num_bytes / 1024**power:.1f} {UNITS[power]}"


def _platform() -> str:
    return jax.local_devices()[0].platform


def _num_devices() -> int:
    """How many devices share one memory."""
    return jax.local_device_count() if _platform() == "cpu" else 1


def _there() -> float:
    """Bytes of an accelerator, or of this machine as far as this process may use it."""
    if _platform() != "cpu":
        stats = jax.local_devices()[0].memory_stats() or {}
        return stats.get("bytes_limit", math.inf)
    limits = [math.inf]
    with contextlib.suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        # "max" is no number, and on other systems there is no such file.
        with contextlib.suppress(ValueError, OSError):
            limits.append(int((Path("/sys/fs/cgroup") / file).read_text()))
    return min(limits)
