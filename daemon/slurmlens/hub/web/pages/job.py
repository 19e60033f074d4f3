"""One job: its page, its figures as JSON and CSV, its time line, its events, the stream that keeps its page up to date.

Fed by `ports` through `view_cache`, so that all who look at a job share one reading. The forms of an address
are one handler: they cannot show different things.
"""

from __future__ import annotations

import asyncio

import jinja2
import msgspec
from aiohttp import web

from slurmlens.errors import PageError
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.access.looks import What
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.views.job.table import job_csv
from slurmlens.hub.views.job.view import Identity
from slurmlens.hub.views.job_timeline.rows import timeline_rows
from slurmlens.hub.views.job_timeline.table import timeline_csv
from slurmlens.hub.web.addresses import job_and_run, seconds_in
from slurmlens.hub.web.answers import bytes_answer, csv_answer, html_answer
from slurmlens.hub.web.live_stream import STREAMS_A_TURN, stream_job
from slurmlens.hub.web.ports import HistoryQueries, JobSources, LiveFeed
from slurmlens.hub.web.session import still_admitted, viewer_of
from slurmlens.hub.web.shown import Shown
from slurmlens.hub.web.timeline_reading import MARGIN_S, MOST_MARGIN_S, TimelineReading
from slurmlens.hub.web.view_cache import ViewCache
from slurmlens.runtime.beside import beside
from slurmlens.runtime.turns import Turns
from slurmlens.slurm.job_ids import JobReference, shown_job_id

FRESH_S = 0.25
"""A page and the JSON it asks for at once are made from one reading."""


class JobPage:
    """All forms of one job."""

    def __init__(
        self,
        queries: HistoryQueries,
        sources: JobSources,
        feed: LiveFeed,
        environment: jinja2.Environment,
        control: AccessControl,
    ) -> None:
        self._queries = queries
        self._views = ViewCache(queries, sources, environment)
        self._timelines = TimelineReading(queries, sources)
        self._environment = environment
        self._feed = feed
        self._control = control
        self._turns = Turns(STREAMS_A_TURN)

    async def show(self, request: web.Request) -> web.Response:
        """`GET /jobs/ID[/RUN]`, `.json`, `.csv`."""
        shown = await self._shown(request, asyncio.get_running_loop().time() - FRESH_S)
        if shown.view.is_live:
            self._feed.looked(viewer_of(request), shown.view.identity.job_id)
        form = request.match_info.get("form")
        self._saw(request, What.PAGE if form is None else What.DATA, shown.view.identity)
        if form == "json":
            return bytes_answer(await shown.json())
        if form == "csv":
            return csv_answer(await beside(lambda: job_csv(shown.view)), f"job-{shown.view.identity.job_id}.csv")
        return html_answer(await shown.page(_address(shown.view.identity.job_id, request)))

    async def timeline(self, request: web.Request) -> web.Response:
        """`GET /jobs/ID[/RUN]/timeline`, `.json`, `.csv`: figures and events of the run and its nodes on one axis."""
        viewer = viewer_of(request)
        reference, run = job_and_run(request)
        margin_s = seconds_in(request, "margin_s", MOST_MARGIN_S, MARGIN_S)
        view = await self._timelines.read(viewer, await self._own_id(viewer, reference, run), run, margin_s)
        if view is None:
            raise _no_such_job(reference, run)
        form, job_id = request.match_info.get("form"), view.identity.job_id
        self._saw(request, What.PAGE if form is None else What.DATA, view.identity)
        if form == "json":
            return bytes_answer(await beside(lambda: msgspec.json.encode(view) + b"\n"))
        if form == "csv":
            return csv_answer(await beside(lambda: timeline_csv(view)), f"job-{job_id}-timeline.csv")
        context = {"view": view, "rows": timeline_rows(view), "job": _address(job_id, request)}
        page = self._environment.get_template("job/timeline.html")
        return html_answer(await beside(lambda: page.render(context)))

    async def live(self, request: web.Request) -> web.StreamResponse:
        """`GET /jobs/ID[/RUN]/live`."""
        shown = await self._shown(request, asyncio.get_running_loop().time() - FRESH_S)
        self._saw(request, What.LIVE, shown.view.identity)
        return await stream_job(
            viewer_of(request),
            request,
            lambda since: self._shown(request, since),
            still_admitted(self._control, request),
            self._feed,
            self._turns,
        )

    async def events(self, request: web.Request) -> web.Response:
        """`GET /jobs/ID/events.json`: every event the hub holds of the job, as the nodes sent it."""
        viewer = viewer_of(request)
        reference, run = job_and_run(request)
        job_id = await self._own_id(viewer, reference, run)
        if self._control.ruled is not None:  # whose job it is stands in its facts
            shown = await self._shown(request, asyncio.get_running_loop().time() - FRESH_S)
            self._saw(request, What.EVENTS, shown.view.identity)
        documents = await self._queries.job_events(viewer, job_id, run)
        return web.Response(body=b"[" + b",\n".join(documents) + b"]\n", content_type="application/json")

    async def _shown(self, request: web.Request, not_before: float) -> Shown:
        viewer = viewer_of(request)
        reference, run = job_and_run(request)
        job_id = await self._own_id(viewer, reference, run)
        shown = await self._views.get(viewer, job_id, run, not_before=not_before)
        if shown is None:
            raise _no_such_job(reference, run)
        return shown

    def _saw(self, request: web.Request, what: What, identity: Identity) -> None:
        self._control.saw_job(viewer_of(request), what, identity.job_id, identity.run, identity.user)

    async def _own_id(self, viewer: Viewer, reference: JobReference, run: int | None) -> int:
        job_id = await self._queries.own_job_id(viewer, reference)
        if job_id is None:
            raise _no_such_job(reference, run)
        return job_id


def _address(job_id: int, request: web.Request) -> str:
    """The page's own address without a form at its end, by the job's own id."""
    run = request.match_info.get("run")
    return f"/jobs/{job_id}" + (f"/{run}" if run is not None else "")


def _no_such_job(reference: JobReference, run: int | None) -> PageError:
    """404 that says what to do."""
    job = shown_job_id(
        reference.job_id,
        array_job_id=reference.job_id,
        array_task_id=reference.array_task_id,
        het_job_id=reference.job_id,
        het_job_offset=reference.het_job_offset,
    )
    which = f"job {job}" if run is None else f"run {run} of job {job}"
    advice = (
        "The hub hears of a job when its first node reports it or when the scheduler is next asked: "
        "if it was submitted in the last minute, reload. Jobs from before the hub was set up are not here."
    )
    return PageError(404, "no-such-job", f"The hub knows no {which}", advice)
