"""Colours, dashes and markers of a page: those of `jaxnn.plots`, in light and dark."""

from __future__ import annotations

from jaxnn.plots import style

__all__ = ["DASHES", "MARKERS", "Look", "legend_key", "look", "markers", "variables"]

DARK_COLORS = (
    "#3D9BE9",  # blue
    "#F2773F",  # vermillion
    "#1FC492",  # bluish green
    "#E3A0C6",  # reddish purple
    "#F2B53A",  # orange
    "#A6DCFF",  # sky blue
    "#F4F4F4",  # white, for black
    "#D9628F",  # wine
)
"""The colours of `style.COLORS`, each light enough for a dark page."""

DASHES = ("", "7 3", "1.5 2.5", "7 2.5 1.5 2.5", "12 4")
"""In pixels, for `stroke-dasharray`: those of `style.DASHES`."""

MARKERS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.5-3.5h7v7h-7z",
    "M0-4.5 4.2 3.2h-8.4z",
    "M0-5 4.2 0 0 5-4.2 0z",
    "M0 4.5 4.2-3.2h-8.4z",
    "M0-4.6 4.4-1.4 2.7 3.7h-5.4l-1.7-5.1z",
    "M-4-2-2-4 0-2 2-4 4-2 2 0 4 2 2 4 0 2-2 4-4 2-2 0z",
    "M0-5 1.3-1.7 4.8-1.5 2.1.7 3 4.1 0 2.2-3 4.1-2.1.7-4.8-1.5-1.3-1.7z",
)
"""Paths about (0, 0), in pixels: those of `style.MARKERS`."""

_LIGHT = {
    "paper": "#FFFFFF",
    "panel": "#F5F6F7",
    "ink": "#1F2328",
    "faint": "#5A636C",
    "rule": "#D5D9DD",
    "grid": "#E6E8EA",
    "link": "#005A8F",
    "mark": "#FFF3C9",
}
_DARK = {
    "paper": "#15181C",
    "panel": "#1F2429",
    "ink": "#E8EAED",
    "faint": "#A4ADB6",
    "rule": "#3A424A",
    "grid": "#2B3138",
    "link": "#7CC0F5",
    "mark": "#3B3517",
}


class Look:
    """Who looks how: each name its index, in the order in which they are first asked for."""

    def __init__(self) -> None:
        self.indices: dict[str, int] = {}

    def index(self, name: str) -> int:
        """The index of a name, the same throughout a page."""
        return self.indices.setdefault(name, len(self.indices))


def look(index: int) -> str:
    """Attributes of an element whose colour and dashes are those of the index.

    >>> look(1)
    'style="--c:var(--c1);--d:7 3"'
    """
    dashes = DASHES[index % len(DASHES)] or "none"
    return f'style="--c:var(--c{index % len(DARK_COLORS)});--d:{dashes}"'


def markers() -> str:
    """The markers, to be drawn by `<use href="#_m0">`."""
    paths = "".join(f'<path id="_m{i}" d="{path}"/>' for i, path in enumerate(MARKERS))
    return f'<svg class="store" aria-hidden="true" width="0" height="0"><defs>{paths}</defs></svg>'


def legend_key(index: int) -> str:
    """A short line in the look of the index, with its marker: what stands beside its name."""
    mark = f'<use href="#_m{index % len(MARKERS)}" x="17" y="6"/>'
    line = '<line x1="1" x2="33" y1="6" y2="6"/>'
    size = 'width="34" height="12" aria-hidden="true"'
    return f'<svg class="key" {size} {look(index)}>{line}{mark}</svg>'


def variables() -> str:
    """The colours as CSS variables: dark where the reader's system or choice is, light on paper."""
    light = _rules(_LIGHT, style.COLORS, "light")
    dark = _rules(_DARK, DARK_COLORS, "dark")
    return (
        f":root{{{light}}}\n@media screen{{\n:root[data-theme=dark]{{{dark}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n}}\n"
    )


def _rules(named: dict[str, str], colors: tuple[str, ...], scheme: str) -> str:
    series = {f"c{index}": color for index, color in enumerate(colors)}
    return f"color-scheme:{scheme};" + "".join(f"--{k}:{v};" for k, v in (named | series).items())
