"""The hub's own points to carbon: kept in memory while carbon is away, sent with the times they were made at.

Owns what waits and what may have to be sent again: carbon acknowledges nothing, so what was written within the last
`RESEND_S` before a connection broke goes out once more (the same point twice is one point). A carbon that moves is
followed at the next batch, and gets the same once more. Invariants: what waits is bounded by `WAITING_MAX`, the oldest
is dropped and counted; nobody waits for carbon. A hub that is killed loses what waits: a relay on its host keeps points
on disk. Fed by `queue_series`; wired in `pipeline`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.runtime.backoff import Backoff
from slurmlens.runtime.endpoint import AddressRotation, Endpoint, text_of
from slurmlens.telemetry.internal import InternalEvent, Reporter

CARBON_AWAY = InternalEvent(
    "carbon_away", logging.WARNING, "carbon at {address}: {error}; {waiting} batches wait for it"
)
POINTS_DROPPED = InternalEvent(
    "carbon_points_dropped", logging.WARNING, "{count} points for carbon at {address} dropped: it is away for too long"
)

WAITING_MAX = 360
RESEND_S = 20.0
WRITE_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 10.0
BACKOFF_MIN_S = 0.5
BACKOFF_MAX_S = 30.0


class QueuedPoints(msgspec.Struct, frozen=True):
    """Lines of one interval and their number."""

    payload: bytes
    count: int


class CarbonWriter:
    """One connection to the carbon that `endpoint` names; `write` batches, `run` the stage until cancelled."""

    def __init__(
        self,
        endpoint: Endpoint,
        reporter: Reporter,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._endpoint = AddressRotation(endpoint)
        self._address = self._endpoint.addresses()[0]
        self._reporter = reporter
        self._clock = clock
        self._sleep = sleep
        self._waiting: deque[QueuedPoints] = deque()
        self._written: deque[tuple[int, QueuedPoints]] = deque()
        self._given = asyncio.Event()

    def write(self, payload: bytes, count: int) -> None:
        """Take `count` lines of carbon plaintext; they leave when carbon takes them."""
        self._waiting.append(QueuedPoints(payload, count))
        self._drop_oldest()
        self._given.set()

    async def run(self) -> None:
        """Send what there is, for ever."""
        backoff = Backoff(BACKOFF_MIN_S, BACKOFF_MAX_S)
        while True:
            try:
                await self._converse(backoff)
            except OSError as error:
                text = str(error) or "it does not take anything"
                waiting = len(self._waiting)
                self._reporter.report(CARBON_AWAY, address=text_of(self._address), error=text, waiting=waiting)
                self._endpoint.failed(self._address)
                await self._sleep(backoff.next_s())

    async def _converse(self, backoff: Backoff) -> None:
        """One connection, until carbon has moved or it breaks: OSError, TimeoutError among them."""
        self._address = self._endpoint.addresses()[0]
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(*self._address)
        writer.transport.set_write_buffer_limits(high=0)  # `drain` shall wait until the kernel has it
        tasks = [asyncio.create_task(self._watch(reader)), asyncio.create_task(self._send(writer, backoff))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            writer.close()
            self._take_back()

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        """Carbon says nothing: whatever comes or ends is its end."""
        await reader.read(1)
        raise ConnectionResetError("it has closed the connection")

    async def _send(self, writer: asyncio.StreamWriter, backoff: Backoff) -> None:
        """Return when carbon is elsewhere."""
        while True:
            while self._waiting:
                if self._address not in self._endpoint.addresses():
                    return
                batch = self._waiting[0]
                writer.write(batch.payload)
                async with asyncio.timeout(WRITE_TIMEOUT_S):
                    await writer.drain()
                # `write` may have dropped it meanwhile, for it was the oldest.
                if self._waiting and self._waiting[0] is batch:
                    self._waiting.popleft()
                self._remember(batch)
                backoff.reset()
            self._given.clear()
            await self._given.wait()

    def _remember(self, batch: QueuedPoints) -> None:
        now_ns = self._clock.monotonic_ns()
        self._written.append((now_ns, batch))
        while self._written and now_ns - self._written[0][0] > RESEND_S * NS_PER_S:
            self._written.popleft()

    def _take_back(self) -> None:
        since_ns = self._clock.monotonic_ns() - round(RESEND_S * NS_PER_S)
        self._waiting.extendleft(batch for at_ns, batch in reversed(self._written) if at_ns >= since_ns)
        self._written.clear()
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        while len(self._waiting) > WAITING_MAX:
            self._reporter.report(POINTS_DROPPED, count=self._waiting.popleft().count, address=text_of(self._address))
