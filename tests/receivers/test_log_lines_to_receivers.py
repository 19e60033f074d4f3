"""Log lines in Kafka and at a logstash's port: what a node took in arrives byte for byte, in its order."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from deploy.components.kafka import Kafka
from deploy.ports import Ports

from slurmlens.clock import SystemClock
from slurmlens.config.kafka import KafkaSinkConfig
from slurmlens.config.node import BatchConfig
from slurmlens.config.sinks import LogstashSinkConfig, SinksConfig
from slurmlens.delivery.batches import Stream
from slurmlens.delivery.receivers import Receiver, SinkDependencies, receivers
from slurmlens.log_lines import JobSource, LogLine
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.log_documents import MAX_MESSAGE_BYTES, encode
from testkit.checkout import ROOT
from testkit.kafka_log import ids, make_topic, read_all
from testkit.waiting import until

NOW_NS = time.time_ns()
MESSAGES = ("plain", "two\nlines", "\x1b[31m<script>", "\ufffd of no UTF-8", "x" * MAX_MESSAGE_BYTES, "same", "same")


def written() -> list[bytes]:
    """Lines of two nodes as a node's road writes them."""
    return [
        encode(
            LogLine(
                id=f"l{number}",
                time_ns=NOW_NS + number * 1_000_000,
                node=f"n{number % 2}",
                message=message,
                job_id=7 if number % 3 else None,
                job_source=JobSource.CGROUP if number % 3 else None,
            )
        )
        for number, message in enumerate(MESSAGES)
    ]


def made(config: SinksConfig) -> dict[Stream, Receiver]:
    clock = SystemClock()
    reporter = Reporter(Counters(), clock, logging.getLogger("slurmlens.test"))
    given = SinkDependencies("n0", BatchConfig(), reporter, clock, lambda _: None, with_log_lines=True)
    return {one.stream: one for one in receivers(config, given)}


async def deliver(config: SinksConfig, lines: Sequence[bytes]) -> None:
    """By the sink that the settings make for log lines; the one for events gets nothing."""
    both = made(config)
    assert both.keys() == {Stream.EVENTS, Stream.LOGS}
    try:
        assert await both[Stream.LOGS].sink.deliver(b"\n".join(lines) + b"\n", len(lines)) == len(lines)
    finally:
        for one in both.values():
            await one.sink.aclose()


async def test_log_lines_are_records_of_their_own_topic_keyed_by_node(kafka: Kafka) -> None:
    await make_topic(kafka.bootstrap, "node-events")
    await make_topic(kafka.bootstrap, "node-lines")
    lines = written()
    config = KafkaSinkConfig(bootstrap=(kafka.bootstrap,), topic="node-events", log_topic="node-lines")
    await deliver(SinksConfig(kafka=config), lines)
    records = await read_all(kafka.bootstrap, "node-lines")
    for node in (b"n0", b"n1"):
        own = [record for record in records if record.key == node]
        numbers = range(int(node[1:]), len(lines), 2)
        assert [record.value for record in own] == [lines[number] for number in numbers]
        assert ids(own) == [f"l{number}" for number in numbers]
        assert [record.timestamp for record in own] == [NOW_NS // 1_000_000 + number for number in numbers]
    assert len(records) == len(lines)
    assert await read_all(kafka.bootstrap, "node-events") == []


@pytest.mark.component
async def test_log_lines_come_to_a_logstashs_port_as_they_were_written(tmp_path: Path) -> None:
    """At a program that takes what Logstash's tcp input takes, and answers as little."""
    ports, taken, lines = Ports(), tmp_path / "taken", written()
    port = ports.take()
    command = (sys.executable, "-m", "conservation.json_lines_receiver", str(port), str(taken))
    logstash = await asyncio.create_subprocess_exec(*command, cwd=ROOT / "tests")
    try:
        await until(taken.exists, "the receiver has begun")
        await until(lambda: can_connect(port), "the receiver listens")
        await deliver(SinksConfig(logstash=LogstashSinkConfig(port=port, log_lines=True)), lines)
        await until(lambda: taken.read_bytes() == b"\n".join(lines) + b"\n", "every line is there once, in its order")
    finally:
        logstash.kill()
        await logstash.wait()
        ports.close()


async def can_connect(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
