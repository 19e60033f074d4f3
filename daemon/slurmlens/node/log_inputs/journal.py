"""The machine's journal, read by one long-lived `journalctl --follow` in the journal's export format.

Owns the child and its end. The library in this process could die at a rotation of the journal, so the program reads
instead, and may hang or end without harm: it is started again with a growing wait, behind the last entry that was
taken. Our own cursor says where; one that the journal no longer has (vacuumed) makes the child end at once, twice in a
row: then it begins at the oldest entry and that is reported as a gap. The node starts no other program. Feeds `road`.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Sequence
from contextlib import suppress

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.log_inputs import JournalInputConfig
from slurmlens.node.log_inputs.positions import LogPositions, Position
from slurmlens.node.log_inputs.readiness import readable
from slurmlens.node.log_inputs.road import LogRoad
from slurmlens.runtime.backoff import Backoff
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting
from slurmlens.wire.journal_export import FIELDS, ExportReader, JournalEntry, line_of_entry

NAME = "journal"
READ_BYTES = PIPE_BYTES = 256 * 1024
GATHER_S = 0.4
"""What comes within this time is read at once: a wake-up costs as much as ten lines. The pipe holds as much at 1,000
lines a second; where it is full journalctl waits, and nothing is lost."""

_F_SETPIPE_SZ = 1031
"""From Linux's include/uapi/linux/fcntl.h."""

LEAST_WAIT_S, MOST_WAIT_S = 0.5, 60.0
AT_ONCE_S = 5.0
"""A child that ends sooner, without an entry, did not like its cursor."""

PATIENCE_S = 2.0
_MOST_WORDS = 300

ENDED = lasting("log_journal_ended", logging.WARNING, "journalctl ended ({status}: {words}); starting it again")
UNAVAILABLE = lasting("log_journal_unavailable", logging.WARNING, "{program} cannot be run: {words}; tried again")
GAP = InternalEvent(
    "log_journal_gap",
    logging.ERROR,
    "the journal has no entry of the last position any more: entries between it and the oldest are lost",
)


class JournalInput:
    """One node's journal."""

    def __init__(
        self,
        config: JournalInputConfig,
        node: str,
        road: LogRoad,
        positions: LogPositions,
        clock: Clock,
        reporter: Reporter,
    ) -> None:
        self._config = config
        self._node = node
        self._road = road
        self._positions = positions
        self._clock = clock
        self._reporter = reporter
        self._backoff = Backoff(LEAST_WAIT_S, MOST_WAIT_S)
        position = positions.get(NAME)
        self._cursor = None if position is None else str(position.get("cursor", "")) or None
        self._since_s = None if position is None else position.get("since_s")
        """Where there is no cursor yet: entries from this moment on; None for all of them."""
        if position is None and not config.from_beginning:
            self._since_s = clock.wall_ns() // NS_PER_S
        self._ended_at_once = 0

    async def run(self) -> None:
        """A stage: follows the journal for ever."""
        if self._cursor is None and self._since_s is not None:
            await self._positions.begin({NAME: {"since_s": self._since_s}})
        while True:
            began_ns, taken = self._clock.monotonic_ns(), 0
            try:
                taken = await self._follow()
            except OSError as error:
                words = error.strerror or str(error)
                self._reporter.report(UNAVAILABLE, program=self._config.program, words=words)
            if taken:
                self._backoff.reset()
            self._judge_end(taken, (self._clock.monotonic_ns() - began_ns) / NS_PER_S)
            await asyncio.sleep(self._backoff.next_s())

    def _judge_end(self, taken: int, lived_s: float) -> None:
        """Give up a cursor that the journal does not have."""
        self._ended_at_once = self._ended_at_once + 1 if not taken and lived_s < AT_ONCE_S else 0
        if self._ended_at_once >= 2 and self._cursor is not None:
            self._reporter.report(GAP)
            self._cursor, self._since_s, self._ended_at_once = None, None, 0

    def command(self) -> list[str]:
        """What is run now."""
        config = self._config
        command = [str(config.program), "--follow", "--no-tail", "--all", "--quiet", "--no-pager", "--output=export"]
        command.append("--output-fields=" + ",".join(FIELDS))
        if config.severity != "debug":
            command.append(f"--priority={config.severity}")
        if config.folder is not None:
            command.append(f"--directory={config.folder}")
        if self._cursor is not None:
            command.append(f"--after-cursor={self._cursor}")
        elif self._since_s is not None:
            command.append(f"--since=@{self._since_s}")
        return [*command, *config.matches]

    async def _follow(self) -> int:
        """One life of the child; returns how many entries it told."""
        output, its_end = os.pipe()
        try:
            child = await self._started(its_end)
            complaints = asyncio.create_task(_last_words(child.stderr))
            try:
                taken = await self._take_all(output)
                status = await child.wait()
                self._reporter.report(ENDED, status=status, words=(await complaints).strip() or "it said nothing")
                return taken
            finally:
                complaints.cancel()
                await _end(child)
        finally:
            os.close(output)

    async def _started(self, its_end: int) -> asyncio.subprocess.Process:
        """The child, writing into a pipe that holds what comes while it is not read."""
        with suppress(OSError):
            fcntl.fcntl(its_end, _F_SETPIPE_SZ, PIPE_BYTES)
        try:
            return await asyncio.create_subprocess_exec(
                *self.command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=its_end,
                stderr=asyncio.subprocess.PIPE,
                env={"LC_ALL": "C.UTF-8"},
            )
        finally:
            os.close(its_end)

    async def _take_all(self, output: int) -> int:
        reader, taken = ExportReader(), 0
        os.set_blocking(output, False)
        while True:
            try:
                data = os.read(output, READ_BYTES)
            except BlockingIOError:  # idle: from here on it costs nothing until something comes
                await readable(output)
                continue
            if not data:
                return taken
            if entries := reader.feed(data):
                await self._take(entries)
                taken += len(entries)
            if len(data) < READ_BYTES:
                await asyncio.sleep(GATHER_S)

    async def _take(self, entries: Sequence[JournalEntry]) -> None:
        arrived_ns = self._clock.wall_ns()
        lines = [line_of_entry(entry, self._node, arrived_ns) for entry in entries]
        cursor = entries[-1].cursor
        if cursor is not None:
            self._cursor = cursor.decode("ascii", "replace")
        marks: dict[str, Position] = {} if self._cursor is None else {NAME: {"cursor": self._cursor}}
        await self._road.take([line for line in lines if line is not None], marks)


async def _last_words(stream: asyncio.StreamReader | None) -> str:
    """The end of what the child complains of; read as it comes, so that it never waits for us."""
    words = b""
    while stream is not None and (data := await stream.read(4096)):
        words = (words + data)[-_MOST_WORDS:]
    return words.decode("utf-8", "replace")


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await child.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            child.kill()
