"""Stored lines to a `LogsView`: pure.

Fed with a page of lines and a histogram by `web.pages.logs`; page, JSON and `slurmlens logs` show what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.logs.query import LogPage, LogPlace, StoredLine
from slurmlens.hub.logs.store import Slot
from slurmlens.hub.views.logs.view import LogBar, LogRow, LogsView
from slurmlens.log_lines import JobSource, LogLine, Severity
from slurmlens.slurm.job_ids import shown_job_id
from slurmlens.slurm.log_envelope import text_of

_ABOUT = {
    JobSource.TAG: "by its tag, which whoever logged it chose",
    JobSource.PROCESS: "by the process that logged it",
    JobSource.TIME: "by time: the only job on this node then",
}
_WIDTHS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 10_800, 21_600, 86_400, 604_800)
MOST_BARS = 120


class Span(NamedTuple):
    """A stretch of time in bars of one width; both ends are multiples of the width."""

    since_ns: int
    until_ns: int
    width_ns: int


def span_of(since_ns: int, until_ns: int) -> Span:
    """The stretch with these in it, in bars of the narrowest round width that makes at most `MOST_BARS` of them."""
    length_ns = max(1, until_ns - since_ns)
    widths = (width_s * NS_PER_S for width_s in _WIDTHS_S)
    width_ns = next((width for width in widths if length_ns <= width * MOST_BARS), length_ns // MOST_BARS + 1)
    return Span(since_ns // width_ns * width_ns, -(-until_ns // width_ns) * width_ns, width_ns)


OF_ONE_HUB = (
    "Lines that this hub took in: several hubs share the database, and each keeps its own lines. With [logs] store ="
    ' "opensearch" they are kept in one place.'
)


def build_logs_view(
    page: LogPage,
    filters: Mapping[str, str],
    made_ns: int,
    slots: Sequence[Slot] = (),
    span: Span | None = None,
    *,
    is_of_one_hub: bool = False,
) -> LogsView:
    """The view of a page of lines; `slots` are those of the span, as wide as its bars.

    `is_of_one_hub`: other hubs have lines that are not looked in.
    """
    since_ns, until_ns, width_ns = span or Span(0, 0, 0)
    return LogsView(
        made_ns=made_ns,
        filters=dict(filters),
        rows=tuple(map(log_row, page.lines)),
        since_ns=since_ns,
        until_ns=until_ns,
        bars=tuple(LogBar(slot.begin_ns, slot.begin_ns + width_ns, slot.lines, slot.errors) for slot in slots),
        next=place_text(page.lines[-1].place) if page.has_more and page.lines else None,
        note=OF_ONE_HUB if is_of_one_hub else None,
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
        message=text_of(line.message) if _is_slurms(line) else line.message,
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


def _is_slurms(line: LogLine) -> bool:
    """Whether the row tells already what stands before the text: the time, the step, how severe it is."""
    return (line.program or "").startswith("slurm") and not (line.program or "").startswith("slurm_")


def place_text(place: LogPlace) -> str:
    """A place as addresses have it."""
    return f"{place.time_ns}-{place.number}"
