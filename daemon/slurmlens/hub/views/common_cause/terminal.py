"""The common cause of a window as text for a terminal: pure. The same view as the page."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.views.common_cause.build import cause_name
from slurmlens.hub.views.common_cause.view import CauseLine, CommonCauseView
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import visible, wrap

MOST_CAUSES = 10


def render_common_cause(view: CommonCauseView, sheet: Sheet) -> str:
    """The report, ending in a newline."""
    begun, ended = fmt.moment(view.from_ns, sheet.zone), fmt.moment(view.to_ns, sheet.zone)
    lines = [f"common cause  {begun} to {ended}", *(f"  {line}" for line in wrap(view.sentence, sheet.columns - 2)), ""]
    shown = view.causes[: None if sheet.full else MOST_CAUSES]
    for one in shown:
        lines += _cause(one, sheet)
    if len(view.causes) > len(shown):
        lines.append(f"  … and {len(view.causes) - len(shown)} more (--wide)")
    tried = ", ".join(f"{count} {visible(kind)}" for kind, count in view.tried.items())
    if tried:
        lines += ["", *(f"  {line}" for line in wrap(f"tried: {tried}", sheet.columns - 2))]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _cause(line: CauseLine, sheet: Sheet) -> Iterator[str]:
    mark, tone = ("●", "bad") if line.cause.is_named else ("○", "idle")
    yield f"  {sheet.ink.paint(f'{mark} {visible(cause_name(line.cause))}', tone)}"
    for part in (line.sentence, *line.remarks):
        yield from (f"      {text}" for text in wrap(part, sheet.columns - 6))
