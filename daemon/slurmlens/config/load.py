"""Reads a program's settings: one TOML file, then what lies beside it in `<stem>.conf.d/*.toml`, later files winning.

Owns the reading, the merging and the memory of which file and line said what. Invariant: either a configuration in
which every key was understood, or a ConfigError that names file, line and key and says what to do; nothing is guessed.
Called by `node.main`, `hub.main`, `relay.main` and `cli.validate`; `campaign.file` has checks of its own.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from slurmlens.config.convert import Problem, convert
from slurmlens.config.setting import KeyPath
from slurmlens.errors import ConfigError

if TYPE_CHECKING:
    from slurmlens.config.hub import HubConfig
    from slurmlens.config.node import NodeConfig
    from slurmlens.config.relay import RelayConfig

T = TypeVar("T")

NODE_PATH = Path("/etc/slurmlens/node.toml")
HUB_PATH = Path("/etc/slurmlens/hub.toml")
RELAY_PATH = Path("/etc/slurmlens/relay.toml")

BYTE_ORDER_MARK = "\ufeff"
"""Some editors write it unasked; TOML has no place for it."""

_LINE = r" \(at line (\d+), column \d+\)$"


def load_node(path: Path = NODE_PATH) -> NodeConfig:
    """Read the node daemon's settings; ConfigError where anything in them is wrong."""
    from slurmlens.config.node import NodeConfig  # late: each program keeps its own settings in memory only

    return _load(NodeConfig, path)


def load_hub(path: Path = HUB_PATH) -> HubConfig:
    """Read the hub's settings; ConfigError where anything in them is wrong."""
    from slurmlens.config.hub import HubConfig

    return _load(HubConfig, path)


def load_relay(path: Path = RELAY_PATH) -> RelayConfig:
    """Read the relay's settings; ConfigError where anything in them is wrong."""
    from slurmlens.config.relay import RelayConfig

    return _load(RelayConfig, path)


def examine(kind: type[T], path: Path) -> tuple[T, list[ConfigError]]:
    """Read settings and return all that is wrong with them at once, in the order of files and lines."""
    merged: dict[str, Any] = {}
    texts = {file: _text(file) for file in files_of(path)}
    for file, text in texts.items():
        _merge(merged, _values(file, text))
    made, problems = convert(kind, merged)
    if not problems:
        return made, []
    origins = _origins(texts)
    errors = [_located(problem, origins, path) for problem in problems]
    return made, sorted(errors, key=lambda error: (str(error.path), error.line or 0))


def located(errors: Sequence[ConfigError], path: Path) -> list[ConfigError]:
    """The same errors with file and line of the key that each names, as far as it stands in a file."""
    origins = _origins({file: _text(file) for file in files_of(path)})
    return [
        error
        if error.path is not None or error.key is None
        else _located(Problem(tuple(error.key.split(".")), str(error).removeprefix(f"{error.key}: ")), origins, path)
        for error in errors
    ]


def read_table(path: Path) -> tuple[dict[str, Any], str]:
    """One TOML file's values and its text, for a reader with checks of its own; ConfigError where it is no TOML."""
    text = _text(path)
    return _values(path, text), text


def files_of(path: Path) -> list[Path]:
    """The file itself, then `<stem>.conf.d/*.toml` beside it in the order of their names."""
    folder = path.with_name(f"{path.stem}.conf.d")
    return [path, *sorted(file for file in folder.glob("*.toml") if not file.name.startswith("."))]


def _load(kind: type[T], path: Path) -> T:
    made, errors = examine(kind, path)
    if not errors:
        return made
    first = errors[0]
    if len(errors) == 1:
        raise first
    more = f"{first} (and {len(errors) - 1} more: `slurmlens validate {path}` lists them)"
    combined = ConfigError(more)
    combined.path, combined.line, combined.key = first.path, first.line, first.key
    raise combined


def _origins(texts: Mapping[Path, str]) -> dict[KeyPath, tuple[Path, int]]:
    """Where each key was set last."""
    from slurmlens.config.lines import index_lines  # late: for mistakes alone

    return {key: (file, line) for file, text in texts.items() for key, line in index_lines(text).items()}


def _located(problem: Problem, origins: Mapping[KeyPath, tuple[Path, int]], main: Path) -> ConfigError:
    for length in range(len(problem.path), 0, -1):
        if problem.path[:length] in origins:
            file, line = origins[problem.path[:length]]
            return ConfigError(problem.message, path=file, line=line, key=problem.key)
    return ConfigError(problem.message, path=main, key=problem.key)


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            "no such file: name another with --config, or copy the shipped one there", path=path
        ) from error
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror}): check its owner and mode", path=path) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8: write the file as UTF-8", path=path, line=line) from error
    if text.startswith(BYTE_ORDER_MARK):
        raise ConfigError("begins with a byte order mark: save it as UTF-8 without BOM", path=path, line=1)
    return text


def _values(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, but also a number of 5,000 digits
        raise _syntax_error(path, text, str(error)) from error


def _syntax_error(path: Path, text: str, message: str) -> ConfigError:
    """tomllib tells the line inside its message only; show that line, for most errors are plain in it."""
    match = re.search(_LINE, message)
    line = int(match[1]) if match else text.count("\n") + 1
    lines = text.split("\n")
    written = lines[line - 1].strip() if line <= len(lines) else ""
    cleaned = re.sub(_LINE, "", message).removesuffix(" (at end of document)")
    hint = "; text and durations with a unit need quotes, numbers none" if "=" in written else ""
    return ConfigError(f"not valid TOML: {cleaned} in {written[:80]!r}{hint}", path=path, line=line)


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Tables are joined key by key; anything else is replaced by the later file."""
    for key, value in values.items():
        known = into.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value)
        else:
            into[key] = value
