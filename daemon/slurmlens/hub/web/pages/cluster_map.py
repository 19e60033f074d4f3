"""The map of the cluster at any moment: `/cluster/map`, its JSON and CSV.

Fed by `ports`; `at` in an address is the moment that is asked about. Jobs are those that the reader may see.
"""

from __future__ import annotations

import jinja2
from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.inventory.entities import EntityKind
from slurmlens.hub.views.cluster_map.build import ATTRIBUTES, build_cluster_map
from slurmlens.hub.views.cluster_map.view import ClusterMapView
from slurmlens.hub.web.addresses import moment_in
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.map_drawing import draw_cluster_map
from slurmlens.hub.web.ports import InventoryReads
from slurmlens.hub.web.session import viewer_of
from slurmlens.runtime.beside import beside
from slurmlens.shown.csv import csv_table

MOST_JOBS = 5_000


class ClusterMapPage:
    """All forms of the map."""

    def __init__(
        self,
        inventory: InventoryReads,
        environment: jinja2.Environment,
        cluster: str,
        clock: Clock,
        control: AccessControl,
    ) -> None:
        self._inventory = inventory
        self._template = environment.get_template("cluster/map.html")
        self._cluster = cluster
        self._clock = clock
        self._control = control

    async def show(self, request: web.Request) -> web.Response:
        """`GET /cluster/map`, `.json`, `.csv`."""
        viewer, now_ns = viewer_of(request), self._clock.wall_ns()
        at_ns = moment_in(request, "at", now_ns)
        facts = await self._inventory.kind(viewer, EntityKind.NODE, ATTRIBUTES, at_ns)
        containing = await self._inventory.contained(viewer, EntityKind.SWITCH, at_ns)
        names = sorted({fact.entity.name for fact in facts})
        runs = await self._inventory.running_on(viewer, names, at_ns, MOST_JOBS)
        self._control.saw_list(viewer, "map", (run.user for run in runs))
        has_more = len(runs) >= MOST_JOBS
        view = await beside(
            lambda: build_cluster_map(self._cluster, facts, containing, runs, at_ns, now_ns, has_more=has_more)
        )
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(_csv(view), "map.csv")
        return html_answer(await beside(lambda: self._template.render(view=view, drawn=draw_cluster_map(view))))


def _csv(view: ClusterMapView) -> str:
    rows = (
        (switch.name, switch.above, node.name, node.word, " ".join(str(view.jobs[place].job_id) for place in node.jobs))
        for switch in view.switches
        for node in switch.nodes
    )
    return csv_table(("switch", "above", "node", "state", "jobs"), rows)
