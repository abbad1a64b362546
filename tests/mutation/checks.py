"""What the suite runs on a rule, in this process: first at a glance, then whole.

At a glance a comparison with Optax or with a golden file is made over a few steps, a tree and a
setting at a time and without compiling: some hundredths of a second, in which most mutants fall.
What passes goes through the tests themselves, compiled, and through the contracts last.
"""

from __future__ import annotations

import ast
import doctest
import functools
import importlib
import inspect
import itertools
import pathlib
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_optimizers_golden as golden
import test_optimizers_reference as reference
import test_wrappers_reference as around_rules
from _pytest.mark.structures import ParameterSet
from references import REFERENCES

from jaxnn.optimizers import get
from jaxnn.optimizers.base import Variant
from jaxnn.optimizers.hypers import check, make_hyper
from jaxnn.optimizers.wrappers.base import Composite

__all__ = ["Check", "doctests", "glances", "shortened", "tests"]

NUM_STEPS, WRAPPED_STEPS = 4, 10
_TREES = functools.cache(reference._trees)


class Check(NamedTuple):
    """Something of the suite that passes, or raises."""

    label: str
    run: Callable[[], Any]


def glances(rules: list[str]) -> Iterator[Check]:
    """The references and golden files of these rules, over a few steps and without compiling."""
    for case in reference._cases():
        name, structure = case.values
        if name in rules:
            settings = [{}, *REFERENCES[name].settings]
            for setting, tree in itertools.product(settings, range(3)):
                run = functools.partial(_against_optax, name, structure, setting, tree)
                yield Check(f"{case.id} against Optax", run)
    for path in golden.FILES:
        if path.stem in rules:
            for name in golden._cases(path):
                label = f"{path.parent.name}/{path.name}, {name}"
                yield Check(label, functools.partial(_against_file, path, name))


def _against_optax(name: str, structure: Any, setting: dict[str, float], tree: int) -> None:
    with jax.enable_x64(True), jax.disable_jit():
        rule = get(name, **structure)
        grads = jax.tree.map(lambda g: g[:NUM_STEPS], _TREES(jnp.float64)[tree])
        start = jax.tree.map(lambda g: g[0], grads)
        hyper = check(rule, make_hyper(rule, setting))
        pair = reference._run_pair(name, structure, grads, start, hyper)
        rows = jax.tree.map(lambda x: x[None], pair)  # an axis of settings
        reference._require_close(*rows, rtol=1e-12, num_ulps=4)


@functools.cache
def _recorded(path: pathlib.Path, name: str) -> tuple[Any, ...]:
    with np.load(path) as file:
        parts = (golden._tree(file, part) for part in ("start", "grads", "needs", name))
        start, grads, needs, wanted = parts
    if "key" in needs:
        needs["key"] = jax.random.wrap_key_data(needs["key"]["data"])
    rows = jax.tree.map(lambda x: x[:NUM_STEPS], (grads, needs, wanted["params"]))
    return golden._cases(path)[name], start, *rows


def _against_file(path: pathlib.Path, name: str) -> None:
    with jax.enable_x64(True), jax.disable_jit():
        about, *fed, wanted = _recorded(path, name)
        rule = get(path.stem, **about["structure"])
        fed = jax.tree.map(jnp.asarray, fed)
        rows, _ = inspect.unwrap(golden._run)(rule, *fed, check(rule, about["hyper"]))
        golden._require_equal(jax.tree.map(lambda x: x[None], rows), wanted, 0, name)


def shortened(test: Check) -> Check:
    """A comparison of wrappers over few steps, on one tree and one rule, without compiling."""

    def run() -> None:
        with pytest.MonkeyPatch.context() as patch, jax.enable_x64(True), jax.disable_jit():
            grads = jax.tree.map(lambda g: g[:WRAPPED_STEPS], _TREES(jnp.float64)[0])
            patch.setattr(around_rules, "trees", lambda dtype: [grads])
            patch.setattr(around_rules, "OURS", dict(list(around_rules.OURS.items())[1:2]))
            test.run()

    return Check(test.label, run)


def doctests(module: str) -> Check:
    """The examples in the docstrings of a module."""

    def run() -> None:
        doctest.testmod(importlib.import_module(module), raise_on_error=True)

    return Check(f"examples of {module}", run)


