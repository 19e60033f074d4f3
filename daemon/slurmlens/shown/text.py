"""Text that strangers wrote, made harmless to look at, and text cut to a width.

Pure. Job names, comments and log lines belong to users: they may hold newlines, escape sequences, direction overrides
or halves of characters. `visible` is the one place where they become printable; markup is escaped by the templates
(autoescape), cells of CSV by `csv`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_REPLACEMENT = "�"
_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROL_PICTURES = 0x2400
_DELETE = 0x7F


def visible(text: str) -> str:
    """One line in which every control character can be seen and none acts.

    C0 controls become control pictures (a newline is ␊), everything else that has no shape of its own — C1 controls,
    direction marks, zero-width characters, surrogates, unassigned code points — the replacement character. Blanks of
    any width become the plain one.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    if code == _DELETE:
        return "␡"
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    return _REPLACEMENT if category[0] == "C" or category in ("Zl", "Zp") else character


def encodable(text: str) -> str:
    """`text` with halves of surrogate pairs replaced: no encoding can write them, so no JSON could hold them."""
    return text if text.isascii() else _SURROGATES.sub(_REPLACEMENT, text)


def width(text: str) -> int:
    """Columns of a terminal that `text` fills: wide characters count two, combining ones none."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clip(text: str, columns: int) -> str:
    """`text`, or as much of it as fits with an ellipsis at the end."""
    if width(text) <= columns:
        return text
    kept, used = "", 0
    for character in text:
        used += _columns(character)
        if used > columns - 1:
            break
        kept += character
    return kept + "…" if columns > 0 else ""


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """`text` clipped and filled with blanks to exactly `columns`; `right` aligns it to the right."""
    text = clip(text, columns)
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def wrap(text: str, columns: int) -> Iterator[str]:
    """Lines of at most `columns`, broken at blanks where there are any."""
    line = ""
    for word in text.split(" "):
        candidate = f"{line} {word}" if line else word
        if width(candidate) <= columns:
            line = candidate
            continue
        if line:
            yield line
        line = clip(word, columns)
    yield line
