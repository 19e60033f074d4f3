"""What a terminal can draw: colours, bars and sparklines, as text.

Pure. `Ink` knows whether colour is wanted (the command line decides: a terminal, and no NO_COLOR); without it every
method returns the same characters plain, so that a pipe sees the same layout.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

NARROW = 80
NARROW_SPARK = 10
WIDE_SPARK = 24

_LEVELS = "▁▂▃▄▅▆▇█"
_FULL, _EMPTY = "█", "░"
_TONES: dict[str, str] = {"good": "32", "bad": "1;31", "warn": "1;33", "active": "36", "idle": "2", "strong": "1"}


@dataclass(frozen=True, slots=True)
class Ink:
    """Paints in colour, or does not."""

    colour: bool = False

    def paint(self, text: str, tone: str) -> str:
        """`text` in a tone: good, bad, warn, active, idle or strong."""
        return f"\x1b[{_TONES[tone]}m{text}\x1b[0m" if self.colour and text else text

    def bar(self, ratio: float | None, columns: int, tone: str = "active") -> str:
        """A bar of exactly `columns`; more than all is full, not known is blank."""
        if ratio is None:
            return " " * columns
        filled = min(columns, max(0, round(ratio * columns)))
        if filled == 0 and ratio > 0:
            filled = 1
        return self.paint(_FULL * filled, tone) + self.paint(_EMPTY * (columns - filled), "idle")


_PLAIN = Ink()


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the reader's terminal is like; `url` is the page's address; `full` shows every node and event."""

    zone: datetime.tzinfo
    columns: int = NARROW
    ink: Ink = _PLAIN
    url: str | None = None
    full: bool = False

    @property
    def spark(self) -> int:
        """Columns of a sparkline: more where there is room."""
        return WIDE_SPARK if self.columns >= NARROW + 2 * (WIDE_SPARK - NARROW_SPARK) else NARROW_SPARK


def sparkline(course: Sequence[float | None], columns: int) -> str:
    """Shares of one as eight heights, padded to `columns`; a gap is a blank."""
    return "".join(_level(value) for value in course[:columns]).ljust(columns)


def _level(share: float | None) -> str:
    if share is None:
        return " "
    return _LEVELS[min(len(_LEVELS) - 1, max(0, int(share * len(_LEVELS))))]
