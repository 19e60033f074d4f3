"""What the node's later stages hand to each other: lines, formed into batches, held in a queue, read by sinks.

Owns the types and the interface of the queue; no behaviour. Lines are bytes that end in a newline, encoded once, before
they are batched: NDJSON documents for events and log lines, carbon plaintext for metrics. `batcher` forms a `Batch`, a
`BatchQueue` (the spool) holds it, `sinks` read `Entry` values and acknowledge them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec


class Stream(enum.Enum):
    """Events matter more than log lines, and these more than metrics: under pressure metrics go first."""

    EVENTS = "events"
    METRICS = "metrics"
    LOGS = "logs"


class Batch(msgspec.Struct, frozen=True):
    """Lines that travel together.

    `payload` is the lines joined, `count` their number, `born_ns` the monotonic time of the first. `on_acknowledged`
    are called once the queue answers for the batch (the dropbox unlinks its file then): it is on the disk, or every
    receiver of the stream has taken it. On a drop before that only log lines are reported: the drop is counted by then,
    and whoever read them shall not read them again. They must not raise.
    """

    stream: Stream
    payload: bytes
    count: int
    born_ns: int
    on_acknowledged: tuple[Callable[[], None], ...] = ()


class Entry(msgspec.Struct, frozen=True):
    """A batch at its place in the stream; positions grow by one and are never used twice."""

    position: int
    batch: Batch


class Backlog(msgspec.Struct, frozen=True):
    """What one sink has yet to take; `oldest_age_s` is None where nothing waits."""

    batches: int
    lines: int
    size_bytes: int
    oldest_age_s: float | None


class BatchQueue(Protocol):
    """Holds batches until each sink of their stream has acknowledged them; one cursor a sink."""

    async def append(self, batch: Batch) -> None:
        """Take a batch; returns when it is as safe here as it can be."""

    async def read(self, sink: str, max_bytes: int) -> Sequence[Entry]:
        """The oldest entries that `sink` has not acknowledged: at least one, waiting for it, else up to `max_bytes`.

        They are in its hands then, and are not given up by the queue until it has acknowledged them.
        """

    async def acknowledge(self, sink: str, upto: int) -> None:
        """`sink` has taken every entry up to and including position `upto`."""

    async def drained(self) -> None:
        """Return when nothing waits any more; whoever ends the program bounds the wait."""

    def backlog(self, sink: str) -> Backlog:
        """What `sink` has yet to take."""
