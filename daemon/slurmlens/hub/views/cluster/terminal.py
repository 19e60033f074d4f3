"""A `ClusterView` for a terminal: the USE table, the map with a letter a node, who is out of service. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.views.cluster.view import ClusterView, NodeCell, NodeGroup, UseCell
from slurmlens.shown import format as fmt
from slurmlens.shown.terminal import Sheet, sparkline
from slurmlens.shown.text import clip, pad, visible, wrap

_NAME_COLUMNS = 11
_BAR_COLUMNS = 8
_LEVELS = "·▁▂▃▄▅▆▇█"
_MOST_OUT = 12


def render_cluster(view: ClusterView, sheet: Sheet) -> str:
    """The page as text; ends in a newline."""
    return "\n".join(line.rstrip() for line in _lines(view, sheet)) + "\n"


def _lines(view: ClusterView, sheet: Sheet) -> Iterator[str]:
    yield sheet.ink.paint(f"Cluster {visible(view.cluster)}", "strong")
    for line in wrap(view.sentence, sheet.columns - 2):
        yield f"  {line}"
    yield ""
    third = (sheet.columns - _NAME_COLUMNS - _BAR_COLUMNS - 5) // 3
    head = f"  {'':<{_NAME_COLUMNS}}{'utilisation':<{third + _BAR_COLUMNS + 1}}{'saturation':<{third}} errors"
    yield sheet.ink.paint(head, "idle")
    for one in view.resources:
        bar = sheet.ink.bar(one.utilisation.ratio, _BAR_COLUMNS)
        cells = f"{_cell(one.utilisation, third, sheet)}{_cell(one.saturation, third, sheet)}"
        yield f"  {pad(one.name, _NAME_COLUMNS)}{bar} {cells} {_cell(one.errors, third, sheet)}"
    for one in view.resources:
        if one.utilisation.course:
            course = sparkline(one.utilisation.course, len(one.utilisation.course))
            yield f"  {pad(one.name, _NAME_COLUMNS)}{course} the last {view.course_hours} hours"
    for group in view.groups:
        yield ""
        yield from _group(group, sheet)
    if view.out_of_service:
        yield ""
        yield from _out(view, sheet)
    if view.waiting:
        yield ""
        yield "  Jobs wait because of"
        for reason, count in view.waiting:
            yield f"  {count:>7}  {clip(visible(reason), sheet.columns - 11)}"


def _cell(cell: UseCell, columns: int, sheet: Sheet) -> str:
    text = pad(clip(cell.text, columns - 1), columns)
    return sheet.ink.paint(text, cell.tone) if cell.tone in ("bad", "warn") else text


def _group(group: NodeGroup, sheet: Sheet) -> Iterator[str]:
    yield f"  {group.kind} {visible(group.name)}: {fmt.count(len(group.nodes), 'node')}"
    room = max(1, sheet.columns - 4)
    for begin in range(0, len(group.nodes), room):
        yield "    " + "".join(_letter(node, sheet) for node in group.nodes[begin : begin + room])


def _letter(node: NodeCell, sheet: Sheet) -> str:
    """The chosen figure as a height; a cross where it is out of service."""
    if node.tone in ("bad", "warn"):
        return sheet.ink.paint("x" if node.tone == "bad" else "d", node.tone)
    if node.shown is None:
        return "?"
    return sheet.ink.paint(_LEVELS[round(node.shown * (len(_LEVELS) - 1))], "active")


def _out(view: ClusterView, sheet: Sheet) -> Iterator[str]:
    shown = view.out_of_service if sheet.full else view.out_of_service[:_MOST_OUT]
    yield "  Out of service"
    for node in shown:
        when = fmt.moment(node.since_ns, sheet.zone, near_ns=view.made_ns)
        reason = visible(node.reason or "no reason given")
        yield clip(f"    {pad(visible(node.name), 12)} {pad(node.word, 15)} {when}  {reason}", sheet.columns)
    if len(shown) < len(view.out_of_service):
        yield f"    and {len(view.out_of_service) - len(shown)} more: --wide"
