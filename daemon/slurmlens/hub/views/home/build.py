"""A user's jobs to `HomeView`: what runs, what waits and why, what failed and what to do, what it all used.

Pure. Fed with lists and facts that history answered; drawn by the page `/me` and `slurmlens me`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.claims import Finding
from slurmlens.hub.history.conclude.run_extent import RunExtent
from slurmlens.hub.history.facts import JobFacts, JobFilter, JobList, JobRow
from slurmlens.hub.progress.facts import JobProgressFacts, JobRun
from slurmlens.hub.usage.facts import UsageFacts, UsageWindow
from slurmlens.hub.views.home.view import FailedJob, HomeView, OwnUse
from slurmlens.hub.views.home.weeks import build_weeks
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.surroundings import RunSurroundings
from slurmlens.hub.views.job.view import Advice
from slurmlens.hub.views.jobs.build import build_jobs_view, job_line, row_extent
from slurmlens.hub.views.jobs.top import is_troubled
from slurmlens.hub.views.jobs.view import JobsView
from slurmlens.shown import format as fmt
from slurmlens.slurm.records import ENDED_UNWELL

DAY_NS = 86_400 * NS_PER_S
FAILED_WITHIN_NS = 7 * DAY_NS
USED_WITHIN_NS = 30 * DAY_NS
DAY_S, WEEK_S = 86_400, 7 * 86_400
EPOCH_WEEKDAY = 3
"""The first day of 1970 was a Thursday, the fourth of its week."""
WEEKS_SHOWN = 8
WASTED_BELOW = 0.5
"""Less than this share used is worth a word."""
WORTH_MEMORY_BYTE_S = 2**30 * 3600.0
WORTH_CORE_S = 3600.0


class Failure(NamedTuple):
    """What a failed job's own page says first; `cause` where it is known."""

    headline: str
    advice: tuple[Advice, ...]
    cause: str | None = None


class OwnJobs(NamedTuple):
    """A user's jobs as history answered: those that run and wait, those that ended, and what is said of the failed."""

    current: JobList
    ended: JobList
    failed: Sequence[tuple[JobRow, Failure]]
    weeks: Sequence[tuple[UsageWindow, UsageFacts]] = ()


def newly_failed(ended: Iterable[JobRow], now_ns: int, most: int) -> list[JobRow]:
    """The newest that ended unwell within a week."""
    failed = [
        row for row in ended if row.outcome.state in ENDED_UNWELL and (row.end_ns or 0) > now_ns - FAILED_WITHIN_NS
    ]
    return failed[:most]


def build_home_view(
    user: str,
    own: OwnJobs,
    now_ns: int,
    told_inside: Mapping[JobRun, JobProgressFacts] = MappingProxyType({}),
) -> HomeView:
    """The page of one user."""
    current = build_jobs_view(own.current, {"user": user}, JobFilter(user=user), now_ns, told_inside)
    failed = tuple(
        FailedJob(job=job_line(row, now_ns), headline=failure.headline, advice=failure.advice, cause=failure.cause)
        for row, failure in own.failed
    )
    return HomeView(
        made_ns=now_ns,
        user=user,
        sentence=_sentence(current, len(newly_failed(own.ended.rows, now_ns, len(own.ended.rows)))),
        current=current,
        failed=failed,
        use=own_use(own.ended, now_ns),
        weeks=build_weeks(own.weeks),
    )


