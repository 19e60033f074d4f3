"""Takes nodes' heartbeats into history: the last one of each, and what it says against an earlier conclusion.

Owns the table `nodes`. A heartbeat counts if it is newer than the last one, whatever order they come in; none is kept.
What a node lists runs there, so a sighting that was closed while the node was silent is opened again. Fed by `apply`,
inside its transaction; `reconcile` and the readers go by what is written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import and_, select, update

from slurmlens.clock import NS_PER_S
from slurmlens.events import NodeHeartbeat
from slurmlens.hub.database import tables as schema
from slurmlens.hub.database.statements import NodeRows, chunks
from slurmlens.hub.history.facts import ClosedReason

BOOT_PATIENCE_S = 150.0
"""How long no heartbeat of the boot that is known has come before one whose clock is older is believed."""

_encoder = msgspec.json.Encoder()


async def hear(own: NodeRows, beats: Sequence[NodeHeartbeat]) -> list[NodeHeartbeat]:
    """Notes that the node lives, with or without heartbeats in its batch; returns those that were news."""
    last = (await own.connection.execute(select(schema.nodes).where(own.of(schema.nodes)))).mappings().first()
    row: dict[str, Any] = {"heard_ns": own.received_ns}
    known: Mapping[str, Any] = dict(last) if last else {}
    newer: list[NodeHeartbeat] = []
    for beat in beats:
        if _is_newer(beat, known, own.received_ns):
            newer.append(beat)
            row |= _of_beat(beat, own.received_ns)
            known = row
    await own.put(schema.nodes, row, ("cluster", "node"))
    if newer:
        await _open_again(own, newer[-1])
    return newer


async def _open_again(own: NodeRows, beat: NodeHeartbeat) -> None:
    """What a node lists runs there, whatever was concluded while it was silent; unless the scheduler ended it."""
    table = schema.sightings
    for chunk in chunks({sighting for _, sighting in beat.running}):
        listed = and_(
            own.of(table),
            table.c.sighting.in_(chunk),
            table.c.closed_ns.is_not(None),
            table.c.end_ns.is_(None),
            table.c.closed_reason != ClosedReason.RUN_ENDED.value,
        )
        job_ids = sorted(set((await own.connection.execute(select(table.c.job_id).where(listed))).scalars()))
        if job_ids:
            await own.connection.execute(update(table).where(listed).values(closed_ns=None, closed_reason=None))
        for job_id in job_ids:
            await own.mark_stale(job_id)


def _of_beat(beat: NodeHeartbeat, received_ns: int) -> dict[str, object]:
    return {
        "beat_ns": beat.time_ns,
        "beat_heard_ns": received_ns,
        "boot_id": beat.boot_id,
        "boottime_ns": beat.boottime_ns,
        "version": beat.version,
        "interval_s": beat.interval_s,
        "skew_s": (beat.time_ns - received_ns) / NS_PER_S,
        "running": _encoder.encode(beat.running),
    }


def _is_newer(beat: NodeHeartbeat, known: Mapping[str, Any], received_ns: int) -> bool:
    """Whether a heartbeat tells more than the last one that is `known`.

    Boots are told apart by the node's clock, and where that is wrong by patience: an old boot's heartbeat may come
    again for a moment, a new boot's keep coming.
    """
    if known.get("boot_id") is None:
        return True
    if known["boot_id"] == beat.boot_id:
        return beat.boottime_ns > int(known["boottime_ns"])
    silent_s = (received_ns - known["beat_heard_ns"]) / NS_PER_S
    return beat.time_ns > int(known["beat_ns"]) or silent_s > BOOT_PATIENCE_S
