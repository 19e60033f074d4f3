"""The list of jobs: `/jobs`, and `/users/NAME` and its like, which are the same list with a filter.

Fed by `job_listing`; feeds browsers, `slurmlens jobs` and spreadsheets. A job id typed into the search box leads to
the job's own page.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import jinja2
from aiohttp import web

from slurmlens.hub.history.facts import StateFilter
from slurmlens.hub.views.jobs.table import jobs_csv
from slurmlens.hub.views.jobs.view import JobsView
from slurmlens.hub.web.addresses import FILTERS, filters_of, job_reference
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.job_listing import JobListing
from slurmlens.hub.web.session import viewer_of


class JobsPage:
    """All forms of the list."""

    def __init__(self, listing: JobListing, environment: jinja2.Environment) -> None:
        self._listing = listing
        self._template = environment.get_template("jobs/page.html")

    async def show(self, request: web.Request) -> web.Response:
        """The list as page, JSON or CSV."""
        if request.query.get("id"):
            job_reference(request.query["id"])
            raise web.HTTPFound(f"/jobs/{quote(request.query['id'].strip(), safe='+')}")
        fixed = {key: request.match_info[key] for key in FILTERS if key in request.match_info}
        filters = filters_of(request)
        view = await self._listing.listed(viewer_of(request), filters, request.query.get("after"))
        return self._answer(request.match_info.get("form"), view, fixed)

    def _answer(self, form: str | None, view: JobsView, fixed: Mapping[str, str]) -> web.Response:
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(jobs_csv(view), "jobs.csv")
        states = [state.value for state in StateFilter]
        return html_answer(self._template.render(view=view, fixed=fixed, states=states))
