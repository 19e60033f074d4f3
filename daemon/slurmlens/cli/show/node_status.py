"""What `slurmlens status` says of the node daemon.

Owns the wording; the facts are `node.status.NodeStatus`. Used by `status`.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from slurmlens.cli.show.status_words import age, consul_lines, delivery_troubles, sink_line, spool_line, trouble_lines
from slurmlens.delivery.status_socket import Refusal
from slurmlens.node.status import CollectorStatus, NodeStatus, SamplerStatus

HOOK_EVENTS_LOST = "hook_events_lost_total"
"""The counter of `dropbox.losses`."""


def decode(answer: bytes) -> NodeStatus | Refusal:
    """What the daemon said. Raises msgspec.DecodeError for what no daemon says."""
    try:
        return msgspec.json.decode(answer, type=NodeStatus)
    except msgspec.ValidationError:
        return msgspec.json.decode(answer, type=Refusal)


def troubles_of(status: NodeStatus) -> Iterator[str]:
    """What an operator should look at, in words."""
    if not status.dropbox_open:
        yield "the dropbox folder is not there: no hook event arrives"
    if status.dropbox_full:
        yield "the dropbox is full: hooks cannot leave their events, which are lost"
    lost = sum(value for name, value in status.counters.items() if name.startswith(HOOK_EVENTS_LOST))
    if lost:
        yield f"{lost:.0f} hook events were lost since the daemon began: see lost/ beside the dropbox"
    yield from delivery_troubles(status.sinks, status.stages, status.spool, status.consul)
    if status.sampler is not None and status.sampler.thinning > 1:
        yield f"sampling costs more than its budget: one tick in {status.sampler.thinning} is read"
    for one in status.collectors:
        if one.problem:
            yield f"collector {one.collector}: {one.problem}"


def render(status: NodeStatus, troubles: list[str]) -> str:
    """The page in the terminal."""
    lines = [f"slurmlens-node {status.version}  {status.cluster}/{status.node}  up {age(status.uptime_s)}", ""]
    lines += [trouble_lines(troubles)] * bool(troubles)
    if status.sampler is not None:
        lines += [_sampler_line(status.sampler), ""]
    lines += _collector_lines(status.collectors)
    lines += [sink_line(sink) for sink in status.sinks]
    lines += [] if status.sinks else ["  no receivers: nothing is sent anywhere"]
    lines += [] if status.spool is None else [spool_line(status.spool)]
    lines += [] if status.consul is None else consul_lines(status.consul)
    if not status.cgroup_tree_found:
        lines += ["", "  Slurm has made no cgroups for this node, or not yet: nothing is measured"]
    lines += ["", f"  {len(status.jobs)} jobs, {status.dropbox_waiting} hook events on their way"]
    for job in status.jobs:
        slot = "rest" if job.slot is None else str(job.slot)
        running = age((status.time_ns - job.since_ns) / 1e9)
        lines.append(f"    job {job.job_id:<10} slot {slot:<4} {job.phase:<7} for {running}")
    return "\n".join(lines) + "\n"


def _collector_lines(collectors: tuple[CollectorStatus, ...]) -> list[str]:
    """All together, and the three that cost most."""
    if not collectors:
        return []
    share = sum(one.share for one in collectors)
    lines = [f"  the node itself: {len(collectors)} collectors, {share:.3%} of a core together"]
    for one in collectors[:3]:
        every = f", every {one.stretch} rounds" if one.stretch > 1 else ""
        more = f", {one.devices_left_out} devices left out" if one.devices_left_out else ""
        lines.append(f"    {one.collector:<12} {one.cost_s * 1000:.2f} ms a reading{every}{more}")
    return [*lines, ""]


def _sampler_line(sampler: SamplerStatus) -> str:
    tick_ms = sampler.last_tick_s * 1000
    cost = f"{sampler.cost_share:.3%} of a core (budget {sampler.budget_share:.1%})"
    what = f"{sampler.cgroups} cgroups every {sampler.interval_s:g} s"
    return f"  sampling {what}: last tick {tick_ms:.1f} ms, {cost}, {sampler.missed_ticks} ticks missed"
