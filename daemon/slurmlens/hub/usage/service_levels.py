"""Whether the cluster kept what was promised: availability, waits, reaction to failures. Pure.

Owns the formulas (docs/reports.md) and `ServiceLevel`, a promise with its figure, whether it was met, and what the
figure stands on. A figure of nothing is not known, and then nothing is met or missed. Fed with `facts`; feeds views.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from slurmlens.hub.usage.facts import NodeTimeFacts, Outage, WaitCount
from slurmlens.hub.usage.node_time import CLUSTER, UnitState

OUT_OF_PLAN = frozenset({UnitState.MAINTENANCE, UnitState.POWERED_OFF, UnitState.FUTURE})
"""States in which nobody was promised a node."""
LOST = frozenset({UnitState.DOWN, UnitState.DRAINED})


class ServiceLevel(msgspec.Struct, frozen=True, kw_only=True):
    """One promise: what it is about, the figure and its goal in the same unit, and whether it was met.

    `of` says how many values the figure stands on; `is_met` is None where there are none.
    """

    name: str
    about: str = ""
    unit: str
    goal: float
    figure: float | None
    is_met: bool | None
    of: int
    median: float | None = None


def quantile(counts: Mapping[int, int], share: float) -> int | None:
    """The smallest value that so large a share of the values does not exceed; of few values the largest.

    >>> quantile({1: 10, 5: 9, 60: 1}, 0.95), quantile({3: 1, 9: 1}, 0.95), quantile({}, 0.5)
    (5, 9, None)
    """
    total = sum(counts.values())
    reached = 0
    for value in sorted(counts):
        reached += counts[value]
        if reached >= share * total:
            return value
    return None


def wait_levels(waits: Iterable[WaitCount], goal_s: float, goals: Mapping[str, float]) -> list[ServiceLevel]:
    """The 95th percentile of waits by partition and size class, of runs that started."""
    counts: dict[tuple[str, int], dict[int, int]] = {}
    for one in waits:
        own = counts.setdefault((one.name, one.size_class), {})
        own[one.wait_s] = own.get(one.wait_s, 0) + one.runs
    levels = []
    for (partition, size_class), own in sorted(counts.items()):
        figure, own_goal_s = quantile(own, 0.95), goals.get(partition, goal_s)
        levels.append(
            ServiceLevel(
                name="wait",
                about=f"{partition}/{size_class}",
                unit="s",
                goal=own_goal_s,
                figure=figure,
                is_met=None if figure is None else figure <= own_goal_s,
                of=sum(own.values()),
                median=quantile(own, 0.5),
            )
        )
    return levels


def availability(nodes: NodeTimeFacts, goal: float) -> ServiceLevel:
    """Node time in service that was neither down nor drained, of all that was to be in service."""
    own = {state: sums.node_s for (place, state), sums in nodes.totals.items() if place == CLUSTER}
    planned = sum(seconds for state, seconds in own.items() if state not in OUT_OF_PLAN)
    lost = sum(own.get(state, 0) for state in LOST)
    figure = None if not planned else 1 - lost / planned
    is_met = None if figure is None else figure >= goal
    return ServiceLevel(name="availability", unit="share", goal=goal, figure=figure, is_met=is_met, of=planned // 3_600)


def reaction(outages: Collection[Outage], goal_s: float, now_s: int) -> ServiceLevel:
    """The 95th percentile of the time from a node's failure to the first that a person did about it.

    A failure that nobody has reacted to counts up to now; one that ended by itself does not count.
    """
    times = reaction_times(outages, now_s)
    counts: dict[int, int] = {}
    for time_s in times:
        counts[time_s] = counts.get(time_s, 0) + 1
    figure = quantile(counts, 0.95)
    is_met = None if figure is None else figure <= goal_s
    return ServiceLevel(
        name="reaction",
        unit="s",
        goal=goal_s,
        figure=figure,
        is_met=is_met,
        of=len(times),
        median=quantile(counts, 0.5),
    )


def reaction_times(outages: Iterable[Outage], now_s: int) -> Sequence[int]:
    """How long each failure waited for somebody, in seconds."""
    return [
        max(0, (now_s if one.reacted_s is None else one.reacted_s) - one.from_s)
        for one in outages
        if one.is_fault and (one.reacted_s is not None or one.to_s is None)
    ]
