"""A report in the forms in which it is handed out; the same report is always the same bytes.

Owns the forms and their file names. HTML is one document that needs nothing else: the sheet of styles is in it.
"""

from __future__ import annotations

import enum
import re
from functools import cache
from pathlib import Path

import jinja2
import msgspec

from slurmlens.hub.reports.pdf import print_pdf
from slurmlens.hub.usage.charges import HOUR_S, SIZE_CLASSES
from slurmlens.hub.views.report.table import HEADER, report_rows
from slurmlens.hub.views.report.terminal import report_title
from slurmlens.hub.views.report.view import ReportView
from slurmlens.shown import format as fmt
from slurmlens.shown.csv import csv_table
from slurmlens.shown.text import visible

_HERE = Path(__file__).parent
_ODD = re.compile(r"[^A-Za-z0-9._-]+")


class ReportForm(enum.Enum):
    """The forms, by the end of their file names."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"
    PDF = "pdf"

    @property
    def content_type(self) -> str:
        """As HTTP and mail call it."""
        return _TYPES[self]


_TYPES = {
    ReportForm.HTML: "text/html",
    ReportForm.CSV: "text/csv",
    ReportForm.JSON: "application/json",
    ReportForm.PDF: "application/pdf",
}


def report_bytes(view: ReportView, form: ReportForm) -> bytes:
    """The report written in a form; SourceError where PDF cannot be printed here."""
    if form is ReportForm.JSON:
        return msgspec.json.format(msgspec.json.encode(view, order="sorted"), indent=1) + b"\n"
    if form is ReportForm.CSV:
        return csv_table(HEADER, report_rows(view)).encode()
    html = report_html(view)
    return html.encode() if form is ReportForm.HTML else print_pdf(html)


def file_name(view: ReportView, form: ReportForm) -> str:
    """A name for a file, of letters that every system takes."""
    parts = ["usage", view.cluster, view.of_kind, view.of_name, view.label]
    return "-".join(_ODD.sub("_", part)[:60] for part in parts if part) + f".{form.value}"


def report_html(view: ReportView) -> str:
    """The report as one document."""
    most = max((piece.sums.core_s / max(1, piece.to_s - piece.from_s) for piece in view.pieces), default=0)
    return _template().render(
        view=view,
        title=report_title(view),
        sizes=[words for _, words in SIZE_CLASSES],
        style=(_HERE / "report.css").read_text(),
        columns=[
            (piece, round(100 * piece.sums.core_s / max(1, piece.to_s - piece.from_s) / most, 2) if most else 0)
            for piece in view.pieces
        ],
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters.update(
        visible=lambda text: visible(str(text)),
        hours=lambda seconds: fmt.grouped(seconds / HOUR_S),
        percent=fmt.percent,
        duration=fmt.duration,
        iso=lambda at_s: fmt.iso_s(at_s * 10**9),
    )
    return environment.get_template("report.html")
