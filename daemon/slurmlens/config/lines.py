"""Where in a TOML text each key stands: tomllib parses strictly but forgets the lines.

Owns a scanner that follows just enough of TOML to know, in a text that tomllib has accepted, which line opens which
table and which line sets which key. Keys inside an inline table are found at the line of the table's own key.
Fed by `load`; its index is asked for error messages only, so a miss costs a line number and nothing else.
"""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress

from slurmlens.config.setting import KeyPath

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_DOTTED = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_TABLE = re.compile(rf"[ \t]*\[\[?[ \t]*({_DOTTED})[ \t]*\]\]?")
_KEY = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=[ \t]*")
_PART_ONLY = re.compile(_PART)
# What may begin within a value, longest first: text in any quotes, a comment, a bracket.
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"""+'
    r"|'''.*?'''+"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[{]"
    r"|[\]}]"
    r"|\n",
    re.DOTALL,
)


def index_lines(text: str) -> dict[KeyPath, int]:
    """Map every key path of a valid TOML text to the number (from 1) of the line that first names it."""
    index: dict[KeyPath, int] = {}
    table: KeyPath = ()
    position, line = 0, 1
    while position < len(text):
        if match := _TABLE.match(text, position):
            table = _parts(match[1])
            _note(index, table, line)
        elif match := _KEY.match(text, position):
            _note(index, (*table, *_parts(match[1])), line)
        end = _end_of_value(text, match.end() if match else position)
        line += text.count("\n", position, end)
        position = end
    return index


def _note(index: dict[KeyPath, int], path: KeyPath, line: int) -> None:
    for length in range(1, len(path) + 1):
        index.setdefault(path[:length], line)


def _parts(dotted: str) -> KeyPath:
    return tuple(_unquoted(part) for part in _PART_ONLY.findall(dotted))


def _unquoted(part: str) -> str:
    """A part in double quotes may hold escapes; reading those is tomllib's."""
    if part[0] == '"':
        with suppress(tomllib.TOMLDecodeError):
            return str(tomllib.loads(f"key = {part}")["key"])
    return part[1:-1] if part[0] in "\"'" else part


def _end_of_value(text: str, position: int) -> int:
    """Just behind the newline that ends the statement going on at `position`; brackets and quotes may span lines."""
    depth = 0
    for token in _TOKEN.finditer(text, position):
        first = token[0][0]
        if first in "[{":
            depth += 1
        elif first in "]}":
            depth -= 1
        elif first == "\n" and depth <= 0:
            return token.end()
    return len(text)
