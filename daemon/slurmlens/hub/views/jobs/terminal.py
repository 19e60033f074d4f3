"""A `JobsView` as a table for a terminal: one line a job, those that need somebody standing out.

Pure. Used by `slurmlens jobs`; the same `Sheet` as the report of one job.
"""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.views.job.view import Phase
from slurmlens.hub.views.jobs.view import JobLine, JobsView
from slurmlens.hub.views.states import STATE_STYLES
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import NARROW, Sheet
from slurmlens.shown.text import clip, pad, visible

_NAME_COLUMNS = 11
_WIDE_NAME_COLUMNS = 28
_STATE_COLUMNS = 15
_FIXED_COLUMNS = 2 + _STATE_COLUMNS + 8 + 2 + 1 + 7 + 1
"""Everything left of what differs between a waiting job and others, but the name."""
_FIGURE_COLUMNS = 10 + 1 + 5 + 1 + 5 + 1

_EMPTY = (
    "No jobs here. Without filters `slurmlens jobs` lists all; "
    "a job shows as soon as the scheduler or a node reports it."
)


def render_jobs(view: JobsView, sheet: Sheet) -> str:
    """The table, or why it is empty; ends in a newline."""
    if not view.rows:
        return (f"  none so far{_more(view)}" if view.more else _EMPTY) + "\n"
    return "\n".join(line.rstrip() for line in _lines(view, sheet)) + "\n"


def _lines(view: JobsView, sheet: Sheet) -> Iterator[str]:
    name = min(_WIDE_NAME_COLUMNS, _NAME_COLUMNS + (sheet.columns - NARROW) // 2)
    head = f"  {'state':<{_STATE_COLUMNS}}{'job':>8}  {'name':<{name}} {'user':<7}"
    yield f"{head} {'ran':>10} {'cpu':>5} {'mem':>5} nodes"
    for row in view.rows:
        yield _line(row, name, sheet)
    counts = ", ".join(f"{number} {phase}" for phase, number in view.counts.items() if number)
    yield ""
    yield f"  {counts}{_more(view)}"


def _more(view: JobsView) -> str:
    return f"; there are more: --after {view.next}" if view.more else ""


def _line(row: JobLine, name_columns: int, sheet: Sheet) -> str:
    style = STATE_STYLES[row.state]
    state = sheet.ink.paint(pad(f"{style.glyph} {style.word}", _STATE_COLUMNS), style.tone)
    head = f"  {state}{row.job_id:>8}  {pad(visible(row.name or ''), name_columns)} {pad(visible(row.user or ''), 7)}"
    room = sheet.columns - _FIXED_COLUMNS - name_columns
    if row.phase is Phase.PENDING:
        return f"{head} {clip(visible(row.reason or 'no reason given yet'), room)}"
    figures = f"{fmt.duration(row.ran.used):>10} {fmt.percent(row.cpu.ratio):>5} {fmt.percent(row.memory.ratio):>5}"
    return f"{head} {figures} {clip(visible(row.node_list or ''), room - _FIGURE_COLUMNS)}"
