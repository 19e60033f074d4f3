"""What the nodes did in a span of time, unit by unit: allocated, down, in maintenance, drained, idle, …. Pure.

Owns `UnitState` and the sweep over one node. Invariant: each second of each core (GPU, MiB, node) has one state, so
that the states of a span add up to what the nodes had in it. The order of precedence: allocated, down, maintenance,
drained, reserved, powered off, future, idle; a draining node's busy cores are allocated, its free ones drained. What
jobs hold beyond what a node has is `OVERSUBSCRIBED`, outside the sum. A partition has the whole of each of its nodes,
so that partitions that share nodes do not add up to the cluster. Fed by `spans`; feeds `node_keeping` and `read`.
"""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from slurmlens.hub.usage.charges import MIB

CLUSTER = ""
"""The name under which the sums of the whole cluster stand beside those of its partitions."""


class UnitState(enum.Enum):
    """What a second of a unit was spent on."""

    ALLOCATED = "allocated"
    DOWN = "down"
    MAINTENANCE = "maintenance"
    DRAINED = "drained"
    RESERVED = "reserved"
    POWERED_OFF = "powered off"
    FUTURE = "future"
    IDLE = "idle"
    UNKNOWN = "unknown"
    OVERSUBSCRIBED = "oversubscribed"


_BY_WORD = (
    (UnitState.DOWN, {"DOWN", "ERROR", "FAIL", "NOT_RESPONDING", "UNKNOWN"}),
    (UnitState.MAINTENANCE, {"MAINT", "MAINTENANCE", "REBOOT_ISSUED"}),
    (UnitState.DRAINED, {"DRAIN", "DRAINED", "DRAINING", "FAILING"}),
    (UnitState.RESERVED, {"RESERVED"}),
    (UnitState.POWERED_OFF, {"POWERED_DOWN", "POWERING_DOWN", "POWER_DOWN", "POWERING_UP"}),
    (UnitState.FUTURE, {"FUTURE"}),
)
_GPU = re.compile(r"gpu(?::(?!\d+(?:[,(]|$))[^:,(]+)?(?::(\d+))?(?:\([^)]*\))?(?:,|$)")


def free_state(words: str | None) -> UnitState:
    """What the free part of a node counts as; `words` are its state in Slurm's words, None where nobody told it."""
    if words is None:
        return UnitState.UNKNOWN
    told = set(words.upper().split("+"))
    return next((state for state, names in _BY_WORD if told & names), UnitState.IDLE)


def gpus_in(gres: str | None) -> int:
    """How many GPUs a node's Gres names, of all types.

    >>> gpus_in("gpu:a100:4(S:0-1),shard:8,gpu:2")
    6
    """
    return sum(int(count or 1) for count in _GPU.findall(gres or ""))


class Amounts(NamedTuple):
    """So much of a node at a moment."""

    nodes: int = 0
    cores: int = 0
    gpus: int = 0
    memory_mib: int = 0


class NodeSums(NamedTuple):
    """Amounts times seconds."""

    node_s: int = 0
    core_s: int = 0
    gpu_s: int = 0
    memory_mib_s: int = 0

    def plus(self, other: NodeSums) -> NodeSums:
        """The sum of both."""
        return NodeSums(*(one + more for one, more in zip(self, other, strict=True)))

    def minus(self, other: NodeSums) -> NodeSums:
        """The difference."""
        return NodeSums(*(one - more for one, more in zip(self, other, strict=True)))


class NodeHold(NamedTuple):
    """What one run holds of one node, from when to when (seconds, half open)."""

    from_s: int
    to_s: int
    amounts: Amounts


class NodeValue(NamedTuple):
    """A value of a node that held from when to when (seconds, half open): its state, cores, memory, Gres."""

    from_s: int
    to_s: int
    value: str | int


class NodeSpan(NamedTuple):
    """All that is known of one node in a span. `partitions` are by name, each with when the node belonged to it."""

    states: tuple[NodeValue, ...] = ()
    cores: tuple[NodeValue, ...] = ()
    memory_bytes: tuple[NodeValue, ...] = ()
    gres: tuple[NodeValue, ...] = ()
    partitions: Mapping[str, tuple[tuple[int, int], ...]] = MappingProxyType({})
    held: tuple[NodeHold, ...] = ()


NodeTime = Mapping[tuple[str, UnitState], NodeSums]
"""By partition (or `CLUSTER`) and state."""


def node_time(nodes: Iterable[NodeSpan], from_s: int, to_s: int) -> dict[tuple[str, UnitState], NodeSums]:
    """What these nodes did within [from_s, to_s); a node is there while its cores are known."""
    sums: defaultdict[tuple[str, UnitState], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for node in nodes:
        for begin_s, end_s in pairwise(_cuts(node, from_s, to_s)):
            capacity = _capacity(node, begin_s)
            if capacity is None:
                continue
            places = [CLUSTER, *(name for name, spans in node.partitions.items() if _within(spans, begin_s))]
            for state, amounts in _split(node, capacity, begin_s):
                for place in places:
                    total = sums[place, state]
                    for position, amount in enumerate(amounts):
                        total[position] += amount * (end_s - begin_s)
    return {key: NodeSums(*total) for key, total in sums.items() if any(total)}


def _cuts(node: NodeSpan, from_s: int, to_s: int) -> list[int]:
    """The moments between which nothing of a node changes."""
    spans = [(one.from_s, one.to_s) for one in (*node.states, *node.cores, *node.memory_bytes, *node.gres)]
    spans += [(one.from_s, one.to_s) for one in node.held]
    spans += [span for own in node.partitions.values() for span in own]
    moments = {moment for span in spans for moment in span if from_s < moment < to_s}
    return [from_s, *sorted(moments), to_s] if from_s < to_s else []


def _at(values: Iterable[NodeValue], at_s: int) -> str | int | None:
    """Of several sources the one that began to hold last."""
    found = [one for one in values if one.from_s <= at_s < one.to_s]
    return max(found, key=lambda one: one.from_s).value if found else None


def _within(spans: Iterable[tuple[int, int]], at_s: int) -> bool:
    return any(begin_s <= at_s < end_s for begin_s, end_s in spans)


def _capacity(node: NodeSpan, at_s: int) -> Amounts | None:
    cores = _at(node.cores, at_s)
    if cores is None:
        return None
    memory, gres = _at(node.memory_bytes, at_s), _at(node.gres, at_s)
    return Amounts(1, int(cores), gpus_in(None if gres is None else str(gres)), int(memory or 0) // MIB)


def _split(node: NodeSpan, capacity: Amounts, at_s: int) -> Iterator[tuple[UnitState, Amounts]]:
    """What of a node is in which state at a moment."""
    holding = [one.amounts for one in node.held if one.from_s <= at_s < one.to_s]
    asked = Amounts(*(sum(amounts) for amounts in zip(*holding, strict=True))) if holding else Amounts()
    held = Amounts(*map(min, asked, capacity))
    words = _at(node.states, at_s)
    free = Amounts(*(has - takes for has, takes in zip(capacity, held, strict=True)))
    beyond = Amounts(*(wants - takes for wants, takes in zip(asked, held, strict=True)))
    yield UnitState.ALLOCATED, held
    yield free_state(None if words is None else str(words)), free
    yield UnitState.OVERSUBSCRIBED, beyond._replace(nodes=0)


def shares(total: int, parts: int) -> Iterator[int]:
    """A whole number in so many whole parts that differ by one at most, the larger ones first."""
    quotient, rest = divmod(total, parts)
    return (quotient + (place < rest) for place in range(parts))
