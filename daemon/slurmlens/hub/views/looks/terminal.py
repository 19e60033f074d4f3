"""A `LooksView` as a table for a terminal: when, who, at whose job, in which form.

Pure. Used by `slurmlens looks`.
"""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.views.looks.view import LookLine, LooksView
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import clip, pad, visible

_NAME_COLUMNS = 12
_WHEN_COLUMNS = 20


def render_looks(view: LooksView, sheet: Sheet) -> str:
    """The table, or why it is empty; ends in a newline."""
    if not view.rows:
        whose = "" if view.sees_all else " of yours, and none of your jobs by anybody else"
        return f"No looks are kept{whose}.\n"
    return "\n".join(line.rstrip() for line in _lines(view, sheet)) + "\n"


def _lines(view: LooksView, sheet: Sheet) -> Iterator[str]:
    columns = (f"{'when':<{_WHEN_COLUMNS}}", f"{'who':<{_NAME_COLUMNS}}", f"{'whose':<{_NAME_COLUMNS}}", "job", "what")
    yield f"  {columns[0]} {columns[1]} {columns[2]} {columns[3]:>8}  {columns[4]}"
    for row in view.rows:
        yield clip(_line(row, sheet), sheet.columns)
    if view.before is not None:
        yield ""
        yield f"  more: --before {view.before}"


def _line(row: LookLine, sheet: Sheet) -> str:
    names = [pad(visible(name or ""), _NAME_COLUMNS) for name in (row.who, row.owner)]
    job = "" if row.job_id is None else str(row.job_id)
    when = pad(fmt.moment(row.time_ns, sheet.zone), _WHEN_COLUMNS)
    return f"  {when} {' '.join(names)} {job:>8}  {what_was_seen(row)}"


def what_was_seen(row: LookLine) -> str:
    """In words; a list with its filters, and how many jobs of others it showed."""
    if row.others is None:
        return row.words
    filters = f" ({visible(row.detail)})" if row.detail else ""
    return f"{row.words}{filters}: {row.others} of others"
