"""The page: words, tables, charts and code in one HTML file that asks the network for nothing.

The first words come first, then links to everything and the filters. Text, tables and pictures are
whole without JavaScript; a script adds sorting, filters, values under the pointer, and copying. No
script but that one can run: its digest stands in the page's policy.
Reference: W3C, "Content Security Policy Level 3", section 2.3.1.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jaxnn.bench.html.charts import chart, most_points
from jaxnn.bench.html.look import Look, markers, variables
from jaxnn.bench.html.parts import TAGS, Lines, Section, Table, Words
from jaxnn.bench.html.tables import table
from jaxnn.bench.html.text import anchor, embed, escape
from jaxnn.errors import bad_type, bad_value, shown

__all__ = ["page"]

WHOLE_ROWS = 12
"""A table of more rows may be parted between two pages of paper."""

_EARLY = (
    'document.documentElement.classList.add("js");'
    'try{const t=localStorage.getItem("jaxnn-theme");'
    "if(t)document.documentElement.dataset.theme=t}catch{}"
)
"""Before anything is drawn: that there is a script, and the reader's choice of light or dark."""

_FILTERS = {"problem": "Problems", "optimizer": "Contestants"}


def page(title: str, sections: Sequence[Section], *, subtitle: str = "", footer: str = "") -> str:
    """The text of an HTML file with a section for each of `sections`; to be written as UTF-8.

    The first `Words` is moved to the front. The same input gives the same text. All strings are
    plain text. Curves are thinned to about 200 points, to fewer where there are over 375 of them.
    Raises TypeError for a section of another type, ValueError where two have the same id.

    >>> page("Comparison", [Words("Verdict", ("adam wins.",))]).splitlines()[0]
    '<!DOCTYPE html>'
    """
    ordered = _check(title, sections, subtitle, footer)
    looks, data, taken = Look(), [], {one.id for one in ordered if isinstance(one, Words)}
    names = [getattr(one, "id", "") or anchor(one.heading, taken) for one in ordered]
    filters = _filters(ordered)
    for name in filters["optimizer"]:
        looks.index(name)
    most = most_points(sum(len(one.series) for one in ordered if isinstance(one, Lines)))
    parts = [_section(*both, looks, most, data) for both in zip(ordered, names, strict=True)]
    leads = bool(ordered) and isinstance(ordered[0], Words)
    script = files("jaxnn.bench.html").joinpath("script.js").read_text(encoding="utf-8")
    style = files("jaxnn.bench.html").joinpath("style.css").read_text(encoding="utf-8")
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
        f"form-action 'none'; script-src {_digest(_EARLY)} {_digest(script)}"
    )
    links = "".join(
        f'<li><a href="#{name}">{escape(one.heading)}</a></li>'
        for name, one in zip(names, ordered, strict=True)
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<script>{_EARLY}</script>
<style>
{variables()}{style}</style>
</head>
<body>
<a class="skip" href="#_main">Skip to the content</a>
<header>
<div><h1>{escape(title)}</h1>{f"<p>{escape(subtitle)}</p>" if subtitle else ""}</div>
<button type="button" class="needs-script" id="_theme">Dark</button>
</header>
<main id="_main" tabindex="-1">
<div class="verdict">{parts.pop(0) if leads else ""}</div>
<div class="tools">
<nav aria-labelledby="_contents"><h2 id="_contents">Contents</h2><ol>{links}</ol></nav>
{_filter_boxes(filters)}
</div>
<div class="sections">
{_side_by_side(parts)}
</div>
</main>
<footer>{f"<p>{escape(footer)}</p>" if footer else ""}</footer>
<div id="_said" class="unseen" aria-live="polite"></div>
{markers()}
<script type="application/json" id="_data">{embed(data)}</script>
<script>{script}</script>
</body>
</html>
"""


def _check(title: str, sections: Any, subtitle: str, footer: str) -> list[Section]:
    """The sections with the first words first."""
    for name, text in (("title", title), ("subtitle", subtitle), ("footer", footer)):
        if not isinstance(text, str):
            raise bad_type("html.page", name, "a string", shown(text))
    ordered = list(sections)
    for one in ordered:
        if not isinstance(one, Section):
            constraint = "of Words, Table, Lines and Code"
            raise bad_type("html.page", "sections", constraint, shown(one))
    given = [one.id for one in ordered if isinstance(one, Words) and one.id]
    if twice := sorted({name for name in given if given.count(name) > 1}):
        raise bad_value("html.page", "sections", "without two of one id", repr(twice[0]))
    first = next((one for one in ordered if isinstance(one, Words)), None)
    return ordered if first is None else [first, *(one for one in ordered if one is not first)]


def _section(one: Section, name: str, looks: Look, most: int, data: list[Any]) -> str:
    """One section; the data of a chart are added to `data`."""
    heading = f"_h-{name}"
    kind = type(one).__name__.lower()
    if isinstance(one, Table) and len(one.rows) > WHOLE_ROWS:
        kind += " long"
    if isinstance(one, Words):
        body = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in one.paragraphs)
    elif isinstance(one, Table):
        body = table(one, looks, heading) + _EMPTY
    elif isinstance(one, Lines):
        body, points = chart(one, looks, f"_c-{name}", most)
        body += _EMPTY
        data.append(points)
    else:
        language = f'<span class="language">{escape(one.language)}</span>' if one.language else ""
        body = f'<div class="listing">{language}<pre tabindex="0"><code>{escape(one.text)}'
        body += "</code></pre></div>"
    return (
        f'<section class="{kind}" id="{name}" aria-labelledby="{heading}">'
        f'<h2 id="{heading}">{escape(one.heading)}</h2>{body}</section>'
    )


_EMPTY = '<p class="empty" hidden>Nothing is left here by the filters.</p>'


def _side_by_side(parts: list[str]) -> str:
    """Charts that follow one another stand in a grid."""
    text, within = [], False
    for part in parts:
        is_chart = part.startswith('<section class="lines"')
        if is_chart != within:
            text.append('<div class="charts">' if is_chart else "</div>")
            within = is_chart
        text.append(part)
    return "\n".join([*text, "</div>"] if within else text)


def _filters(sections: list[Section]) -> dict[str, list[str]]:
    """What can be filtered: tag → its values, in the order in which they appear."""
    found: dict[str, dict[str, None]] = {name: {} for name in TAGS}
    for one in sections:
        if isinstance(one, Table):
            each = one.tags
        elif isinstance(one, Lines):
            each = [{"problem": s.problem, "optimizer": s.optimizer} for s in one.series]
        else:
            continue
        for tags in each:
            for name in TAGS:
                if tags.get(name):
                    found[name][tags[name]] = None
    return {name: list(values) for name, values in found.items()}


def _filter_boxes(filters: dict[str, list[str]]) -> str:
    groups = "".join(
        f'<fieldset data-tag="{name}"><legend>{_FILTERS[name]}</legend>'
        '<p><button type="button" data-all="1">All</button> '
        '<button type="button" data-all="">None</button></p><div>'
        + "".join(
            f'<label><input type="checkbox" autocomplete="off" checked value="{escape(value)}"> '
            f"{escape(value)}</label>"
            for value in values
        )
        + "</div></fieldset>"
        for name, values in filters.items()
        if len(values) > 1
    )
    if not groups:
        return ""
    return (
        '<section class="filters needs-script" aria-labelledby="_filters">'
        f'<h2 id="_filters">Show</h2>{groups}</section>'
    )


def _digest(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
