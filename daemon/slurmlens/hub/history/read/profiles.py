"""The courses of a job's sightings, as what draws them needs them.

Owns how they are found: today they are folded out of the stored events when somebody looks. Feeds `job_reader`; knows
the tables and `history.profiles`, and nothing of what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from slurmlens.events import EventKind, JobProfile, JobSummary, Totals
from slurmlens.hub.database import tables as schema
from slurmlens.hub.history.profiles.course import Course, piece_of, whole_of
from slurmlens.hub.history.profiles.fold import shown_course
from slurmlens.hub.history.read.reading import of_job
from slurmlens.runtime.beside import beside
from slurmlens.wire import ecs

_KINDS = (EventKind.JOB_SUMMARY.value, EventKind.JOB_PROFILE.value)


class _Summary(msgspec.Struct, frozen=True):
    totals: Totals


class _SummaryDocument(msgspec.Struct, frozen=True):
    """A summary's document without its profile, which is nearly all of it."""

    slurm: _Summary


_totals_decoder = msgspec.json.Decoder(_SummaryDocument)


def totals_of(body: bytes) -> Totals:
    """The totals in a summary's document."""
    return _totals_decoder.decode(body).slurm.totals


async def courses_of_job(connection: AsyncConnection, cluster: str, job_id: int) -> dict[tuple[str, str], Course]:
    """The course of each sighting of a job as far as it was told, by (node, sighting)."""
    events = schema.events
    query = select(events.c.node, events.c.sighting, events.c.body).where(
        of_job(events, cluster, job_id), events.c.kind.in_(_KINDS), events.c.body.is_not(None)
    )
    rows = [tuple(row) for row in await connection.execute(query)]
    return await beside(lambda: _folded(rows))


def _folded(rows: Iterable[tuple[str, str, bytes]]) -> dict[tuple[str, str], Course]:
    pieces: dict[tuple[str, str], list[Course]] = {}
    for node, sighting, body in rows:
        piece = _piece(body)
        if piece is not None:
            pieces.setdefault((node, sighting), []).append(piece)
    return {key: shown_course(own) for key, own in pieces.items()}


def _piece(body: bytes) -> Course | None:
    event = ecs.decode(body)
    if isinstance(event, JobProfile):
        return piece_of(event.profile, event.boottime_ns)
    if isinstance(event, JobSummary) and event.profile is not None:
        return whole_of(event.profile, event.boottime_ns)
    return None
