"""Finds everything that the node daemon counts of itself, for docs/metrics.md.

A named internal event is a constant of its module; a counter or gauge is declared by a call with its name and text
written out. Both are read from the source, so that nothing has to be imported or run, and none can be forgotten.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from slurmlens.node.status import FIGURE_TEXTS

PACKAGE = Path(__file__).parents[1] / "daemon" / "slurmlens"
FOLDERS = ("node", "relay", "delivery", "runtime", "discovery", "telemetry", "cgroup")

Row = tuple[str, str, str]


def rows() -> list[Row]:
    """Name, labels and text of each, by name."""
    found = {name: (f"`{name}`", "", text) for name, text in FIGURE_TEXTS.items()}
    for folder in FOLDERS:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            for name, labels, text in _declared(ast.parse(path.read_text())):
                found[name] = (f"`{name}`", ", ".join(labels), text.replace("|", "\\|").replace("\n", " "))
    return [found[name] for name in sorted(found)]


def _declared(tree: ast.AST) -> Iterator[tuple[str, list[str], str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        values = [_constant(argument) for argument in node.args]
        match node.func:
            case ast.Name(id="InternalEvent" | "lasting") if len(values) >= 3 and isinstance(values[0], str):
                yield f"{values[0]}_total", _labels(node, 3), f"log line: {values[2]}"
            case ast.Attribute(attr="counter" | "gauge") if len(values) >= 2 and isinstance(values[0], str):
                yield values[0], _labels(node, 2), str(values[1])


def _labels(call: ast.Call, position: int) -> list[str]:
    argument = call.args[position] if len(call.args) > position else None
    for keyword in call.keywords:
        if keyword.arg == "labels":
            argument = keyword.value
    return [] if argument is None else [f"`{label}`" for label in ast.literal_eval(argument)]


def _constant(argument: ast.expr) -> object:
    return argument.value if isinstance(argument, ast.Constant) else None
