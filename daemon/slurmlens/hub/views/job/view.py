"""What one job's page, terminal report, JSON, CSV and mail show: `JobView`.

Owns the types and nothing else; made by `build`, drawn by `terminal`, `table` and `hub.web`; the list of jobs shares
some of its parts. The field names are the JSON's. Values are raw (seconds, bytes, ratios, nanoseconds since the epoch,
UTC): `shown.format` makes them readable. None means unavailable, and then a `note` beside it says why. Names that users
chose are kept as they are; whoever shows them passes them through `text.visible`.
"""

from __future__ import annotations

import enum

import msgspec

from slurmlens.events import StepProgram
from slurmlens.hub.views.finding.view import FindingLine
from slurmlens.slurm.records import JobState
from slurmlens.wire.assessment import KnownProblem, Score

VIEW_VERSION = 1
MOST_NODE_ROWS = 128
NODE_ROWS_OF_MORE = 64


def rows_shown(node_count: int) -> int:
    """How many nodes of a job a page has in its table: all, of very many the first; the CSV and the JSON have all."""
    return node_count if node_count <= MOST_NODE_ROWS else NODE_ROWS_OF_MORE


class Phase(enum.Enum):
    """Which of the three questions the reader has: why does it wait, does it work, what happened?"""

    PENDING = "pending"
    RUNNING = "running"
    ENDED = "ended"


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A remark; where it is about a moment, the moment stands apart, so that each reader sees it in their zone."""

    text: str
    time_ns: int | None = None


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """Used against asked. `ratio` is None where either is unknown or asked is 0; `note` is for the reader."""

    used: float | None = None
    asked: float | None = None
    ratio: float | None = None
    source: str | None = None
    complete: bool = True
    note: str | None = None


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which job this is. `run` counts from 1; `runs` is how many there were so far."""

    cluster: str
    job_id: int
    run: int
    runs: int
    name: str | None = None
    user: str | None = None
    account: str | None = None
    partition: str | None = None
    qos: str | None = None
    array_job_id: int | None = None
    array_task_id: int | None = None
    het_job_id: int | None = None
    het_job_offset: int | None = None


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """When. `start_source` and `end_source` say who reported it: "hook", "cgroup", or "scheduler" (whole seconds
    only)."""

    submitted_ns: int | None = None
    started_ns: int | None = None
    ended_ns: int | None = None
    expected_start_ns: int | None = None
    waited_s: float | None = None
    ran: Amount = Amount()
    limit_ns: int | None = None
    """When a running job reaches its limit."""
    start_source: str | None = None
    end_source: str | None = None


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    """Where, and how much was given. A list of nodes that is cut ends in "…"."""

    node_list: str | None = None
    node_list_is_cut: bool = False
    node_count: int | None = None
    cores: int | None = None
    gpus: int | None = None
    memory_bytes: int | None = None
    """On all nodes together."""


class InputOutput(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes read and written by the job."""

    read_bytes: float | None = None
    written_bytes: float | None = None
    source: str | None = None
    complete: bool = True
    note: str | None = None


class Pressure(msgspec.Struct, frozen=True, kw_only=True):
    """Share of the run in which some task stood still for want of a resource; `scope` is "job" or "node"."""

    cpu_ratio: float | None = None
    memory_ratio: float | None = None
    io_ratio: float | None = None
    scope: str | None = None
    note: str | None = None


class ProgressView(msgspec.Struct, frozen=True, kw_only=True):
    """How far the job is by its own word, and what follows from it; in units of the job's own.

    It is the task's that is least far in the step that spoke last (`step`, `rank`, `node`), of `tasks` that reported
    something; `least_ratio` and `most_ratio` are over these. The finish is an interval of 90 %; `left_s` and `spread_s`
    say the same as a duration and half a width. Rates are units a second. `stalled_s` is set only where it stands still
    several times longer than usual; `verdict` only where there is a time limit. `restarts`: how often it began anew.
    """

    done: float
    total: float | None = None
    ratio: float | None = None
    told_ns: int
    rate_now: float | None = None
    rate_mean: float | None = None
    finish_ns: int | None = None
    finish_low_ns: int | None = None
    finish_high_ns: int | None = None
    left_s: float | None = None
    spread_s: float | None = None
    usual_interval_s: float | None = None
    stalled_since_ns: int | None = None
    stalled_s: float | None = None
    verdict: str | None = None
    verdict_text: str | None = None
    step: str
    rank: int | None = None
    node: str
    tasks: int
    least_ratio: float | None = None
    most_ratio: float | None = None
    restarts: int = 0
    values: dict[str, float] = {}


class EarlierView(msgspec.Struct, frozen=True, kw_only=True):
    """The user's earlier runs of the same job, and what they say of this one. Durations are of runs that completed:
    the median, and the range in which eight of ten were. `expected_end_ns` is this run's end if it takes as long as the
    median; `is_unusual`: it took, or takes, longer than any of them.
    """

    runs: int
    completed: int
    failed: int
    median_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    expected_end_ns: int | None = None
    text: str
    is_unusual: bool = False
    last_job_id: int
    last_run: int


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """One node's part. Courses are shares (of the node's cores, of its memory) at few points; None is a gap.

    Of a job with very many nodes only the first `rows_shown` have courses.
    """

    name: str
    samples: int | None = None
    """None until the node's summary says how many there were."""
    cpu: Amount = Amount()
    memory: Amount = Amount()
    io: InputOutput = InputOutput()
    pressure: Pressure = Pressure()
    oom_kills: int | None = None
    pids_peak: int | None = None
    """The most processes and threads at once."""
    slot: int | None = None
    """Which of the node's places in carbon has its series while it runs; None before the node told."""
    unseen_s: float = 0.0
    odd: bool = False
    notes: tuple[Note, ...] = ()
    cpu_course: tuple[float | None, ...] = ()
    memory_course: tuple[float | None, ...] = ()


