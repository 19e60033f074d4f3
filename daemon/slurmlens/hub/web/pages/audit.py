"""The audit: our figures against accounting's, by day: `/audit`, its JSON, CSV and file; an operator audits a day anew.

Fed by the audits' store and by the stage that makes them. Shown to whoever sees all jobs.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import jinja2
from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.errors import PageError, SourceError
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.audit.keeping import AuditStore
from slurmlens.hub.audit.stage import Auditor
from slurmlens.hub.views.audit.build import audit_csv, build_audit_view
from slurmlens.hub.views.audit.view import AuditView
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.session import viewer_of


class AuditPage:
    """All forms of it."""

    def __init__(
        self,
        store: AuditStore,
        auditor: Auditor,
        environment: jinja2.Environment,
        cluster: str,
        clock: Clock,
        control: AccessControl,
    ) -> None:
        self._store = store
        self._auditor = auditor
        self._template = environment.get_template("audit/page.html")
        self._cluster = cluster
        self._clock = clock
        self._control = control

    async def show(self, request: web.Request) -> web.Response:
        """`GET /audit?day=2026-11-30`, `.json`, `.csv`."""
        view = await self._view(_operator(request), _day(request))
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(audit_csv(view), f"audit-{view.day or 'none'}.csv")
        return html_answer(self._template.render(view=view))

    async def make(self, request: web.Request) -> web.Response:
        """`POST /api/v1/audit?day=2026-11-30`: audits a day now; of today what is over."""
        viewer, day_s = _operator(request), _day(request)
        try:
            await self._auditor.audit(day_s if day_s is not None else self._auditor.due_day_s())
        except SourceError as error:
            raise PageError(503, "no-accounting", f"Accounting does not answer: {error}", "Ask again.") from error
        return json_answer(await self._view(viewer, day_s))

    async def _view(self, viewer: Viewer, day_s: int | None) -> AuditView:
        days = await self._store.days(viewer)
        chosen = next((one for one in days if day_s is None or one.day_s == day_s), None)
        users = {job.user for job in chosen.jobs} if chosen else set()
        self._control.saw_list(viewer, "audit", users)
        return build_audit_view(self._cluster, days, chosen, self._clock.wall_ns())


def _operator(request: web.Request) -> Viewer:
    viewer = viewer_of(request)
    if not viewer.sees_all_jobs:
        raise PageError(403, "role", "The audit shows everybody's jobs", "It is for those who see all jobs.")
    return viewer


def _day(request: web.Request) -> int | None:
    text = request.query.get("day", "")
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    except ValueError as error:
        raise PageError(400, "bad-day", f"day={text[:40]!r} is no day", "As 2026-11-30, in UTC.") from error
