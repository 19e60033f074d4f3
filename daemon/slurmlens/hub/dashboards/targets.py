"""Graphite's expressions for our series.

Owns every expression that a board asks. Invariant: a name that somebody chose enters one through `wire.carbon` alone,
as letters, digits, `_` and `-`, so it can be no function, brace, quote, pattern, level or variable. Levels are counted
from 0: `slurm`, cluster, `nodes`, node, `slots`, slot, metric. Format: functions of graphite-web 1.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from slurmlens.wire.carbon import component, host_component

ANY = "*"
NODE_LEVEL = 3
SLOT_LEVEL = 5


class NamedSeries(NamedTuple):
    """Series and what names their curves: that comes last, else a curve is named by the function around it."""

    series: str
    head: str
    tail: str

    @property
    def up(self) -> str:
        """The expression."""
        return f"{self.head}{self.series}{self.tail}"

    @property
    def down(self) -> str:
        """The expression, drawn below the axis."""
        return f"{self.head}scale({self.series},-1){self.tail}"


def any_of(names: Sequence[str]) -> str:
    """A pattern for one of these nodes; names are as Slurm has them."""
    parts = sorted({host_component(name) for name in names})
    return parts[0] if len(parts) == 1 else f"{{{','.join(parts)}}}"


def slot_series(cluster: str, node: str, slot: str, *metrics: str) -> str:
    """Jobs' series; `node` and `slot` are patterns, of several metrics a node has one or the other."""
    return f"{every_slot(cluster, node).removesuffix(ANY)}{slot}.{_either(metrics)}"


def node_series(cluster: str, node: str, *metrics: str) -> str:
    """Series of nodes themselves; `node` is a pattern."""
    return f"{every_node(cluster).removesuffix(ANY)}{node}.node.{_either(metrics)}"


def every_node(cluster: str) -> str:
    """A pattern that finds the nodes, for a variable."""
    return f"slurm.{component(cluster)}.nodes.*"


def every_slot(cluster: str, node: str) -> str:
    """A pattern that finds the slots of nodes, for a variable."""
    return f"{every_node(cluster).removesuffix(ANY)}{node}.slots.*"


def queue_series(whose: str, state: str, leaf: str) -> str:
    """The queue's series under the names of 2015; `whose` is from `user_queue` or "total", "users.*", "groups.*"."""
    return f"slurm.stats.{whose}.{state}.{leaf}"


def user_queue(user: str) -> str:
    """Whose a queue's series is: this user's."""
    return f"users.{component(user)}"


def context_switches(node: str) -> str:
    """Context switches a second under the name of 2015; `node` is a pattern."""
    return f"servers.{node}.proc.ctxt"


def by_level(series: str, *levels: int) -> NamedSeries:
    """Curves named by levels of their path."""
    return NamedSeries(series, "aliasByNode(", f",{','.join(map(str, levels))})")


def labelled(series: str, label: str) -> NamedSeries:
    """One curve; `label` is a word of ours."""
    return NamedSeries(series, "alias(", f",'{label}')")


def total(series: str, label: str) -> NamedSeries:
    """One curve, the sum; `label` is a word of ours."""
    return labelled(f"sumSeries({series})", label)


def total_by_node(series: str) -> str:
    """A curve a node, the sum over its slots."""
    return f"groupByNode({series},{NODE_LEVEL},'sum')"


def highest(series: str, count: int) -> str:
    """The few with the highest mean."""
    return f"highestAverage({series},{count})"


def within(series: str, begin_s: int | None, end_s: int | None) -> str:
    """Nothing before and after: a slot has other holders then."""
    if begin_s is None:
        return series
    end = "" if end_s is None else f",'{end_s}'"
    return f"timeSlice({series},'{begin_s}'{end})"


def _either(metrics: Sequence[str]) -> str:
    return metrics[0] if len(metrics) == 1 else f"{{{','.join(metrics)}}}"
