"""A run's GPUs: what it had of which, how busy they were, which it never touched; pure.

Fed with what `hub.node_states` knows. Sums are over GPUs that told how busy they were; a GPU shared with another job
counts to neither. "Idle" is one that this run had for at least `WORTH_TELLING_S` and never kept busy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.node_states.facts import JobGpu
from slurmlens.hub.views.job.view import GpusView, GpuView
from slurmlens.shown import format as fmt

WORTH_TELLING_S = 120.0
IDLE_RATIO = 0.005
STOPPED_AFTER_S = 600.0
"""So long without any work is told while the job runs."""

SOURCES = {
    "cgroup": "by the job's devices cgroup",
    "hook": "by Slurm's own numbers",
    "processes": "by its processes; what else it was given is not known",
}


def build_gpus(told: Sequence[JobGpu], given: int | None, *, is_live: bool) -> GpusView | None:
    """What is shown of them; None where no node told of any. `given` is how many the scheduler gave."""
    if not told:
        return None
    rows = tuple(_row(one, is_live=is_live) for one in told)
    measured = [one.holding for one in told if one.holding.seen_s > 0 and not one.holding.is_shared]
    seen_s = sum(one.seen_s for one in measured)
    energy = [one.holding.energy_joules for one in told if one.holding.energy_joules is not None]
    idle = sum(row.is_idle for row in rows)
    return GpusView(
        rows=rows,
        given=given,
        utilisation_ratio=sum(one.busy_s for one in measured) / seen_s if seen_s else None,
        idle=idle,
        energy_joules=sum(energy) if energy else None,
        sentence=_sentence(rows, given, idle, is_live=is_live),
    )


def _row(one: JobGpu, *, is_live: bool) -> GpuView:
    holding, gpu = one.holding, one.gpu
    ratio = holding.busy_s / holding.seen_s if holding.seen_s > 0 else None
    return GpuView(
        node=one.node,
        uuid=holding.uuid,
        pci=gpu.pci or None,
        model=gpu.model or None,
        part_of=gpu.part_of or None,
        source=SOURCES.get(holding.by, holding.by),
        since_ns=holding.since_ns,
        told_ns=holding.told_ns,
        utilisation_ratio=ratio,
        utilisation_now_ratio=gpu.utilisation_ratio if is_live and not holding.has_ended else None,
        memory_peak_bytes=holding.memory_peak_bytes,
        memory_total_bytes=gpu.memory_total_bytes,
        energy_joules=holding.energy_joules,
        processes=holding.processes,
        idle_s=holding.idle_s,
        is_shared=holding.is_shared,
        is_idle=_is_idle(ratio, holding.seen_s) and not holding.is_shared,
        notes=tuple(_notes(one, is_live=is_live)),
    )


def _is_idle(ratio: float | None, seen_s: float) -> bool:
    return ratio is not None and ratio < IDLE_RATIO and seen_s >= WORTH_TELLING_S


def _notes(one: JobGpu, *, is_live: bool) -> Iterator[str]:
    holding, gpu = one.holding, one.gpu
    runs = is_live and not holding.has_ended
    if gpu.problem:
        yield f"tells nothing: {gpu.problem}"
    if runs and holding.idle_s >= STOPPED_AFTER_S:
        what = "has done nothing" if holding.processes else "has done nothing, no process on it"
        yield f"{what} for {fmt.duration(holding.idle_s)}"
    if holding.is_shared:
        yield "shared with another job"
    if runs and gpu.throttles:
        yield f"slowed: {', '.join(gpu.throttles)}"
    if gpu.xids:
        yield f"{fmt.count(gpu.xids, 'error')} of its driver (last: XID {gpu.xid})"
    if gpu.ecc_uncorrected_count:
        yield f"{fmt.count(gpu.ecc_uncorrected_count, 'uncorrected memory error')} in its life"


def _sentence(rows: Sequence[GpuView], given: int | None, idle: int, *, is_live: bool) -> str:
    total = max(len(rows), given or 0)
    if idle:
        verb = ("does", "do") if is_live else ("did", "did")
        return f"{idle} of {fmt.count(total, 'GPU')} {verb[idle > 1]} nothing."
    stopped = sum(row.idle_s >= STOPPED_AFTER_S for row in rows) if is_live else 0
    if stopped:
        return f"{stopped} of {fmt.count(total, 'GPU')} stopped working at least {fmt.duration(STOPPED_AFTER_S)} ago."
    busy = [row.utilisation_ratio for row in rows if row.utilisation_ratio is not None and not row.is_shared]
    if not busy:
        return f"{fmt.count(total, 'GPU')}; how busy they were was not told."
    return f"{fmt.count(total, 'GPU')}, busy {fmt.percent(sum(busy) / len(busy))} of the time on average."


def seconds_held(row: GpuView) -> float:
    """How long the run has, or had, this GPU."""
    return (row.told_ns - row.since_ns) / NS_PER_S
