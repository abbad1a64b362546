"""A table in HTML that needs no script: a sticky first column, and what a script sorts by."""

from __future__ import annotations

import math
from collections.abc import Mapping

from jaxnn.bench.html.look import Look, legend_key
from jaxnn.bench.html.parts import TAGS, Cell, Column, Content, Table
from jaxnn.bench.html.text import escape, figure, interval

__all__ = ["table"]

LONG = 24
"""A name of more letters may be broken."""

_ARROWS = {"low": ("↓", "lower is better"), "high": ("↑", "higher is better"), "": ("", "")}


def table(one: Table, looks: Look, label: str) -> str:
    """The table in a box that scrolls sideways. label: the id of the heading that names it."""
    tags = one.tags or ({},) * len(one.rows)
    best = [_best(one, index, tags) for index in range(len(one.columns))]
    head = "".join(map(_head, one.columns))
    body = []
    for number, (row, tag) in enumerate(zip(one.rows, tags, strict=True)):
        cells = (
            _cell(
                cell,
                column,
                best=number in best[index],
                key=_key(cell, tag, looks),
                first=index == 0,
            )
            for index, (cell, column) in enumerate(zip(row, one.columns, strict=True))
        )
        data = "".join(f' data-{name}="{escape(tag[name])}"' for name in TAGS if tag.get(name))
        body.append(f"<tr{data}>{''.join(cells)}</tr>")
    caption = f'<p class="caption">{escape(one.caption)}</p>' if one.caption else ""
    return (
        f'<div class="scroll" role="region" aria-labelledby="{label}" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{chr(10).join(body)}\n</tbody></table></div>"
        f"{caption}{_legend(one, best)}"
    )


def _head(column: Column) -> str:
    arrow, words = _ARROWS[column.better]
    sign = f' <abbr title="{words}" aria-label="{words}">{arrow}</abbr>' if arrow else ""
    unit = f' <span class="unit">({escape(column.unit)})</span>' if column.unit else ""
    kind = f'class="{column.kind}" data-kind="{column.kind}" data-better="{column.better}"'
    return f'<th scope="col" {kind}>{escape(column.name)}{unit}{sign}</th>'


def _key(cell: Content, tags: Mapping[str, str], looks: Look) -> str:
    """The look of a contestant, beside its name."""
    name = tags.get("optimizer")
    return legend_key(looks.index(name)) if name and cell == name else ""


def _cell(cell: Content, column: Column, *, best: bool, key: str, first: bool) -> str:
    text, value = _shown(cell), _value(cell)
    if column.kind == "code" and isinstance(cell, str):
        text = f"<code>{text}</code>"
    data = "" if math.isnan(value) else f' data-value="{value!r}"'
    kind = f"{column.kind} best" if best else column.kind
    if first and len(text) > LONG:
        kind += " long"
    tag = 'th scope="row"' if first else "td"
    return f'<{tag} class="{kind}"{data}>{key}{text}</{tag.partition(" ")[0]}>'


def _shown(cell: Content) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return escape(cell)
    if isinstance(cell, Cell):
        return escape(cell.text)
    if isinstance(cell, tuple):
        value, ends = interval(*map(float, cell))
        return f'<b>{value}</b> <span class="ends">{ends}</span>' if ends else value
    return figure(float(cell))


def _value(cell: Content) -> float:
    """What a cell is sorted by; NaN for none."""
    if cell is None or isinstance(cell, str):
        return math.nan
    return float(cell[0] if isinstance(cell, tuple) else cell)


def _best(one: Table, index: int, tags: tuple[Mapping[str, str], ...]) -> set[int]:
    """The rows with the best figure of a column among those of their problem, where they differ."""
    better = one.columns[index].better
    groups: dict[str, dict[int, float]] = {}
    for number, (row, tag) in enumerate(zip(one.rows, tags, strict=True)):
        value = _value(row[index])
        if better and not math.isnan(value):
            groups.setdefault(tag.get("problem", ""), {})[number] = value
    best = set()
    for values in groups.values():
        top = (min if better == "low" else max)(values.values())
        if len(set(values.values())) > 1 and math.isfinite(top):
            best |= {number for number, value in values.items() if value == top}
    return best


def _legend(one: Table, best: list[set[int]]) -> str:
    if not any(best):
        return ""
    several = len({tag.get("problem") for tag in one.tags}) > 1
    where = "of each problem" if several else "of its column"
    return f'<p class="caption">Shaded: the best figure {where}, whatever its interval.</p>'
