"""How far each input has come, so that a daemon that starts again goes on there: no line twice, none left out.

Owns the file beside the spool, and the one that takes its place while that disk takes nothing (full, broken, a
network's): it lies in the runtime folder, as the totals of what was dropped do then, and counts where it is there. A
position counts once every line before it is safe: delivered, on the spool's disk, or counted as dropped. Lines are
answered for in any order, so positions wait for those before them. Written every `SAVE_EVERY_S` where something
changed, and at the end; a daemon that is killed reads so many seconds again, and the hub knows those lines by their
ids. Fed by `road`; read by the inputs once, at their start.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from slurmlens.runtime.whole_file import write_whole
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting

SAVE_EVERY_S = 10.0
_MOST_BYTES = 1024 * 1024

UNREADABLE = InternalEvent(
    "log_positions_unreadable",
    logging.WARNING,
    "{path}: {problem}; log inputs begin as at a first start, and what came meanwhile is not sent",
)
UNWRITABLE = lasting(
    "log_positions_unwritable",
    logging.WARNING,
    "{path}: {problem}; a daemon that starts anew sends the lines of this one again",
)

Position = dict[str, int | str]
"""An input's own, as it reads it again."""


class _Outstanding:
    """Positions that count when their batch, and all before it, are answered for."""

    __slots__ = ("is_safe", "marks")

    def __init__(self, marks: Mapping[str, Position]) -> None:
        self.marks = marks
        self.is_safe = False


class LogPositions:
    """One node's; `places` are where they may lie, the best one first. The last that is there is the newest."""

    def __init__(self, places: Sequence[Path], reporter: Reporter) -> None:
        self._places = tuple(places)
        self._reporter = reporter
        self._safe = self._load()
        self._waiting: deque[_Outstanding] = deque()
        self._is_saved = True

    def get(self, name: str) -> Position | None:
        """Where an input is to go on; None where it never was."""
        return self._safe.get(name)

    def waits_for(self, marks: Mapping[str, Position]) -> Callable[[], None]:
        """Have these count when what is returned is called, and what was returned before it."""
        outstanding = _Outstanding(marks)
        self._waiting.append(outstanding)

        def is_safe() -> None:
            outstanding.is_safe = True
            is_first = False
            while self._waiting and self._waiting[0].is_safe:
                marks = self._waiting.popleft().marks
                is_first |= not marks.keys() <= self._safe.keys()
                self._safe.update(marks)
                self._is_saved = False
            if is_first:
                self.save()  # without any place a next daemon would begin as at a first start

        return is_safe

    async def run(self) -> None:
        """A stage: saves what has changed, for ever."""
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            self.save()

    def save(self) -> None:
        """Write what is not written; a disk that takes nothing is reported and tried again."""
        if self._is_saved:
            return
        content = msgspec.json.encode(self._safe)
        for path in self._places:
            try:
                write_whole(path, content)
                self._remove_others(path)
            except OSError as error:
                problem = error.strerror or str(error)
            else:
                self._is_saved = True
                self._reporter.over(UNWRITABLE)
                return
        self._reporter.report(UNWRITABLE, path=self._places[0], problem=problem)

    def _remove_others(self, newest: Path) -> None:
        """What lies in a worse place is older now."""
        for path in self._places[self._places.index(newest) + 1 :]:
            path.unlink(missing_ok=True)

    def _load(self) -> dict[str, Position]:
        for path in reversed(self._places):
            try:
                with path.open("rb") as file:
                    return msgspec.json.decode(file.read(_MOST_BYTES), type=dict[str, Position])
            except FileNotFoundError:
                continue
            except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
                self._reporter.report(UNREADABLE, path=path, problem=str(error)[:200])
        return {}
