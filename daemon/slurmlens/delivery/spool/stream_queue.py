"""One stream in the spool: what is held, how far each sink has come, what of it is on the disk, in memory, or both.

Pure: values in, values out. Invariants: each sink is given its stream in order; whatever lies behind `stored_upto` is
in memory; a batch leaves when its last sink has it, or when it is dropped; a sink cannot acknowledge what it was not
given. What a sink was given and has not acknowledged is in its hands: it may be on its way to the receiver, so it is
not to be dropped, nor does it get lost with the disk. That is bounded: a sink reads on only from its cursor, so its
hands hold no more than one read gives. Part of `spool`, which decides what is dropped and what is written.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.delivery.batches import Backlog, Batch, Entry, Stream
from slurmlens.delivery.spool.index import BatchHeader, Index

BATCH_COST_BYTES = 128
"""What a batch takes beside its payload: its row's other columns, its share of a page, its header."""

OnSafe = Callable[[], None]


class StreamQueue:
    """The state of one stream."""

    def __init__(self, stream: Stream, sinks: Iterable[str]) -> None:
        self.stream = stream
        self.cursors = dict.fromkeys(sinks, 0)
        self.stored_upto = 0
        """Batches up to this position are on the disk; those behind it only in memory."""
        self.writing_upto = 0
        """Batches up to this position are on their way to the disk: not to be taken from its middle."""
        self.memory_bytes = 0
        self.loose_bytes = 0
        """In memory alone."""
        self.notice = 0
        """Where the last notice of what was dropped stands, or stood."""
        self._index = Index()
        # Taken from the front, which a plain dict is slow at.
        self._memory: OrderedDict[int, Batch] = OrderedDict()
        self._in_flight: dict[str, list[Entry]] = {sink: [] for sink in self.cursors}
        self._next = 1

    # --- what is there

    def __len__(self) -> int:
        return len(self._index)

    @property
    def size_bytes(self) -> int:
        """Of everything held, wherever it is."""
        totals = self._index.totals(0)
        return totals.size_bytes + totals.batches * BATCH_COST_BYTES

    @property
    def stored_bytes(self) -> int:
        """Of what is on the disk."""
        behind = self._index.totals(self.stored_upto)
        return self.size_bytes - behind.size_bytes - behind.batches * BATCH_COST_BYTES

    @property
    def orphaned_lines(self) -> int:
        """In memory alone, and in no file of whoever put them in: each that waits for an answer has one."""
        return sum(batch.count - len(batch.on_acknowledged) for _, batch in self.loose())

    @property
    def gone_upto(self) -> int:
        """Everything up to this position has left."""
        head = self._index.head()
        return (head.position if head else self._next) - 1

    def backlog(self, sink: str, now_ns: int) -> Backlog:
        """What `sink` has yet to take."""
        cursor = self.cursors[sink]
        first, totals = self._index.after(cursor), self._index.totals(cursor)
        age_s = (now_ns - first.born_ns) / NS_PER_S if first else None
        return Backlog(totals.batches, totals.lines, totals.size_bytes, age_s)

    # --- in and out

    def append(self, batch: Batch) -> int:
        """Hold a batch in memory; returns its position."""
        position, self._next = self._next, self._next + 1
        self._index.append(BatchHeader(position, batch.count, len(batch.payload), batch.born_ns))
        self._memory[position] = batch
        self.memory_bytes += len(batch.payload)
        self.loose_bytes += len(batch.payload)
        return position

    def has(self, position: int) -> bool:
        """Whether that batch is still held."""
        return self._index.has(position)

    def next_header(self, sink: str) -> BatchHeader | None:
        """The oldest that `sink` has not acknowledged."""
        return self._index.after(self.cursors[sink])

    def give_from_memory(self, sink: str, max_bytes: int) -> list[Entry]:
        """The oldest for `sink`, as far as they are in memory; empty where the first of them is on the disk alone."""
        entries: list[Entry] = []
        for header in self._index.run(self.cursors[sink], self._next, max_bytes):
            batch = self._memory.get(header.position)
            if batch is None:
                break
            entries.append(Entry(header.position, batch))
        return self._given_to(sink, entries)

    def wanted_from_disk(self, sink: str, max_bytes: int) -> list[BatchHeader]:
        """The oldest for `sink` of those on the disk, as far as they fit."""
        return self._index.run(self.cursors[sink], self.stored_upto, max_bytes)

    def give_from_disk(self, sink: str, entries: Sequence[Entry]) -> list[Entry]:
        """Those of `entries` that are still held; some may have left while the disk was read."""
        cursor = self.cursors[sink]
        held = [entry for entry in entries if entry.position > cursor and self._index.has(entry.position)]
        return self._given_to(sink, held)

    def acknowledge(self, sink: str, upto: int) -> tuple[list[Batch], bool]:
        """`sink` has what it was given up to `upto`. Returns the batches that left memory, and whether the disk is
        concerned.
        """
        before = self.cursors[sink]
        self.cursors[sink] = cursor = max(before, min(upto, self._given_upto(sink)))
        self._in_flight[sink] = [entry for entry in self._in_flight[sink] if entry.position > cursor]
        on_disk = max(self.stored_upto, self.writing_upto)
        return self.settle(), before < self.cursors[sink] and before < on_disk

    def settle(self) -> list[Batch]:
        """Let go of what every sink has; returns those of it that were in memory."""
        slowest = min(self.cursors.values(), default=self._next)
        left: list[Batch] = []
        while (head := self._index.head()) is not None and head.position <= slowest:
            batch = self._forget(self._index.pop())
            left += [batch] if batch else []
        return left

    # --- what gives way

    def oldest_free(self) -> BatchHeader | None:
        """The oldest that is in no sink's hands, wherever it is."""
        return self._free_after(0)

    def oldest_loose(self) -> BatchHeader | None:
        """The oldest of them that is in memory alone and not on its way to the disk."""
        return self._free_after(max(self.stored_upto, self.writing_upto))

    def drop(self, header: BatchHeader) -> Batch | None:
        """Take one from wherever it stands; returns it where it was in memory."""
        self._index.remove(header.position)
        return self._forget(header)

    def evict(self) -> bool:
        """Let go of the oldest payload in memory that is on the disk too; False where there is none."""
        position = next(iter(self._memory), None)
        if position is None or position > self.stored_upto:
            return False
        self.memory_bytes -= len(self._memory.pop(position).payload)
        return True

    def evict_beyond(self, cache_bytes: int) -> None:
        """Keep at most so much in memory of what is on the disk too."""
        while self.memory_bytes - self.loose_bytes > cache_bytes and self.evict():
            pass

    # --- the disk

    def loose(self) -> list[tuple[int, Batch]]:
        """What the disk has not yet, in order."""
        headers = self._index.run(self.stored_upto, self._next, self.loose_bytes + 1)
        return [(header.position, self._memory[header.position]) for header in headers]

    def now_stored(self, upto: int) -> list[OnSafe]:
        """The disk has everything up to `upto`; returns whom to tell."""
        to_tell: list[OnSafe] = []
        for header in self._index.run(self.stored_upto, upto, self.loose_bytes + 1):
            batch = self._memory[header.position]
            self.loose_bytes -= header.size_bytes
            to_tell += batch.on_acknowledged
            if batch.on_acknowledged:
                self._memory[header.position] = _without_callbacks(batch)
        self.stored_upto = max(self.stored_upto, upto)
        return to_tell

    def disk_lost(self) -> list[BatchHeader]:
        """The disk has nothing any more: what is in memory is to be written anew, the rest is lost and returned."""
        headers = self._index.run(0, self.stored_upto, self.size_bytes + 1)
        self._remember_in_flight()
        lost = [header for header in headers if header.position not in self._memory]
        self.loose_bytes = self.memory_bytes
        self.stored_upto = 0
        for header in lost:
            self._index.remove(header.position)
        return lost

    def adopt(self, headers: Sequence[BatchHeader], cursors: Mapping[str, int]) -> None:
        """Begin with what a file held; what came meanwhile goes behind it, under new positions.

        Whatever was given to sinks until now can no longer be acknowledged: they are given it again. So no cursor can
        pass a batch that its sink was never given.
        """
        came = list(self._memory.items())
        self._index, self._memory = Index(), OrderedDict()
        self.memory_bytes = self.loose_bytes = 0
        for header in headers:
            self._index.append(header)
        self.cursors = {sink: cursors.get(sink, 0) for sink in self.cursors}
        self._in_flight = {sink: [] for sink in self.cursors}
        self.stored_upto = max([header.position for header in headers[-1:]] + list(cursors.values()), default=0)
        self._next = max(self._next, self.stored_upto + 1)
        notice, self.notice = self.notice, 0
        for old_position, batch in came:
            position = self.append(batch)
            if old_position == notice:
                self.notice = position

    def _given_to(self, sink: str, entries: list[Entry]) -> list[Entry]:
        if entries:
            # One that is given less than before, from the same cursor, may still be about the rest.
            rest = [entry for entry in self._in_flight[sink] if entry.position > entries[-1].position]
            self._in_flight[sink] = [*entries, *rest]
        return entries

    def _given_upto(self, sink: str) -> int:
        in_flight = self._in_flight[sink]
        return in_flight[-1].position if in_flight else self.cursors[sink]

    def _free_after(self, position: int) -> BatchHeader | None:
        """The first behind `position` that is in no sink's hands; whatever lies between two in one's hands is, too."""
        header = self._index.after(position)
        while header is not None and (held_upto := self._held_upto(header.position)):
            header = self._index.after(held_upto)
        return header

    def _held_upto(self, position: int) -> int:
        """How far the hands reach that have `position`; 0 where none has it."""
        ends = (self._given_upto(sink) for sink, cursor in self.cursors.items() if cursor < position)
        return max((end for end in ends if position <= end), default=0)

    def _remember_in_flight(self) -> None:
        """Have in memory, again, what sinks have in their hands."""
        for entry in (entry for entries in self._in_flight.values() for entry in entries):
            if entry.position not in self._memory and self._index.has(entry.position):
                self._memory[entry.position] = _without_callbacks(entry.batch)
                self.memory_bytes += len(entry.batch.payload)
        self._memory = OrderedDict(sorted(self._memory.items()))

    def _forget(self, header: BatchHeader) -> Batch | None:
        batch = self._memory.pop(header.position, None)
        if batch is not None:
            self.memory_bytes -= header.size_bytes
            if header.position > self.stored_upto:
                self.loose_bytes -= header.size_bytes
        return batch


def _without_callbacks(batch: Batch) -> Batch:
    """The same, with nobody who waits for the word that it is safe."""
    return Batch(batch.stream, batch.payload, batch.count, batch.born_ns)
