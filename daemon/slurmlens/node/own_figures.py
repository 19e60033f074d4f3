"""What the node daemon says of itself to others, where configured: to carbon as points, to Prometheus as a page.

Owns the two stages; both tell the same: all counters (`telemetry.counters`) and what `status` makes of the moment.
Invariants: a name and a label set of a counter make one series, whose number `Counters` bounds per counter and
`SERIES_MAX` for all; the page is answered to GET alone, one request a connection, within `REQUEST_TIMEOUT_S`, to at
most `READERS_MAX` at once.
Made by `pipeline`, which hands in the status and takes the points.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.telemetry import TelemetryConfig
from slurmlens.node.status import FIGURE_TEXTS, NodeStatus, figures
from slurmlens.runtime.intervals import next_interval
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.carbon import own_line, own_prefix
from slurmlens.wire.prometheus import CONTENT_TYPE, exposition

REQUEST_TIMEOUT_S = 5.0
REQUEST_MAX_BYTES = 8192
READERS_MAX = 8
SERIES_MAX = 500

PAGE_UNAVAILABLE = InternalEvent(
    "prometheus_unavailable", logging.WARNING, "{address}: {cause_text}; Prometheus cannot ask this daemon"
)
FIGURES_LEFT_OUT = InternalEvent(
    "own_figures_left_out", logging.WARNING, "{series} figures of the daemon's own are more than carbon is given"
)

Points = Callable[[bytes, int], Awaitable[None]]
"""Takes lines of carbon plaintext and their number."""


class OwnFigures:
    """The stages; each runs until cancelled."""

    def __init__(
        self,
        config: TelemetryConfig,
        snapshot: Callable[[], Awaitable[NodeStatus]],
        points: Points,
        reporter: Reporter,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._config = config
        self._snapshot = snapshot
        self._points = points
        self._reporter = reporter
        self._clock = clock
        self._sleep = sleep
        self._readers = 0

    @property
    def stages(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Those that are configured, by name."""
        stages: dict[str, Callable[[], Awaitable[None]]] = {}
        if self._config.carbon:
            stages["own figures"] = self.send
        if self._config.prometheus is not None:
            stages["prometheus"] = self.serve
        return stages

    async def send(self) -> None:
        """Points at every whole multiple of the interval, stamped with it."""
        interval_ns = round(self._config.interval_s * NS_PER_S)
        while True:
            due_ns = await next_interval(interval_ns, self._clock, self._sleep)
            payload, count = self._lines(await self._snapshot(), due_ns // NS_PER_S)
            await self._points(payload, count)

    async def serve(self) -> None:
        """Answer Prometheus; an address that cannot be had is told, and the daemon goes on without."""
        address = self._config.address
        assert address is not None
        try:
            server = await asyncio.start_server(self._answer, *address, limit=REQUEST_MAX_BYTES)
        except OSError as error:
            text = error.strerror or str(error)
            self._reporter.report(PAGE_UNAVAILABLE, address=self._config.prometheus, cause_text=text)
            return
        async with server:
            await server.serve_forever()

    async def page(self) -> str:
        """The page, now."""
        status = await self._snapshot()
        texts = {counter.name: counter.text for counter in self._reporter.counters.all()}
        return exposition({**status.counters, **figures(status)}, {**texts, **FIGURE_TEXTS})

    def _lines(self, status: NodeStatus, time_s: int) -> tuple[bytes, int]:
        prefix = own_prefix(status.cluster, status.node)
        lines = [own_line(prefix, name, (), value, time_s) for name, value in figures(status).items()]
        lines += [
            own_line(prefix, counter.name, labels, value, time_s)
            for counter in self._reporter.counters.all()
            for labels, value in sorted(counter.by_labels().items())
        ]
        if len(lines) > SERIES_MAX:
            self._reporter.report(FIGURES_LEFT_OUT, count=len(lines) - SERIES_MAX, series=len(lines))
        kept = [line for line in lines[:SERIES_MAX] if line]
        return b"".join(kept), len(kept)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._readers += 1
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                writer.write(await self._response(reader))
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # whoever asked has left, or never asked
        finally:
            self._readers -= 1
            writer.close()

    async def _response(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return _http(400, "no request of HTTP\n")
        if self._readers > READERS_MAX:
            return _http(503, "too many readers at once\n")
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if path != b"/metrics":
            return _http(404, "there is only /metrics\n")
        if method != b"GET":
            return _http(405, "only GET\n")
        return _http(200, await self.page(), CONTENT_TYPE)


_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


def _http(status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> bytes:
    body = text.encode("utf-8", "replace")
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
