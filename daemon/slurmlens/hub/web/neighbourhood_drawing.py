"""A neighbourhood as positions for the template: columns by distance, entities in the order of the view. Pure.

The layout depends on nothing but the view, so the same neighbourhood looks the same each time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from slurmlens.hub.views.neighbourhood.view import NeighbourhoodView, NeighbourLine
from slurmlens.shown.text import clip, visible

COLUMN_WIDTH = 220
ROW_HEIGHT = 24
MOST_ROWS = 60
_NAME_COLUMNS = 26


@dataclass(frozen=True, slots=True)
class Placed:
    """An entity and where its name stands."""

    x: int
    y: int
    entity: NeighbourLine
    text: str


@dataclass(frozen=True, slots=True)
class Tie:
    """A relation between two that are drawn."""

    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True, slots=True)
class NeighbourhoodDrawing:
    """The whole drawing, and how many entities found no place in it."""

    width: int
    height: int
    entities: tuple[Placed, ...]
    lines: tuple[Tie, ...]
    left_over: int


def draw_neighbourhood(view: NeighbourhoodView) -> NeighbourhoodDrawing:
    """Where everything stands."""
    rows: dict[int, int] = defaultdict(int)
    placed: dict[int, Placed] = {}
    for place, one in enumerate(view.entities):
        row = rows[one.distance]
        if row >= MOST_ROWS:
            continue
        rows[one.distance] += 1
        text = clip(f"{one.kind} {visible(one.name)}", _NAME_COLUMNS)
        placed[place] = Placed(one.distance * COLUMN_WIDTH + 14, row * ROW_HEIGHT + 18, one, text)
    lines = tuple(
        Tie(placed[link.first].x - 6, placed[link.first].y - 4, placed[link.second].x - 6, placed[link.second].y - 4)
        for link in view.links
        if link.first in placed and link.second in placed
    )
    height = max(rows.values(), default=1) * ROW_HEIGHT + 12
    width = (max(rows, default=0) + 1) * COLUMN_WIDTH
    return NeighbourhoodDrawing(width, height, tuple(placed.values()), lines, len(view.entities) - len(placed))
