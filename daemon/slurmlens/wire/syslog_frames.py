"""Syslog messages in a stream of bytes, as RFC 6587 and those who do not follow it send them: pure.

Owns the framing. A stream may mix both kinds: where a frame begins with a digit it is its length, a blank and so many
bytes ("octet counting"), else all bytes up to a newline or NUL. A length above `MOST_FRAME_BYTES` is none: the frame
ends at its newline. Bounded: of a message without end the beginning is given and the rest passed over. Fed by
`node.log_inputs.syslog_streams`.
"""

from __future__ import annotations

import re

MOST_FRAME_BYTES = 256 * 1024
_LENGTH = re.compile(rb"(\d{1,7}) ")
_MAYBE_LENGTH = re.compile(rb"\d{0,7}\Z")
_END = re.compile(rb"[\n\0]")


class SyslogFrames:
    """Takes bytes of one connection and gives messages, without what framed them."""

    def __init__(self) -> None:
        self._rest = b""
        self._passes_over = False
        """The rest of a message that was too long, up to its newline."""

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that end in `data`; empty ones are left out."""
        buffer, position = self._rest + data, 0
        messages: list[bytes] = []
        while position < len(buffer):
            begin, end, after = self._frame(buffer, position)
            if after < 0:
                break
            if end > begin and not self._passes_over:
                messages.append(buffer[begin:end])
            self._passes_over = False
            position = after
        self._rest = buffer[position:]
        if len(self._rest) > MOST_FRAME_BYTES:
            if not self._passes_over:
                messages.append(self._rest[:MOST_FRAME_BYTES])
            self._rest, self._passes_over = b"", True
        return messages

    def end(self) -> bytes | None:
        """The last message, where the connection ended without its newline."""
        rest, self._rest = self._rest.strip(b"\n\0"), b""
        return rest if rest and not self._passes_over else None

    def _frame(self, buffer: bytes, position: int) -> tuple[int, int, int]:
        """Where the next message begins and ends, and what comes after it: -1 where more must come first."""
        if not self._passes_over and 48 <= buffer[position] <= 57:
            counted = _LENGTH.match(buffer, position)
            if counted is not None and 0 < (size := int(counted[1])) <= MOST_FRAME_BYTES:
                begin, end = counted.end(), counted.end() + size
                if end > len(buffer):
                    return begin, end, -1
                return begin, begin + len(buffer[begin:end].rstrip(b"\n\0")), end
            if counted is None and _MAYBE_LENGTH.match(buffer, position):
                return position, position, -1
        ended = _END.search(buffer, position)
        if ended is None:
            return position, position, -1
        return position, ended.start(), ended.end()
