"""The pages of nodes, users, partitions, accounts, groups and switches, and the lists of them.

Fed by `ports`: the inventory says what an entity is, history which jobs it has. `at` in an address is the moment that
is asked about, `since` the begin of what is shown before it. The forms of an address are one handler: the page, the
view as JSON, and as CSV its jobs.
"""

from __future__ import annotations

from collections.abc import Sequence

import jinja2
from aiohttp import web
from aiohttp.typedefs import Handler

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.errors import PageError
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.inventory.entities import Entity, EntityKind
from slurmlens.hub.node_states.facts import NodeCourse, NodeStateTold, OutsidersTold
from slurmlens.hub.views.entity.build import LISTED, build_entities_view, build_entity_view
from slurmlens.hub.views.entity.table import entities_csv
from slurmlens.hub.views.entity.view import EntityView
from slurmlens.hub.views.jobs.table import jobs_csv
from slurmlens.hub.views.jobs.view import JobsView
from slurmlens.hub.views.neighbourhood.build import PLURALS, build_neighbourhood_view
from slurmlens.hub.web.addresses import filters_of, moment_in
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.drawing import draw
from slurmlens.hub.web.entity_drawing import draw_entity
from slurmlens.hub.web.job_listing import JobListing
from slurmlens.hub.web.neighbourhood_drawing import NeighbourhoodDrawing, draw_neighbourhood
from slurmlens.hub.web.ports import FindingReads, InventoryReads, NodeStateReads
from slurmlens.hub.web.session import viewer_of
from slurmlens.hub.web.timeline_drawing import axis_alone

SHOWN_BEFORE_NS = 7 * 86_400 * NS_PER_S
MOST_AROUND = 60
OUTSIDERS_OF_NS = 300 * NS_PER_S
"""Who uses a node from outside is told every minute."""
_WITH_JOBS = ("node", "user", "partition", "account")


