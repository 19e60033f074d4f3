"""A program for a network namespace of its own: carbon vanishes without a word and comes back.

Run as `unshare --net python -m testkit.half_open_carbon`; prints what carbon received in all, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

from slurmlens.clock import SystemClock
from slurmlens.config.sinks import CarbonSinkConfig
from slurmlens.delivery.sinks.carbon import CarbonSink
from slurmlens.errors import DeliveryError
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.scripted_server import LineServer, serving

TIMEOUT_S = 0.5


def network(state: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


async def main() -> None:
    network("up")
    carbon, clock = LineServer(), SystemClock()
    async with serving(carbon) as port:
        sink = CarbonSink(
            CarbonSinkConfig(timeout_s=TIMEOUT_S), FixedEndpoint("127.0.0.1", port), Reporter(Counters(), clock), clock
        )
        await sink.deliver(b"before 1 1\n", 1)
        await carbon.until(b"before 1 1\n")
        network("down")
        # The kernel takes it, nobody gets it, and nothing says so.
        await sink.deliver(b"meanwhile 1 1\n", 1)
        failed = await until_noticed(sink)
        network("up")
        await sink.deliver(b"after 1 1\n", 1)
        await carbon.until(b"after 1 1\n")
        await sink.aclose()
    sys.stdout.write(json.dumps({"received": carbon.received.decode(), "failed": failed}))


async def until_noticed(sink: CarbonSink) -> str:
    """Wait until nothing has moved for the sink's time limit; then deliver once more."""
    async with asyncio.timeout(30):
        while (connection := sink.sender.connection) is not None and not connection.stands_still():
            await asyncio.sleep(0.01)
    try:
        await sink.deliver(b"lost 1 1\n", 1)
    except DeliveryError as error:
        return error.reason
    return "taken"


if __name__ == "__main__":
    asyncio.run(main())
