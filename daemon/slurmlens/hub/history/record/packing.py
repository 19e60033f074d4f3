"""Packs profiles: what nodes sent of their jobs' courses becomes one bounded course a sighting.

Owns `courses` and `course_pieces`. It goes through the stored bodies in their order, once, behind the commits (those of
a moment ago are in `recent_profiles`, read already): storing never waits for it, and a mark in the database says how
far it has come, moved in the transaction that writes the courses and takes away the columns that came packed: their
values are in the courses then. A delta becomes a piece; a dozen pieces, or the summary, are folded into the course; a
summary that came packed and stands alone is the course as it came. A profile that cannot be read is lost alone and
counted. A stage of the hub's: it hears in `news` that there is something to pack, and says of which jobs the profile
grew. `read.profiles` reads what it wrote.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from slurmlens.errors import DecodeError
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.bodies import profiles_beside, split
from slurmlens.hub.history.profiles import blob
from slurmlens.hub.history.profiles.course import Course, piece_of, whole_of
from slurmlens.hub.history.profiles.fold import fold_courses
from slurmlens.hub.history.record.node_beats import SightingName
from slurmlens.hub.history.record.recent_profiles import ProfileEvent, RecentProfiles
from slurmlens.hub.news import BatchStored, News, ProfileGrew
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.received import ReceivedEvent, ReceivedProfile, ReceivedSummary, bins_of, has_profile, receive

PROFILES_UNREADABLE = InternalEvent(
    "profiles_unreadable", logging.ERROR, "{count} profiles of {nodes} are lost: {problem}", ("reason",)
)
MOST_NODES_NAMED = 5
DAMAGED = "damaged"
"""Reason of what was packed before and cannot be read back: the course goes on with what comes now."""

PACKED = "packed"
"""The mark: the last batch whose profiles are in `courses` and `course_pieces`."""

PIECES_AT_ONCE = 12
"""A page reads a course and at most so many pieces; to fold with each piece would cost five times as much."""

GATHER_S = 2.0
MOST_BATCHES = 200
BODIES_AT_ONCE = 20
MOST_BODY_BYTES = 4 * 1024 * 1024

_PROFILE = b'"profile":{'


class LostProfile(NamedTuple):
    """A profile that could not be read: whose, and why in a word and in a sentence."""

    node: str
    reason: str
    problem: str


@dataclass(slots=True)
class Packed:
    """What one turn did: batches gone through, profiles packed, of which jobs, and those that could not be read."""

    batches: int = 0
    profiles: int = 0
    lost: list[LostProfile] = field(default_factory=list)
    job_ids: set[int] = field(default_factory=set)


class _PlacedProfile(NamedTuple):
    """An event with a profile, and the place of its line."""

    batch: int
    line: int
    event: ProfileEvent

    @property
    def start_ns(self) -> int:
        """When its profile begins."""
        return 0 if self.event.profile is None else self.event.profile.start_ns


@dataclass(slots=True)
class _CoursesTold:
    """Profiles received in some batches, by their sighting."""

    after_batch: int
    last_batch: int
    packed: Packed = field(default_factory=Packed)
    by_name: dict[SightingName, list[_PlacedProfile]] = field(default_factory=dict)

    def take(self, batch: int, lines: Iterable[tuple[int, ProfileEvent]]) -> None:
        """Adds the profiles of the next batch."""
        self.last_batch = batch
        self.packed.batches += 1
        for number, event in lines:
            name = SightingName(event.cluster, event.node, event.sighting)
            self.by_name.setdefault(name, []).append(_PlacedProfile(batch, number, event))


class _ToldCourse(NamedTuple):
    """A course in an event, and the place of its line: ready to be stored as it came, or its values."""

    batch: int
    line: int
    course: Course | bytes

    @property
    def is_whole(self) -> bool:
        """Whether it is a summary's."""
        return isinstance(self.course, bytes) or self.course.whole_from_ns is not None

    def values(self) -> Course:
        return blob.unpack(self.course) if isinstance(self.course, bytes) else self.course

    def stored(self, *, lasting: bool) -> bytes:
        return self.course if isinstance(self.course, bytes) else blob.pack(self.course, lasting=lasting)


class _CourseRows(NamedTuple):
    """Rows to be written: pieces that wait, and courses in which the pieces that waited are contained."""

    after_batch: int
    last_batch: int
    pieces: list[tuple[int, int, int, bytes]]
    whole: list[dict[str, object]]