class EntityPage:
    """All forms of entities and of lists of them."""

    def __init__(
        self,
        jobs: JobListing,
        inventory: InventoryReads,
        findings: FindingReads | None,
        node_states: NodeStateReads | None,
        environment: jinja2.Environment,
        cluster: str,
        clock: Clock,
        control: AccessControl,
    ) -> None:
        self._control = control
        self._jobs = jobs
        self._inventory = inventory
        self._findings = findings
        self._node_states = node_states
        self._page = environment.get_template("entity/page.html")
        self._list = environment.get_template("entity/list.html")
        self._cluster = cluster
        self._clock = clock

    def page_of(self, kind: EntityKind) -> Handler:
        """`GET /nodes/NAME` and its like, `.json`, `.csv`."""

        async def show(request: web.Request) -> web.Response:
            return await self._show(request, Entity.of(kind, request.match_info["name"]))

        return show

    def list_of(self, kind: EntityKind) -> Handler:
        """`GET /nodes` and its like, `.json`, `.csv`."""

        async def listing(request: web.Request) -> web.Response:
            return await self._listing(request, kind)

        return listing

    async def _show(self, request: web.Request, entity: Entity) -> web.Response:
        viewer, now_ns = viewer_of(request), self._clock.wall_ns()
        at_ns = moment_in(request, "at", now_ns)
        since_ns = min(at_ns, moment_in(request, "since", at_ns - SHOWN_BEFORE_NS))
        jobs = await self._jobs_of(viewer, request, entity) if entity.kind in _WITH_JOBS else None
        history = await self._inventory.entity(viewer, entity, at_ns, since_ns)
        self._control.saw_list(viewer, f"{entity.kind}={entity.name}", (run.user for run in history.runs))
        found = () if self._findings is None else await self._findings.of_entity(viewer, entity)
        machine = await self._machine(viewer, entity) if at_ns == now_ns else None
        course = await self._course(viewer, entity, since_ns, at_ns)
        outsiders = await self._outsiders(viewer, entity, now_ns) if at_ns == now_ns else ()
        view = build_entity_view(self._cluster, history, jobs, since_ns, now_ns, found, machine, course, outsiders)
        if not view.is_known:
            raise _not_known(entity)
        form = request.match_info.get("form")
        around = None if form is not None else await self._around(viewer, entity, at_ns, now_ns)
        return self._answer(form, view, around)

    async def _around(self, viewer: Viewer, entity: Entity, at_ns: int, now_ns: int) -> NeighbourhoodDrawing | None:
        """What stands right around it, drawn; None where that is too much for a page."""
        found = await self._inventory.neighbourhood(viewer, entity, 1, at_ns)
        if not 1 < len(found.entities) <= MOST_AROUND:
            return None
        return draw_neighbourhood(build_neighbourhood_view(self._cluster, found, now_ns))

    async def _listing(self, request: web.Request, kind: EntityKind) -> web.Response:
        viewer, plural = viewer_of(request), PLURALS[kind.value]
        now_ns = self._clock.wall_ns()
        at_ns = moment_in(request, "at", now_ns)
        facts = await self._inventory.kind(viewer, kind, LISTED, at_ns)
        containing = await self._inventory.contained(viewer, EntityKind.PARTITION, at_ns)
        view = build_entities_view(self._cluster, kind.value, facts, containing, at_ns, now_ns)
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(entities_csv(view), f"{plural}.csv")
        return html_answer(self._list.render(view=view, plural=plural))

    async def _machine(self, viewer: Viewer, entity: Entity) -> NodeStateTold | None:
        if self._node_states is None or entity.kind != EntityKind.NODE.value:
            return None
        return await self._node_states.of_node(viewer, entity.name)

    async def _course(self, viewer: Viewer, entity: Entity, since_ns: int, at_ns: int) -> NodeCourse | None:
        if self._node_states is None or entity.kind != EntityKind.NODE.value:
            return None
        from_s, to_s = since_ns // NS_PER_S, at_ns // NS_PER_S + 1
        return next(iter(await self._node_states.course(viewer, [entity.name], from_s, to_s)), None)

    async def _outsiders(self, viewer: Viewer, entity: Entity, now_ns: int) -> Sequence[OutsidersTold]:
        if self._node_states is None or entity.kind != EntityKind.NODE.value:
            return ()
        return await self._node_states.outsiders(viewer, now_ns - OUTSIDERS_OF_NS, entity.name)

    async def _jobs_of(self, viewer: Viewer, request: web.Request, entity: Entity) -> JobsView:
        filters = filters_of(request) | {entity.kind: entity.name}
        return await self._jobs.listed(viewer, filters, request.query.get("after"))

    def _answer(self, form: str | None, view: EntityView, around: NeighbourhoodDrawing | None) -> web.Response:
        if form == "json":
            return json_answer(view)
        if form == "csv":
            if view.jobs is None:
                raise PageError(404, "no-table", f"A {view.kind} has no table", "Its JSON has all that is known.")
            return csv_answer(jobs_csv(view.jobs), f"{view.kind}-jobs.csv")
        drawn, plural = draw_entity(view), PLURALS[view.kind]
        page = self._page.render(view=view, drawn=drawn, around=around, plural=plural, **_charts(view))
        return html_answer(page)


def _charts(view: EntityView) -> dict[str, object]:
    """What the template of charts needs, as a job's page gives it."""
    if view.charts is None:
        return {"plots": (), "timeline": None}
    return {"plots": draw(view.charts), "timeline": axis_alone(view.charts)}


def _not_known(entity: Entity) -> PageError:
    advice = (
        "The hub hears of nodes and partitions when it asks the scheduler, every few minutes, and of users and accounts"
        " by their jobs. The name must be the scheduler's own."
    )
    return PageError(404, f"no-such-{entity.kind}", f"The hub knows no {entity.kind} {entity.name!r}", advice)
