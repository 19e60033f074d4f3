"""Batches as rows of the file and back, and what a birth means after a reboot.

Pure. A batch's age is counted by the monotonic clock, which nobody can set; it begins anew with each boot, so a row
also says in which boot it was born and at which wall time. Part of `spool`.
"""

from __future__ import annotations

from slurmlens.delivery.batches import Batch, Entry, Stream
from slurmlens.delivery.spool.index import BatchHeader
from slurmlens.delivery.spool.store import Head, Row


def row_of(position: int, batch: Batch, boot_id: str, monotonic_ns: int, wall_ns: int) -> Row:
    """The batch as it is written."""
    born_wall_ns = wall_ns - (monotonic_ns - batch.born_ns)
    return Row(position, batch.born_ns, born_wall_ns, boot_id, batch.count, batch.payload)


def entry_of(row: Row, stream: Stream, header: BatchHeader) -> Entry:
    """The batch as it is handed to a sink; whoever waited for it was called at its commit."""
    return Entry(row.position, Batch(stream, row.payload, row.lines, header.born_ns))


def header_of(head: Head, boot_id: str, monotonic_ns: int, wall_ns: int, limit_ns: int) -> BatchHeader:
    """What is kept of a row in memory.

    Of a row of another boot only the wall clock knows the age, and that may be wrong by years until it is set: so it
    can take away at most half of the time that a batch may wait.
    """
    if head.boot_id == boot_id:
        born_ns = head.born_ns
    else:
        born_ns = monotonic_ns - min(max(wall_ns - head.wall_ns, 0), limit_ns // 2)
    return BatchHeader(head.position, head.lines, head.size_bytes, born_ns)
