"""What of the queues goes to the disk and when, and what becomes of them when the disk fails, breaks or comes back.

Owns the one change that is on its way; what comes meanwhile goes with the next (group commit). Invariants: a batch is
acknowledged as safe after its commit and not before; a failure is reported once and tried again by itself; what only a
broken file had is counted as lost. Works on the queues of `spool`, in the event loop, through `disk`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from slurmlens.clock import Clock
from slurmlens.delivery.batches import Entry, Stream
from slurmlens.delivery.spool.disk import Disk
from slurmlens.delivery.spool.index import BatchHeader
from slurmlens.delivery.spool.internal_events import FAILED, MEMORY_ONLY, OPENED, RECOVERED, VOLATILE
from slurmlens.delivery.spool.ledger import Ledger
from slurmlens.delivery.spool.limits import SpoolLimits
from slurmlens.delivery.spool.rows import entry_of, header_of, row_of
from slurmlens.delivery.spool.store import Contents, Row, SpoolChange
from slurmlens.delivery.spool.stream_queue import StreamQueue
from slurmlens.errors import ConfigError, SpoolError
from slurmlens.runtime.file_systems import Durability
from slurmlens.telemetry.internal import Reporter

VOLATILE_MAX_BYTES = 16 * 1024 * 1024
"""The most that is kept where the disk is memory."""

RETRY_S = 5.0
CACHE_BYTES = 1024 * 1024
"""So much of what is on the disk already stays in memory for the sinks, of events."""

LATER_S = 0.05
"""The longest that a change waits for company which only says that points were delivered."""

COMMIT_WAIT_S = 1.0
"""The longest that `append` waits for a commit; a disk that hangs must not hang the daemon."""


class Writer:
    """The way of all queues to the disk; `on_turn` is called when readers and waiters should look again."""

    def __init__(
        self,
        queues: Mapping[Stream, StreamQueue],
        limits: SpoolLimits,
        disk: Disk | None,
        boot_id: str,
        clock: Clock,
        reporter: Reporter,
        ledger: Ledger,
        *,
        retry_s: float,
        on_turn: Callable[[], None],
    ) -> None:
        self.max_bytes = limits.max_bytes
        """The disk's bound, here and now."""
        self.failure: str | None = None
        """Why the disk takes nothing; None while it is in order."""
        self._queues = queues
        self._limits = limits
        self._disk = disk
        self._boot_id = boot_id
        self._clock = clock
        self._reporter = reporter
        self._ledger = ledger
        self._retry_s = retry_s
        self._on_turn = on_turn
        self._sinks = frozenset(sink for queue in queues.values() for sink in queue.cursors)
        self._written_cursors: dict[str, int] = {}
        # What left from behind others that stay: to be deleted on the disk one by one.
        self._holes: set[tuple[Stream, int]] = set()
        self._is_dirty = False
        self._is_closed = False
        self._flusher: asyncio.Task[None] | None = None
        self._retrying: asyncio.TimerHandle | None = None
        self._later: asyncio.TimerHandle | None = None
        self._attempted = asyncio.Event()

    @property
    def mode(self) -> str:
        """See `SpoolState`."""
        return "memory" if self._disk is None else "failing" if self.failure else self._disk.durability.value

    async def open(self) -> None:
        """Take up what an earlier daemon left. ConfigError where another one is at it; no other failure is raised."""
        if self._disk is not None:
            try:
                await self._open_disk(self._disk)
            except SpoolError as error:
                self._fail(error)

    async def retry(self) -> None:
        """Try the disk again now."""
        self._stop_waiting()
        self.write_soon(despite_failure=True)
        if self._flusher is not None:
            await self._flusher

    async def close(self) -> None:
        """Write what is in memory alone, of all streams, and let go of the disk; a second time it does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._stop_waiting()
        if self._flusher is not None:
            await self._flusher
        if self._disk is not None:
            # Again, where something gave way meanwhile: else the next life would find it and count it anew.
            while await self._attempt(everything=True) and self._is_dirty:
                pass
            self._stop_waiting()
        if self._disk is not None:
            await self._disk.close()
        for stream, queue in self._queues.items():
            self._ledger.give_up(stream, "stopped", queue.orphaned_lines, was_stored=False)
        self._ledger.leave()

    async def read(self, queue: StreamQueue, sink: str, max_bytes: int) -> list[Entry]:
        """The oldest for `sink`, from the disk; empty where they have left meanwhile, or cannot be read now."""
        wanted = queue.wanted_from_disk(sink, max_bytes)
        if self._disk is None or not wanted:
            return []
        try:
            rows = await self._disk.read(queue.stream, wanted[0].position, wanted[-1].position)
        except SpoolError as error:
            if self._disk.is_open:
                self._fail(error)
            else:
                self.write_soon(despite_failure=True)
            self._attempted.clear()
            await self._attempted.wait()
            return []
        headers = {header.position: header for header in wanted}
        entries = [entry_of(row, queue.stream, headers[row.position]) for row in rows if row.position in headers]
        self._drop_unreadable(queue, headers, {entry.position for entry in entries})
        return queue.give_from_disk(sink, entries)

    def _drop_unreadable(self, queue: StreamQueue, wanted: Mapping[int, BatchHeader], readable: Iterable[int]) -> None:
        """Rows that are gone or fail their checksum are lost, alone."""
        for position in sorted(wanted.keys() - set(readable)):
            if queue.has(position):
                queue.drop(wanted[position])
                self.forget(queue.stream, position)
                self._ledger.give_up(queue.stream, "corrupt", wanted[position].lines, was_stored=True)
                self._on_turn()
                self.write_soon()

    # --- writing

    def forget(self, stream: Stream, position: int) -> None:
        """Have a batch that was taken from its queue deleted on the disk, with the next change."""
        if position > self._queues[stream].gone_upto:
            self._holes.add((stream, position))

    @property
    def _is_writing(self) -> bool:
        return self._flusher is not None and not self._flusher.done()

    def write_soon(self, *, despite_failure: bool = False) -> None:
        """Have a change written; it is made up when the disk is ready for it, of all that came until then."""
        self._is_dirty = True
        if self._disk is None or self.failure:
            self._ledger.leave()
        if self._disk is None or self._is_closed or (self.failure and not despite_failure):
            return
        if not self._is_writing:
            self._flusher = asyncio.create_task(self._flush(), name="spool")

    def write_later(self) -> None:
        """As `write_soon`, within `LATER_S`, or with whatever is written before."""
        if self._later is None and not self._is_closed:
            self._later = asyncio.get_running_loop().call_later(LATER_S, self.write_soon)

    async def _flush(self) -> None:
        while self._is_dirty and await self._attempt():
            pass

    async def _attempt(self, *, everything: bool = False) -> bool:
        """Write once; again, with a new file, where the old one is of no use any more. False where the disk fails."""
        for is_last in (False, True):
            self._is_dirty = False
            self._go_no_later()
            try:
                await self._commit(everything)
            except (SpoolError, ConfigError) as error:
                self._is_dirty = True
                if is_last or self._disk is None or self._disk.is_open:
                    self._fail(error)
                    return False
            except Exception as error:
                self._is_dirty = True
                self._fail(SpoolError(f"{type(error).__name__}: {error}", reason="bug"), cause=error)
                return False
            else:
                break
        self._mended()
        return True

    async def _commit(self, everything: bool) -> None:
        if (disk := self._disk) is None:
            return
        if not disk.is_open:
            await self._open_disk(disk)
        change = self._change(everything)
        if change.rows or change.gone_upto or change.gone or change.cursors or change.dropped:
            await self._apply(disk, change)

    def _change(self, everything: bool) -> SpoolChange:
        now_ns = (self._clock.monotonic_ns(), self._clock.wall_ns())
        rows: dict[Stream, list[Row]] = {}
        gone_upto: dict[Stream, int] = {}
        # A sink that is configured no more begins anew if it comes back: its old cursor could pass what it never had.
        cursors = {sink: 0 for sink in self._written_cursors if sink not in self._sinks}
        for stream, queue in self._queues.items():
            spills = everything or queue.loose_bytes > self._limits.spill_bytes(stream)
            loose = queue.loose() if spills else []
            if loose:
                rows[stream] = [row_of(position, batch, self._boot_id, *now_ns) for position, batch in loose]
            if loose or queue.stored_upto:
                gone_upto[stream] = queue.gone_upto
                cursors |= queue.cursors
        moved = {sink: at for sink, at in cursors.items() if at != self._written_cursors.get(sink, 0)}
        gone = {one: [position for stream, position in self._holes if stream is one] for one, _ in self._holes}
        return SpoolChange(rows, gone_upto, gone, moved, self._ledger.draft())

    async def _apply(self, disk: Disk, change: SpoolChange) -> None:
        for stream, rows in change.rows.items():
            self._queues[stream].writing_upto = rows[-1].position
        try:
            await disk.apply(change)
        finally:
            for queue in self._queues.values():
                queue.writing_upto = 0
        self._written_cursors |= change.cursors
        self._ledger.committed(change.dropped)
        self._ledger.leave()
        self._holes -= {(stream, position) for stream, gone in change.gone.items() for position in gone}
        for stream, rows in change.rows.items():
            tell(self._queues[stream].now_stored(rows[-1].position))
        for stream, queue in self._queues.items():
            queue.evict_beyond(CACHE_BYTES if stream is Stream.EVENTS else 0)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for the disk until `is_so`, or it has failed, or has hung for `COMMIT_WAIT_S`."""
        if is_so():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(COMMIT_WAIT_S):
                while self._disk is not None and not self.failure and not is_so() and self._is_writing:
                    self._attempted.clear()
                    await self._attempted.wait()

    # --- the disk's fate

    async def _open_disk(self, disk: Disk) -> None:
        contents = await disk.open()
        self._lose_disk("disk_lost")
        self._adopt(contents)
        if disk.durability is Durability.VOLATILE:
            self.max_bytes = min(self._limits.max_bytes, VOLATILE_MAX_BYTES)
            self._reporter.report(VOLATILE, folder=disk.folder, max_bytes=self.max_bytes)
        self._reporter.report(
            OPENED,
            folder=disk.folder,
            durability=disk.durability.value,
            events=len(contents.heads[Stream.EVENTS]),
            metrics=len(contents.heads[Stream.METRICS]),
            logs=len(contents.heads[Stream.LOGS]),
        )
        self._on_turn()

    def _adopt(self, contents: Contents) -> None:
        """Take up what the file holds; queues that nobody reads any more are emptied."""
        now_ns = (self._clock.monotonic_ns(), self._clock.wall_ns())
        limit_ns = round(self._limits.max_age_s * 1e9)
        self._written_cursors = dict(contents.cursors)
        self._ledger.adopt(contents.dropped)
        for stream, queue in self._queues.items():
            headers = [header_of(head, self._boot_id, *now_ns, limit_ns) for head in contents.heads[stream]]
            if headers or not len(queue):
                queue.adopt(headers, contents.cursors)
                queue.settle()

    def _lose_disk(self, reason: str) -> None:
        """Whatever only the disk had is gone."""
        for stream, queue in self._queues.items():
            lost = queue.disk_lost()
            self._ledger.give_up(stream, reason, sum(header.lines for header in lost), was_stored=False)
        self._ledger.disk_lost()
        self._holes = set()
        self._written_cursors = {}
        self._on_turn()

    def _fail(self, error: SpoolError | ConfigError, *, cause: Exception | None = None) -> None:
        if error.reason == "network":
            self._disk = None
            self._lose_disk("disk_lost")
            self._reporter.report(MEMORY_ONLY, problem=error)
        else:
            if self.failure != error.reason:
                self._reporter.report(FAILED, cause=cause, reason=error.reason, problem=error, retry_s=self._retry_s)
            self.failure = error.reason
            self._stop_waiting()
            self._retrying = asyncio.get_running_loop().call_later(
                self._retry_s, lambda: self.write_soon(despite_failure=True)
            )
        self._ledger.leave()
        self._attempted.set()

    def _mended(self) -> None:
        if self.failure:
            self.failure = None
            self._reporter.report(RECOVERED)
            self._stop_waiting()
        self._attempted.set()
        self._on_turn()

    def _stop_waiting(self) -> None:
        if self._retrying is not None:
            self._retrying.cancel()
            self._retrying = None
        self._go_no_later()

    def _go_no_later(self) -> None:
        """What waited for company goes along now."""
        if self._later is not None:
            self._later.cancel()
            self._later = None


def tell(callbacks: Iterable[Callable[[], None]]) -> None:
    for callback in callbacks:
        callback()
