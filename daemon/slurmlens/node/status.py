"""How the node daemon fares: what its status socket says.

Owns the document and its figures, as carbon and Prometheus receive them. Made by `pipeline` at each question.
"""

from __future__ import annotations

import msgspec

from slurmlens.delivery.status import ConsulStatus, SinkStatus, SpoolStatus, spool_figures


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One job on this node; `phase` is the registry's word."""

    job_id: int
    sighting: str
    phase: str
    slot: int | None
    cgroups: int
    since_ns: int


class SamplerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What sampling costs against its budget (shares of one core)."""

    interval_s: float
    cgroups: int
    cost_share: float
    budget_share: float
    last_tick_s: float
    longest_tick_s: float
    ticks: int
    missed_ticks: int
    thinning: int
    profile_bytes: int


class CollectorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What one collector of the node itself costs: CPU time of a reading, and its share of one core.

    It is read in every `stretch`-th round; `problem` is "" where all is well.
    """

    collector: str
    cost_s: float
    share: float
    stretch: int = 1
    problem: str = ""
    devices_left_out: int = 0


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer; `counters` are spelled as Prometheus does."""

    version: str
    cluster: str
    node: str
    boot_id: str
    time_ns: int
    uptime_s: float
    cpu_s: float | None = None
    resident_bytes: int | None = None
    slots: int
    profile_interval_s: float
    dropbox_open: bool
    dropbox_waiting: int
    dropbox_full: bool = False
    cgroup_tree_found: bool
    cgroup_tree_watched: bool
    unnamed_cgroups: int
    jobs: tuple[JobStatus, ...]
    sampler: SamplerStatus | None
    sinks: tuple[SinkStatus, ...]
    stages: dict[str, str]
    counters: dict[str, float]
    spool: SpoolStatus | None = None
    consul: ConsulStatus | None = None
    collectors: tuple[CollectorStatus, ...] = ()


FIGURE_TEXTS = {
    "uptime_s": "time since the daemon started",
    "process_cpu_s_total": "CPU time of the daemon",
    "process_resident_bytes": "resident memory of the daemon",
    "jobs_count": "jobs on this node",
    "dropbox_waiting_count": "hook events that are not in the spool yet",
    "sampler_cgroups_count": "cgroups that are read",
    "sampler_cost_ratio": "share of one core that sampling costs",
    "sampler_budget_ratio": "share of one core that sampling may cost",
    "sampler_last_tick_s": "duration of the last tick",
    "sampler_longest_tick_s": "duration of the longest tick so far",
    "sampler_ticks_total": "ticks",
    "sampler_missed_ticks_total": "ticks that were left out",
    "collectors_cost_ratio": "share of one core that the collectors of the node itself cost",
    "profile_bytes": "memory of the flight recorder",
    "spool_bytes": "what waits in the spool for receivers",
    "spool_limit_bytes": "what may wait there",
    "spool_stored_bytes": "what of it is on the disk",
    "spool_well": "1: the spool's disk is in order; 0: it fails, or there is none",
}


def figures(status: NodeStatus) -> dict[str, float]:
    """What of a status is a number and no counter, by the names of `FIGURE_TEXTS`; what is not known is not there."""
    sampler = status.sampler
    found: dict[str, float | None] = {
        "uptime_s": status.uptime_s,
        "process_cpu_s_total": status.cpu_s,
        "process_resident_bytes": status.resident_bytes,
        "jobs_count": len(status.jobs),
        "dropbox_waiting_count": status.dropbox_waiting,
    }
    if sampler is not None:
        found |= {
            "sampler_cgroups_count": sampler.cgroups,
            "sampler_cost_ratio": sampler.cost_share,
            "sampler_budget_ratio": sampler.budget_share,
            "sampler_last_tick_s": sampler.last_tick_s,
            "sampler_longest_tick_s": sampler.longest_tick_s,
            "sampler_ticks_total": sampler.ticks,
            "sampler_missed_ticks_total": sampler.missed_ticks,
            "profile_bytes": sampler.profile_bytes,
        }
    if status.collectors:
        found["collectors_cost_ratio"] = sum(one.share for one in status.collectors)
    if status.spool is not None:
        found |= spool_figures(status.spool)
    return {name: value for name, value in found.items() if value is not None}
