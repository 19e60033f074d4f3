"""A job's time line as text for a terminal: the figures of its nodes as sparklines, then everything in its order. Pure.

Times are of the reader's zone, which is named once.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from slurmlens.clock import NS_PER_S
from slurmlens.hub.views.job.phrases import job_number
from slurmlens.hub.views.job.profile_bins import shrink_shown
from slurmlens.hub.views.job.scale import tick_text
from slurmlens.hub.views.job_timeline.rows import TimelineRow, timeline_rows
from slurmlens.hub.views.job_timeline.view import JobTimelineView, NodeSeries
from slurmlens.hub.views.states import STATE_STYLES
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet, sparkline
from slurmlens.shown.text import clip, pad, visible, width

MOST_ROWS = 60
MOST_SERIES_NODES = 4
_SPARK_COLUMNS = 28


def render_timeline(view: JobTimelineView, sheet: Sheet) -> str:
    """The whole time line, ending in a newline."""
    sections = [list(_head(view, sheet)), list(_series(view, sheet)), list(_rows(view, sheet)), list(_clocks(view))]
    return "\n\n".join("\n".join(line.rstrip() for line in section) for section in sections if section) + "\n"


def _head(view: JobTimelineView, sheet: Sheet) -> Iterator[str]:
    name = f"  {visible(view.identity.name)}" if view.identity.name else ""
    state = visible(view.state_text)
    left = clip(f"Time line of job {job_number(view.identity)}{name}", sheet.columns - width(state) - 2)
    yield pad(left, sheet.columns - width(state)) + sheet.ink.paint(state, STATE_STYLES[view.state].tone)
    zone = datetime.datetime.fromtimestamp(view.from_ns / NS_PER_S, sheet.zone).strftime("%Z")
    begin = fmt.moment(view.from_ns, sheet.zone)
    end = fmt.moment(view.until_ns, sheet.zone, near_ns=view.from_ns)
    yield f"  {begin} to {end} {zone}: the run and {fmt.duration(view.margin_s)} around it"


def _series(view: JobTimelineView, sheet: Sheet) -> Iterator[str]:
    """A line a figure and node; sparklines of one figure share one scale, whose top stands behind them."""
    shown: dict[str, list[NodeSeries]] = {}
    for one in view.series:
        shown.setdefault(one.column, []).append(one)
    for own in shown.values():
        top = max((value for one in own for value in one.values if value is not None), default=0.0)
        for index, one in enumerate(own if sheet.full else own[:MOST_SERIES_NODES]):
            label = _label(one.column) if index == 0 else ""
            unit = " cores" if one.unit == "cores" else ""
            scale = f"  up to {tick_text(one.unit, top)}{unit}" if index == 0 else ""
            shares = [None if value is None else value / top if top else 0.0 for value in one.values]
            line = sparkline(shrink_shown(shares, _SPARK_COLUMNS), _SPARK_COLUMNS)
            yield clip(f"  {pad(label, 20)} {pad(clip(visible(one.node), 10), 10)} {line}{scale}", sheet.columns)
        if not sheet.full and len(own) > MOST_SERIES_NODES:
            yield f"  {'':20} … and {fmt.count(len(own) - MOST_SERIES_NODES, 'more node')} (--wide)"


def _label(column: str) -> str:
    """`process_io_read_bytes_per_second` as `io_read_bytes`: what stands in for the job's own is said in the JSON."""
    name = column.removeprefix("process_").removeprefix("node_")
    return name.removesuffix("_per_second").removesuffix("_some_ratio")


def _rows(view: JobTimelineView, sheet: Sheet) -> Iterator[str]:
    rows = timeline_rows(view)
    hidden = 0 if sheet.full else max(0, len(rows) - MOST_ROWS)
    for index, row in enumerate(rows):
        if not MOST_ROWS // 2 <= index < MOST_ROWS // 2 + hidden:
            yield _row(row, view, sheet)
        elif index == MOST_ROWS // 2:
            yield f"  … {hidden} more (--wide shows all)"


def _row(row: TimelineRow, view: JobTimelineView, sheet: Sheet) -> str:
    when = fmt.moment(row.time_ns, sheet.zone, near_ns=view.started_ns or view.from_ns)
    where = f"  {visible(row.where)}" if row.where else ""
    text = clip(visible(row.text) + where, sheet.columns - width(when) - 13)
    return f"  {when}  {pad(row.of, 8)} {sheet.ink.paint(text, 'strong') if row.loud else text}"


def _clocks(view: JobTimelineView) -> Iterator[str]:
    for one in view.clocks:
        way = "ahead of" if one.skew_s > 0 else "behind"
        yield f"  The clock of {visible(one.node)} is {abs(one.skew_s):.3g} s {way} the hub's."
