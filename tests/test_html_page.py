"""The page without a browser: its structure, what it escapes, how it draws, what it refuses."""

from __future__ import annotations

import base64
import hashlib
import math
import re

import numpy as np
import pytest
from html_tree import Element, data_of, lines, read

from jaxnn.bench.html import Cell, Code, Column, Lines, Series, Table, Words, page
from jaxnn.bench.html.look import DARK_COLORS, DASHES, MARKERS
from jaxnn.bench.html.text import anchor, figure, interval
from jaxnn.errors import BadType, BadValue
from jaxnn.plots import style
from jaxnn.sweeps.intervals import Estimate

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\x00\ud800"
SHOWN = HOSTILE.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
NAN = math.nan


def full() -> list:
    columns = (
        Column("optimizer", "text"),
        Column("loss", "interval", "low", "nats"),
        Column("steps", "number", "high"),
        Column("setting", "code"),
    )
    rows = (
        ("adam", Estimate(0.1, 0.09, 0.115), 200.0, "b1=0.9"),
        ("sgd", (0.2, 0.1, math.inf), Cell(math.inf, "never"), "lr=0.1"),
        ("adam", (NAN, NAN, NAN), None, "lr=1"),
        ("sgd", 0.3, NAN, "lr=2"),
    )
    tags = tuple({"problem": p, "optimizer": o} for p in ("xor", "digits") for o in ("adam", "sgd"))
    x = np.arange(5.0)
    curves = tuple(
        Series(o, x, x + k, x + k - 0.1, x + k + 0.1, problem="xor", optimizer=o)
        for k, o in enumerate(("adam", "sgd", "muon"))
    )
    return [
        Table("Results", columns, rows, "A caption.", tags),
        Words("Verdict", ("adam wins.", "By a little."), id="verdict"),
        lines(*curves, caption="Means."),
        Lines("Profile", curves[:2], "τ", "share", step=True),
        Code("Settings", "x = 1 < 2\n  y", "Python"),
        Words("Verdict", ("Again.",)),
    ]


def test_the_verdict_comes_first_and_contents_lead_to_every_section():
    root = read(page("Title", full(), subtitle="Sub", footer="Foot"))
    ids = [s.attrs["id"] for s in root.all("section") if "id" in s.attrs]
    assert ids == ["verdict", "results", "curves", "profile", "settings", "verdict-2"]
    links = [a.attrs["href"] for a in root.all("nav")[0].all("a")]
    assert links == [f"#{name}" for name in ids]
    order = [e.attrs.get("class") for e in root.all("main")[0].children if isinstance(e, Element)]
    assert order == ["verdict", "tools", "sections"]
    assert root.all("h1")[0].text == "Title"
    assert root.all("footer")[0].text == "Foot"
    assert root.all("header")[0].all("p")[0].text == "Sub"


def test_a_page_is_a_document_with_landmarks_and_headings_in_order():
    text = page("Title", full())
    root = read(text)
    assert text.startswith("<!DOCTYPE html>\n")
    assert root.all("html")[0].attrs["lang"] == "en"
    assert [len(root.all(tag)) for tag in ("header", "main", "nav", "footer", "h1")] == [1] * 5
    assert [e.tag for e in root.walk() if re.fullmatch("h[3-6]", e.tag)] == []
    ids = [e.attrs["id"] for e in root.walk() if "id" in e.attrs]
    assert len(ids) == len(set(ids))
    for one in root.walk():
        for name in ("aria-labelledby", "href"):
            target = one.attrs.get(name) or ""
            if name == "aria-labelledby" and target:
                assert target in ids
            if target.startswith("#"):
                assert target[1:] in ids
    assert root.all("a", class_="skip")[0].attrs["href"] == "#_main"


def test_nothing_is_asked_of_a_network():
    text = page("Title", full())
    assert re.findall(r"https?:|//[a-z]|url\(|@import|@font-face", text.replace("// ", "")) == [
        "http:",
        "//w",
    ]  # the name of SVG in the script, which nothing fetches
    root = read(text)
    assert [e.attrs.get("src") for e in root.walk() if e.attrs.get("src")] == []
    hrefs = {(e.attrs.get("href") or "#")[0] for e in root.walk() if e.tag != "link"}
    assert hrefs == {"#"}
    assert [e.attrs["href"] for e in root.all("link")] == ["data:,"]


