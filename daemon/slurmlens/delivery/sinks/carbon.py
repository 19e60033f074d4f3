"""Delivers metrics to carbon: plaintext lines over one TCP connection, which nobody acknowledges.

Owns nothing but the meaning of a delivery: what may not have arrived is kept and sent again by `unacknowledged` (the
same line twice is the same point). Driven by `delivery`.
"""

from __future__ import annotations

from slurmlens.clock import Clock
from slurmlens.config.sinks import CarbonSinkConfig
from slurmlens.delivery.sinks.unacknowledged import UnacknowledgedSender
from slurmlens.runtime.endpoint import Endpoint
from slurmlens.telemetry.internal import Reporter


class CarbonSink:
    """Sends carbon plaintext."""

    name = "carbon"

    def __init__(self, config: CarbonSinkConfig, endpoint: Endpoint, reporter: Reporter, clock: Clock) -> None:
        self.sender = UnacknowledgedSender(self.name, config, endpoint, reporter, clock)

    async def deliver(self, payload: bytes, count: int) -> int:
        """See `delivery.Sink`; returns when the kernel has all of it."""
        await self.sender.send(payload)
        return count

    async def aclose(self) -> None:
        """See `delivery.Sink`; the kernel goes on sending what it has."""
        await self.sender.aclose()
