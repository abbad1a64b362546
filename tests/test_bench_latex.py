"""Tables for papers: letter for letter, read back, and built as LaTeX and Markdown want them."""

from __future__ import annotations

import html
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from jaxnn.bench.latex import Figure, escape_latex, latex_table, mark_best, markdown_table
from jaxnn.bench.statistics import Estimate

NAN, INF = math.nan, math.inf
ADAM, SGD, LION = (
    Estimate(0.1234, 0.1203, 0.1265),
    Estimate(0.1260, 0.1210, 0.1310),
    Estimate(0.2, 0.1, 0.3),
)


def one(cell, **options) -> tuple[str, str]:
    """A cell in both formats."""
    latex = latex_table(["a"], [[cell]], **options).split("\\midrule\n    ")[1]
    return latex.split(" \\\\\n")[0], markdown_table(["a"], [[cell]], **options).split("\n")[2][
        2:-2
    ]


def test_a_latex_table_letter_for_letter() -> None:
    cells = mark_best([ADAM, SGD, LION], level={1})
    rows = [
        ["adam", cells[0], 3, None],
        ["my_rule:sgd", cells[1], -12, NAN],
        ["lion & co", cells[2], 0.5, "5 %"],
    ]
    headings = ["optimizer", "test loss", "#", "rate"]
    assert latex_table(headings, rows, "Loss on digits_cnn, 95 % intervals.", "tab:digits_cnn") == (
        r"""% \usepackage{booktabs}
\begin{table}
  \centering
  \caption{Loss on digits\_cnn, 95 \% intervals. Bold: the best of its column. """
        r"""$\dagger$: not told apart from the best.}
  \label{tab:digits_cnn}
  \begin{tabular}{lrrr}
    \toprule
    optimizer & test loss & \# & rate \\
    \midrule
    adam & $\mathbf{0.1234}_{[0.1203, 0.1265]}$ & $3$ & \textendash{} \\
    my\_rule:sgd & $0.1260_{[0.1210, 0.1310]}$\textsuperscript{$\dagger$} & $-12$ & \textendash{} \\
    lion \& co & $0.20_{[0.10, 0.30]}$ & $0.5$ & 5 \% \\
    \bottomrule
  \end{tabular}
\end{table}
"""
    )


def test_a_markdown_table_letter_for_letter() -> None:
    cells = mark_best([ADAM, SGD, LION], level={1})
    rows = [["adam", cells[0], 3], ["my_rule|sgd", cells[1], -12], ["*lion*", cells[2], None]]
    assert markdown_table(["optimizer", "test loss", "#"], rows) == (
        """| optimizer | test loss | # |
| --- | ---: | ---: |
| adam | **0.1234** [0.1203, 0.1265] | 3 |
| my_rule\\|sgd | 0.1260† [0.1210, 0.1310] | -12 |
| \\*lion\\* | 0.20 [0.10, 0.30] | – |

Bold: the best of its column. †: not told apart from the best.
"""
    )


def test_what_is_not_there_is_not_explained() -> None:
    assert latex_table(["a"], []) == (
        "% \\usepackage{booktabs}\n\\begin{table}\n  \\centering\n  \\begin{tabular}{l}\n"
        "    \\toprule\n    a \\\\\n    \\midrule\n    \\bottomrule\n  \\end{tabular}\n"
        "\\end{table}\n"
    )
    assert markdown_table(["a"], [["b"]]) == "| a |\n| --- |\n| b |\n"
    only_level = markdown_table(["a"], [[Figure(ADAM, level=True)]])
    assert only_level.endswith("|\n\n†: not told apart from the best.\n")
    only_best = latex_table(["a"], [[Figure(ADAM, best=True)]])
    assert "\\caption{Bold: the best of its column.}\n" in only_best


