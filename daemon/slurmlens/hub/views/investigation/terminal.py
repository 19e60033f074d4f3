"""Investigations as text for a terminal: the list, and one with its answers. Pure. The same views as the pages."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.views.investigation.view import AnswerView, InvestigationsView, InvestigationView
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import visible, wrap

_MOST_ROWS = 20


def render_investigations(view: InvestigationsView, sheet: Sheet) -> str:
    """The list, ending in a newline."""
    lines = [view.sentence, ""]
    for one in view.rows:
        shared = ", shared" if one.is_shared else ""
        lines.append(f"  {one.name:<6} {one.title}  ({one.owner}{shared}, {fmt.moment(one.changed_ns, sheet.zone)})")
        lines += [f"      {text}" for text in wrap(one.conclusion or "", sheet.columns - 6) if text]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def render_investigation(view: InvestigationView, sheet: Sheet) -> str:
    """One, ending in a newline."""
    one = view.line
    window = f"{fmt.moment(one.from_ns, sheet.zone)} to {fmt.moment(one.to_ns, sheet.zone)}"
    lines = [f"{one.name} {one.title}", f"  {window}, {one.owner}'s{', shared' if one.is_shared else ''}"]
    if one.things:
        lines += [f"  {text}" for text in wrap(", ".join(f"{x.kind} {x.name}" for x in one.things), sheet.columns - 2)]
    if view.conclusion:
        lines += ["", "  conclusion", *_text(view.conclusion.text, sheet)]
    for note in view.notes:
        lines += ["", f"  {note.who}, {fmt.moment(note.at_ns, sheet.zone)}", *_text(note.text, sheet)]
    for answer in view.answers:
        lines += ["", *_answer(answer, sheet)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _text(text: str, sheet: Sheet) -> Iterator[str]:
    for line in text.splitlines():
        yield from (f"    {piece}" for piece in wrap(visible(line), sheet.columns - 4))


def _answer(answer: AnswerView, sheet: Sheet) -> Iterator[str]:
    yield f"  {answer.question}: {visible(answer.sentence)}"
    shown = answer.rows[:_MOST_ROWS]
    widths = [max((len(row[at]) for row in shown), default=0) for at in range(len(answer.header))]
    for row in shown:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield f"    {'  '.join(cells)}".rstrip()[: sheet.columns]
    if len(answer.rows) > len(shown) or answer.more:
        yield "    … more on its page, or with --json"
