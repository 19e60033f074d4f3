"""Asked against used, as things to do next time, each with a line ready to copy.

Pure. Fed with the figures of a `JobView`; every advice stands on a complete figure: a peak that only some samples
saw, or a run that was cut short, advises nothing. Margins: memory 20 % above the peak, time 25 % above the run.
"""

from __future__ import annotations

from collections.abc import Iterator

from slurmlens.hub.views.job.cause_rules import CauseKind
from slurmlens.hub.views.job.view import Advice, Allocation, Amount, CauseView
from slurmlens.shown import format as fmt
from slurmlens.slurm.records import JobState

MIB = 1024**2
GIB = 1024**3

MEMORY_MARGIN = 1.2
MEMORY_WASTED_BELOW = 0.5
LEAST_MEMORY_BYTES = 64 * MIB
WORTH_SAVING_BYTES = 128 * MIB
OOM_FACTOR = 2.0
TIME_MARGIN = 1.25
TIME_WASTED_BELOW = 0.5
LEAST_LIMIT_S = 600.0
LEAST_RUN_S = 60.0
CPU_WASTED_BELOW = 0.5
LEAST_SAMPLES = 3


_OF_THE_NODE = frozenset({CauseKind.FAULTY_NODE, CauseKind.NODE_LOST, CauseKind.NODE_MEMORY, CauseKind.LAUNCH})


def build_advice(
    state: JobState,
    allocation: Allocation,
    cpu: Amount,
    memory: Amount,
    ran: Amount,
    samples: int,
    cause: CauseView | None = None,
) -> tuple[Advice, ...]:
    """What to ask for next time; empty where the run gives no ground to say. A run that its node ended gives none."""
    if cause is not None and cause.level is not None and cause.kind in _OF_THE_NODE:
        return (Advice(text="Submit it again as it was: the cause is its node, not what the job asked for."),)
    return tuple(
        advice
        for advice in (
            *_memory(state, memory, samples),
            *_time(state, ran),
            *_cores(state, allocation, cpu, ran, samples),
        )
    )


def _memory(state: JobState, memory: Amount, samples: int) -> Iterator[Advice]:
    if not memory.asked:
        return
    if state is JobState.OUT_OF_MEMORY:
        size = rounded_memory(memory.asked * OOM_FACTOR)
        yield Advice(
            text=f"It needs more than {fmt.memory(memory.asked)} per node; how much, nobody saw. Try twice as much.",
            line=f"--mem={fmt.mem_option(size)}",
        )
        return
    if state not in (JobState.COMPLETED, JobState.FAILED) or not memory.used or memory.ratio is None:
        return
    if not memory.complete or samples < LEAST_SAMPLES or memory.ratio >= MEMORY_WASTED_BELOW:
        return
    size = max(rounded_memory(memory.used * MEMORY_MARGIN), LEAST_MEMORY_BYTES)
    if memory.asked - size >= WORTH_SAVING_BYTES:
        pair = fmt.memory_pair(memory.used, memory.asked)
        yield Advice(text=f"Memory per node: used {pair}.", line=f"--mem={fmt.mem_option(size)}")


def _time(state: JobState, ran: Amount) -> Iterator[Advice]:
    if state is not JobState.COMPLETED or not ran.used or not ran.asked or ran.ratio is None:
        return
    if ran.asked < LEAST_LIMIT_S or ran.used < LEAST_RUN_S or ran.ratio >= TIME_WASTED_BELOW:
        return
    line = f"--time={fmt.time_option(ran.used * TIME_MARGIN)}"
    yield Advice(
        text=f"Time: ran {fmt.duration(ran.used)} of {fmt.duration(ran.asked)}; a shorter limit lets it start sooner.",
        line=line,
    )


def _cores(state: JobState, allocation: Allocation, cpu: Amount, ran: Amount, samples: int) -> Iterator[Advice]:
    """No line to copy: whether tasks, threads or both were too many, counters cannot say."""
    if state is not JobState.COMPLETED or cpu.ratio is None or not cpu.complete or samples < LEAST_SAMPLES:
        return
    if not allocation.cores or allocation.cores < 2 or (ran.used or 0) < LEAST_RUN_S or cpu.ratio >= CPU_WASTED_BELOW:
        return
    busy = cpu.ratio * allocation.cores
    yield Advice(text=f"Cores: {fmt.cores(round(busy, 1))} busy of {allocation.cores} on average. Fewer may do.")


def rounded_memory(size_bytes: float) -> float:
    """Up to the next size people would write: 64 MiB steps to 1 GiB, 256 MiB steps to 8 GiB, whole GiB above."""
    for until, step in ((GIB, 64 * MIB), (8 * GIB, 256 * MIB)):
        if size_bytes <= until:
            return -(-size_bytes // step) * step
    return -(-size_bytes // GIB) * GIB
