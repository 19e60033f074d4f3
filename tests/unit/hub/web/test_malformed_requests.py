"""What is no HTTP costs a count each and a line a minute, whoever sends it."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiohttp.test_utils import TestServer

from slurmlens.hub.web.malformed_requests import MalformedRequests
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.job_hub import make_gallery_app
from testkit.manual_clock import ManualClock
from testkit.waiting import until


async def test_a_hundred_malformed_heads_are_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    counters, clock, logger = Counters(), ManualClock(), logging.getLogger("aiohttp.server")
    former = logger.handlers[:], logger.propagate
    MalformedRequests(Reporter(counters, clock, logging.getLogger("slurmlens.test"))).install()
    app, _ = make_gallery_app()
    try:
        async with TestServer(app) as server:
            for _ in range(100):
                reader, writer = await asyncio.open_connection(server.host, server.port)
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nbad \x1b[31m header\r\n\r\n")
                await reader.read()
                writer.close()
            await until(lambda: sum(counters.snapshot().values()) == 100, "each is counted")
    finally:
        logger.handlers[:], logger.propagate = former
    lines = [record for record in caplog.records if "no HTTP" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].exc_info is None
    assert "\x1b" not in lines[0].getMessage()