@pytest.mark.parametrize(
    ("figures", "latex", "markdown"),
    [
        ((0.1234, 0.1203, 0.1265), "0.1234_{[0.1203, 0.1265]}", "0.1234 [0.1203, 0.1265]"),
        ((0.1234, -0.1866, 0.4334), "0.12_{[-0.19, 0.43]}", "0.12 [-0.19, 0.43]"),
        # 0.3 − 0.2 is a little less than 0.1.
        ((0.2, 0.1, 0.3), "0.20_{[0.10, 0.30]}", "0.20 [0.10, 0.30]"),
        # The half width is 0.0996, rounded 0.10.
        ((1.0, 0.9004, 1.0996), "1.00_{[0.90, 1.10]}", "1.00 [0.90, 1.10]"),
        ((1234.4, 890.2, 1578.8), "1234_{[890, 1579]}", "1234 [890, 1579]"),
        ((-0.0001, -0.0301, 0.0299), "0.000_{[-0.030, 0.030]}", "0.000 [-0.030, 0.030]"),
        ((0.5, 0.5 - 1e-9, 0.5 + 1e-9), "0.500000_{[0.500000, 0.500000]}", None),
        (
            (1.3e-9, 1.1e-9, 1.5e-9),
            "1.30_{[1.10, 1.50]} \\times 10^{-9}",
            "1.30 [1.10, 1.50] × 10⁻⁹",
        ),
        ((2e6, 1.5e6, 2.5e6), "2.00_{[1.50, 2.50]} \\times 10^{6}", "2.00 [1.50, 2.50] × 10⁶"),
        ((1e308, 9e307, 1.5e308), "1.00_{[0.90, 1.50]} \\times 10^{308}", None),
        ((5e-324, 0, 1e-323), "4.9_{[0.0, 9.9]} \\times 10^{-324}", None),
        ((0.001, 0.0008, 0.0012), "0.00100_{[0.00080, 0.00120]}", None),
        ((120, 100, INF), "120_{[100, \\infty]}", "120 [100, ∞]"),
        ((INF, 500, INF), "\\infty_{[500, \\infty]}", "∞ [500, ∞]"),
        ((INF, INF, INF), "\\infty", "∞"),
        ((-INF, NAN, NAN), "-\\infty", "-∞"),
        ((0.5, 0.5, 0.5), "0.5", "0.5"),
        ((0.0, 0.0, 0.0), "0", "0"),
        ((1.23456, NAN, NAN), "1.235", "1.235"),
        ((3e-4, NAN, NAN), "3 \\times 10^{-4}", "3 × 10⁻⁴"),
        ((12345678.9, NAN, NAN), "1.235 \\times 10^{7}", "1.235 × 10⁷"),
        ((100.0, NAN, NAN), "100", "100"),
    ],
)
def test_figures(figures, latex: str, markdown: str | None) -> None:
    found = one(Estimate(*figures))
    assert found[0] == f"${latex}$"
    assert markdown is None or found[1] == markdown


def test_figures_with_plus_and_minus() -> None:
    even, skewed = Estimate(0.123, 0.120, 0.126), Estimate(0.123, 0.121, 0.126)
    assert one(even, style="plus-minus") == ("$0.1230 \\pm 0.0030$", "0.1230 ± 0.0030")
    assert one(skewed, style="plus-minus") == (
        "$0.1230^{+0.0030}_{-0.0020}$",
        "0.1230 (+0.0030, -0.0020)",
    )
    small = Estimate(1.3e-9, 1.1e-9, 1.5e-9)
    assert one(Figure(small, best=True), style="plus-minus") == (
        "$(\\mathbf{1.30} \\pm 0.20) \\times 10^{-9}$",
        "(**1.30** ± 0.20) × 10⁻⁹",
    )
    assert one(Figure(skewed, level=True), style="plus-minus") == (
        "$0.1230^{+0.0030}_{-0.0020}$\\textsuperscript{$\\dagger$}",
        "0.1230† (+0.0030, -0.0020)",
    )
    assert one(Estimate(120, 100, INF), style="plus-minus")[0] == "$120^{+\\infty}_{-20}$"
    assert one(Estimate(INF, 500, INF), style="plus-minus")[0] == "$\\infty_{[500, \\infty]}$"
    assert one(Estimate(1.5, NAN, NAN), style="plus-minus") == ("$1.5$", "1.5")


def test_digits_of_the_half_width() -> None:
    figure = Estimate(0.12345, 0.12012, 0.12678)
    found = [one(figure, digits=digits)[1] for digits in (1, 2, 3)]
    assert found == [
        "0.123 [0.120, 0.127]",
        "0.1235 [0.1201, 0.1268]",
        "0.12345 [0.12012, 0.12678]",
    ]


