"""Stored lines to a `LogsView`: pure.

Fed with a page of lines and a histogram by `web.pages.logs`; page, JSON and `slurmlens logs` show what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slurmlens.hub.logs.query import LogPage, LogPlace, StoredLine
from slurmlens.hub.logs.sqlite_store import Slot
from slurmlens.hub.views.logs.view import LogBar, LogRow, LogsView
from slurmlens.log_lines import JobSource, Severity
from slurmlens.slurm.job_ids import shown_job_id

_ABOUT = {
    JobSource.TAG: "by its tag, which whoever logged it chose",
    JobSource.PROCESS: "by the process that logged it",
    JobSource.TIME: "by time: the only job on this node then",
}
_WIDTHS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 10_800, 21_600, 86_400, 604_800)
MOST_BARS = 120


def bar_width_ns(span_ns: int) -> int:
    """The narrowest round width by which a span of time has at most `MOST_BARS` bars."""
    widths = (width_s * 10**9 for width_s in _WIDTHS_S)
    return next((width for width in widths if span_ns <= width * MOST_BARS), span_ns // MOST_BARS + 1)


def build_logs_view(
    page: LogPage, filters: Mapping[str, str], made_ns: int, slots: Sequence[Slot] = (), width_ns: int = 0
) -> LogsView:
    """The view of a page of lines."""
    return LogsView(
        made_ns=made_ns,
        filters=dict(filters),
        rows=tuple(map(log_row, page.lines)),
        bars=tuple(LogBar(slot.begin_ns, slot.begin_ns + width_ns, slot.lines, slot.errors) for slot in slots),
        next=place_text(page.lines[-1].place) if page.has_more and page.lines else None,
    )


def log_row(stored: StoredLine) -> LogRow:
    """One line."""
    line = stored.line
    severity = Severity(line.severity)
    return LogRow(
        time_ns=line.time_ns,
        severity=severity.name.lower(),
        tone="bad" if severity <= Severity.ERROR else "warn" if severity == Severity.WARNING else "",
        node=line.node,
        program=line.program,
        pid=line.pid,
        message=line.message,
        kind=line.kind,
        job_id=line.job_id,
        job=None
        if line.job_id is None
        else shown_job_id(line.job_id, array_job_id=line.array_job_id, array_task_id=line.array_task_id),
        step=line.step,
        user=stored.owner.user,
        about=_ABOUT.get(line.job_source) if line.job_source else None,
        contradiction=line.contradiction,
        repeats=line.repeats,
        place=place_text(stored.place),
    )


def place_text(place: LogPlace) -> str:
    """A place as addresses have it."""
    return f"{place.time_ns}-{place.number}"
