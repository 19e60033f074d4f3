"""The handlers of pages and data: one view each, shown as HTML, JSON or CSV.

Fed by `ports.Queries`; what is not there is answered by `error_pages`. The three forms of an address are one handler,
so that they cannot tell different things.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import jinja2
import msgspec
from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.errors import PageError
from slurmlens.hub.history.facts import JobFilter, StateFilter
from slurmlens.hub.views.csv_table import job_csv, jobs_csv
from slurmlens.hub.views.job.view import JobsView
from slurmlens.hub.views.jobs.build import build_jobs_view
from slurmlens.hub.web.live_stream import stream_job
from slurmlens.hub.web.ports import LiveFeed, Queries, StatusOf
from slurmlens.hub.web.session import viewer_of
from slurmlens.hub.web.shown import Shown
from slurmlens.hub.web.view_cache import ViewCache
from slurmlens.runtime.beside import beside
from slurmlens.slurm.records import JobState

MOST_ROWS = 1000
FRESH_S = 0.25
"""A page and the JSON it asks for at once are made from one reading."""
_HIGHEST_ID = 2**32
_FILTERS = ("state", "user", "partition", "account", "node", "limit")


class Pages:
    """All handlers that read."""

    def __init__(
        self, queries: Queries, feed: LiveFeed, status: StatusOf, environment: jinja2.Environment, clock: Clock
    ) -> None:
        self._queries = queries
        self._views = ViewCache(queries, environment)
        self._feed = feed
        self._status = status
        self._environment = environment
        self._clock = clock

    async def home(self, request: web.Request) -> web.Response:
        """`GET /`: the list of jobs."""
        raise web.HTTPFound("/jobs")

    async def jobs(self, request: web.Request) -> web.Response:
        """`GET /jobs`, `.json`, `.csv`; and `/users/NAME` and its like, which are the same list with a filter."""
        if request.query.get("id"):
            raise web.HTTPFound(f"/jobs/{job_id_from(request.query['id'].strip())}")
        fixed = {key: request.match_info[key] for key in _FILTERS if key in request.match_info}
        filters = {key: request.query[key] for key in _FILTERS if request.query.get(key)} | fixed
        wanted = job_filter(filters)
        rows = await self._queries.jobs(viewer_of(request), wanted)
        view = build_jobs_view(rows, filters, wanted.limit, self._clock.wall_ns())
        return self._jobs_answer(request, view, fixed)

    def _jobs_answer(self, request: web.Request, view: JobsView, fixed: Mapping[str, str]) -> web.Response:
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(jobs_csv(view), "jobs.csv")
        context = {"view": view, "fixed": fixed, "states": [state.value for state in StateFilter]}
        return self._html("jobs.html", context)

    async def job(self, request: web.Request) -> web.Response:
        """`GET /jobs/ID[/RUN]`, `.json`, `.csv`."""
        shown = await self._shown(request, self._loop_time() - FRESH_S)
        form = request.match_info.get("form")
        if form == "json":
            return bytes_answer(await shown.json())
        if form == "csv":
            return csv_answer(await beside(lambda: job_csv(shown.view)), f"job-{shown.view.identity.job_id}.csv")
        return html_answer(await shown.page(job_address(request)))

    async def job_live(self, request: web.Request) -> web.StreamResponse:
        """`GET /jobs/ID[/RUN]/live`."""
        return await stream_job(viewer_of(request), request, lambda since: self._shown(request, since), self._feed)

    async def job_events(self, request: web.Request) -> web.Response:
        """`GET /jobs/ID/events.json`: every event the hub holds of the job, as the nodes sent it."""
        job_id, run = job_and_run(request)
        documents = await self._queries.job_events(viewer_of(request), job_id, run)
        return web.Response(body=b"[" + b",\n".join(documents) + b"]\n", content_type="application/json")

    async def status(self, request: web.Request) -> web.Response:
        """`GET /status.json`."""
        return json_answer(await self._status(viewer_of(request)))

    async def _shown(self, request: web.Request, not_before: float) -> Shown:
        job_id, run = job_and_run(request)
        shown = await self._views.get(viewer_of(request), job_id, run, not_before=not_before)
        if shown is None:
            raise no_such_job(job_id, run)
        return shown

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()

    def _html(self, template: str, context: Mapping[str, object]) -> web.Response:
        return html_answer(self._environment.get_template(template).render(context))


def html_answer(text: str) -> web.Response:
    """A page, compressed where the asker takes that."""
    response = web.Response(text=text, content_type="text/html")
    response.enable_compression()
    return response


def json_answer(value: object) -> web.Response:
    """Any value as JSON, compressed where the asker takes that."""
    return bytes_answer(msgspec.json.encode(value) + b"\n")


def bytes_answer(body: bytes) -> web.Response:
    """JSON as it was made."""
    response = web.Response(body=body, content_type="application/json")
    response.enable_compression()
    return response


def csv_answer(text: str, file_name: str) -> web.Response:
    """A table to be saved."""
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
    response = web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)
    response.enable_compression()
    return response


def job_id_from(text: str) -> int:
    """A job id as people type it."""
    if text.isascii() and text.isdecimal() and 0 < int(text[:12]) < _HIGHEST_ID:
        return int(text[:12])
    raise PageError(
        404, "no-such-job", f"{text[:40]!r} is no job id", "Job ids are numbers, as squeue and sbatch show them."
    )


def job_and_run(request: web.Request) -> tuple[int, int | None]:
    """Which run an address names; no run is the latest."""
    run_text = request.match_info.get("run")
    run = int(run_text[:9]) if run_text else None
    return job_id_from(request.match_info["job_id"]), run


def job_address(request: web.Request) -> str:
    """The page's own address without a form at its end."""
    job_id, run = job_and_run(request)
    return f"/jobs/{job_id}" + (f"/{run}" if run is not None else "")


def no_such_job(job_id: int, run: int | None) -> PageError:
    """404 that says what to do."""
    which = f"job {job_id}" if run is None else f"run {run} of job {job_id}"
    advice = (
        "The hub hears of a job when its first node tells of it or when the scheduler is next asked: "
        "if it was submitted in the last minute, reload. Jobs from before the hub was set up are not here."
    )
    return PageError(404, "no-such-job", f"The hub knows no {which}", advice)


def job_filter(filters: Mapping[str, str]) -> JobFilter:
    """The filters of an address; PageError 400 names the one that cannot be used."""
    return JobFilter(
        state=_state(filters.get("state")),
        user=filters.get("user"),
        account=filters.get("account"),
        partition=filters.get("partition"),
        node=filters.get("node"),
        limit=_limit(filters.get("limit")),
    )


def _state(text: str | None) -> StateFilter | JobState | None:
    if text is None:
        return None
    known: dict[str, StateFilter | JobState] = {state.value.lower(): state for state in JobState}
    known.update({group.value: group for group in StateFilter})
    found = known.get(text.lower())
    if found is None:
        raise PageError(400, "bad-filter", f"state={text[:40]!r} is no state", f"One of: {', '.join(sorted(known))}.")
    return found


def _limit(text: str | None) -> int:
    if text is None:
        return JobFilter().limit
    if text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MOST_ROWS:
        return int(text)
    raise PageError(400, "bad-filter", f"limit={text[:40]!r} cannot be used", f"A number from 1 to {MOST_ROWS}.")