@given(
    st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-6),
    st.floats(1e-4, 1e2),
    st.integers(1, 3),
)
def test_figures_are_read_back_to_their_digits(value: float, share: float, digits: int) -> None:
    half = share * abs(value)
    text = one(Estimate(value, value - half, value + half), digits=digits)[1]
    mantissa, _, power = text.partition(" × 10")
    scale = 10.0 ** int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)
    shown = re.findall(r"[-\d.]+", mantissa)
    (decimals,) = {len(x.partition(".")[2]) for x in shown}
    unit = scale * 10.0**-decimals
    read = [scale * float(x) for x in shown]
    assert read == pytest.approx([value, value - half, value + half], abs=0.5001 * unit)
    # So many digits of the half width, or six of the figure, and no more.
    coarse = max(half / 10 ** (digits - 1), 1e-5 * (abs(value) + half))
    assert unit <= 1.06 * coarse
    assert unit > 0.0999 * coarse or decimals == 0


def test_numbers() -> None:
    assert [one(x)[1] for x in (7, -7, 1_000_000, np.int64(3))] == ["7", "-7", "1000000", "3"]
    assert [one(x)[0] for x in (0.25, np.float32(0.5), INF)] == ["$0.25$", "$0.5$", "$\\infty$"]
    for missing in (None, NAN, Estimate(NAN, NAN, NAN), Figure(Estimate(NAN, 0, 1))):
        assert one(missing) == ("\\textendash{}", "–")


def test_the_best_of_a_column() -> None:
    def marks(*arguments, **options) -> str:
        return "".join(
            "b" if x.best else "l" if x.level else "." for x in mark_best(*arguments, **options)
        )

    column = [Estimate(x, NAN, NAN) for x in (2.0, 1.0, NAN, 1.0, 3.0)]
    assert marks(column) == ".b.b."
    assert marks(column, mode="max") == "....b"
    assert marks(column, {0, 1, 2}) == "lblb."
    assert marks(column, {0}, mode="max") == "l...b"
    assert marks([Estimate(NAN, NAN, NAN)]) == "."
    assert marks([]) == ""
    assert marks([Estimate(NAN, 0, 1), ADAM, SGD]) == ".b."
    assert mark_best([ADAM, SGD], {0, 1}) == [Figure(ADAM, best=True), Figure(SGD, level=True)]


READ = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"\ldots{}": "…",
    r"$\leq$": "≤",
    r"$\lambda$": "λ",
    r"$\to$": "→",
    "$-$": "−",
    "{}": "",
    r"\textendash{}": "–",
    r"\textemdash{}": "—",
    "--": "a dash that was not there",
} | {f"\\{sign}": sign for sign in "&%$#_{}"}


def read(latex: str) -> str:
    """What LaTeX would set, as TeX reads: the longest command from the left."""
    pattern = "|".join(re.escape(x) for x in sorted(READ, key=len, reverse=True))
    return re.sub(pattern, lambda found: READ[found[0]], latex)


SPECIAL = st.text(st.sampled_from("ab 1\\&%$#_{}~^<>|-–—…≤λ→−[]*`\"'\n\té"), max_size=12)


@given(SPECIAL)
def test_texts_are_set_letter_for_letter(text: str) -> None:
    assert read(escape_latex(text)) == " ".join(text.split())


def test_no_sign_is_left_that_commands() -> None:
    assert escape_latex(r"\input{x}%$~^_&#") == (
        r"\textbackslash{}input\{x\}\%\$\textasciitilde{}\textasciicircum{}\_\&\#"
    )
    assert escape_latex("--- a--b -c") == "-{}-{}- a-{}-b -c"
    assert escape_latex("αΩµ∞±×†") == "$\\alpha$$\\Omega$$\\mu$$\\infty$$\\pm$$\\times$$\\dagger$"
    assert escape_latex("é ü 中") == "é ü 中"


CELLS = st.one_of(
    SPECIAL,
    st.none(),
    st.integers(-99, 99),
    st.floats(),
    st.builds(
        Figure,
        st.builds(Estimate, st.floats(), st.floats(), st.floats()),
        st.booleans(),
        st.booleans(),
    ),
)
TABLES = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        st.lists(SPECIAL, min_size=n, max_size=n),
        st.lists(st.lists(CELLS, min_size=n, max_size=n), max_size=4),
    )
)
STYLES = st.sampled_from(["interval", "plus-minus"])


