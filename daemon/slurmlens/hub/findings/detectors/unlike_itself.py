"""A node that fares otherwise than it did itself, at this time of the day and under such load. Pure.

The last half hour of a figure is held against the same hour and a half of earlier days, of which only those five
minutes count in which the node was about as busy as now: a change of job is not a change of node. Each day is one
value, its median; at least `LEAST_DAYS` of them. It is said where at least five of six bins are beyond the cut and
beyond what matters, on one side. The cut is that of a prediction by so few days (Student's t, p = 5e-7 a side), for
every node and figure is looked at every hour. The season is the day: a fortnight is kept, and a week would want three.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, median, stdev
from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Claim, FindingKind
from slurmlens.hub.findings.observed import Observed
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.node_states.facts import NodeCourse
from slurmlens.hub.node_states.figures import BIN_S, FIGURE_BY_NAME
from slurmlens.shown import format as fmt

NOW_BINS, HELD_IN = 6, 5
LEAST_DAYS = 7
LIKE_LOAD = 0.15
IDLE_LOAD = 0.05
DAY_S = 86_400
SCORE, MOST_SCORE = 1.5, 4.0
_CUTS = {7: 20.0, 8: 15.8, 9: 13.3, 10: 11.6, 11: 10.5, 12: 9.7, 13: 9.1}
"""Student's t at 5e-7, by days: for one fewer degrees of freedom."""
_MOST_DAYS_CUT = 8.6


class PastFigure(NamedTuple):
    """A figure that is looked at: what is too little to matter (of the usual, too, where `relative`), on which sides,
    and whether only while the node is idle, because jobs move it else."""

    name: str
    least_apart: float
    relative: float = 0.0
    is_low_odd: bool = False
    only_idle: bool = False


FIGURES = (
    PastFigure("temperature", 8.0),
    PastFigure("power", 10.0, relative=0.2, is_low_odd=True),
    PastFigure("disk_latency", 0.02, relative=1.0),
    PastFigure("load", 2.0, only_idle=True),
    PastFigure("memory", 8 * 2.0**30, only_idle=True),
)
READ = ("cpu", "cores", *(figure.name for figure in FIGURES))
"""What is wanted of a course."""


def unlike_themselves(observed: Observed) -> Iterator[Claim]:
    """One claim for each node and figure."""
    now_s = observed.now_ns // NS_PER_S
    for course in observed.courses:
        shares = _shares(course)
        now = [place for place, begin_s in enumerate(course.begins_s) if begin_s >= now_s - (NOW_BINS + 1) * BIN_S]
        now = now[-NOW_BINS:]
        levels = [share for place in now if (share := shares[place]) is not None]
        if len(levels) < HELD_IN:
            continue
        level = median(levels)
        like = [
            place
            for place, begin_s in enumerate(course.begins_s)
            if begin_s < now_s - DAY_S // 2 and (share := shares[place]) is not None and abs(share - level) <= LIKE_LOAD
        ]
        for figure in FIGURES:
            if not figure.only_idle or level <= IDLE_LOAD:
                yield from _looked_at(course, figure, now, like, observed.now_ns)


def _shares(course: NodeCourse) -> list[float | None]:
    """Busy cores as a share of the node's, bin by bin."""
    cores = next((value for value in reversed(course.means.get("cores", ())) if value), None)
    busy = course.means.get("cpu", ())
    if not cores or not busy:
        return [None] * len(course.begins_s)
    return [None if value is None else value / cores for value in busy]


def _looked_at(
    course: NodeCourse, figure: PastFigure, now: Sequence[int], like: Sequence[int], now_ns: int
) -> Iterator[Claim]:
    values = course.means.get(figure.name)
    if values is None:
        return
    days = _by_day(course.begins_s, values, like, now_ns // NS_PER_S)
    present = [value for place in now if (value := values[place]) is not None]
    if len(days) < LEAST_DAYS or len(present) < HELD_IN:
        return
    usual, spread = fmean(days), stdev(days) * math.sqrt(1 + 1 / len(days))
    cut = max(_CUTS.get(len(days), _MOST_DAYS_CUT) * spread, figure.least_apart, figure.relative * abs(usual))
    above = [value for value in present if value - usual > cut]
    below = [value for value in present if usual - value > cut] if figure.is_low_odd else []
    for side in (above, below):
        if len(side) >= HELD_IN:
            yield _claim(course, figure, fmean(side), usual, cut, len(days), now_ns)


def _by_day(begins_s: Sequence[int], values: Sequence[float | None], places: Sequence[int], now_s: int) -> list[float]:
    """The median of each earlier day, counted back from now: what is looked at may lie around midnight."""
    days: dict[int, list[float]] = {}
    for place in places:
        value = values[place]
        if value is not None:
            days.setdefault((now_s - begins_s[place] + DAY_S // 2) // DAY_S, []).append(value)
    return [median(own) for own in days.values()]


def _claim(
    course: NodeCourse, figure: PastFigure, value: float, usual: float, cut: float, days: int, now_ns: int
) -> Claim:
    row = FIGURE_BY_NAME[figure.name]
    how = "higher" if value > usual else "lower"
    excess = abs(value - usual) / cut
    told, then = (fmt.amount(one, row.unit) for one in (value, usual))
    return Claim(
        kind=FindingKind.UNLIKE_ITSELF,
        subject=Entity("node", course.node),
        detail=f"{figure.name} {how}",
        score=round(min(SCORE + 2 * math.log10(excess), MOST_SCORE), 2),
        p=1e-6,
        basis=f"{excess:.1f} times the cut of a prediction by {days} earlier days at this time of the day under such"
        f" load (Student's t, p = 1e-06), in {HELD_IN} of {NOW_BINS} bins of {fmt.duration(BIN_S)}",
        from_ns=now_ns - NOW_BINS * BIN_S * NS_PER_S,
        to_ns=now_ns,
        sentence=f"{course.node}: {row.title} is {told}; at this time of the day under such load it was {then} on"
        f" {days} earlier days.",
        hint=f"{course.node} is not as it was.",
        values={"node": course.node, "figure": row.title, "value": told, "usual": then},
    )