def tests(modules: list[str], subjects: list[str] | None, known: dict[str, Any]) -> Iterator[Check]:
    """The tests of these modules that are about one of the subjects, each with its arguments.

    subjects: None for every test. known: name → object of everything that tests may be about.
    A test is about those among its arguments; where there are none, about those that its text,
    and what it calls, speak of.
    Tests with another fixture than x64 are left out.
    """
    for module in map(importlib.import_module, modules):
        spoken = _Spoken(module)
        for name, function in vars(module).items():
            if not name.startswith("test_") or function.__module__ != module.__name__:
                continue
            for label, arguments in _calls(function):
                about = set().union(*(_about(x, known) for x in arguments.values()))
                if not about:
                    about = spoken.of(name) & known.keys()
                meant = subjects is None or about & set(subjects)
                if meant and _fixtures(function, arguments) <= {"x64"}:
                    run = functools.partial(_with_fixtures, function, arguments)
                    yield Check(f"{module.__name__}.{name}{label}", run)


def _calls(function: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The arguments of every run of a test by pytest, fixtures aside."""
    marks = [mark for mark in _marks(function) if mark.name == "parametrize"]
    for number, rows in enumerate(itertools.product(*map(_rows, marks))):
        label = f"[{number}]" if marks else ""
        yield label, {name: value for row in rows for name, value in row.items()}


def _marks(function: Any) -> list[Any]:
    """Those of the test and of its module."""
    of_all = getattr(inspect.getmodule(function), "pytestmark", [])
    own = getattr(function, "pytestmark", [])
    return [*own, *(of_all if isinstance(of_all, list) else [of_all.mark])]


def _rows(mark: Any) -> list[dict[str, Any]]:
    names, values = mark.args
    names = re.split(r",\s*", names) if isinstance(names, str) else names
    each = [x.values if isinstance(x, ParameterSet) else x for x in values]
    alone = len(names) == 1
    each = [(x,) if alone and not isinstance(y, ParameterSet) else x
            for x, y in zip(each, values, strict=True)]  # fmt: skip
    return [dict(zip(names, row, strict=True)) for row in each]


def _with_fixtures(function: Callable[..., None], arguments: dict[str, Any]) -> None:
    asked = {x for mark in _marks(function) if mark.name == "usefixtures" for x in mark.args}
    parameters = _fixtures(function, arguments)
    with jax.enable_x64("x64" in asked | parameters):
        function(**arguments, **dict.fromkeys(parameters))


def _fixtures(function: Callable[..., None], arguments: dict[str, Any]) -> set[str]:
    return set(inspect.signature(function).parameters.keys() - arguments.keys())


class _Spoken:
    """The names that the definitions of a module speak of, by themselves and by what they use."""

    def __init__(self, module: ModuleType) -> None:
        self._own: dict[str, set[str]] = {}
        for node in ast.parse(inspect.getsource(module)).body:
            words = {x.id for x in ast.walk(node) if isinstance(x, ast.Name)}
            texts = (x.value for x in ast.walk(node) if isinstance(x, ast.Constant))
            found = (re.match(r"(\w+)(\(|$)", x) for x in texts if isinstance(x, str))
            words |= {match[1] for match in found if match}
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self._own[node.name] = words
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for name in (x.id for t in targets for x in ast.walk(t) if isinstance(x, ast.Name)):
                    self._own[name] = words

    def of(self, name: str) -> set[str]:
        """Everything that is spoken of, however far down."""
        seen, left = set(), {name}
        while left:
            now = left.pop()
            seen.add(now)
            left |= self._own.get(now, set()) - seen
        return seen


def _about(value: Any, known: dict[str, Any]) -> set[str]:
    """The names of those known that an argument is, or is made of."""
    if isinstance(value, str):
        return {value} & known.keys()
    if isinstance(value, pathlib.Path):
        return {value.stem} & known.keys()
    if isinstance(value, Variant):
        return {value.module.rpartition(".")[2]} & known.keys()
    if isinstance(value, Composite):
        inside = (_about(rule, known) for rule in value.rules.values())
        return {type(value).__module__.rpartition(".")[2]}.union(*inside) & known.keys()
    return {name for name, rule in known.items() if rule is value}
