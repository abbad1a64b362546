"""What can be wrong in a formula: the mutants of a file, each one change of its syntax tree."""

from __future__ import annotations

import ast
import copy
import re
from collections import Counter
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, NamedTuple

__all__ = ["Mutant", "mutants"]

_OPPOSITE = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OTHER_FUNCTION = {"maximum": "minimum", "minimum": "maximum", "max": "min", "min": "max"}
_CHOICES = {"where", "select"}
_SHAPING = {"sqrt", "abs", "sign", "stop_gradient", "negative"}
_EPS = re.compile(r"(?:adam)?_?eps(?:_root)?", re.IGNORECASE)
_TEXT = (ast.Constant, ast.Attribute, ast.Name, ast.UnaryOp)


class Mutant(NamedTuple):
    """A function of a file with one change in it."""

    function: str  # as the interpreter calls it: "update", "Clipped.update"
    line: int
    change: str  # "old → new", once more with a number where the function has it twice
    compiled: Callable[[], CodeType]  # the code of the file with the change

    @property
    def name(self) -> str:
        """What stands for it in lists; lines move, this does not."""
        return f"{self.function}: {self.change}"


class _Place(NamedTuple):
    node: ast.AST
    parent: ast.AST
    field: str
    index: int | None

    def put(self, node: Any) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants(source: str, path: str) -> Iterator[Mutant]:
    """Every mutant of the functions of a file, declarations aside, in the order of its lines."""
    module = ast.parse(source)
    for prefix, function in _functions(module):
        seen: Counter[str] = Counter()
        siblings = _siblings(function)
        for place, context in _places(function):
            for new in _instead_of(place.node, siblings):
                change = _change(place, context, new)
                seen[change] += 1
                label = change if seen[change] == 1 else f"{change}, number {seen[change]}"
                line = getattr(place.node, "lineno", function.lineno)
                yield Mutant(
                    prefix + function.name, line, label, _Compiled(module, place, new, path)
                )


class _Compiled(NamedTuple):
    module: ast.Module
    place: _Place
    new: ast.AST
    path: str

    def __call__(self) -> CodeType:
        ast.copy_location(self.new, self.place.node)
        self.place.put(ast.fix_missing_locations(self.new))
        try:
            return compile(self.module, self.path, "exec", dont_inherit=True)
        finally:
            self.place.put(self.place.node)


def _functions(module: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            yield "", node
        if isinstance(node, ast.ClassDef):
            methods = [x for x in node.body if isinstance(x, ast.FunctionDef)]
            yield from ((f"{node.name}.", x) for x in methods if not x.name.isupper())


def _places(function: ast.FunctionDef) -> Iterator[tuple[_Place, list[ast.AST]]]:
    """The expressions of a body, each with those around it, the nearest last."""

    def below(parent: ast.AST, above: list[ast.AST]) -> Iterator[tuple[_Place, list[ast.AST]]]:
        for field, value in ast.iter_fields(parent):
            if field in {"annotation", "returns", "decorator_list", "args"} and not isinstance(
                parent, ast.Call
            ):
                continue
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(node, ast.AST) or isinstance(node, ast.Raise | ast.Delete):
                    continue
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                    continue  # a docstring
                if _is_dtype(node):
                    continue
                if isinstance(node, ast.expr | ast.If):
                    yield _Place(node, parent, field, index), above
                yield from below(node, [*above, node])

    return below(function, [])


def _change(place: _Place, context: list[ast.AST], new: ast.AST) -> str:
    """The nearest expression that says something, before and after."""
    if isinstance(place.node, ast.If):
        return f"if {ast.unparse(place.node.test)} → if {ast.unparse(new.test)}"  # type: ignore[attr-defined]
    around = [x for x in context if isinstance(x, ast.expr) and not isinstance(x, _TEXT)]
    shown = around[-1] if isinstance(place.node, _TEXT) and around else place.node
    old = ast.unparse(shown)
    if shown is place.node:
        return f"{old} → {ast.unparse(new)}"
    place.put(new)
    try:
        return f"{old} → {ast.unparse(shown)}"
    finally:
        place.put(place.node)


def _siblings(function: ast.FunctionDef) -> dict[str, str]:
    """For each number among several of a kind, b1 and b2, the one that it may be taken for."""
    used = {x.attr for x in ast.walk(function) if isinstance(x, ast.Attribute)}
    used |= {x.id for x in ast.walk(function) if isinstance(x, ast.Name)}
    found: dict[str, list[str]] = {}
    for name in sorted(used):
        if match := re.fullmatch(r"((?:adam_)?(?:b|beta|nu))(\d)", name):
            found.setdefault(match[1], []).append(name)
    return {
        a: b
        for names in found.values()
        if len(names) > 1
        for a, b in zip(names, names[1:] + names[:1], strict=True)
    }


def _instead_of(node: ast.AST, siblings: dict[str, str]) -> Iterator[Any]:
    """What may stand by mistake where `node` stands."""
    match node:
        case ast.BinOp(left, op, right):
            if type(op) in _OPPOSITE:
                yield ast.BinOp(left, _OPPOSITE[type(op)](), right)
            if isinstance(op, ast.Sub) and isinstance(left, ast.Constant) and left.value == 1:
                yield right
                if isinstance(right, ast.BinOp) and isinstance(right.op, ast.Pow):
                    yield ast.BinOp(node, ast.Pow(), ast.Constant(0))
            if isinstance(op, ast.Add):
                yield from _eps_inside(node)
        case ast.UnaryOp(ast.USub() | ast.Invert() | ast.Not(), operand):
            yield operand
        case ast.Constant(bool() | str() | None):
            return
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1 if isinstance(value, int) else 2 * value or 1.0)
        case ast.Attribute(value, name, ast.Load()):
            if name in siblings:
                yield ast.Attribute(value, siblings[name], ast.Load())
            yield from _of_eps(node, name)
        case ast.Name(name, ast.Load()):
            if name in siblings:
                yield ast.Name(siblings[name], ast.Load())
            yield from _of_eps(node, name)
        case ast.Compare(left, [op], comparators) if type(op) in _OPPOSITE:
            yield ast.Compare(left, [_OPPOSITE[type(op)]()], comparators)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.IfExp(test, body, orelse) if not isinstance(test, ast.Compare):
            yield ast.IfExp(test, orelse, body)
        case ast.If(test, body, orelse) if not isinstance(test, ast.Compare):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Call(function, args, keywords):
            yield from _of_call(function, args, keywords)


