"""The operator's first page: `/cluster`.

Fed by `ports`. Sums over all jobs are shown to whoever may see how the hub fares; who does not sees the cluster by his
own jobs, and who is out of service. One reading serves all who look within a few seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jinja2
import msgspec
from aiohttp import web

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.errors import PageError
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.findings.claims import FindingState
from slurmlens.hub.findings.facts import FindingFilter
from slurmlens.hub.history.facts import JobFilter, StateFilter
from slurmlens.hub.inventory.entities import EntityKind
from slurmlens.hub.node_states.resource_hours import ResourceHour
from slurmlens.hub.usage.charges import HOUR_S
from slurmlens.hub.usage.facts import HourFigure, UsageWindow
from slurmlens.hub.views.cluster.build import (
    ALLOCATED,
    ATTRIBUTES,
    COURSE_HOURS,
    FIGURES,
    GROUPINGS,
    MOST_COURSE_HOURS,
    ClusterFacts,
    build_cluster_view,
    of_partition,
)
from slurmlens.hub.views.cluster.table import cluster_csv
from slurmlens.hub.views.cluster.view import ClusterView
from slurmlens.hub.views.finding.build import build_finding_line
from slurmlens.hub.views.finding.view import FindingLine
from slurmlens.hub.web.addresses import moment_of
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.kept_answers import KeptAnswers
from slurmlens.hub.web.node_map import draw_nodes
from slurmlens.hub.web.ports import (
    FindingReads,
    HistoryQueries,
    InventoryReads,
    NodeStateReads,
    SchedulerLoadOf,
    UsageReads,
)
from slurmlens.hub.web.session import viewer_of
from slurmlens.runtime.beside import beside

MOST_JOBS = 5_000
FRESH_S = 3.0
MOST_KEPT = 64
MOST_FINDINGS = 8


class ClusterReads(NamedTuple):
    """What the page's sums are read from."""

    queries: HistoryQueries
    inventory: InventoryReads
    node_states: NodeStateReads | None
    scheduler_load: SchedulerLoadOf | None
    usage: UsageReads | None


class ClusterPage:
    """All forms of the page."""

    def __init__(
        self,
        of_cluster: ClusterReads,
        findings: FindingReads | None,
        environment: jinja2.Environment,
        cluster: str,
        clock: Clock,
    ) -> None:
        self._queries, self._inventory, self._node_states, self._scheduler_load, self._usage = of_cluster
        self._findings = findings
        self._template = environment.get_template("cluster/page.html")
        self._cluster = cluster
        self._clock = clock
        self._kept: KeptAnswers[tuple[Viewer, _Asked], ClusterView] = KeptAnswers(FRESH_S, MOST_KEPT)

    async def show(self, request: web.Request) -> web.Response:
        """`GET /cluster`, `.json`, `.csv`."""
        asked = _asked(request, self._clock.wall_ns())
        of_sums = viewer_of(request).of_sums
        view = await self._kept.get((of_sums, asked), lambda: self._read(of_sums, asked))
        view = msgspec.structs.replace(view, findings=await self._found(viewer_of(request)))  # never of sums: of jobs
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(cluster_csv(view), "cluster.csv")
        choices = {"groupings": GROUPINGS, "figures": FIGURES}
        page = await beside(lambda: self._template.render(view=view, groups=draw_nodes(view), **choices))
        return html_answer(page)

    async def _found(self, viewer: Viewer) -> tuple[FindingLine, ...]:
        """What is open, the most likely first, as far as he may see it."""
        if self._findings is None:
            return ()
        found = await self._findings.listed(viewer, FindingFilter(limit=MOST_FINDINGS))
        return tuple(build_finding_line(one) for one in found if one.state is FindingState.OPEN)

    async def _read(self, viewer: Viewer, asked: _Asked) -> ClusterView:
        now_ns = self._clock.wall_ns()
        waiting = await self._queries.jobs(viewer, JobFilter(state=StateFilter.PENDING, limit=MOST_JOBS))
        running = await self._queries.jobs(viewer, JobFilter(state=StateFilter.RUNNING, limit=MOST_JOBS))
        containing = await self._inventory.contained(viewer, asked.by, now_ns)
        facts = ClusterFacts(
            nodes=await self._inventory.kind(viewer, EntityKind.NODE, ATTRIBUTES, now_ns),
            containing=containing,
            running=running.rows,
            waiting=waiting.rows,
            waiting_is_cut=waiting.next is not None,
            scheduler_silent_since_ns=self._queries.silent_since_ns(viewer),
            figures=() if self._node_states is None else await self._node_states.resources(viewer),
            scheduler_load=None if self._scheduler_load is None else self._scheduler_load(viewer),
            hours=await self._hours(viewer, asked.course_hours, now_ns),
            measured_hours=await self._measured_hours(viewer, asked.course_hours, now_ns),
            course_hours=asked.course_hours,
        )
        if asked.partition is not None:
            if asked.by is not EntityKind.PARTITION:
                containing = await self._inventory.contained(viewer, EntityKind.PARTITION, now_ns)
            facts = of_partition(facts, asked.partition, containing)._replace(hours=(), measured_hours=())
            if not facts.nodes:
                raise PageError(
                    404, "no-such-partition", f"No partition {asked.partition!r} has nodes", "See /partitions."
                )
        view = await beside(lambda: build_cluster_view(self._cluster, facts, asked.by, now_ns, asked.figure))
        return msgspec.structs.replace(view, partition=asked.partition)

    async def _hours(self, viewer: Viewer, count: int, now_ns: int) -> Sequence[HourFigure]:
        """How full each of the last hours was."""
        if self._usage is None:
            return ()
        return await self._usage.hourly_utilisation(viewer, _last_hours(count, now_ns))

    async def _measured_hours(self, viewer: Viewer, count: int, now_ns: int) -> Sequence[ResourceHour]:
        """How busy what nodes measure was in each of them."""
        if self._node_states is None:
            return ()
        hours = _last_hours(count, now_ns)
        return await self._node_states.resource_hours(viewer, hours.from_s, hours.to_s)


def _last_hours(count: int, now_ns: int) -> UsageWindow:
    end_s = now_ns // NS_PER_S // HOUR_S * HOUR_S
    return UsageWindow(end_s - count * HOUR_S, end_s)


class _Asked(NamedTuple):
    """What an address says."""

    by: EntityKind
    figure: str
    partition: str | None
    course_hours: int


def _asked(request: web.Request, now_ns: int) -> _Asked:
    """PageError 400 names what there is."""
    by, figure = request.query.get("by", EntityKind.PARTITION.value), request.query.get("figure", ALLOCATED)
    known = {kind.value: kind for kind in GROUPINGS}
    if by not in known:
        raise PageError(400, "by", f"Nodes cannot be grouped by {by!r}", f"by= is one of {', '.join(known)}.")
    if figure not in FIGURES:
        advice = f"figure= is one of {', '.join(FIGURES)}."
        raise PageError(400, "figure", f"Nodes cannot be coloured by {figure!r}", advice)
    return _Asked(known[by], figure, request.query.get("partition") or None, _course_hours(request, now_ns))


def _course_hours(request: web.Request, now_ns: int) -> int:
    """From `since` to the last hour that is over, within bounds."""
    text = request.query.get("since")
    if not text:
        return COURSE_HOURS
    begin_ns = moment_of("since", text, now_ns)
    return max(1, min(MOST_COURSE_HOURS, -(-(now_ns - begin_ns) // (HOUR_S * NS_PER_S))))
