"""An entity, and a list of entities, as text for a terminal: pure. The same views as the pages."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.views.entity.view import EntitiesView, EntityView, RunBand, StateView
from slurmlens.hub.views.jobs.terminal import render_jobs
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import clip, pad, visible, wrap
from slurmlens.slurm.hostlist import fold_or_list

MOST_STATES = 8
MOST_RUNS = 12
MOST_JOBS = 10


def render_entity(view: EntityView, sheet: Sheet) -> str:
    """The report, ending in a newline."""
    head = f"{view.kind} {visible(view.name)}"
    if view.at_ns != view.made_ns:
        head += f"   as of {fmt.moment(view.at_ns, sheet.zone)}"
    if view.state is not None:
        head = pad(head, sheet.columns - 20) + sheet.ink.paint(view.state.word, view.state.tone)
    lines = [head, *(f"  {line}" for line in wrap(view.sentence, sheet.columns - 2)), ""]
    lines += _related(view, sheet)
    lines += _states(view, sheet)
    lines += _machine(view, sheet)
    lines += _facts(view, sheet)
    lines += _changes(view, sheet)
    lines += _runs(view, sheet)
    text = "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"
    if view.jobs is not None and view.jobs.rows and not view.runs:
        text += "\n" + render_jobs(view.jobs, sheet)
    return text


def render_entities(view: EntitiesView, sheet: Sheet) -> str:
    """The list, ending in a newline; of nodes those out of service first."""
    if not view.rows:
        return f"No {view.kind}s are known at this moment.\n"
    lines = []
    for row in view.rows:
        state = sheet.ink.paint(pad(row.state.word, 15), row.state.tone) if row.state else ""
        size = f"{fmt.cores(row.cpu_count)}, {fmt.memory(row.memory_bytes)}" if row.cpu_count else ""
        places = ", ".join(map(visible, row.partitions))
        note = visible(row.reason) if row.reason and row.state and row.state.tone in ("bad", "warn") else ""
        line = f"  {state}{pad(visible(row.name), 16)} {pad(places, 16)} {pad(size, 20)} {note}"
        lines.append(clip(line.rstrip(), max(sheet.columns, 40)) if not sheet.ink.colour else line.rstrip())
    counts = ", ".join(f"{number} {word}" for word, number in view.counts.items())
    lines += ["", f"  {fmt.count(len(view.rows), view.kind)}" + (f": {counts}" if counts else "")]
    return "\n".join(lines) + "\n"


def _related(view: EntityView, sheet: Sheet) -> Iterator[str]:
    for one in view.related:
        names = fold_or_list(one.names) if one.kind == "node" else ", ".join(one.names)
        yield from _labelled(f"{one.words} {one.kind}", visible(names), sheet)
    if view.related:
        yield ""


def _states(view: EntityView, sheet: Sheet) -> Iterator[str]:
    shown = view.states[-MOST_STATES:]
    for state in shown:
        until = "now" if state.to_ns is None else fmt.moment(state.to_ns, sheet.zone)
        begun = fmt.moment(state.from_ns, sheet.zone)
        yield f"  {sheet.ink.paint(pad(_word(state), 16), state.tone)}{pad(begun, 20)} to {until}"
    if len(view.states) > len(shown):
        yield f"  … and {len(view.states) - len(shown)} states before"
    if shown:
        yield ""


def _word(state: StateView) -> str:
    return state.word


def _machine(view: EntityView, sheet: Sheet) -> Iterator[str]:
    """Who uses it without a job, what is odd about the machine, its GPUs, and with --wide all figures."""
    for line in view.outsiders:
        yield f"  {sheet.ink.paint('! ' + visible(line.text), 'bad')}"
    if view.machine is None:
        return
    yield f"  as the machine told {fmt.moment(view.machine.told_ns, sheet.zone, near_ns=view.at_ns)}:"
    for one in view.machine.odd:
        yield f"  {sheet.ink.paint('! ' + visible(one), 'bad')}"
    for gpu in view.machine.gpus:
        busy = fmt.percent(gpu.utilisation_ratio)
        memory = fmt.memory_pair(gpu.memory_used_bytes, gpu.memory_total_bytes)
        note = gpu.problem or "; ".join(gpu.notes)
        yield f"  GPU {pad(visible(gpu.pci or gpu.uuid), 16)} {busy:>5}  {pad(memory, 18)} {visible(note)}"
    for group in view.machine.groups if sheet.full else ():
        for figure in group.figures:
            yield from _labelled(visible(f"{figure.of} {figure.label}".strip())[:21], figure.text, sheet)
    yield ""


def _facts(view: EntityView, sheet: Sheet) -> Iterator[str]:
    for fact in view.facts:
        yield from _labelled(fact.label, visible(fact.text), sheet)
    if view.facts:
        yield ""


def _changes(view: EntityView, sheet: Sheet) -> Iterator[str]:
    for one in view.changes:
        after = "no longer reported" if one.after is None else visible(one.after)
        text = f"{visible(one.before or '–')} → {after}   {fmt.moment(one.time_ns, sheet.zone)}"
        yield from _labelled(f"changed: {one.label}", text, sheet)
    if view.changes:
        yield ""


def _runs(view: EntityView, sheet: Sheet) -> Iterator[str]:
    shown = view.runs[: None if sheet.full else MOST_RUNS]
    for run in shown:
        yield _run_line(run, view, sheet)
    if len(view.runs) > len(shown):
        yield f"  … and {len(view.runs) - len(shown)} more (--wide)"


def _run_line(run: RunBand, view: EntityView, sheet: Sheet) -> str:
    ran = "" if run.to_ns is None else f"ran {fmt.duration((run.to_ns - run.from_ns) / 1e9)}"
    state = sheet.ink.paint(pad(run.state, 15), run.tone)
    begun = fmt.moment(run.from_ns, sheet.zone, near_ns=view.at_ns)
    line = f"{run.job_id:>8}  {pad(visible(run.name or ''), 14)} {pad(visible(run.user or ''), 10)} {begun} {ran}"
    return f"  {state}{line}"


def _labelled(label: str, text: str, sheet: Sheet) -> Iterator[str]:
    room = sheet.columns - 24
    for number, line in enumerate(wrap(text, max(room, 20))):
        yield f"  {pad(label if number == 0 else '', 21)} {line}"
