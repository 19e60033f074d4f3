"""A time line as one list: beginnings of bands, events, and stretches with log lines, in the order of time. Pure.

Used by `terminal`, `table` and the page, so that all three tell the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.views.job_timeline.view import JobTimelineView
from slurmlens.shown import format as fmt


class TimelineRow(NamedTuple):
    """One line. `of` is job, node, finding, band or log."""

    time_ns: int
    of: str
    kind: str
    text: str
    where: str | None
    loud: bool


def timeline_rows(view: JobTimelineView) -> list[TimelineRow]:
    """All of them. What is within one second stands as bands, events, lines: bands begin with what they are."""
    rows = [*_bands(view), *_events(view), *_logs(view)]
    return sorted(rows, key=lambda row: row.time_ns // NS_PER_S)


def _bands(view: JobTimelineView) -> Iterator[TimelineRow]:
    for band in view.bands:
        lasted = fmt.duration((band.end_ns - band.start_ns) / NS_PER_S)
        yield TimelineRow(band.start_ns, "band", band.kind, f"{band.kind} for {lasted}", None, False)


def _events(view: JobTimelineView) -> Iterator[TimelineRow]:
    for event in view.events:
        yield TimelineRow(event.time_ns, event.of.value, event.kind, event.text, event.where, event.loud)


def _logs(view: JobTimelineView) -> Iterator[TimelineRow]:
    within = fmt.duration(view.log_width_s or 0)
    for one in view.logs:
        errors = f", {fmt.count(one.errors, 'error')} among them" if one.errors else ""
        text = f"{fmt.count(one.lines, 'line')} logged within {within}{errors}"
        yield TimelineRow(one.begin_ns, "log", "lines", text, None, bool(one.errors))
