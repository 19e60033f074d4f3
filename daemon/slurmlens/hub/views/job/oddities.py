"""Which nodes of a run behave unlike the others, and what is to be said about each.

Pure. Fed with a run's `NodeFacts` and their courses; makes the notes of the node table and names the nodes that stand
out in charts and headline. The thresholds are few and coarse on purpose: a reader trusts a mark that is rarely wrong.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from slurmlens.clock import NS_PER_S
from slurmlens.hub.history.facts import NodeFacts, NodeState
from slurmlens.hub.history.profiles.course import Course
from slurmlens.hub.views.job.view import NodeView, Note
from slurmlens.shown import format as fmt

BUSY_CORES_SHARE = 0.3
IDLE_CORES_SHARE = 0.02
"""A node stopped computing where its cores were at least this busy, and then no busier than this until the end."""
LEAST_IDLE_BINS = 2
LEAST_IDLE_S = 5.0
KILL_WAIT_S = 35
"""Slurm's KillWait (30 s by default) between SIGTERM and SIGKILL, and a little: a process that is woken to be ended
works for a moment, which of one core is not nothing."""
ODD_CPU_FACTOR = 0.6
ODD_CPU_GAP = 0.2
ODD_MEMORY_FACTOR = 2.0
"""Beside the median of all nodes: CPU below 0.6 of it and 20 points away, or memory above twice."""
NOTED_UNSEEN_S = 1.0
NOTED_SKEW_S = 1.0


@dataclass(frozen=True, slots=True)
class Stop:
    """A node stopped computing at `time_ns` and stayed so for `idle_s`, until the end of the run."""

    time_ns: int
    idle_s: float


def stopped_computing(
    profile: Course | None, cores: int | None, end_ns: int, *, was_ended: bool = False
) -> Stop | None:
    """When a node went idle for good before the end of the run; None where it did not, or where that cannot be
    known. `was_ended`: Slurm ended it, and what moved in its last seconds was that."""
    judged_ns = end_ns - KILL_WAIT_S * NS_PER_S if was_ended else end_ns
    if profile is None or not cores or judged_ns <= profile.start_ns:
        return None
    inside = max(1, (judged_ns - profile.start_ns) // profile.width_ns)
    course = profile.mean.get("cpu_cores", array("f"))[:inside]
    if max(course, default=0.0) < BUSY_CORES_SHARE * cores:
        return None
    idle_cores = IDLE_CORES_SHARE * cores
    last_busy = next(index for index in range(len(course) - 1, -1, -1) if course[index] > idle_cores)
    idle = [value for value in course[last_busy + 1 :] if value >= 0]
    stop_ns = profile.start_ns + (last_busy + 1) * profile.width_ns
    if len(idle) < LEAST_IDLE_BINS or judged_ns - stop_ns < LEAST_IDLE_S * NS_PER_S:
        return None
    return Stop(stop_ns, (end_ns - stop_ns) / NS_PER_S)


@dataclass(frozen=True, slots=True)
class Middle:
    """What is usual among the nodes of a run; None where too few reported to say so."""

    cpu_ratio: float | None
    memory_bytes: float | None


def middle_of(nodes: Sequence[NodeView]) -> Middle:
    """The median CPU share and memory of all nodes of a run."""
    cpu = [node.cpu.ratio for node in nodes if node.cpu.ratio is not None]
    memory = [node.memory.used for node in nodes if node.memory.used is not None]
    return Middle(
        cpu_ratio=(median(cpu) if len(cpu) > 2 else max(cpu)) if len(cpu) > 1 else None,
        memory_bytes=median(memory) if len(memory) > 2 else None,
    )


def odd_beside(node: NodeView, usual: Middle) -> str | None:
    """How a node's CPU or memory lies far from the median of all nodes of the run; None where it does not."""
    if usual.cpu_ratio is not None and node.cpu.ratio is not None:
        below = usual.cpu_ratio - node.cpu.ratio
        if node.cpu.ratio < ODD_CPU_FACTOR * usual.cpu_ratio and below > ODD_CPU_GAP:
            return "CPU far below the other nodes"
    most_bytes = None if usual.memory_bytes is None else ODD_MEMORY_FACTOR * usual.memory_bytes
    if most_bytes is not None and node.memory.used is not None and node.memory.used > most_bytes:
        return "memory far above the other nodes"
    return None


def node_notes(node: NodeFacts, stop: Stop | None) -> tuple[Note, ...]:
    """What a reader must know about one node, the loudest first."""
    notes: list[Note] = []
    if node.totals and node.totals.oom_kills:
        notes.append(Note(text=f"{fmt.count(node.totals.oom_kills, 'process', 'processes')} killed for memory"))
    notes.extend(_silence(node))
    if node.totals and not node.samples:
        notes.append(Note(text="its cgroup was never read"))
    if stop:
        notes.append(Note(text="stopped computing", time_ns=stop.time_ns))
    if node.unseen_s is not None and node.unseen_s >= NOTED_UNSEEN_S:
        notes.append(Note(text=f"unseen for {fmt.duration(node.unseen_s)}: no daemon watched"))
    elif node.sightings > 1:
        notes.append(Note(text="the daemon was restarted during the run"))
    if node.skew_s is not None and abs(node.skew_s) >= NOTED_SKEW_S:
        direction = "ahead of" if node.skew_s > 0 else "behind"
        notes.append(Note(text=f"its clock is {fmt.duration(abs(node.skew_s))} {direction} the hub's"))
    return tuple(notes)


def _silence(node: NodeFacts) -> list[Note]:
    if node.state is NodeState.UNHEARD:
        return [Note(text="no daemon reported this job")]
    if node.state is NodeState.SILENT:
        return [Note(text="silent since", time_ns=node.last_heard_ns)]
    if node.state is NodeState.RECONCILED:
        reason = f" ({node.reconciled_reason})" if node.reconciled_reason else ""
        return [Note(text=f"end reconciled, nobody reported it{reason}")]
    return []
