"""The page on where frameworks disagree is what its script makes of the rules as they are."""

from __future__ import annotations

import importlib.util
import pathlib

DOCS = pathlib.Path(__file__).parents[1] / "docs"


def test_the_page_is_what_its_script_makes() -> None:
    spec = importlib.util.spec_from_file_location("disagreements", DOCS / "make_disagreements.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made, kept = script.text(), (DOCS / "disagreements.md").read_text()
    assert made == kept, "Run python docs/make_disagreements.py."
