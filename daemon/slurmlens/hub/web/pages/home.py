"""A user's own page: `/me`, and what stands at `/`.

Fed by `ports`; the forms of the address are one handler. Who may see more may name somebody else by `user`; whoever may
not finds no jobs there, as in the list.
"""

from __future__ import annotations

import jinja2
from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.errors import PageError
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.access.viewer import Role, Viewer
from slurmlens.hub.history.facts import JobFacts, JobFilter, JobList, JobRow, StateFilter
from slurmlens.hub.views.home.build import OwnJobs, build_home_view, newly_failed
from slurmlens.hub.views.home.view import HomeView
from slurmlens.hub.views.jobs.table import jobs_csv
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.ports import HistoryQueries, ProgressReads
from slurmlens.hub.web.session import viewer_of
from slurmlens.runtime.beside import beside

MOST_CURRENT = 100
MOST_ENDED = 500
MOST_FAILED = 8
_AT_HOME = frozenset({Role.USER, Role.COORDINATOR})


class HomePage:
    """All forms of one user's page."""

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
        self._template = environment.get_template("home/page.html")
        self._clock = clock
        self._control = control

    async def first(self, request: web.Request) -> web.Response:
        """`GET /`: users find their own jobs, operators the cluster, others the list of jobs."""
        roles = viewer_of(request).roles
        raise web.HTTPFound("/me" if roles <= _AT_HOME else "/cluster" if Role.OPERATOR in roles else "/jobs")

    async def show(self, request: web.Request) -> web.Response:
        """`GET /me`, `.json`, `.csv`."""
        viewer, form = viewer_of(request), request.match_info.get("form")
        user = request.query.get("user") or (viewer.who if viewer.is_somebody else None)
        if user is None:
            raise _nobody() if form else web.HTTPFound("/jobs")
        view = await self._view(viewer, user)
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(jobs_csv(view.current), "my-jobs.csv")
        return html_answer(self._template.render(view=view))

    async def _view(self, viewer: Viewer, user: str) -> HomeView:
        now_ns = self._clock.wall_ns()
        running = await self._listed(viewer, user, StateFilter.RUNNING, MOST_CURRENT)
        waiting = await self._listed(viewer, user, StateFilter.PENDING, MOST_CURRENT)
        ended = await self._listed(viewer, user, StateFilter.FINISHED, MOST_ENDED)
        current = JobList(rows=running.rows + waiting.rows, next=running.next or waiting.next)
        failed = [await self._facts(viewer, row) for row in newly_failed(ended.rows, now_ns, MOST_FAILED)]
        self._control.saw_list(viewer, f"user={user}", (row.user for row in (*current.rows, *ended.rows)))
        told = await self._progress.of_runs(viewer, {(row.job_id, row.run) for row in running.rows})
        own = OwnJobs(current, ended, [facts for facts in failed if facts is not None])
        return await beside(lambda: build_home_view(user, own, now_ns, told))

    async def _listed(self, viewer: Viewer, user: str, state: StateFilter, limit: int) -> JobList:
        return await self._queries.jobs(viewer, JobFilter(state=state, user=user, limit=limit))

    async def _facts(self, viewer: Viewer, row: JobRow) -> JobFacts | None:
        return await self._queries.job_facts(viewer, row.job_id, row.run)


def _nobody() -> PageError:
    advice = "Add ?user=NAME to the address. Where the hub has rules of who sees what, a login says who you are."
    return PageError(404, "no-name", "Nobody said whose jobs these are", advice)
