"""Findings as text for a terminal: the list, and one with its guide. Pure. The same views as the pages."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.views.finding.view import FindingLine, FindingsView, FindingView, GuideView
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import visible, wrap

_MOST_JOBS = 12


def render_findings(view: FindingsView, sheet: Sheet) -> str:
    """The list, ending in a newline."""
    lines = [visible(view.sentence), ""]
    for row in view.rows:
        lines += _line(row.lead, sheet)
        lines += [f"      also {other.name}: {visible(other.kind_words)}" for other in row.others]
    if view.quiet or view.silenced:
        lines += ["", f"  {view.quiet} below the line, {view.silenced} silenced"]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _line(line: FindingLine, sheet: Sheet) -> Iterator[str]:
    when = fmt.moment(line.last_ns, sheet.zone)
    head = f"{line.name:<6} {line.kind_words}, {line.state_words}, rank {line.rank:g}, last {when}"
    yield f"  {sheet.ink.paint(visible(head), line.tone)}"
    yield from (f"      {text}" for text in wrap(line.sentence, sheet.columns - 6))


def render_finding(view: FindingView, sheet: Sheet) -> str:
    """One finding, ending in a newline."""
    lines = [*_head(view, sheet)]
    for one in view.guides:
        lines += ["", *_guide(one, sheet)]
    if view.words:
        lines += ["", "  what was said"]
        lines += [f"    {fmt.moment(one.at_ns, sheet.zone)} {one.who} {one.words}" for one in view.words]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _head(view: FindingView, sheet: Sheet) -> Iterator[str]:
    line = view.finding
    yield sheet.ink.paint(f"{line.name}  {line.kind_words}, {line.state_words}", line.tone)
    yield from (f"  {text}" for text in wrap(line.sentence, sheet.columns - 2))
    for words in (line.basis, line.rank_note or ""):
        yield from (f"  {text}" for text in (wrap(words, sheet.columns - 2) if words else ()))
    times = f"{fmt.moment(line.from_ns, sheet.zone)} to {fmt.moment(line.to_ns, sheet.zone)}"
    yield f"  evidence {times}; rank {line.rank:g} (score {line.score:g})"
    if line.jobs:
        more = f" and {len(line.jobs) - _MOST_JOBS} more" if len(line.jobs) > _MOST_JOBS else ""
        yield f"  jobs {' '.join(map(str, line.jobs[:_MOST_JOBS]))}{more}"
    for other in view.incident:
        yield f"  also {other.name} {visible(other.kind_words)} ({visible(other.state_words)})"


def _guide(one: GuideView, sheet: Sheet) -> Iterator[str]:
    guide = one.guide
    yield sheet.ink.paint(f"  known problem {visible(guide.name)}: {visible(guide.title)}", "strong")
    yield from (f"    {text}" for text in wrap(visible(guide.why), sheet.columns - 4))
    for check in guide.checks:
        if check.text:
            yield from (f"    {text}" for text in wrap(visible(f"check: {check.text}"), sheet.columns - 4))
        if check.command:
            yield f"    check    {visible(check.command)}"
        if check.expect:
            yield f"             expected: {visible(check.expect)}"
    yield from (f"    {text}" for text in wrap(visible(f"remedy: {guide.remedy}"), sheet.columns - 4))
    for command in guide.commands:
        yield f"    remedy   {visible(command)}"
    yield from (f"    {text}" for text in wrap(visible(f"over when: {guide.verify}"), sheet.columns - 4))
    if one.helped:
        yield from (f"    {text}" for text in wrap(visible(one.helped), sheet.columns - 4))
