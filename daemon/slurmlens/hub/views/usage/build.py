"""From usage facts to tables whose rows add up: pure.

Fed with what `hub.usage.read` answered once for a window, so that every table is of the same whole; feeds the views of
management and of reports.
"""

from __future__ import annotations

from collections.abc import Iterable

from slurmlens.hub.usage.charges import UsageKey, UsageSums, summed
from slurmlens.hub.usage.facts import UsageFacts, WaitCount
from slurmlens.hub.usage.service_levels import quantile
from slurmlens.hub.views.usage.view import UsageRow, UsageTable
from slurmlens.slurm.records import ENDED_UNWELL, JobState

_FAILED = frozenset(state.value for state in ENDED_UNWELL)
_LOST = frozenset(
    state.value for state in (JobState.NODE_FAIL, JobState.BOOT_FAIL, JobState.REQUEUED, JobState.PREEMPTED)
)
WHOLE = "all"


def usage_table(facts: UsageFacts, by: str, waits: Iterable[WaitCount] = ()) -> UsageTable:
    """The table by one dimension (`partition`, `user`, `account`, `qos`); waits are of the same dimension."""
    parts: dict[str, list[tuple[UsageKey, UsageSums]]] = {}
    for key, sums in facts.by_key.items():
        parts.setdefault(getattr(key, by), []).append((key, sums))
    counts: dict[str, dict[int, int]] = {}
    every: dict[int, int] = {}
    for one in waits:
        own = counts.setdefault(one.name, {})
        own[one.wait_s] = own.get(one.wait_s, 0) + one.runs
        every[one.wait_s] = every.get(one.wait_s, 0) + one.runs
    whole = _row(WHOLE, [part for own in parts.values() for part in own], every, None)
    rows = [_row(name, own, counts.get(name, {}), whole.sums.core_s) for name, own in parts.items()]
    rows.sort(key=lambda row: (-row.sums.core_s, -row.sums.node_s, row.name))
    return UsageTable(by=by, whole=whole, rows=tuple(rows))


def _row(name: str, parts: list[tuple[UsageKey, UsageSums]], waits: dict[int, int], of: int | None) -> UsageRow:
    sums = summed(one for _, one in parts)
    return UsageRow(
        name=name,
        sums=sums,
        share=(1.0 if sums.core_s else None) if of is None else (sums.core_s / of if of else None),
        cpu_share=sums.cpu_ms / 1000 / sums.core_s if sums.cpu_ms and sums.core_s else None,
        gpu_share=sums.gpu_busy_ms / sums.gpu_seen_ms if sums.gpu_seen_ms else None,
        failed=sum(one.ended for key, one in parts if key.state in _FAILED),
        lost_core_s=sum(one.core_s for key, one in parts if key.state in _LOST),
        wait_median_s=quantile(waits, 0.5),
        wait_p95_s=quantile(waits, 0.95),
    )
