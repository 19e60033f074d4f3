"""Answers what pages ask of nodes' states and of jobs' GPUs.

Owns the SELECTs on this room's tables. A node's own state may be seen by whoever sees its page; of a job's GPUs each
answer holds what the viewer may see of the job.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, CursorResult, Select, and_, bindparam, select

from slurmlens.clock import NS_PER_S
from slurmlens.events import GpuState
from slurmlens.hub.access.predicates import visible_sightings
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.tables import sightings
from slurmlens.hub.node_states.facts import JobGpu, NodeCourse, NodeStateTold, OutsidersTold, decode_holding
from slurmlens.hub.node_states.figures import FIGURE_BY_NAME, NODE_FIGURES, known, unpack
from slurmlens.hub.node_states.file_systems import FileSystemDay
from slurmlens.hub.node_states.resource_hours import MeasuredResource, ResourceHour
from slurmlens.hub.node_states.resources import UseFigures, UseFiguresTold
from slurmlens.hub.node_states.tables import (
    file_system_days,
    gpu_holdings,
    node_courses,
    node_figures,
    node_outsiders,
    node_states,
    resource_hours,
)

MOST_GPUS = 4_096
MOST_COURSE_NODES = 64
MOST_BINS = 4_500
"""Of one node: a fortnight."""
MOST_OUTSIDERS = 500
PAST_DAYS, DAY_S = 14, 86_400
BEFORE_S, BEHIND_S = 3_600, 1_800
MOST_FILE_SYSTEM_DAYS = 50_000
_outsiders_decoder = msgspec.json.Decoder(OutsidersTold)
_state_decoder = msgspec.json.Decoder(NodeStateTold)
_resources_decoder = msgspec.json.Decoder(UseFigures)
_gpu_decoder = msgspec.json.Decoder(GpuState)


class NodeStateQueries:
    """The read side of this room for one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def of_node(self, viewer: Viewer, node: str) -> NodeStateTold | None:
        """The node's newest state; None where its daemon told none."""
        where = and_(node_states.c.cluster == self._cluster, node_states.c.node == node)

        def work(connection: Connection) -> bytes | None:
            return connection.execute(select(node_states.c.state).where(where)).scalar()

        found = await self._store.read(work)
        return None if found is None else _state_decoder.decode(found)

    async def course(self, viewer: Viewer, nodes: Collection[str], from_s: int, to_s: int) -> tuple[NodeCourse, ...]:
        """Figures of nodes over time, in the order of `nodes` (at most `MOST_COURSE_NODES`); empty where none were."""
        wanted = list(dict.fromkeys(nodes))[:MOST_COURSE_NODES]

        def work(connection: Connection) -> list[NodeCourse]:
            when = {"cluster": self._cluster, "from_s": from_s, "to_s": to_s}
            return [_course(node, connection.execute(_OF_ONE_NODE, {**when, "node": node})) for node in wanted]

        return tuple(await self._store.read(work))

    async def same_hours(
        self, viewer: Viewer, nodes: Collection[str], figures: Collection[str], now_s: int
    ) -> tuple[NodeCourse, ...]:
        """Of some figures' means alone: the last hour, and the hour before and half an hour after this time of the day
        on the days before; empty where none were."""

        def work(connection: Connection) -> list[NodeCourse]:
            return [
                _course(node, connection.execute(_same_hours_query(self._cluster, node, now_s)), figures)
                for node in nodes
            ]

        return tuple(await self._store.read(work))

    async def resources(self, viewer: Viewer) -> tuple[UseFiguresTold, ...]:
        """How busy, overfull and broken every node's resources are; of no node that told none since this is kept."""
        query = select(node_figures.c.node, node_figures.c.told_ns, node_figures.c.resources).where(
            node_figures.c.cluster == self._cluster, node_figures.c.resources.is_not(None)
        )

        def work(connection: Connection) -> list[UseFiguresTold]:
            return [
                UseFiguresTold(node, told_ns, _resources_decoder.decode(resources))
                for node, told_ns, resources in connection.execute(query)
            ]

        return tuple(await self._store.read(work))

    async def file_systems(self, viewer: Viewer, from_s: int, to_s: int) -> list[FileSystemDay]:
        """How full each mount point was on each day in the span, the days in their order; of very many the newest.
        Everybody may know. What a node with a clock that is ahead told of days to come is not in it."""
        days = file_system_days.c
        query = (
            select(*(days[name] for name in FileSystemDay._fields))
            .where(days.cluster == self._cluster, days.day_s >= from_s, days.day_s < to_s)
            .order_by(days.day_s.desc(), days.mount.desc())
            .limit(MOST_FILE_SYSTEM_DAYS)
        )
        found = await self._store.read(lambda connection: [FileSystemDay(*row) for row in connection.execute(query)])
        return found[::-1]

    async def resource_hours(self, viewer: Viewer, from_s: int, to_s: int) -> list[ResourceHour]:
        """How much of each measured resource was used in each hour of the span; everybody may know."""
        hours = resource_hours.c
        query = select(hours.resource, hours.begin_ns, hours.used, hours.whole).where(
            hours.begin_ns >= from_s * NS_PER_S, hours.begin_ns < to_s * NS_PER_S, hours.cluster == self._cluster
        )

        def work(connection: Connection) -> list[ResourceHour]:
            return [
                ResourceHour(MeasuredResource(resource), begin_ns // NS_PER_S, used / whole)
                for resource, begin_ns, used, whole in connection.execute(query)
                if whole > 0
            ]

        return await self._store.read(work)

    async def outsiders(self, viewer: Viewer, since_ns: int, node: str | None = None) -> tuple[OutsidersTold, ...]:
        """Who uses nodes from outside any allocation, told since then; nothing for who is no operator."""
        if not viewer.is_operator:
            return ()
        where = and_(node_outsiders.c.cluster == self._cluster, node_outsiders.c.told_ns >= since_ns)
        if node is not None:
            where = and_(where, node_outsiders.c.node == node)
        query = select(node_outsiders.c.node, node_outsiders.c.told_ns, node_outsiders.c.outsiders).where(where)

        def work(connection: Connection) -> list[OutsidersTold]:
            return [
                msgspec.structs.replace(_outsiders_decoder.decode(blob), node=name, told_ns=told_ns)
                for name, told_ns, blob in connection.execute(
                    query.order_by(node_outsiders.c.node).limit(MOST_OUTSIDERS)
                )
            ]

        return tuple(await self._store.read(work))

    async def of_job(self, viewer: Viewer, job_id: int, run: int) -> tuple[JobGpu, ...]:
        """Every GPU that this run of the job has or had, by node and address."""
        same = and_(*(gpu_holdings.c[name] == sightings.c[name] for name in ("cluster", "node", "sighting")))
        query = (
            select(gpu_holdings.c.node, gpu_holdings.c.holding, gpu_holdings.c.gpu)
            .select_from(gpu_holdings.join(sightings, same))
            .where(gpu_holdings.c.cluster == self._cluster, gpu_holdings.c.job_id == job_id, sightings.c.run == run)
            .where(visible_sightings(viewer))
            .limit(MOST_GPUS)
        )

        def work(connection: Connection) -> list[JobGpu]:
            return [
                JobGpu(node=node, holding=decode_holding(holding), gpu=_gpu_decoder.decode(gpu))
                for node, holding, gpu in connection.execute(query)
            ]

        return tuple(sorted(await self._store.read(work), key=lambda one: (one.node, one.gpu.pci, one.holding.uuid)))


_OF_ONE_NODE = (
    select(node_courses.c.bin_s, node_courses.c.figures)
    .where(node_courses.c.cluster == bindparam("cluster"), node_courses.c.node == bindparam("node"))
    .where(node_courses.c.bin_s >= bindparam("from_s"), node_courses.c.bin_s < bindparam("to_s"))
    .order_by(node_courses.c.bin_s)
    .limit(MOST_BINS)
)
"""Made once: the page of a wide job asks it for each of its nodes."""


def _same_hours_query(cluster: str, node: str, now_s: int) -> Select[tuple[Any, ...]]:
    of = node_courses.c
    since_midnight_s = (now_s - BEFORE_S) % DAY_S  # SQL's remainder of a negative number is negative
    is_same_hour = (of.bin_s + (DAY_S - since_midnight_s)) % DAY_S < BEFORE_S + BEHIND_S
    where = and_(of.cluster == cluster, of.node == node, of.bin_s >= now_s - PAST_DAYS * DAY_S, is_same_hour)
    return select(of.bin_s, of.figures).where(where).order_by(of.bin_s).limit(MOST_BINS)


def _course(node: str, rows: CursorResult[Any], figures: Collection[str] = FIGURE_BY_NAME) -> NodeCourse:
    bins = [(row.bin_s, unpack(row.figures)) for row in rows]
    means, highs = {}, {}
    for place, row in enumerate(NODE_FIGURES):
        if row.name not in figures:
            continue
        own = tuple(known(one.means[place]) for _, one in bins)
        if any(value is not None for value in own):
            means[row.name] = own
            highs[row.name] = tuple(known(one.highs[place]) for _, one in bins)
    return NodeCourse(node=node, begins_s=tuple(begin_s for begin_s, _ in bins), means=means, highs=highs)
