"""Log lines through a relay: committed before the node is answered, as they came, only the node's own."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from slurmlens.config.relay import RelaySpoolConfig
from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool import Disk, Spool, SpoolLimits
from slurmlens.log_lines import JobSource, LogLine
from slurmlens.relay.intake import Intake
from slurmlens.relay.lines_of_nodes import LogDocumentLines
from slurmlens.relay.room import Room
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.log_documents import encode
from testkit.manual_clock import ManualClock
from testkit.spools import take_all

LIMITS = SpoolLimits.of(RelaySpoolConfig())
LINE = encode(LogLine(id="a", time_ns=1, node="n1", message="x", job_id=5, job_source=JobSource.CGROUP))


class ByHeader:
    async def node_of(self, headers: Mapping[str, str], body: bytes) -> str:
        return headers["x-slurmlens-node"]


class Relay:
    """An intake on a real spool."""

    def __init__(self, folder: Path, room_bytes: int = 1 << 20) -> None:
        clock = ManualClock()
        reporter = Reporter(Counters(), clock)
        self.spool = Spool({"hub_logs": Stream.LOGS}, LIMITS, Disk(folder, clock, reporter), "boot", clock, reporter)
        self.intake = Intake(
            LogDocumentLines(),
            max_body_bytes=1 << 20,
            pending_bytes=1 << 20,
            commit_timeout_s=5,
            prove=ByHeader(),
            queue=self.spool,
            room=Room(self.spool, [("hub_logs", Stream.LOGS)], lambda: room_bytes),
            reporter=reporter,
            clock=clock,
        )

    async def send(self, body: bytes, node: str = "n1", **headers: str) -> tuple[int, Any]:
        told = {"x-slurmlens-node": node, **{name.replace("_", "-"): value for name, value in headers.items()}}
        status, answer = await self.intake.take(body, told, None)
        return status, json.loads(answer)


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    made = Relay(tmp_path / "spool")
    await made.spool.open()
    yield made
    await made.spool.close()


async def test_lines_are_on_the_disk_when_the_node_is_answered_and_go_on_as_they_came(relay: Relay) -> None:
    status, answer = await relay.send(gzip.compress(LINE + b"\n\n" + LINE + b"\n"), content_encoding="gzip")
    assert (status, answer["accepted"]) == (200, 2)
    assert relay.spool.state.stored_bytes > 0
    assert await take_all(relay.spool, "hub_logs") == [LINE + b"\n" + LINE + b"\n"]


async def test_another_nodes_lines_and_nonsense_are_refused_alone(relay: Relay) -> None:
    status, answer = await relay.send(LINE + b"\nnonsense\n" + LINE.replace(b'"n1"', b'"n2"') + b"\n")
    assert (status, answer["accepted"]) == (200, 1)
    assert [(one["line"], one["reason"]) for one in answer["refused"]] == [(2, "json"), (3, "node")]


async def test_a_relay_that_is_full_lets_the_node_keep_what_it_has(tmp_path: Path) -> None:
    full = Relay(tmp_path / "spool", room_bytes=0)
    assert (await full.send(LINE))[0] == 503


async def test_a_relay_behind_a_relay_and_an_array_are_refused(relay: Relay) -> None:
    assert (await relay.send(LINE, x_slurmlens_relay="yes"))[0] == 403
    assert (await relay.send(b"[" + LINE + b"]"))[0] == 400
