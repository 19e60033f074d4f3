"""What is known of every batch of one stream without its payload: position, lines, bytes, birth.

Owns the order. A long outage leaves a hundred thousand batches on the disk, so an entry costs 32 bytes here, in four
arrays, and lines and bytes are kept as running sums: how much waits behind a position is one subtraction. Pure; used
by `queue` alone.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import NamedTuple

_COMPACT_FROM = 1024


class BatchHeader(NamedTuple):
    """One batch without its payload; `born_ns` is monotonic."""

    position: int
    lines: int
    size_bytes: int
    born_ns: int


class QueueTotals(NamedTuple):
    """How much lies behind a position."""

    batches: int
    lines: int
    size_bytes: int


class Index:
    """Headers in the order of their positions; taken from the head, now and then from the middle."""

    def __init__(self) -> None:
        self._positions = array("q")
        self._born_ns = array("q")
        # Running sums have one more element: what had passed before the first.
        self._lines = array("q", [0])
        self._sizes = array("q", [0])
        self._head = 0

    def __len__(self) -> int:
        return len(self._positions) - self._head

    def append(self, header: BatchHeader) -> None:
        """Positions only grow."""
        self._positions.append(header.position)
        self._born_ns.append(header.born_ns)
        self._lines.append(self._lines[-1] + header.lines)
        self._sizes.append(self._sizes[-1] + header.size_bytes)

    def head(self) -> BatchHeader | None:
        """The oldest."""
        return self._at(self._head) if len(self) else None

    def after(self, position: int) -> BatchHeader | None:
        """The first behind `position`."""
        place = self._place(position)
        return self._at(place) if place < len(self._positions) else None

    def run(self, after: int, upto: int, max_bytes: int) -> list[BatchHeader]:
        """Those behind `after` up to and including `upto`: the first in any case, the others as far as they fit."""
        place, taken, size_bytes = self._place(after), list[BatchHeader](), 0
        while place < len(self._positions) and self._positions[place] <= upto:
            header = self._at(place)
            size_bytes += header.size_bytes
            if taken and size_bytes > max_bytes:
                break
            taken.append(header)
            place += 1
        return taken

    def totals(self, after: int) -> QueueTotals:
        """Everything behind `after`."""
        place = self._place(after)
        return QueueTotals(
            len(self._positions) - place, self._lines[-1] - self._lines[place], self._sizes[-1] - self._sizes[place]
        )

    def has(self, position: int) -> bool:
        place = self._place(position - 1)
        return place < len(self._positions) and self._positions[place] == position

    def pop(self) -> BatchHeader:
        """Take the oldest."""
        header = self._at(self._head)
        self._advance()
        return header

    def remove(self, position: int) -> BatchHeader:
        """Take one from anywhere; costs as much as there is before it or behind it, whichever is less."""
        place = self._place(position - 1)
        header = self._at(place)
        if place - self._head < len(self._positions) - place:
            self._close_from_front(place, header)
        else:
            self._close_from_behind(place, header)
        return header

    def _close_from_front(self, place: int, header: BatchHeader) -> None:
        """What stands before `place` moves up by one."""
        head = self._head
        for column in (self._positions, self._born_ns):
            column[head + 1 : place + 1] = column[head:place]
        for sums, amount in ((self._lines, header.lines), (self._sizes, header.size_bytes)):
            sums[head + 1 : place + 1] = array("q", [passed + amount for passed in sums[head:place]])
        self._advance()

    def _close_from_behind(self, place: int, header: BatchHeader) -> None:
        """What stands behind `place` moves down by one."""
        for sums, amount in ((self._lines, header.lines), (self._sizes, header.size_bytes)):
            sums[place + 1 :] = array("q", [passed - amount for passed in sums[place + 2 :]])
        del self._positions[place]
        del self._born_ns[place]

    def _advance(self) -> None:
        self._head += 1
        if self._head >= _COMPACT_FROM and 2 * self._head > len(self._positions):
            for column in (self._positions, self._born_ns, self._lines, self._sizes):
                del column[: self._head]
            self._head = 0

    def _place(self, position: int) -> int:
        """Where the first behind `position` stands."""
        return bisect_right(self._positions, position, lo=self._head)

    def _at(self, place: int) -> BatchHeader:
        return BatchHeader(
            self._positions[place],
            self._lines[place + 1] - self._lines[place],
            self._sizes[place + 1] - self._sizes[place],
            self._born_ns[place],
        )