def weeks_before(now_s: int) -> list[UsageWindow]:
    """The weeks that are shown, from Monday to Monday (UTC), the oldest first; the last one goes on."""
    monday_s = now_s - (now_s // DAY_S + EPOCH_WEEKDAY) % 7 * DAY_S - now_s % DAY_S
    return [
        UsageWindow(monday_s - back * WEEK_S, monday_s - (back - 1) * WEEK_S) for back in range(WEEKS_SHOWN - 1, -1, -1)
    ]


def failure_of(facts: JobFacts, findings: Sequence[Finding] = ()) -> Failure:
    """Taken from the job's whole view, which costs what its page costs: worth keeping."""
    view = build_job_view(facts, RunSurroundings(findings=findings))
    cause = view.cause
    return Failure(view.headline, view.advice, f"{cause.words} ({cause.level})" if cause and cause.level else None)


def _sentence(current: JobsView, failed: int) -> str:
    running, waiting = current.counts.get("running", 0), current.counts.get("pending", 0)
    troubled = sum(1 for line in current.rows if line.progress is not None and is_troubled(line.progress))
    parts = [f"{running} running", f"{waiting} {'waits' if waiting == 1 else 'wait'}"]
    if failed:
        parts.append(f"{failed} failed in the last 7 days")
    if troubled:
        parts.append(f"{troubled} to look at now")
    return ", ".join(parts) + "."


def own_use(ended: JobList, now_ns: int) -> OwnUse:
    """Sums over the jobs that ended within thirty days."""
    since_ns = now_ns - USED_WITHIN_NS
    rows = [row for row in ended.rows if (row.end_ns or row.start_ns or 0) >= since_ns]
    held = [(row, row_extent(row, now_ns)) for row in rows]
    cpu = _Sum.of((row.cpu_s, extent.core_s) for row, extent in held)
    memory = _Sum.of(_memory(row, extent) for row, extent in held)
    time = _Sum.of((extent.ran_s, extent.limit_s) for _, extent in held)
    use = OwnUse(
        since_ns=since_ns,
        jobs=len(rows),
        failed=sum(row.outcome.state in ENDED_UNWELL for row in rows),
        core_s=sum(extent.core_s or 0.0 for _, extent in held),
        cpu_ratio=cpu.ratio,
        memory_ratio=memory.ratio,
        time_ratio=time.ratio,
        unused_memory_byte_s=memory.unused,
        is_all=ended.next is None or len(rows) < len(ended.rows),
        helps=_helps(cpu, memory),
    )
    return msgspec.structs.replace(use, sentence=_use_words(use))


def _use_words(use: OwnUse) -> str:
    if not use.jobs:
        return "No job ended in the last 30 days."
    counted = "" if use.is_all else " (the newest of them)"
    parts = [f"{fmt.count(use.jobs, 'job')}{counted}", f"{use.failed} failed", f"{fmt.core_time(use.core_s)} held"]
    if use.cpu_ratio is not None:
        parts.append(f"CPU {fmt.percent(use.cpu_ratio)}")
    if use.memory_ratio is not None:
        parts.append(f"memory {fmt.percent(use.memory_ratio)} of what was asked")
    helps = f" What would help most: {use.helps}." if use.helps else ""
    return f"Last 30 days: {', '.join(parts)}.{helps}"


def _memory(row: JobRow, extent: RunExtent) -> tuple[float | None, float | None]:
    """Byte-seconds touched, taking the highest node's peak for all, and held."""
    if not extent.memory_bytes or not extent.ran_s or not extent.node_count or row.memory_peak_bytes is None:
        return None, None
    held = extent.memory_bytes * extent.ran_s
    return min(held, row.memory_peak_bytes * extent.node_count * extent.ran_s), held


class _Sum(NamedTuple):
    used: float
    held: float

    @classmethod
    def of(cls, pairs: Iterable[tuple[float | None, float | None]]) -> _Sum:
        known = [(used, held) for used, held in pairs if used is not None and held]
        return cls(sum(used for used, _ in known), sum(held for _, held in known))

    @property
    def ratio(self) -> float | None:
        return self.used / self.held if self.held else None

    @property
    def unused(self) -> float:
        return max(0.0, self.held - self.used)


def _helps(cpu: _Sum, memory: _Sum) -> str | None:
    """The larger waste by its share, where it is worth anything."""
    candidates = []
    if memory.unused >= WORTH_MEMORY_BYTE_S:
        hours = fmt.memory(memory.unused / 3600.0)
        candidates.append((memory.ratio or 0.0, f"--mem: {hours}-hours were held that nobody touched"))
    if cpu.unused >= WORTH_CORE_S:
        candidates.append((cpu.ratio or 0.0, f"fewer cores: {fmt.core_time(cpu.unused)} of them stood idle"))
    ratio, words = min(candidates, default=(1.0, ""))
    return words if ratio < WASTED_BELOW else None
