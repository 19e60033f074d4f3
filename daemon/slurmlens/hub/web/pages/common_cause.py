"""What the failures of a window have in common: `/common-cause`, its JSON and CSV.

Fed by `ports`; `from` and `to` of an address are the window, the last day where they are not named.
"""

from __future__ import annotations

import jinja2
from aiohttp import web

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.errors import PageError
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.views.common_cause.build import build_common_cause_view, cause_name
from slurmlens.hub.views.common_cause.view import CommonCauseView
from slurmlens.hub.views.neighbourhood.build import entity_address
from slurmlens.hub.web.addresses import moment_in
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.ports import InventoryReads
from slurmlens.hub.web.session import viewer_of
from slurmlens.shown.csv import csv_table

WINDOW_NS = 86_400 * NS_PER_S
_HEADER = ("kind", "name", "named", "failed", "succeeded", "failed_without", "succeeded_without", "p", "q", "odds")


class CommonCausePage:
    """All forms of it."""

    def __init__(self, inventory: InventoryReads, environment: jinja2.Environment, cluster: str, clock: Clock) -> None:
        self._inventory = inventory
        self._template = environment.get_template("common_cause/page.html")
        self._cluster = cluster
        self._clock = clock

    async def show(self, request: web.Request) -> web.Response:
        """`GET /common-cause`, `.json`, `.csv`."""
        now_ns = self._clock.wall_ns()
        to_ns = moment_in(request, "to", now_ns)
        from_ns = moment_in(request, "from", to_ns - WINDOW_NS)
        if from_ns >= to_ns:
            raise PageError(400, "bad-window", "the window ends before it begins", "`from` must be before `to`.")
        answer = await self._inventory.common_cause(viewer_of(request), from_ns, to_ns)
        view = build_common_cause_view(self._cluster, answer, from_ns, to_ns, now_ns)
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(_csv(view), "common-cause.csv")
        return html_answer(self._template.render(view=view, address_of=_address, name_of=cause_name))


def _address(kind: str, name: str) -> str | None:
    return entity_address(Entity(kind, name))


def _csv(view: CommonCauseView) -> str:
    causes = (line.cause for line in view.causes)
    rows = (
        (
            one.kind,
            one.name,
            one.is_named,
            one.failed,
            one.succeeded,
            one.failed_without,
            one.succeeded_without,
            one.p,
            one.q,
            one.odds,
        )
        for one in causes
    )
    return csv_table(_HEADER, rows)
