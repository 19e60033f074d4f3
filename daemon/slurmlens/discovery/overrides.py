"""Settings from Consul's KV over those of the file: each key alone, checked as the file's are.

Sans-IO. A key is the prefix and the setting's path with slashes (`slurmlens/demo/node/sampling/interval_s`), its value
what stands right of `=` in the file; text needs no quotes. Later prefixes win over earlier ones. Invariants: only keys
that may change while the program runs are taken; a bad value is refused alone, is told once and stays visible in
`refused`, and what the key said before stays in force. Fed by a `watch`, read by `node.consul`.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from slurmlens.config.convert import all_keys, convert
from slurmlens.config.setting import KeyPath
from slurmlens.errors import ConfigError

C = TypeVar("C")

MAX_VALUE_BYTES = 4096


class _Accepted(NamedTuple):
    text: str
    value: Any


class Overrides(Generic[C]):
    """What the KV says over `base`, a configuration dataclass."""

    def __init__(self, base: C, allowed: frozenset[KeyPath], prefixes: Sequence[str]) -> None:
        self._base = base
        self._kind: type[C] = type(base)
        self._allowed = allowed
        self._accepted: dict[str, dict[KeyPath, _Accepted]] = {prefix: {} for prefix in prefixes}
        self._refused: dict[str, dict[str, tuple[bytes, str]]] = {prefix: {} for prefix in prefixes}

    def take(self, prefix: str, pairs: Mapping[str, bytes]) -> list[ConfigError]:
        """Everything that stands below `prefix` now, by what follows it; the refusals that are new."""
        before = self._accepted[prefix]
        refused_before = self._refused[prefix]
        accepted: dict[KeyPath, _Accepted] = {}
        refused: dict[str, tuple[bytes, str]] = {}
        fresh: list[ConfigError] = []
        for name, raw in sorted(pairs.items()):
            path = tuple(name.split("/"))
            known = before.get(path)
            if name in refused_before and refused_before[name][0] == raw:
                refused[name] = refused_before[name]
            else:
                try:
                    known = self._accept(path, raw)
                except ConfigError as wrong:
                    error = ConfigError(str(wrong), key=_printable(f"{prefix}{name}"))
                    refused[name] = (raw, str(error))
                    fresh.append(error)
            if known is not None:
                accepted[path] = known
        self._accepted[prefix], self._refused[prefix] = accepted, refused
        return fresh

    @property
    def effective(self) -> C:
        """The base with everything that is accepted over it."""
        made = self._base
        for accepted in self._accepted.values():
            for path, one in accepted.items():
                made = _grafted(made, path, one.value)
        return made

    @property
    def accepted(self) -> dict[str, str]:
        """Texts in force, by their whole key."""
        return {
            f"{prefix}{'/'.join(path)}": one.text
            for prefix, accepted in self._accepted.items()
            for path, one in accepted.items()
        }

    @property
    def refused(self) -> list[str]:
        """What is wrong in the KV now, each naming its key."""
        return [message for refused in self._refused.values() for _, message in refused.values()]

    def _accept(self, path: KeyPath, raw: bytes) -> _Accepted:
        if path not in self._allowed and path in all_keys(self._kind):
            allowed = ", ".join(sorted("/".join(one) for one in self._allowed))
            raise ConfigError(f"takes a restart: set it in the file. What may change while the program runs: {allowed}")
        text = _text(raw)
        nested: Any = _value(text)
        for part in reversed(path):
            nested = {part: nested}
        made, problems = convert(self._kind, nested)
        if problems:
            raise ConfigError(problems[0].message)
        value: Any = made
        for part in path:
            value = getattr(value, part)
        return _Accepted(text, value)


def _text(raw: bytes) -> str:
    if len(raw) > MAX_VALUE_BYTES:
        raise ConfigError(f"{len(raw)} bytes are no setting; {MAX_VALUE_BYTES} is the most")
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8") from error


def _value(text: str) -> Any:
    """A value as TOML writes it; what is none is text, so that its quotes may be left out."""
    try:
        parsed = tomllib.loads(f"value = {text}\n")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _grafted(table: C, path: KeyPath, value: Any) -> C:
    first, rest = path[0], path[1:]
    inner = _grafted(getattr(table, first), rest, value) if rest else value
    return dataclasses.replace(table, **{first: inner})  # type: ignore[type-var]


def _printable(key: str) -> str:
    return key if key.isprintable() else ascii(key)[1:-1]
