"""Log files as an input: each looked at now and then, its lines given to the road with the position behind them.

Owns the stage and how a line of a file becomes one of ours: its program is the file's name, its time what Slurm wrote
before it (in this machine's zone), else when it was read. Asking each second costs a system call a file, and works on
every file system of this machine; a network's is refused. Feeds `road`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.log_inputs import FilesInputConfig
from slurmlens.log_lines import LogLine
from slurmlens.node.log_inputs.followed_file import FileLine, FileRead, FollowedFile
from slurmlens.node.log_inputs.positions import LogPositions, Position
from slurmlens.node.log_inputs.road import LogRoad
from slurmlens.runtime.file_systems import is_of_network, kind_by_name
from slurmlens.slurm.log_envelope import time_of
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.log_bytes import text_of

_HASHED_BYTES = 4096

ON_NETWORK = InternalEvent(
    "log_file_on_network",
    logging.ERROR,
    "{path} is on a file system of the network ({kind}), whose server may hang: it is not read",
)


class FilesInput:
    """All files of one node."""

    def __init__(
        self,
        config: FilesInputConfig,
        node: str,
        zone: tzinfo,
        road: LogRoad,
        positions: LogPositions,
        clock: Clock,
        *,
        proc: Path,
        reporter: Reporter,
    ) -> None:
        self._poll_interval_s = config.poll_interval_s
        self._node = node
        self._zone = zone
        self._road = road
        self._positions = positions
        self._clock = clock
        self._marked: dict[Path, Position] = {}
        self._files = [
            FollowedFile(
                Path(path),
                positions.get(path),
                from_beginning=config.from_beginning,
                is_joined=Path(path).name.startswith("slurm"),
                clock=clock,
                reporter=reporter,
            )
            for path in config.paths
            if not _is_refused(Path(path), proc, reporter)
        ]

    async def run(self) -> None:
        """A stage: looks for ever."""
        try:
            begun = {str(file.path): position for file in self._files if (position := file.begin()) is not None}
            await self._positions.begin(begun)
            while True:
                for file in self._files:
                    await self._take_new(file)
                await asyncio.sleep(self._poll_interval_s)
        finally:
            for file in self._files:
                file.close()

    async def _take_new(self, file: FollowedFile) -> None:
        while True:
            found = file.read()
            await self._take(file.path, found)
            if not found.has_more:
                break
        await self._take(file.path, file.read_former())

    async def _take(self, path: Path, found: FileRead) -> None:
        has_moved = found.position is not None and found.position != self._marked.get(path)
        if not found.lines and not has_moved:
            return
        arrived_ns = self._clock.wall_ns()
        lines = [line_of_file(path, line, self._node, arrived_ns, self._zone) for line in found.lines]
        if found.position is None:
            await self._road.take(lines)
        else:
            self._marked[path] = found.position
            await self._road.take(lines, {str(path): found.position})


def _is_refused(path: Path, proc: Path, reporter: Reporter) -> bool:
    """Whether it lies on a network: its server may hang, and with it the daemon, whose loop reads the files."""
    kind = kind_by_name(path, proc)
    if not is_of_network(kind):
        return False
    reporter.report(ON_NETWORK, path=path, kind=kind)
    return True


def line_of_file(path: Path, told: FileLine, node: str, arrived_ns: int, zone: tzinfo) -> LogLine:
    """The line in what a file held; the time that Slurm wrote before it becomes its time."""
    marks: dict[str, str | int] = {}
    text, is_cut = text_of(told.raw, marks)
    time_ns = None
    if text.startswith("[") and (end := text.find("] ", 1, 82)) > 0:
        time_ns = time_of(text[1:end], zone, datetime.fromtimestamp(arrived_ns / NS_PER_S, UTC))
        if time_ns is not None:
            text = text[end + 2 :]
    where = f"{path}\0{told.inode}\0{told.generation}\0{told.offset}\0".encode()
    return LogLine(
        id=hashlib.blake2b(where + told.raw[:_HASHED_BYTES], digest_size=16).hexdigest(),
        time_ns=arrived_ns if time_ns is None else time_ns,
        node=node,
        message=text,
        program=path.name.partition(".")[0],
        source="file",
        is_cut=is_cut,
        fields=marks,
    )
