"""Usage counted the slow way: second by second, or by sweeping over all beginnings and ends.

Shares none of the product's arithmetic.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

from slurmlens.hub.usage.charges import HOUR_S, RunCharge, UsageKey
from slurmlens.hub.usage.node_time import CLUSTER, NodeSpan, UnitState

Counts = Mapping[tuple[int, UsageKey], Counter[str]]


def by_sweeping(charges: Iterable[RunCharge]) -> Counts:
    """Seconds of nodes, cores, GPUs and memory by hour and key: the level between one change and the next, held up."""
    changes: defaultdict[UsageKey, defaultdict[int, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for one in charges:
        amounts = {
            "node_s": one.node_count,
            "core_s": one.core_count,
            "gpu_s": one.gpu_count,
            "memory_mib_s": one.memory_mib,
        }
        for name, amount in amounts.items():
            changes[one.key][one.start_s][name] += amount
            changes[one.key][one.end_s][name] -= amount
    found: defaultdict[tuple[int, UsageKey], Counter[str]] = defaultdict(Counter)
    for key, own in changes.items():
        first, last = min(own), max(own)
        moments = sorted(own.keys() | set(range(first // HOUR_S * HOUR_S + HOUR_S, last, HOUR_S)))
        level: Counter[str] = Counter()
        for moment, following in pairwise(moments):
            level.update(own.get(moment, Counter()))
            for name, amount in level.items():
                if amount:
                    found[moment // HOUR_S * HOUR_S, key][name] += amount * (following - moment)
    return found


def node_seconds(nodes: Iterable[NodeSpan], from_s: int, to_s: int) -> Mapping[tuple[str, UnitState], Counter[str]]:
    """What nodes did, one core and one second after the other; memory is left out."""
    found: defaultdict[tuple[str, UnitState], Counter[str]] = defaultdict(Counter)
    for node in nodes:
        for second in range(from_s, to_s):
            cores = next((one.value for one in node.cores if one.from_s <= second < one.to_s), None)
            if cores is None:
                continue
            words = next((str(one.value) for one in node.states if one.from_s <= second < one.to_s), None)
            free = _free(words)
            holding = [one.amounts for one in node.held if one.from_s <= second < one.to_s]
            wanted = sum(one.cores for one in holding)
            names = [CLUSTER, *(name for name, spans in node.partitions.items() if _covers(spans, second))]
            for place in names:
                for core in range(int(cores)):
                    found[place, UnitState.ALLOCATED if core < wanted else free]["core_s"] += 1
                found[place, UnitState.ALLOCATED if holding else free]["node_s"] += 1
                found[place, UnitState.OVERSUBSCRIBED]["core_s"] += max(0, wanted - int(cores))
    return found


def _covers(spans: Iterable[tuple[int, int]], second: int) -> bool:
    return any(begin <= second < end for begin, end in spans)


def _free(words: str | None) -> UnitState:
    if words is None:
        return UnitState.UNKNOWN
    if "DOWN" in words.split("+"):
        return UnitState.DOWN
    if "MAINTENANCE" in words:
        return UnitState.MAINTENANCE
    return UnitState.DRAINED if "DRAIN" in words else UnitState.IDLE
