"""What usage answers, as frozen values: for a window, who used what, what the nodes did, and how runs fared.

Owns the types between `read`, which makes them of rows, and the pure judgements and views. Does no input or output.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from slurmlens.hub.usage.charges import UsageKey, UsageSums
from slurmlens.hub.usage.node_time import NodeSums, UnitState
from slurmlens.shown import format as fmt


class UsageWindow(msgspec.Struct, frozen=True):
    """A span of time in whole seconds since the epoch, half open."""

    from_s: int
    to_s: int

    @property
    def seconds(self) -> int:
        """How long it is."""
        return self.to_s - self.from_s


class UsageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Whose usage alone; None is everybody's. `job_type` is a kind of jobs, as `charges.job_type` writes it."""

    partition: str | None = None
    user: str | None = None
    account: str | None = None
    qos: str | None = None
    job_type: str | None = None


class UsageBacklog(msgspec.Struct, frozen=True):
    """What is still to be counted: jobs to be charged anew, hours of the nodes to be counted again."""

    jobs: int = 0
    hours: int = 0

    @property
    def words(self) -> str:
        """Both, as far as there are any; empty where all is counted."""
        jobs = fmt.count(self.jobs, "job") if self.jobs else ""
        hours = f"{fmt.count(self.hours, 'hour')} of the nodes" if self.hours else ""
        return ", ".join(part for part in (jobs, hours) if part)


class UsageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Who used what in a window. `by_key` holds every part once, so that any sums over it are of the same whole."""

    window: UsageWindow
    by_key: Mapping[UsageKey, UsageSums]
    backlog: UsageBacklog = UsageBacklog()


class NodeTimeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the nodes did in a window: by partition ("" is the cluster) and state; and of the cluster by hour."""

    window: UsageWindow
    totals: Mapping[tuple[str, UnitState], NodeSums]
    course: Mapping[tuple[int, UnitState], NodeSums]


class DayFigure(msgspec.Struct, frozen=True):
    """One day of UTC, by its first second, and a figure of it."""

    day_s: int
    value: float


class HourFigure(msgspec.Struct, frozen=True):
    """One hour, by its first second, and a figure of it."""

    hour_s: int
    value: float


class WaitCount(msgspec.Struct, frozen=True):
    """So many runs that started in the window had waited so long; `name` is whose they are: the partition's, user's or
    account's that was asked for."""

    name: str
    size_class: int
    wait_s: int
    runs: int


class JobTypeUse(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of one kind of job (name with its numbers taken out, size class) that started in the window."""

    job_type: str
    size_class: int
    runs: int
    users: int
    core_s: int
    failed: int


class UserHabits(msgspec.Struct, frozen=True, kw_only=True):
    """How one user's runs that started in the window and are over used what they were given.

    `measured_core_s` are the core-seconds of those runs of which CPU time was measured, `cpu_ms` that time; the same of
    memory. `idle_core_s` are core-seconds of runs whose CPU time was under a twentieth of what they held.
    """

    user: str
    runs: int
    failed: int
    short: int
    core_s: int
    measured_core_s: int
    cpu_ms: int
    idle_core_s: int
    given_mib_s: int
    peak_mib_s: int
    limit_core_s: int
    limited_core_s: int


class SubmitBurst(msgspec.Struct, frozen=True):
    """So many runs of a user were submitted in ten minutes from `from_s` on: the most of any ten in the window."""

    user: str
    from_s: int
    runs: int


class StartedRuns(msgspec.Struct, frozen=True, kw_only=True):
    """What the runs that started in a window were like: the most common kinds of jobs, every user's habits, and every
    user's largest burst, the largest first."""

    job_types: tuple[JobTypeUse, ...]
    habits: tuple[UserHabits, ...]
    bursts: tuple[SubmitBurst, ...]


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a node took no new jobs, as its states say; `to_s` is None while it lasts.

    `is_fault`: it began with a failure, not with somebody draining the node. `reacted_s` is when a person first gave
    the node a reason; None where nobody did.
    """

    node: str
    from_s: int
    to_s: int | None
    state: str
    is_fault: bool
    reason: str | None = None
    reacted_s: int | None = None
    reacted_by: str | None = None
