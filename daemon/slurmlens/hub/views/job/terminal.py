"""A `JobView` as text for a terminal: 80 columns, or more of everything where it is wide.

Pure: given the width, the zone of the reader and whether to use colour (`Ink`). Used by `slurmlens job`. The layout is
that of the golden files in tests/golden/report; what is not known is left out or named, and no empty section is
drawn.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from slurmlens.hub.views.job.phrases import given_words, job_number, samples_words
from slurmlens.hub.views.job.terminal_figures import figure_lines, node_lines
from slurmlens.hub.views.job.view import Advice, CauseView, JobView, Mark, Phase
from slurmlens.hub.views.states import STATE_STYLES
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import NARROW, Sheet
from slurmlens.shown.text import clip, pad, visible, width, wrap

MOST_MARKS = 24
MOST_FINDINGS = 3
MOST_GPUS = 16


def render_job(view: JobView, sheet: Sheet) -> str:
    """The whole report, ending in a newline."""
    sections = [
        [_title(view, sheet), *_sentence(view, sheet)],
        list(_times(view, sheet)),
        list(figure_lines(view, sheet)),
        list(node_lines(view.nodes, sheet)),
        list(_machines(view, sheet)),
        list(_gpus(view, sheet)),
        list(_then(view, sheet)),
        list(_marks(view, sheet)),
        list(_worth(view, sheet)),
        list(_assessed(view, sheet)),
        list(_next_time(view.advice, view, sheet)),
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in section) for section in sections if section) + "\n"


def _title(view: JobView, sheet: Sheet) -> str:
    identity = view.identity
    parts = [f"Job {job_number(view.identity)}"]
    if identity.name:
        parts.append(clip(visible(identity.name), 24 if sheet.columns <= NARROW else 60))
    if identity.user:
        account = f" ({clip(visible(identity.account), 16)})" if identity.account else ""
        parts.append(visible(identity.user) + account)
    if identity.partition:
        parts.append(f"partition {visible(identity.partition)}")
    state = visible(view.state_text)
    left = clip("  ".join(parts), sheet.columns - width(state) - 2)
    return pad(left, sheet.columns - width(state)) + sheet.ink.paint(state, STATE_STYLES[view.state].tone)


def _gpus(view: JobView, sheet: Sheet) -> Iterator[str]:
    if view.gpus is None:
        return
    yield f"  {sheet.ink.paint(view.gpus.sentence, 'bad' if view.gpus.idle else 'strong')}"
    for row in view.gpus.rows[: None if sheet.full else MOST_GPUS]:
        name = clip(visible(f"{row.node} {row.pci or row.uuid}"), 34)
        figures = f"busy {fmt.percent(row.utilisation_ratio):>5}  peak {fmt.memory(row.memory_peak_bytes):>8}"
        yield clip(f"    {pad(name, 34)} {figures}  {'; '.join(row.notes)}", max(sheet.columns, 40))
    if len(view.gpus.rows) > MOST_GPUS and not sheet.full:
        yield f"    … and {len(view.gpus.rows) - MOST_GPUS} more (--wide)"


def _then(view: JobView, sheet: Sheet) -> Iterator[str]:
    for one in view.then:
        if one.changed or sheet.full:
            text = f"When it began {one.label} {one.text}" + (f"; {one.changed}" if one.changed else "")
            yield from (f"  {line}" for line in wrap(text, sheet.columns - 2))


def _machines(view: JobView, sheet: Sheet) -> Iterator[str]:
    """Nodes that were not like their siblings, and what can be given to the job of what its machines took."""
    if view.machines is None:
        return
    for one in view.machines.odd:
        yield from (f"  {line}" for line in wrap(f"{one.node}: {one.text}", sheet.columns - 2))
    own, cells = view.machines, []
    if own.energy_joules is not None:
        cells.append(f"CPU energy {fmt.digits(own.energy_joules / 3.6e6)} kWh (estimated)")
    if own.network_sent_bytes is not None:
        cells.append(f"network sent {fmt.volume(own.network_sent_bytes)}")
        cells.append(f"received {fmt.volume(own.network_received_bytes)}")
    if own.files_written_bytes is not None:
        cells.append(f"Lustre, NFS written {fmt.volume(own.files_written_bytes)}")
        cells.append(f"read {fmt.volume(own.files_read_bytes)}")
    yield from _filled(cells, sheet.columns) if cells else ()


def _sentence(view: JobView, sheet: Sheet) -> Iterator[str]:
    for line in wrap(view.headline, sheet.columns - 2):
        yield "  " + sheet.ink.paint(line, "strong")
    if view.cause is not None:
        yield from (f"  {line}" for line in wrap(_cause_words(view.cause), sheet.columns - 2))
    for one in view.findings[:MOST_FINDINGS]:
        yield from (f"  {line}" for line in wrap(f"{one.name}: {one.sentence}", sheet.columns - 2))


def _cause_words(cause: CauseView) -> str:
    evidence = visible("; ".join(cause.evidence[:2]))
    if cause.level is None:
        return f"Cause: not known{f' ({evidence})' if evidence else ''}."
    return f"Cause: {cause.words} ({cause.level}){f': {evidence}' if evidence else ''}."


def _times(view: JobView, sheet: Sheet) -> Iterator[str]:
    times, zone = view.times, sheet.zone
    cells = []
    if times.submitted_ns is not None:
        zone_name = datetime.datetime.fromtimestamp(times.submitted_ns / 1e9, zone).strftime("%Z")
        when = fmt.moment(times.submitted_ns, zone, near_ns=view.made_ns)
        cells.append(f"Submitted {when} {zone_name}".rstrip())
    if times.waited_s is not None:
        cells.append(f"waited {fmt.duration(times.waited_s)}")
    if times.ran.used is not None:
        limit = f" of {fmt.duration(times.ran.asked)}" if times.ran.asked else ""
        if times.limit_ns is not None:
            limit += f", until {fmt.moment(times.limit_ns, zone, near_ns=view.made_ns)}"
        cells.append(f"ran {fmt.duration(times.ran.used)}{limit}")
    elif view.phase is Phase.PENDING and times.expected_start_ns is not None:
        cells.append(f"expected start {fmt.moment(times.expected_start_ns, zone, near_ns=view.made_ns)}")
    cells.append(given_words(view.allocation))
    yield from _filled([cell for cell in cells if cell], sheet.columns)


def _filled(cells: Sequence[str], columns: int) -> Iterator[str]:
    """Cells side by side, three blanks apart, on as many lines as they need."""
    line = ""
    for cell in (clip(cell, columns - 2) for cell in cells):
        joined = f"{line}   {cell}" if line else f"  {cell}"
        if line and width(joined) > columns:
            yield line
            joined = f"  {cell}"
        line = joined
    if line:
        yield line


def _marks(view: JobView, sheet: Sheet) -> Iterator[str]:
    marks = view.marks
    hidden = 0 if sheet.full else len(marks) - MOST_MARKS
    for index, mark in enumerate(marks):
        if hidden > 0 and MOST_MARKS // 2 <= index < MOST_MARKS // 2 + hidden:
            if index == MOST_MARKS // 2:
                yield f"  … {hidden} more (--wide shows all)"
            continue
        yield _mark(mark, view, sheet)


def _mark(mark: Mark, view: JobView, sheet: Sheet) -> str:
    when = fmt.moment(mark.time_ns, sheet.zone, near_ns=view.times.started_ns or view.made_ns)
    where = f"  {mark.where}" if mark.where else ""
    text = clip(visible(mark.text) + where, sheet.columns - width(when) - 4)
    return f"  {when}  {sheet.ink.paint(text, 'strong') if mark.loud else text}"


def _worth(view: JobView, sheet: Sheet) -> Iterator[str]:
    provenance = view.provenance
    if view.phase is Phase.PENDING or view.times.started_ns is None:
        return
    texts = [samples_words(provenance)]
    if view.phase is Phase.ENDED and not provenance.complete:
        texts.append("Not everything was seen.")
    for text in (*texts, *provenance.notes):
        for line in wrap(text, sheet.columns - 2):
            yield "  " + sheet.ink.paint(line, "idle")


def _assessed(view: JobView, sheet: Sheet) -> Iterator[str]:
    """What workflows made of it: the score, and problems with their signs."""
    for one in view.assessments:
        said = one.state if one.total is None else f"{fmt.percent(one.total)} in all"
        told = f"  Assessed by the rule {visible(one.rule)}: {said}"
        yield clip(f"{told}, {visible(one.problem)}" if one.problem else told, sheet.columns)
        for known in one.problems:
            words = visible(f"{known.name}: {known.words} {known.advice}")
            yield from (f"    {line}" for line in wrap(words, sheet.columns - 4))


def _next_time(advice: Sequence[Advice], view: JobView, sheet: Sheet) -> Iterator[str]:
    lines = [item.line for item in advice if item.line]
    if lines:
        yield f"  Next time: {sheet.ink.paint(' '.join(lines), 'strong')} would do."
    for item in advice:
        if not item.line:
            yield f"  {item.text}"
    for other in view.other_runs:
        yield f"  Run {other.run}: {visible(other.state_text)}, ran {fmt.duration(other.ran_s)}"
    if sheet.url:
        yield f"  {sheet.url}"
