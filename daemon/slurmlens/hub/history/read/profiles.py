"""The courses of a job's sightings, as what draws them needs them.

Owns how they are found: a sighting's packed course, the pieces that wait to be folded into it, and, out of the bodies
as they were sent, what came since `record.packing` last looked. Feeds `job_reader`; knows the tables and
`history.profiles`, and nothing of what is drawn.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from slurmlens.errors import DecodeError
from slurmlens.events import EventKind
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.bodies import LinePlace, lines_at, profiles_beside
from slurmlens.hub.history.profiles.blob import drawn
from slurmlens.hub.history.profiles.course import Course
from slurmlens.hub.history.profiles.fold import shown_course
from slurmlens.hub.history.read.course_memory import CourseMemory, unpacked
from slurmlens.hub.history.record.packing import PACKED, course_told
from slurmlens.hub.history.record.storing import KINDS
from slurmlens.wire.received import receive

_PROFILE_KINDS = (KINDS.index(EventKind.JOB_PROFILE), KINDS.index(EventKind.JOB_SUMMARY))


def courses_of(connection: Connection, sightings: Collection[int], memory: CourseMemory) -> dict[int, Course]:
    """The course of each of these sightings (`sightings.rid`) as far as it was received, with what is drawn of it."""
    courses: dict[int, Course] = {}
    for some in pieces_of(sightings):
        blobs: dict[int, list[bytes]] = {}
        for sighting, blob in _packed(connection, some):
            blobs.setdefault(sighting, []).append(blob)
        told: dict[int, list[Course]] = {}
        for sighting, course in _told_since(connection, some):
            told.setdefault(sighting, []).append(drawn(course))
        for sighting in blobs.keys() - told.keys():
            if (known := memory.course(sighting, blobs[sighting])) is not None:
                courses[sighting] = known
        for sighting, since in told.items():
            courses[sighting] = shown_course([*unpacked(blobs.get(sighting, ())), *since])
    return courses


def _packed(connection: Connection, sightings: list[int]) -> list[tuple[int, bytes]]:
    whole, waiting = schema.courses, schema.course_pieces
    found = connection.execute(select(whole.c.sighting, whole.c.course).where(whole.c.sighting.in_(sightings))).all()
    query = select(waiting.c.sighting, waiting.c.piece).where(waiting.c.sighting.in_(sightings))
    return [(row[0], row[1]) for row in (*found, *connection.execute(query))]


def _told_since(connection: Connection, sightings: list[int]) -> list[tuple[int, Course]]:
    """What came after the last batch that was packed."""
    marks, events = schema.marks, schema.events
    packed = connection.execute(select(marks.c.value).where(marks.c.name == PACKED)).scalar() or 0
    query = select(events.c.batch, events.c.line, events.c.sighting).where(
        events.c.sighting.in_(sightings), events.c.kind.in_(_PROFILE_KINDS), events.c.batch > packed
    )
    owners = {LinePlace(batch, line): sighting for batch, line, sighting in connection.execute(query)}
    told = []
    beside = profiles_beside(connection, {place.batch for place in owners})
    for place, line in lines_at(connection, owners):
        try:
            course = course_told(receive(line, beside.get(place.batch, b"")))
        except DecodeError:
            continue  # whoever packs it counts it
        if course is not None:
            told.append((owners[place], course))
    return told