def test_hostile_text_stays_text_everywhere():
    columns = (Column(HOSTILE, "text", unit=HOSTILE), Column("n", "number"))
    tags = ({"problem": HOSTILE, "optimizer": HOSTILE}, {"problem": "b", "optimizer": "c"})
    rows = ((HOSTILE, Cell(1.0, HOSTILE)), ("b", HOSTILE))
    x = np.arange(3.0)
    series = Series(HOSTILE, x, x, problem=HOSTILE, optimizer=HOSTILE)
    text = page(
        HOSTILE,
        [
            Words(HOSTILE, (HOSTILE,)),
            Table(HOSTILE, columns, rows, HOSTILE, tags),
            Lines(HOSTILE, (series,), HOSTILE, HOSTILE, caption=HOSTILE),
            Code(HOSTILE, HOSTILE, HOSTILE),
        ],
        subtitle=HOSTILE,
        footer=HOSTILE,
    )
    text.encode("utf-8")
    root = read(text)
    assert root.all("img") == []
    assert len(root.all("script")) == 3
    assert [e for e in root.walk() if any(name.startswith("on") for name in e.attrs)] == []
    assert root.all("h1")[0].text == SHOWN
    assert {h.text for h in root.all("h2")} == {SHOWN, "Contents", "Show"}
    assert root.all("section", class_="words")[0].all("p")[0].text == SHOWN
    assert root.all("pre")[0].text == SHOWN
    assert root.all("tbody")[0].all("th")[0].text == SHOWN
    assert root.all("tbody")[0].all("tr")[0].attrs["data-problem"] == SHOWN
    assert root.all("input")[0].attrs["value"] == SHOWN
    (chart,) = data_of(root)
    assert chart["series"][0]["label"] == HOSTILE
    assert chart["x"]["label"] == HOSTILE


def test_the_policy_lets_the_two_scripts_run_and_no_other():
    root = read(page("t", full()))
    policy = root.all("meta", http_equiv="Content-Security-Policy")[0].attrs["content"] or ""
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    scripts = [s.text for s in root.all("script") if "type" not in s.attrs]
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert rules["script-src"] == " ".join(f"'sha256-{d}'" for d in digests)


def test_the_same_input_gives_the_same_bytes():
    assert page("t", full()) == page("t", full())


def test_cells_are_shown_and_sorted_by_their_values():
    body = read(page("t", full())).all("tbody")[0]
    cells = [
        [(c.text, c.attrs.get("data-value")) for c in row.children if isinstance(c, Element)]
        for row in body.all("tr")
    ]
    assert cells == [
        [("adam", None), ("0.100 [0.090, 0.115]", "0.1"), ("200", "200.0"), ("b1=0.9", None)],
        [("sgd", None), ("0.200 [0.100, ∞]", "0.2"), ("never", "inf"), ("lr=0.1", None)],
        [("adam", None), ("–", None), ("–", None), ("lr=1", None)],
        [("sgd", None), ("0.3", "0.3"), ("–", None), ("lr=2", None)],
    ]
    assert [c.text for c in body.all("code")] == ["b1=0.9", "lr=0.1", "lr=1", "lr=2"]
    rows = [(r.attrs["data-problem"], r.attrs["data-optimizer"]) for r in body.all("tr")]
    assert rows == [(p, o) for p in ("xor", "digits") for o in ("adam", "sgd")]


def test_heads_say_unit_and_direction():
    heads = read(page("t", full())).all("thead")[0].all("th")
    assert [h.text for h in heads] == ["optimizer", "loss (nats) ↓", "steps ↑", "setting"]
    assert [h.attrs["scope"] for h in heads] == ["col"] * 4
    assert [h.attrs["data-kind"] for h in heads] == ["text", "interval", "number", "code"]


def test_the_best_of_each_problem_is_marked_where_there_is_a_choice():
    columns = (
        Column("o", "text"),
        Column("loss", "number", "low"),
        Column("acc", "number", "high"),
    )
    rows = (("a", 1.0, 5.0), ("b", 2.0, 5.0), ("c", NAN, None), ("d", 3.0, 7.0), ("e", 3.0, 9.0))
    tags = tuple({"problem": p} for p in ("x", "x", "x", "y", "y"))

    def marked(**more):
        body = read(page("t", [Table("T", columns, rows, **more)])).all("tbody")[0]
        return [
            (i, j)
            for i, row in enumerate(body.all("tr"))
            for j, c in enumerate(e for e in row.children if isinstance(e, Element))
            if "best" in (c.attrs["class"] or "").split()
        ]

    assert marked(tags=tags) == [(0, 1), (4, 2)]
    assert marked() == [(0, 1), (4, 2)]
    only = Table("T", columns[:2], (("a", -math.inf), ("b", 1.0)))
    assert "best" not in {e.attrs.get("class") for e in read(page("t", [only])).walk()}


