"""What happens, as frozen values: the vocabulary that every stage of node and hub shares.

Owns the types of all events and of what they carry, with the bounds that hold wherever one is read from bytes (msgspec
checks them there); no I/O, no encoding (that is `wire`'s). Made by `wire.hook` and `node.registry`, ends in `history`.

The life of one *sighting* (one run of one job as one node saw it):

    JobStart ─► JobProfile* ─► JobEnd ─► JobSummary        source says who told: hook, or the cgroup tree
             └► JobProgress*, JobMessage*                  what processes of the job told themselves

A node cannot name a run for certain (the Epilog of a requeued run carries the next restart count), so a sighting is
keyed by (cluster, node, boot id, job id, first seen) and the hub assigns it to a run by the scheduler's own record.

Times: `*_ns` are integers since the epoch (UTC) unless named `boottime`; seconds are floats.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

SCHEMA_VERSION = 1

Unsigned = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""What every database column can hold."""

JobId = Annotated[int, msgspec.Meta(ge=1, le=0xFFFF_FFFF)]

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Place(msgspec.Struct, frozen=True):
    """Whose events these are: a node of a cluster, in one boot of it."""

    cluster: str
    node: str
    boot_id: str


class EventKind(enum.Enum):
    """The closed list of kinds; the value is ECS `event.action`."""

    JOB_START = "job-start"
    JOB_END = "job-end"
    JOB_PROFILE = "job-profile"
    JOB_SUMMARY = "job-summary"
    NODE_HEARTBEAT = "node-heartbeat"
    LINES_DROPPED = "lines-dropped"
    JOB_PROGRESS = "job-progress"
    JOB_MESSAGE = "job-message"
    NODE_STATE = "node-state"
    NODE_SOFTWARE = "node-software"


class Witness(enum.Enum):
    """Who told us: a hook of Slurm, or the cgroup tree (then the event is *reconciled*)."""

    HOOK = "hook"
    CGROUP = "cgroup"


