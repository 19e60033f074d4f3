"""Workflows that a failed job, a schedule or a finding started: `/workflows`, its JSON and CSV.

Fed by the store of triggers. Each is shown what is about runs that he may see. A hub that starts none says so, and
what to write into its settings for it.
"""

from __future__ import annotations

import jinja2
from aiohttp import web

from slurmlens.clock import Clock
from slurmlens.hub.views.workflow.build import HOW_TO_SWITCH_ON, build_workflows_view, workflows_csv
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.ports import TriggerReads
from slurmlens.hub.web.session import viewer_of


class WorkflowsPage:
    """All forms of it."""

    def __init__(
        self, triggers: TriggerReads | None, environment: jinja2.Environment, cluster: str, clock: Clock
    ) -> None:
        self._triggers = triggers
        self._template = environment.get_template("workflow/list.html")
        self._cluster = cluster
        self._clock = clock

    async def show(self, request: web.Request) -> web.Response:
        """`GET /workflows`, `.json`, `.csv`."""
        found = None if self._triggers is None else await self._triggers.latest(viewer_of(request))
        view = build_workflows_view(self._cluster, found, self._clock.wall_ns())
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(workflows_csv(view), "workflows.csv")
        return html_answer(self._template.render(view=view, how_to_switch_on=HOW_TO_SWITCH_ON))
