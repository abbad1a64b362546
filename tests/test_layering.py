"""Imports go strictly downwards; the package is cheap to import; files stay readable."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jaxnn

ROOT = Path(jaxnn.__file__).parent

LEVELS = [
    {"typing", "errors", "tree", "space", "tables"},
    {"activations", "initializers", "losses"},
    {"schedules", "optimizers", "models"},
    {"problems"},
    {"training"},
    {"dissect", "sweeps", "plots", "testing"},
    {"bench"},
    {"cli"},
]
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}
LATE = {"matplotlib", "rich", "typer", "optax", "sklearn", "scipy", "pandas", "ray", "optuna"}
"""Imported inside functions only; `cli`, where nothing else runs, may import typer and rich."""


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(node: ast.AST, *, top_level: bool) -> set[str]:
    found = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            found |= {alias.name for alias in child.names}
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative import"
            found |= {f"{child.module}.{alias.name}" for alias in child.names}
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        elif not (top_level and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)):
            found |= imports(child, top_level=top_level)
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_downwards(path: Path) -> None:
    part = part_of(path)
    tree = ast.parse(path.read_text())
    if part == "__init__":
        assert not {n for n in imports(tree, top_level=True) if n.startswith("jaxnn")}
        return
    for name in imports(tree, top_level=False):
        if not name.startswith("jaxnn."):
            continue
        target = name.split(".")[1]
        if target in LEVEL and target != part:
            below = LEVEL[target] < LEVEL[part]
            vocabulary = LEVEL[target] == LEVEL[part] == 0
            assert below or vocabulary, f"{part} may not import {target}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_late_libraries_are_imported_inside_functions(path: Path) -> None:
    heavy = LATE - ({"typer", "rich"} if part_of(path) == "cli" else set())
    found = {n.split(".")[0] for n in imports(ast.parse(path.read_text()), top_level=True)}
    assert not found & heavy


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_fits_in_the_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_every_part_has_a_level() -> None:
    parts = {part_of(path) for path in modules()} - {"__init__"}
    assert parts == set(LEVEL)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_what_it_offers(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    assigned = [t for n in tree.body if isinstance(n, ast.Assign) for t in n.targets]
    names = {t.id for t in assigned if isinstance(t, ast.Name)}
    assert "__all__" in names


IMPORTED = "import sys, jaxnn{}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"


@pytest.mark.parametrize(
    ("what", "absent"),
    [
        ("", LATE | {"jax"}),
        (", jaxnn.optimizers, jaxnn.models, jaxnn.losses, jaxnn.schedules", LATE),
        (", jaxnn.training, jaxnn.problems, jaxnn.sweeps, jaxnn.dissect, jaxnn.plots", LATE),
        (".cli", {"jax", "numpy", "optax", "scipy", "sklearn", "matplotlib"}),
    ],
)
def test_importing_imports_nothing_late(what: str, absent: set[str]) -> None:
    code = IMPORTED.format(what)
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not absent & set(loaded)
