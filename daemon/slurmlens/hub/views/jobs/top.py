"""Running jobs as a table for a terminal that is looked at: how far each is, and which needs somebody.

Pure. Drawn from the same `JobsView` as the list; those that stand still or will not make their time limit come first,
then those that report progress, by when they are done. Used by `slurmlens top`.
"""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.views.job.progress import TROUBLED, done_words, pace_words
from slurmlens.hub.views.job.view import Phase, ProgressView
from slurmlens.hub.views.jobs.view import JobLine, JobsView
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import NARROW, Sheet
from slurmlens.shown.text import clip, pad, visible

BAR_COLUMNS = 10
_NAME_COLUMNS = 10
_USER_COLUMNS = 7
_FIXED_COLUMNS = 8 + 1 + _NAME_COLUMNS + 1 + _USER_COLUMNS + 1 + 10 + 1 + 5 + 1 + BAR_COLUMNS + 2
_EMPTY = "No job runs. `slurmlens jobs` lists all there were."


def render_top(view: JobsView, sheet: Sheet, rows: int | None = None) -> str:
    """The table, at most `rows` jobs of it; ends in a newline."""
    running = [row for row in view.rows if row.phase is Phase.RUNNING]
    ordered = sorted(running, key=_order)
    shown = ordered if rows is None else ordered[: max(1, rows)]
    lines = [_title(view, running, sheet), *_table(shown, sheet)] if running else [_title(view, running, sheet), _EMPTY]
    if len(shown) < len(ordered):
        lines.append(f"… and {fmt.count(len(ordered) - len(shown), 'more job')}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _order(row: JobLine) -> tuple[int, float, int]:
    told = row.progress
    if told is None:
        return 2, 0.0, row.job_id
    return int(not is_troubled(told)), told.left_s if told.left_s is not None else float("inf"), row.job_id


def is_troubled(told: ProgressView) -> bool:
    """Whether somebody should look: it stands still, or will not make its time limit."""
    return told.stalled_s is not None or told.verdict in TROUBLED


def _title(view: JobsView, running: list[JobLine], sheet: Sheet) -> str:
    telling = [row.progress for row in running if row.progress is not None]
    parts = [f"{len(running)} running", f"{len(telling)} report progress"]
    troubled = sum(map(is_troubled, telling))
    if troubled:
        parts.append(f"{troubled} to look at")
    when = fmt.time_of_day(view.made_ns, sheet.zone)
    left = clip(", ".join(parts), sheet.columns - len(when) - 1)
    return pad(left, sheet.columns - len(when)) + when


def _table(rows: list[JobLine], sheet: Sheet) -> Iterator[str]:
    name = _NAME_COLUMNS + max(0, sheet.columns - NARROW) // 2
    head = f"{'job':>8} {'name':<{name}} {'user':<{_USER_COLUMNS}} {'ran':>10} {'cpu':>5} {'progress':<{BAR_COLUMNS}}"
    yield sheet.ink.paint(head, "idle")
    for row in rows:
        yield _line(row, name, sheet)


def _line(row: JobLine, name_columns: int, sheet: Sheet) -> str:
    head = f"{row.job_id:>8} {pad(visible(row.name or ''), name_columns)} {pad(visible(row.user or ''), _USER_COLUMNS)}"
    head += f" {fmt.duration(row.ran.used):>10} {fmt.percent(row.cpu.ratio):>5} "
    room = sheet.columns - _FIXED_COLUMNS - (name_columns - _NAME_COLUMNS)
    told = row.progress
    if told is None:
        return head + sheet.ink.paint("no progress reported", "idle")
    tone = "bad" if is_troubled(told) else "active"
    words = clip(_words(told), room)
    if tone == "bad":
        words = sheet.ink.paint(words, tone)
    return f"{head}{sheet.ink.bar(told.ratio, BAR_COLUMNS, tone)}  {words}"


def _words(told: ProgressView) -> str:
    if told.stalled_s is not None:
        return f"▲ still {fmt.duration(told.stalled_s)}"
    if told.left_s is None:
        return done_words(told) if told.rate_mean is None else f"{done_words(told)}, {pace_words(told.rate_mean)}"
    mark = "▲ " if told.verdict in TROUBLED else ""
    spread = f" ± {fmt.duration(told.spread_s)}" if told.spread_s is not None else ""
    return f"{mark}{fmt.duration(told.left_s)}{spread} left"
