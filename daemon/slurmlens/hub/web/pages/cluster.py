"""The operator's first page: `/cluster`.

Fed by `ports`. Sums over all jobs are shown to whoever may see how the hub fares; who does not sees the cluster by his
own jobs, and who is out of service. One reading serves all who look within a few seconds.
"""

from __future__ import annotations

import jinja2
import msgspec
from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.errors import PageError
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.findings.claims import FindingState
from slurmlens.hub.findings.facts import FindingFilter
from slurmlens.hub.history.facts import JobFilter, StateFilter
from slurmlens.hub.inventory.entities import EntityKind
from slurmlens.hub.views.cluster.build import ATTRIBUTES, GROUPINGS, ClusterFacts, build_cluster_view
from slurmlens.hub.views.cluster.table import cluster_csv
from slurmlens.hub.views.cluster.view import ClusterView
from slurmlens.hub.views.finding.build import build_finding_line
from slurmlens.hub.views.finding.view import FindingLine
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.kept_answers import KeptAnswers
from slurmlens.hub.web.node_map import draw_nodes
from slurmlens.hub.web.ports import FindingReads, HistoryQueries, InventoryReads
from slurmlens.hub.web.session import viewer_of
from slurmlens.runtime.beside import beside

MOST_JOBS = 5_000
FRESH_S = 3.0
MOST_KEPT = 64
MOST_FINDINGS = 8


class ClusterPage:
    """All forms of the page."""

    def __init__(
        self,
        queries: HistoryQueries,
        inventory: InventoryReads,
        findings: FindingReads | None,
        environment: jinja2.Environment,
        cluster: str,
        clock: Clock,
    ) -> None:
        self._queries = queries
        self._inventory = inventory
        self._findings = findings
        self._template = environment.get_template("cluster/page.html")
        self._cluster = cluster
        self._clock = clock
        self._kept: KeptAnswers[tuple[Viewer, EntityKind], ClusterView] = KeptAnswers(FRESH_S, MOST_KEPT)

    async def show(self, request: web.Request) -> web.Response:
        """`GET /cluster`, `.json`, `.csv`."""
        by = _grouping(request.query.get("by", EntityKind.PARTITION.value))
        of_sums = viewer_of(request).of_sums
        view = await self._kept.get((of_sums, by), lambda: self._read(of_sums, by))
        view = msgspec.structs.replace(view, findings=await self._found(viewer_of(request)))  # never of sums: of jobs
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(cluster_csv(view), "cluster.csv")
        page = await beside(lambda: self._template.render(view=view, groups=draw_nodes(view), groupings=GROUPINGS))
        return html_answer(page)

    async def _found(self, viewer: Viewer) -> tuple[FindingLine, ...]:
        """What is open, the most likely first, as far as he may see it."""
        if self._findings is None:
            return ()
        found = await self._findings.listed(viewer, FindingFilter(limit=MOST_FINDINGS))
        return tuple(build_finding_line(one) for one in found if one.state is FindingState.OPEN)

    async def _read(self, viewer: Viewer, by: EntityKind) -> ClusterView:
        now_ns = self._clock.wall_ns()
        waiting = await self._queries.jobs(viewer, JobFilter(state=StateFilter.PENDING, limit=MOST_JOBS))
        running = await self._queries.jobs(viewer, JobFilter(state=StateFilter.RUNNING, limit=MOST_JOBS))
        facts = ClusterFacts(
            nodes=await self._inventory.kind(viewer, EntityKind.NODE, ATTRIBUTES, now_ns),
            containing=await self._inventory.contained(viewer, by, now_ns),
            running=running.rows,
            waiting=waiting.rows,
            waiting_is_cut=waiting.next is not None,
            scheduler_silent_since_ns=self._queries.silent_since_ns(viewer),
        )
        return await beside(lambda: build_cluster_view(self._cluster, facts, by, now_ns))


def _grouping(text: str) -> EntityKind:
    known = {kind.value: kind for kind in GROUPINGS}
    if text not in known:
        raise PageError(400, "by", f"Nodes cannot be grouped by {text!r}", f"by= is one of {', '.join(known)}.")
    return known[text]
