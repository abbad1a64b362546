"""Shows that the suite sees what goes wrong in a rule: every rule with one thing wrong at a time.

    python tests/mutants.py                     # every rule, what rules share, every wrapper
    python tests/mutants.py adam lion --limit 5

A mutant has a sign turned, a bias correction or a root left out, b1 and b2 exchanged, eps moved,
dropped or made ten times as large, b in the place of 1 − b, a product in that of a quotient,
another constant, the other of two arguments. It takes the place of the rule in this process and
meets what the suite runs on it, until something fails: comparisons with Optax and golden files
at a glance, then the tests, then the contracts. Prints a table and those that survive. Ends with 1
where one does that `mutation/equivalent.toml` does not explain, or what that explains is caught.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import pathlib
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import conftest  # the strict setting of every test  # noqa: F401
import jax
import jax.numpy as jnp
import pytest
from mutation import checks
from mutation.checks import Check
from mutation.equivalent import EQUIVALENT
from mutation.operators import Mutant, mutants
from mutation.swap import swapped

from jaxnn.optimizers import OPTIMIZERS, wrappers

__all__ = ["Report", "examine", "main"]

RULES = [
    "test_optimizers_reference",
    "test_optimizers_golden",
    "test_rules_adam_family",
    "test_rules_contrib",
    "test_rules_corners",
    "test_rules_momentum",
    "test_rules_parameter_free",
    "test_rules_second_order",
    "test_rules_shared",
    "test_rules_sign_and_layers",
    "test_optimizers_closed_forms",
    "test_complex",
    "test_optimizers_contract",
]
WRAPPERS = [
    "test_wrappers_reference",
    "test_wrappers",
    "test_wrappers_corners",
    "test_scheduled",
    "test_precision",
    "test_complex",
    "test_wrappers_contract",
]
ROOT = pathlib.Path(wrappers.__file__).parents[3]
MAX_TURNS = 1000
"""Of a loop: one whose end has been mutated must end."""


class Report(NamedTuple):
    """What became of the mutants of a file."""

    name: str
    caught: Counter[str]  # by what
    equivalent: list[Mutant]
    survivors: list[Mutant]
    seconds: float

    def __add__(self, other: Report) -> Report:  # type: ignore[override]
        return Report(
            self.name,
            self.caught + other.caught,
            self.equivalent + other.equivalent,
            self.survivors + other.survivors,
            self.seconds + other.seconds,
        )

    @property
    def row(self) -> str:
        """A line of the table."""
        found = [self.caught[by] for by in ("glance", "test", "contract")]
        left = len(self.equivalent), len(self.survivors)
        total = self.caught.total() + sum(left)
        cells = (f"`{self.name}`", total, *found, *left, f"{self.seconds:.0f}")
        return f"| {' | '.join(map(str, cells))} |"


HEADER = """\
| file | mutants | at a glance | by a test | by a contract | equivalent | survive | seconds |
|---|---|---|---|---|---|---|---|"""


def examine(
    name: str,
    path: pathlib.Path,
    glances: list[Check],
    tests: list[Check],
    limit: int | None = None,
) -> Report:
    """Every mutant of a file against the checks, or `limit` of them, evenly spread.

    The check that has caught a mutant is the first that the next one meets.
    """
    start, module = time.perf_counter(), import_module(_module_name(path))
    known = EQUIVALENT.get(name, {})
    found = list(mutants(path.read_text(), str(path)))
    if limit is not None and limit < len(found):
        found = [found[k * len(found) // limit] for k in range(limit)]
    report = Report(name, Counter(), [], [], 0.0)
    for mutant in found:
        code = mutant.compiled()
        with swapped(module, mutant.function, code):
            failed = _first_failure(glances)
        if failed is None and mutant.name not in known:
            jax.clear_caches()
            with swapped(module, mutant.function, code):
                failed = _first_failure(tests)
            jax.clear_caches()
        if failed is not None:
            _require_sound(failed)
            kind = "contract" if "contract" in failed.label else "test"
            report.caught["glance" if failed in glances else kind] += 1
        else:
            (report.equivalent if mutant.name in known else report.survivors).append(mutant)
            if mutant.name not in known:
                print(f"{path.name}:{mutant.line}  {mutant.name}", file=sys.stderr, flush=True)
    return report._replace(seconds=time.perf_counter() - start)


def _module_name(path: pathlib.Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[parts.index("jaxnn") :])


def _first_failure(found: list[Check]) -> Check | None:
    for check in found:
        if not _passes(check):
            found.remove(check)
            found.insert(0, check)
            return check
    return None


def _passes(check: Check) -> bool:
    try:
        check.run()
    except (Exception, pytest.fail.Exception):  # the latter where nothing is raised
        return False
    return True


@functools.cache
def _require_sound(check: Check) -> None:
    """What fails on a mutant must pass on the rule."""
    if not _passes(check):
        check.run()


@contextlib.contextmanager
def _strict() -> Iterator[None]:
    """Warnings are errors, as in the suite, and every loop ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop, jax.lax.while_loop = jax.lax.while_loop, _ending
        _ending.loop = loop  # type: ignore[attr-defined]
        try:
            yield
        finally:
            jax.lax.while_loop = loop


