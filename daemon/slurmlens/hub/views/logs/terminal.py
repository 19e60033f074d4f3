"""A `LogsView` for a terminal: oldest first, as a log reads, control characters made visible. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.views.logs.view import LogRow, LogsView
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import visible

_EMPTY = "No line fits. Widen --since, or take a filter away; the hub keeps the lines that are sent to it.\n"


def render_logs(view: LogsView, sheet: Sheet) -> str:
    """The lines, or why there are none; ends in a newline."""
    if not view.rows:
        return _EMPTY
    lines = [line for row in reversed(view.rows) for line in render_row(row, sheet)]
    if view.next:
        lines += ["", f"  there are older ones: --after {view.next}"]
    return "\n".join(lines) + "\n"


def render_row(row: LogRow, sheet: Sheet) -> Iterator[str]:
    """One line, and a second one where something about it has to be said."""
    program = visible(row.program or "-") + (f"[{row.pid}]" if row.pid else "")
    job = f" job {row.job}{'.' + row.step if row.step else ''}:" if row.job else ""
    message = visible(row.message.replace("\n", " ⏎ "))
    moment = fmt.moment(row.time_ns, sheet.zone)
    text = f"{moment} {visible(row.node)} {program}{job} {message}"
    yield sheet.ink.paint(text, row.tone) if row.tone else text
    if row.repeats:
        yield f"  … and {row.repeats} times more"
    if row.contradiction:
        yield f"  ! {visible(row.contradiction)}"
