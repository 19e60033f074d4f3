"""The map of nodes as a drawing: a square a node, its colour by one chosen figure, its shape by its state.

Pure. Of few nodes each square is a link with a title; of very many all squares of one look are one path, so that a page
of ten thousand nodes stays small: then the lists behind the groups have the names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slurmlens.hub.views.cluster.build import ALLOCATED, FIGURES
from slurmlens.hub.views.cluster.view import ClusterView, NodeCell
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible

CELL = 14
SIZE = 12
LEVELS = 5
MOST_LINKED = 600
_COLUMNS = 40


@dataclass(frozen=True, slots=True)
class Square:
    """One node that can be clicked."""

    name: str
    look: str
    title: str
    path: str


@dataclass(frozen=True, slots=True)
class GroupDrawing:
    """One group: its squares or, of very many nodes, a path for each look."""

    name: str
    count: int
    width: int
    height: int
    squares: tuple[Square, ...]
    paths: tuple[tuple[str, str], ...]


def draw_nodes(view: ClusterView) -> tuple[GroupDrawing, ...]:
    """Where everything stands, group by group."""
    is_linked = sum(len(group.nodes) for group in view.groups) <= MOST_LINKED
    return tuple(
        GroupDrawing(
            name=group.name,
            count=len(group.nodes),
            width=CELL * min(_COLUMNS, max(1, len(group.nodes))),
            height=CELL * -(-len(group.nodes) // _COLUMNS),
            squares=tuple(_squares(group.nodes, view.figure)) if is_linked else (),
            paths=() if is_linked else tuple(_paths(group.nodes)),
        )
        for group in view.groups
    )


def look_of(node: NodeCell) -> str:
    """The class of a square: `out` and `draining` have shapes of their own, `level0` to `level5` are shades."""
    if node.tone == "bad":
        return "out"
    if node.tone == "warn":
        return "draining"
    return "unknown" if node.shown is None else f"level{round(node.shown * LEVELS)}"


def _squares(nodes: Sequence[NodeCell], figure: str) -> Iterator[Square]:
    for number, node in enumerate(nodes):
        yield Square(node.name, look_of(node), _title(node, figure), _outline(number, look_of(node)))


def _paths(nodes: Sequence[NodeCell]) -> Iterator[tuple[str, str]]:
    by_look: dict[str, list[str]] = {}
    for number, node in enumerate(nodes):
        by_look.setdefault(look_of(node), []).append(_outline(number, look_of(node)))
    for look in sorted(by_look):
        yield look, "".join(by_look[look])


def _outline(number: int, look: str) -> str:
    """A square; a diamond for what drains, a cross for what is out: state is never told by colour alone."""
    row, column = divmod(number, _COLUMNS)
    x, y, half = column * CELL, row * CELL, SIZE // 2
    if look == "draining":
        return f"M{x + half} {y}l{half} {half}l-{half} {half}l-{half}-{half}z"
    if look == "out":
        return f"M{x} {y}l{SIZE} {SIZE}m0-{SIZE}l-{SIZE} {SIZE}"
    return f"M{x} {y}h{SIZE}v{SIZE}h-{SIZE}z"


def _title(node: NodeCell, figure: str) -> str:
    parts = [f"{visible(node.name)}: {node.word}"]
    if node.allocated is not None and node.tone not in ("bad",):
        parts.append(f"{fmt.percent(node.allocated)} of its cores allocated to {fmt.count(node.jobs, 'job')}")
    if figure != ALLOCATED:
        parts.append(f"{FIGURES[figure].words}: {'not told' if node.shown is None else fmt.percent(node.shown)}")
    if node.reason:
        parts.append(visible(node.reason))
    return ", ".join(parts)
