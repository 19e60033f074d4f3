"""The management's view as text for a terminal: pure. The same view as the page."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.clock import NS_PER_S
from slurmlens.hub.usage.charges import SIZE_CLASSES
from slurmlens.hub.usage.service_levels import ServiceLevel
from slurmlens.hub.views.management.view import ManagementView
from slurmlens.hub.views.usage.terminal import usage_lines
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet
from slurmlens.shown.text import pad, visible, wrap

MOST_CONCERNS = 8


def render_management(view: ManagementView, sheet: Sheet) -> str:
    """The report, ending in a newline."""
    begin, end = (fmt.moment(moment * NS_PER_S, sheet.zone) for moment in (view.from_s, view.to_s))
    lines = [f"usage of {visible(view.cluster)}  {begin} to {end}"]
    lines += [f"  {line}" for line in wrap(view.sentence, sheet.columns - 2)]
    if view.backlog.words:
        lines.append(f"  still being counted: {view.backlog.words}")
    lines += ["", *_utilisation(view, sheet), "", *usage_lines(view.tables[0], sheet), ""]
    lines += [*_levels(view, sheet), "", *_concerns(view, sheet)]
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def _utilisation(view: ManagementView, sheet: Sheet) -> Iterator[str]:
    for row in view.utilisation:
        used = f"{sheet.ink.bar(row.of_installed, 12)} {fmt.percent(row.of_installed):>6}"
        states = ", ".join(f"{one.state} {fmt.percent(one.share)}" for one in row.states)
        yield f"  {pad(visible(row.name or 'cluster'), 16)} {used}  {states}"


def _levels(view: ManagementView, sheet: Sheet) -> Iterator[str]:
    for level in view.levels:
        if level.is_met is not None:
            mark, tone = ("✓", "good") if level.is_met else ("✕", "bad")
            sign = "≥" if level.unit == "share" else "≤"
            told = (
                f"{_figure(level, level.figure)} ({sign} {_figure(level, level.goal)}, of {level.of or 'less than 1'})"
            )
            yield f"  {sheet.ink.paint(mark, tone)} {pad(_about(level), 34)} {told}"


def _about(level: ServiceLevel) -> str:
    if level.name != "wait":
        return {"availability": "nodes were up", "reaction": "reaction to failed nodes"}[level.name]
    partition, _, size_class = level.about.rpartition("/")
    return f"wait in {visible(partition)}, {SIZE_CLASSES[int(size_class)][1]}"


def _figure(level: ServiceLevel, value: float | None) -> str:
    return fmt.percent(value) if level.unit == "share" else fmt.duration(value)


def _concerns(view: ManagementView, sheet: Sheet) -> Iterator[str]:
    shown = view.concerns[: None if sheet.full else MOST_CONCERNS]
    for one in shown:
        yield f"  {pad(visible(one.user), 12)} {pad(one.rule, 18)} {one.evidence}"
