"""The list of jobs: `/jobs`, and `/users/NAME` and its like, which are the same list with a filter.

Fed by `ports`; feeds browsers, `slurmlens jobs` and spreadsheets. A job id typed into the search box leads to
the job's own page.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

import jinja2
from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.history.facts import StateFilter
from slurmlens.hub.views.jobs.build import build_jobs_view
from slurmlens.hub.views.jobs.table import jobs_csv
from slurmlens.hub.views.jobs.view import JobsView
from slurmlens.hub.web.addresses import FILTERS, filters_of, job_filter, job_reference
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.ports import HistoryQueries, ProgressReads
from slurmlens.hub.web.session import viewer_of


class JobsPage:
    """All forms of the list."""

    def __init__(
        self,
        queries: HistoryQueries,
        progress: ProgressReads,
        environment: jinja2.Environment,
        clock: Clock,
        control: AccessControl,
    ) -> None:
        self._queries = queries
        self._progress = progress
        self._template = environment.get_template("jobs/page.html")
        self._clock = clock
        self._control = control

    async def show(self, request: web.Request) -> web.Response:
        """The list as page, JSON or CSV."""
        if request.query.get("id"):
            job_reference(request.query["id"])
            raise web.HTTPFound(f"/jobs/{quote(request.query['id'].strip(), safe='+')}")
        fixed = {key: request.match_info[key] for key in FILTERS if key in request.match_info}
        filters = filters_of(request)
        view = await self.listed(viewer_of(request), filters, request.query.get("after"))
        return self._answer(request.match_info.get("form"), view, fixed)

    async def listed(self, viewer: Viewer, filters: Mapping[str, str], after: str | None) -> JobsView:
        """The list under these filters, which pages of users and nodes have as well; PageError 400 names a bad one."""
        wanted = job_filter(filters, after)
        found = await self._queries.jobs(viewer, wanted)
        self._control.saw_list(viewer, urlencode(filters), (row.user for row in found.rows))
        running = {(row.job_id, row.run) for row in found.rows if row.end_ns is None and row.start_ns is not None}
        told = await self._progress.of_runs(viewer, running)
        return build_jobs_view(found, filters, wanted, self._clock.wall_ns(), told)

    def _answer(self, form: str | None, view: JobsView, fixed: Mapping[str, str]) -> web.Response:
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(jobs_csv(view), "jobs.csv")
        states = [state.value for state in StateFilter]
        return html_answer(self._template.render(view=view, fixed=fixed, states=states))
