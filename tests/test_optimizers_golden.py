"""Rules, and flavours of rules, give what other libraries gave: golden files, in float64.

`tests/golden/make_<source>.py` made them, by hand, and `recording.py` says what stands in one.
"""

from __future__ import annotations

import functools
import json
import operator
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from references import ELSEWHERE

from jaxnn.optimizers import OPTIMIZERS, get
from jaxnn.optimizers.base import apply_updates, name_of
from jaxnn.optimizers.hypers import check, make_hyper
from jaxnn.tree import fields

GOLDEN = sorted((pathlib.Path(__file__).parent / "golden").glob("*/*.npz"))
FILES = [path for path in GOLDEN if path.stem != "like"]  # which test_like.py reads


def _cases(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    with np.load(path) as golden:
        return json.loads(str(golden["cases"]))


def _groups() -> list[Any]:
    """The cases of a file by their structure: one program runs those that differ in numbers."""
    found: dict[tuple[pathlib.Path, str], list[str]] = {}
    for path in FILES:
        for case, about in _cases(path).items():
            label = name_of(get(path.stem, **about["structure"]))
            found.setdefault((path, label), []).append(case)
    return [
        pytest.param(path, cases, id=f"{path.parent.name}-{label}")
        for (path, label), cases in found.items()
    ]


def _tree(golden: Any, prefix: str) -> dict[str, Any]:
    """What lies under a prefix of the names in a file, as a tree of dicts."""
    tree: dict[str, Any] = {}
    for name in golden.files:
        if name.startswith(prefix + "/"):
            *path, last = name.removeprefix(prefix + "/").split("/")
            functools.reduce(lambda node, key: node.setdefault(key, {}), path, tree)[last] = golden[
                name
            ]
    return tree


@functools.partial(jax.jit, static_argnums=0)
@functools.partial(jax.vmap, in_axes=(None, None, None, None, 0))
def _run(rule: Any, start: Any, grads: Any, needs: Any, hyper: Any) -> Any:
    """(parameters after every step, last state)."""

    def step(carry: Any, row: Any) -> Any:
        params, state = carry
        grads, needs = row
        updates, state = rule.update(grads, state, params, hyper, **needs)
        params = apply_updates(params, updates)
        return (params, state), params

    (_, state), rows = jax.lax.scan(step, (start, rule.init(start, hyper)), (grads, needs))
    return rows, state


@pytest.mark.parametrize(("path", "cases"), _groups())
def test_agrees_with_golden_files(path: pathlib.Path, cases: list[str], x64: None) -> None:
    del x64
    about = _cases(path)
    with np.load(path) as golden:
        start, grads, needs = (_tree(golden, name) for name in ("start", "grads", "needs"))
        wanted = {case: _tree(golden, case) for case in cases}
    if "key" in needs:
        needs["key"] = jax.random.wrap_key_data(needs["key"]["data"])
    rule = get(path.stem, **about[cases[0]]["structure"])
    hypers = [check(rule, make_hyper(rule, about[case]["hyper"])) for case in cases]
    hyper = jax.tree.map(lambda *x: jnp.stack(x), *hypers)
    rows, states = _run(rule, start, grads, needs, hyper)
    for i, case in enumerate(cases):
        _require_equal(rows, wanted[case]["params"], i, case)
        if getattr(states, "step", None) is not None:
            assert int(states.step[i]) == len(jax.tree.leaves(grads)[0]), case
        for field, value in wanted[case].get("state", {}).items():
            found = _as_dicts(operator.attrgetter(field)(states))
            _require_equal(found, value, i, f"{case}: {field}")


def _as_dicts(node: Any) -> Any:
    """A tree as it lies in a file: dicts for tuples, and nothing for None."""
    if not isinstance(node, dict | tuple):
        return node
    return {k: _as_dicts(part) for k, part in fields(node).items() if part is not None}


def _require_equal(ours: Any, theirs: Any, lane: int, what: str) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(theirs), what
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a[lane], b, rtol=1e-10, atol=0, err_msg=what)


def test_golden_files_cover_what_optax_does_not_have() -> None:
    in_files = {
        name_of(get(path.stem, **about["structure"]))
        for path in FILES
        for about in _cases(path).values()
    }
    assert {name for name, where in ELSEWHERE.items() if "golden" in where} <= in_files
    assert {path.stem for path in FILES} <= OPTIMIZERS.keys()
