"""Which run a sighting belongs to: pure, by the scheduler's executions, in the order of each node's own clock.

A node cannot name a run for certain (an Epilog after a requeue carries the next restart count), so the hub decides. Per
node, its sightings in their order are matched with the executions in theirs: the order is kept, and the sum of
contradictions is the smallest possible. Hard rules: a job's Prolog runs once a run on a node, so a sighting that begins
with one never shares the run with the sighting before it; nor does what comes after an Epilog. Hook times are finer
than the scheduler's whole seconds, and a node's clock may be off: hence the tolerances. A sighting that fits no
execution is held, with a reason, and tried again with every new fact.

Called by `record.concluding` with rows of `sightings` and `executions`; its answer becomes `runs` and the sightings'
run numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from slurmlens.clock import NS_PER_S
from slurmlens.events import Witness
from slurmlens.hub.history.facts import HeldReason
from slurmlens.slurm.records import JobState

TOLERANCE_S = 5.0
"""How far a hook's time may be from the scheduler's second to count as the same: skew, rounding, and the way."""

SKEW_S = 60.0
"""How wrong a node's clock may be before its sightings are held. Beyond `TOLERANCE_S` a fit costs, and the better one
wins: a requeued job waits longer than that."""

LATE_S = 300.0
"""How long after the scheduler's end a sighting without a Prolog may begin: it may consist of a late Epilog alone."""

_IMPOSSIBLE = math.inf
_HELD_COST = 1000.0
_CONTRADICTION_COST = 100.0
_FOREIGN_NODE_COST = 50.0
_START_DISTANCE_WEIGHT = 0.01
_OVERHANG_WEIGHT = 0.1
_OVERHANG_MAX_S = 60.0

_REQUEUED_STATES = frozenset({JobState.REQUEUED, JobState.PREEMPTED, JobState.NODE_FAIL, JobState.BOOT_FAIL})


@dataclass(frozen=True, slots=True)
class Seen:
    """A sighting, as far as assignment cares. `restart_count` is the Prolog's (an Epilog's would mislead)."""

    node: str
    sighting: str
    boot_id: str
    boottime_ns: int
    start_ns: int
    end_ns: int | None = None
    start_witness: Witness = Witness.CGROUP
    end_witness: Witness | None = None
    restart_count: int | None = None
    start_time_s: int | None = None
    sluid: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution by the scheduler, as far as assignment cares."""

    submit_s: int
    start_s: int | None
    end_s: int | None
    state: JobState
    nodes: tuple[str, ...] = ()
    restart_count: int | None = None
    sluid: str | None = None


@dataclass(slots=True)
class Run:
    """One run: its execution (None where only nodes reported it) and the sightings that belong to it.

    `number` counts all runs under this job id from 1; `incarnation` those jobs that had the id one after another.
    """

    number: int
    incarnation: int
    execution: Execution | None
    members: list[Seen] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Runs in order, and what is held: by sighting, why."""

    runs: tuple[Run, ...]
    held: dict[tuple[str, str], HeldReason]


def assign(seen: Sequence[Seen], executions: Sequence[Execution]) -> Assignment:
    """Lays the sightings of one job id on its executions."""
    if not executions:
        return _without_scheduler(seen)
    ordered = sorted(executions, key=lambda execution: execution.submit_s)
    runs = _numbered(ordered)
    held: dict[tuple[str, str], HeldReason] = {}
    for own in _by_node(seen).values():
        for sighting, index in zip(own, _lay(own, ordered), strict=True):
            if index is None:
                held[sighting.node, sighting.sighting] = _why_held(ordered)
            else:
                runs[index].members.append(sighting)
    return Assignment(tuple(runs), held)


def _numbered(ordered: Sequence[Execution]) -> list[Run]:
    runs: list[Run] = []
    incarnation = 1
    for number, execution in enumerate(ordered, start=1):
        if number > 1 and not _is_same_job(ordered[number - 2], execution):
            incarnation += 1
        runs.append(Run(number, incarnation, execution))
    return runs


def _is_same_job(earlier: Execution, later: Execution) -> bool:
    """Whether the later execution is a requeue of the earlier one, and not another job that was given the same id."""
    if later.restart_count is not None:
        return later.restart_count > 0
    return earlier.state in _REQUEUED_STATES


def _why_held(executions: Sequence[Execution]) -> HeldReason:
    has_started = any(execution.start_s is not None for execution in executions)
    return HeldReason.NO_OVERLAP if has_started else HeldReason.NOT_STARTED


