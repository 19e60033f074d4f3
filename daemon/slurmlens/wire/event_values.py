"""What an event's values must be to make sense, beside their types; pure.

Asked by whoever takes events (the hub's ingest and the relay's), before they are kept: one senseless value would spoil
every figure that it meets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from slurmlens.clock import NS_PER_S
from slurmlens.errors import DecodeError
from slurmlens.events import (
    Event,
    Figure,
    JobIdentity,
    JobProgress,
    MachineState,
    NodeHeartbeat,
    Profile,
    StepTotals,
    Totals,
)

EARLIEST_NS = 946_684_800 * NS_PER_S
LATEST_NS = 4_102_444_800 * NS_PER_S
MAX_BINS = 20_000
MAX_STEPS = 20_000
MAX_EXITS = 64
"""Ways in which a step's tasks ended, and tasks that are named for each."""

MAX_PROGRAMS = 64

MAX_SLOT = 1_000_000
MAX_COUNT = 2**53
"""Counts are added up over nodes; beyond this no sum would fit a column or be exact in JavaScript."""

MAX_FIGURE = 1e18
MAX_TASKS_TOLD = 1_024
MAX_VALUES = 64
MAX_INTERVAL_S = 86_400.0
MAX_RUNNING = 100_000
MAX_READINGS = 2_000
MAX_TROUBLES = 100
MAX_GPUS = 256
MAX_HOLDINGS = 1_024
MOST_AHEAD_NS = 86_400 * NS_PER_S
MAX_NAME_CHARS = 4096
MAX_LIST_CHARS = 1_048_576
_LISTS = frozenset({"node_list", "cpus_per_node"})
_MOMENTS = frozenset({"started_ns", "ended_ns"})
_TEXTS = (
    "sluid",
    "user_name",
    "account",
    "partition",
    "qos",
    "job_name",
    "node_list",
    "cpus_per_node",
    "gpus",
)


def check_values(event: Event, now_ns: int | None = None) -> None:
    """Refuses values that are well typed and make no sense: they would spoil every figure they meet.

    `now_ns` is the taker's clock: what is told to happen later than `MOST_AHEAD_NS` after it is refused, for it would
    stand before everything else in every list. A node whose clock is that wrong has to be mended; a smaller skew is
    kept as it is told, measured by heartbeats and shown.
    """
    times = [event.time_ns]
    if not 0 <= (getattr(event, "slot", None) or 0) <= MAX_SLOT:
        raise DecodeError("slot", reason="value")
    totals, profile, job = (getattr(event, name, None) for name in ("totals", "profile", "job"))
    if totals is not None:
        times += [event.start_ns, event.end_ns]  # type: ignore[attr-defined]  # a summary, raw or not
        _check_totals(totals)
        _check_figure("unseen_s", event.unseen_s)  # type: ignore[attr-defined]
    if job is not None:
        _check_identity(job)
    if profile is not None:
        times.append(profile.start_ns)
        check_width(profile.width_s)
        if isinstance(profile, Profile):
            check_columns(profile.columns)
    if isinstance(event, NodeHeartbeat):
        _check_heartbeat(event)
    if isinstance(event, MachineState):
        _check_state(event)
    if isinstance(event, JobProgress):
        times += [task.time_ns for task in event.tasks]
        _check_progress(event)
    _check_times(times, LATEST_NS if now_ns is None else now_ns + MOST_AHEAD_NS)


def _check_times(times: list[int], latest_ns: int) -> None:
    if not all(EARLIEST_NS <= time_ns <= LATEST_NS for time_ns in times):
        raise DecodeError("a time before the year 2000 or after 2100: set the node's clock", reason="value")
    if max(times) > latest_ns:
        raise DecodeError("a time more than a day ahead of the clock here: set the node's clock", reason="time")


def _check_heartbeat(beat: NodeHeartbeat) -> None:
    if not 0 < beat.interval_s <= MAX_INTERVAL_S:
        raise DecodeError(f"a heartbeat each {beat.interval_s} s", reason="value")
    if len(beat.version) > MAX_NAME_CHARS or len(beat.running) > MAX_RUNNING:
        raise DecodeError("a heartbeat of a very long version or list", reason="value")


