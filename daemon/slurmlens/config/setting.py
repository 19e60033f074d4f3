"""How a configuration dataclass declares its fields: default, explanation, bounds.

Owns the metadata that hangs on a dataclass field and nothing else. Written by `node` and `hub`, read by `convert`
(which checks a file against it) and by `render` (which writes the shipped file from it).

Invariant: every field of every configuration dataclass is made by `setting`, `derived`, `section` or
`optional_section`, so that it has an explanation; a test walks the classes to prove it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

T = TypeVar("T")

_KEY = "slurmlens"


@dataclass(frozen=True, slots=True)
class Constraint:
    """What is said of one field: `text` explains it to an admin, the rest bounds its value."""

    text: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    example: str | None = None
    pattern: str | None = None
    pattern_text: str = ""


def setting(
    default: T,
    text: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    example: str | None = None,
    pattern: str | None = None,
    pattern_text: str = "",
) -> T:
    """Declare a field with a fixed default; `example` is the TOML shown in a comment where the default is None."""
    constraint = Constraint(text, minimum, maximum, choices, example, pattern, pattern_text)
    return dataclasses.field(default=default, metadata={_KEY: constraint})


def derived(
    factory: Callable[[], T], text: str, *, example: str, pattern: str | None = None, pattern_text: str = ""
) -> T:
    """Declare a field whose default is asked of the machine; the shipped file shows `example` as a comment."""
    constraint = Constraint(text, example=example, pattern=pattern, pattern_text=pattern_text)
    return dataclasses.field(default_factory=factory, metadata={_KEY: constraint})


def section(kind: type[T], text: str) -> T:
    """Declare a table that is always there."""
    return dataclasses.field(default_factory=kind, metadata={_KEY: Constraint(text)})


def optional_section(text: str) -> Any:
    """Declare a table that switches something on by being there."""
    return dataclasses.field(default=None, metadata={_KEY: Constraint(text)})


def constraint_of(field: dataclasses.Field[Any]) -> Constraint:
    """The metadata of one field; KeyError where a field was declared without."""
    return cast("Constraint", field.metadata[_KEY])
