"""What stands around an entity, whom its failure touches, and in what it differs from another, or from itself.

Fed by `ports`; `at` in an address is the moment that is asked about. The forms of an address are one handler.
"""

from __future__ import annotations

import jinja2
from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.errors import PageError
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.inventory.entities import Entity, EntityKind
from slurmlens.hub.inventory.questions.neighbourhood import MOST_DEPTH
from slurmlens.hub.inventory.questions.software import PackageChange
from slurmlens.hub.views.neighbourhood.build import (
    build_blast_radius_view,
    build_difference_view,
    build_neighbourhood_view,
    entity_address,
)
from slurmlens.hub.views.neighbourhood.view import BlastRadiusView, DifferenceView, NeighbourhoodView
from slurmlens.hub.views.software.build import package_lines
from slurmlens.hub.web.addresses import depth_in, moment_in
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.neighbourhood_drawing import draw_neighbourhood
from slurmlens.hub.web.ports import InventoryReads, SoftwareReads
from slurmlens.hub.web.session import viewer_of
from slurmlens.shown import format as fmt
from slurmlens.shown.csv import csv_table

DEPTH = 2
_KINDS = ("job", *(kind.value for kind in EntityKind))


class InventoryPage:
    """All forms of neighbourhoods, blast radii and differences."""

    def __init__(
        self,
        inventory: InventoryReads,
        software: SoftwareReads | None,
        environment: jinja2.Environment,
        cluster: str,
        clock: Clock,
        control: AccessControl,
    ) -> None:
        self._control = control
        self._inventory = inventory
        self._software = software
        self._environment = environment
        self._cluster = cluster
        self._clock = clock

    async def neighbourhood(self, request: web.Request) -> web.Response:
        """`GET /inventory/KIND/NAME`: what stands around it, `depth` relations far; around a job when it began."""
        entity, now_ns = _entity(request), self._clock.wall_ns()
        viewer = viewer_of(request)
        depth, at_ns = depth_in(request, MOST_DEPTH, DEPTH), moment_in(request, "at", now_ns)
        if entity.kind == "job" and "at" not in request.query:
            at_ns = await self._inventory.began_ns(viewer, entity.name) or at_ns  # the cluster of then
        found = await self._inventory.neighbourhood(viewer, entity, depth, at_ns)
        if not found.relations and not (await self._inventory.entity(viewer, entity, at_ns)).state.facts:
            message = f"The hub knows no {entity.kind} {entity.name!r} at that moment"
            raise PageError(404, f"no-such-{entity.kind}", message, "Another moment is asked for by `at`.")
        owners = [one.other.name for one in found.relations if (one.entity.kind, one.relation) == ("job", "of")]
        self._control.saw_list(viewer, f"around {entity.kind}={entity.name}", owners)
        view = build_neighbourhood_view(self._cluster, found, now_ns)
        form = request.match_info.get("form")
        if form == "csv":
            return csv_answer(_links_csv(view), "neighbourhood.csv")
        return self._answer(form, "neighbourhood/page.html", view, entity, drawn=draw_neighbourhood(view))

    async def blast_radius(self, request: web.Request) -> web.Response:
        """`GET /inventory/KIND/NAME/blast-radius`."""
        entity, now_ns = _entity(request), self._clock.wall_ns()
        at_ns = moment_in(request, "at", now_ns)
        viewer = viewer_of(request)
        found = await self._inventory.blast_radius(viewer, entity, at_ns)
        self._control.saw_list(viewer, f"touched by {entity.kind}={entity.name}", (run.user for run in found.jobs))
        view = build_blast_radius_view(self._cluster, found, now_ns)
        form = request.match_info.get("form")
        if form == "csv":
            return csv_answer(_jobs_csv(view), "blast-radius.csv")
        return self._answer(form, "neighbourhood/blast_radius.html", view, entity)

    async def difference(self, request: web.Request) -> web.Response:
        """`GET /inventory/KIND/NAME/difference?with=NAME&at=…&then=…`: against another, or against itself then."""
        entity, now_ns = _entity(request), self._clock.wall_ns()
        at_ns = moment_in(request, "at", now_ns)
        then_ns = moment_in(request, "then", at_ns)
        other = Entity(entity.kind, request.query.get("with") or entity.name)
        viewer = viewer_of(request)
        left = await self._inventory.entity(viewer, entity, then_ns)
        right = await self._inventory.entity(viewer, other, at_ns)
        packages: tuple[PackageChange, ...] = ()
        if self._software is not None and entity.kind == EntityKind.NODE.value:
            installed = await self._software.of_node(viewer, entity.name, then_ns)
            packages = package_lines(installed, await self._software.of_node(viewer, other.name, at_ns))
        view = build_difference_view(self._cluster, left.state, right.state, now_ns, packages)
        form = request.match_info.get("form")
        if form == "csv":
            return csv_answer(_differences_csv(view), "difference.csv")
        return self._answer(form, "neighbourhood/difference.html", view, entity)

    def _answer(
        self,
        form: str | None,
        template: str,
        view: NeighbourhoodView | BlastRadiusView | DifferenceView,
        entity: Entity,
        **drawn: object,
    ) -> web.Response:
        if form == "json":
            return json_answer(view)
        page = self._environment.get_template(template)
        return html_answer(page.render(view=view, address=entity_address(entity), **drawn))


def _entity(request: web.Request) -> Entity:
    kind = request.match_info["kind"]
    if kind not in _KINDS:
        message = f"{kind[:40]!r} is no kind of thing that the inventory knows"
        raise PageError(404, "no-such-kind", message, f"One of: {', '.join(_KINDS)}.")
    return Entity(kind, request.match_info["name"])


def _links_csv(view: NeighbourhoodView) -> str:
    ends = ((view.entities[link.first], link, view.entities[link.second]) for link in view.links)
    rows = ((a.kind, a.name, link.relation, b.kind, b.name, fmt.iso(link.since_ns)) for a, link, b in ends)
    return csv_table(("kind", "name", "relation", "other_kind", "other_name", "since"), rows)


def _jobs_csv(view: BlastRadiusView) -> str:
    rows = (
        (run.job_id, run.run, run.state.value, run.name, run.user, run.account, run.partition, " ".join(run.nodes))
        for run in view.jobs
    )
    return csv_table(("job_id", "run", "state", "name", "user", "account", "partition", "nodes"), rows)


def _differences_csv(view: DifferenceView) -> str:
    rows = [(one.attribute, one.left, one.right, fmt.iso(one.since_ns)) for one in view.differences]
    rows += [(f"{one.source} {one.name}", ", ".join(one.left), ", ".join(one.right), "") for one in view.packages]
    return csv_table(("attribute", "left", "right", "since"), rows)
