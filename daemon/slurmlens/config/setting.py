"""What a configuration dataclass is, and how it declares its fields: default, explanation, bounds.

Owns `Settings`, which they all derive from, and the metadata that hangs on a field. Written by `node` and `hub`, read
by `convert` (which checks a file against it) and by `render` (which writes the shipped file from it).

Invariant: every field of every configuration dataclass is made by `setting`, `derived`, `section` or
`optional_section`, so that it has an explanation; a test walks the classes to prove it.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Never, TypeVar, cast, dataclass_transform

T = TypeVar("T")
KeyPath = tuple[str, ...]
"""Where a setting stands: its tables' names, then its own."""

_KEY = "slurmlens"


@dataclass_transform(frozen_default=True)
class Settings:
    """A table: what derives from this is a frozen dataclass. Its methods stand here once; those that `dataclass` writes
    and compiles for each class anew are half a millisecond each at every start (ADR 19)."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclasses.dataclass(init=False, repr=False, eq=False)(cls)

    def __init__(self, **given: Any) -> None:
        values = {
            name: given.pop(name) if name in given else _default_of(field)
            for name, field in self.__dataclass_fields__.items()
        }
        if given:
            raise TypeError(f"{type(self).__name__} has no {', '.join(given)}")
        vars(self).update(values)

    def __setattr__(self, name: str, value: object) -> Never:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> Never:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if field.default is dataclasses.MISSING:
        raise TypeError(f"{field.name} has no default and must be given")
    return field.default


class Constraint(NamedTuple):
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
