"""The page in headless Chromium: it sorts, filters, answers pointer and keys, and prints."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxnn.bench.html import Cell, Code, Column, Lines, Series, Table, Words, page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")

HOSTILE = "</script><img src=x onerror=alert(1)>"
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        found = [path for path in map(shutil.which, NAMES) if path]
        found += [own] if Path(own).exists() else []
        if not found:
            pytest.skip("needs Chromium")
        started = playwright.chromium.launch(executable_path=found[0], args=["--no-sandbox"])
        yield started
        started.close()


def sections() -> list[Any]:
    columns = (
        Column("optimizer", "text"),
        Column("loss", "interval", "low"),
        Column("accuracy", "number", "high"),
        Column("setting", "code"),
    )
    rows = (
        ("adam", (0.2, 0.1, 0.3), 97.5, "b1=0.9, a_very_long_name_of_a_hyperparameter=0.123456789"),
        ("sgd", (np.nan,) * 3, None, "learning_rate=0.1"),
        ("muon", (0.1, 0.05, 0.4), 100.0, "x=1"),
        (HOSTILE, 1e-5, 9.0, "x=10"),
        ("adam", 10.0, Cell(np.inf, "never"), "x=9"),
    )
    names = ("adam", "sgd", "muon", HOSTILE, "adam")
    problems = ("digits",) * 4 + ("xor",)
    tags = tuple({"problem": p, "optimizer": o} for p, o in zip(problems, names, strict=True))
    x = np.arange(0, 1001, 10)

    def curve(name: str, problem: str, k: float, **more: Any) -> Series:
        y = k * np.exp(-x / 300)
        return Series(name, x, y, 0.9 * y, 1.1 * y, problem=problem, optimizer=name, **more)

    def curves(problem: str) -> tuple[Series, ...]:
        return curve("adam", problem, 1.0), curve("sgd", problem, 4.0)

    step, loss = "steps (gradient evaluations)", "validation loss"
    return [
        Words("Verdict", ("adam and sgd cannot be told apart on the test loss. " * 3,), "verdict"),
        Table("Results", columns, rows, "A caption.", tags),
        Lines("Digits", curves("digits"), step, loss, yscale="log"),
        Lines("Xor", curves("xor"), step, loss, step=True),
        Lines("Profile", (Series("adam", [1, 2], [0.5, 1]),), "τ", "share", step=True),
        Code("Settings", "optimizer = adam(\n    1 < 2,\n)\n", "Python"),
    ]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("html") / "report.html"
    path.write_text(page("A comparison", sections(), subtitle="small"), encoding="utf-8")
    return path.as_uri()


class Seen:
    """What a page asks for and says."""

    def __init__(self, view: Any) -> None:
        self.requests: list[str] = []
        self.messages: list[str] = []
        view.on("request", lambda request: self.requests.append(request.url))
        view.on("console", lambda message: self.messages.append(message.text))
        view.on("pageerror", lambda error: self.messages.append(str(error)))
        view.on("dialog", lambda dialog: self.messages.append(dialog.message))


@pytest.fixture
def view(browser: Any, address: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme="light")
    opened = context.new_page()
    seen = Seen(opened)
    opened.goto(address)
    yield opened
    assert seen.messages == []
    assert [url for url in seen.requests if not url.startswith(("file:", "about:", "data:"))] == []
    assert seen.requests.count(address) == len(seen.requests)
    context.close()


def column(view: Any, index: int) -> list[str]:
    return view.eval_on_selector_all(
        "tbody tr:not([hidden])", f"rows => rows.map(r => r.cells[{index}].textContent)"
    )


def directions(view: Any) -> list[str]:
    return view.eval_on_selector_all("thead th", "a => a.map(h => h.getAttribute('aria-sort'))")


def test_a_click_sorts_by_value_and_again_the_other_way_round(view):
    losses = ["1e−5", "0.100 [0.050, 0.400]", "0.200 [0.100, 0.300]", "10", "–"]
    head = view.get_by_role("button", name="loss")
    head.click()
    assert column(view, 1) == losses
    assert directions(view) == ["none", "ascending", "none", "none"]
    head.click()
    assert column(view, 1) == [*losses[:-1][::-1], "–"]
    assert directions(view) == ["none", "descending", "none", "none"]


def test_what_is_better_high_begins_with_the_highest(view):
    view.get_by_role("button", name="accuracy").click()
    assert column(view, 2) == ["never", "100", "97.5", "9", "–"]
    assert directions(view)[2] == "descending"


def test_enter_sorts_text_with_its_numbers_and_keeps_the_order_of_equals(view):
    view.get_by_role("button", name="setting").focus()
    view.keyboard.press("Enter")
    long = "b1=0.9, a_very_long_name_of_a_hyperparameter=0.123456789"
    assert column(view, 3) == [long, "learning_rate=0.1", "x=1", "x=9", "x=10"]
    view.get_by_role("button", name="optimizer").focus()
    view.keyboard.press("Enter")
    assert column(view, 0) == [HOSTILE, "adam", "adam", "muon", "sgd"]
    assert column(view, 3) == ["x=10", long, "x=9", "x=1", "learning_rate=0.1"]
    view.keyboard.press("Space")
    assert column(view, 3) == ["learning_rate=0.1", "x=1", long, "x=9", "x=10"]


def test_filters_hide_rows_and_curves_and_say_where_nothing_is_left(view):
    view.get_by_label("adam", exact=True).uncheck()
    assert column(view, 0) == ["sgd", "muon", HOSTILE]
    assert view.locator("#digits .series:visible").count() == 1
    assert view.locator("#digits .legend li:visible").all_text_contents() == ["sgd"]
    assert view.locator("#profile .series").count() == 1
    assert view.locator("#profile .empty").is_hidden()
    view.get_by_label("sgd", exact=True).uncheck()
    empty = "Nothing is left here by the filters."
    assert view.locator("#digits .empty").text_content() == empty
    assert view.locator("#digits .empty").is_visible()
    assert view.locator("#digits .chart").is_hidden()
    assert view.locator("nav a.gone").all_text_contents() == ["Digits", "Xor"]
    assert view.locator("#results .empty").is_hidden()
    contestants = view.locator("fieldset[data-tag=optimizer]")
    contestants.get_by_role("button", name="None").click()
    assert column(view, 0) == []
    assert view.locator("#results .empty").is_visible()
    contestants.get_by_role("button", name="All").click()
    assert len(column(view, 0)) == 5
    view.get_by_label("digits", exact=True).uncheck()
    assert column(view, 0) == ["adam"]
    assert view.locator("#digits .empty").is_visible()
    assert view.locator("#xor .chart").is_visible()


def test_the_pointer_finds_the_nearest_point(view):
    plot = view.locator("#xor .plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert view.locator("#xor .tip").is_hidden()
    # x runs from −20 to 1020 and y from 0 to 4 and 2 % of 4.4, where the band ends; the point of
    # sgd at 300 is at 4/e.
    top = 4.4 + 0.02 * 4.4
    left = box["x"] + box["width"] * 320 / 1040
    view.mouse.move(left, box["y"] + box["height"] * (1 - 4 / np.e / top) + 3)
    lines = view.locator("#xor .tip").locator("strong, span").all_text_contents()
    assert lines == [
        "sgd",
        "xor",
        "steps (gradient evaluations): 300",
        "validation loss: 1.472 [1.324, 1.619]",
    ]
    ring = view.locator("#xor .ring").bounding_box()
    assert ring["x"] + ring["width"] / 2 == pytest.approx(left, abs=1)
    view.mouse.move(5, 5)
    assert view.locator("#xor .tip").is_hidden()


def test_arrow_keys_go_along_a_curve_and_to_the_next(view):
    plot = view.locator("#digits .plot")
    plot.focus()
    tip = view.locator("#digits .tip")

    def after(key: str) -> tuple[str, str]:
        view.keyboard.press(key)
        return tip.locator("strong").text_content(), tip.locator("span").nth(1).text_content()

    axis = "steps (gradient evaluations): "
    assert after("ArrowRight") == ("adam", f"{axis}0")
    assert after("ArrowRight") == ("adam", f"{axis}10")
    assert after("ArrowDown")[0] == "sgd"
    assert after("End") == ("sgd", f"{axis}1,000")
    assert after("ArrowRight") == ("sgd", f"{axis}1,000")
    assert after("Home") == ("sgd", f"{axis}0")
    assert view.locator("#_said").text_content() == (
        f"sgd, digits, {axis}0, validation loss: 4 [3.6, 4.4]"
    )
    view.keyboard.press("Escape")
    assert tip.is_hidden()


def test_the_legend_hides_and_shows_a_series(view):
    button = view.locator("#digits .legend").get_by_role("button", name="adam")
    button.focus()
    view.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert view.locator("#digits .series:visible").count() == 1
    view.locator("#digits .plot").focus()
    view.keyboard.press("ArrowRight")
    assert view.locator("#digits .tip strong").text_content() == "sgd"
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert view.locator("#digits .series:visible").count() == 2


def background(view: Any) -> str:
    return view.evaluate("getComputedStyle(document.body).backgroundColor")


def test_dark_is_the_choice_of_the_system_until_it_is_the_readers(view):
    light, dark = "rgb(255, 255, 255)", "rgb(21, 24, 28)"
    assert background(view) == light
    view.emulate_media(color_scheme="dark")
    assert background(view) == dark
    view.get_by_role("button", name="Light").click()
    assert background(view) == light
    view.reload()
    assert background(view) == light
    view.get_by_role("button", name="Dark").click()
    view.emulate_media(color_scheme="light")
    view.reload()
    assert background(view) == dark
    view.emulate_media(media="print")
    assert background(view) == light


CODE = "optimizer = adam(\n    1 < 2,\n)\n"


def test_copy_gives_the_code_as_it_stands(view):
    view.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    view.get_by_role("button", name="Copy").click()
    view.get_by_role("button", name="Copied").wait_for()
    assert view.evaluate("window.copied") == CODE
    assert view.locator("#_said").text_content() == "Copied"


def test_where_copying_is_refused_the_code_is_selected(view):
    refuse = "navigator.clipboard.writeText = async () => { throw Error() };"
    view.evaluate(refuse + "document.execCommand = () => false")
    view.get_by_role("button", name="Copy").click()
    view.get_by_role("button", name="Selected: press Ctrl+C").wait_for()
    assert view.evaluate("String(getSelection())") == CODE.rstrip("\n")


def test_the_first_tab_leads_to_the_content(view):
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert view.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    view.keyboard.press("Enter")
    assert view.evaluate("document.activeElement.id") == "_main"


@pytest.mark.parametrize("width", [320, 400, 700, 1120, 1600])
def test_no_width_makes_the_page_scroll_sideways(view, width):
    view.set_viewport_size({"width": width, "height": 900})
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    overlaps = view.evaluate(
        """() => [...document.querySelectorAll('.plot')].flatMap((plot) =>
          ['x', 'y'].flatMap((kind) => {
            const boxes = [...plot.querySelectorAll(`text.${kind}`)]
              .map((text) => text.getBoundingClientRect()).filter((box) => box.width > 0);
            const out = boxes.filter((box) => box.left < 0 || box.right > innerWidth);
            const hit = boxes.filter((a, i) => boxes.some((b, j) => i < j &&
              a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom));
            return [...out, ...hit].map((box) => kind + JSON.stringify(box));
          }))"""
    )
    assert overlaps == []
    labels = view.locator("#digits text.x:visible")
    assert labels.count() >= 2
    assert view.evaluate("getComputedStyle(document.querySelector('text.x')).fontSize") == "13px"


def test_a_wide_table_scrolls_in_its_own_box_under_its_first_column(view):
    view.set_viewport_size({"width": 400, "height": 900})
    box, first = view.locator(".scroll"), view.locator("tbody th").first
    before = first.bounding_box()["x"]
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    box.evaluate("box => { box.scrollLeft = 200 }")
    assert first.bounding_box()["x"] == before


def test_print_has_no_controls_and_cuts_nothing_off(view):
    view.emulate_media(media="print")
    view.set_viewport_size({"width": 680, "height": 900})  # A4 within its margins
    assert view.locator("input:visible, nav:visible, .skip:visible").count() == 0
    words = view.locator("button:visible").evaluate_all("all => all.map(b => b.textContent)")
    heads = ["optimizer", "loss ↓", "accuracy ↑", "setting"]
    assert words == [*heads, "adam", "sgd", "adam", "sgd", "adam"]  # heads and legends
    after = "getComputedStyle(document.querySelector('th button'), '::after').content"
    assert view.evaluate(after) == "none"
    assert view.evaluate("document.documentElement.scrollWidth") <= 680
    for box in view.locator(".scroll, pre").all():
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    breaks = "all => all.map(one => getComputedStyle(one).breakInside)"
    assert set(view.eval_on_selector_all("section", breaks)) == {"avoid"}
    assert view.locator("#digits .series:visible").count() == 2


def test_everything_is_there_without_a_script(browser, address):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 800, "height": 600})
    view = context.new_page()
    view.goto(address)
    assert view.locator("button:visible, input:visible").count() == 0
    assert view.locator("tbody tr:visible").count() == 5
    assert view.locator(".line:visible").count() == 5
    assert view.locator(".legend li:visible").count() == 5
    assert view.locator("pre:visible").text_content() == CODE
    context.close()
