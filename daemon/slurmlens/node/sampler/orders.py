"""What the engine is ordered and what it answers: its settings, what to watch, and a sighting's last word."""

from __future__ import annotations

from pathlib import Path

import msgspec

from slurmlens.cgroup.layout import CgroupPlace
from slurmlens.events import Profile, StepTotals, Totals
from slurmlens.node.sampler.points import Lines


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine must be given; the names are those of `config.node`."""

    cluster: str
    node: str
    proc_root: Path
    interval_s: float
    slow_every: int
    slots: int
    max_points: int
    memory_limit_bytes: int
    budget_share: float = 0.02


class JobOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A job's cgroup that is to be watched.

    `newborn`: it appeared before our eyes, so its time zero is now. `from_zero`: its counters began with this run.
    `earlier_steps` is what an earlier daemon saw of its steps.
    """

    number: int
    job_id: int
    slot: int | None
    name: str
    place: CgroupPlace
    parent: CgroupPlace
    newborn: bool
    from_zero: bool = True
    earlier_steps: tuple[StepTotals, ...] = ()


class StepOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A step's cgroup that is to be watched, inside its job's."""

    number: int
    name: str
    step: str
    place: CgroupPlace
    newborn: bool


class Finished(msgspec.Struct, frozen=True):
    """A sighting's last word."""

    totals: Totals
    profile: Profile | None
    lines: Lines