class GpuView(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU that the run has or had on a node. `source` says how that is known."""

    node: str
    uuid: str
    pci: str | None = None
    model: str | None = None
    part_of: str | None = None
    source: str
    since_ns: int
    told_ns: int
    utilisation_ratio: float | None = None
    utilisation_now_ratio: float | None = None
    memory_peak_bytes: int = 0
    memory_total_bytes: int | None = None
    energy_joules: float | None = None
    processes: int = 0
    idle_s: float = 0.0
    is_shared: bool = False
    is_idle: bool = False
    notes: tuple[str, ...] = ()


class GpusView(msgspec.Struct, frozen=True, kw_only=True):
    """All GPUs of the run; `given` is how many the scheduler gave, `idle` how many it never kept busy."""

    rows: tuple[GpuView, ...]
    given: int | None = None
    utilisation_ratio: float | None = None
    idle: int = 0
    energy_joules: float | None = None
    sentence: str = ""


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """One step over all its nodes."""

    step: str
    name: str | None = None
    state: JobState | None = None
    exit_text: str | None = None
    tasks: int | None = None
    node_list: str | None = None
    started_ns: int | None = None
    ended_ns: int | None = None
    cpu_s: float | None = None
    cpu_complete: bool = False
    memory_peak_bytes: float | None = None
    memory_peak_complete: bool = False
    oom_kills: int | None = None
    is_exact: bool = False
    """Its CPU seconds were read at the exit of each of its tasks, on every node that reported it."""
    exits_text: str | None = None
    """How its tasks ended, where not all ended well: `126 × 0, 1 × signal 9 (task 17)`."""
    tag: str | None = None
    """What the user calls it."""
    modules: str | None = None
    """Environment modules that were loaded when it began, with colons between, as far as the hook tells them."""
    container: str | None = None
    programs: tuple[StepProgram, ...] = ()
    """Those that were seen to run, over all nodes, the one of most CPU time first."""


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the time line: pending, prolog, run, epilog."""

    kind: str
    start_ns: int
    end_ns: int


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of the time line. `where` names nodes; `loud` marks what a reader looks for first."""

    time_ns: int
    kind: str
    text: str
    where: str | None = None
    loud: bool = False


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a chart. `role`: line, low, high, median, odd. `sign` -1 is drawn below the axis. None is a gap."""

    label: str
    role: str
    values: tuple[float | None, ...]
    sign: int = 1


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """The vertical axis of a chart: its ends, its ticks and their texts."""

    low: float
    high: float
    ticks: tuple[float, ...]
    texts: tuple[str, ...]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One of the small multiples; `note` says why it is empty, or what kind of figure it shows."""

    key: str
    title: str
    unit: str
    series: tuple[Series, ...] = ()
    limit: float | None = None
    limit_label: str | None = None
    limit_shown: bool = False
    scale: Scale | None = None
    note: str | None = None
    empty: bool = False


class Charts(msgspec.Struct, frozen=True, kw_only=True):
    """All charts of a job over one x axis: `times_s` are the middles of bins of `width_s`, seconds since the epoch.

    The picture reaches from `start_s` to `end_s`; the run itself from `ran_from_s` to `ran_until_s` (None while it
    runs).
    """

    start_s: float
    end_s: float
    ran_from_s: float
    ran_until_s: float | None
    width_s: float
    times_s: tuple[float, ...]
    charts: tuple[Chart, ...]
    shape: str = ""
    """Equal where a browser can add to what it has: the same bins, the same lines."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """Asked against used, as one thing to do next time; `line` is ready to copy."""

    text: str
    line: str | None = None


class CauseView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a run died, as far as that is known: `level` is sure, likely or possible; None where it is not known.

    `confidence` is the rules' judgement, from 0 to 1. `others` are causes that come close.
    """

    kind: str
    words: str
    level: str | None = None
    confidence: float = 0.0
    evidence: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


class MachineOddity(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the job that was not like the others while the job ran, and in which figure of the node itself."""

    node: str
    figure: str
    value: float
    others: float
    text: str


class MachinesView(msgspec.Struct, frozen=True, kw_only=True):
    """What the job's nodes, as machines, did in its time. None is: not known, or not this job's alone.

    `energy_joules` is an estimate: the CPU packages' power, `energy_is_share` by the share of each node's cores that
    were the job's.
    """

    energy_joules: float | None = None
    energy_is_share: bool = True
    network_received_bytes: float | None = None
    network_sent_bytes: float | None = None
    files_read_bytes: float | None = None
    files_written_bytes: float | None = None
    odd: tuple[MachineOddity, ...] = ()


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures are worth; `samples` is None until a summary came."""

    samples: int | None = None
    complete: bool = True
    unseen_s: float = 0.0
    source: str | None = None
    notes: tuple[str, ...] = ()


class RunLink(msgspec.Struct, frozen=True, kw_only=True):
    """Another run of the same job."""

    run: int
    state: JobState
    state_text: str
    started_ns: int | None = None
    ran_s: float | None = None


class AssessmentView(msgspec.Struct, frozen=True, kw_only=True):
    """One assessment of the run by a workflow: how far it is, or what it found. `state` is `workflows.trigger`'s."""

    rule: str
    state: str
    attempt: int
    made_ns: int
    problem: str | None = None
    total: float | None = None
    scores: tuple[Score, ...] = ()
    problems: tuple[KnownProblem, ...] = ()


class ThenLine(msgspec.Struct, frozen=True, kw_only=True):
    """Its partition's nodes, its user's groups or its nodes' switches (`kind`) when it began; what `changed` since."""

    label: str
    kind: str
    text: str
    changed: str | None = None


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is shown of one run of one job."""

    version: int = VIEW_VERSION
    made_ns: int
    phase: Phase
    state: JobState
    state_text: str
    headline: str
    findings: tuple[FindingLine, ...] = ()
    """What was found that touched the job, the newest first."""
    cause: CauseView | None = None
    """None where the run goes on, or went well."""
    derived_exit_text: str | None = None
    """The highest exit code of the job's steps, as Slurm derives it; None where it was not reported."""
    identity: Identity
    times: Times
    allocation: Allocation
    cpu: Amount
    memory: Amount
    memory_peak_node: str | None = None
    progress: ProgressView | None = None
    """None where none of its processes reported any."""
    earlier: EarlierView | None = None
    """None where the user ran nothing like it before."""
    io: InputOutput = InputOutput()
    pressure: Pressure = Pressure()
    nodes: tuple[NodeView, ...] = ()
    gpus: GpusView | None = None
    machines: MachinesView | None = None
    """None where no node told of any."""
    steps: tuple[StepView, ...] = ()
    bands: tuple[Band, ...] = ()
    marks: tuple[Mark, ...] = ()
    charts: Charts | None = None
    advice: tuple[Advice, ...] = ()
    provenance: Provenance = Provenance()
    then: tuple[ThenLine, ...] = ()
    """What the cluster was around it when it began."""
    other_runs: tuple[RunLink, ...] = ()
    assessments: tuple[AssessmentView, ...] = ()
    """By workflows that were started because of it, the latest first."""
    is_live: bool = False
    """Running, or ended so lately that figures are still coming in."""
    last_news_ns: int | None = None
    """When a node last said something about this run; by it live and stale are distinguished."""
