"""How far each input has come, so that a daemon that starts again goes on there: no line twice, none left out.

Owns the file beside the spool, and the one that takes its place while that disk takes nothing (full, broken, a
network's): it lies in the runtime folder, as the totals of what was dropped do then, and counts where it is there. A
position counts once every line before it is safe: delivered, on the spool's disk, or counted as dropped. Lines are
answered for in any order, so positions wait for those before them. Where an input begins is written before its first
line is read: without it a daemon that is killed then would be followed by one that begins as at a first start, behind
what came meanwhile. Written in a thread, for a disk may hang: then, every `SAVE_EVERY_S` where something changed, and
at the end; a daemon that is killed reads so many seconds again, and the hub knows those lines by their ids. What is
written never becomes older than it was. Fed by `road`; the inputs read it once, at their start, and say where they
begin.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from slurmlens.runtime.whole_file import write_whole
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting

SAVE_EVERY_S = 10.0
BEGIN_PATIENCE_S = 2.0
"""How long an input waits at its start for a disk that hangs."""
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
        self._changes = 0
        """How often what counts has changed; what of it is written stands in `_written`."""
        self._writing = threading.Lock()
        self._written = 0

    def get(self, name: str) -> Position | None:
        """Where an input is to go on; None where it never was."""
        return self._safe.get(name)

    def waits_for(self, marks: Mapping[str, Position]) -> Callable[[], None]:
        """Have these count when what is returned is called, and what was returned before it."""
        outstanding = _Outstanding(marks)
        self._waiting.append(outstanding)

        def is_safe() -> None:
            outstanding.is_safe = True
            while self._waiting and self._waiting[0].is_safe:
                self._safe.update(self._waiting.popleft().marks)
                self._changes += 1

        return is_safe

    async def begin(self, marks: Mapping[str, Position]) -> None:
        """Where inputs begin that never were; written when this returns, but for a disk that takes nothing or hangs."""
        if not marks:
            return
        self._safe.update(marks)
        self._changes += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_PATIENCE_S):
                await self._save_in_thread()

    async def run(self) -> None:
        """A stage: saves what has changed, for ever."""
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            if self._changes != self._written:
                await self._save_in_thread()

    def save(self) -> None:
        """Write what is not written, waiting for the disk: the daemon ends."""
        if self._changes != self._written:
            self._tell(self._write(*self._content()))

    async def _save_in_thread(self) -> None:
        content, changes = self._content()
        self._tell(await asyncio.to_thread(self._write, content, changes))

    def _content(self) -> tuple[bytes, int]:
        return msgspec.json.encode(self._safe), self._changes

    def _tell(self, problem: str | None) -> None:
        """A disk that takes nothing is reported and tried again."""
        if problem is None:
            self._reporter.over(UNWRITABLE)
        else:
            self._reporter.report(UNWRITABLE, path=self._places[0], problem=problem)

    def _write(self, content: bytes, changes: int) -> str | None:
        """In whichever thread: into the best place that takes it. What is wrong with the last of them where none does.

        A write that was overtaken, its thread having hung, writes nothing.
        """
        problem: str | None = None
        with self._writing:
            for path in self._places if changes > self._written else ():
                try:
                    write_whole(path, content)
                    self._remove_others(path)
                except OSError as error:
                    problem = error.strerror or str(error)
                else:
                    self._written = changes
                    return None
        return problem

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
