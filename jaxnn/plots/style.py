"""One look for every picture: colours, markers, dashes, sizes, files.

The colours are told apart by people with any common colour blindness, and every series differs in
marker and dash as well, so that a grey print is read the same.
Reference: Okabe, Ito 2008, "Color Universal Design".
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from jaxnn.errors import bad_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = [
    "COLORS",
    "DPI",
    "HATCHES",
    "INK",
    "MARKERS",
    "figure",
    "label_ends",
    "legend_below",
    "number",
    "picture",
    "save",
    "series",
    "tint",
    "title",
]

P = ParamSpec("P")
R = TypeVar("R")

COLORS = (
    "#0072B2",  # blue
    "#D55E00",  # vermillion
    "#009E73",  # bluish green
    "#CC79A7",  # reddish purple
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#000000",  # black
    "#882255",  # wine, for their yellow, which is faint on white
)
"""The palette of Okabe and Ito but for its last, in the order of use."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (8, 3)))
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "||||", "oooo")
INK = "#333333"
"""Of frames, words and boundaries."""

DPI = 150
"""Of every PNG."""

_RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "font.size": 10,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "svg.fonttype": "none",
    "svg.hashsalt": "jaxnn",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def picture(draw: Callable[P, R]) -> Callable[P, R]:
    """A function that draws, in the look of this module; the user's own settings are left alone."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib

        with matplotlib.rc_context(_RC):
            return draw(*args, **kwargs)

    return drawn


def figure(width: float = 6.4, height: float = 4.0) -> Figure:
    """An empty figure of that size in inches, laid out so that nothing overlaps; no window.

    Call it in a function under `picture`, so that its axes get their look.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


@picture
def save(fig: Figure, path: str | Path) -> Path:
    """Writes a PNG (150 dots an inch) or an SVG, by the suffix; the same picture, the same bytes.

    Raises ValueError for another suffix, OSError where the file cannot be written.
    """
    path = Path(path)
    metadata = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}
    if path.suffix not in metadata:
        raise bad_value("plots.save", "path", "a file ending in .png or .svg", repr(path.name))
    fig.savefig(path, dpi=DPI, metadata=metadata[path.suffix])
    return path


def series(index: int) -> dict[str, Any]:
    """Colour, marker and dash of the series `index`, for `Axes.plot`; they repeat after 40."""
    return {
        "color": COLORS[index % len(COLORS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
    }


def tint(color: str, share: float = 0.25) -> tuple[float, float, float]:
    """The colour mixed with white: `share` of it, the rest white."""
    from matplotlib.colors import to_rgb

    red, green, blue = (1 - share * (1 - c) for c in to_rgb(color))
    return red, green, blue


def number(value: float) -> str:
    """A number as it stands in a picture: four digits, a true minus.

    >>> number(-0.0102081), number(2509.0), number(2.5)
    ('−0.01021', '2,509', '2.5')
    """
    text = f"{value:,.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.4g}"
    return text.replace("-", "−")


def title(fig: Figure, text: str) -> None:
    """A title over the whole figure, at its left; nothing where the text is empty."""
    if text:
        fig.suptitle(text, x=0.01, ha="left")


def label_ends(
    axes: Axes, names: Sequence[str], heights: Sequence[float], colors: Sequence[Any]
) -> list[Text]:
    """Names right of the axes at the heights where their lines end, moved apart where they meet.

    Call it when the limits of the axes are final. A thin line leads from each name to its height.
    """
    figure = axes.get_figure(root=True)
    if not names or figure is None:
        return []
    tall = figure.get_size_inches()[1] * axes.get_position().height * 72
    to_share = axes.transData + axes.transAxes.inverted()
    x = axes.get_xlim()[1]
    wanted = np.array([to_share.transform((x, y))[1] for y in heights])
    wanted = np.clip(np.nan_to_num(wanted, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
    placed = _apart(wanted, gap=13 / tall)
    return [
        axes.annotate(
            name,
            xy=(1, here),
            xytext=(1.03, there),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            color=color,
            arrowprops={
                "arrowstyle": "-",
                "color": color,
                "linewidth": 0.7,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
        for name, here, there, color in zip(names, wanted, placed, colors, strict=True)
    ]


def _apart(wanted: np.ndarray, gap: float) -> np.ndarray:
    """Positions in the order of `wanted`, at least `gap` apart, as near to it as a sweep finds."""
    order = np.argsort(wanted, kind="stable")
    placed = wanted[order]
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    placed -= np.mean(placed - wanted[order])
    result = np.empty_like(placed)
    result[order] = placed
    return result


def legend_below(
    fig: Figure, handles: Sequence[Any], names: Sequence[str] | None = None, columns: int = 3
) -> None:
    """A legend under the whole figure, where it hides nothing.

    A handle may be a tuple of artists, drawn one over the other; then `names` are needed.
    """
    fig.legend(
        handles=list(handles),
        labels=[handle.get_label() for handle in handles] if names is None else list(names),
        loc="outside lower left",
        ncols=columns,
        handletextpad=0.6,
        columnspacing=1.6,
    )