def _ending(going_on: Callable[[Any], Any], turn: Callable[[Any], Any], start: Any) -> Any:
    def still(carry: Any) -> Any:
        return going_on(carry[0]) & (carry[1] < MAX_TURNS)

    first = start, jnp.zeros((), jnp.int32)
    return _ending.loop(still, lambda c: (turn(c[0]), c[1] + 1), first)[0]  # type: ignore[attr-defined]


class Target(NamedTuple):
    """A file to mutate, and what is checked then."""

    path: pathlib.Path
    subjects: list[str]  # the rule or wrapper of that name, or those that share the file
    users: list[str]  # rules made of this one
    around: bool  # whether they are wrappers


def targets() -> dict[str, Target]:
    """Every file to mutate, by the name that the command knows it by."""
    folder = pathlib.Path(wrappers.__file__).parent
    found = {}
    for place, names, around in ((folder.parent, OPTIMIZERS, False), (folder, _wrappers(), True)):
        for path in sorted(place.glob("*.py")):
            users = _users(path, names)
            own = [path.stem] if path.stem in names else users
            if own and path.stem not in {"__init__", "base", "table"}:
                name = f"{place.name}/{path.stem}" if around else path.stem
                found[name] = Target(path, own, users, around)
    return found


def _wrappers() -> dict[str, Any]:
    return {name: getattr(wrappers, name) for name in wrappers.__all__ if name.islower()}


def _users(path: pathlib.Path, names: dict[str, Any]) -> list[str]:
    """Those that import what several share."""
    return [name for name in names if path.stem in _imported(path.with_stem(name))]


@functools.cache
def _imported(path: pathlib.Path) -> set[str]:
    found = [x for x in ast.walk(ast.parse(path.read_text())) if isinstance(x, ast.ImportFrom)]
    return {word for x in found for word in (x.module or "").split(".")} | {
        name.name for x in found for name in x.names
    }


def _checks(target: Target) -> tuple[list[Check], list[Check]]:
    """(at a glance, the tests and contracts)."""
    if target.around:
        tests = list(checks.tests(WRAPPERS, target.subjects, _wrappers()))
        glances = [checks.shortened(x) for x in tests if x.label.startswith(WRAPPERS[0])]
    else:
        users = [x for x in target.users if x not in target.subjects]
        glances = list(checks.glances([*target.subjects, *users]))
        *values, contracts = RULES
        tests = list(checks.tests(values, target.subjects, dict(OPTIMIZERS)))
        tests += checks.tests(values, users, dict(OPTIMIZERS))
        tests += checks.tests([contracts], target.subjects, dict(OPTIMIZERS))
    stem = target.path.stem
    own = "test_rules_shared" if stem.startswith("_") else f"test_{stem}"
    if (pathlib.Path(__file__).parent / f"{own}.py").exists():
        tests = [*checks.tests([own], None, {}), *tests]
    return glances, [checks.doctests(_module_name(target.path)), *tests]


def main(arguments: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    found = targets()
    parser.add_argument("file", nargs="*", help="a rule, _nesterov, wrappers/clipped; all of them")
    parser.add_argument("--limit", type=int, help="so many mutants of each file")
    asked = parser.parse_args(arguments)
    reports = []
    print(HEADER)
    with _strict():
        for name in asked.file or found:
            glances, tests = _checks(found[name])
            reports.append(examine(name, found[name].path, glances, tests, asked.limit))
            print(reports[-1].row, flush=True)
            jax.clear_caches()
    total = functools.reduce(Report.__add__, reports)._replace(name="all")
    print(total.row, flush=True)
    stale = []
    for report in reports:
        path = found[report.name].path
        for mutant in report.survivors:
            print(f"\nSurvives: {path.relative_to(ROOT)}:{mutant.line}  {mutant.name}")
        if asked.limit is None:
            stale += EQUIVALENT.get(report.name, {}).keys() - {x.name for x in report.equivalent}
    for name in stale:
        print(f"\nCaught, or gone, and yet explained in mutation/equivalent.toml: {name}")
    return 1 if total.survivors or stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
