"""A rule on parameters: one comparison in plain arithmetic, `tile_m * tile_n <= 4096`, and no code besides.

Owns the grammar: names of parameters, numbers, texts in quotes, + - * / // % **, min, max, abs, one comparison.
Pure; read by Python's own parser and walked here, never evaluated by it. Made by `file`, asked by `space`.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 400
_SLACK = 1e-12
_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {"min": min, "max": max, "abs": abs}
_COMPARISONS = (ast.LtE, ast.Lt, ast.GtE, ast.Gt, ast.Eq, ast.NotEq)


class RuleWrong(ValueError):
    """The text is no rule; the message says what to write. Becomes a ConfigError in `file`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One comparison. A rule that names a parameter which a point lacks (it is inactive there) holds."""

    text: str
    left: ast.expr
    comparison: ast.cmpop
    right: ast.expr
    names: frozenset[str]

    def excess(self, point: Mapping[str, float | int | str]) -> float:
        """By how much the point breaks the rule; 0 where the rule holds."""
        if not self.names <= point.keys():
            return 0.0
        try:
            left, right = _value(self.left, point), _value(self.right, point)
            return _excess(left, self.comparison, right)
        except (ArithmeticError, TypeError, ValueError):
            return 1.0  # a division by zero or a text times a number: such a point does not run


def read_rule(text: str) -> Rule:
    """The rule that a text says; RuleWrong where it says none."""
    if len(text) > LONGEST:
        raise RuleWrong(f"is longer than {LONGEST} characters")
    try:
        body = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RuleWrong("cannot be read: write one comparison such as a * b <= 4096") from error
    if not isinstance(body, ast.Compare) or len(body.ops) != 1 or not isinstance(body.ops[0], _COMPARISONS):
        raise RuleWrong("is no single comparison: write it such as a * b <= 4096")
    names: set[str] = set()
    for side in (body.left, body.comparators[0]):
        _check(side, names)
    return Rule(text, body.left, body.ops[0], body.comparators[0], frozenset(names))


def _check(node: ast.expr, names: set[str]) -> None:
    """Raise RuleWrong for anything outside the grammar; collect the parameters that are named."""
    parts: list[ast.expr]
    if isinstance(node, ast.Name):
        names.add(node.id)
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str) and node.value is not True:
        return
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        parts = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        parts = [node.operand]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        parts = list(node.args)
    else:
        raise RuleWrong(f"holds {ast.unparse(node)[:40]!r}, which is no arithmetic on parameters")
    for part in parts:
        _check(part, names)


def _value(node: ast.expr, point: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return _plain(point[node.id])
    if isinstance(node, ast.Constant):
        return _plain(node.value)
    if isinstance(node, ast.BinOp):
        return _ARITHMETIC[type(node.op)](float(_value(node.left, point)), float(_value(node.right, point)))
    if isinstance(node, ast.UnaryOp):
        inner = float(_value(node.operand, point))
        return -inner if isinstance(node.op, ast.USub) else inner
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    return _FUNCTIONS[node.func.id](*(float(_value(part, point)) for part in node.args))


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else float(value)  # floats: 9 ** 9 ** 9 overflows and does not grow


def _excess(left: Any, comparison: ast.cmpop, right: Any) -> float:
    if isinstance(comparison, ast.Eq | ast.NotEq):
        same = left == right
        return 0.0 if same == isinstance(comparison, ast.Eq) else 1.0
    over = left - right if isinstance(comparison, ast.LtE | ast.Lt) else right - left
    if math.isnan(over):
        return 1.0
    strict = isinstance(comparison, ast.Lt | ast.Gt)
    if over > 0 or (strict and over == 0):
        return max(float(over), _SLACK)
    return 0.0
