"""Neighbourhoods, blast radii and differences as text for a terminal: pure. The same views as the pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.hub.inventory.questions.blast_radius import Touched
from slurmlens.hub.views.neighbourhood.view import BlastRadiusView, DifferenceView, NeighbourhoodView
from slurmlens.hub.views.software.terminal import render_package_changes
from slurmlens.hub.views.states import STATE_STYLES
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import clip, pad, visible, wrap
from slurmlens.slurm.hostlist import fold_or_list

MOST_JOBS = 20


def render_neighbourhood(view: NeighbourhoodView, sheet: Sheet) -> str:
    """One line an entity and what it is linked to, nearest first; ends in a newline."""
    lines = [f"{view.kind} {visible(view.name)}   to depth {view.depth}, {fmt.moment(view.at_ns, sheet.zone)}"]
    linked: dict[int, list[str]] = {}
    for link in view.links:
        other = view.entities[link.second]
        linked.setdefault(link.first, []).append(f"{link.words} {other.kind} {visible(other.name)}")
    for place, one in enumerate(view.entities):
        text = "; ".join(linked.get(place, ()))
        head = f"{'  ' * (one.distance + 1)}{one.kind} {visible(one.name)}"
        lines.append(clip(f"{pad(head, 30)} {text}".rstrip(), sheet.columns))
    if len(view.entities) == 1:
        lines.append("  Nothing is known of it at this moment.")
    if view.has_more:
        lines.append("  … and more: the neighbourhood was cut")
    return "\n".join(lines) + "\n"


def render_blast_radius(view: BlastRadiusView, sheet: Sheet) -> str:
    """The sentence, who is touched, and the jobs; ends in a newline."""
    lines = [f"blast radius of {view.kind} {visible(view.name)}   {fmt.moment(view.at_ns, sheet.zone)}"]
    lines += [f"  {line}" for line in wrap(view.sentence, sheet.columns - 2)]
    lines.append("")
    for label, names in (("users", view.users), ("accounts", view.accounts), ("partitions", view.partitions)):
        lines += _touched(label, names, sheet)
    if view.nodes_touched:
        lines.append(clip(f"  {pad('their nodes', 12)}{fold_or_list(view.nodes_touched)}", sheet.columns))
    shown = view.jobs[: None if sheet.full else MOST_JOBS]
    lines += [""] if shown else []
    for run in shown:
        state = STATE_STYLES[run.state]
        row = f"{run.job_id:>8}  {pad(visible(run.name or ''), 16)} {pad(visible(run.user or ''), 10)} "
        lines.append(f"  {sheet.ink.paint(pad(state.word, 14), state.tone)}{row}{visible(fold_or_list(run.nodes))}")
    if len(view.jobs) > len(shown):
        lines.append(f"  … and {len(view.jobs) - len(shown)} more (--wide)")
    return "\n".join(lines).rstrip("\n") + "\n"


def render_difference(view: DifferenceView, sheet: Sheet) -> str:
    """A line an attribute, the two values beside each other; ends in a newline."""
    zone = sheet.zone
    left = f"{visible(view.left_name)} {fmt.moment(view.left_ns, zone)}"
    right = f"{visible(view.right_name)} {fmt.moment(view.right_ns, zone)}"
    column = max(20, (sheet.columns - 24) // 2)
    lines = [*wrap(view.sentence, sheet.columns), "", f"  {pad('', 20)} {pad(left, column)} {right}"]
    lines += [f"  {pad(one.label, 20)} {pad(one.left or '–', column)} {one.right or '–'}" for one in view.differences]
    lines += render_package_changes(view.packages, sheet)
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def _touched(label: str, names: Sequence[Touched], sheet: Sheet) -> Iterator[str]:
    if names:
        text = ", ".join(f"{visible(one.name)} ({one.jobs})" for one in names)
        for number, line in enumerate(wrap(text, sheet.columns - 14)):
            yield f"  {pad(label if number == 0 else '', 12)}{line}"
