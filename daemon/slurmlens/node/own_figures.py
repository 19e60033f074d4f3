"""What the node daemon says of itself to others, where configured: to carbon as points, to Prometheus as a page.

Owns the two stages; both tell the same: all counters (`telemetry.counters`) and what `status` makes of the moment.
Invariants: a name and a label set of a counter make one series, whose number `Counters` bounds per counter and
`SERIES_MAX` for all; the page is answered to GET alone, within `LIMITS`.
Made by `pipeline`, which hands in the status and takes the points.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.telemetry import TelemetryConfig
from slurmlens.errors import ConfigError
from slurmlens.node.status import FIGURE_TEXTS, NodeStatus, figures
from slurmlens.runtime.http_server import HttpAnswer, HttpLimits, HttpRequest, HttpServer
from slurmlens.runtime.intervals import next_interval
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.carbon import own_line, own_prefix
from slurmlens.wire.prometheus import CONTENT_TYPE, exposition

LIMITS = HttpLimits(
    max_body_bytes=0,
    pending_bytes=0,
    connections=8,
    idle_timeout_s=5.0,
    max_head_bytes=8192,
    exchange_timeout_s=5.0,
    is_kept=False,
)
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
        """Answer Prometheus; an address that cannot be had is reported, and the daemon goes on without."""
        address = self._config.address
        assert address is not None
        server = HttpServer(*address, FiguresPage(self.page), LIMITS, self._reporter)
        try:
            await server.bind()
        except ConfigError as error:
            self._reporter.report(PAGE_UNAVAILABLE, address=self._config.prometheus, cause_text=str(error.__cause__))
            return
        await server.run()

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


class FiguresPage:
    """What Prometheus is answered: an `HttpService`."""

    name = "own figures"

    def __init__(self, page: Callable[[], Awaitable[str]]) -> None:
        self._page = page

    def early(self, method: str, path: str) -> HttpAnswer | None:
        """See `HttpService`."""
        if path != "/metrics":
            return self.refusal(404, "address", "there is only /metrics")
        if method != "GET":
            return self.refusal(405, "method", "only GET")
        return None

    async def answer(self, request: HttpRequest) -> HttpAnswer:
        """See `HttpService`."""
        return HttpAnswer(200, (await self._page()).encode("utf-8", "replace"), CONTENT_TYPE)

    def refusal(self, status: int, reason: str, message: str) -> HttpAnswer:
        """See `HttpService`."""
        return HttpAnswer(status, f"{message}\n".encode(), "text/plain; charset=utf-8")
