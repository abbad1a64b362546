"""One self-contained HTML page of words, tables, charts and code, from plain data."""

from jaxnn.bench.html.page import page
from jaxnn.bench.html.parts import Cell, Code, Column, Lines, Section, Series, Table, Words

__all__ = ["Cell", "Code", "Column", "Lines", "Section", "Series", "Table", "Words", "page"]
