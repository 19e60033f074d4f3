"""Delivers events, or log lines, to logstash's tcp input: JSON lines over one connection, TLS or not, not acknowledged.

Owns nothing but the meaning of a delivery: what may not have arrived is kept and sent again by `unacknowledged`, so a
document may come twice; `event.id` is the same both times. Driven by `delivery`. The lines are `wire.ecs`'s documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurmlens.clock import Clock
from slurmlens.config.sinks import LogstashSinkConfig
from slurmlens.delivery.sinks.unacknowledged import UnacknowledgedSender
from slurmlens.runtime.endpoint import Endpoint
from slurmlens.telemetry.internal import Reporter

if TYPE_CHECKING:
    from slurmlens.runtime.tls import ClientTls


class LogstashSink:
    """Sends JSON lines."""

    def __init__(
        self,
        config: LogstashSinkConfig,
        endpoint: Endpoint,
        reporter: Reporter,
        clock: Clock,
        tls: ClientTls | None = None,
        name: str = "logstash",
    ) -> None:
        self.name = name
        self.sender = UnacknowledgedSender(self.name, config, endpoint, reporter, clock, tls)

    async def deliver(self, payload: bytes, count: int) -> int:
        """See `delivery.Sink`; returns when the kernel has all of it."""
        await self.sender.send(payload)
        return count

    async def aclose(self) -> None:
        """See `delivery.Sink`; the kernel goes on sending what it has."""
        await self.sender.aclose()
