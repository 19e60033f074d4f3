"""Usage as a table: what stands on the management page, in reports and in the terminal, all from one model.

Owns the types. Sums are raw, in seconds of whole numbers; how they are said is up to the one who shows them.
"""

from __future__ import annotations

import msgspec

from slurmlens.hub.usage.charges import UsageSums


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one user, account or partition used. `share` is of the core-seconds of the table's whole; `gpu_share` how
    busy GPUs were in the time in which they told it, None where none did.

    `failed` counts runs that ended unwell; `lost_core_s` are core-seconds of runs that a node's failure, a requeue or a
    preemption ended. Waits are of runs that started in the window.
    """

    name: str
    sums: UsageSums
    share: float | None = None
    cpu_share: float | None = None
    gpu_share: float | None = None
    failed: int = 0
    lost_core_s: int = 0
    wait_median_s: int | None = None
    wait_p95_s: int | None = None


class UsageTable(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that add up to `whole`, the largest first; `by` is what they are of."""

    by: str
    whole: UsageRow
    rows: tuple[UsageRow, ...]
