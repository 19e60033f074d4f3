"""Reads what is to stand in the graph: entities with what holds of them now, and jobs as their latest run is.

Owns the SELECTs over inventory and runs. Everything here is read for a machine that shows it to operators: whoever may
ask Neo4j sees all of it, hence no viewer. Used by `projecting`, for what changed and for all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, or_, select

from slurmlens.clock import NS_PER_S
from slurmlens.hub.database.change_feed import JOB, Changed, feed
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.graph.model import GraphBatch, GraphJob, GraphThing
from slurmlens.hub.history import tables as history
from slurmlens.hub.inventory import tables as inventory
from slurmlens.hub.inventory.entities import EXISTS, FOREVER, EntityKind

JOBS_AT_ONCE = 2_000
_RUN_FIELDS = ("job_id", "number", "state", "name", "user", "account", "partition", "start_ns", "end_ns", "nodes")


def batch_of(connection: Connection, cluster: str, changed: Collection[Changed], ended_after_ns: int) -> GraphBatch:
    """These things and jobs as they are now; a job that ended before is not in the graph."""
    jobs = [int(thing.name) for thing in changed if thing.kind == JOB]
    names: dict[str, list[str]] = {}
    for thing in changed:
        if thing.kind != JOB:
            names.setdefault(thing.kind, []).append(thing.name)
    things = [one for kind, own in names.items() for one in things_of(connection, cluster, kind, own)]
    return GraphBatch(things, jobs_of(connection, cluster, jobs, ended_after_ns))


def things_of(connection: Connection, cluster: str, kind: str, names: Collection[str]) -> list[GraphThing]:
    """Entities of a kind."""
    things = {name: GraphThing(kind, name) for name in names}
    facts, relations = inventory.facts, inventory.relations
    for piece in pieces_of(names):
        place = and_(facts.c.cluster == cluster, facts.c.kind == kind, facts.c.name.in_(piece))
        held = select(facts.c.name, facts.c.attribute, facts.c.value).where(place, facts.c.valid_to_ns == FOREVER)
        for name, attribute, value in connection.execute(held.order_by(facts.c.source.desc())):
            own = things[name].properties = things[name].properties or {}
            own[attribute] = msgspec.json.decode(value)
        place = and_(relations.c.cluster == cluster, relations.c.kind == kind, relations.c.name.in_(piece))
        columns = (relations.c.name, relations.c.relation, relations.c.other_kind, relations.c.other_name)
        for name, *related in connection.execute(select(*columns).where(place, relations.c.valid_to_ns == FOREVER)):
            things[name].relations.add((related[0], related[1], related[2]))
    for thing in things.values():
        if thing.properties is not None and EXISTS not in thing.properties:
            thing.properties = None
    return list(things.values())


def jobs_of(connection: Connection, cluster: str, job_ids: Collection[int], ended_after_ns: int) -> list[GraphJob]:
    """Jobs by their ids."""
    runs = history.runs
    jobs = {job_id: GraphJob(str(job_id)) for job_id in job_ids}
    for piece in pieces_of(job_ids):
        query = select(*(runs.c[name] for name in _RUN_FIELDS)).where(runs.c.cluster == cluster)
        for row in connection.execute(query.where(runs.c.job_id.in_(piece)).order_by(runs.c.number)).mappings():
            is_recent = row["end_ns"] is None or row["end_ns"] >= ended_after_ns
            jobs[row["job_id"]] = _job(dict(row)) if is_recent else GraphJob(str(row["job_id"]))
    return list(jobs.values())


def all_entities(connection: Connection, cluster: str) -> list[Changed]:
    """Every entity that is there, or begins a relation."""
    facts, relations = inventory.facts, inventory.relations
    exists = and_(facts.c.cluster == cluster, facts.c.attribute == EXISTS, facts.c.valid_to_ns == FOREVER)
    holds = and_(relations.c.cluster == cluster, relations.c.valid_to_ns == FOREVER)
    found = set(connection.execute(select(facts.c.kind, facts.c.name).where(exists)).all())
    found |= set(connection.execute(select(relations.c.kind, relations.c.name).where(holds)).all())
    return [Changed(kind, name) for kind, name in sorted(found)]


def job_ids_after(connection: Connection, *, cluster: str, job_id: int, since_ns: int) -> list[Changed]:
    """The next jobs that are to be in the graph, by their ids: those that ended since then, or did not."""
    runs = history.runs
    query = select(runs.c.job_id).where(
        runs.c.cluster == cluster,
        runs.c.job_id > job_id,
        or_(runs.c.end_ns.is_(None), runs.c.end_ns >= since_ns),
    )
    found = connection.execute(query.group_by(runs.c.job_id).order_by(runs.c.job_id).limit(JOBS_AT_ONCE)).scalars()
    return [Changed(JOB, str(one)) for one in found]


def count_waiting(connection: Connection, cluster: str, cursor: int) -> int:
    """How many changes are noted after the cursor."""
    query = select(func.count()).select_from(feed).where(feed.c.cluster == cluster, feed.c.number > cursor)
    return int(connection.execute(query).scalar_one())


def _job(row: dict[str, Any]) -> GraphJob:
    nodes = history.decode_nodes(row["nodes"])
    ends = {"start_s": row["start_ns"], "end_s": row["end_ns"]}
    properties = {
        "jobid": str(row["job_id"]),
        "run": row["number"],
        **{name: row[name] for name in ("name", "state", "user", "account", "partition") if row[name] is not None},
        **{name: int(ns) // NS_PER_S for name, ns in ends.items() if isinstance(ns, int)},
    }
    belongs = (
        (EntityKind.PARTITION.value, "partition"),
        (EntityKind.USER.value, "user"),
        (EntityKind.ACCOUNT.value, "account"),
    )
    things = {(kind, str(row[column])) for kind, column in belongs if row[column] is not None}
    return GraphJob(str(row["job_id"]), properties, things | set(_of_nodes(nodes)))


def _of_nodes(nodes: Collection[str]) -> Iterator[tuple[str, str]]:
    return ((EntityKind.NODE.value, name) for name in nodes)
