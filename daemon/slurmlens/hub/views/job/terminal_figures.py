"""The figures of a job and the rows of its nodes, as lines for a terminal.

Pure. The part of `terminal` that draws bars and sparklines. What nobody measured is named with its reason, or left
out where there is nothing to say; it is never 0.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from slurmlens.hub.views.job.phrases import pressure_words
from slurmlens.hub.views.job.profile_bins import shrink_shown
from slurmlens.hub.views.job.progress import done_words, left_words, rate_words, stall_words
from slurmlens.hub.views.job.view import Amount, JobView, NodeView, Note, Phase, ProgressView
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet, sparkline
from slurmlens.shown.text import pad, visible, width, wrap

BAR_COLUMNS = 21
MOST_NODES = 16


def figure_lines(view: JobView, sheet: Sheet) -> Iterator[str]:
    if view.phase is Phase.PENDING or view.times.started_ns is None:
        return
    yield from _progress(view.progress, sheet)
    yield from _amount("CPU", view.cpu, fmt.core_time_pair(view.cpu.used, view.cpu.asked), sheet)
    peak = f"{fmt.memory_pair(view.memory.used, view.memory.asked)} peak"
    where = f" ({view.memory_peak_node})" if view.memory_peak_node and len(view.nodes) > 1 else ""
    yield from _amount("Memory", view.memory, peak + where, sheet)
    yield from _input_output(view, sheet)


def _progress(told: ProgressView | None, sheet: Sheet) -> Iterator[str]:
    if told is None:
        return
    outlook = stall_words(told) or left_words(told)
    verdict = told.verdict_text if told.left_s is not None else None
    text = ", ".join(part for part in (done_words(told), outlook, verdict) if part)
    yield from _amount("Done", Amount(used=told.done, asked=told.total, ratio=told.ratio), text, sheet)
    values = [f"{visible(name)} {value:.4g}" for name, value in told.values.items()]
    beside = "; ".join(part for part in (rate_words(told), ", ".join(values)) if part)
    if beside:
        yield from _labelled("", beside, sheet)


def _amount(label: str, amount: Amount, text: str, sheet: Sheet) -> Iterator[str]:
    if amount.used is None:
        if amount.note:
            yield from _labelled(label, amount.note, sheet)
        return
    note = f" ({amount.note})" if amount.note else ""
    if amount.ratio is None:
        yield from _labelled(label, text + note, sheet)
        return
    bar = sheet.ink.bar(amount.ratio, BAR_COLUMNS)
    room = sheet.columns - 10 - BAR_COLUMNS - 10
    lines = list(wrap(text + note, room))
    yield f"  {label:<8}{bar}{fmt.percent(amount.ratio):>7}   {lines[0]}"
    for line in lines[1:]:
        yield " " * (sheet.columns - room) + line


def _labelled(label: str, text: str, sheet: Sheet) -> Iterator[str]:
    for index, line in enumerate(wrap(text, sheet.columns - 10)):
        yield f"  {label if index == 0 else '':<8}{line}"


def _input_output(view: JobView, sheet: Sheet) -> Iterator[str]:
    io = view.io
    cells = []
    if io.source is not None:
        parts = [
            f"{verb} {fmt.volume(size)}" for verb, size in (("read", io.read_bytes), ("written", io.written_bytes))
        ]
        cells.append("  ".join(parts) + (f" ({io.note})" if io.note else ""))
    elif io.note:
        yield from _labelled("I/O", io.note, sheet)
    pressure = pressure_words(view.pressure)
    if pressure and cells and width(cells[0]) + width(pressure) + 14 <= sheet.columns:
        yield from _labelled("I/O", f"{cells[0]}    {pressure}", sheet)
        return
    for cell in cells:
        yield from _labelled("I/O", cell, sheet)
    if pressure:
        yield from _labelled("", pressure, sheet)


def node_lines(nodes: Sequence[NodeView], sheet: Sheet) -> Iterator[str]:
    if not nodes:
        return
    shown = nodes if sheet.full else nodes[:MOST_NODES]
    name_columns = min(24, max(4, *(width(node.name) for node in shown)))
    spark = sheet.spark
    yield f"  {'node':<{name_columns}}  {'cpu':<{spark + 6}}  {'memory':<{memory_spark(spark) + 9}}  samples  note"
    for node in shown:
        yield from _node(node, name_columns, spark, sheet)
    if len(shown) < len(nodes):
        yield f"  … and {fmt.count(len(nodes) - len(shown), 'more node')} (--wide shows all)"


def _node(node: NodeView, name_columns: int, spark: int, sheet: Sheet) -> Iterator[str]:
    small = memory_spark(spark)
    cpu = f"{sparkline(shrink_shown(node.cpu_course, spark), spark)} {fmt.percent(node.cpu.ratio):>5}"
    memory = f"{sparkline(shrink_shown(node.memory_course, small), small)} {fmt.memory(node.memory.used):>8}"
    samples = fmt.UNKNOWN if node.samples is None else node.samples
    line = f"  {pad(node.name, name_columns)}  {cpu}  {memory}  {samples:>7}  "
    notes = "; ".join(note_words(note, sheet.zone) for note in node.notes)
    rows = list(wrap(notes, max(20, sheet.columns - width(line))))
    yield line + sheet.ink.paint(rows[0], "warn" if node.odd else "idle")
    for row in rows[1:]:
        yield " " * width(line) + sheet.ink.paint(row, "warn" if node.odd else "idle")


def memory_spark(spark: int) -> int:
    """Memory moves less than CPU: fewer points of it leave room for the note."""
    return spark * 3 // 5


def note_words(note: Note, zone: datetime.tzinfo) -> str:
    """A remark with its moment in the reader's zone."""
    return visible(note.text if note.time_ns is None else f"{note.text} {fmt.time_of_day(note.time_ns, zone)}")