def test_filters_are_those_of_tags_and_series_with_two_values_or_more():
    root = read(page("t", full()))
    groups = {
        f.attrs["data-tag"]: [i.attrs["value"] for i in f.all("input")]
        for f in root.all("fieldset")
    }
    assert groups == {"problem": ["xor", "digits"], "optimizer": ["adam", "sgd", "muon"]}
    one = Series("a", [1.0], [1.0], problem="xor", optimizer="adam")
    assert read(page("t", [lines(one)])).all("fieldset") == []


def test_a_contestant_looks_the_same_throughout():
    x = np.arange(3.0)
    first = lines(*(Series(o, x, x, optimizer=o) for o in ("a", "b", "c")))
    second = lines(*(Series(f"{o} again", x, x, optimizer=o) for o in ("c", "a")))
    root = read(page("t", [first, second]))
    looks: dict[str, set] = {}
    for one in root.all("g", class_="series"):
        looks.setdefault(one.attrs["data-optimizer"] or "", set()).add(one.attrs["style"])
        looks[one.attrs["data-optimizer"] or ""] |= {u.attrs["href"] for u in one.all("use")}
    assert looks == {
        "a": {"--c:var(--c0);--d:none", "#_m0"},
        "b": {"--c:var(--c1);--d:7 3", "#_m1"},
        "c": {"--c:var(--c2);--d:1.5 2.5", "#_m2"},
    }


def test_forty_contestants_differ_in_colour_and_dashes():
    assert len(DARK_COLORS) == len(style.COLORS) == len(MARKERS) == len(style.MARKERS) == 8
    assert len(set(DASHES)) == len(style.DASHES) == 5
    assert len({(i % 8, i % 5) for i in range(40)}) == 40


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, "contrast ratio"."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_and_lines_can_be_read_in_light_and_dark():
    text = page("t", [])
    blocks = re.findall(r"color-scheme:(\w+);([^}]*)\}", text)
    assert [name for name, _ in blocks] == ["light", "dark", "dark"]
    for _, block in blocks:
        colors = dict(re.findall(r"--(\w+):(#\w{6});", block))
        for ink in ("ink", "faint", "link"):
            for paper in ("paper", "panel"):
                assert contrast(colors[ink], colors[paper]) >= 4.5, (ink, paper)
        assert contrast(colors["ink"], colors["mark"]) >= 4.5
    assert all(contrast(color, "#15181C") >= 3 for color in DARK_COLORS)


def test_figures():
    values = (0.0, -0.0, 12.0, 1234567.0, 999999.0, 0.00012345, -1.5e-10, 1499.5, -math.inf)
    shown = ["0", "0", "12", "1.23e6", "999,999", "0.000123", "−1.5e−10", "1,500", "−∞"]
    assert [figure(v) for v in values] == shown


@pytest.mark.parametrize(
    ("three", "text"),
    [
        ((97.9, 96.92, 99.0), "97.9 [96.9, 99.0]"),
        ((0.001, -0.02, 0.022), "0.0010 [−0.0200, 0.0220]"),
        ((200.0, 180.0, 1240.0), "200 [180, 1,240]"),
        ((1234.5, 1000.25, 2000.0), "1,234 [1,000, 2,000]"),
        ((0.5, 0.25, math.inf), "0.500 [0.250, ∞]"),
        ((math.inf, 12.5, math.inf), "∞ [12.5, ∞]"),
        ((0.0, 0.0, 0.0), "0 [0, 0]"),
        ((0.5, 1e-7, 3e4), "0.5 [1e−7, 30,000]"),
        ((0.0, -0.5, 0.5), "0.000 [−0.500, 0.500]"),
        ((0.3, NAN, NAN), "0.300 [–, –]"),
    ],
)
def test_an_interval_is_written_to_the_place_of_its_figure(three, text):
    assert " ".join(interval(*three)) == text


def test_anchors_are_names_even_of_headings_without_letters():
    taken: set[str] = set()
    assert [anchor(h, taken) for h in ("τ", "2 × 2", "", "A")] == [
        "section",
        "section-2-2",
        "section-2",
        "a",
    ]


def test_a_long_table_may_be_parted_on_paper():
    tables = [Table("T", (Column("a", "text"),), (("a",),) * n) for n in (12, 13)]
    root = read(page("t", tables))
    assert [s.attrs["class"] for s in root.all("section")] == ["table", "table long"]


