"""Figures of a view in a few words, where terminal and page say the same thing.

Pure. `shown.format` formats single numbers; this module joins those that belong together into one phrase.
"""

from __future__ import annotations

from slurmlens.hub.views.job.view import Allocation, Identity, Pressure, Provenance
from slurmlens.shown import format as fmt
from slurmlens.shown.text import visible

LEAST_FELT = 0.0095
"""Pressure below one percent is nothing that anybody felt."""


def job_number(identity: Identity) -> str:
    """`4711`, `4711 run 1 of 2`, `4700_11 (4711)`."""
    number = str(identity.job_id)
    if identity.array_job_id is not None and identity.array_task_id is not None:
        number = f"{identity.array_job_id}_{identity.array_task_id} ({identity.job_id})"
    return f"{number} run {identity.run} of {identity.runs}" if identity.runs > 1 else number


def given_words(allocation: Allocation) -> str:
    """`4 cores on c[1-2]`; for a job without nodes yet `4 cores on 2 nodes`."""
    where = visible(allocation.node_list) if allocation.node_list else ""
    if not where and allocation.node_count:
        where = fmt.count(allocation.node_count, "node")
    return " on ".join(part for part in (fmt.cores(allocation.cores) if allocation.cores else "", where) if part)


def pressure_words(pressure: Pressure) -> str:
    """`node pressure: io 11 %`, the resources that were short at all; empty where nobody measured."""
    if pressure.scope is None:
        return ""
    felt = [f"{name} {fmt.percent(share)}" for name, share in _shares(pressure) if share >= LEAST_FELT]
    scope = "node pressure" if pressure.scope == "node" else "pressure"
    return f"{scope}: {', '.join(felt)}" if felt else f"{scope}: none to speak of"


def samples_words(provenance: Provenance) -> str:
    """`22 samples, completed from the parent's counter`."""
    if provenance.samples is None:
        return f"Figures {provenance.source}" if provenance.source else "No figures yet"
    counted = fmt.count(provenance.samples, "sample")
    return f"{counted}, {provenance.source}" if provenance.source else counted


def worst_pressure(pressure: Pressure) -> tuple[str, float] | None:
    """The resource that was shortest, and the share of the run; None where nobody measured."""
    return max(_shares(pressure), key=lambda pair: pair[1], default=None)


def worst_pressure_words(pressure: Pressure) -> str:
    """`io 11 %`, for a cell of a table."""
    worst = worst_pressure(pressure)
    return fmt.UNKNOWN if worst is None else f"{worst[0]} {fmt.percent(worst[1])}"


def _shares(pressure: Pressure) -> list[tuple[str, float]]:
    named = (("cpu", pressure.cpu_ratio), ("memory", pressure.memory_ratio), ("io", pressure.io_ratio))
    return [(name, share) for name, share in named if share is not None]
