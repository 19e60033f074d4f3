"""How the hub and its cluster fare: `/status` for people, `/status.json` for programs, from one document.

Fed by `ports.StatusOf`; what is odd is decided in `views.status`, for page and terminal alike.
"""

from __future__ import annotations

import jinja2
import msgspec
from aiohttp import web

from slurmlens.errors import PageError
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.views.status.build import build_status_view
from slurmlens.hub.views.status.view import StatusDocument
from slurmlens.hub.web.answers import html_answer, json_answer
from slurmlens.hub.web.ports import StatusOf
from slurmlens.hub.web.session import viewer_of


class StatusPage:
    """Both forms of the status."""

    def __init__(self, status: StatusOf, environment: jinja2.Environment) -> None:
        self._status = status
        self._template = environment.get_template("status/page.html")

    async def show(self, request: web.Request) -> web.Response:
        """`GET /status`."""
        document = msgspec.convert(await self._status(_operator(request)), StatusDocument)
        return html_answer(self._template.render(view=build_status_view(document)))

    async def document(self, request: web.Request) -> web.Response:
        """`GET /status.json`."""
        return json_answer(await self._status(_operator(request)))


def _operator(request: web.Request) -> Viewer:
    """Who looks, if he may see how the hub fares; PageError 403 otherwise."""
    viewer = viewer_of(request)
    if not viewer.sees_the_hub:
        advice = "Your jobs are at /jobs. Roles stand in [access] of the hub's settings."
        raise PageError(403, "role", "How the hub fares is shown to operators", advice)
    return viewer
