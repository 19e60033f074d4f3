"""What users ask for and do not use, and how often their runs fail: rules with their evidence. Pure.

Owns the rules and `Concern`. A rule names nobody without so many core-hours, or runs, as the settings say; each concern
holds the two figures that were compared. The forms and values follow what Princeton's job_defense_shield publishes.
Fed with `facts`; feeds views.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from slurmlens.config.management import ManagementConfig
from slurmlens.hub.usage.charges import HOUR_S
from slurmlens.hub.usage.facts import SubmitBurst, UserHabits

_Z = 1.96
MIB_A_TIB = 2**20


class Concern(msgspec.Struct, frozen=True, kw_only=True):
    """What is odd about how somebody uses the cluster: `figure` stands beside the `limit` that it crossed.

    `rule` is the rule's name; `weight` is what it costs in core-hours, by which concerns are ordered.
    """

    user: str
    rule: str
    figure: float
    limit: float
    weight: float
    evidence: str


def concerns(habits: Sequence[UserHabits], bursts: Iterable[SubmitBurst], rules: ManagementConfig) -> list[Concern]:
    """Every concern of everybody, the dearest first."""
    runs, failed = sum(one.runs for one in habits), sum(one.failed for one in habits)
    base = failed / runs if runs else 0.0
    found = [concern for one in habits for concern in _of(one, base, rules)]
    found += [
        Concern(
            user=one.user,
            rule="submit storm",
            figure=one.runs,
            limit=rules.burst_runs,
            weight=0.0,
            evidence=f"{one.runs} runs submitted within ten minutes",
        )
        for one in bursts
        if one.runs >= rules.burst_runs
    ]
    return sorted(found, key=lambda one: (-one.weight, one.rule, one.user))


def _of(one: UserHabits, base: float, rules: ManagementConfig) -> Iterator[Concern]:
    yield from _of_cores(one, rules)
    yield from _of_requests(one, rules)
    yield from _of_runs(one, base, rules)


def _of_cores(one: UserHabits, rules: ManagementConfig) -> Iterator[Concern]:
    held_h, used = one.measured_core_s / HOUR_S, one.cpu_ms / 1000
    if held_h >= rules.least_core_hours and used < rules.low_cpu_share * one.measured_core_s:
        share = used / one.measured_core_s
        told = f"{used / HOUR_S:.0f} of {held_h:.0f} core-hours were computed in"
        yield _concern(one, "low CPU use", share, rules.low_cpu_share, held_h * (1 - share), told)
    idle_h = one.idle_core_s / HOUR_S
    if idle_h >= rules.least_core_hours:
        told = f"{idle_h:.0f} core-hours in runs that used less than a twentieth of their cores"
        yield _concern(one, "held idle", idle_h, rules.least_core_hours, idle_h, told)


def _of_requests(one: UserHabits, rules: ManagementConfig) -> Iterator[Concern]:
    core_h = one.core_s / HOUR_S
    if core_h < rules.least_core_hours:
        return
    if one.given_mib_s and one.peak_mib_s < rules.low_memory_share * one.given_mib_s:
        share = one.peak_mib_s / one.given_mib_s
        unused = (one.given_mib_s - one.peak_mib_s) / MIB_A_TIB / HOUR_S
        told = f"{unused:.1f} TiB-hours of memory held and never used, even at the peak"
        yield _concern(one, "unused memory", share, rules.low_memory_share, 0.0, told)
    if one.limit_core_s and one.limited_core_s < rules.low_time_share * one.limit_core_s:
        share = one.limited_core_s / one.limit_core_s
        told = f"time limits were {1 / share:.0f} times what runs took" if share else "no run took any time"
        yield _concern(one, "long time limits", share, rules.low_time_share, 0.0, told)


def _of_runs(one: UserHabits, base: float, rules: ManagementConfig) -> Iterator[Concern]:
    if one.runs < rules.least_runs:
        return
    low = wilson_low(one.failed, one.runs)
    if low > base:
        told = f"{one.failed} of {one.runs} runs failed; of everybody's {base:.0%}"
        yield _concern(one, "many failures", one.failed / one.runs, base, 0.0, told)
    if one.short > rules.short_share * one.runs:
        told = f"{one.short} of {one.runs} runs took less than a minute"
        yield _concern(one, "many short runs", one.short / one.runs, rules.short_share, 0.0, told)


def _concern(one: UserHabits, rule: str, figure: float, limit: float, weight: float, told: str) -> Concern:
    return Concern(user=one.user, rule=rule, figure=figure, limit=limit, weight=weight, evidence=told)


def wilson_low(hits: int, of: int) -> float:
    """The lower end of Wilson's 95 % interval for a share.

    >>> round(wilson_low(10, 20), 3), wilson_low(0, 20)
    (0.299, 0.0)
    """
    share = hits / of
    middle = share + _Z * _Z / (2 * of)
    spread = _Z * math.sqrt(share * (1 - share) / of + _Z * _Z / (4 * of * of))
    return max(0.0, (middle - spread) / (1 + _Z * _Z / of)) if hits else 0.0
