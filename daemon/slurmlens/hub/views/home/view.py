"""What a user's own page shows: `HomeView`, as page, terminal and JSON.

Owns the types and nothing else; made by `build`, drawn by `terminal` and `hub.web`. Jobs that run and wait are a
`JobsView`, the same as in the list of jobs.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.views.job.view import VIEW_VERSION, Advice
from slurmlens.hub.views.jobs.view import JobLine, JobsView


class FailedJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that ended unwell: what its own page says first, why where that is known, and what to do next time."""

    job: JobLine
    headline: str
    advice: tuple[Advice, ...] = ()
    cause: str | None = None


class OwnUse(msgspec.Struct, frozen=True, kw_only=True):
    """What jobs that ended used of what they held, over those of which both are known.

    `core_s` are the core-seconds they held. `unused_memory_byte_s` is memory that was held and never touched, times how
    long. `is_all`: no more jobs ended in that time than are counted here. `helps` is the one change that would give
    back most, None where nothing much was wasted; `sentence` says it all.
    """

    since_ns: int
    jobs: int = 0
    failed: int = 0
    core_s: float = 0.0
    cpu_ratio: float | None = None
    memory_ratio: float | None = None
    time_ratio: float | None = None
    unused_memory_byte_s: float = 0.0
    is_all: bool = True
    helps: str | None = None
    sentence: str = ""


class WeekUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a user's runs held in one week (from Monday, UTC, by its first second) and used of it.

    `cpu_ratio` and `gpu_ratio` are of what was held and measured, `memory_ratio` takes each run's peak for all of its
    time; `failed_ratio` is the share of core-seconds in runs that ended unwell.
    """

    from_s: int
    core_s: int
    cpu_ratio: float | None = None
    memory_ratio: float | None = None
    gpu_ratio: float | None = None
    failed_ratio: float | None = None


class HomeView(msgspec.Struct, frozen=True, kw_only=True):
    """One user's page; `failed` are the newest of the last week."""

    version: int = VIEW_VERSION
    made_ns: int
    user: str
    sentence: str
    current: JobsView
    failed: tuple[FailedJob, ...] = ()
    use: OwnUse
    weeks: tuple[WeekUse, ...] = ()
    """The last weeks, the oldest first; none where the hub keeps no usage."""
