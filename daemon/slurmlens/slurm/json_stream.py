"""The objects of one list in a JSON document, one by one, as the document comes.

Owns that a huge answer is never held whole: squeue's of 50,000 jobs has some hundreds of megabytes. Slurm writes
through json-c, which passes on any byte of a user's text, spells some floats NaN and Infinity, and knows no bound of a
number: none of these makes a document unreadable here. Pure. Fed by `command`'s pieces, feeds `json_records`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from slurmlens.errors import DecodeError
from slurmlens.slurm.pieces import Pieces, text_pieces

MAX_ENTRY_CHARS = 8 * 1024 * 1024

_BLANK = re.compile(r"[ \t\r\n]*")
_MAX_DIGITS = 20
_TOO_LARGE = 2**65


def _whole(digits: str) -> int:
    """A number of more digits than any of Slurm's is just too large; Python refuses to convert some thousands of
    them.
    """
    return int(digits) if len(digits) <= _MAX_DIGITS else _TOO_LARGE


def _nothing(_: str) -> None:
    return None


_decode = json.JSONDecoder(strict=False, parse_constant=_nothing).raw_decode
_decode_any_number = json.JSONDecoder(strict=False, parse_constant=_nothing, parse_int=_whole).raw_decode


class JsonList:
    """Iterates over the entries of the list `key` of an object; `members` holds the object's other members afterwards.

    DecodeError where the document is no JSON, has no such list, ends before it is complete, or has an entry of more
    than `MAX_ENTRY_CHARS`.
    """

    def __init__(self, pieces: Pieces, key: str) -> None:
        self._pieces = text_pieces(pieces)
        self._key = key
        self._text = ""
        self._at = 0
        self.members: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Any]:
        self._take("{")
        found = False
        while self._next() != "}":
            name = self._value()
            self._take(":")
            if name == self._key:
                found = True
                yield from self._entries()
            else:
                self.members[str(name)] = self._value()
            if self._next() == ",":
                self._at += 1
            elif self._next() != "}":
                raise self._no_json()
        self._at += 1
        if not found:
            raise self._no_list()

    def _entries(self) -> Iterator[Any]:
        if self._next() != "[":
            raise self._no_list()
        self._at += 1
        if self._next() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            mark = self._next()
            if mark not in (",", "]"):
                raise self._no_json()
            self._at += 1
            if mark == "]":
                return

    def _value(self) -> Any:
        """The value that comes next, whole."""
        self._next()
        while True:
            try:
                value, end = self._decoded()
                if end < len(self._text) or not self._more():  # a number may go on in the next piece
                    self._at = end
                    return value
            except json.JSONDecodeError:
                if not self._more():
                    raise self._no_json() from None
            except RecursionError:
                raise self._no_json() from None

    def _decoded(self) -> tuple[Any, int]:
        try:
            return _decode(self._text, self._at)
        except json.JSONDecodeError:
            raise
        except ValueError:
            return _decode_any_number(self._text, self._at)

    def _next(self) -> str:
        """The next character that is not blank, left where it is; "" at the end."""
        while True:
            match = _BLANK.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _take(self, mark: str) -> None:
        if self._next() != mark:
            raise self._no_json()
        self._at += 1

    def _more(self) -> bool:
        """Takes one more piece of the document, dropping what was read; False where there is none."""
        if len(self._text) - self._at > MAX_ENTRY_CHARS:
            raise DecodeError(
                f"the scheduler's answer has an entry above {MAX_ENTRY_CHARS} characters", reason="too-long"
            )
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._text, self._at = self._text[self._at :] + piece, 0
        return True

    def _no_list(self) -> DecodeError:
        return DecodeError(f"the scheduler's answer has no list {self._key!r}", reason="shape")

    def _no_json(self) -> DecodeError:
        at = self._text[self._at : self._at + 40]
        return DecodeError(f"the scheduler's answer is no JSON, or ends before it is whole: {at!r}", reason="json")
