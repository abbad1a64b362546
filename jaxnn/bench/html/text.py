"""Text that is safe in a page: escaped, numbered, named."""

from __future__ import annotations

import html
import json
import math
import re
from typing import Any

__all__ = ["anchor", "embed", "escape", "figure", "interval"]

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def escape(text: str) -> str:
    """Text for an element or a quoted attribute; what no page may hold becomes U+FFFD.

    >>> escape('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(_UNFIT.sub("\ufffd", text))


def embed(data: Any) -> str:
    """JSON for a script element: nothing in it ends the element.

    >>> embed({"name": "</script>"})
    '{"name":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def figure(value: float) -> str:
    """A figure of 3 digits, whole numbers below a million in full, a true minus.

    >>> figure(0.098765), figure(-1234.0), figure(3.2e-7), figure(math.inf), figure(math.nan)
    ('0.0988', '−1,234', '3.2e−7', '∞', '–')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if abs(value) < 1e6 and (value == round(value) or abs(value) >= 1e3):
        text = f"{value:,.0f}"
    else:
        text = re.sub(r"e([+-])0*", lambda m: "e" + m[1].strip("+"), f"{value:.3g}")
    return "0" if text == "-0" else text.replace("-", "−")


def interval(value: float, low: float, high: float) -> tuple[str, str]:
    """A figure and the interval after it, to the same place; – alone where there is no figure.

    Numbers of very different sizes are written each for itself.

    >>> interval(0.1, 0.09, 0.115), interval(1.0, 1e-5, 2.0), interval(math.nan, 0.0, 1.0)
    (('0.100', '[0.090, 0.115]'), ('1', '[1e−5, 2]'), ('–', ''))
    """
    if math.isnan(value):
        return figure(value), ""
    three = (value, low, high)
    finite = [v for v in three if math.isfinite(v)]
    sizes = [abs(v) for v in finite if v]
    least, most = (min(sizes), max(sizes)) if sizes else (1.0, math.inf)
    if all(v == round(v) for v in finite) or not 1e-4 <= least <= most < min(1e6, 100 * least):
        texts = [figure(v) for v in three]
    else:
        size = abs(value) if most / 10 < abs(value) < math.inf else most
        decimals = max(0, 2 - math.floor(math.log10(size)))
        texts = [_fixed(v, decimals) if v in finite else figure(v) for v in three]
    return texts[0], f"[{texts[1]}, {texts[2]}]"


def _fixed(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}".replace("-", "−")


def anchor(heading: str, taken: set[str]) -> str:
    """A name for links to a heading, unlike all that are `taken`, to which it is added.

    >>> taken = set()
    >>> anchor("Test loss: digits", taken), anchor("test loss – digits", taken)
    ('test-loss-digits', 'test-loss-digits-2')
    """
    name = re.sub("[^a-z0-9]+", "-", heading.lower()).strip("-")
    name = name if name[:1].isalpha() else f"section-{name}".strip("-")
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}-{count}"
    taken.add(free)
    return free
