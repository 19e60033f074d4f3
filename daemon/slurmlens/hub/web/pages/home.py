"""A user's own page: `/me`, and what stands at `/`.

Fed by `job_listing`; the forms of the address are one handler. Who may see more may name somebody else by `user`;
whoever may not finds no jobs there, as in the list.
"""

from __future__ import annotations

from collections.abc import Sequence

import jinja2
from aiohttp import web

from slurmlens.clock import NS_PER_S
from slurmlens.errors import PageError
from slurmlens.hub.access.viewer import Role, Viewer
from slurmlens.hub.history.facts import JobFilter, JobList, JobRow, StateFilter
from slurmlens.hub.usage.facts import UsageFacts, UsageFilter, UsageWindow
from slurmlens.hub.views.home.build import Failure, OwnJobs, build_home_view, failure_of, newly_failed, weeks_before
from slurmlens.hub.views.home.view import HomeView
from slurmlens.hub.views.jobs.table import jobs_csv
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.job_listing import JobListing
from slurmlens.hub.web.kept_answers import KeptAnswers
from slurmlens.hub.web.ports import FindingReads, UsageReads
from slurmlens.hub.web.session import viewer_of
from slurmlens.runtime.beside import beside

MOST_CURRENT = 100
MOST_ENDED = 500
MOST_FAILED = 8
FRESH_S = 30.0
"""How long what a failed job's page says is kept: what nodes send late changes it."""
WEEKS_FRESH_S = 600.0
"""Weeks change slowly, and what eight of them held is read of every hour."""
MOST_KEPT = 512
_Weeks = Sequence[tuple[UsageWindow, UsageFacts]]
_AT_HOME = frozenset({Role.USER, Role.COORDINATOR})


class HomePage:
    """All forms of one user's page."""

    def __init__(
        self,
        listing: JobListing,
        findings: FindingReads | None,
        environment: jinja2.Environment,
        usage: UsageReads | None = None,
    ) -> None:
        self._listing = listing
        self._findings = findings
        self._usage = usage
        self._template = environment.get_template("home/page.html")
        self._weeks: KeptAnswers[tuple[Viewer, str], _Weeks] = KeptAnswers(WEEKS_FRESH_S, MOST_KEPT)
        self._failures: KeptAnswers[tuple[Viewer, int, int], Failure | None] = KeptAnswers(FRESH_S, MOST_KEPT)

    async def first(self, request: web.Request) -> web.Response:
        """`GET /`: users find their own jobs, operators the cluster, the management who used what, others all jobs."""
        viewer = viewer_of(request)
        if viewer.roles <= _AT_HOME:
            raise web.HTTPFound("/me")
        if Role.OPERATOR in viewer.roles:
            raise web.HTTPFound("/cluster")
        is_told_usage = self._usage is not None and Role.MANAGEMENT in viewer.roles
        raise web.HTTPFound("/management" if is_told_usage else "/jobs")

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
        now_ns = self._listing.now_ns()
        running = await self._listed(viewer, user, StateFilter.RUNNING, MOST_CURRENT)
        waiting = await self._listed(viewer, user, StateFilter.PENDING, MOST_CURRENT)
        ended = await self._listed(viewer, user, StateFilter.FINISHED, MOST_ENDED)
        current = JobList(rows=running.rows + waiting.rows, next=running.next or waiting.next)
        failures = [(row, await self._failure(viewer, row)) for row in newly_failed(ended.rows, now_ns, MOST_FAILED)]
        self._listing.saw(viewer, f"user={user}", (*current.rows, *ended.rows))
        told = await self._listing.told(viewer, running.rows)
        own = OwnJobs(
            current,
            ended,
            [(row, failure) for row, failure in failures if failure is not None],
            await self._use(viewer, user),
        )
        return await beside(lambda: build_home_view(user, own, now_ns, told))

    async def _use(self, viewer: Viewer, user: str) -> _Weeks:
        """What he used in the last weeks, as far as the viewer may see it."""
        usage = self._usage
        if usage is None:
            return ()
        now_s = self._listing.now_ns() // NS_PER_S
        pieces, which = weeks_before(now_s), UsageFilter(user=user)
        return await self._weeks.get((viewer, user), lambda: usage.usage_of_pieces(viewer, pieces, now_s, which))

    async def _listed(self, viewer: Viewer, user: str, state: StateFilter, limit: int) -> JobList:
        return await self._listing.rows(viewer, JobFilter(state=state, user=user, limit=limit))

    async def _failure(self, viewer: Viewer, row: JobRow) -> Failure | None:
        async def make() -> Failure | None:
            facts = await self._listing.facts(viewer, row)
            if facts is None:
                return None
            found = () if self._findings is None else await self._findings.of_job(viewer, row.job_id, row.run)
            return await beside(lambda: failure_of(facts, found))

        return await self._failures.get((viewer, row.job_id, row.run), make)


def _nobody() -> PageError:
    advice = "Add ?user=NAME to the address. Where the hub has rules of who sees what, a login says who you are."
    return PageError(404, "no-name", "Nobody said whose jobs these are", advice)
