"""Reports of usage: `/reports`, and the same as HTML document, PDF, CSV and JSON.

Fed by `hub.reports`; an address is an order: `period`, `at`, `of`, or `from` and `to`. Everybody gets sums over what he
may see.
"""

from __future__ import annotations

import jinja2
from aiohttp import web

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.management import ManagementConfig
from slurmlens.errors import DecodeError, PageError, SourceError
from slurmlens.hub.reports.forms import ReportForm, file_name, report_bytes
from slurmlens.hub.reports.making import ReportMaker, ReportOrder, order_of, whose
from slurmlens.hub.reports.periods import window_period
from slurmlens.hub.usage.charges import SIZE_CLASSES
from slurmlens.hub.usage.facts import UsageWindow
from slurmlens.hub.views.report.terminal import report_title
from slurmlens.hub.web.addresses import moment_in
from slurmlens.hub.web.answers import html_answer, json_answer
from slurmlens.hub.web.session import viewer_of
from slurmlens.runtime.beside import beside

DEFAULT_PERIOD = "month"
LONGEST_S = 400 * 86_400
QUERY = ("period", "at", "of", "from", "to")


class ReportsPage:
    """All forms of a report."""

    def __init__(
        self, maker: ReportMaker, environment: jinja2.Environment, settings: ManagementConfig, clock: Clock
    ) -> None:
        self._maker = maker
        self._template = environment.get_template("reports/page.html")
        self._settings = settings
        self._clock = clock

    async def show(self, request: web.Request) -> web.Response:
        """`GET /reports`, and with `.html`, `.pdf`, `.csv`, `.json` as that."""
        now_s = self._clock.wall_ns() // NS_PER_S
        viewer = viewer_of(request)
        view = await self._maker.report(viewer, self._order(request, now_s), now_s)
        form = request.match_info.get("form")
        if form == "json":
            return json_answer(view)
        if form is None:
            asked = {key: request.query[key] for key in QUERY if request.query.get(key)}
            words = {"title": report_title(view), "sizes": [name for _, name in SIZE_CLASSES]}
            page = self._template.render(view=view, asked=asked, sees=viewer.sees_all_usage, **words)
            return html_answer(page)
        wanted = ReportForm(form)
        try:
            body = await beside(lambda: report_bytes(view, wanted))
        except SourceError as error:
            raise PageError(501, error.reason, str(error), "Take HTML and print it, or CSV.") from error
        response = web.Response(body=body, content_type=wanted.content_type)
        way = "inline" if wanted in (ReportForm.HTML, ReportForm.PDF) else "attachment"
        response.headers["Content-Disposition"] = f'{way}; filename="{file_name(view, wanted)}"'
        if wanted is ReportForm.HTML:
            # the document has its sheet in it, and nothing else that a browser would fetch or run
            response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
        return response

    def _order(self, request: web.Request, now_s: int) -> ReportOrder:
        asked = request.query
        try:
            if asked.get("from"):
                return self._window_order(request, now_s)
            return order_of(
                asked.get("period") or DEFAULT_PERIOD, asked.get("at"), asked.get("of"), now_s, self._settings
            )
        except DecodeError as error:
            raise PageError(400, "bad-report", str(error), "See `slurmlens report --help`.") from error

    def _window_order(self, request: web.Request, now_s: int) -> ReportOrder:
        to_s = moment_in(request, "to", now_s * NS_PER_S) // NS_PER_S
        from_s = moment_in(request, "from", to_s * NS_PER_S) // NS_PER_S
        if not 0 < to_s - from_s <= LONGEST_S:
            raise DecodeError("that window cannot be used: `from` must be before `to`, by 400 days at most")
        of_kind, of_name = whose(request.query.get("of"))
        period = window_period(UsageWindow(from_s, to_s), self._settings.zone)
        return ReportOrder(period=period, of_kind=of_kind, of_name=of_name)
