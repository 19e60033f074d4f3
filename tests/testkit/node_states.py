"""What a node daemon says of itself, for tests of those who ask."""

from __future__ import annotations

from slurmlens.clock import NS_PER_S
from slurmlens.node.status import NodeStatus, SamplerStatus

NOW_NS = 1_795_420_800 * NS_PER_S

SAMPLER = SamplerStatus(
    interval_s=10.0,
    cgroups=6,
    cost_share=0.0012,
    budget_share=0.02,
    last_tick_s=0.0041,
    longest_tick_s=0.009,
    ticks=100,
    missed_ticks=0,
    thinning=1,
    profile_bytes=4096,
)

IDLE = NodeStatus(
    version="0.1.0",
    cluster="demo",
    node="n0",
    boot_id="b",
    time_ns=NOW_NS,
    uptime_s=7300.0,
    slots=16,
    profile_interval_s=300.0,
    dropbox_open=True,
    dropbox_waiting=0,
    cgroup_tree_found=True,
    cgroup_tree_watched=True,
    unnamed_cgroups=0,
    jobs=(),
    sampler=SAMPLER,
    sinks=(),
    stages={},
    counters={},
)
"""Well, and with nothing to do."""
