"""What the scheduler says, as frozen values: jobs, steps, nodes and partitions.

Owns the shapes that every source (`json_records`, `accounting_text`, `scontrol_text`, `pyslurm_source`) decodes into
and the hub stores. Fed by those decoders; read by the hub's history. Absent is None: the source did not tell, which
never means 0.

One `JobRecord` is one *execution*: a requeued job has as many as it had runs, told apart by (job id, submit time), for
Slurm gives a requeued job a new submit time, and that pair is slurmdbd's own key.

A record holds nothing that could hold it, so the garbage collector need not look at it (`gc=False`): with a queue of
50,000 jobs in memory each full collection would hold the program for tens of milliseconds.

Times are whole seconds since the epoch, UTC. `start_s` is when it started, never when it is expected to
(`expected_start_s`); `end_s` is when it ended, never when its limit runs out.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

import msgspec

from slurmlens.errors import DecodeError

Entry = TypeVar("Entry")
Record = TypeVar("Record")


class Decoded(NamedTuple, Generic[Record]):
    """What an answer held: its records, how many of its entries could not be read at all, and what of the others is not
    known, because it came in a shape or of a size that we have not learned: field name → how often.
    """

    records: tuple[Record, ...]
    refused: int = 0
    unknown: Mapping[str, int] = MappingProxyType({})

    @classmethod
    def of(cls, entries: Iterable[Entry], read: Callable[[Entry, Counter[str]], Record]) -> Decoded[Record]:
        """What `read` makes of each; one that it refuses with DecodeError is left out and counted.

        `read` counts, in what it is given beside the entry, the fields that it could not make out.
        """
        records: list[Record] = []
        unknown: Counter[str] = Counter()
        refused = 0
        for entry in entries:
            try:
                records.append(read(entry, unknown))
            except DecodeError:
                refused += 1
        return cls(tuple(records), refused, unknown)


class JobState(enum.Enum):
    """Slurm's base states, `REQUEUED` as accounting shows it, and `UNKNOWN` for a word we have not learned."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    NODE_FAIL = "NODE_FAIL"
    PREEMPTED = "PREEMPTED"
    BOOT_FAIL = "BOOT_FAIL"
    DEADLINE = "DEADLINE"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    REQUEUED = "REQUEUED"
    REVOKED = "REVOKED"
    UNKNOWN = "UNKNOWN"

    @property
    def has_ended(self) -> bool:
        """Whether an execution in this state is over."""
        return self not in _NOT_ENDED


_NOT_ENDED = frozenset({JobState.PENDING, JobState.RUNNING, JobState.SUSPENDED, JobState.UNKNOWN})

ENDED_UNWELL = frozenset(
    {
        JobState.FAILED,
        JobState.TIMEOUT,
        JobState.NODE_FAIL,
        JobState.BOOT_FAIL,
        JobState.DEADLINE,
        JobState.OUT_OF_MEMORY,
    }
)
"""What counts as a failure when asking what else failed on a node: not what somebody wanted (cancel, preempt)."""


class RecordSource(enum.Enum):
    """Where a record was read: the controller's queue (now) or accounting (for good)."""

    QUEUE = "queue"
    ACCOUNTING = "accounting"


class StepRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One step; `step` is Slurm's name for it: "0", "batch", "extern", "interactive"."""

    step: str
    state: JobState = JobState.UNKNOWN
    name: str | None = None
    exit_code: int | None = None
    exit_signal: int | None = None
    start_s: int | None = None
    end_s: int | None = None
    nodes: tuple[str, ...] = ()
    task_count: int | None = None
    cancelled_by: str | None = None


class JobRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One execution of one job, by the scheduler.

    `state_flags` are the words beside the base state (COMPLETING, CONFIGURING, LAUNCH_FAILED, REQUEUE_HOLD ...).
    `cancelled_by` is the uid or name accounting gives in "CANCELLED by 2000".
    `tres` maps Slurm's names ("cpu", "mem", "gres/gpu") to what was allocated, memory in bytes.
    `memory_bytes` is allocated in all; `requested_memory_bytes` is what was asked for in all, where it can be known.
    `array_tasks` is the part of an array still waiting as one record ("1-3%1").
    """

    job_id: int
    state: JobState
    source: RecordSource
    cluster: str | None = None
    sluid: str | None = None
    name: str | None = None
    user: str | None = None
    user_id: int | None = None
    group: str | None = None
    group_id: int | None = None
    account: str | None = None
    partition: str | None = None
    qos: str | None = None
    state_flags: tuple[str, ...] = ()
    reason: str | None = None
    reason_text: str | None = None
    exit_code: int | None = None
    exit_signal: int | None = None
    derived_exit_code: int | None = None
    derived_exit_signal: int | None = None
    cancelled_by: str | None = None
    submit_s: int | None = None
    eligible_s: int | None = None
    expected_start_s: int | None = None
    start_s: int | None = None
    end_s: int | None = None
    time_limit_s: int | None = None
    suspended_s: int | None = None
    nodes: tuple[str, ...] = ()
    node_count: int | None = None
    cpu_count: int | None = None
    task_count: int | None = None
    tres: dict[str, int] = {}
    memory_bytes: int | None = None
    requested_memory_bytes: int | None = None
    restart_count: int | None = None
    array_job_id: int | None = None
    array_task_id: int | None = None
    array_tasks: str | None = None
    het_job_id: int | None = None
    het_job_offset: int | None = None
    flags: tuple[str, ...] = ()
    steps: tuple[StepRecord, ...] = ()

    @property
    def is_completing(self) -> bool:
        """The tasks are gone but nodes still clean up (Epilog)."""
        return "COMPLETING" in self.state_flags


def with_steps(job: JobRecord, steps: tuple[StepRecord, ...]) -> JobRecord:
    """A job with its steps, and with the first step's start where its own was lost.

    22.05's accounting loses the start of a job that is requeued right after it began (run).
    """
    first_s = min((step.start_s for step in steps if step.start_s), default=None)
    lost = job.start_s is None and job.state is not JobState.PENDING
    return msgspec.structs.replace(job, steps=steps, start_s=first_s if lost else job.start_s)


class NodeRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node by the controller: `name` is NodeName, `address` what slurmctld talks to, `host_name` the machine.

    `reason_by` and `reason_since_s` say who gave the reason, and when; `slurm_version` is its slurmd's release.
    """

    name: str
    address: str | None = None
    host_name: str | None = None
    state: str | None = None
    state_flags: tuple[str, ...] = ()
    reason: str | None = None
    reason_by: str | None = None
    reason_since_s: int | None = None
    partitions: tuple[str, ...] = ()
    cpu_count: int | None = None
    memory_bytes: int | None = None
    features: tuple[str, ...] = ()
    gres: str | None = None
    architecture: str | None = None
    operating_system: str | None = None
    slurm_version: str | None = None
    boot_s: int | None = None


class PartitionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One partition by the controller."""

    name: str
    state: str | None = None
    nodes: tuple[str, ...] = ()
    is_default: bool = False
    time_limit_s: int | None = None


class SwitchRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One switch (or block) of Slurm's topology: the nodes and switches below it, as the topology names them.

    `topology` is the name of the topology that it belongs to; from 25.05 on there may be several.
    """

    name: str
    nodes: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    level: int | None = None
    topology: str | None = None


class ClusterAnswer(NamedTuple):
    """The cluster itself as the controller told it: nodes, and partitions and switches where it was asked for them."""

    nodes: Decoded[NodeRecord]
    partitions: Decoded[PartitionRecord] | None = None
    switches: Decoded[SwitchRecord] | None = None