def course_told(event: ReceivedEvent) -> Course | None:
    """The course in an event, None where there is none; DecodeError where its columns cannot be read."""
    if isinstance(event, ReceivedProfile):
        return piece_of(bins_of(event.profile), event.boottime_ns)
    if isinstance(event, ReceivedSummary) and event.profile is not None:
        return whole_of(bins_of(event.profile), event.boottime_ns)
    return None


class Packer:
    """Goes through the batches; one turn at a time."""

    def __init__(self, store: Store, recent: RecentProfiles, news: News, reporter: Reporter) -> None:
        self._store = store
        self._recent = recent
        self._news = news
        self._reporter = reporter
        self._heard = news.subscribe(BatchStored)

    async def run(self) -> None:
        """A stage: packs what came in, first of all what an earlier hub has left, for ever."""
        while True:
            self._heard.take_all()
            while (await self.pack()).batches:
                pass
            await self._heard.wait()
            await asyncio.sleep(GATHER_S)

    async def pack(self) -> Packed:
        """Packs the profiles of the next batches; nothing is in the answer where all are packed."""
        packed, courses = await self._store.read(lambda connection: _pack(connection, self._recent))
        if packed.batches:
            if not await self._store.write(lambda transaction: _write(transaction, courses)):
                return Packed()
            self._recent.forget(courses.last_batch)
            self._report(packed.lost)
        for job_id in packed.job_ids:
            self._news.publish(ProfileGrew(job_id))
        return packed

    def _report(self, lost: Sequence[LostProfile]) -> None:
        """One line for each reason, which names the nodes: a site mends a node, not a profile."""
        for reason in {one.reason for one in lost}:
            own = [one for one in lost if one.reason == reason]
            nodes = sorted({one.node for one in own})
            named = ", ".join(nodes[:MOST_NODES_NAMED])
            if len(nodes) > MOST_NODES_NAMED:
                named += f" and {len(nodes) - MOST_NODES_NAMED} more nodes"
            self._reporter.report(
                PROFILES_UNREADABLE, count=len(own), nodes=named, reason=reason, problem=own[0].problem
            )


def _pack(connection: Connection, recent: RecentProfiles) -> tuple[Packed, _CourseRows]:
    """In a reader's thread: all that takes long."""
    told = _read_batches(connection, recent)
    reading = Transaction(connection)
    try:
        return told.packed, _put_together(reading, told)
    finally:
        reading.close()


def _read_batches(connection: Connection, recent: RecentProfiles) -> _CoursesTold:
    marks, batches = schema.marks, schema.batches
    mark = connection.execute(select(marks.c.value).where(marks.c.name == PACKED)).scalar() or 0
    query = select(batches.c.id).where(batches.c.id > mark).order_by(batches.c.id).limit(MOST_BATCHES)
    told, read_bytes = _CoursesTold(mark, mark), 0
    for some in pieces_of(connection.execute(query).scalars().all(), BODIES_AT_ONCE):
        bodies = _bodies(connection, [batch for batch in some if recent.of(batch) is None])
        for batch in some:
            lines = recent.of(batch)
            told.take(batch, _profile_lines(bodies[batch]) if lines is None else lines)
        read_bytes += sum(len(body.lines) + len(body.profiles) for body in bodies.values())
        if read_bytes > MOST_BODY_BYTES:
            break
    return told


class _Body(NamedTuple):
    """A batch as it is stored: its lines, and the columns that came beside them."""

    encoding: str = ""
    lines: bytes = b""
    profiles: bytes = b""


def _bodies(connection: Connection, wanted: Sequence[int]) -> dict[int, _Body]:
    """The bodies of batches; one that was taken away by age in this moment is empty."""
    if not wanted:
        return {}
    batches = schema.batches
    query = select(batches.c.id, batches.c.encoding, batches.c.body).where(batches.c.id.in_(wanted))
    beside = profiles_beside(connection, wanted)
    found = {row.id: _Body(row.encoding, row.body, beside.get(row.id, b"")) for row in connection.execute(query)}
    return {batch: found.get(batch, _Body()) for batch in wanted}


def _profile_lines(body: _Body) -> Iterator[tuple[int, ProfileEvent]]:
    for number, line in enumerate(split(body.encoding, body.lines), start=1):
        if _PROFILE not in line:
            continue
        try:
            event = receive(line, body.profiles)
        except DecodeError:
            continue  # it was refused
        if has_profile(event):
            yield number, event


