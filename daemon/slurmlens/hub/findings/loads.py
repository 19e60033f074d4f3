"""A run's facts as detectors want them: its nodes' courses on common intervals. Pure.

Owns the resampling: means over `INTERVAL_S` where the courses are that fine, over the coarsest course's bins where not,
aligned to the clock, so that interval i is the same stretch of time on each node. Fed by `stage` with history's facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.observed import GpuLoad, NodeLoad, RunLoad
from slurmlens.hub.history.conclude.run_extent import RunExtent, run_extent
from slurmlens.hub.history.facts import JobFacts, NodeFacts
from slurmlens.hub.history.profiles.course import Course
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.node_states.facts import JobGpu

INTERVAL_S = 60.0
MOST_INTERVALS = 240
MOST_NODES = 512
"""Of a wider run the first ones are looked at."""


def load_of(facts: JobFacts) -> RunLoad:
    """What detectors look at; courses are empty where no node told any."""
    extent = _extent(facts)
    nodes = facts.nodes[:MOST_NODES]
    courses = [node.profile for node in nodes if node.profile is not None and node.profile.count]
    width_ns = _width_ns(courses)
    end_ns = min((course.end_ns for course in courses), default=0) // width_ns * width_ns
    begin_ns = max((course.start_ns for course in courses), default=0)
    count = min(MOST_INTERVALS, max(0, (end_ns - begin_ns) // width_ns))
    start_ns = end_ns - count * width_ns
    return RunLoad(
        run=placed(facts, extent),
        width_s=width_ns / NS_PER_S,
        start_ns=start_ns,
        nodes=tuple(_node_load(node, extent, start_ns, width_ns, count) for node in nodes),
        exit_code=facts.outcome.exit_code,
        exit_signal=facts.outcome.exit_signal,
        limit_s=extent.limit_s,
    )


def gpu_loads(told: Iterable[JobGpu]) -> tuple[GpuLoad, ...]:
    """What detectors look at of a run's GPUs; those that it has given back are left out."""
    return tuple(
        GpuLoad(
            node=one.node,
            name=one.gpu.pci or one.holding.uuid,
            told_ns=one.holding.told_ns,
            seen_s=one.holding.seen_s,
            busy_s=one.holding.busy_s,
            idle_s=one.holding.idle_s,
            processes=one.holding.processes,
            is_shared=one.holding.is_shared,
        )
        for one in told
        if not one.holding.has_ended
    )


def placed(facts: JobFacts, extent: RunExtent) -> PlacedRun:
    """The run as the inventory's questions have it."""
    record, told = facts.record, facts.identity
    return PlacedRun(
        job_id=facts.job_id,
        run=facts.run,
        state=facts.outcome.state,
        name=(record.name if record else None) or (told.job_name if told else None),
        user=(record.user if record else None) or (told.user_name if told else None),
        account=(record.account if record else None) or (told.account if told else None),
        partition=(record.partition if record else None) or (told.partition if told else None),
        start_ns=facts.start_ns,
        end_ns=facts.end_ns,
        nodes=extent.nodes,
    )


def _extent(facts: JobFacts) -> RunExtent:
    return run_extent(
        facts.outcome.state,
        facts.record,
        facts.identity,
        reporting=(node.node for node in facts.nodes),
        start_ns=facts.start_ns,
        end_ns=facts.end_ns,
        now_ns=facts.as_of_ns,
    )


def _width_ns(courses: Sequence[Course]) -> int:
    """The least multiple of the coarsest bins that is an interval long; short runs are seen by their own bins."""
    widest = max((course.width_ns for course in courses), default=round(INTERVAL_S * NS_PER_S))
    span_ns = max((course.count * course.width_ns for course in courses), default=0)
    wanted_ns = round(INTERVAL_S * NS_PER_S) if span_ns >= 16 * INTERVAL_S * NS_PER_S else widest
    return widest * max(1, round(wanted_ns / widest))


def _node_load(node: NodeFacts, extent: RunExtent, start_ns: int, width_ns: int, count: int) -> NodeLoad:
    totals, course = node.totals, node.profile
    cores = extent.cores_by_node.get(node.node)
    ran_s = extent.ran_s or 0.0
    stood_memory = totals.pressure_memory_some_s if totals else None
    stood_io = totals.pressure_io_some_s if totals else None
    return NodeLoad(
        node=node.node,
        cores=None if cores is None else float(cores),
        cpu=resampled(course, "cpu_cores", start_ns, width_ns, count),
        memory=resampled(course, "memory_bytes", start_ns, width_ns, count),
        cpu_s=totals.cpu_s.value if totals and totals.cpu_s else None,
        memory_peak_bytes=totals.memory_peak_bytes.value if totals and totals.memory_peak_bytes else None,
        memory_limit_bytes=_limit(node, extent),
        oom_kills=totals.oom_kills if totals else None,
        pressure_memory_ratio=stood_memory.value / ran_s if stood_memory and ran_s else None,
        pressure_io_ratio=stood_io.value / ran_s if stood_io and ran_s else None,
        pids_peak=totals.pids_peak if totals else None,
    )


def _limit(node: NodeFacts, extent: RunExtent) -> float | None:
    if node.totals is not None and node.totals.memory_limit_bytes:
        return float(node.totals.memory_limit_bytes)
    return extent.memory_per_node_bytes


def resampled(course: Course | None, name: str, start_ns: int, width_ns: int, count: int) -> tuple[float | None, ...]:
    """Means of `count` intervals from `start_ns` on; None where nothing was measured."""
    if course is None or name not in course.mean:
        return (None,) * count
    sums, weights = [0.0] * count, [0.0] * count
    for place, (mean, weight) in enumerate(zip(course.mean[name], course.weights(name), strict=True)):
        interval = (course.start_ns + place * course.width_ns - start_ns) // width_ns
        if 0 <= interval < count and mean >= 0:
            sums[interval] += mean * weight
            weights[interval] += weight
    return tuple(total / weight if weight else None for total, weight in zip(sums, weights, strict=True))
