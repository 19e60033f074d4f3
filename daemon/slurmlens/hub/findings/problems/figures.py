"""Figures that signs may name: measured of a job, or counted of a node's or a user's ended runs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.hub.findings.observed import FAILED, RunLoad
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.slurm.records import JobState

IDLE_SHARE = 0.01
SHORT_S = 30.0
LEAST_SEEN_S = 300.0


def _ran_s(load: RunLoad) -> float | None:
    run = load.run
    return None if run.start_ns is None or run.end_ns is None else (run.end_ns - run.start_ns) / NS_PER_S


def _memory_ratio(load: RunLoad) -> float | None:
    shares = [
        node.memory_peak_bytes / node.memory_limit_bytes
        for node in load.nodes
        if node.memory_peak_bytes is not None and node.memory_limit_bytes
    ]
    return max(shares, default=None)


def _most(name: str) -> Callable[[RunLoad], float | None]:
    def figure(load: RunLoad) -> float | None:
        told = [value for node in load.nodes if (value := getattr(node, name)) is not None]
        return max(told, default=None)

    return figure


def _oom_kills(load: RunLoad) -> float | None:
    told = [node.oom_kills for node in load.nodes if node.oom_kills is not None]
    return float(sum(told)) if told else None


def busy_cores(load: RunLoad, node: int) -> float | None:
    """Mean busy cores of a node over the last ten intervals; None where less than `LEAST_SEEN_S` of it was seen."""
    seen = [value for value in load.nodes[node].cpu[-10:] if value is not None]
    return sum(seen) / len(seen) if len(seen) * load.width_s >= LEAST_SEEN_S else None


def _idle_nodes(load: RunLoad) -> float | None:
    """Nodes of which less than one core in a hundred is busy."""
    found = 0
    for place, node in enumerate(load.nodes):
        busy = busy_cores(load, place)
        if busy is None or not node.cores:
            return None
        found += busy / node.cores < IDLE_SHARE
    return float(found)


def _busy_nodes(load: RunLoad) -> float | None:
    idle = _idle_nodes(load)
    return None if idle is None else len(load.nodes) - idle


def _busy_cores(load: RunLoad) -> float | None:
    busy = [busy_cores(load, place) for place in range(len(load.nodes))]
    told = [value for value in busy if value is not None]
    return sum(told) if told and len(told) == len(load.nodes) else None


def _busy_core_ratio(load: RunLoad) -> float | None:
    busy = _busy_cores(load)
    return busy / load.cores if busy is not None and load.cores else None


OF_JOB: dict[str, Callable[[RunLoad], float | None]] = {
    "oom_kills": _oom_kills,
    "memory_ratio": _memory_ratio,
    "pressure_memory_ratio": _most("pressure_memory_ratio"),
    "pressure_io_ratio": _most("pressure_io_ratio"),
    "pids_peak": _most("pids_peak"),
    "ran_s": _ran_s,
    "node_count": lambda load: float(len(load.run.nodes)),
    "cores": lambda load: load.cores or None,
    "idle_nodes": _idle_nodes,
    "busy_nodes": _busy_nodes,
    "busy_cores": _busy_cores,
    "busy_core_ratio": _busy_core_ratio,
}
"""What a job measured; None is not known, and then no sign holds."""


def _failed(runs: Sequence[PlacedRun]) -> float:
    return float(sum(run.state in FAILED for run in runs))


def _short_failed(runs: Sequence[PlacedRun]) -> float:
    return float(sum(run.state in FAILED and _took_s(run) < SHORT_S for run in runs))


def _took_s(run: PlacedRun) -> float:
    return ((run.end_ns or 0) - (run.start_ns or 0)) / NS_PER_S if run.start_ns and run.end_ns else float("inf")


OF_RUNS: dict[str, Callable[[Sequence[PlacedRun]], float]] = {
    "failed_runs": _failed,
    "short_failed_runs": _short_failed,
    "completed_runs": lambda runs: float(sum(run.state is JobState.COMPLETED for run in runs)),
    "failed_users": lambda runs: float(len({run.user for run in runs if run.state in FAILED})),
    "failed_on_nodes": lambda runs: float(len({node for run in runs if run.state in FAILED for node in run.nodes})),
}
"""What is counted over the runs that ended within the problem's time, of a node or of a user."""

FIGURES = frozenset((*OF_JOB, *OF_RUNS))
