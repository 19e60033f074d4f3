"""A `JobsView` as a table for a terminal: one line a job, those that need somebody standing out.

Pure. Used by `slurmlens jobs`; the same `Sheet` as the report of one job.
"""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.reports import format as fmt
from slurmlens.hub.reports.ink import Sheet
from slurmlens.hub.reports.states import STATE_STYLES
from slurmlens.hub.reports.text import clip, pad, visible
from slurmlens.hub.reports.view import JobLine, JobsView, Phase

_NAME_COLUMNS = 14
_WIDE_NAME_COLUMNS = 32
_EMPTY = (
    "No jobs here. Without filters `slurmlens jobs` lists all; "
    "a job shows as soon as the scheduler or a node tells of it."
)


def render_jobs(view: JobsView, sheet: Sheet) -> str:
    """The table, or why it is empty; ends in a newline."""
    if not view.rows:
        return _EMPTY + "\n"
    return "\n".join(line.rstrip() for line in _lines(view, sheet)) + "\n"


def _lines(view: JobsView, sheet: Sheet) -> Iterator[str]:
    name = _NAME_COLUMNS + max(0, min(sheet.columns - 80, _WIDE_NAME_COLUMNS - _NAME_COLUMNS))
    yield f"  {'state':<14}{'job':>8}  {'name':<{name}} {'user':<8} {'ran':>10} {'cpu':>6} {'mem':>6} nodes"
    for row in view.rows:
        yield _line(row, name, sheet)
    counts = ", ".join(f"{number} {phase}" for phase, number in view.counts.items() if number)
    yield ""
    yield f"  {counts}" + (f"; the newest {view.limit} only (--limit)" if view.more else "")


def _line(row: JobLine, name_columns: int, sheet: Sheet) -> str:
    style = STATE_STYLES[row.state]
    state = sheet.ink.state(row.state, pad(f"{style.glyph} {style.word}", 14))
    head = f"  {state}{row.job_id:>8}  {pad(visible(row.name or ''), name_columns)} {pad(visible(row.user or ''), 8)}"
    room = sheet.columns - (2 + 14 + 8 + 2 + name_columns + 1 + 8)
    if row.phase is Phase.PENDING:
        return f"{head} {clip(row.reason or 'no reason given yet', room - 1)}"
    figures = f"{fmt.duration(row.ran.used):>10} {fmt.percent(row.cpu.ratio):>6} {fmt.percent(row.memory.ratio):>6}"
    return f"{head} {figures} {clip(visible(row.node_list or ''), room - 26)}"
