"""The steps of a run over all its nodes: what the scheduler says of them, joined with what our counters saw.

Pure. Fed with `JobFacts`; CPU seconds add up over nodes, the memory peak is the highest node's. A step that only one
side knows is shown with what that side told.
"""

from __future__ import annotations

from slurmlens.clock import NS_PER_S
from slurmlens.events import StepTotals
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.views.job.view import StepView
from slurmlens.hub.views.states import exit_text
from slurmlens.slurm import hostlist
from slurmlens.slurm.records import StepRecord

MOST_STEPS = 200


def build_steps(facts: JobFacts) -> tuple[StepView, ...]:
    """Steps in the order batch, interactive, 0, 1, …; Slurm's own step `extern` only where it used something."""
    records = {step.step: step for step in facts.record.steps} if facts.record else {}
    counted = _counted(facts)
    names = sorted({*records, *counted}, key=_order)
    shown = [name for name in names if name != "extern" or _used_cpu(counted.get(name, ()))]
    return tuple(_step(name, records.get(name), counted.get(name, ())) for name in shown[:MOST_STEPS])


def _counted(facts: JobFacts) -> dict[str, tuple[StepTotals, ...]]:
    found: dict[str, tuple[StepTotals, ...]] = {}
    for node in facts.nodes:
        for step in node.totals.steps if node.totals else ():
            found[step.step] = (*found.get(step.step, ()), step)
    return found


def _used_cpu(parts: tuple[StepTotals, ...]) -> bool:
    return any(part.cpu_s and part.cpu_s.value >= 0.1 for part in parts)


def _order(name: str) -> tuple[int, int, str]:
    if name.isdecimal():
        return (1, int(name), name)
    return (0, ("batch", "interactive").index(name) if name in ("batch", "interactive") else 2, name)


def _step(name: str, record: StepRecord | None, parts: tuple[StepTotals, ...]) -> StepView:
    cpu = [part.cpu_s for part in parts if part.cpu_s]
    peaks = [part.memory_peak_bytes for part in parts if part.memory_peak_bytes]
    kills = [part.oom_kills for part in parts if part.oom_kills is not None]
    return StepView(
        step=name,
        name=record.name if record else None,
        state=record.state if record else None,
        exit_text=exit_text(record.exit_code, record.exit_signal) if record and record.state.has_ended else None,
        tasks=record.task_count if record else None,
        node_list=hostlist.fold_or_list(record.nodes) if record and record.nodes else None,
        started_ns=record.start_s * NS_PER_S if record and record.start_s is not None else None,
        ended_ns=record.end_s * NS_PER_S if record and record.end_s is not None else None,
        cpu_s=sum(figure.value for figure in cpu) if cpu else None,
        cpu_complete=bool(cpu) and all(figure.complete for figure in cpu),
        memory_peak_bytes=max((figure.value for figure in peaks), default=None),
        memory_peak_complete=bool(peaks) and all(figure.complete for figure in peaks),
        oom_kills=sum(kills) if kills else None,
    )
