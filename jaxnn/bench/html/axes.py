"""Axes of a chart: their range, where a value stands on them, and ticks at round numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxnn.bench.html.parts import Scale

__all__ = ["Axis", "Tick", "axis"]

LARGEST = 1e300
"""Nothing as large as this stands on an axis."""

_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


class Tick(NamedTuple):
    """A value, its label, and whether it is labelled where there is little room."""

    value: float
    label: str
    always: bool


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, in values; both are positive where the scale is "log"."""

    scale: Scale
    low: float
    high: float

    def share(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far along the axis each value stands, 0 to 1 on it; NaN for what has no place."""
        with np.errstate(divide="ignore", invalid="ignore"):
            along = self._along(np.asarray(values, np.float64))
            low, high = (float(self._along(np.asarray(end))) for end in (self.low, self.high))
            shares = (along - low) / (high - low)
        return np.where(np.abs(shares) < 10, shares, np.nan)

    def ticks(self, room: int, narrow: int, most: int = 8) -> list[Tick]:
        """Round numbers within the axis, about `most` or fewer, with at most `room` characters of
        labels where they fit; those that stay on a narrow screen have at most `narrow`.
        """
        wanted = most
        values, labels = self._round(wanted)
        while (len(values) > wanted + 1 or _letters(labels) > room) and wanted > 2:
            wanted -= 1
            values, labels = self._round(wanted)
        stride = 1
        while _letters(labels[::stride]) > narrow and stride < len(labels):
            stride += 1
        first = next((i for i, v in enumerate(values) if v == 0), 0) % stride
        return [
            Tick(value, label, i % stride == first)
            for i, (value, label) in enumerate(zip(values, labels, strict=True))
        ]

    def _round(self, wanted: int) -> tuple[list[float], list[str]]:
        values = _decades(self, wanted) if self.scale == "log" else _steps(self, wanted)
        return values, _labels(values)

    def _along(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log10(np.where(values > 0, values, np.nan)) if self.scale == "log" else values


def axis(
    values: NDArray[np.float64],
    scale: Scale,
    *,
    also: NDArray[np.float64] | None = None,
    from_zero: bool = False,
) -> Axis:
    """An axis that holds every value, with a little room at both ends.

    also: such as the ends of intervals; they widen it by half at most at each end, so that one wide
    interval does not flatten every line (where all values are equal, as far as they go).
    from_zero: begin a linear axis at 0 where that is near, within a third of the highest value.
    Values that are not finite, or not positive on a log axis, do not count. Without any it goes
    from 0 to 1, or 1 to 10.
    """
    inner, outer = (_usable(v, scale) for v in (values, values if also is None else also))
    if not len(inner):
        return Axis(scale, *((1.0, 10.0) if scale == "log" else (0.0, 1.0)))
    low, high = float(inner.min()), float(inner.max())
    spread = (high - low) / 2 or math.inf
    if len(outer):
        low = max(min(low, float(outer.min())), low - spread)
        high = min(max(high, float(outer.max())), high + spread)
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-290):
        least = 0.3 if scale == "log" else 0.5 * (abs(low) or 1.0)
        low, high = low - least, high + least
    room = 0.02 * (high - low)
    zero = from_zero and scale == "linear" and 0 <= low <= high / 3
    low, high = 0.0 if zero else low - room, high + room
    if scale == "log":
        return Axis(scale, 10 ** max(low, -307), 10 ** min(high, 308))
    return Axis(scale, low, high)


def _usable(values: NDArray[np.float64], scale: Scale) -> NDArray[np.float64]:
    finite = values[np.abs(values) < LARGEST]
    return np.log10(finite[finite > 0]) if scale == "log" else finite


def _steps(axis: Axis, wanted: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, `wanted` of them or fewer, at least two."""
    raw = (axis.high - axis.low) / wanted
    power = math.floor(math.log10(raw))
    factor = next(f for f in (1, 2, 5, 10) if f * 10**power >= raw * (1 - 1e-9))
    power, factor = (power + 1, 1) if factor == 10 else (power, factor)
    while True:
        step = factor * 10.0**power
        first, last = math.ceil(axis.low / step - 1e-9), math.floor(axis.high / step + 1e-9)
        if last > first:
            return [_exact(k * factor, power) for k in range(first, last + 1)]
        power, factor = (power, factor // 2) if factor > 1 else (power - 1, 5)


def _decades(axis: Axis, wanted: int) -> list[float]:
    """Powers of ten; with 2 and 5 times them, or plain steps, where there are too few."""
    low, high = math.log10(axis.low), math.log10(axis.high)
    stride = max(1, math.ceil((high - low) / wanted))
    powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    if len(powers) >= 3:
        return [_exact(1, k) for k in powers if k % stride == 0]
    around = range(math.floor(low), math.ceil(high) + 1)
    values = [_exact(f, k) for k in around for f in (1, 2, 5)]
    within = [v for v in values if axis.low * (1 - 1e-9) <= v <= axis.high * (1 + 1e-9)]
    return within if len(within) >= 2 else _steps(axis, wanted)


def _exact(mantissa: int, power: int) -> float:
    """The double nearest to mantissa · 10^power, as it would be typed."""
    return float(f"{mantissa}e{power}")


def _labels(values: list[float]) -> list[str]:
    """Labels of one kind along an axis: plain numbers, or powers of ten where those are long."""
    sizes = [abs(v) for v in values if v]
    texts = [np.format_float_positional(v, trim="-") for v in values]
    decimals = max(len(text.partition(".")[2]) for text in texts)
    ratio = max(sizes) / min(sizes)
    if max(sizes) < 1e6 and (decimals <= 4 or min(sizes) >= 1e-4):
        even = decimals if ratio < 1e3 and not _geometric(values) else None
        return [_plain(v, text, even) for v, text in zip(values, texts, strict=True)]
    power = math.floor(math.log10(max(sizes)) + 1e-9)
    return [_raised(v, None if ratio >= 1e3 or _geometric(values) else power) for v in values]


def _letters(labels: list[str]) -> int:
    return sum(len(label) + 2 for label in labels)


def _geometric(values: list[float]) -> bool:
    """Whether the ticks are those of a log axis: 0.1, 0.2, 0.5 and 1, not 0.1, 0.2 and 0.3."""
    return len(values) > 2 and not math.isclose(values[1] - values[0], values[-1] - values[-2])


def _plain(value: float, text: str, decimals: int | None) -> str:
    given = len(text.partition(".")[2]) if decimals is None else decimals
    return f"{value:,.{given}f}".replace("-", "−")


def _raised(value: float, power: int | None) -> str:
    if value == 0:
        return "0"
    power = math.floor(math.log10(abs(value)) + 1e-9) if power is None else power
    text = f"{value / 10.0**power:.12g}".replace("-", "−")
    ten = f"10{str(power).translate(_RAISED)}"
    return {"1": ten, "−1": f"−{ten}"}.get(text, f"{text}·{ten}")
