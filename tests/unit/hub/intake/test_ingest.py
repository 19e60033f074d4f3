"""`POST /api/v1/events` without a web server: what is taken, what is refused and how it is counted."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slurmlens.config.hub import HubProfileConfig
from slurmlens.errors import DecodeError, RefusedError
from slurmlens.events import (
    AnyEvent,
    JobEnd,
    JobIdentity,
    JobStart,
    JobSummary,
    LinesDropped,
    MachineState,
    NodeHeartbeat,
    Profile,
)
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.database.store import StoreError
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.facts import JobFilter
from slurmlens.hub.history.record.applying import Applied
from slurmlens.hub.history.record.packing import DAMAGED
from slurmlens.hub.history.record.storing import Request
from slurmlens.hub.intake.ingest import MAX_PENDING, Ingest
from slurmlens.hub.intake.profile_demand import ProfileDemand
from slurmlens.hub.intake.refusals import Refusals
from slurmlens.hub.news import BatchStored, ProfileGrew
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire import ecs
from slurmlens.wire.event_values import check_values
from slurmlens.wire.ingest import unpack
from slurmlens.wire.packed_body import PACKED_TYPE, pack_body
from testkit.event_samples import events as any_event
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.told_events import Told, at_ns

MIB = 1024 * 1024
ONE = Told(node="n1")


class ByHeader:
    """Believes the header, or refuses."""

    def __init__(self) -> None:
        self.refusal: RefusedError | None = None

    async def node_of(self, headers: Mapping[str, str], body: bytes) -> str:
        if self.refusal:
            raise self.refusal
        return headers["x-slurmlens-node"]


class Intake:
    """An ingest on a real history."""

    def __init__(self, history: History, clock: ManualClock, relays: tuple[str, ...] = ()) -> None:
        self.prove = ByHeader()
        self.demand = ProfileDemand(history.news, HubProfileConfig(live_interval_s=10, idle_interval_s=300))
        self.counters = Counters()
        self.refused: list[Mapping[str, int]] = []
        self.refusals = Refusals(self._keep, clock)
        self.stored = history.news.subscribe(BatchStored)
        self.ingest = Ingest(
            cluster="demo",
            max_body_bytes=MIB,
            prove=self.prove,
            apply=history.applier.apply,
            wanted_interval_s=self.demand.wanted_interval_s,
            refusals=self.refusals,
            reporter=Reporter(self.counters, clock),
            clock=clock,
            relays=relays,
        )

    async def _keep(self, counts: Mapping[str, int], now_ns: int) -> None:
        self.refused.append(dict(counts))

    async def kept_refusals(self) -> list[Mapping[str, int]]:
        """What was given to be kept, each time, after one time more."""
        await self.refusals.write()
        return self.refused

    async def send(self, body: bytes, node: str = "n1", **headers: str) -> tuple[int, Any]:
        told = {"x-slurmlens-node": node, **{name.replace("_", "-"): value for name, value in headers.items()}}
        status, answer = await self.ingest.take(body, told, "127.0.0.1")
        return status, json.loads(answer)


@pytest.fixture
def intake(history: History, clock: ManualClock) -> Intake:
    return Intake(history, clock)


def lines(*events: AnyEvent | bytes) -> bytes:
    return b"\n".join(event if isinstance(event, bytes) else ecs.encode(event) for event in events) + b"\n"


async def test_events_are_taken_once_and_the_node_is_told_how_often_to_send(intake: Intake) -> None:
    body = lines(ONE.start(0.1), ONE.points(0, 1.0))
    status, answer = await intake.send(body)
    assert (status, answer) == (
        200,
        {"accepted": 2, "known": 0, "refused": [], "profile_interval_s": 300, "schemas": [1, 2]},
    )
    with intake.demand.watch(EVERYBODY, 7):
        status, answer = await intake.send(body)
    assert (answer["accepted"], answer["known"], answer["profile_interval_s"]) == (0, 2, 10)
    assert intake.stored.take_all() == [BatchStored()]


async def test_a_packed_body_is_the_same(intake: Intake) -> None:
    status, answer = await intake.send(gzip.compress(lines(ONE.start(0.1))), content_encoding="gzip")
    assert (status, answer["accepted"]) == (200, 1)


async def test_a_body_with_packed_profiles_is_taken_and_its_course_is_shown(intake: Intake, history: History) -> None:
    body = pack_body(lines(ONE.start(0.1), ONE.points(0, 1.0, 2.0), ONE.beat(20)), 1)
    assert body is not None
    status, answer = await intake.send(body, content_type=PACKED_TYPE)
    assert (status, answer["accepted"], answer["refused"]) == (200, 3, [])
    (node,) = (await history.facts()).nodes
    assert node.profile is not None
    assert list(node.profile.mean["cpu_cores"]) == [1.0, 2.0]


async def test_a_packed_body_that_is_none_is_refused_whole(intake: Intake) -> None:
    for body in (b"", b"slp2", b"slp2\xff\xff\xff\xff", lines(ONE.start(0.1)), b"slp2\0\0\0\2{}"):
        status, answer = await intake.send(body, content_type=PACKED_TYPE)
        assert (status, answer["reason"]) in ((400, "packed"), (400, "gzip"))


async def test_columns_that_are_not_there_cost_their_own_line(intake: Intake) -> None:
    body = pack_body(lines(ONE.start(0.1), ONE.points(0, 1.0, 2.0), ONE.beat(20)), 1)
    assert body is not None
    status, answer = await intake.send(body[:-3], content_type=PACKED_TYPE)
    assert (status, answer["accepted"]) == (200, 2)
    assert [(one["line"], one["reason"]) for one in answer["refused"]] == [(2, "profile")]


async def test_profiles_count_among_the_bytes_that_a_body_may_unpack_to(intake: Intake) -> None:
    half = gzip.compress(lines(ONE.start(0.1)) + b" " * (MIB // 2))
    body = b"slp2" + len(half).to_bytes(4, "big") + half + bytes(MIB * 3 // 4)
    status, answer = await intake.send(body, content_type=PACKED_TYPE)
    assert (status, answer["reason"]) == (413, "too_large")


async def test_a_bad_line_is_refused_alone_by_number_and_reason(intake: Intake) -> None:
    body = lines(ONE.start(0.1), b"{no json", b'{"slurm": {"schema": 1, "kind": "job-end"}}', ONE.end(3))
    status, answer = await intake.send(body)
    assert (status, answer["accepted"]) == (200, 2)
    assert [(one["line"], one["reason"]) for one in answer["refused"]] == [(2, "malformed"), (3, "field")]
    assert await intake.kept_refusals() == [{"malformed": 1, "field": 1}]
    assert await intake.kept_refusals() == [{"malformed": 1, "field": 1}]  # once
    assert intake.counters.snapshot()['ingest_lines_refused_total{reason="malformed"}'] == 1


async def test_a_node_speaks_for_itself_alone(intake: Intake, history: History) -> None:
    status, answer = await intake.send(lines(ONE.start(0.1), Told(node="n2").start(0.1)))
    assert (status, answer["accepted"], answer["refused"][0]["reason"]) == (200, 1, "node")
    await history.refresh()
    assert [node.node for node in (await history.facts()).nodes] == ["n1"]


async def test_a_wrong_cluster_name_in_one_of_the_configurations_loses_nothing(intake: Intake) -> None:
    other = msgspec.structs.replace(ONE.start(0.1), cluster="other")
    status, answer = await intake.send(lines(other))
    assert (status, answer["reason"]) == (403, "cluster")
    assert "make `cluster` the same in both" in answer["message"]


async def test_who_proves_nothing_is_answered_before_anything_is_unpacked(intake: Intake) -> None:
    intake.prove.refusal = RefusedError("MUNGE: Replayed credential", reason="replayed")
    status, answer = await intake.send(b"not even gzip", content_encoding="gzip")
    assert (status, answer["reason"]) == (401, "replayed")
    assert await intake.kept_refusals() == [{"replayed": 1}]


@pytest.mark.parametrize(
    ("body", "encoding", "status", "reason"),
    [
        (b"x" * (MIB + 1), "", 413, "too_large"),
        (gzip.compress(b"x" * (MIB + 1)), "gzip", 413, "too_large"),
        (b"no gzip", "gzip", 400, "gzip"),
        (gzip.compress(b"x", mtime=0)[:-4], "gzip", 400, "gzip"),
        (gzip.compress(b"x", mtime=0) + b"more", "gzip", 400, "gzip"),
        (b"x", "br", 400, "encoding"),
    ],
)
async def test_bodies_that_cannot_be_taken(
    intake: Intake, body: bytes, encoding: str, status: int, reason: str
) -> None:
    found, answer = await intake.send(body, content_encoding=encoding)
    assert (found, answer["reason"]) == (status, reason)


@pytest.mark.thorough
def test_a_gzip_bomb_costs_no_more_memory_than_a_request_may_have() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(512)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="unpacks to more than"):
            unpack(bomb, "gzip", MIB)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


def _odd_events() -> list[AnyEvent]:
    replace = msgspec.structs.replace
    points = ONE.points(0, 1.0)
    summary = ONE.summary(0, 1)
    return [
        replace(ONE.start(0), time_ns=2**63 - 1),
        replace(ONE.start(0), time_ns=0),
        replace(ONE.start(0), slot=-1),
        replace(ONE.start(0), slot=2**70),
        replace(points, profile=replace(points.profile, width_s=0.0)),
        replace(points, profile=replace(points.profile, width_s=1e300)),
        replace(points, profile=replace(points.profile, start_ns=-5)),
        replace(summary, end_ns=2**63 - 1),
        replace(summary, totals=replace(summary.totals, oom_kills=2**62)),
        replace(summary, totals=replace(summary.totals, samples=-1)),
    ]


@pytest.mark.parametrize("event", _odd_events(), ids=range(len(_odd_events())))
async def test_values_that_make_no_sense_are_refused_alone(intake: Intake, event: AnyEvent) -> None:
    status, answer = await intake.send(lines(event, ONE.end(5)))
    assert (status, answer["accepted"]) == (200, 1)
    assert answer["refused"][0]["reason"] in ("value", "field")


def in_our_time(event: AnyEvent, seconds: float) -> AnyEvent:
    """The event with times that pass the checks, everything else as odd as it was."""
    replace = msgspec.structs.replace
    event = replace(event, cluster="demo", time_ns=at_ns(seconds))
    if isinstance(event, JobStart | JobSummary):
        event = replace(event, slot=3)
    profile = getattr(event, "profile", None)
    if profile is not None:
        shortest = min((len(column) for column in profile.columns.values()), default=0)
        columns = {name: column[:shortest] for name, column in profile.columns.items()}
        event = replace(event, profile=Profile(start_ns=at_ns(seconds), width_s=10.0, columns=columns))
    if isinstance(event, JobSummary):
        event = replace(event, start_ns=at_ns(seconds), end_ns=at_ns(seconds - 5))
    return event


@pytest.mark.thorough
@given(st.lists(any_event(), max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
async def test_whatever_passes_the_checks_can_be_stored_and_shown(
    history: History, clock: ManualClock, told: list[AnyEvent]
) -> None:
    """A relay sends it: it may tell of any node."""
    intake = Intake(history, clock, relays=("relay",))
    ours = [in_our_time(event, seconds) for seconds, event in enumerate(told)]
    status, _ = await intake.send(lines(*ours), node="relay")
    assert status == 200
    await history.refresh()
    for event in ours:
        if not isinstance(event, NodeHeartbeat | LinesDropped | MachineState):
            job_id = event.job.job_id if isinstance(event, JobStart | JobEnd | JobSummary) else event.job_id
            await history.queries.job_facts(
                EVERYBODY, job_id
            )  # None where two events contradict each other about the job
            await history.queries.job_events(EVERYBODY, job_id)
    await history.listed(JobFilter())
    await history.queries.status(EVERYBODY)


ODD_COLUMNS = [
    ('{"a":[],"b":[[1,2,3]]}', "value"),
    ('{"a":[[1,2,3]' + ",[1,2,3]" * 30_000 + "]}", "value"),
    ("7", "field"),
]


@pytest.mark.parametrize(("columns", "reason"), ODD_COLUMNS, ids=["uneven", "long", "no columns"])
async def test_a_profile_that_makes_no_sense_is_lost_alone_counted_and_told_with_node_and_reason(
    intake: Intake, history: History, caplog: pytest.LogCaptureFixture, columns: str, reason: str
) -> None:
    """It is kept as it came until it is packed: its event is stored."""
    points = ONE.points(0, 1.0)
    whole = ecs.encode(points)
    odd = whole.replace(msgspec.json.encode(points.profile.columns), columns.encode())
    assert odd != whole
    status, answer = await intake.send(lines(ONE.start(0), odd, ONE.end(5)))
    assert (status, answer["accepted"]) == (200, 3)
    assert (await history.facts()).nodes[0].profile is None
    (lost,) = (await history.packer.pack()).lost
    assert (lost.node, lost.reason) == ("n1", reason)
    assert history.reporter.counters.snapshot()[f'profiles_unreadable_total{{reason="{reason}"}}'] == 1
    assert "1 profiles of n1 are lost" in caplog.text
    assert (await history.facts()).nodes[0].end_ns == at_ns(5)


async def test_a_stored_course_that_is_damaged_is_counted_and_what_is_told_then_stands(
    intake: Intake, history: History
) -> None:
    await intake.send(lines(ONE.start(0), ONE.points(0, 1.0)))
    await history.packer.pack()
    pieces = schema.course_pieces
    await history.store.write(lambda transaction: transaction.core.execute(pieces.update().values(piece=b"torn")))
    await intake.send(lines(ONE.summary(0, 10)))
    (lost,) = (await history.packer.pack()).lost
    assert (lost.node, lost.reason) == ("n1", DAMAGED)
    assert (await history.facts()).nodes[0].profile is not None


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
async def test_no_bytes_do_more_than_be_refused(intake: Intake, body: bytes) -> None:
    status, answer = await intake.send(body)
    assert (status, answer["accepted"]) == (200, 0)


async def test_a_database_that_fails_makes_the_node_try_again(history: History, clock: ManualClock) -> None:
    async def fails(request: Request) -> Applied:
        raise StoreError("database: disk full", reason="database")

    intake = Intake(history, clock)
    intake.ingest._apply = fails
    assert (await intake.send(lines(ONE.start(0))))[0] == 503
    assert intake.stored.take_all() == []


async def test_more_requests_than_can_wait_are_told_to_come_back(intake: Intake) -> None:
    intake.ingest._pending = MAX_PENDING
    status, answer = await intake.send(lines(ONE.start(0)))
    assert (status, answer["reason"]) == (503, "busy")


async def test_whoever_watches_hears_of_new_points_once_they_can_be_read(intake: Intake, history: History) -> None:
    with intake.demand.watch(EVERYBODY, 7) as watch:
        await intake.send(lines(ONE.points(0, 1.0)))
        assert ProfileGrew(7) not in watch.take_all()
        await history.packer.pack()
        assert await anext(watch) == ProfileGrew(7)


async def test_refusals_that_could_not_be_kept_are_kept_the_next_time(clock: ManualClock) -> None:
    kept: list[Mapping[str, int]] = []
    troubles = [StoreError("database: disk full", reason="database")]

    async def keep(counts: Mapping[str, int], now_ns: int) -> None:
        if troubles:
            raise troubles.pop()
        kept.append(dict(counts))

    refusals = Refusals(keep, clock)
    refusals.add("field")
    with pytest.raises(StoreError):
        await refusals.write()
    refusals.add("field")
    await refusals.write()
    assert kept == [{"field": 2}]


async def test_refusals_are_counted_beyond_the_life_of_the_process(history: History) -> None:
    await history.applier.count_refusals({"node": 2, "gzip": 1}, 5)
    await history.applier.count_refusals({"node": 3}, 6)
    assert (await history.queries.status(EVERYBODY)).refused == {"node": 5, "gzip": 1}


def test_names_are_no_part_of_any_check() -> None:
    check_values(msgspec.structs.replace(ONE.start(0), job=JobIdentity(job_id=7, job_name="../'\"\n\x00")))


# --- relays


async def test_a_relay_that_is_trusted_tells_of_its_nodes_and_learns_what_each_shall_send(
    history: History, clock: ManualClock
) -> None:
    intake = Intake(history, clock, relays=("r1",))
    told = [Told(node=node).start(0.1) for node in ("n1", "n2")]
    status, answer = await intake.send(lines(*told), node="r1")
    assert (status, answer["accepted"], answer["refused"]) == (200, 2, [])
    assert answer["profile_intervals_s"] == {"n1": 300.0, "n2": 300.0}


async def test_who_is_no_relay_tells_of_itself_alone(history: History, clock: ManualClock) -> None:
    status, answer = await Intake(history, clock, relays=("r1",)).send(lines(Told(node="n1").start(0.1)), node="n2")
    assert (status, [one["reason"] for one in answer["refused"]]) == (200, ["node"])
    assert "profile_intervals_s" not in answer


async def test_a_relay_that_was_forgotten_here_is_told_and_loses_nothing(intake: Intake) -> None:
    status, answer = await intake.send(lines(Told(node="n1").start(0.1)), node="r1", x_slurmlens_relay="yes")
    assert (status, answer["reason"]) == (403, "relay")
    assert intake.stored.take_all() == []
