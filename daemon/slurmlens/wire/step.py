"""One file of the SPANK plugin's to a `StepEvent`; pure. The format is `docs/specs/step-event.md`.

Owns what the plugin's keys mean: step numbers, wait statuses, counters and the requests that a user made by variables.
Invariants: a `StepEvent` always names a job and a step; a figure that was not read is None, never 0; a request that is
none costs itself alone and is named in `unusable`. Fed by `dropbox`; feeds `node.registry`.
"""

from typing import Annotated, Literal

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.events import ExitCount, Figure, FigureSource, JobId, JobIdentity, StepTotals, Unsigned
from slurmlens.hook_events import StepEvent, StepRole
from slurmlens.wire import hook_file

_MARK = b'"role":"step-'
_MARK_WITHIN = 96
"""The writers put version, id and role first."""

_STEP_NAMES = {0xFFFF_FFFC: "extern", 0xFFFF_FFFB: "batch", 0xFFFF_FFFA: "interactive"}
"""slurm.h: SLURM_EXTERN_CONT, SLURM_BATCH_SCRIPT, SLURM_INTERACTIVE_STEP."""

LEAST_INTERVAL_S = 1.0
LONGEST_INTERVAL_S = 3600.0

_U32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]


class _Counters(msgspec.Struct, frozen=True):
    """The last reading, by the names of `metrics.FIELDS`; `error` is an errno of a file that could not be used."""

    hierarchy: Literal["v1", "v2"]
    read_boottime_ns: Unsigned
    error: Unsigned = 0
    cpu_usage_ns: Unsigned | None = None
    cpu_user_ns: Unsigned | None = None
    cpu_system_ns: Unsigned | None = None
    memory_peak_bytes: Unsigned | None = None
    oom_kill_events: Unsigned | None = None
    io_read_bytes: Unsigned | None = None
    io_written_bytes: Unsigned | None = None


class _StepFile(msgspec.Struct, frozen=True):
    v: Literal[1]  # hook_file.VERSION
    id: Annotated[str, msgspec.Meta(pattern=hook_file.EVENT_ID)]
    role: StepRole
    time_ns: Unsigned
    boot_id: Annotated[str, msgspec.Meta(pattern=hook_file.BOOT_ID)]
    boottime_ns: Unsigned
    job_id: JobId
    step_id: _U32
    node: str | None = None
    sluid: str | None = None
    user_id: _U32 | None = None
    group_id: _U32 | None = None
    restart_count: _U32 | None = None
    tasks: _U32 | None = None
    tag: str | None = None
    interval: str | None = None
    notify: str | None = None
    tasks_ended: _U32 = 0
    exits: tuple[tuple[_U32, _U32, tuple[_U32, ...]], ...] = ()
    counters: _Counters | None = None


_decode_file = msgspec.json.Decoder(_StepFile).decode


def is_step(data: bytes) -> bool:
    """Whether the file is the plugin's; if not, it is Prolog's or Epilog's, or nobody's."""
    return data.find(_MARK, 0, _MARK_WITHIN) >= 0


def decode(data: bytes) -> StepEvent:
    """The event in `data`, the whole content of one file.

    Raises DecodeError with reason `too_long`, `malformed` or `field`; UnsupportedVersion where `v` is not ours.
    """
    hook_file.check_size(data)
    try:
        file = _decode_file(data)
    except hook_file.NO_JSON as error:
        raise hook_file.refusal(data, error) from error
    interval_s, unusable = asked_interval_s(file.interval)
    return StepEvent(
        id=file.id,
        role=file.role,
        time_ns=file.time_ns,
        boot_id=file.boot_id,
        boottime_ns=file.boottime_ns,
        node=_text(file.node),
        job=_job(file),
        told=_started(file) if file.role is StepRole.START else _ended(file),
        interval_s=interval_s,
        notify=" ".join((_text(file.notify) or "").split()) or None,
        unusable=unusable,
    )


def _job(file: _StepFile) -> JobIdentity:
    return JobIdentity(
        job_id=file.job_id,
        sluid=_text(file.sluid),
        user_id=file.user_id,
        group_id=file.group_id,
        restart_count=file.restart_count,
    )


def _step_name(step_id: int) -> str:
    return _STEP_NAMES.get(step_id, str(step_id))


def _started(file: _StepFile) -> StepTotals:
    return StepTotals(
        step=_step_name(file.step_id), started_ns=file.time_ns, task_count=file.tasks, tag=_text(file.tag)
    )


def _ended(file: _StepFile) -> StepTotals:
    """What the step came to. The extern step has no task of its own, so nothing of it was read."""
    told = StepTotals(
        step=_step_name(file.step_id),
        ended_ns=file.time_ns,
        task_count=file.tasks,
        exits=tuple(_exit(*one) for one in file.exits),
        tag=_text(file.tag),
    )
    counters = file.counters
    if counters is None:
        return told
    # Every task was waited for, so the last reading saw all that they did.
    complete = counters.error == 0 and file.tasks is not None and file.tasks_ended >= file.tasks
    return msgspec.structs.replace(
        told,
        ended_ns=max(0, file.time_ns - max(0, file.boottime_ns - counters.read_boottime_ns)),
        cpu_s=_figure(counters.cpu_usage_ns, NS_PER_S, complete),
        cpu_user_s=_figure(counters.cpu_user_ns, NS_PER_S, complete),
        cpu_system_s=_figure(counters.cpu_system_ns, NS_PER_S, complete),
        memory_peak_bytes=_figure(counters.memory_peak_bytes, 1, complete),
        io_read_bytes=_figure(counters.io_read_bytes, 1, complete),
        io_written_bytes=_figure(counters.io_written_bytes, 1, complete),
        oom_kills=counters.oom_kill_events,
    )


def _figure(counted: int | None, scale: int, complete: bool) -> Figure | None:
    if counted is None:
        return None
    return Figure(value=counted / scale, source=FigureSource.TASK_EXIT, complete=complete)


def _exit(status: int, tasks: int, first_tasks: tuple[int, ...]) -> ExitCount:
    """A status of wait(2): the low seven bits are the signal, the next byte the exit code."""
    signal = status & 0x7F
    return ExitCount(code=0 if signal else status >> 8 & 0xFF, signal=signal, tasks=tasks, first_tasks=first_tasks)


def asked_interval_s(asked: str | None) -> tuple[float | None, tuple[str, ...]]:
    """SLURMLENS_INTERVAL in seconds, and its name where it is none."""
    if asked is None:
        return None, ()
    try:
        interval_s = float(asked)
    except ValueError:
        interval_s = 0.0
    if not LEAST_INTERVAL_S <= interval_s <= LONGEST_INTERVAL_S:
        return None, ("SLURMLENS_INTERVAL",)
    return interval_s, ()


def _text(value: str | None) -> str | None:
    return hook_file.as_utf8(value) if value else None
