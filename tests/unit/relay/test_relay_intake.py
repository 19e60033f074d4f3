"""What a relay takes, refuses and answers, without a socket; the spool behind it is real."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool import Disk, Spool, SpoolLimits
from slurmlens.errors import ConfigError, RefusedError
from slurmlens.events import AnyEvent
from slurmlens.relay.intake import Intake
from slurmlens.relay.lines_of_nodes import EventLines
from slurmlens.relay.origins import RelayOrigins
from slurmlens.relay.room import Room
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from testkit.manual_clock import ManualClock
from testkit.told_events import Told

MIB = 1024 * 1024
LIMITS = SpoolLimits(
    max_bytes=16 * MIB, max_age_s=1e6, memory_bytes=8 * MIB, metrics_memory_bytes=2 * MIB, logs_memory_bytes=2 * MIB
)
ONE = Told(node="n1")


class ByHeader:
    """Believes the header, or refuses."""

    refusal: RefusedError | None = None

    async def node_of(self, headers: Mapping[str, str], body: bytes) -> str:
        if self.refusal:
            raise self.refusal
        return headers["x-slurmlens-node"]


class Relay:
    """An intake on a spool that nobody reads."""

    def __init__(
        self, folder: Path | None, clock: ManualClock, room_bytes: int = MIB, pending_bytes: int = MIB
    ) -> None:
        reporter = Reporter(Counters(), clock)
        disk = Disk(folder, clock, reporter) if folder else None
        self.spool = Spool({"hub": Stream.EVENTS}, LIMITS, disk, "boot", clock, reporter)
        self.prove = ByHeader()
        self.wanted: dict[str, float] = {}
        self.intake = Intake(
            EventLines("demo"),
            max_body_bytes=MIB,
            pending_bytes=pending_bytes,
            commit_timeout_s=0.2,
            prove=self.prove,
            queue=self.spool,
            room=Room(self.spool, [("hub", Stream.EVENTS)], lambda: room_bytes),
            reporter=reporter,
            clock=clock,
            told_beside=lambda node: {"profile_interval_s": self.wanted[node]} if node in self.wanted else {},
        )

    async def send(self, body: bytes, node: str = "n1", **headers: str) -> tuple[int, Any]:
        told = {"x-slurmlens-node": node, **{name.replace("_", "-"): value for name, value in headers.items()}}
        status, answer = await self.intake.take(body, told, "127.0.0.1")
        return status, json.loads(answer)

    async def held(self) -> list[bytes]:
        """The lines that wait for the hub."""
        if not self.spool.backlog("hub").lines:
            return []
        entries = await self.spool.read("hub", 16 * MIB)
        return b"".join(entry.batch.payload for entry in entries).splitlines(keepends=True)


@pytest.fixture
async def relay(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Relay]:
    made = Relay(tmp_path / "spool", clock)
    await made.spool.open()
    yield made
    await made.spool.close()


def lines(*events: AnyEvent | bytes) -> bytes:
    return b"".join((one if isinstance(one, bytes) else ecs.encode(one)) + b"\n" for one in events)


async def test_lines_are_kept_as_they_came_and_the_node_learns_what_the_hub_wants(relay: Relay) -> None:
    relay.wanted["n1"] = 10.0
    body = lines(ONE.start(1), ONE.end(2))
    status, answer = await relay.send(gzip.compress(body), content_encoding="gzip")
    assert (status, answer) == (200, {"accepted": 2, "known": 0, "refused": [], "profile_interval_s": 10.0})
    assert b"".join(await relay.held()) == body
    assert relay.spool.state.stored_bytes >= len(body)


async def test_a_line_of_another_node_or_without_sense_is_refused_alone(relay: Relay) -> None:
    bad = (Told(node="n2").start(1), b"{no json", msgspec.structs.replace(ONE.start(1), time_ns=1))
    status, answer = await relay.send(lines(bad[0], ONE.start(3), *bad[1:]))
    assert (status, answer["accepted"]) == (200, 1)
    assert [(one["line"], one["reason"]) for one in answer["refused"]] == [(1, "node"), (3, "malformed"), (4, "value")]
    assert await relay.held() == [lines(ONE.start(3))]


async def test_a_slip_in_the_clusters_name_is_told_before_anything_is_lost(relay: Relay) -> None:
    status, answer = await relay.send(lines(msgspec.structs.replace(ONE.start(1), cluster="other")))
    assert (status, answer["reason"]) == (403, "cluster")
    assert await relay.held() == []


async def test_who_proves_nothing_is_refused_before_anything_is_unpacked(relay: Relay) -> None:
    relay.prove.refusal = RefusedError("MUNGE: Replayed credential", reason="replayed")
    status, answer = await relay.send(b"not even gzip", content_encoding="gzip")
    assert (status, answer["reason"]) == (401, "replayed")


async def test_a_relay_takes_no_relays_events(relay: Relay) -> None:
    status, answer = await relay.send(lines(ONE.start(1)), x_slurmlens_relay="yes")
    assert (status, answer["reason"]) == (403, "relay")


async def test_a_full_relay_takes_no_more_and_drops_nothing(tmp_path: Path, clock: ManualClock) -> None:
    relay = Relay(tmp_path / "spool", clock, room_bytes=4000)
    await relay.spool.open()
    answers = [await relay.send(lines(Told(job_id=job_id, node="n1").start(1))) for job_id in range(1, 40)]
    taken = [status for status, _ in answers].count(200)
    assert 1 < taken < 30
    assert answers[-1][0] == 503
    assert answers[-1][1]["reason"] == "full"
    assert len(await relay.held()) == taken
    await relay.spool.close()


async def test_what_is_not_committed_is_not_answered_with_200(clock: ManualClock) -> None:
    """Without a disk the word of the receivers is needed, and they are away."""
    relay = Relay(None, clock)
    await relay.spool.open()
    status, answer = await relay.send(lines(ONE.start(1)))
    assert (status, answer["reason"]) == (503, "spool")
    sending = asyncio.create_task(relay.send(lines(ONE.end(2))))
    (*_, last) = await relay.spool.read("hub", MIB)
    await asyncio.sleep(0)
    while relay.spool.backlog("hub").lines < 2:
        await asyncio.sleep(0)
    (*_, last) = await relay.spool.read("hub", MIB)
    await relay.spool.acknowledge("hub", last.position)
    assert (await sending)[0] == 200
    await relay.spool.close()


async def test_what_waits_unpacked_for_its_commit_is_bounded_however_small_it_came(clock: ManualClock) -> None:
    relay = Relay(None, clock, pending_bytes=20_000)
    await relay.spool.open()
    body = lines(*(ONE.start(job_id) for job_id in range(100)))
    packed = gzip.compress(body)
    assert len(packed) * 6 < 20_000 < len(body)
    told = await asyncio.gather(*(relay.send(packed, content_encoding="gzip") for _ in range(6)))
    assert [(status, answer["reason"]) for status, answer in told] == [(503, "spool")] + [(503, "busy")] * 5
    assert (await relay.send(packed, content_encoding="gzip"))[1]["reason"] == "spool"
    await relay.spool.close()


async def test_a_node_that_is_not_this_relays_is_not_known_here(clock: ManualClock) -> None:
    async def resolve(name: str) -> frozenset[str]:
        return frozenset({"10.0.0.1"})

    origins = RelayOrigins("rack1-n[01-02]", clock, resolve, own=frozenset())
    assert await origins.is_of_node("10.0.0.1", "rack1-n01") is True
    assert await origins.is_of_node("10.0.0.9", "rack1-n02") is False
    assert await origins.is_of_node("10.0.0.1", "rack2-n01") is None
    with pytest.raises(ConfigError, match="no hostlist"):
        RelayOrigins("n[1-", clock, resolve, own=frozenset())
