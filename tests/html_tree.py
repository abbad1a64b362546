"""What tests of the HTML page share: a parser that is strict about nesting, and small charts."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from jaxnn.bench.html import Lines, Series, page

VOID = {"meta", "link", "input", "img", "br", "hr"}


class Element:
    def __init__(self, tag: str, attrs: dict[str, str | None], parent: Element | None) -> None:
        self.tag, self.attrs, self.parent = tag, attrs, parent
        self.children: list[Element | str] = []

    def all(self, tag: str, **attrs: str) -> list[Element]:
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attrs.items()}
        return [
            one
            for one in self.walk()
            if one.tag == tag and all(one.attrs.get(k) == v for k, v in wanted.items())
        ]

    def walk(self):
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child.walk()

    @property
    def text(self) -> str:
        return "".join(c if isinstance(c, str) else c.text for c in self.children)


class Tree(HTMLParser):
    """Every element in its parent; a tag that is closed out of turn is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = self.here = Element("", {}, None)
        self.feed(text)
        self.close()
        assert self.here is self.root

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        new = Element(tag, dict(attrs), self.here)
        self.here.children.append(new)
        if tag not in VOID:
            self.here = new

    def handle_startendtag(self, tag, attrs):
        self.here.children.append(Element(tag, dict(attrs), self.here))

    def handle_endtag(self, tag):
        assert self.here.tag == tag, (self.here.tag, tag)
        assert self.here.parent is not None
        self.here = self.here.parent

    def handle_data(self, data):
        self.here.children.append(data)


def read(text: str) -> Element:
    return Tree(text).root


def data_of(root: Element) -> list[dict]:
    return json.loads(root.all("script", id="_data")[0].text)


def lines(*series: Series, **more) -> Lines:
    return Lines("Curves", series, "step", "loss", **more)


def drawn(*series: Series, **more) -> Element:
    return read(page("t", [lines(*series, **more)])).all("figure")[0]
