"""What the cores did over time, as stacked bars: positions for the template, pure.

A thousand units wide over the window, a hundred high for all core-seconds of the fullest bar; states stand on each
other in one order, what was used below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slurmlens.hub.usage.node_time import UnitState
from slurmlens.hub.views.management.view import CourseBin
from slurmlens.shown import format as fmt

WIDTH, HEIGHT = 1000.0, 100.0
_AIR = 0.6


@dataclass(frozen=True, slots=True)
class UsageBlock:
    """One state's part of one bar; `style` is the state as a class of the sheet."""

    x: float
    y: float
    width: float
    height: float
    style: str


@dataclass(frozen=True, slots=True)
class UsageBar:
    """One stretch of the window with what it was spent on, in words."""

    blocks: tuple[UsageBlock, ...]
    from_s: int
    words: str


def draw_course(course: Sequence[CourseBin], from_s: int, to_s: int) -> tuple[UsageBar, ...]:
    """The bars, by their time; their height is core-seconds a second, so that a cut hour is no lower."""
    span = max(1, to_s - from_s)
    most = max((sum(one.core_s.values()) / max(1, one.to_s - one.from_s) for one in course), default=0)
    return tuple(_bar(one, from_s, span, most) for one in course) if most else ()


def _bar(one: CourseBin, from_s: int, span: int, most: float) -> UsageBar:
    seconds = max(1, one.to_s - one.from_s)
    x, width = WIDTH * (one.from_s - from_s) / span, WIDTH * seconds / span
    y, blocks, total = HEIGHT, [], sum(one.core_s.values())
    for state in UnitState:
        amount = one.core_s.get(state.value, 0)
        if amount:
            height = HEIGHT * amount / seconds / most
            y -= height
            width_seen = max(0.3, width - _AIR)
            blocks.append(
                UsageBlock(round(x, 2), round(y, 2), round(width_seen, 2), round(height, 2), style_of(state.value))
            )
    told = ", ".join(f"{state} {fmt.percent(amount / total)}" for state, amount in one.core_s.items() if total)
    return UsageBar(tuple(blocks), one.from_s, told)


def style_of(state: str) -> str:
    """A state as a class of the sheet."""
    return "use-" + state.replace(" ", "-")