@given(TABLES, SPECIAL, STYLES)
def test_latex_is_well_built(table, caption: str, style) -> None:
    headings, rows = table
    text = latex_table(headings, rows, caption, "tab:x", style=style)
    first, bare = text.split("\n", 1)
    assert first == r"% \usepackage{booktabs}"
    bare = re.sub(r"\\[&%$#_{}]", "", bare)
    depth = 0
    for sign in bare:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert "%" not in bare
    assert "#" not in bare
    assert all(line.count("$") % 2 == 0 for line in bare.split("\n"))
    outside = "".join(bare.split("$")[::2])
    assert "_" not in outside
    assert "^" not in outside
    # No formula of its own has two indices or two exponents.
    for formula in bare.split("$")[1::2]:
        assert formula.count("_") <= 1
        assert formula.partition("\\times")[0].count("^") <= 1
    body = bare.split("\\toprule\n")[1].split("    \\bottomrule")[0].split("\n")[:-1]
    assert body.pop(1) == "    \\midrule"
    assert len(body) == 1 + len(rows)
    for line in body:
        assert line.endswith(" \\\\")
        assert line.count("&") == len(headings) - 1
    assert not re.search(r"^ *[\[*]", text, re.MULTILINE)
    aligned = re.findall(r"\\begin\{tabular\}\{([lr]+)\}\n", text)
    assert [len(x) for x in aligned] == [len(headings)]


RENDER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@given(TABLES, STYLES)
def test_markdown_is_read_back_letter_for_letter(table, style) -> None:
    headings, rows = table
    page = RENDER.render(markdown_table(headings, rows, style=style))
    cells = re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", page, re.DOTALL)
    assert len(cells) == len(headings) * (1 + len(rows))
    given = [*headings, *(cell for row in rows for cell in row)]
    for shown, cell in zip(cells, given, strict=True):
        if isinstance(cell, str):
            assert html.unescape(shown) == " ".join(cell.split())
        elif isinstance(cell, Figure) and cell.best and not math.isnan(cell.estimate.value):
            assert shown.lstrip("(").startswith("<strong>")
        else:
            assert "<" not in shown


def test_underscores_of_names_stay_readable() -> None:
    assert markdown_table(["learning_rate=0.1", "_a_ b_"], []).startswith(
        "| learning_rate=0.1 | \\_a\\_ b\\_ |\n"
    )
    assert "&amp;lt; a & b" in markdown_table(["&lt; a & b"], [])


ROW = [["a", 1.0]]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: latex_table(["a"], ROW),
            "latex_table: `rows[0]` must be of 1 cells, as there are headings; got 2.",
        ),
        (
            lambda: markdown_table([], []),
            "markdown_table: `headings` must be at least one; got none.",
        ),
        (
            lambda: latex_table(["a", "b"], ROW, label="tab{x}"),
            "latex_table: `label` must be of letters, digits and :._/+-; got 'tab{x}'.",
        ),
        (
            lambda: latex_table(["a", "b"], ROW, style="interva"),  # type: ignore[arg-type]
            "latex_table: `style` must be one of interval, plus-minus; got 'interva'. Did you mean "
            "'interval'?",
        ),
        (
            lambda: markdown_table(["a", "b"], ROW, digits=0),
            "markdown_table: `digits` must be >= 1; got 0. Pass 1 or more.",
        ),
        (
            lambda: mark_best([ADAM], mode="min "),
            "mark_best: `mode` must be one of max, min; got 'min '. Did you mean 'min'?",
        ),
        (
            lambda: mark_best([ADAM], {1}),
            "mark_best: `level` must be in [0, 0]; got 1. Did you mean 0?",
        ),
    ],
)
def test_errors(call, text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 its text follows
        call()
    assert str(caught.value) == text


@pytest.mark.parametrize("cell", [True, [1.0], (0.1, 0.0, 0.2)])
def test_cells_of_another_type(cell) -> None:
    with pytest.raises(TypeError) as caught:
        markdown_table(["a"], [[cell]])
    assert str(caught.value) == (
        f"markdown_table: `rows` must be texts, numbers, estimates, figures or None; got {cell!r}."
    )
