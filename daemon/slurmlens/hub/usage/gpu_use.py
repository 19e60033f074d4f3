"""What the runs of some jobs made of their GPUs, from what nodes told of each: read for the ledger.

Owns that reading of `node_states`' holdings. A GPU that two jobs had at one time counts to neither, for nobody can say
which kept it busy. Called by `keeping` in its transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.history.tables import sightings
from slurmlens.hub.node_states.facts import decode_holding
from slurmlens.hub.node_states.tables import gpu_holdings
from slurmlens.hub.usage.charges import NO_GPU_USE, GpuUse

_SIGHTING = ("cluster", "node", "sighting")


def gpu_use(transaction: Transaction, jobs: Collection[tuple[Any, ...]]) -> dict[tuple[int, int], GpuUse]:
    """By job id and number of the run; runs whose GPUs told nothing are left out. `jobs` are (cluster, job id)."""
    told: dict[tuple[Any, ...], GpuUse] = {}
    for *sighting, blob in transaction.find(gpu_holdings, (*_SIGHTING, "holding"), ("cluster", "job_id"), jobs):
        holding = decode_holding(blob)
        if holding.seen_s > 0 and not holding.is_shared:
            key = tuple(sighting)
            told[key] = _sum(told.get(key, NO_GPU_USE), GpuUse(_ms(holding.seen_s), _ms(holding.busy_s)))
    found: dict[tuple[int, int], GpuUse] = {}
    for *sighting, job_id, run in transaction.find(sightings, (*_SIGHTING, "job_id", "run"), _SIGHTING, told):
        if run is not None:
            found[job_id, run] = _sum(found.get((job_id, run), NO_GPU_USE), told[tuple(sighting)])
    return found


def _sum(one: GpuUse, other: GpuUse) -> GpuUse:
    return GpuUse(one.seen_ms + other.seen_ms, one.busy_ms + other.busy_ms)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
