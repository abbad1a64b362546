"""Contestants as one writes them on a line, in the words that tables print.

adam                                a rule of the table
rmsprop(centered=True)              with other structure
clipped(adamw)                      in a wrapper
scheduled(adam, learning_rate=cosine)
optax:lion                          a factory of Optax
my_module:my_rule                   one of your own, which must keep the contracts
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jaxnn.errors import BadInput, bad_value, look_up

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["load_contestants", "parse_fixed", "split", "with_schedule"]

_OWN = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*:[A-Za-z_]\w*")

_FIX = "For example adam, rmsprop(centered=True), clipped(adamw), optax:lion or my_module:my_rule."


def load_contestants(
    text: str, *, tell: Callable[[str], None] | None = None, check: bool = True
) -> list[Any]:
    """The rules that a line names, with commas between.

    tell: called with the name of each rule of the user's own before its contracts are checked,
    which takes some seconds; check=False leaves that out.
    Raises ValueError for what is no such line, for unknown names, and for a rule that breaks a
    contract, TypeError for what is no rule.
    """
    return [_one(item, (tell or _ignore) if check else None) for item in split(text)]


def split(text: str) -> Iterator[str]:
    """The parts between the commas that are not in brackets, without those that are empty.

    >>> list(split("sgd, scheduled(adam, learning_rate=cosine),"))
    ['sgd', 'scheduled(adam, learning_rate=cosine)']
    """
    depth, part = 0, ""
    for character in text + ",":
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth <= 0:
            if part.strip():
                yield part.strip()
            part = ""
        else:
            part += character
    if part.strip(" ,"):
        yield part.strip(" ,")  # a bracket is open; whoever reads it says so


def with_schedule(items: list[str], schedule: str) -> list[str]:
    """Each contestant, and where the rate of its rule can follow that schedule once more so.

    Those that have a schedule already stand alone. Raises ValueError for an unknown schedule.

    >>> with_schedule(["clipped(adam)", "levenberg_marquardt"], "cosine")
    ['clipped(adam)', 'clipped(scheduled(adam, learning_rate=cosine))', 'levenberg_marquardt']
    """
    from jaxnn.schedules import SCHEDULES

    look_up("bench", "schedule", schedule, SCHEDULES)
    found = []
    for item in items:
        found.append(item)
        if "scheduled(" in item:
            continue
        with contextlib.suppress(BadInput, SyntaxError):  # without a rate, or no rule: said later
            again = _scheduled(item, schedule)
            load_contestants(again, check=False)
            found.append(again)
    return found


def _scheduled(item: str, schedule: str) -> str:
    """The same, in its wrappers, with the schedule around the rule."""
    own = iter(_OWN.findall(item))
    tree = ast.parse(_OWN.sub("own_", item), mode="eval")
    outer, node = None, tree.body
    while isinstance(node, ast.Call) and node.args:
        outer, node = node, node.args[0]
    rate = ast.keyword("learning_rate", ast.Name(schedule))
    made = ast.Call(ast.Name("scheduled"), [node], [rate])
    if outer:
        outer.args[0] = made
    else:
        tree.body = made
    return re.sub(r"\bown_\b", lambda _: next(own), ast.unparse(tree))


def _one(item: str, tell: Callable[[str], None] | None) -> Any:
    own = _OWN.findall(item)
    # Names of modules are no Python here: each stands as a name of its own while it is read.
    try:
        tree = ast.parse(_OWN.sub("own_", item), mode="eval").body
    except SyntaxError:
        raise _unreadable(item) from None
    return _rule(tree, item, iter(own), tell)


def _rule(node: ast.expr, item: str, own: Iterator[str], tell: Callable[[str], None] | None) -> Any:
    from jaxnn.optimizers import OPTIMIZERS, get, wrappers

    call = node if isinstance(node, ast.Call) else None
    name = _dotted(call.func if call else node)
    if name == "own_":
        whole = next(own)
        module, _, attribute = whole.partition(":")
        if module != "optax":
            if call:
                raise _unreadable(item)
            return _of_ones_own(whole, tell)
        name = f"optax.{attribute}"
    if name is None:
        raise _unreadable(item)
    if name.startswith("optax."):
        options = _options(call, item) if call else {}
        return _of_optax(name, options)
    if call and name in _wrappers() and call.args:
        inner = _rule(call.args[0], item, own, tell)
        rest = [_literal(argument, item) for argument in call.args[1:]]
        schedules = name == "scheduled"
        return getattr(wrappers, name)(inner, *rest, **_options(call, item, schedules=schedules))
    if name in _wrappers():
        fix = f"Write {name}(adam)."
        raise bad_value("bench", "optimizers", "a rule, which a wrapper needs", name, fix)
    if call and call.args:
        if name not in OPTIMIZERS:
            look_up("bench", "optimizers", name, dict.fromkeys(_wrappers()))
        raise _unreadable(item)
    return get(name, **(_options(call, item) if call else {}))


def _wrappers() -> list[str]:
    from jaxnn.optimizers import wrappers

    return [name for name in wrappers.__all__ if name.islower()]


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return before and f"{before}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def _options(call: ast.Call, item: str, *, schedules: bool = False) -> dict[str, Any]:
    from jaxnn.schedules import get

    found = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise _unreadable(item)
        value = _literal(keyword.value, item)
        found[keyword.arg] = get(value) if schedules and isinstance(value, str) else value
    return found


def _literal(node: ast.expr, item: str) -> Any:
    """A constant of Python; a bare name is a string."""
    if isinstance(node, ast.Name):
        return node.id
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise _unreadable(item) from None


def _of_optax(name: str, options: dict[str, Any]) -> Any:
    import optax

    from jaxnn.optimizers import from_optax

    factories = {f"optax.{x}": getattr(optax, x) for x in dir(optax) if x.islower()}
    factory = look_up("bench", "optimizers", name, factories)
    try:
        return from_optax(factory, **options)
    except BadInput:
        raise
    except Exception as error:
        fix = f"It raised {type(error).__name__}: {error}."
        constraint = "a factory of gradient transformations"
        raise bad_value("bench", "optimizers", constraint, name, fix) from None


def _of_ones_own(name: str, tell: Callable[[str], None] | None) -> Any:
    from jaxnn.cli.load import load_attribute
    from jaxnn.optimizers import check_rule
    from jaxnn.testing import ContractError, check_optimizer

    rule = check_rule("bench", load_attribute("bench", "optimizers", name), declared=True)
    if tell is None:
        return rule
    tell(name)
    try:
        check_optimizer(rule)
    except ContractError as error:
        constraint = "a rule that keeps the contracts of jaxnn.testing.check_optimizer"
        raise bad_value("bench", "optimizers", constraint, name, str(error)) from None
    return rule


def _unreadable(item: str) -> Exception:
    constraint = "names of rules, in wrappers or with options"
    return bad_value("bench", "optimizers", constraint, repr(item), _FIX)


def _ignore(name: str) -> None:
    del name


def parse_fixed(assignments: list[str], names: tuple[str, ...] = ()) -> dict[str, dict[str, float]]:
    """`adam.b1=0.8` as {"adam": {"b1": 0.8}}. Raises ValueError for anything else.

    names: those of contestants, of which some have dots in them.
    """
    fixed: dict[str, dict[str, float]] = {}
    for text in assignments:
        target, _, value = (part.strip() for part in text.rpartition("="))
        fitting = [name for name in names if target.startswith(f"{name}.")]
        name = max(fitting, key=len, default=target.partition(".")[0])
        field = target[len(name) + 1 :]
        try:
            fixed.setdefault(name, {})[field] = float(value)
        except ValueError:
            field = ""
        if not field:
            fix = "For example adam.b1=0.8."
            raise bad_value("bench", "set", "optimizer.number=value", repr(text), fix)
    return fixed
