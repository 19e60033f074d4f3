"""The real carbon-cache is killed while the sink sends: after its restart every point can be read back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from deploy.carbon import Carbon
from deploy.component import wait_ready
from deploy.errors import MachineLacks
from deploy.sandbox import Sandbox

from slurmlens.clock import SystemClock
from slurmlens.config.sinks import CarbonSinkConfig
from slurmlens.delivery.sinks.carbon import CarbonSink
from slurmlens.errors import DeliveryError
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.carbon import SeriesBlock, slot_prefix
from testkit.waiting import until_blocking

pytestmark = pytest.mark.slurm

POINTS = 40
KILLED_AFTER = 20
SERIES = slot_prefix("demo", "n0", 0) + "cpu_cores"


@pytest.fixture
def mortal_carbon() -> Iterator[Carbon]:
    """A carbon of this test's own: it will be killed."""
    try:
        with Sandbox() as sandbox:
            carbon = Carbon(sandbox, fast_interval_s=1, slow_interval_s=5)
            carbon.start()
            yield carbon
            carbon.stop()
    except MachineLacks as error:
        pytest.skip(str(error))


async def send(carbon: Carbon, begin_s: int) -> int:
    """One point at a time, as a node does; returns how often carbon was found missing."""
    clock, missing = SystemClock(), 0
    sink = CarbonSink(CarbonSinkConfig(), FixedEndpoint("127.0.0.1", carbon.port), Reporter(Counters(), clock), clock)
    block = SeriesBlock(SERIES.removesuffix("cpu_cores"), ["cpu_cores"])
    cache = carbon.cache
    for number in range(POINTS):
        payload = block.encode([float(number)], begin_s + number)
        try:
            await sink.deliver(payload, 1)
        except DeliveryError:
            missing += 1
            cache.start()
            await asyncio.to_thread(wait_ready, cache)
            await sink.deliver(payload, 1)
        if number == KILLED_AFTER:
            await asyncio.to_thread(cache.kill)
    await sink.aclose()
    return missing


def test_points_sent_around_the_kill_are_all_rendered(mortal_carbon: Carbon) -> None:
    begin_s = int(time.time()) - POINTS - 5
    assert asyncio.run(send(mortal_carbon, begin_s)) == 1
    wanted = [[float(number), begin_s + number] for number in range(POINTS)]

    def all_are_rendered() -> bool:
        rendered = mortal_carbon.render(SERIES, begin_s - 1, begin_s + POINTS - 1)
        return bool(rendered) and rendered[0]["datapoints"] == wanted

    until_blocking(all_are_rendered, "all points come back")