def _of_eps(node: ast.expr, name: str) -> Iterator[ast.expr]:
    if _EPS.fullmatch(name):
        yield ast.BinOp(ast.Constant(0), ast.Mult(), node)
        yield ast.BinOp(ast.Constant(10), ast.Mult(), node)


def _of_call(function: ast.expr, args: list[ast.expr], keywords: Any) -> Iterator[ast.expr]:
    name = _last_name(function)
    if name in _OTHER_FUNCTION:
        yield ast.Call(_renamed(function, _OTHER_FUNCTION[name]), args, keywords)
    if name in {"maximum", "minimum"}:
        yield from args
    if name == "clip" and len(args) == 3:
        yield ast.Call(_renamed(function, "maximum"), args[:2], [])
        yield ast.Call(_renamed(function, "minimum"), args[::2], [])
    if name in _CHOICES and len(args) == 3:
        yield ast.Call(function, [args[0], args[2], args[1]], keywords)
    if name in _SHAPING and name != "stop_gradient" and len(args) == 1:
        yield args[0]
    if name == "sqrt" and isinstance(args[0], ast.BinOp) and isinstance(args[0].op, ast.Add):
        for term, eps in ((args[0].left, args[0].right), (args[0].right, args[0].left)):
            if _is_eps(eps):
                yield ast.BinOp(ast.Call(function, [term], keywords), ast.Add(), eps)


def _eps_inside(node: ast.BinOp) -> Iterator[ast.expr]:
    """√v + eps → √(v + eps)."""
    for root, eps in ((node.left, node.right), (node.right, node.left)):
        if isinstance(root, ast.Call) and _last_name(root.func) == "sqrt" and _is_eps(eps):
            inner = ast.BinOp(root.args[0], ast.Add(), eps)
            yield ast.Call(root.func, [inner], root.keywords)


def _is_eps(node: ast.expr) -> bool:
    names = [x.attr if isinstance(x, ast.Attribute) else x.id for x in ast.walk(node)
             if isinstance(x, ast.Attribute | ast.Name)]  # fmt: skip
    return any(_EPS.fullmatch(name) for name in names)


def _is_dtype(node: ast.AST) -> bool:
    """Whether only a dtype is asked for, which is that of all numbers of a rule."""
    of_call = isinstance(node, ast.Call) and _last_name(node.func) == "result_type"
    return of_call or (isinstance(node, ast.Attribute) and node.attr == "dtype")


def _last_name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _renamed(function: ast.expr, name: str) -> ast.expr:
    new = copy.copy(function)
    setattr(new, "attr" if isinstance(new, ast.Attribute) else "id", name)
    return new
