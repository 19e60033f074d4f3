"""What is installed: on a node, which version of a library where, and which nodes are not as the others.

Fed by `ports`; `at` in an address is the moment that is asked about. The forms of an address are one handler.
"""

from __future__ import annotations

from urllib.parse import quote

import jinja2
from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.hub.views.software.build import build_library_view, build_node_software_view, build_software_view
from slurmlens.hub.views.software.table import library_csv, node_software_csv, software_csv
from slurmlens.hub.web.addresses import moment_in
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.ports import SoftwareReads
from slurmlens.hub.web.session import viewer_of
from slurmlens.runtime.beside import beside


class SoftwarePage:
    """All forms of software."""

    def __init__(self, software: SoftwareReads, environment: jinja2.Environment, cluster: str, clock: Clock) -> None:
        self._software = software
        self._environment = environment
        self._cluster = cluster
        self._clock = clock

    async def overview(self, request: web.Request) -> web.Response:
        """`GET /software`: all nodes, and who differs; with `name`, which a form asks for, that package's own page."""
        if (name := request.query.get("name", "").strip()) and "form" not in request.match_info:
            raise web.HTTPFound(f"/software/{quote(name, safe='')}")
        now_ns = self._clock.wall_ns()
        at_ns = moment_in(request, "at", now_ns)
        told = await self._software.drift(viewer_of(request), at_ns)
        view = build_software_view(self._cluster, told, at_ns, now_ns)
        form = request.match_info.get("form")
        if form == "csv":
            return csv_answer(software_csv(view), "software.csv")
        return await self._answer(form, "software/overview.html", view)

    async def library(self, request: web.Request) -> web.Response:
        """`GET /software/NAME`: which versions there are, and where."""
        now_ns, name = self._clock.wall_ns(), request.match_info["name"]
        at_ns = moment_in(request, "at", now_ns)
        told = await self._software.library(viewer_of(request), name, at_ns)
        view = build_library_view(self._cluster, name, told, at_ns, now_ns)
        form = request.match_info.get("form")
        if form == "csv":
            return csv_answer(library_csv(view), "library.csv")
        return await self._answer(form, "software/library.html", view)

    async def of_node(self, request: web.Request) -> web.Response:
        """`GET /nodes/NAME/software`: everything on a node."""
        now_ns, node, viewer = self._clock.wall_ns(), request.match_info["name"], viewer_of(request)
        at_ns = moment_in(request, "at", now_ns)
        told = await self._software.of_node(viewer, node, at_ns)
        drift = (await self._software.drift(viewer, at_ns)).drift.drifts if told else ()
        view = build_node_software_view(self._cluster, node, told, drift, at_ns, now_ns)
        form = request.match_info.get("form")
        if form == "csv":
            return csv_answer(await beside(lambda: node_software_csv(view)), "software.csv")
        return await self._answer(form, "software/node.html", view)

    async def _answer(self, form: str | None, template: str, view: object) -> web.Response:
        """A node may have thousands of packages: their page is made beside the loop."""
        if form == "json":
            return json_answer(view)
        page = self._environment.get_template(template)
        return html_answer(await beside(lambda: page.render(view=view)))
