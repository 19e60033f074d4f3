"""The map of the cluster as a drawing: a row a switch, a square a node, stripes of its jobs' colours in it. Pure.

Where everything stands depends on names alone. State is never told by colour alone: a node that is out of service is a
cross, one that drains a diamond. Of few nodes each stripe is a link to its job with a title; of very many the stripes
of one colour are one path, so that a map of ten thousand nodes stays small: then the list of jobs below has the links.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from slurmlens.hub.views.cluster_map.view import ClusterMapView, MapNode, MapSwitch
from slurmlens.shown.text import clip, visible

CELL = 20
SIZE = 17
COLUMNS = 32
INDENT = 18
LABEL_WIDTH = 170
MOST_LINKED = 800
MOST_STRIPES = 4
_NAME_COLUMNS = 20


@dataclass(frozen=True, slots=True)
class MapMark:
    """A path with its look; with an address it is a link, with a title it says what it is."""

    path: str
    look: str
    title: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class MapRow:
    """A switch's name, where it stands, and the line up to the switch above it."""

    name: str
    text: str
    x: int
    y: int
    line: str


@dataclass(frozen=True, slots=True)
class MapDrawing:
    """The whole drawing."""

    width: int
    height: int
    rows: tuple[MapRow, ...]
    marks: tuple[MapMark, ...]


def draw_cluster_map(view: ClusterMapView) -> MapDrawing:
    """Where everything stands."""
    rows: list[MapRow] = []
    marks: list[MapMark] = []
    tops: dict[str, int] = {}
    y, widest = 4, 1
    for switch in view.switches:
        height = CELL * max(1, -(-len(switch.nodes) // COLUMNS))
        rows.append(_row(switch, y, tops))
        tops[switch.name] = y
        for number, node in enumerate(switch.nodes):
            line, column = divmod(number, COLUMNS)
            marks += _marks(view, node, LABEL_WIDTH + column * CELL, y + line * CELL)
        widest = max(widest, min(COLUMNS, len(switch.nodes)))
        y += height + 6
    if sum(len(switch.nodes) for switch in view.switches) > MOST_LINKED:
        marks = list(_joined(marks))
    return MapDrawing(LABEL_WIDTH + widest * CELL + 4, y, tuple(rows), tuple(marks))


def _row(switch: MapSwitch, y: int, tops: dict[str, int]) -> MapRow:
    x = 4 + switch.depth * INDENT
    line = ""
    if switch.above is not None and switch.above in tops:
        line = f"M{x - INDENT + 4} {tops[switch.above] + 18}V{y + 12}H{x - 2}"
    text = clip(visible(switch.name) or "below no switch", _NAME_COLUMNS - 2 * switch.depth)
    return MapRow(switch.name, text, x, y + 14, line)


def _marks(view: ClusterMapView, node: MapNode, x: int, y: int) -> Iterator[MapMark]:
    about = f"{visible(node.name)}: {node.word}"
    address = f"node {node.name}"
    if node.tone == "bad":
        yield MapMark(f"M{x} {y}l{SIZE} {SIZE}m0-{SIZE}l-{SIZE} {SIZE}", "out", about, address)
        return
    if not node.jobs:
        look = {"active": "busy", "warn": "drained"}.get(node.tone, "free")
        yield MapMark(_outline(node, x, y), look, about, address)
        return
    shown = node.jobs[:MOST_STRIPES]
    for number, place in enumerate(shown):
        job = view.jobs[place]
        more = f", and {len(node.jobs) - len(shown)} more" if len(node.jobs) > len(shown) and number == 0 else ""
        left, right = x + SIZE * number // len(shown), x + SIZE * (number + 1) // len(shown)
        who = f" of {visible(job.user)}" if job.user else ""
        title = f"{about}, job {job.job_id}{who}{more}"
        yield MapMark(f"M{left} {y}H{right}v{SIZE}H{left}z", f"job{job.colour}", title, f"job {job.job_id}/{job.run}")
    if node.tone == "warn":
        yield MapMark(_outline(node, x, y), "draining", about, address)


def _outline(node: MapNode, x: int, y: int) -> str:
    half = SIZE // 2
    if node.tone == "warn":
        return f"M{x + half} {y}l{half} {half}l-{half} {half}l-{half}-{half}z"
    return f"M{x} {y}h{SIZE}v{SIZE}h-{SIZE}z"


def _joined(marks: list[MapMark]) -> Iterator[MapMark]:
    """One path a look."""
    by_look: dict[str, list[str]] = {}
    for mark in marks:
        by_look.setdefault(mark.look, []).append(mark.path)
    for look in sorted(by_look):
        yield MapMark("".join(by_look[look]), look)