def test_an_empty_page_and_empty_parts_are_pages():
    assert read(page("t", [])).all("h1")[0].text == "t"
    root = read(page("t", [Table("T", (Column("a", "text"),), ()), lines(), Code("C", "")]))
    assert [s.attrs["class"] for s in root.all("section")] == ["table", "lines", "code"]


COLUMN = Column("a", "text")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: Words("h", "text"),  # pyright: ignore
            BadType,
            "html.Words: `paragraphs` must be a tuple; got 'text'.",
        ),
        (
            lambda: Words("h", (), id="1 a"),
            BadValue,
            "html.Words: `id` must be letters, digits, - and _, a letter first; got '1 a'. "
            "Pass 'verdict'.",
        ),
        (
            lambda: Column("a", "numbr"),  # pyright: ignore
            BadValue,
            "html.Column: `kind` must be one of code, interval, number, text; got 'numbr'. "
            "Did you mean 'number'?",
        ),
        (
            lambda: Column("a", "text", "max"),  # pyright: ignore
            BadValue,
            "html.Column: `better` must be one of high, low; got 'max'.",
        ),
        (
            lambda: Table("h", (), ()),
            BadType,
            "html.Table: `columns` must be one Column or more; got (). Pass Column(name, kind).",
        ),
        (
            lambda: Table("h", (COLUMN,), (("a",), ("b", 1.0))),
            BadValue,
            "html.Table: `rows` must be rows of 1 cells, one a column; got 2 in row 1. "
            "Pass None for an empty one.",
        ),
        (
            lambda: Table("h", (COLUMN,), (((1.0, 2.0),),)),  # pyright: ignore
            BadType,
            "html.Table: `rows` must be cells that are a string, a number, None, "
            "(value, low, high) or a Cell; got (1.0, 2.0).",
        ),
        (
            lambda: Table("h", (COLUMN,), ((True,),)),
            BadType,
            "html.Table: `rows` must be cells that are a string, a number, None, "
            "(value, low, high) or a Cell; got True.",
        ),
        (
            lambda: Table("h", (COLUMN,), (("a",),), tags=({}, {})),
            BadValue,
            "html.Table: `tags` must be empty or of length 1, one a row; got 2. Pass {} for a row.",
        ),
        (
            lambda: Table("h", (COLUMN,), (("a",),), tags=({"problm": "x"},)),
            BadValue,
            "html.Table: `tags` must be one of optimizer, problem; got 'problm'. "
            "Did you mean 'problem'?",
        ),
        (
            lambda: Series("a", [1, 2], [1]),
            BadValue,
            "html.Series: `y` must be of length 2, as `x` is; got 1.",
        ),
        (
            lambda: Series("a", [1], [1], low=[0]),
            BadValue,
            "html.Series: `high` must be given with `low`; got None. Pass both.",
        ),
        (
            lambda: Series("a", [1, 2], [1, 1], [0, 2], [1, 1]),
            BadValue,
            "html.Series: `low` must be at most `high`; got 2.0 > 1.0 at point 1. Swap them?",
        ),
        (
            lambda: Series("a", [[1]], [1]),
            BadValue,
            "html.Series: `x` must be an array of shape (points,); got [[1]].",
        ),
        (
            lambda: Series("a", ["b"], [1]),
            BadType,
            "html.Series: `x` must be an array of numbers; got ['b'].",
        ),
        (
            lambda: Series("a", [1], [1], line=False),
            BadValue,
            "html.Series: `marker` must be True where `line` is False; got False.",
        ),
        (
            lambda: lines("a"),  # pyright: ignore
            BadType,
            "html.Lines: `series` must be of type Series; got 'a'.",
        ),
        (
            lambda: lines(xscale="lin"),
            BadValue,
            "html.Lines: `xscale` must be one of linear, log; got 'lin'. Did you mean 'linear'?",
        ),
        (
            lambda: Code("h", 1),  # pyright: ignore
            BadType,
            "html.Code: `text` must be a string; got 1.",
        ),
        (
            lambda: page("t", ["a"]),  # pyright: ignore
            BadType,
            "html.page: `sections` must be of Words, Table, Lines and Code; got 'a'.",
        ),
        (
            lambda: page(1, []),  # pyright: ignore
            BadType,
            "html.page: `title` must be a string; got 1.",
        ),
        (
            lambda: page("t", [Words("a", (), id="x"), Words("b", (), id="x")]),
            BadValue,
            "html.page: `sections` must be without two of one id; got 'x'.",
        ),
    ],
)
def test_errors_say_what_is_wrong(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message
