"""What the runs that started in a window were like: kinds of jobs, habits of users and bursts, in one pass over them.

Owns the one SELECT over the ledger, whose groups are as fine as all three need, and the sums over its groups: reading a
million runs costs more than whatever is counted of them. Used by `read`, which says whose runs and of which window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, case, func, select

from slurmlens.hub.usage.charges import FOREVER_S
from slurmlens.hub.usage.facts import JobTypeUse, StartedRuns, SubmitBurst, UserHabits
from slurmlens.hub.usage.tables import usage_runs as runs
from slurmlens.slurm.records import ENDED_UNWELL

BURST_S = 600
SHORT_S = 60
MOST_TYPES = 20
IDLE_SHARE = 20
"""A run that used less than one part in so many of its cores' time held them idle."""

_FAILED = sorted(state.value for state in ENDED_UNWELL)
_SUMS = tuple(name for name in UserHabits.__struct_fields__ if name != "user")
_OF_TYPE = ("runs", "core_s", "failed")
_Sums = dict[str, int]


def started_query(where: Iterable[ColumnElement[bool]]) -> Select[Any]:
    """A row for each user, kind of job and ten minutes of submission; of runs that go on `runs` alone counts."""
    held_s = runs.c.end_s - runs.c.start_s
    core_s = runs.c.core_count * held_s
    is_over = runs.c.end_s < FOREVER_S
    is_measured, has_peak = runs.c.cpu_ms > 0, runs.c.peak_mib > 0
    held_idle = is_measured & (runs.c.cpu_ms * IDLE_SHARE < core_s * 1000)
    has_limit = runs.c.limit_s.is_not(None)
    slot_s = (runs.c.submit_s - runs.c.submit_s % BURST_S).label("slot_s")
    # SQLite sorts what it groups: whose runs they are first, for these come in any order of time and tell most apart
    keys = (runs.c.user, runs.c.job_type, runs.c.size_class, slot_s, is_over.label("is_over"))
    return (
        select(
            *keys,
            func.count().label("runs"),
            _sum_where(runs.c.state.in_(_FAILED), 1).label("failed"),
            _sum_where(held_s < SHORT_S, 1).label("short"),
            func.sum(core_s).label("core_s"),
            _sum_where(is_measured, core_s).label("measured_core_s"),
            func.sum(runs.c.cpu_ms).label("cpu_ms"),
            _sum_where(held_idle, core_s).label("idle_core_s"),
            _sum_where(has_peak, runs.c.memory_mib * held_s).label("given_mib_s"),
            _sum_where(has_peak, runs.c.peak_mib * held_s).label("peak_mib_s"),
            _sum_where(has_limit, runs.c.core_count * func.coalesce(runs.c.limit_s, 0)).label("limit_core_s"),
            _sum_where(has_limit, core_s).label("limited_core_s"),
        )
        .where(*where)
        .group_by(*keys)
    )


def _sum_where(condition: ColumnElement[bool], value: ColumnElement[int] | int) -> Any:
    return func.sum(case((condition, value), else_=0))


def started_runs(groups: Iterable[RowMapping]) -> StartedRuns:
    """What the groups of `started_query` come to; sums that a database gives as decimals are whole numbers here."""
    users: dict[str, _Sums] = {}
    types: dict[tuple[str, int], tuple[set[str], _Sums]] = {}
    slots: dict[tuple[str, int], int] = {}
    for group in groups:
        user, slot_s = group["user"], group["slot_s"]
        if slot_s is not None:
            slots[user, int(slot_s)] = slots.get((user, int(slot_s)), 0) + group["runs"]
        if group["is_over"]:
            _add(users.setdefault(user, dict.fromkeys(_SUMS, 0)), group)
            names, sums = types.setdefault(
                (group["job_type"], group["size_class"]), (set(), dict.fromkeys(_OF_TYPE, 0))
            )
            names.add(user)
            _add(sums, group)
    return StartedRuns(
        job_types=_most_common(types),
        habits=tuple(UserHabits(user=user, **sums) for user, sums in sorted(users.items())),
        bursts=_largest(slots),
    )


def _add(sums: _Sums, group: RowMapping) -> None:
    for name in sums:
        sums[name] += int(group[name])


def _most_common(types: Mapping[tuple[str, int], tuple[set[str], _Sums]]) -> tuple[JobTypeUse, ...]:
    found = [
        JobTypeUse(job_type=job_type, size_class=size_class, users=len(names), **sums)
        for (job_type, size_class), (names, sums) in types.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.runs, one.job_type, one.size_class))[:MOST_TYPES])


def _largest(slots: Mapping[tuple[str, int], int]) -> tuple[SubmitBurst, ...]:
    """Each user's, the largest first."""
    found: dict[str, SubmitBurst] = {}
    for (user, slot_s), count in sorted(slots.items(), key=lambda item: (-item[1], item[0])):
        found.setdefault(user, SubmitBurst(user, slot_s, count))
    return tuple(found.values())
