"""Turns what a TOML file says into a configuration dataclass, and says of every wrong thing what to do.

Owns the checks: unknown keys (with the nearest known one), types, units, bounds, choices, and what a class says itself
in `problems()`. Pure: mapping in, dataclass and problems out. Fed by `load`, which adds file and line.
"""

import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from slurmlens.config.setting import Constraint, KeyPath, constraint_of

T = TypeVar("T")


class Problem(NamedTuple):
    """One thing that is wrong: where (`path` within the configuration) and what to do about it."""

    path: KeyPath
    message: str

    @property
    def key(self) -> str:
        """The path as an admin would write it; a quoted key may hold anything and must still fit one line."""
        return ".".join(part if part.isprintable() else ascii(part) for part in self.path)


class _Wrong(Exception):
    """A value does not fit; never leaves this module."""


def convert(kind: type[T], values: Mapping[str, Any]) -> tuple[T, list[Problem]]:
    """Build a `kind` from parsed TOML. Where problems are returned, wrong keys hold their defaults."""
    problems: list[Problem] = []
    made = _table(kind, values, (), problems, root=kind)
    return made, problems


def is_section(hint: Any) -> bool:
    """Whether a field's type is a table of its own (always there, or optional)."""
    return dataclasses.is_dataclass(_without_none(hint))


def hints_of(kind: type) -> Mapping[str, Any]:
    """The resolved types of a dataclass's fields."""
    return _hints(kind)


@functools.cache
def _hints(kind: Any) -> Mapping[str, Any]:
    """Resolving costs milliseconds; a running daemon checks settings that it is sent."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def section_type(hint: Any) -> type[Any]:
    """The dataclass of a field for which `is_section` is true."""
    return typing.cast("type[Any]", _without_none(hint))


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return next(argument for argument in typing.get_args(hint) if argument is not type(None))
    return hint


def _table(kind: type[T], values: Mapping[str, Any], path: KeyPath, problems: list[Problem], *, root: type) -> T:
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    taken: dict[str, Any] = {}
    for key, value in values.items():
        here = (*path, key)
        if key not in fields:
            problems.append(Problem(here, _unknown(key, kind, path, root)))
            continue
        hint = hints_of(kind)[key]
        try:
            if is_section(hint):
                taken[key] = _table(section_type(hint), _mapping(value, here), here, problems, root=root)
            else:
                taken[key] = _value(value, hint, key, constraint_of(fields[key]))
        except _Wrong as wrong:
            problems.append(Problem(here, str(wrong)))
    made = kind(**taken)
    problems.extend(Problem((*path, key), message) for key, message in _own_problems(made))
    return made


def _own_problems(made: object) -> Iterator[tuple[str, str]]:
    problems = getattr(made, "problems", None)
    return iter(()) if problems is None else problems()


def _mapping(value: Any, path: KeyPath) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong(f"this is a table: write [{'.'.join(path)}] and its keys below")
    return value


def _unknown(key: str, kind: type, path: KeyPath, root: type) -> str:
    """Name the nearest known key: in the same table, else the same name in another table."""
    import difflib  # late: only for a mistake, and 400 KiB

    known = [field.name for field in dataclasses.fields(kind)]
    stems = {name.removesuffix("_s").removesuffix("_bytes"): name for name in known}
    stem = key.rpartition("_")[0]
    near = stems.get(key) or stems.get(stem) or next(iter(difflib.get_close_matches(key, known, n=1)), None)
    elsewhere = [".".join(other) for other in all_keys(root) if other[-1] == key]
    if near and not elsewhere:
        return f"unknown key; did you mean {near}?"
    if elsewhere:
        return f"unknown key here; did you mean {elsewhere[0]}?"
    table = f"[{'.'.join(path)}]" if path else "the top of the file"
    return f"unknown key; known in {table}: {', '.join(known)}"


def all_keys(kind: type, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key path of a configuration class, tables included."""
    for field in dataclasses.fields(kind):
        here = (*path, field.name)
        yield here
        hint = hints_of(kind)[field.name]
        if is_section(hint):
            yield from all_keys(section_type(hint), here)


def _value(value: Any, hint: Any, key: str, constraint: Constraint) -> Any:
    wanted = _without_none(hint)
    if wanted is bool:
        return _boolean(value)
    if wanted is int or wanted is float:
        return _number(value, wanted, key, constraint)
    if wanted is Path:
        return _path(value)
    if wanted is str:
        return _text(value, constraint)
    return _texts(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong(f"expected true or false, found {_shown(value)}")
    return value


def _number(value: Any, wanted: type[int] | type[float], key: str, constraint: Constraint) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Wrong(f"expected {_number_name(wanted, key)}, found {_shown(value)}{_unit_hint(value, key)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise _Wrong(f"expected {_number_name(wanted, key)}, found {value}")
    if wanted is int and not isinstance(value, int):
        raise _Wrong(f"expected a whole number, found {value!r}")
    if constraint.minimum is not None and value < constraint.minimum:
        raise _Wrong(f"{_shown(value)} is too small; the least is {constraint.minimum:.12g}")
    if constraint.maximum is not None and value > constraint.maximum:
        raise _Wrong(f"{_shown(value)} is too large; the most is {constraint.maximum:.12g}")
    try:
        return wanted(value)
    except OverflowError as error:
        raise _Wrong(f"{_shown(value)} is too large") from error


def _number_name(wanted: type, key: str) -> str:
    if key.endswith("_s"):
        return "a number of seconds"
    if key.endswith("_bytes"):
        return "a number of bytes"
    return "a whole number" if wanted is int else "a number"


_QUANTITY = r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*"
_UNITS: dict[str, dict[str, float]] = {
    "_s": {"": 1, "ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400},
    "_bytes": {
        "": 1,
        "b": 1,
        "k": 1024,
        "kb": 1024,
        "kib": 1024,
        "m": 1 << 20,
        "mb": 1 << 20,
        "mib": 1 << 20,
        "g": 1 << 30,
        "gb": 1 << 30,
        "gib": 1 << 30,
    },
}


def _unit_hint(value: Any, key: str) -> str:
    """What to write instead of a quantity in quotes."""
    match = re.fullmatch(_QUANTITY, value) if isinstance(value, str) else None
    units = next((table for suffix, table in _UNITS.items() if key.endswith(suffix)), {"": 1.0})
    if match is None or match[2].lower() not in units:
        return ""
    return f": write {key} = {float(match[1]) * units[match[2].lower()]:.12g}"


def _path(value: Any) -> Path:
    if not isinstance(value, str):
        raise _Wrong(f"expected a path in quotes, found {_shown(value)}")
    if not value.startswith("/") or "\0" in value:
        raise _Wrong(f"expected a full path that begins with /, found {_shown(value)}")
    return Path(value)


def _text(value: Any, constraint: Constraint) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"expected text in quotes, found {_shown(value)}")
    if constraint.choices and value not in constraint.choices:
        raise _Wrong(f"expected one of {', '.join(constraint.choices)}, found {_shown(value)}")
    if constraint.pattern and not re.fullmatch(constraint.pattern, value):
        raise _Wrong(f"expected {constraint.pattern_text}, found {_shown(value)}")
    if not value.strip():
        raise _Wrong("is empty: give it a value or remove the line")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise _Wrong(f'expected a list of texts, ["…", "…"], found {_shown(value)}')
    return tuple(value)


def _shown(value: Any) -> str:
    """The value as an admin wrote it, short enough for one line."""
    text = repr(value) if not isinstance(value, str) else '"' + value.encode("unicode_escape").decode("ascii") + '"'
    return text if len(text) <= 60 else f"{text[:57]}…"
