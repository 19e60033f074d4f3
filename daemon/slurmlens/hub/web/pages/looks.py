"""Who looked at whose job: `/looks`, to auditors all of it, to whoever else what is his own affair.

Fed by `access.looks`; feeds browsers, `slurmlens looks` and spreadsheets.
"""

from __future__ import annotations

import jinja2
from aiohttp import web

from slurmlens.errors import PageError
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.access.looks import LookFilter
from slurmlens.hub.views.looks.table import looks_csv
from slurmlens.hub.views.looks.terminal import what_was_seen
from slurmlens.hub.views.looks.view import build_looks_view
from slurmlens.hub.web.addresses import MOST_ROWS, number_in
from slurmlens.hub.web.answers import csv_answer, html_answer, json_answer
from slurmlens.hub.web.session import viewer_of

FILTERS = ("who", "owner", "job_id", "before", "limit")
_MOST_ID = 2**62


class LooksPage:
    """All forms of the log."""

    def __init__(self, control: AccessControl, environment: jinja2.Environment) -> None:
        self._control = control
        self._template = environment.get_template("looks/page.html")

    async def show(self, request: web.Request) -> web.Response:
        """`GET /looks`, `.json`, `.csv`; filters `who`, `owner`, `job_id`, `before`, `limit`."""
        viewer = viewer_of(request)
        asked = {key: request.query[key] for key in FILTERS if request.query.get(key)}
        which = look_filter(asked)
        ruled = self._control.ruled
        looks = [] if ruled is None else await ruled.looks.looks(viewer, which)
        view = build_looks_view(looks, asked, which.limit, sees_all=viewer.sees_looks)
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form == "csv":
            return csv_answer(looks_csv(view), "looks.csv")
        text = self._template.render(view=view, what_was_seen=what_was_seen, are_kept=ruled is not None)
        return html_answer(text)


def look_filter(asked: dict[str, str]) -> LookFilter:
    """The filters as the log takes them; PageError 400 names the one that cannot be used."""
    return LookFilter(
        who=asked.get("who"),
        owner=asked.get("owner"),
        job_id=_number(asked, "job_id", _MOST_ID),
        before=_number(asked, "before", _MOST_ID),
        limit=_number(asked, "limit", MOST_ROWS) or LookFilter().limit,
    )


def _number(asked: dict[str, str], key: str, most: int) -> int | None:
    if key not in asked:
        return None
    found = number_in(asked[key], 1, most)
    if found is None:
        raise PageError(400, "bad-filter", f"{key}={asked[key][:40]!r} cannot be used", f"A number from 1 to {most}.")
    return found
