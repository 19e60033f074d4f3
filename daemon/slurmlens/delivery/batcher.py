"""Forms batches of lines: closed when full, or when the first line has waited `linger_s`.

Sans-IO: handed the time, never asks for it. One `Batcher` a stream, owned by `pipeline`, fed with encoded lines; what
it returns goes into the queue. Invariants: lines leave in the order they came; none is held beyond its linger once
`take_due` is asked; no batch exceeds `max_bytes` unless one line alone does.
"""

from __future__ import annotations

from collections.abc import Callable

from slurmlens.clock import NS_PER_S
from slurmlens.delivery.batches import Batch, Stream

OnAcknowledged = Callable[[], None]


class BatchBuilder:
    """One batch in the making."""

    def __init__(self, stream: Stream, max_bytes: int, born_ns: int) -> None:
        self.born_ns = born_ns
        self._stream = stream
        self._max_bytes = max_bytes
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self._count = 0
        self._on_acknowledged: list[OnAcknowledged] = []

    @property
    def is_full(self) -> bool:
        return self._size_bytes >= self._max_bytes

    def has_room_for(self, line: bytes) -> bool:
        """The first line always fits."""
        return not self._lines or self._size_bytes + len(line) <= self._max_bytes

    def append(self, line: bytes, count: int, on_acknowledged: OnAcknowledged | None) -> None:
        """Take a line, or several joined ones (`count`)."""
        self._lines.append(line)
        self._size_bytes += len(line)
        self._count += count
        if on_acknowledged is not None:
            self._on_acknowledged.append(on_acknowledged)

    def build(self) -> Batch:
        """The finished batch."""
        payload = b"".join(self._lines)
        return Batch(self._stream, payload, self._count, self.born_ns, tuple(self._on_acknowledged))


class Batcher:
    """The batch in the making of one stream, and the rule when it is closed."""

    def __init__(self, stream: Stream, *, linger_s: float, max_bytes: int) -> None:
        self._stream = stream
        self._linger_ns = round(linger_s * NS_PER_S)
        self._max_bytes = max_bytes
        self._open: BatchBuilder | None = None

    @property
    def due_ns(self) -> int | None:
        """Monotonic time at which `take_due` has something, None where nothing waits."""
        return None if self._open is None else self._open.born_ns + self._linger_ns

    def add(
        self, line: bytes, now_ns: int, *, count: int = 1, on_acknowledged: OnAcknowledged | None = None
    ) -> list[Batch]:
        """Take a line (or `count` of them, joined); returns the batches that became full.

        ValueError where the newline at the end is missing: it would make one broken line of two good ones.
        """
        if not line:
            return []
        if not line.endswith(b"\n"):
            raise ValueError("a line without its newline")
        full: list[Batch] = []
        if self._open is not None and not self._open.has_room_for(line):
            full.append(self._close(self._open))
        if self._open is None:
            self._open = BatchBuilder(self._stream, self._max_bytes, now_ns)
        self._open.append(line, count, on_acknowledged)
        if self._open.is_full:
            full.append(self._close(self._open))
        return full

    def take_due(self, now_ns: int) -> Batch | None:
        """The batch in the making, where its linger is over."""
        if self._open is None or now_ns < self._open.born_ns + self._linger_ns:
            return None
        return self._close(self._open)

    def flush(self) -> Batch | None:
        """The batch in the making, whatever its age: at the end of a tick or of the program."""
        return None if self._open is None else self._close(self._open)

    def _close(self, builder: BatchBuilder) -> Batch:
        self._open = None
        return builder.build()
