"""How numbers stand on an axis: evenly, by their logarithm, or by that of their distance from 1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FEW",
    "LARGEST",
    "Kind",
    "choose",
    "even",
    "limits",
    "put",
    "restored",
    "single",
    "texts",
    "ticks",
    "wrapped",
]

Kind: TypeAlias = Literal["linear", "log", "one_minus"]
"""Of an axis; "one_minus" is for numbers such as 0.9, 0.99, 0.999."""

FEW = 12
"""So many different values are drawn one by one."""

LARGEST = 1e300
"""Pictures end there, so that nothing overflows."""


def choose(values: ArrayLike, *, log: bool | None = None) -> Kind:
    """The axis on which the median of the values is nearest to the middle.

    Logarithmic ones must span 1.5 decades of the values, or of their distances below 1; less where
    the values are few, such as 16, 32, 64. log: True or False where it is known. What is not finite
    does not count.
    """
    if log is not None:
        return "log" if log else "linear"
    x = np.asarray(values, np.float64)
    x = np.unique(np.clip(x[np.isfinite(x)], -LARGEST, LARGEST))
    if len(x) < 2:
        return "linear"
    decades = 1.5 if len(x) > FEW else 0.6
    kinds: list[Kind] = ["linear"]
    if x[0] > 0 and np.log10(x[-1]) - np.log10(x[0]) >= decades:
        kinds.append("log")
    if x[0] >= 0 and x[-1] < 1 and np.log10((1 - x[0]) / (1 - x[-1])) >= decades:
        kinds.append("one_minus")
    # Of equals the last: two values are as even on any axis.
    return min(reversed(kinds), key=lambda kind: _unevenness(even(kind, x)))


def _unevenness(x: NDArray[np.float64]) -> float:
    low, middle, high = x[0], np.median(x), x[-1]
    return round(abs(float((middle - low) / (high - low)) - 0.5), 9) if high > low else 1.0


def even(kind: Kind, values: ArrayLike) -> NDArray[np.float64]:
    """Coordinates in which the axis is even."""
    x = np.clip(np.asarray(values, np.float64), -LARGEST, LARGEST)
    if kind == "log":
        return np.log10(np.maximum(x, 1 / LARGEST))
    return x if kind == "linear" else -np.log10(np.maximum(1 - x, 1e-16))


def restored(kind: Kind, places: ArrayLike) -> NDArray[np.float64]:
    """The numbers at these coordinates: the inverse of `even`."""
    u = np.asarray(places, np.float64)
    if kind == "linear":
        return u
    return 10.0**u if kind == "log" else 1 - 10.0**-u


def limits(kind: Kind, values: ArrayLike, *, margin: float = 0.05) -> tuple[float, float]:
    """The ends of an axis that shows all finite values; 0 and 1 where there are none."""
    x = np.asarray(values, np.float64)
    x = x[np.isfinite(x)]
    if not len(x):
        return 0.0, 1.0
    u = even(kind, x)
    low, high = float(u.min()), float(u.max())
    pad = margin * (high - low)
    if _equal(low, high):
        pad = (0.1 * abs(low) or 1.0) if kind == "linear" else 0.3
    most = float(np.log10(LARGEST)) if kind == "log" else LARGEST
    first, last = restored(kind, np.clip([low - pad, high + pad], -most, most))
    return float(first), float(last)


def _equal(low: float, high: float) -> bool:
    """What differs by less stands as one value: ticks would need more digits than have room."""
    return high - low <= 1e-6 * max(abs(low), abs(high))


def ticks(kind: Kind, low: float, high: float, *, most: int = 6) -> list[float]:
    """Round numbers in [low, high], at most `most` of them and two or more where there are such."""
    from matplotlib.ticker import MaxNLocator

    if kind != "linear":
        distant, near = (low, high) if kind == "log" else (1 - high, 1 - low)
        near_power, last = np.floor(np.log10(distant)), np.ceil(np.log10(near))
        powers = 10.0 ** np.arange(near_power, last + 1)
        few = (powers[:, None] * [1, 2, 5]).ravel()
        many, shown = (c[(c >= distant) & (c <= near)] for c in (few, powers))
        shown = many if len(many) <= most else shown[:: -(-len(shown) // most)]
        if len(shown) > 1:
            return [float(v) for v in np.sort(shown if kind == "log" else 1 - shown)]
    found = MaxNLocator(most - 1, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [float(v) for v in found if low <= v <= high]


def single(kind: Kind, x: NDArray[np.float64]) -> list[float] | None:
    """The values themselves, where they are so few that their labels have room."""
    values = np.unique(x)
    u = even(kind, values)
    if not 2 <= len(values) <= 8 or _equal(u[0], u[-1]):
        return None
    longest = max(map(len, texts(values, rounded=True)))
    roomy = np.diff(u).min() >= max(0.07, 0.0165 * (longest + 1)) * (u[-1] - u[0])
    return [float(v) for v in values] if roomy else None


_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def texts(numbers: ArrayLike, *, rounded: bool = False) -> list[str]:
    """Words for the ticks of one axis, exact, or rounded to as few digits as tell them apart.

    >>> texts([0.9, 0.99, 0.999]), texts([1e-5, 1e-4]), texts([0, 25000, 50000])
    (['0.9', '0.99', '0.999'], ['10⁻⁵', '10⁻⁴'], ['0', '25,000', '50,000'])
    >>> texts([1 / 700, 1 / 7], rounded=True)
    ['0.0014', '0.14']
    """
    x = np.asarray(numbers, np.float64)
    values = np.unique(x)
    gaps = np.diff(values) if len(values) > 1 else np.abs(values)
    near = np.full(len(x), gaps.min(initial=np.inf))
    if rounded and len(values) > 1:  # each to the gap beside it: 0.001, 0.01, 0.1, 0.99, 0.999
        near = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))
        near = near[np.searchsorted(values, x)]
    short: list[str] = []
    for digits in range(16):
        short = [f"{v:.{digits}e}" for v in x]
        away = np.abs(np.array(short, np.float64) - x)
        if np.all(away <= (0.03 if rounded else 1e-3) * near):
            break
    plain = np.all((x == 0) | ((np.abs(x) >= 1e-4) & (np.abs(x) < 1e6)))
    return [_plain(s) if plain else _raised(s) for s in short]


def _plain(text: str) -> str:
    return f"{float(text):,.15g}".replace("-", "−")


def _raised(text: str) -> str:
    mantissa, power = text.split("e")
    mantissa = f"{float(mantissa):.15g}".replace("-", "−")
    if mantissa in ("0", "−0"):
        return "0"
    factor = {"1": "", "−1": "−"}.get(mantissa, f"{mantissa}·")
    return f"{factor}10{str(int(power)).translate(_RAISED)}"


def put(
    axes: Any,
    which: str,
    kind: Kind,
    ends: tuple[float, float],
    *,
    places: Sequence[float] | None = None,
) -> None:
    """Scale, limits and ticks of the axis "x" or "y" of these axes; places: of the ticks."""
    if kind == "one_minus":
        functions = (lambda x: even(kind, x), lambda u: restored(kind, u))
        getattr(axes, f"set_{which}scale")("function", functions=functions)
    else:
        getattr(axes, f"set_{which}scale")(kind)
    getattr(axes, f"set_{which}lim")(*ends)
    words = texts(ticks(kind, *ends)) if places is None else texts(places, rounded=True)
    getattr(axes, f"set_{which}ticks")(ticks(kind, *ends) if places is None else places, words)
    getattr(axes, f"{which}axis").minorticks_off()


def wrapped(text: str, width: int, *, lines: int = 3) -> str:
    """A name in lines of `width` characters, broken after spaces, dots and dashes; the rest cut.

    >>> wrapped("inner.learning_rate", 12), wrapped("a" * 9, 4, lines=2)
    ('inner.\\nlearning_\\nrate', 'aaaa\\naaa…')
    """
    pieces = re.findall(r"[^\s_./-]+[\s_./-]?|[\s_./-]", " ".join(str(text).split()))
    parts = [p[k : k + width] for p in pieces for k in range(0, len(p), width)]
    rows = [""]
    for part in parts:
        if len(rows[-1]) + len(part.rstrip()) > width:
            rows.append("")
        rows[-1] += part
    kept = [row.rstrip() for row in rows[:lines]]
    if len(rows) > lines:
        kept[-1] = kept[-1][: width - 1] + "…"
    return "\n".join(kept).replace("$", r"\$")  # no formula
