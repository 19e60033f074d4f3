"""No phantom running jobs: closes sightings whose end nobody will tell any more.

Owns the decision (pure, `verdicts`) and writes it (`Reconciler`). A sighting is closed where its node is heard of and
no longer lists it, was booted anew, or is silent although the scheduler ended the run; and where the end was told but
the summary did not come. An end that arrives later after all is stored beside it and wins in every view.
Called by the hub's pipeline every few seconds.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import and_, select, update

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history import schema
from slurmlens.hub.history.apply import mark_stale
from slurmlens.hub.history.store import Store

END_GRACE_NS = 120 * NS_PER_S
"""How long an Epilog, a retry and a jittered summary may take after the scheduler's or the node's end."""

SUMMARY_GRACE_NS = 15 * NS_PER_S
"""How long after the end a node that lists nothing of it may still hold back its summary."""

_running_decoder = msgspec.json.Decoder(tuple[tuple[int, str], ...])


class ClosedReason(enum.Enum):
    """Why a sighting was closed without its own last word."""

    NOT_LISTED = "not-listed"
    NODE_BOOTED = "node-booted"
    RUN_ENDED = "run-ended"
    NO_SUMMARY = "no-summary"


@dataclass(frozen=True, slots=True)
class OpenSighting:
    """A sighting without a summary, as far as closing cares; `run_end_ns` is the scheduler's."""

    cluster: str
    node: str
    sighting: str
    job_id: int
    boot_id: str
    last_boottime_ns: int
    heard_ns: int
    end_ns: int | None
    run_end_ns: int | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A node's last heartbeat."""

    heard_ns: int
    boot_id: str
    boottime_ns: int
    running: frozenset[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A sighting to be closed, why, and the latest time at which it can have ended."""

    sighting: OpenSighting
    reason: ClosedReason
    closed_ns: int


def verdicts(sightings: Iterable[OpenSighting], heard: Mapping[tuple[str, str], Heard], now_ns: int) -> list[Verdict]:
    """The sightings to be closed now."""
    decided = (_verdict(sighting, heard.get((sighting.cluster, sighting.node)), now_ns) for sighting in sightings)
    return [verdict for verdict in decided if verdict]


def _verdict(sighting: OpenSighting, heard: Heard | None, now_ns: int) -> Verdict | None:
    if sighting.end_ns is not None:
        is_late = now_ns - sighting.heard_ns > END_GRACE_NS or _is_forgotten(sighting, heard)
        return Verdict(sighting, ClosedReason.NO_SUMMARY, sighting.end_ns) if is_late else None
    run_end_ns = sighting.run_end_ns
    if heard is not None and heard.heard_ns >= sighting.heard_ns and sighting.sighting not in heard.running:
        if heard.boot_id != sighting.boot_id:
            return Verdict(sighting, ClosedReason.NODE_BOOTED, run_end_ns or sighting.heard_ns)
        if heard.boottime_ns > sighting.last_boottime_ns:
            return Verdict(sighting, ClosedReason.NOT_LISTED, run_end_ns or heard.heard_ns)
    is_listed = heard is not None and sighting.sighting in heard.running and now_ns - heard.heard_ns < END_GRACE_NS
    if run_end_ns is not None and now_ns - run_end_ns > END_GRACE_NS and not is_listed:
        return Verdict(sighting, ClosedReason.RUN_ENDED, run_end_ns)
    return None


def _is_forgotten(ended: OpenSighting, heard: Heard | None) -> bool:
    """Its node spoke again, well after the end, and no longer knows the sighting: a daemon that only saw the Epilog."""
    if heard is None or ended.sighting in heard.running:
        return False
    return heard.heard_ns - ended.heard_ns > SUMMARY_GRACE_NS and heard.boottime_ns > ended.last_boottime_ns


class Reconciler:
    """Closes what `verdicts` says."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def reconcile(self, now_ns: int) -> Sequence[Verdict]:
        """Looks at every open sighting once; returns what was closed. The jobs are marked stale."""
        async with self._store.write() as connection:
            found = [_open_sighting(dict(row)) for row in (await connection.execute(_open_query())).mappings()]
            rows = (await connection.execute(select(schema.nodes))).mappings()
            heard = {(row["cluster"], row["node"]): _heard(dict(row)) for row in rows if row["boot_id"]}
            closed = verdicts(found, heard, now_ns)
            table = schema.sightings
            for verdict in closed:
                one = verdict.sighting
                is_one = and_(
                    table.c.cluster == one.cluster, table.c.node == one.node, table.c.sighting == one.sighting
                )
                values = {"closed_ns": verdict.closed_ns, "closed_reason": verdict.reason.value}
                await connection.execute(update(table).where(is_one).values(values))
                await mark_stale(connection, self._store.upsert, one.cluster, one.job_id)
        return closed


def _open_query() -> Any:
    sightings, runs = schema.sightings, schema.runs
    of_run = and_(
        runs.c.cluster == sightings.c.cluster,
        runs.c.job_id == sightings.c.job_id,
        runs.c.number == sightings.c.run,
        runs.c.submit_s.is_not(None),
    )
    is_open = and_(sightings.c.summary_id.is_(None), sightings.c.closed_ns.is_(None))
    return select(sightings, runs.c.end_ns.label("run_end_ns")).outerjoin(runs, of_run).where(is_open)


def _open_sighting(row: Mapping[str, Any]) -> OpenSighting:
    return OpenSighting(**{name: row[name] for name in OpenSighting.__slots__})


def _heard(row: Mapping[str, Any]) -> Heard:
    running = frozenset(sighting for _, sighting in _running_decoder.decode(row["running"]))
    return Heard(row["heard_ns"], row["boot_id"], row["boottime_ns"], running)
