"""What history answers, as frozen values: everything that reports, pages and the command line may show of a job.

Owns the types that `queries` fills and `hub.views` turns into views; does no I/O. Absent is None: unavailable, never 0.
Times are `*_ns`, integers since the epoch (UTC). Where a time was reported by more than one witness, the hook's own
wins (it is finer than the scheduler's whole seconds), and `start_source`/`end_source` say which it was.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from slurmlens.events import DroppedLines, EventKind, JobIdentity, Totals, Witness
from slurmlens.hub.history.profiles.course import Course
from slurmlens.slurm.records import JobRecord, JobState


class TimeSource(enum.Enum):
    """Who reported a run's start or end, from finest to coarsest. RECONCILED: nobody did; the hub concluded it."""

    HOOK = "hook"
    SCHEDULER = "scheduler"
    CGROUP = "cgroup"
    RECONCILED = "reconciled"


class OutcomeSource(enum.Enum):
    """Who decided the outcome: the scheduler, the Epilog's exit code while the scheduler is silent, or nobody."""

    SCHEDULER = "scheduler"
    HOOK = "hook"
    NOBODY = "nobody"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended, or in which state it is.

    `label` is what people read: "FAILED 42:0", "CANCELLED by alice", "OUT_OF_MEMORY", "RUNNING".
    Exit code and signal are None where nobody reported them. `oom_kills` is what our own counters saw, over all nodes.
    """

    state: JobState
    label: str
    source: OutcomeSource
    exit_code: int | None = None
    exit_signal: int | None = None
    derived_exit_code: int | None = None
    cancelled_by: str | None = None
    oom_kills: int | None = None


class NodeState(enum.Enum):
    """How a node stands to a run of a job.

    RUNNING: its daemon says the job is there. ENDED: it reported the end. RECONCILED: the end was inferred.
    SILENT: open, but nothing was heard of the node lately. UNHEARD: the scheduler names it, no sighting came from it.
    """

    RUNNING = "running"
    ENDED = "ended"
    RECONCILED = "reconciled"
    SILENT = "silent"
    UNHEARD = "unheard"


class ClosedReason(enum.Enum):
    """Why the hub closed a sighting without its own last word; the value stands in `sightings.closed_reason`."""

    NOT_LISTED = "not-listed"
    NODE_BOOTED = "node-booted"
    RUN_ENDED = "run-ended"
    RUN_FORGOTTEN = "run-forgotten"
    NO_RUN = "no-run"
    NO_SUMMARY = "no-summary"

    @property
    def holds_for_one_run(self) -> bool:
        """Whether it says nothing any more once the sighting turns out to belong to another run."""
        return self in (ClosedReason.RUN_ENDED, *BY_THE_SCHEDULERS_SILENCE)


BY_THE_SCHEDULERS_SILENCE = (ClosedReason.RUN_FORGOTTEN, ClosedReason.NO_RUN)
"""It is over because the scheduler says nothing of it, which any later word of its, or of the node, refutes."""


class Detail(enum.IntEnum):
    """How much of a sighting is still there; retention takes it down step by step."""

    ALL = 0
    COARSE = 1  # its course is coarse
    NO_EVENTS = 2  # and its events' rows are gone
    NO_COURSE = 3  # and its course is


class DroppedEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Events that a node's spool had to give up, reported between these two moments of its clock."""

    lines: int
    from_ns: int
    until_ns: int


class NodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One node's part in a run, merged from all its sightings.

    `complete` is False where part of the run went unseen on this node (`unseen_s` of it, as far as that is known).
    `sightings` counts how often a daemon began to watch: more than one means that it was restarted in mid-run.
    `skew_s` is the node's clock minus the hub's, by the last heartbeat that did not wait on its way.
    """

    node: str
    state: NodeState
    start_ns: int | None = None
    end_ns: int | None = None
    start_witness: Witness | None = None
    end_witness: Witness | None = None
    reconciled_reason: str | None = None
    slot: int | None = None
    samples: int = 0
    totals: Totals | None = None
    profile: Course | None = None
    unseen_s: float | None = None
    complete: bool = False
    sightings: int = 0
    last_heard_ns: int | None = None
    skew_s: float | None = None
    other_failed_jobs_today: tuple[int, ...] = ()
    """Other jobs that failed on this node on the day (UTC) on which this run ended, or today; latest first."""
    dropped: DroppedEvents | None = None
    """While the run was there, or its summary awaited: some of them may have been about it."""


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One line about each run of the job: what links to earlier and later executions show."""

    number: int
    state: JobState
    label: str
    submit_ns: int | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    nodes: tuple[str, ...] = ()


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the run as the hub holds it; `detail` is words where the kind alone does not say it."""

    id: str
    time_ns: int
    kind: EventKind
    node: str
    witness: Witness | None = None
    detail: str | None = None


class HeldReason(enum.Enum):
    """Why a sighting is not part of a run yet."""

    NO_RECORD = "no-record"
    NOT_STARTED = "not-started"
    NO_OVERLAP = "no-overlap"


class HeldSighting(msgspec.Struct, frozen=True, kw_only=True):
    """A node's sighting of this job id that no run of the scheduler fits yet. Tried again with every new record."""

    node: str
    sighting: str
    start_ns: int
    end_ns: int | None
    reason: HeldReason
    since_ns: int


class JobFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known of one run of one job.

    `run` is its number, `runs` all runs under this job id with it among them. Where the scheduler reported nothing yet,
    `record` is None, and the run is made of what the nodes reported (`identity`).
    `identity` holds what hooks said, merged over nodes; prefer `record` where both speak.
    `as_of_ns` is when this was asked; `scheduler_heard_ns` when the scheduler last said something new about this run.
    """

    cluster: str
    job_id: int
    run: int
    runs: tuple[RunFacts, ...]
    outcome: Outcome
    as_of_ns: int
    record: JobRecord | None = None
    identity: JobIdentity | None = None
    submit_ns: int | None = None
    eligible_ns: int | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    start_source: TimeSource | None = None
    end_source: TimeSource | None = None
    is_live: bool = False
    """Not over, or over with summaries or accounting's word still to come: a page keeps its live connection."""
    nodes: tuple[NodeFacts, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    held: tuple[HeldSighting, ...] = ()
    scheduler_heard_ns: int | None = None
    scheduler_silent_since_ns: int | None = None
    """Since when the scheduler gives no answers, where that is long enough for its word to be out of date."""
    detail: Detail = Detail.ALL
    """Of the part that has lost most by age."""
    reused_id: bool = False
    """Another, older job had the same id; `runs` lists only this one's."""

    @property
    def begun_unknown_to_scheduler(self) -> tuple[str, ...]:
        """Nodes on which the job has begun since the scheduler's last answer, which calls it pending."""
        return tuple(sorted({held.node for held in self.held if held.reason is HeldReason.NOT_STARTED}))


class ListPlace(NamedTuple):
    """Where a job stands in a list: its section, its time of order there, and its run's number in the database."""

    section: int
    order_ns: int
    run: int

    @property
    def text(self) -> str:
        """As it stands in addresses; `web.addresses` reads it."""
        return f"{self.section}.{self.order_ns}.{self.run}"


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """One job in a list: its latest run.

    `cpu_s` is the sum over nodes and `memory_peak_bytes` the highest node's; None until a node has sent its totals.
    `record` is the scheduler's, `identity` what a hook reported where there is no record; `nodes` are those that the
    record names and those that reported the run.
    """

    cluster: str
    job_id: int
    run: int
    outcome: Outcome
    record: JobRecord | None = None
    identity: JobIdentity | None = None
    name: str | None = None
    user: str | None = None
    account: str | None = None
    partition: str | None = None
    qos: str | None = None
    reason: str | None = None
    reason_text: str | None = None
    submit_ns: int | None = None
    expected_start_ns: int | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    nodes: tuple[str, ...] = ()
    cpu_s: float | None = None
    memory_peak_bytes: float | None = None
    array_job_id: int | None = None
    array_task_id: int | None = None
    array_tasks: str | None = None
    held: int = 0
    """Sightings of this job id that are not assigned to a run yet."""
    place: ListPlace | None = None


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list. `next` is where the list goes on (`JobFilter.after`), None where this is its end.

    A page may hold fewer jobs than were asked for, or none, and still have a next one: where few jobs of many fit the
    filters, so many are looked through at once and no more.
    """

    rows: tuple[JobRow, ...]
    next: ListPlace | None = None


class StateFilter(enum.Enum):
    """The groups of states that a list can be narrowed to, beside a single `JobState`."""

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs to list; None is any. Running ones come first, then pending, then the rest, each newest first.

    `after` is the place of the last job that was listed before: the list goes on behind it, at the same cost.
    """

    state: StateFilter | JobState | None = None
    user: str | None = None
    account: str | None = None
    partition: str | None = None
    node: str | None = None
    limit: int = 200
    after: ListPlace | None = None


class NodeHeard(msgspec.Struct, frozen=True, kw_only=True):
    """A node daemon as the hub knows it."""

    cluster: str
    node: str
    last_heard_ns: int
    version: str | None = None
    boot_id: str | None = None
    interval_s: float | None = None
    skew_s: float | None = None
    contested_ns: int | None = None
    """When two daemons, of two boots, were last seen to claim this name at once."""
    other_boot_id: str | None = None
    """The other one's boot."""
    running: tuple[int, ...] = ()
    dropped: tuple[DroppedLines, ...] = ()
    """What its spool had to give up, in all."""


class HistoryStatus(msgspec.Struct, frozen=True, kw_only=True):
    """History about itself, for /status.json."""

    refused: dict[str, int]
    """Events and requests turned away since the database was made, by reason."""
    held: dict[str, int]
    """Sightings that no run fits yet, by reason."""
    nodes: tuple[NodeHeard, ...]


class EarlierRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the same job that was over before another one began, and how long it ran."""

    job_id: int
    run: int
    state: JobState
    ran_ns: int
