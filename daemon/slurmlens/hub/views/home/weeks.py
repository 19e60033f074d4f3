"""How much of what a user's runs held they used, week by week: pure. Fed with usage of each week; a part of `/me`."""

from __future__ import annotations

from collections.abc import Sequence

from slurmlens.hub.usage.charges import summed
from slurmlens.hub.usage.facts import UsageFacts, UsageWindow
from slurmlens.hub.views.home.view import WeekUse
from slurmlens.slurm.records import ENDED_UNWELL

_FAILED = frozenset(state.value for state in ENDED_UNWELL)


def build_weeks(weeks: Sequence[tuple[UsageWindow, UsageFacts]]) -> tuple[WeekUse, ...]:
    """From the first week in which anything was held on."""
    shown = [_week(window.from_s, facts) for window, facts in weeks]
    first = next((place for place, week in enumerate(shown) if week.core_s), len(shown))
    return tuple(shown[first:])


def _week(from_s: int, facts: UsageFacts) -> WeekUse:
    whole = summed(facts.by_key.values())
    failed = sum(sums.core_s for key, sums in facts.by_key.items() if key.state in _FAILED)
    return WeekUse(
        from_s=from_s,
        core_s=whole.core_s,
        cpu_ratio=_ratio(whole.cpu_ms / 1000, whole.core_s),
        memory_ratio=_ratio(whole.peak_mib_s, whole.memory_mib_s),
        gpu_ratio=_ratio(whole.gpu_busy_ms, whole.gpu_seen_ms),
        failed_ratio=failed / whole.core_s if whole.core_s else None,
    )


def _ratio(used: float, held: float) -> float | None:
    """None where nothing was held, or nothing measured."""
    return min(1.0, used / held) if used and held else None
