r"""Tables for papers: LaTeX with booktabs, and Markdown; figures with intervals, the best in bold.

    cells = mark_best([Estimate(0.1234, 0.1203, 0.1265), Estimate(0.1260, 0.1210, 0.1310)], {1})
    rows = [["adam", cells[0]], ["sgd", cells[1]]]
    print(latex_table(["optimizer", "test loss"], rows, "Test loss on digits.", "tab:digits"))

A figure has as many decimals as its interval has room for, two digits of the half width: 0.1234
within 0.0031 is 0.1234 [0.1203, 0.1265], within 0.31 it is 0.12 [-0.19, 0.43].
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeAlias

from jaxnn.bench.statistics import Estimate
from jaxnn.errors import bad_type, bad_value, check_integer, look_up, shown

__all__ = ["Cell", "Figure", "escape_latex", "latex_table", "mark_best", "markdown_table"]


class Figure(NamedTuple):
    """A figure in a column: its best, or level with that, so that no test tells them apart."""

    estimate: Estimate
    best: bool = False
    level: bool = False


Cell: TypeAlias = str | int | float | Estimate | Figure | None
"""What a table holds; None is a figure that there is not."""

Style: TypeAlias = Literal["interval", "plus-minus"]

_BEST = "Bold: the best of its column."
_LEVEL = "†: not told apart from the best."


def mark_best(
    column: Sequence[Estimate], level: Collection[int] = (), *, mode: str = "min"
) -> list[Figure]:
    """A column of figures with the best marked, and those that cannot be told apart from it.

    level: numbers of the rows that a test does not tell apart from the best; it is asked for, since
    it cannot be read off intervals that overlap. mode: "min" or "max", which value is best. Equal
    values are best together; NaN never is.
    Raises TypeError and ValueError for rows that there are not and for another mode.

    >>> cells = mark_best([Estimate(2.0, 1.0, 3.0), Estimate(1.5, 1.0, 2.0)], level={0})
    >>> [(cell.best, cell.level) for cell in cells]
    [(False, True), (True, False)]
    """
    best_of = look_up("mark_best", "mode", mode, {"min": min, "max": max})
    for row in level:
        check_integer("mark_best", "level", row, low=0, high=len(column) - 1)
    best = best_of((x.value for x in column if not math.isnan(x.value)), default=math.nan)
    return [
        Figure(x, x.value == best, i in level and x.value != best) for i, x in enumerate(column)
    ]


def latex_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    caption: str = "",
    label: str = "",
    *,
    style: Style = "interval",
    digits: int = 2,
) -> str:
    r"""A table environment for `\usepackage{booktabs}`, all texts escaped.

    headings: one for each column. rows: of cells: texts; numbers; estimates, or figures that
    `mark_best` marked; None. caption: what bold and † mean is added to it where they occur. label:
    of letters, digits and :._/+-; caption and label are left out where they are empty. style:
    "interval" gives 0.123 with [0.120, 0.126] as its index; "plus-minus" gives 0.123 ± 0.003, and
    each side its own where they differ. digits: >= 1, of the half width of intervals. NaN and None
    are a dash; a figure whose interval is NaN or has no width stands alone.
    Raises ValueError for rows of another length than the headings and for other options; TypeError
    for cells of another type.

    >>> figure = Figure(Estimate(0.123, 0.120, 0.126), best=True)
    >>> print(latex_table(["optimizer", "loss"], [["my_rule", figure]], "5 % noise.", "tab:noise"))
    % \usepackage{booktabs}
    \begin{table}
      \centering
      \caption{5 \% noise. Bold: the best of its column.}
      \label{tab:noise}
      \begin{tabular}{lr}
        \toprule
        optimizer & loss \\
        \midrule
        my\_rule & $\mathbf{0.1230}_{[0.1200, 0.1260]}$ \\
        \bottomrule
      \end{tabular}
    \end{table}
    <BLANKLINE>
    """
    where = "latex_table"
    _check(where, headings, rows, style, digits)
    if not re.fullmatch(r"[A-Za-z0-9:._/+-]*", label):
        raise bad_value(where, "label", "of letters, digits and :._/+-", repr(label))
    cells = [[_cell(where, x, escape_latex, _latex, style, digits) for x in row] for row in rows]
    body = [_latex_row([escape_latex(x) for x in headings]), *map(_latex_row, cells)]
    text = escape_latex(" ".join([*caption.split(), *_notes(rows)]))
    aligned = "".join("r" if right else "l" for right in _right(headings, rows))
    lines = [
        "% \\usepackage{booktabs}",
        "\\begin{table}",
        "  \\centering",
        *([f"  \\caption{{{text}}}"] if text else []),
        *([f"  \\label{{{label}}}"] if label else []),
        f"  \\begin{{tabular}}{{{aligned}}}",
        "    \\toprule",
        f"    {body[0]}",
        "    \\midrule",
        *(f"    {line}" for line in body[1:]),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def markdown_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    style: Style = "interval",
    digits: int = 2,
) -> str:
    r"""The same table in GitHub's Markdown, and below it what bold and † mean where they occur.

    Arguments and errors: as in `latex_table`.

    >>> figure = Figure(Estimate(0.123, 0.120, 0.126), best=True)
    >>> print(markdown_table(["optimizer", "loss"], [["my_rule", figure], ["*", None]]))
    | optimizer | loss |
    | --- | ---: |
    | my_rule | **0.1230** [0.1200, 0.1260] |
    | \* | – |
    <BLANKLINE>
    Bold: the best of its column.
    <BLANKLINE>
    """
    where = "markdown_table"
    _check(where, headings, rows, style, digits)
    cells = [[_cell(where, x, _escape_markdown, _markdown, style, digits) for x in r] for r in rows]
    rule = ["---:" if right else "---" for right in _right(headings, rows)]
    lines = [[_escape_markdown(x) for x in headings], rule, *cells]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    notes = _notes(rows)
    return f"{text}\n{' '.join(notes)}\n" if notes else text


def _check(
    where: str, headings: Sequence[str], rows: Sequence[Sequence[Cell]], style: str, digits: int
) -> None:
    look_up(where, "style", style, {"interval": None, "plus-minus": None})
    check_integer(where, "digits", digits, low=1)
    if not headings:
        raise bad_value(where, "headings", "at least one", "none")
    for number, row in enumerate(rows):
        if len(row) != len(headings):
            constraint = f"of {len(headings)} cells, as there are headings"
            raise bad_value(where, f"rows[{number}]", constraint, len(row))


def _notes(rows: Sequence[Sequence[Cell]]) -> list[str]:
    figures = [cell for row in rows for cell in row if isinstance(cell, Figure)]
    best = [_BEST] if any(figure.best for figure in figures) else []
    return best + ([_LEVEL] if any(figure.level for figure in figures) else [])


def _right(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[bool]:
    """Which columns hold numbers."""
    columns = [[row[number] for row in rows] for number in range(len(headings))]
    return [any(not isinstance(x, str | None) for x in column) for column in columns]


class _Shown(NamedTuple):
    """A figure as text: "" where it has no interval; times 10 to the exponent."""

    value: str
    low: str = ""
    high: str = ""
    below: str = ""  # value − low; "" where the value is infinite
    above: str = ""
    exponent: int = 0


def _cell(
    where: str,
    cell: Cell,
    escape: Callable[[str], str],
    figure: Callable[[_Shown, Figure, Style], str],
    style: Style,
    digits: int,
) -> str:
    if isinstance(cell, str):
        return escape(cell)
    given: Any = math.nan if cell is None else cell
    if isinstance(given, numbers.Integral) and not isinstance(given, bool):
        return figure(_Shown(str(given)), Figure(_ALONE), style)
    if isinstance(given, numbers.Real) and not isinstance(given, bool):
        given = _ALONE._replace(value=float(given))
    if isinstance(given, Estimate):
        given = Figure(given)
    if not isinstance(given, Figure):
        constraint = "texts, numbers, estimates, figures or None"
        raise bad_type(where, "rows", constraint, shown(cell))
    if math.isnan(given.estimate.value):
        return escape("–")
    return figure(_shown(given.estimate, digits), given, style)


_ALONE = Estimate(math.nan, math.nan, math.nan)


def _shown(estimate: Estimate, digits: int) -> _Shown:
    value, low, high = map(float, estimate)
    if math.isnan(low) or math.isnan(high) or low == high:
        exponent = _exponent([value])
        text = _fixed(value, exponent, 3 - _magnitude(value, 4) + exponent)
        return _Shown(text.rstrip("0").rstrip(".") if "." in text else text, exponent=exponent)
    exponent = _exponent([value, low, high])
    below, above = value - low, high - value
    widths = [x for x in (below, above) if math.isfinite(x)]
    # Six digits of the figure are enough, however narrow its interval.
    decimals = (5 if widths else 2) - _largest([value, low, high])
    if widths:
        decimals = min(decimals, digits - 1 - _magnitude(max(widths), digits))
    decimals += exponent
    sides = (below, above) if math.isfinite(value) else ()
    texts = [_fixed(x, exponent, decimals) for x in (value, low, high, *sides)]
    return _Shown(*texts, exponent=exponent)


def _magnitude(x: float, digits: int) -> int:
    """The power of ten of the first digit, once rounded to so many digits."""
    return int(f"{x:.{digits - 1}e}".partition("e")[2]) if math.isfinite(x) else 0


def _largest(values: Sequence[float]) -> int:
    return _magnitude(max((abs(x) for x in values if math.isfinite(x)), default=0.0), 6)


def _exponent(values: Sequence[float]) -> int:
    """The power of ten that is taken out: 0 unless numbers are below 0.001 or from a million on."""
    largest = _largest(values)
    return 0 if -3 <= largest < 6 else largest


def _fixed(x: float, exponent: int, decimals: int) -> str:
    if not math.isfinite(x):
        return "∞" if x > 0 else "-∞"
    # Decimal: 10 ** -320 is no normal float.
    return f"{Decimal(x).scaleb(-exponent):z.{max(decimals, 0)}f}"


def _latex(text: _Shown, figure: Figure, style: Style) -> str:
    value, low, high, below, above = (x.replace("∞", "\\infty") for x in text[:5])
    body = f"\\mathbf{{{value}}}" if figure.best else value
    if low and (style == "interval" or not below):
        body += f"_{{[{low}, {high}]}}"
    elif low and below == above:
        body = f"({body} \\pm {above})" if text.exponent else f"{body} \\pm {above}"
    elif low:
        body += f"^{{+{above}}}_{{-{below}}}"
    if text.exponent:
        body += f" \\times 10^{{{text.exponent}}}"
    return f"${body}$" + ("\\textsuperscript{$\\dagger$}" if figure.level else "")


def _markdown(text: _Shown, figure: Figure, style: Style) -> str:
    body = f"**{text.value}**" if figure.best else text.value
    body += "†" if figure.level else ""
    if text.low and (style == "interval" or not text.below):
        body += f" [{text.low}, {text.high}]"
    elif text.low and text.below == text.above:
        body = f"({body} ± {text.above})" if text.exponent else f"{body} ± {text.above}"
    elif text.low:
        body += f" (+{text.above}, -{text.below})"
    return f"{body} × 10{str(text.exponent).translate(_RAISED)}" if text.exponent else body


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _latex_row(cells: Sequence[str]) -> str:
    r"""A row. After the `\\` of the one before, a first `[` or `*` would be an argument of that."""
    line = " & ".join(cells)
    return f"{'{}' if line[:1] in ('[', '*') else ''}{line} \\\\"


def escape_latex(text: str) -> str:
    r"""A text as LaTeX sets it letter for letter, on one line.

    What LaTeX reads as commands is escaped; Greek letters and signs that its fonts have in formulas
    only go there; two hyphens stay two. Accented letters stay as they are.

    >>> print(escape_latex("a_b & 5 % of #1 in ${x}$ ~ 2^3 \\ 'a'"))
    a\_b \& 5 \% of \#1 in \$\{x\}\$ \textasciitilde{} 2\textasciicircum{}3 \textbackslash{} 'a'
    >>> print(escape_latex("--budget ≤ 60 µs"))
    -{}-budget $\leq$ 60 $\mu$s
    """
    return re.sub("-(?=-)", f"-{_JOINER}", " ".join(text.split())).translate(_ESCAPED)


_JOINER = "\u2060"  # between hyphens, which would become one dash


_COMMANDS = {
    "≤": "leq", "≥": "geq", "≠": "neq", "≈": "approx", "∞": "infty", "±": "pm", "×": "times",
    "·": "cdot", "→": "to", "←": "gets", "√": "surd", "†": "dagger", "∈": "in", "∇": "nabla",
    "∂": "partial", "µ": "mu", "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta",
    "ε": "varepsilon", "ζ": "zeta", "η": "eta", "θ": "theta", "ι": "iota", "κ": "kappa",
    "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "τ": "tau", "υ": "upsilon", "φ": "varphi", "χ": "chi", "ψ": "psi", "ω": "omega",
    "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi",
    "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
"""What is set in formulas."""

_ESCAPED = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {sign: f"$\\{name}$" for sign, name in _COMMANDS.items()}
    | {
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "<": "\\textless{}",
        ">": "\\textgreater{}",
        "|": "\\textbar{}",
        "–": "\\textendash{}",
        "—": "\\textemdash{}",
        "…": "\\ldots{}",
        "−": "$-$",
        _JOINER: "{}",
    }
)


def _escape_markdown(text: str) -> str:
    """A text as GitHub shows it letter for letter, on one line; underscores in words may stay."""
    one_line = re.sub(r"&(?=#?\w+;)", "&amp;", " ".join(text.split()))
    return re.sub(r"[\\`*\[\]<>|~$]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", one_line)
