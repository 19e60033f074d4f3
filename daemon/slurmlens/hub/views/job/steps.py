"""The steps of a run over all its nodes: what the scheduler says of them, joined with what our counters saw.

Pure. Fed with `JobFacts`; CPU seconds add up over nodes, the memory peak is the highest node's. A step that only one
side knows is shown with what that side reported. Begin and end are the nodes' own where the SPANK plugin sent them, for
the scheduler knows whole seconds.
"""

from __future__ import annotations

from typing import NamedTuple

from slurmlens.clock import NS_PER_S
from slurmlens.events import FigureSource, StepProgram, StepTotals
from slurmlens.hub.history.facts import JobFacts
from slurmlens.hub.views.job.view import StepView
from slurmlens.hub.views.states import exit_text
from slurmlens.slurm import hostlist
from slurmlens.slurm.records import StepRecord

MOST_STEPS = 200
_ENDINGS_SHOWN = 4
_TASKS_SHOWN = 4
_PROGRAMS_SHOWN = 8


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
    exits = _exits(parts)
    return StepView(
        step=name,
        name=record.name if record else next((part.command for part in parts if part.command), None),
        state=record.state if record else None,
        exit_text=_exit(record, exits),
        tasks=record.task_count if record else sum(part.task_count or 0 for part in parts) or None,
        node_list=hostlist.fold_or_list(record.nodes) if record and record.nodes else None,
        started_ns=_started_ns(record, parts),
        ended_ns=_ended_ns(record, parts),
        cpu_s=sum(figure.value for figure in cpu) if cpu else None,
        cpu_complete=bool(cpu) and all(figure.complete for figure in cpu),
        memory_peak_bytes=max((figure.value for figure in peaks), default=None),
        memory_peak_complete=bool(peaks) and all(figure.complete for figure in peaks),
        oom_kills=sum(kills) if kills else None,
        is_exact=bool(cpu) and all(figure.source is FigureSource.TASK_EXIT and figure.complete for figure in cpu),
        exits_text=_exits_text(exits),
        tag=next((part.tag for part in parts if part.tag), None),
        modules=next((part.modules for part in parts if part.modules), None),
        container=next((part.container for part in parts if part.container), None),
        programs=_programs(parts),
    )


def _programs(parts: tuple[StepTotals, ...]) -> tuple[StepProgram, ...]:
    """Those of all nodes, in the order of the first that ran them."""
    found: dict[str, StepProgram] = {}
    for one in (one for part in parts for one in part.programs):
        known = found.get(one.name)
        found[one.name] = (
            one
            if known is None
            else StepProgram(
                name=one.name, processes=known.processes + one.processes, threads=known.threads + one.threads
            )
        )
    return tuple(found.values())[:_PROGRAMS_SHOWN]


def _started_ns(record: StepRecord | None, parts: tuple[StepTotals, ...]) -> int | None:
    told = [part.started_ns for part in parts if part.started_ns is not None]
    if told:
        return min(told)
    return record.start_s * NS_PER_S if record and record.start_s is not None else None


def _ended_ns(record: StepRecord | None, parts: tuple[StepTotals, ...]) -> int | None:
    told = [part.ended_ns for part in parts if part.ended_ns is not None]
    if told and len(told) == len(parts):
        return max(told)
    return record.end_s * NS_PER_S if record and record.end_s is not None else None


class _Ending(NamedTuple):
    code: int
    signal: int


def _exits(parts: tuple[StepTotals, ...]) -> dict[_Ending, tuple[int, list[int]]]:
    """Over all nodes: how many tasks ended so, and which are named."""
    found: dict[_Ending, tuple[int, list[int]]] = {}
    for one in (one for part in parts for one in part.exits):
        ending = _Ending(one.code, one.signal)
        tasks, named = found.get(ending, (0, []))
        found[ending] = (tasks + one.tasks, [*named, *one.first_tasks])
    return found


def _exit(record: StepRecord | None, exits: dict[_Ending, tuple[int, list[int]]]) -> str | None:
    """As the scheduler has it, else the worst of its tasks'."""
    if record is not None and record.state.has_ended:
        return exit_text(record.exit_code, record.exit_signal)
    if record is not None or not exits:
        return None
    worst = max(exits, key=lambda ending: (ending.signal, ending.code))
    return exit_text(worst.code, worst.signal)


def _exits_text(exits: dict[_Ending, tuple[int, list[int]]]) -> str | None:
    """Most frequent first; nothing where all ended well or one task ended alone."""
    if set(exits) <= {_Ending(0, 0)} or sum(tasks for tasks, _ in exits.values()) < 2:
        return None
    in_order = sorted(exits.items(), key=lambda item: (-item[1][0], item[0]))
    said = [_ending_words(ending, tasks, sorted(named)) for ending, (tasks, named) in in_order[:_ENDINGS_SHOWN]]
    more = len(in_order) - _ENDINGS_SHOWN
    return ", ".join(said) + (f", {more} more ways" if more > 0 else "")


def _ending_words(ending: _Ending, tasks: int, named: list[int]) -> str:
    what = f"{tasks} × " + (f"signal {ending.signal}" if ending.signal else str(ending.code))
    if ending == _Ending(0, 0) or not named:
        return what
    names = ", ".join(map(str, named[:_TASKS_SHOWN])) + (", …" if tasks > _TASKS_SHOWN else "")
    return f"{what} (task {names})"
