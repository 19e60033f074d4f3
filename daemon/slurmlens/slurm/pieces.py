"""What a command prints, as it comes: pieces of bytes to lines of text.

Owns how foreign bytes become text: as UTF-8, what is none replaced by U+FFFD, for Slurm passes on whatever bytes a user
put into a job's name. Nothing is held but the line at hand. Pure. Fed by `command`, feeds the readers of text.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from slurmlens.errors import DecodeError

MAX_LINE_CHARS = 8 * 1024 * 1024

Pieces = Iterable[bytes]

incremental_utf8 = codecs.getincrementaldecoder("utf-8")


def text_pieces(pieces: Pieces) -> Iterator[str]:
    """The same as text; a character that was cut in two comes whole."""
    decoder = incremental_utf8(errors="replace")
    for piece in pieces:
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


def text_lines(pieces: Pieces) -> Iterator[str]:
    """Lines without their newline. Only a newline ends one: whatever else splitlines() knows may stand in a name.

    DecodeError for a line of more than `MAX_LINE_CHARS`.
    """
    rest = ""
    for text in text_pieces(pieces):
        *lines, rest = (rest + text).split("\n") if text else (rest,)
        yield from lines
        if len(rest) > MAX_LINE_CHARS:
            raise DecodeError(f"a line of more than {MAX_LINE_CHARS} characters", reason="too-long")
    if rest:
        yield rest