def _by_node(seen: Sequence[Seen]) -> dict[str, list[Seen]]:
    """Sightings by node in their order there: boots by their first sighting, within a boot by its clock."""
    boots: dict[tuple[str, str], int] = {}
    for sighting in seen:
        boot = sighting.node, sighting.boot_id
        boots[boot] = min(boots.get(boot, sighting.start_ns), sighting.start_ns)
    ordered = sorted(seen, key=lambda one: (one.node, boots[one.node, one.boot_id], one.boottime_ns, one.sighting))
    by_node: dict[str, list[Seen]] = {}
    for sighting in ordered:
        by_node.setdefault(sighting.node, []).append(sighting)
    return by_node


def _lay(own: Sequence[Seen], ordered: Sequence[Execution]) -> list[int | None]:
    """The execution of each sighting of one node (None: held), at the least cost that keeps the order.

    `best[j]` is the cheapest way so far that has used executions up to j, whose last sighting in j was `last[j]`.
    """
    states: dict[tuple[int, int], tuple[float, tuple[int | None, ...]]] = {(-1, -1): (0.0, ())}
    for position, sighting in enumerate(own):
        following: dict[tuple[int, int], tuple[float, tuple[int | None, ...]]] = {}
        for (index, last), (cost, path) in states.items():
            _offer(following, (index, last), cost + _HELD_COST, (*path, None))
            begin = max(index, 0)
            if index >= 0 and not _may_share(own[last], sighting):
                begin = index + 1
            for candidate in range(begin, len(ordered)):
                added = _cost(sighting, ordered[candidate])
                if added < _IMPOSSIBLE:
                    _offer(following, (candidate, position), cost + added, (*path, candidate))
        states = following
    return list(min(states.values(), key=lambda state: state[0])[1])


def _offer(
    states: dict[tuple[int, int], tuple[float, tuple[int | None, ...]]],
    key: tuple[int, int],
    cost: float,
    path: tuple[int | None, ...],
) -> None:
    if key not in states or cost < states[key][0]:
        states[key] = cost, path


def _may_share(earlier: Seen, later: Seen) -> bool:
    """Whether two sightings of one node, in this order, can be of one run."""
    if later.start_witness is Witness.HOOK and later.start_ns != earlier.start_ns:
        return False
    return earlier.end_witness is not Witness.HOOK or earlier.end_ns == later.end_ns


def _cost(sighting: Seen, execution: Execution) -> float:
    """How badly a sighting fits an execution, in seconds; infinite where it can't be."""
    if sighting.sluid and execution.sluid:
        return 0.0 if sighting.sluid == execution.sluid else _IMPOSSIBLE
    if execution.start_s is None:
        return _IMPOSSIBLE
    start = sighting.start_ns / NS_PER_S
    begin, end = float(execution.start_s), _end_of(execution)
    early, late = begin - start, start - end
    latest = SKEW_S if sighting.start_witness is Witness.HOOK else LATE_S
    if early > SKEW_S or late > latest:
        return _IMPOSSIBLE
    cost = max(early, late, 0.0)
    if sighting.start_witness is Witness.HOOK:
        cost += _START_DISTANCE_WEIGHT * min(abs(early), _OVERHANG_MAX_S)
    if sighting.end_ns is not None and math.isfinite(end):
        overhang = abs(sighting.end_ns / NS_PER_S - end)
        cost += _OVERHANG_WEIGHT * min(overhang, _OVERHANG_MAX_S)
    return cost + _contradictions(sighting, execution)


def _contradictions(sighting: Seen, execution: Execution) -> float:
    cost = 0.0
    if _differ(sighting.restart_count, execution.restart_count):
        cost += _CONTRADICTION_COST
    if _differ(sighting.start_time_s, execution.start_s):
        cost += _CONTRADICTION_COST
    if execution.nodes and sighting.node not in execution.nodes:
        cost += _FOREIGN_NODE_COST
    return cost


def _differ(told: int | None, recorded: int | None) -> bool:
    return told is not None and recorded is not None and told != recorded


def _end_of(execution: Execution) -> float:
    """The scheduler's end is cut to the second: it may have been almost one later."""
    return math.inf if execution.end_s is None else execution.end_s + 1.0


def _without_scheduler(seen: Sequence[Seen]) -> Assignment:
    """Runs by what nodes reported alone: a Prolog after everything seen so far has ended begins the next one."""
    runs: list[Run] = []
    ended_ns: float = -math.inf
    for sighting in sorted(seen, key=lambda one: (one.start_ns, one.node, one.sighting)):
        is_next = sighting.start_witness is Witness.HOOK and sighting.start_ns > ended_ns + TOLERANCE_S * NS_PER_S
        if not runs or is_next:
            runs.append(Run(len(runs) + 1, 1, None))
            ended_ns = -math.inf
        runs[-1].members.append(sighting)
        ended_ns = max(ended_ns, math.inf if sighting.end_ns is None else sighting.end_ns)
    return Assignment(tuple(runs), {(one.node, one.sighting): HeldReason.NO_RECORD for one in seen})
