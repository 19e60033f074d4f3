"""Log lines: search, the neighbourhood of a line, and lines as they come.

Fed by a store of lines and by `logs.tail`; feeds browsers and `slurmlens logs`. An address is a query: what is shown
can be sent to somebody else, who sees of it what he may see.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from urllib.parse import urlencode

import jinja2
import msgspec
from aiohttp import web
from aiohttp_sse import sse_response

from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.hub.access.control import AccessControl
from slurmlens.hub.logs.query import MOST_LINES, LogPlace, LogQuery
from slurmlens.hub.logs.store import LogReads
from slurmlens.hub.logs.tail import LogTail, Tailed
from slurmlens.hub.views.logs.build import build_logs_view, log_row, span_of
from slurmlens.hub.web.addresses import moment_of, number_in, unusable
from slurmlens.hub.web.answers import html_answer, json_answer
from slurmlens.hub.web.session import still_admitted, viewer_of
from slurmlens.log_lines import Severity

FILTERS = ("text", "job", "node", "user", "partition", "program", "kind", "severity", "since", "until", "limit")
DEFAULT_SINCE = "24h"
_LATEST_NS = 2**62


class LogsPage:
    """All forms of the lines."""

    def __init__(
        self,
        logs: LogReads,
        tail: LogTail,
        environment: jinja2.Environment,
        clock: Clock,
        control: AccessControl,
        settings: HubConfig,
    ) -> None:
        self._logs = logs
        self._is_of_one_hub = settings.database.shared and settings.logs.store == "sqlite"
        self._tail = tail
        self._control = control
        self._template = environment.get_template("logs/page.html")
        self._clock = clock

    async def show(self, request: web.Request) -> web.Response:
        """`GET /logs` and `/logs.json`."""
        viewer = viewer_of(request)
        filters = {key: request.query[key].strip() for key in FILTERS if request.query.get(key, "").strip()}
        now_ns = self._clock.wall_ns()
        query = query_of(filters, now_ns)
        is_json = request.path.endswith(".json")
        if (around := request.query.get("around")) is not None:
            if query.node is None:
                raise unusable("around", around, "It needs node= beside it.")
            page = await self._logs.around(viewer, query.node, place_of("around", around))
            page = msgspec.structs.replace(page, has_more=False)
            view = build_logs_view(page, filters, now_ns, is_of_one_hub=self._is_of_one_hub)
        else:
            after = request.query.get("after")
            if after is not None:
                query = msgspec.structs.replace(query, after=place_of("after", after))
            page = await self._logs.search(viewer, query)
            span = span_of(query.since_ns or 0, query.until_ns or now_ns)
            slots = () if is_json else await self._logs.histogram(viewer, query, span.since_ns, span.width_ns)
            view = build_logs_view(page, filters, now_ns, slots, span, is_of_one_hub=self._is_of_one_hub)
        users = (row.user for row in view.rows if row.job_id is not None)
        self._control.saw_list(viewer, "logs " + urlencode(filters), users)
        if is_json:
            return json_answer(view)
        return html_answer(
            self._template.render(view=view, severities=[one.name.lower() for one in Severity], around=around)
        )

    async def live(self, request: web.Request) -> web.StreamResponse:
        """`GET /logs/live`: lines as they come, as server-sent events (`lines`: rows and how many were skipped)."""
        filters = {key: request.query[key] for key in FILTERS if request.query.get(key)}
        query = msgspec.structs.replace(query_of(filters, self._clock.wall_ns()), since_ns=None, until_ns=None)
        viewer, is_admitted = viewer_of(request), still_admitted(self._control, request)
        async with sse_response(request, headers={"Cache-Control": "no-store"}) as response:
            with self._tail.watch(viewer, query) as lines, contextlib.suppress(ConnectionError):
                await response.send(_lines(Tailed((), 0)), event="lines")
                async for tailed in lines:
                    if not await is_admitted():
                        break
                    await response.send(_lines(tailed), event="lines")
        return response


def _lines(tailed: Tailed) -> str:
    rows = [log_row(stored) for stored in tailed.lines]
    return msgspec.json.encode({"rows": rows, "skipped": tailed.skipped}).decode()


def query_of(filters: Mapping[str, str], now_ns: int) -> LogQuery:
    """The filters of an address as a query; PageError 400 names the one that cannot be used."""
    return LogQuery(
        since_ns=moment_of("since", filters.get("since", DEFAULT_SINCE), now_ns),
        until_ns=moment_of("until", filters["until"], now_ns) if "until" in filters else None,
        text=filters.get("text"),
        job_id=_number("job", filters.get("job"), 2**32),
        node=filters.get("node"),
        user=filters.get("user"),
        partition=filters.get("partition"),
        program=filters.get("program"),
        kind=filters.get("kind"),
        severity=_severity(filters.get("severity")),
        limit=_number("limit", filters.get("limit"), MOST_LINES) or LogQuery().limit,
    )


def place_of(key: str, text: str) -> LogPlace:
    """A line's place as a page before wrote it."""
    time_text, _, number_text = text.partition("-")
    time_ns, number = number_in(time_text, 0, _LATEST_NS), number_in(number_text, 0, _LATEST_NS)
    if time_ns is None or number is None:
        raise unusable(key, text, "It is taken from a page that was shown before.")
    return LogPlace(time_ns, number)


def _number(key: str, text: str | None, most: int) -> int | None:
    if text is None:
        return None
    found = number_in(text, 1, most)
    if found is None:
        raise unusable(key, text, f"A number from 1 to {most}.")
    return found


def _severity(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return Severity[text.upper()].value
    except KeyError:
        raise unusable("severity", text, f"One of: {', '.join(one.name.lower() for one in Severity)}.") from None
