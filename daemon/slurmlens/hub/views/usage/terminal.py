"""A table of usage as text for a terminal: pure. The same model as on the page and in reports."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.usage.charges import HOUR_S
from slurmlens.hub.views.usage.view import UsageRow, UsageTable
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import pad, visible

MOST_ROWS = 15
_BAR = 12


def usage_lines(table: UsageTable, sheet: Sheet) -> Iterator[str]:
    """The heading, the whole, and its parts, the largest first."""
    figures = "core-hours  CPU used    runs  failed  wait p95"
    yield f"  {pad(table.by, 16)} {pad('share', _BAR + 7)} {figures}"
    shown = table.rows[: None if sheet.full else MOST_ROWS]
    for row in (table.whole, *shown):
        yield _line(row, sheet)
    if len(table.rows) > len(shown):
        yield f"  … and {len(table.rows) - len(shown)} more (--wide)"
    if table.whole.gpu_share is not None:
        hours = fmt.grouped(table.whole.sums.gpu_s / HOUR_S)
        yield f"  {hours} GPU-hours allocated; GPUs busy {fmt.percent(table.whole.gpu_share)} of the time they told"


def _line(row: UsageRow, sheet: Sheet) -> str:
    share = sheet.ink.bar(row.share, _BAR)
    figures = (
        f"{fmt.grouped(row.sums.core_s / HOUR_S):>10}",
        f"{fmt.percent(row.cpu_share):>8}",
        f"{row.sums.started:>6}",
        f"{row.failed:>6}",
        f"{fmt.duration(row.wait_p95_s):>8}",
    )
    return f"  {pad(visible(row.name or 'not known'), 16)} {share} {fmt.percent(row.share):>6} {'  '.join(figures)}"
