"""What is known of every batch of one stream without its payload: position, lines, bytes, birth.

Owns the order. A long outage leaves a hundred thousand batches on the disk, so an entry costs 32 bytes here, in four
arrays, and lines and bytes are kept as running sums: how much waits behind a position is one subtraction. Pure; used
by `lane` alone.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import NamedTuple

_COMPACT_FROM = 1024


class Slip(NamedTuple):
    """One batch without its payload; `born_ns` is monotonic."""

    position: int
    lines: int
    size_bytes: int
    born_ns: int


class Totals(NamedTuple):
    """How much lies behind a position."""

    batches: int
    lines: int
    size_bytes: int


class Index:
    """Slips in the order of their positions; taken from the head, now and then from the middle."""

    def __init__(self) -> None:
        self._positions = array("q")
        self._born_ns = array("q")
        # Running sums have one more element: what had passed before the first.
        self._lines = array("q", [0])
        self._sizes = array("q", [0])
        self._head = 0

    def __len__(self) -> int:
        return len(self._positions) - self._head

    def append(self, slip: Slip) -> None:
        """Positions only grow."""
        self._positions.append(slip.position)
        self._born_ns.append(slip.born_ns)
        self._lines.append(self._lines[-1] + slip.lines)
        self._sizes.append(self._sizes[-1] + slip.size_bytes)

    def head(self) -> Slip | None:
        """The oldest."""
        return self._at(self._head) if len(self) else None

    def after(self, position: int) -> Slip | None:
        """The first behind `position`."""
        place = self._place(position)
        return self._at(place) if place < len(self._positions) else None

    def run(self, after: int, upto: int, max_bytes: int) -> list[Slip]:
        """Those behind `after` up to and including `upto`: the first in any case, the others as far as they fit."""
        place, taken, size_bytes = self._place(after), list[Slip](), 0
        while place < len(self._positions) and self._positions[place] <= upto:
            slip = self._at(place)
            size_bytes += slip.size_bytes
            if taken and size_bytes > max_bytes:
                break
            taken.append(slip)
            place += 1
        return taken

    def totals(self, after: int) -> Totals:
        """Everything behind `after`."""
        place = self._place(after)
        return Totals(
            len(self._positions) - place, self._lines[-1] - self._lines[place], self._sizes[-1] - self._sizes[place]
        )

    def has(self, position: int) -> bool:
        place = self._place(position - 1)
        return place < len(self._positions) and self._positions[place] == position

    def pop(self) -> Slip:
        """Take the oldest."""
        slip = self._at(self._head)
        self._advance()
        return slip

    def remove(self, position: int) -> Slip:
        """Take one from anywhere; costs as much as there is before it or behind it, whichever is less."""
        place = self._place(position - 1)
        slip = self._at(place)
        if place - self._head < len(self._positions) - place:
            self._close_from_front(place, slip)
        else:
            self._close_from_behind(place, slip)
        return slip

    def _close_from_front(self, place: int, slip: Slip) -> None:
        """What stands before `place` moves up by one."""
        head = self._head
        for column in (self._positions, self._born_ns):
            column[head + 1 : place + 1] = column[head:place]
        for sums, amount in ((self._lines, slip.lines), (self._sizes, slip.size_bytes)):
            sums[head + 1 : place + 1] = array("q", [passed + amount for passed in sums[head:place]])
        self._advance()

    def _close_from_behind(self, place: int, slip: Slip) -> None:
        """What stands behind `place` moves down by one."""
        for sums, amount in ((self._lines, slip.lines), (self._sizes, slip.size_bytes)):
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

    def _at(self, place: int) -> Slip:
        return Slip(
            self._positions[place],
            self._lines[place + 1] - self._lines[place],
            self._sizes[place + 1] - self._sizes[place],
            self._born_ns[place],
        )
