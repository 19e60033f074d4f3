"""Bytes of log lines as text: bounded, with what was done to them written beside: pure.

Owns the rule for a message: at most `MAX_MESSAGE_BYTES`; bytes that are no UTF-8 and NULs become U+FFFD, and the mark
`replaced` says how many characters did. Used by the parsers of journal, syslog and files.
"""

from __future__ import annotations

from slurmlens.wire.log_documents import MAX_MESSAGE_BYTES, MAX_NAME_CHARS

LATE_S = 300
"""A time that is further than this from when its line was read is marked (`clock_off_s`), and kept."""

_REPLACEMENT = "\ufffd"


def text_of(raw: bytes, marks: dict[str, str | int]) -> tuple[str, bool]:
    """The message and whether it was cut; `marks` gets `replaced` where bytes were none that can be shown."""
    is_cut = len(raw) > MAX_MESSAGE_BYTES
    if is_cut:
        raw = raw[:MAX_MESSAGE_BYTES]
    try:
        text = raw.decode()
        if b"\0" not in raw:
            return text, is_cut
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
        if is_cut and len(raw) - len(text.encode()) < 0 and text.endswith(_REPLACEMENT):
            text = text[:-1]  # a character that the cut went through
    text = text.replace("\0", _REPLACEMENT)
    if (replaced := text.count(_REPLACEMENT)) > 0:
        marks["replaced"] = replaced
    while len(text.encode()) > MAX_MESSAGE_BYTES:  # replaced bytes are longer than they were
        text, is_cut = text.encode()[:MAX_MESSAGE_BYTES].decode("utf-8", "ignore"), True
    return text, is_cut


def cut(raw: bytes) -> str:
    """A name: of a program or a unit."""
    return raw[:MAX_NAME_CHARS].decode("utf-8", "replace").replace("\0", _REPLACEMENT)
