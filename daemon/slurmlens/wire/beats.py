"""Beats v2 (Lumberjack v2), the sender's half: windows of JSON documents as bytes, acknowledgements from bytes; pure.

    window            "2W" count                          so many documents follow before an acknowledgement is due
    document          "2J" sequence length JSON           sequences are 1..count, anew in each window
    compressed        "2C" length zlib(document …)        must hold all of the window: receivers close at a second one
    acknowledgement   "2A" sequence                       the last document that is safe; 0: still alive, nothing new

All numbers are unsigned, 32 bits, big endian. Invariant: whatever a receiver says, nothing is raised but DecodeError,
and no more than five bytes of it are kept. Format: the frames that Elastic's own implementation, go-lumber, writes and
takes. Used by the beats sink, which has the connection and the patience.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from slurmlens.errors import DecodeError

MAX_WINDOW_DOCUMENTS = 10_000
"""go-lumber's own limit: a larger window closes the connection."""

_PAIR = struct.Struct(">2sI")
_DOCUMENT = struct.Struct(">2sII")
_ACKNOWLEDGEMENT = b"2A"


def encode_window(documents: Sequence[bytes], compression_level: int) -> bytes:
    """A whole window; with level 0 the documents stand in it as they are, with 1 to 9 in one compressed frame."""
    if not 0 < len(documents) <= MAX_WINDOW_DOCUMENTS:
        raise ValueError(f"a window holds 1 to {MAX_WINDOW_DOCUMENTS} documents, not {len(documents)}")
    head = _PAIR.pack(b"2W", len(documents))
    frames = b"".join(
        _DOCUMENT.pack(b"2J", sequence, len(document)) + document for sequence, document in enumerate(documents, 1)
    )
    if compression_level == 0:
        return head + frames
    packed = zlib.compress(frames, compression_level)
    return head + _PAIR.pack(b"2C", len(packed)) + packed


class Acknowledgements:
    """What a receiver says, in pieces as they come."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def is_between_frames(self) -> bool:
        """Whether all that came in was whole."""
        return not self._rest

    def feed(self, received: bytes) -> list[int]:
        """The sequences in the frames that are complete now, oldest first; DecodeError where it is something else."""
        received = self._rest + received
        whole = len(received) - len(received) % _PAIR.size
        sequences = []
        for kind, sequence in _PAIR.iter_unpack(received[:whole]):
            if kind != _ACKNOWLEDGEMENT:
                raise DecodeError(f"no acknowledgement: a frame that begins with {kind!a}")
            sequences.append(sequence)
        self._rest = received[whole:]
        return sequences


class Window:
    """How much of one window is acknowledged."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.acknowledged = 0

    @property
    def is_complete(self) -> bool:
        return self.acknowledged == self._count

    def note(self, sequence: int) -> None:
        """An acknowledgement came; one that says nothing new is a sign of life. DecodeError beyond the window."""
        if sequence > self._count:
            raise DecodeError(f"document {sequence} acknowledged, of a window of {self._count}", reason="sequence")
        self.acknowledged = max(self.acknowledged, sequence)
