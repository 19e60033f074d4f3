"""The same history made by both roads, JSON and packed: what is kept of a profile and shown of a job is equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select

from slurmlens.events import AnyEvent
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.history.profiles import blob
from slurmlens.hub.history.profiles.course import MOST_BINS, Course
from slurmlens.hub.history.record.packing import Packer
from slurmlens.hub.history.record.recent_profiles import RecentProfiles
from slurmlens.hub.history.record.storing import Request
from slurmlens.wire.packed_columns import PRECISION
from slurmlens.wire.received import has_profile
from testkit.hub_history import History, packed_request_of, request_of
from testkit.manual_clock import ManualClock
from testkit.told_events import Told

ONE, OTHER, LONG = Told(node="n1"), Told(node="n2"), Told(8, node="n3")
REQUESTS: tuple[Sequence[AnyEvent], ...] = (
    [ONE.start(0), ONE.points(0, 1, 2, 3), OTHER.points(0, 4, 5)],
    [ONE.points(20, 3, 4, 5), OTHER.beat(30)],
    [ONE.points(20, 3, 4, 5)],  # once more
    [OTHER.summary(0, 40, means=(1.0, 2.0, 3.0))],
    [LONG.start(0), LONG.summary(0, 10_000, means=tuple(range(MOST_BINS + 40)))],
    [ONE.end(40)],
)
ROADS: tuple[Callable[[Sequence[AnyEvent], int], Request], ...] = (request_of, packed_request_of)


async def stored(history: History) -> list[bytes]:
    def read(connection: object) -> list[bytes]:
        rows = [
            *connection.execute(select(schema.courses.c.sighting, schema.courses.c.course)),  # type: ignore[attr-defined]
            *connection.execute(select(schema.course_pieces.c.sighting, schema.course_pieces.c.piece)),  # type: ignore[attr-defined]
        ]
        return [row[1] for row in sorted(rows, key=tuple)]

    return await history.store.read(read)


async def beside(history: History) -> int:
    """Batches whose columns still wait beside their lines."""
    query = select(func.count()).select_from(schema.packed_profiles)
    return await history.store.read(lambda connection: connection.execute(query).scalar_one())


async def told(history: History, road: Callable[[Sequence[AnyEvent], int], Request]) -> None:
    for events in REQUESTS:
        await history.applier.apply(road(events, history.clock.wall_ns()))


def alike(left: Course | None, right: Course | None) -> None:
    assert (left is None) == (right is None)
    if left is None or right is None:
        return
    assert (left.start_ns, left.width_ns, left.count) == (right.start_ns, right.width_ns, right.count)
    for part, columns in blob.DRAWN.items():
        ours, theirs = getattr(left, part.name.lower()), getattr(right, part.name.lower())
        names = ours.keys() | theirs.keys()
        for name in names if columns is None else names.intersection(columns):
            assert list(ours[name]) == pytest.approx(list(theirs[name]), rel=4 * PRECISION), (part, name)
    alike(left.tail, right.tail)


def without_courses(facts: JobFacts) -> JobFacts:
    nodes = tuple(msgspec.structs.replace(one, profile=None) for one in facts.nodes)
    return msgspec.structs.replace(facts, nodes=nodes)


@pytest.mark.parametrize("is_read_again", [False, True], ids=["from memory", "from the database"])
async def test_both_roads_make_one_history(tmp_path: Path, is_read_again: bool) -> None:
    histories = []
    for road in ROADS:
        history = await History.open(f"sqlite:///{tmp_path}/{road.__name__}.sqlite3", ManualClock())
        histories.append(history)
        await told(history, road)
        if is_read_again:
            history.packer = Packer(history.store, RecentProfiles(0), history.news, history.reporter)
        await history.refresh()
    try:
        courses = [[blob.unpack(one) for one in await stored(history)] for history in histories]
        assert len(courses[0]) == len(courses[1]) > 3
        for left, right in zip(*courses, strict=True):
            alike(left, right)
        for job_id in (7, 8):
            plain, packed = [await history.facts(job_id) for history in histories]
            assert without_courses(plain) == without_courses(packed)
            for ours, theirs in zip(plain.nodes, packed.nodes, strict=True):
                alike(ours.profile, theirs.profile)
    finally:
        for history in histories:
            await history.close()


async def test_a_summary_that_came_packed_is_kept_as_it_came(history: History) -> None:
    request = packed_request_of([OTHER.summary(0, 40, means=(1.0, 2.0, 3.0) * 40)], history.clock.wall_ns())
    await history.applier.apply(request)
    await history.refresh()
    (course,) = await stored(history)
    event = request.lines[0].event
    assert has_profile(event)
    assert event.profile is not None
    assert bytes(event.profile.columns) in course
    await history.apply([Told(9).summary(0, 40, means=(1.0, 2.0, 3.0) * 40)])
    await history.refresh()
    assert sorted(map(len, await stored(history))) == [len(course)] * 2


async def test_columns_lie_beside_their_lines_until_they_are_packed_and_no_longer(history: History) -> None:
    await told(history, packed_request_of)
    assert await beside(history) == len([events for events in REQUESTS if any(map(_has_profile, events))]) - 1
    before = await history.facts(8)
    await history.refresh()
    assert await beside(history) == 0
    alike((await history.facts(8)).nodes[0].profile, before.nodes[0].profile)


def _has_profile(event: AnyEvent) -> bool:
    return getattr(event, "profile", None) is not None


async def test_packed_garbage_is_lost_alone(history: History) -> None:
    good = packed_request_of([OTHER.start(0), OTHER.summary(0, 40, means=(1.0, 2.0, 3.0))], history.clock.wall_ns())
    bad = packed_request_of([ONE.start(0), ONE.summary(0, 40, means=(1.0, 2.0, 3.0))], history.clock.wall_ns())
    event = bad.lines[1].event
    assert has_profile(event)
    assert event.profile is not None
    spoiled = bytes(len(event.profile.columns) * [0xFF])
    profile = msgspec.structs.replace(event.profile, columns=msgspec.Raw(spoiled))
    line = bad.lines[1]._replace(event=msgspec.structs.replace(event, profile=profile))
    await history.applier.apply(bad._replace(lines=[bad.lines[0], line], profiles=spoiled))
    await history.applier.apply(good)
    packed = await history.packer.pack()
    assert (packed.profiles, [lost.node for lost in packed.lost]) == (1, ["n1"])
    facts = await history.facts()
    assert {one.node: one.profile is not None for one in facts.nodes} == {"n1": False, "n2": True}


async def test_the_lines_of_packed_requests_are_shown_as_they_were_sent(history: History) -> None:
    await told(history, packed_request_of)
    documents = [msgspec.json.decode(line)["slurm"] for line in await history.queries.job_events(EVERYBODY, 8)]
    assert [one["kind"] for one in documents] == ["job-start", "job-summary"]
    assert documents[1]["schema"] == 2
    assert documents[1]["profile"]["packed"]["bins"] == MOST_BINS + 40
