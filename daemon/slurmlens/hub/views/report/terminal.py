"""A report as text for a terminal, and as the text part of a mail: pure."""

from __future__ import annotations

from slurmlens.hub.views.report.view import ReportView
from slurmlens.hub.views.usage.terminal import usage_lines
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import visible, wrap


def report_title(view: ReportView) -> str:
    """What the report is about, in one line."""
    kind = "jobs called" if view.of_kind == "type" else view.of_kind
    whose = f" of {kind} {view.of_name}" if kind and view.of_name else ""
    return visible(f"Usage of {view.cluster}{whose}: {view.label}")


def render_report(view: ReportView, sheet: Sheet) -> str:
    """The report, ending in a newline."""
    lines = [report_title(view), *(f"  {line}" for line in wrap(view.sentence, sheet.columns - 2))]
    if not view.is_complete:
        lines.append("  The period is not over.")
    if view.backlog.words:
        lines.append(f"  Still being counted: {view.backlog.words}.")
    for table in view.tables:
        if len(table.rows) > 1 or table is view.tables[0]:
            lines += ["", *usage_lines(table, sheet)]
    return "\n".join(line.rstrip() for line in lines) + "\n"