def _put_together(transaction: Transaction, told: _CoursesTold) -> _CourseRows:
    """Which pieces are kept, and which courses they fill."""
    found = transaction.find(schema.sightings, ("rid", *SightingName._fields), SightingName._fields, told.by_name)
    rids = {SightingName(*row[1:]): row[0] for row in found}
    names = {rid: name for name, rid in rids.items()}
    new = {rid: own for rid, kept in _those_kept(transaction, told, rids) if (own := _read_profiles(told.packed, kept))}
    keys = [(rid,) for rid in new]
    known: dict[int, list[bytes]] = {}
    for rid, course in transaction.find(schema.courses, ("sighting", "course"), ("sighting",), keys):
        known[rid] = [course]
    waiting: dict[int, list[bytes]] = {}
    for rid, piece in transaction.find(schema.course_pieces, ("sighting", "piece"), ("sighting",), keys):
        waiting.setdefault(rid, []).append(piece)
    courses = _CourseRows(told.after_batch, told.last_batch, [], [])
    for rid, own in new.items():
        is_whole = any(one.is_whole for one in own)
        if is_whole or len(waiting.get(rid, ())) + len(own) >= PIECES_AT_ONCE:
            before = [*known.get(rid, ()), *waiting.get(rid, ())]
            course = _folded(told.packed, names[rid].node, before, own)
            courses.whole.append({"sighting": rid, "course": course})
        else:
            courses.pieces.extend((rid, one.batch, one.line, one.stored(lasting=False)) for one in own)
    return courses


def _write(transaction: Transaction, courses: _CourseRows) -> bool:
    """In the writer's thread: rows, made before; False where another hub packed these batches meanwhile."""
    marks = transaction.find(schema.marks, ("value",), ("name",), [(PACKED,)])
    if marks and marks[0][0] != courses.after_batch:
        return False
    transaction.take_away(schema.course_pieces, ("sighting",), [(row["sighting"],) for row in courses.whole])
    transaction.insert_new(schema.course_pieces, ("sighting", "batch", "line", "piece"), courses.pieces)
    transaction.put(schema.courses, ("sighting",), courses.whole)
    transaction.put(schema.marks, ("name",), [{"name": PACKED, "value": courses.last_batch}])
    beside = schema.packed_profiles
    transaction.core.execute(delete(beside).where(beside.c.batch <= courses.last_batch))
    return True


def _those_kept(
    transaction: Transaction, told: _CoursesTold, rids: dict[SightingName, int]
) -> Iterator[tuple[int, list[_PlacedProfile]]]:
    """Of each sighting what its events' rows know: a line that came twice counts once, a refused one not at all."""
    keys = [(rids[name], one.event.id) for name, own in told.by_name.items() if name in rids for one in own]
    kept = set(transaction.find(schema.events, ("sighting", "batch", "line"), ("sighting", "id"), keys))
    for name, own in told.by_name.items():
        if (rid := rids.get(name)) is not None:
            yield rid, [one for one in own if (rid, one.batch, one.line) in kept]


def _read_profiles(packed: Packed, kept: list[_PlacedProfile]) -> list[_ToldCourse]:
    """The courses in one sighting's events. A delta that a summary beside it contains is not even read."""
    whole_from_ns = min((one.start_ns for one in kept if _is_whole(one)), default=None)
    courses = []
    for one in kept:
        if whole_from_ns is not None and not _is_whole(one) and one.start_ns >= whole_from_ns:
            continue
        try:
            course = _as_sent(one.event) or course_told(one.event)
        except DecodeError as error:
            packed.lost.append(LostProfile(one.event.node, error.reason, str(error)))
            continue
        if course is not None:
            packed.profiles += 1
            packed.job_ids.add(_job_id(one.event))
            courses.append(_ToldCourse(one.batch, one.line, course))
    return courses


def _as_sent(event: ProfileEvent) -> bytes | None:
    """A summary's course as it came packed; None where it did not."""
    if isinstance(event, ReceivedProfile) or event.profile is None:
        return None
    return blob.as_sent(event.profile, event.boottime_ns)


def _job_id(event: ReceivedProfile | ReceivedSummary) -> int:
    return event.job_id if isinstance(event, ReceivedProfile) else event.job.job_id


def _is_whole(one: _PlacedProfile) -> bool:
    return isinstance(one.event, ReceivedSummary)


def _folded(packed: Packed, node: str, known: Collection[bytes], told: Sequence[_ToldCourse]) -> bytes:
    readable = []
    for piece in known:
        try:
            readable.append(blob.unpack(piece))
        except DecodeError as error:
            packed.lost.append(LostProfile(node, DAMAGED, str(error)))
    if not readable and len(told) == 1:
        return told[0].stored(lasting=True)
    return blob.pack(fold_courses([*readable, *(one.values() for one in told)]))