def _check_state(state: MachineState) -> None:
    if not 0 < state.interval_s <= MAX_INTERVAL_S:
        raise DecodeError(f"a node's state each {state.interval_s} s", reason="value")
    if len(state.readings) > MAX_READINGS or len(state.troubles) > MAX_TROUBLES:
        raise DecodeError(f"{len(state.readings)} figures of a node, at most {MAX_READINGS} are taken", reason="value")
    if len(state.gpus) > MAX_GPUS or len(state.holdings) > MAX_HOLDINGS:
        raise DecodeError(f"{len(state.gpus)} GPUs of a node, at most {MAX_GPUS} are taken", reason="value")
    for part in (*state.gpus, *state.holdings):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if isinstance(value, int | float) and not name.endswith("_ns") and not 0 <= value <= MAX_FIGURE:
                raise DecodeError(f"{name} of a GPU is {value}", reason="value")
    for one in state.readings:
        if not abs(one.value) <= MAX_FIGURE:
            raise DecodeError(f"{one.name} is {one.value}", reason="value")


def _check_progress(event: JobProgress) -> None:
    if len(event.tasks) > MAX_TASKS_TOLD:
        raise DecodeError(
            f"the progress of {len(event.tasks)} tasks, at most {MAX_TASKS_TOLD} are taken", reason="value"
        )
    for task in event.tasks:
        if len(task.values) > MAX_VALUES or any(not abs(value) <= MAX_FIGURE for value in task.values.values()):
            raise DecodeError("the named values of a task's progress", reason="value")
        if task.total is not None and task.total == 0:
            raise DecodeError("a progress of nothing at all", reason="value")
        _check_figure("done", task.done)
        _check_figure("total", task.total or 0.0)
        if (task.rank or 0) > MAX_COUNT:
            raise DecodeError("rank", reason="value")


def _check_identity(job: JobIdentity) -> None:
    for name in _TEXTS:
        text = getattr(job, name)
        if text is not None and len(text) > (MAX_LIST_CHARS if name in _LISTS else MAX_NAME_CHARS):
            raise DecodeError(f"{name} has {len(text)} characters", reason="value")


def _check_totals(totals: Totals) -> None:
    if len(totals.steps) > MAX_STEPS:
        raise DecodeError(f"{len(totals.steps)} steps, at most {MAX_STEPS} are taken", reason="value")
    for step in totals.steps:
        _check_step(step)
    for part in (totals, *totals.steps, *(exits for step in totals.steps for exits in step.exits)):
        for name in part.__struct_fields__:
            value = getattr(part, name)
            if isinstance(value, int) and name not in _MOMENTS and not 0 <= value <= MAX_COUNT:
                raise DecodeError(f"{name} is {value}", reason="value")
            if isinstance(value, Figure):
                _check_figure(name, value.value)


def _check_step(step: StepTotals) -> None:
    texts = (step.step, step.tag, step.modules, step.container)
    if any(len(text or "") > MAX_NAME_CHARS for text in texts):
        raise DecodeError("a step of a very long name", reason="value")
    if len(step.exits) > MAX_EXITS or any(len(one.first_tasks) > MAX_EXITS for one in step.exits):
        raise DecodeError("more ways to end a task than are taken", reason="value")
    if len(step.programs) > MAX_PROGRAMS or any(len(one.name) > MAX_NAME_CHARS for one in step.programs):
        raise DecodeError("more programs of a step, or longer names, than are taken", reason="value")
    if any(one.processes > MAX_COUNT or one.threads > MAX_COUNT for one in step.programs):
        raise DecodeError("programs", reason="value")
    if any(task > MAX_COUNT for one in step.exits for task in one.first_tasks):
        raise DecodeError("first_tasks", reason="value")
    _check_times([at_ns for at_ns in (step.started_ns, step.ended_ns) if at_ns is not None] or [LATEST_NS], LATEST_NS)


def _check_figure(name: str, value: float) -> None:
    if not 0 <= value <= MAX_FIGURE:
        raise DecodeError(f"{name} is {value}", reason="value")


def check_width(width_s: float) -> None:
    """Refuses bins that are no time wide, or longer than months."""
    if not (math.isfinite(width_s) and 0.001 <= width_s <= 1e7):
        raise DecodeError(f"a profile whose bins are {width_s} s wide", reason="value")


def check_columns(columns: Mapping[str, Sequence[object]]) -> None:
    """Refuses columns of a profile that are of unequal lengths, or too long."""
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1 or max(lengths, default=0) > MAX_BINS:
        raise DecodeError(f"a profile whose columns have {sorted(lengths)[:5]} bins", reason="value")
