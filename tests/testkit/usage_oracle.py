"""Usage counted the slow way: second by second, or by sweeping over all beginnings and ends.

Shares none of the product's arithmetic.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from slurmlens.hub.usage.charges import HOUR_S, RunCharge, UsageKey
from slurmlens.hub.usage.facts import UsageWindow
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


class StartedSlowly(NamedTuple):
    """Runs that started in a window, one after the other: by kind and size how many, whose, core-seconds and failures;
    by user his sums; by user his most runs within the ten minutes from a moment on; by name and size all waits."""

    kinds: dict[tuple[str, int], tuple[int, int, int, int]]
    habits: dict[str, Counter[str]]
    bursts: dict[str, tuple[int, int]]
    waits: dict[str, dict[tuple[str, int], list[int]]]


def started_slowly(charges: Iterable[RunCharge], window: UsageWindow) -> StartedSlowly:
    """What the runs that started within the window were like."""
    own = [one for one in charges if window.from_s <= one.start_s < window.to_s]
    over = [one for one in own if not one.is_open]
    kinds = {}
    for kind in {(one.job_type, one.size_class) for one in over}:
        those = [one for one in over if (one.job_type, one.size_class) == kind]
        failed = sum(_is_failed(one) for one in those)
        kinds[kind] = len(those), len({one.key.user for one in those}), sum(map(_core_s, those)), failed
    habits: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in over:
        habits[one.key.user].update(_habits_of(one))
    slots = Counter((one.key.user, one.submit_s // 600 * 600) for one in own if one.submit_s is not None)
    bursts = {}
    for user in {user for user, _ in slots}:
        most = max(count for (name, _), count in slots.items() if name == user)
        bursts[user] = min(slot_s for (name, slot_s), count in slots.items() if (name, count) == (user, most)), most
    waits: dict[str, dict[tuple[str, int], list[int]]] = {}
    for dimension in ("partition", "user", "account", "qos"):
        found: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        for one in own:
            found[getattr(one.key, dimension), one.size_class].append(one.wait_s)
        waits[dimension] = {place: sorted(values) for place, values in found.items()}
    return StartedSlowly(kinds, habits, bursts, waits)


def _core_s(one: RunCharge) -> int:
    return one.core_count * (one.end_s - one.start_s)


def _is_failed(one: RunCharge) -> bool:
    return one.key.state in {"BOOT_FAIL", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}


def _habits_of(one: RunCharge) -> dict[str, int]:
    core_s, lasted_s = _core_s(one), one.end_s - one.start_s
    found = {"runs": 1, "failed": int(_is_failed(one)), "short": int(lasted_s < 60), "core_s": core_s}
    if one.cpu_ms:
        found |= {"measured_core_s": core_s, "cpu_ms": one.cpu_ms}
        if one.cpu_ms / 1000 < core_s / 20:
            found["idle_core_s"] = core_s
    if one.peak_mib:
        found |= {"given_mib_s": one.memory_mib * lasted_s, "peak_mib_s": one.peak_mib * lasted_s}
    if one.limit_s is not None:
        found |= {"limit_core_s": one.core_count * one.limit_s, "limited_core_s": core_s}
    return found
