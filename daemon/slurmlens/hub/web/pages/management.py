"""Who used what for what effect: `/management`, its JSON and CSV.

Fed by `ports.UsageReads`; `from`, `to` and `by` of an address are the window (the last seven days where not named) and
what the first table is of. For those who may see everybody's usage; others have their own sums in reports. One reading
serves all who look at the same within a minute or two, whichever table comes first: a day of a million jobs takes the
hub seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jinja2
from aiohttp import web

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.management import ManagementConfig
from slurmlens.errors import PageError
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.usage.charges import SIZE_CLASSES
from slurmlens.hub.usage.facts import NodeTimeFacts, Outage, StartedRuns, UsageFacts, UsageWindow
from slurmlens.hub.views.management.build import TABLES, ManagementFacts, build_management_view
from slurmlens.hub.views.management.view import ManagementView
from slurmlens.hub.views.usage.table import HEADER, table_rows
from slurmlens.hub.web.addresses import moment_in
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.kept_answers import KeptAnswers
from slurmlens.hub.web.ports import UsageReads
from slurmlens.hub.web.session import admitted_of, viewer_of
from slurmlens.hub.web.usage_drawing import draw_course, style_of
from slurmlens.runtime.beside import beside
from slurmlens.shown.csv import csv_table

DEFAULT_S = 7 * 86_400
LONGEST_S = 400 * 86_400
FRESH_S = 60.0
"""Of a view, and of what it is made from: together two minutes."""
MOST_KEPT = 32
MOST_BASES = 8
PRESETS = ((86_400, "day"), (7 * 86_400, "week"), (30 * 86_400, "30 days"), (365 * 86_400, "year"))


class _Basis(NamedTuple):
    """What a view is made from whichever its first table is, and of which window and moment that is."""

    usage: UsageFacts
    nodes: NodeTimeFacts
    outages: Sequence[Outage]
    started: StartedRuns
    window: UsageWindow
    now_s: int


_Asked = tuple[Viewer, str | None, str | None]


class ManagementPage:
    """All forms of it."""

    def __init__(
        self, usage: UsageReads, environment: jinja2.Environment, cluster: str, settings: ManagementConfig, clock: Clock
    ) -> None:
        self._usage = usage
        self._template = environment.get_template("management/page.html")
        self._cluster = cluster
        self._settings = settings
        self._clock = clock
        self._kept: KeptAnswers[tuple[_Asked, str], ManagementView] = KeptAnswers(FRESH_S, MOST_KEPT)
        self._bases: KeptAnswers[_Asked, _Basis] = KeptAnswers(FRESH_S, MOST_BASES)

    async def show(self, request: web.Request) -> web.Response:
        """`GET /management`, `.json`, `.csv` (the first table)."""
        viewer = viewer_of(request)
        if not viewer.sees_all_usage:
            message = "This page is for the management and for operators"
            raise PageError(403, "role", message, "What you used yourself is at /reports.")
        now_s = self._clock.wall_ns() // NS_PER_S
        window, by = self._window(request, now_s), _by(request)
        asked = viewer.of_sums, request.query.get("from"), request.query.get("to")
        view = await self._kept.get((asked, by), lambda: self._view(asked, window, by, now_s))
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(csv_table((by, *HEADER[1:]), table_rows(view.tables[0])), f"usage-by-{by}.csv")
        return html_answer(await beside(lambda: self._page(view, viewer)))

    async def rebuild(self, request: web.Request) -> web.Response:
        """`POST /api/v1/usage/rebuild`: counts everything again; for operators, from the command line alone."""
        person, viewer = admitted_of(request)
        is_command = "Origin" not in request.headers and "Cookie" not in request.headers
        if not is_command or not viewer.sees_all_jobs or not viewer.sees_the_hub:
            message = "Usage is made anew by an operator, from the command line"
            raise PageError(403, "role", message, "Run `slurmlens usage --rebuild` as one.")
        return json_answer({"jobs": await self._usage.rebuild(viewer), "by": person.name if person else viewer.who})

    def _window(self, request: web.Request, now_s: int) -> UsageWindow:
        to_s = moment_in(request, "to", now_s * NS_PER_S) // NS_PER_S
        from_s = moment_in(request, "from", (to_s - DEFAULT_S) * NS_PER_S) // NS_PER_S
        if not 0 < to_s - from_s <= LONGEST_S:
            raise PageError(
                400, "bad-window", "that window cannot be used", "`from` must be before `to`, by 400 days at most."
            )
        return UsageWindow(from_s, to_s)

    async def _view(self, asked: _Asked, window: UsageWindow, by: str, now_s: int) -> ManagementView:
        viewer = asked[0]
        basis = await self._bases.get(asked, lambda: self._basis(viewer, window, now_s))
        facts = ManagementFacts(
            usage=basis.usage,
            nodes=basis.nodes,
            waits=await self._usage.waits(viewer, basis.window, ("partition", by)),
            outages=basis.outages,
            started=basis.started,
        )
        return await beside(lambda: build_management_view(self._cluster, facts, self._settings, by, basis.now_s))

    async def _basis(self, viewer: Viewer, window: UsageWindow, now_s: int) -> _Basis:
        usage = self._usage
        return _Basis(
            usage=await usage.usage(viewer, window, now_s),
            nodes=await usage.nodes(viewer, window, now_s),
            outages=await usage.outages(viewer, window, self._settings.machine_users),
            started=await usage.started(viewer, window),
            window=window,
            now_s=now_s,
        )

    def _page(self, view: ManagementView, viewer: Viewer) -> str:
        return self._template.render(
            view=view,
            bars=draw_course(view.course, view.from_s, view.to_s),
            style_of=style_of,
            sizes=[words for _, words in SIZE_CLASSES],
            presets=PRESETS,
            dimensions=TABLES,
            sees_jobs=viewer.sees_all_jobs,
            rules=self._settings,
        )


def _by(request: web.Request) -> str:
    by = request.query.get("by") or TABLES[0]
    if by not in TABLES:
        raise PageError(400, "bad-filter", f"by={by[:40]!r} cannot be used", f"One of: {', '.join(TABLES)}.")
    return by
