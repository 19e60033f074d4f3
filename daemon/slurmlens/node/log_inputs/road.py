"""The road of all log lines: attributed, bounded, folded, encoded, into the spool as its third stream.

Owns what is on the way between inputs and spool, at most one batch. Invariants: a line that comes in is in a batch, was
folded into one that is, or is counted as dropped by its reason; drops reach the spool's totals before the positions of
what was read count, so that nothing is both dropped and read again; reading is paced, so that a flood costs a bounded
share of a core. Never waits for a disk or a receiver. Fed by the inputs beside; feeds the spool.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.log_inputs import LogInputsConfig
from slurmlens.delivery.batches import Batch, Stream
from slurmlens.log_lines import LogLine
from slurmlens.node.log_inputs.attribution import Attribution
from slurmlens.node.log_inputs.bounds import LogBounds, WaitingLine, is_repeated
from slurmlens.node.log_inputs.positions import LogPositions, Position
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.log_documents import encode

MOST_LINES = 1024
MOST_BYTES = 256 * 1024
LINE_COST_BYTES = 200
"""What a line takes beside its message, roughly."""

LINES_READ = InternalEvent("log_lines_read", logging.DEBUG, "{count} log lines were read")
LINES_FOLDED = InternalEvent("log_lines_folded", logging.DEBUG, "{count} log lines said what the one before them said")


class LogRoad:
    """One node's. `append` is the spool's, `give_up` has it count lines of a stream that were dropped by a reason."""

    def __init__(
        self,
        config: LogInputsConfig,
        attribution: Attribution,
        positions: LogPositions,
        append: Callable[[Batch], Awaitable[None]],
        give_up: Callable[[Stream, str, int], None],
        clock: Clock,
        reporter: Reporter,
    ) -> None:
        self._linger_s = config.linger_s
        self._pace = _ReadingPace(config.lines_per_s)
        self._bounds = LogBounds(config)
        self._attribution = attribution
        self._positions = positions
        self._append = append
        self._give_up = give_up
        self._clock = clock
        self._reporter = reporter
        self._waiting: list[WaitingLine] = []
        self._waiting_bytes = 0
        self._folded = 0
        self._born_ns = 0
        self._dropped: Counter[str] = Counter()
        self._marks: dict[str, Position] = {}
        self._stirred = asyncio.Event()

    async def take(self, lines: Sequence[LogLine], marks: Mapping[str, Position] | None = None) -> None:
        """Takes lines in their order; `marks` say how far their input has come. Waits if they come too fast."""
        now_ns = self._clock.monotonic_ns()
        for line in lines:
            self._take(line, now_ns)
            if len(self._waiting) >= MOST_LINES or self._waiting_bytes >= MOST_BYTES:
                await self.flush()
        if marks:
            self._marks.update(marks)
        if lines or marks:
            self._stirred.set()
        if lines:
            self._reporter.report(LINES_READ, count=len(lines))
            await self._pace.after(len(lines), now_ns)

    def dropped(self, reason: str, lines: int) -> None:
        """An input lost so many lines before it could read them."""
        self._dropped[reason] += lines
        self._stirred.set()

    async def run(self) -> None:
        """A stage: sends what has waited for long enough."""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            await asyncio.sleep(self._linger_s)
            await self.flush()
            self._attribution.forget()

    async def flush(self) -> None:
        """Send what waits: first what was dropped is counted, then the lines go, then positions may count."""
        for reason, lines in self._dropped.items():
            self._give_up(Stream.LOGS, reason, lines)
        self._dropped.clear()
        marks, self._marks = self._marks, {}
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        folded, self._folded = self._folded, 0
        is_safe = self._positions.waits_for(marks) if marks or waiting else None
        if waiting:
            payload = b"".join([_encoded(one) for one in waiting])
            for one in waiting:
                one.repeats = -1  # nothing is folded into it any more
            to_tell = (is_safe,) if is_safe is not None else ()
            await self._append(Batch(Stream.LOGS, payload, len(waiting) + folded, self._born_ns, to_tell))
        elif is_safe is not None:
            is_safe()

    def _take(self, line: LogLine, now_ns: int) -> None:
        line = self._attribution.attributed(line)
        account = self._bounds.account(line, now_ns)
        last = account.last
        if last is not None and last.repeats >= 0 and is_repeated(line, last):
            last.repeats += 1
            self._folded += 1
            self._reporter.report(LINES_FOLDED, count=1)
            return
        size_bytes = len(line.message) + LINE_COST_BYTES
        if not account.take(size_bytes, now_ns):
            self._dropped["job_rate" if line.job_id is not None else "unit_rate"] += 1
            return
        if not self._waiting:
            self._born_ns = now_ns
        account.last = WaitingLine(line)
        self._waiting.append(account.last)
        self._waiting_bytes += size_bytes


class _ReadingPace:
    """How fast lines are read: a debt of time that is paid when it is worth a pause."""

    def __init__(self, lines_per_s: int) -> None:
        self._ns_per_line = NS_PER_S // lines_per_s
        self._owed_until_ns = 0

    async def after(self, lines: int, now_ns: int) -> None:
        """Wait, where more was read than the pace allows; at least let others have their turn."""
        self._owed_until_ns = max(self._owed_until_ns, now_ns) + lines * self._ns_per_line
        owed_s = (self._owed_until_ns - now_ns) / NS_PER_S
        await asyncio.sleep(owed_s if owed_s > _WORTH_A_PAUSE_S else 0)


_WORTH_A_PAUSE_S = 0.1


def _encoded(one: WaitingLine) -> bytes:
    line = one.line if not one.repeats else msgspec.structs.replace(one.line, repeats=one.repeats)
    return encode(line) + b"\n"