class JobIdentity(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Everything a hook or the cgroup tree says about which job this is. Absent is None: not told, not empty.

    `restart_count` is what the hook said and is NOT the run's number (an Epilog after a requeue says the next one).
    `exit_code` and `exit_signal` come from SLURM_JOB_EXIT_CODE2 ("code:signal").
    `gpus` are this node's by Slurm's own numbers, "0,3".
    `cut` names the fields whose text is only the beginning: Slurm's variable was longer than the emitter keeps.
    """

    job_id: JobId
    sluid: str | None = None
    restart_count: Unsigned | None = None
    user_id: Unsigned | None = None
    user_name: str | None = None
    group_id: Unsigned | None = None
    account: str | None = None
    partition: str | None = None
    qos: str | None = None
    job_name: str | None = None
    array_job_id: Unsigned | None = None
    array_task_id: Unsigned | None = None
    het_job_id: Unsigned | None = None
    het_job_offset: Unsigned | None = None
    node_list: str | None = None
    node_count: Unsigned | None = None
    task_count: Unsigned | None = None
    cpus_per_node: str | None = None
    start_time_s: Unsigned | None = None
    end_time_s: Unsigned | None = None
    exit_code: Unsigned | None = None
    exit_signal: Unsigned | None = None
    derived_exit_code: Unsigned | None = None
    gpus: str | None = None
    cut: Annotated[tuple[Identifier, ...], msgspec.Meta(max_length=32)] = ()


def merged_identity(reported: Sequence[JobIdentity]) -> JobIdentity:
    """One of several that are about one job: field by field, the first that knows it, cut where that one's is."""
    values: dict[str, Any] = {}
    cut: list[str] = []
    for name in _MERGED_FIELDS:
        for identity in reported:
            if (value := getattr(identity, name)) is not None:
                values[name] = value
                if name in identity.cut:
                    cut.append(name)
                break
    return JobIdentity(**values, cut=tuple(cut))


_MERGED_FIELDS = tuple(name for name in JobIdentity.__struct_fields__ if name != "cut")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What all events carry.

    `id` is unique for ever and made by whoever saw the thing first (a hook's own id is kept): delivery is
    at-least-once, and everything downstream is idempotent by it. Order within a node is (boot_id, boottime_ns).
    Each kind carries its name as msgspec's tag, so that any of them can be read back as `AnyEvent`.
    """

    schema: int = SCHEMA_VERSION
    id: Identifier
    time_ns: Unsigned
    boot_id: Identifier
    boottime_ns: Unsigned
    cluster: Name
    node: Name


class JobStart(Event, frozen=True, kw_only=True, tag_field="kind", tag=EventKind.JOB_START.value):
    """A job began on this node: its Prolog ran, or its cgroup was found without one."""

    sighting: Identifier
    job: JobIdentity
    witness: Witness
    slot: Unsigned | None = None


class JobEnd(Event, frozen=True, kw_only=True, tag_field="kind", tag=EventKind.JOB_END.value):
    """A job left this node: its Epilog ran, or its cgroup was gone and no Epilog came."""

    sighting: Identifier
    job: JobIdentity
    witness: Witness


class Point(msgspec.Struct, frozen=True, array_like=True):
    """One bin of a profile for one metric: min, mean, max. All None where nothing was measured: a gap is a gap."""

    low: float | None
    mean: float | None
    high: float | None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A job's course on one node at a bounded number of points.

    `start_ns` is the begin of the first bin, aligned to `width_s`; bin i covers [start + i*width, start + (i+1)*width).
    `columns` maps a metric's name (`metrics.METRICS`) to its bins, all of the same length.
    """

    start_ns: Unsigned
    width_s: float
    columns: dict[str, list[Point]]


class JobProfile(Event, frozen=True, kw_only=True, tag_field="kind", tag=EventKind.JOB_PROFILE.value):
    """What is new in a running job's profile since the last such event of this sighting."""

    sighting: Identifier
    job_id: JobId
    profile: Profile


class FigureSource(enum.Enum):
    """How a total came about, from exact to guessed."""

    TASK_EXIT = "task_exit"
    PARENT_REST = "parent_rest"
    PARENT_REST_SPLIT = "parent_rest_split"
    LAST_SAMPLE = "last_sample"
    PROCESSES = "processes"
    NODE = "node"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A total with what it is worth. `complete` is False where part of the job went unseen."""

    value: float
    source: FigureSource
    complete: bool = True


class ExitCount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tasks of a step that ended alike on one node: their exit code, or the signal that ended them."""

    code: Unsigned
    signal: Unsigned = 0
    tasks: Unsigned
    first_tasks: tuple[Unsigned, ...] = ()
    """The first of them by their number in the whole step, not all."""


class StepProgram(msgspec.Struct, frozen=True, kw_only=True):
    """A program that a step ran, and the most processes of it, and threads of these together, seen at one time."""

    name: Name
    processes: Unsigned
    threads: Unsigned


class StepTotals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step's totals on this node; `step` is Slurm's name for it: "0", "batch", "extern", "interactive".

    What stands below `oom_kills` the SPANK plugin tells; hooks tell times and what stands below `exits`."""

    step: str
    samples: Unsigned = 0
    cpu_s: Figure | None = None
    memory_peak_bytes: Figure | None = None
    oom_kills: Unsigned | None = None
    cpu_user_s: Figure | None = None
    cpu_system_s: Figure | None = None
    io_read_bytes: Figure | None = None
    io_written_bytes: Figure | None = None
    started_ns: Unsigned | None = None
    ended_ns: Unsigned | None = None
    task_count: Unsigned | None = None
    exits: tuple[ExitCount, ...] = ()
    tag: str | None = None
    command: str | None = None
    modules: str | None = None
    container: str | None = None
    programs: tuple[StepProgram, ...] = ()


class Totals(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a job used on one node. None is unavailable, and is said so; it never means 0.

    Pressure is seconds in which some task stood still, of the job itself or (source NODE) of the whole node while
    the job ran.
    """

    samples: Unsigned
    cpu_s: Figure | None = None
    cpu_user_s: Figure | None = None
    cpu_system_s: Figure | None = None
    cpu_throttled_s: Figure | None = None
    memory_peak_bytes: Figure | None = None
    memory_limit_bytes: Unsigned | None = None
    oom_kills: Unsigned | None = None
    pids_peak: Unsigned | None = None
    io_read_bytes: Figure | None = None
    io_written_bytes: Figure | None = None
    pressure_cpu_some_s: Figure | None = None
    pressure_memory_some_s: Figure | None = None
    pressure_io_some_s: Figure | None = None
    steps: tuple[StepTotals, ...] = ()


class JobSummary(Event, frozen=True, kw_only=True, tag_field="kind", tag=EventKind.JOB_SUMMARY.value):
    """A sighting's last word: when, how much, how well that is known, and the whole profile.

    `start_ns` and `end_ns` are the hooks' own times where they ran (else first and last sight of the cgroup, and the
    witness says CGROUP). `unseen_s` is time inside [start, end] in which no daemon watched.
    """

    sighting: Identifier
    job: JobIdentity
    start_ns: Unsigned
    end_ns: Unsigned
    start_witness: Witness
    end_witness: Witness
    unseen_s: float
    slot: Unsigned | None
    totals: Totals
    profile: Profile | None


class NodeHeartbeat(Event, frozen=True, kw_only=True, tag_field="kind", tag=EventKind.NODE_HEARTBEAT.value):
    """The node daemon is alive; which sightings run; lets the hub see silence, skew and phantom jobs."""

    version: str
    interval_s: float
    running: tuple[tuple[JobId, Identifier], ...]
    """(job id, sighting) of every job on this node now."""


class DroppedLines(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of one stream that were given up for one reason, in all since `since_ns`."""

    stream: Identifier
    reason: Identifier
    lines: Unsigned
    since_ns: Unsigned


class LinesDropped(Event, frozen=True, kw_only=True, tag_field="kind", tag=EventKind.LINES_DROPPED.value):
    """The node's spool gave up lines. It says all that ever was: the greatest number of a stream, reason and
    `since_ns` counts, so one that is repeated or never arrives changes nothing.
    """

    dropped: tuple[DroppedLines, ...]


class TaskProgress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far one task of a step is, by its own word; `time_ns` is when it was last heard.

    `rank` is what the task says it is (None: nothing), and matters to its own job alone.
    """

    step: Identifier
    rank: Unsigned | None = None
    time_ns: Unsigned
    done: float
    total: float | None = None
    values: dict[Name, float] = {}


class JobProgress(Event, frozen=True, kw_only=True, tag_field="kind", tag=EventKind.JOB_PROGRESS.value):
    """The latest word of every task of a running job that said something since the last such event."""

    sighting: Identifier
    job_id: JobId
    tasks: tuple[TaskProgress, ...]


class JobMessage(Event, frozen=True, kw_only=True, tag_field="kind", tag=EventKind.JOB_MESSAGE.value):
    """A process of a job wants this to stand on the job's time line; `notify` is the user's SLURMLENS_NOTIFY."""

    sighting: Identifier
    job_id: JobId
    step: Identifier
    rank: Unsigned | None = None
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    notify: Annotated[str, msgspec.Meta(max_length=255)] | None = None


class NodeReading(msgspec.Struct, frozen=True, array_like=True):
    """One figure of the node itself: its name in `node_metrics.NODE_METRICS`, of what, the value in its unit."""

    name: Name
    of: Annotated[str, msgspec.Meta(max_length=255)]
    value: float


class CollectorTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """A collector that does not tell all it could, and why: `failed`, `off: cost`, `off: failures`, `hangs`."""

    collector: Name
    problem: Name


class GpuHolding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One job's use of one GPU so far, or all of it once it `has_ended`. The newest of a sighting and GPU counts.

    `by`: how it is known that the job has it: `cgroup` (its devices cgroup allows this one), `hook` (Slurm's own
    numbers), `processes` (nothing says what it was given; it computes there).
    """

    uuid: Identifier
    sighting: Identifier
    job_id: JobId
    by: Name
    since_ns: Unsigned
    told_ns: Unsigned
    seen_s: float
    """Time in which the GPU told how busy it was; `busy_s` is the part of it in which it was, weighted."""
    busy_s: float = 0.0
    idle_s: float = 0.0
    """How long it has done nothing by now."""
    memory_peak_bytes: Unsigned = 0
    energy_joules: float | None = None
    processes: Unsigned = 0
    is_shared: bool = False
    """Another job had it at the same time: how busy it was cannot be divided."""
    has_ended: bool = False


class GpuState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One GPU, or one MIG instance (`part_of` names its GPU), now. What it does not tell is None."""

    uuid: Identifier
    pci: str = ""
    minor: Unsigned | None = None
    model: str = ""
    part_of: str = ""
    is_split: bool = False
    problem: str = ""
    """Why it tells nothing: `gone` (off the bus), `it does not answer`, `the driver does not answer`, `hangs`,
    `not read` (the probe ends by itself)."""
    utilisation_ratio: float | None = None
    memory_busy_ratio: float | None = None
    memory_used_bytes: Unsigned | None = None
    memory_total_bytes: Unsigned | None = None
    power_watts: float | None = None
    energy_joules: float | None = None
    temperature_celsius: float | None = None
    clock_hertz: float | None = None
    clock_max_hertz: float | None = None
    memory_clock_hertz: float | None = None
    throttles: tuple[Name, ...] = ()
    ecc_corrected_count: Unsigned | None = None
    ecc_uncorrected_count: Unsigned | None = None
    pcie_replays_count: Unsigned | None = None
    nvlink_errors_count: Unsigned | None = None
    xid: Unsigned = 0
    """The last error number of the driver's since the daemon began; `xids` is how many there were."""
    xids: Unsigned = 0
    outsiders: tuple[JobId, ...] = ()
    """Jobs that compute there although it was given to others."""
    strangers: tuple[Unsigned, ...] = ()
    """Users (by number) whose processes compute there and belong to no job."""


class Outsider(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user, by number, whose processes on this node belong to no job: what they take by now."""

    uid: Unsigned
    cpu_cores: float | None = None
    memory_bytes: Unsigned | None = None
    processes: Unsigned | None = None


class MachineState(Event, frozen=True, kw_only=True, tag_field="kind", tag=EventKind.NODE_STATE.value):
    """How the node itself fares: the newest figures of its collectors, every round. It supersedes the one before."""

    interval_s: float
    readings: tuple[NodeReading, ...] = ()
    troubles: tuple[CollectorTrouble, ...] = ()
    gpus: tuple[GpuState, ...] = ()
    holdings: tuple[GpuHolding, ...] = ()
    outsiders: tuple[Outsider, ...] = ()


SOFTWARE_SOURCES = ("machine", "dpkg", "rpm", "python", "modules", "spack")
"""Where a node's software is known from, in the order in which they are asked: what lies on the node itself first."""

MOST_PACKAGES = 20_000
"""Of one source of one node; a node that has more tells how many, and none of them."""


class Package(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """Something installed: what it is called, its version, and where (an architecture, an environment, a tree)."""

    name: Name
    version: Annotated[str, msgspec.Meta(max_length=255)]
    place: Annotated[str, msgspec.Meta(max_length=255)] = ""


class NodeSoftware(Event, frozen=True, kw_only=True, tag_field="kind", tag=EventKind.NODE_SOFTWARE.value):
    """All that one source of a node's software has now: once a day, and after a change.

    `source` is one of `SOFTWARE_SOURCES`; newer nodes may have others. With a `problem` the packages are not
    known: what was told before stays. `count` is how many there are, also where they are too many to be told.
    """

    source: Annotated[str, msgspec.Meta(pattern="^[a-z]{1,32}$")]
    packages: Annotated[tuple[Package, ...], msgspec.Meta(max_length=MOST_PACKAGES)] = ()
    count: Unsigned = 0
    problem: Annotated[str, msgspec.Meta(max_length=300)] = ""


AnyEvent = (
    JobStart
    | JobEnd
    | JobProfile
    | JobSummary
    | NodeHeartbeat
    | LinesDropped
    | JobProgress
    | JobMessage
    | MachineState
    | NodeSoftware
)

KIND_OF: dict[type[Event], EventKind] = {
    JobStart: EventKind.JOB_START,
    JobEnd: EventKind.JOB_END,
    JobProfile: EventKind.JOB_PROFILE,
    JobSummary: EventKind.JOB_SUMMARY,
    NodeHeartbeat: EventKind.NODE_HEARTBEAT,
    LinesDropped: EventKind.LINES_DROPPED,
    JobProgress: EventKind.JOB_PROGRESS,
    JobMessage: EventKind.JOB_MESSAGE,
    MachineState: EventKind.NODE_STATE,
    NodeSoftware: EventKind.NODE_SOFTWARE,
}


def derived_id(*parts: str) -> str:
    """A 32-digit id for an event that no hook has named; the same parts give the same id."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
