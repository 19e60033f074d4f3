"""What the web part needs from the rest of the hub, as protocols: `hub.pipeline` hands in what fits.

Owns no behaviour. Tests hand in facts they made; the hub hands in history, intake and what is wanted of nodes. The web
part knows neither SQL nor the scheduler.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.campaigns.facts import KeptCampaign, ToldCampaign
from slurmlens.hub.controller_hooks.facts import ControllerWord
from slurmlens.hub.findings.claims import Finding, Said, Word
from slurmlens.hub.findings.facts import FindingFacts, FindingFilter
from slurmlens.hub.findings.problems.problem import ProblemDefinition
from slurmlens.hub.history.facts import EarlierRun, JobFacts, JobFilter, JobList
from slurmlens.hub.inventory.common_cause import CommonCause
from slurmlens.hub.inventory.entities import Entity, EntityKind, HeldFact, HeldRelation
from slurmlens.hub.inventory.questions.blast_radius import BlastRadius
from slurmlens.hub.inventory.questions.memberships import Membership
from slurmlens.hub.inventory.questions.neighbourhood import Neighbourhood
from slurmlens.hub.inventory.read.software import LibraryTold, SoftwareTold, SourceTold
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.inventory.states import EntityHistory
from slurmlens.hub.logs.store import LogReads
from slurmlens.hub.news import Fact
from slurmlens.hub.node_states.facts import JobGpu, NodeCourse, NodeStateTold, OutsidersTold
from slurmlens.hub.node_states.file_systems import FileSystemDay
from slurmlens.hub.node_states.resource_hours import ResourceHour
from slurmlens.hub.node_states.resources import UseFiguresTold
from slurmlens.hub.progress.facts import JobProgressFacts, JobRun
from slurmlens.hub.usage.facts import (
    DayFigure,
    HourFigure,
    NodeTimeFacts,
    Outage,
    StartedRuns,
    UsageFacts,
    UsageFilter,
    UsageWindow,
    WaitCount,
)
from slurmlens.hub.usage.generations import TypedRun
from slurmlens.hub.workflows.trigger import Trigger
from slurmlens.slurm.job_ids import JobReference
from slurmlens.slurm.sdiag_text import SchedulerLoad
from slurmlens.wire.campaign_view import CampaignView


class HistoryQueries(Protocol):
    """History, asked."""

    async def job_facts(
        self, viewer: Viewer, job_id: int, run: int | None = None, cluster: str | None = None
    ) -> JobFacts | None:
        """One run of a job, its latest where none is named; None where nobody reported it."""

    async def own_job_id(self, viewer: Viewer, reference: JobReference) -> int | None:
        """The job's own id, also of an array's task or a part of a heterogeneous job; None where there is none."""

    def silent_since_ns(self, viewer: Viewer) -> int | None:
        """Since when the scheduler gives no answers; None while it does."""

    async def jobs(self, viewer: Viewer, wanted: JobFilter, /) -> JobList:
        """Newest first."""

    async def job_events(self, viewer: Viewer, job_id: int, run: int | None = None) -> Sequence[bytes]:
        """The documents as the nodes sent them, oldest first."""


class ProgressReads(Protocol):
    """What processes of jobs reported, asked."""

    async def of_job(self, viewer: Viewer, job_id: int, run: int) -> JobProgressFacts:
        """What processes of this run reported."""

    async def of_runs(self, viewer: Viewer, runs: Collection[JobRun]) -> Mapping[JobRun, JobProgressFacts]:
        """The same of many runs; those that reported nothing are left out."""


class NodeStateReads(Protocol):
    """How nodes themselves fare, and jobs' GPUs, asked."""

    async def of_node(self, viewer: Viewer, node: str) -> NodeStateTold | None:
        """The node's newest state; None where its daemon told none."""

    async def resources(self, viewer: Viewer) -> Sequence[UseFiguresTold]:
        """How busy, overfull and broken every node's resources are."""

    async def of_job(self, viewer: Viewer, job_id: int, run: int) -> Sequence[JobGpu]:
        """Every GPU that this run of the job has or had."""

    async def course(self, viewer: Viewer, nodes: Collection[str], from_s: int, to_s: int) -> Sequence[NodeCourse]:
        """Figures of nodes over time."""

    async def file_systems(self, viewer: Viewer, from_s: int, to_s: int) -> Sequence[FileSystemDay]:
        """How full each mount point was day by day."""

    async def resource_hours(self, viewer: Viewer, from_s: int, to_s: int) -> Sequence[ResourceHour]:
        """How much of each measured resource was used hour by hour."""

    async def outsiders(self, viewer: Viewer, since_ns: int, node: str | None = None) -> Sequence[OutsidersTold]:
        """Who uses nodes from outside any allocation; nothing for who is no operator."""


class EarlierReads(Protocol):
    """A user's earlier runs of the same job, asked."""

    async def of_job(self, viewer: Viewer, facts: JobFacts) -> Sequence[EarlierRun]:
        """Those that were over before this one began, the newest first."""


class ControllerReads(Protocol):
    """What slurmctld's hooks told, asked."""

    async def of_run(
        self, viewer: Viewer, job_id: int, run: int, since_ns: int, until_ns: int | None
    ) -> Sequence[ControllerWord]:
        """What they said of this run, within a time."""


class InventoryReads(Protocol):
    """The inventory, asked about a moment."""

    async def entity(self, viewer: Viewer, entity: Entity, at_ns: int, since_ns: int | None = None) -> EntityHistory:
        """An entity at a moment, and over a window before it."""

    async def kind(
        self, viewer: Viewer, kind: EntityKind, attributes: Collection[str], at_ns: int
    ) -> Sequence[HeldFact]:
        """Attributes of all entities of a kind."""

    async def changes(
        self, viewer: Viewer, kind: EntityKind, names: Sequence[str], attributes: Collection[str], span: tuple[int, int]
    ) -> Sequence[HeldFact]:
        """Attributes of entities that are named, every version that held in a span."""

    async def contained(self, viewer: Viewer, kind: EntityKind, at_ns: int) -> Sequence[HeldRelation]:
        """Relations of all entities of a kind."""

    async def running_on(self, viewer: Viewer, nodes: Sequence[str], at_ns: int, most: int) -> Sequence[PlacedRun]:
        """Runs that were on these nodes."""

    async def neighbourhood(self, viewer: Viewer, root: Entity, depth: int, at_ns: int) -> Neighbourhood:
        """What stood around an entity."""

    async def memberships(
        self, viewer: Viewer, partition: str | None, user: str | None, nodes: Sequence[str], then_ns: int, now_ns: int
    ) -> Sequence[Membership]:
        """What a run's partition, user and nodes hung together with."""

    async def began_ns(self, viewer: Viewer, job: str) -> int | None:
        """When a job (or `ID/RUN`) began."""

    async def runs(
        self, viewer: Viewer, about: Entity | None, span: tuple[int, int], most: int, *, failed: bool = False
    ) -> Sequence[PlacedRun]:
        """Runs of a thing that were there in a span."""

    async def blast_radius(self, viewer: Viewer, entity: Entity, at_ns: int) -> BlastRadius:
        """Whom a failure would have touched."""

    async def common_cause(self, viewer: Viewer, from_ns: int, to_ns: int) -> CommonCause:
        """What the failures of a window have in common."""


class SoftwareReads(Protocol):
    """What is installed on nodes, asked about a moment."""

    async def of_node(self, viewer: Viewer, node: str, at_ns: int) -> Sequence[SourceTold]:
        """All that a node had."""

    async def library(self, viewer: Viewer, name: str, at_ns: int) -> LibraryTold:
        """Who had which version of a library."""

    async def drift(self, viewer: Viewer, at_ns: int) -> SoftwareTold:
        """All nodes, and who was not as the others."""


class CampaignStore(Protocol):
    """Campaigns as their controllers tell them."""

    async def take(self, user: str, view: CampaignView) -> bool:
        """Keeps what was told; whether it was newer than what was known."""

    async def listed(self, viewer: Viewer) -> Sequence[KeptCampaign]:
        """The latest told, newest first."""

    async def campaign(self, viewer: Viewer, user: str, name: str) -> ToldCampaign | None:
        """One campaign; None where there is none for the viewer."""


class FindingReads(Protocol):
    """What is wrong, asked, and what people say of it."""

    @property
    def problems(self) -> Mapping[str, ProblemDefinition]:
        """Known problems by name."""

    async def listed(self, viewer: Viewer, wanted: FindingFilter) -> Sequence[Finding]:
        """Findings that are not over, or those that are."""

    async def one(self, viewer: Viewer, number: int) -> FindingFacts | None:
        """A finding with its incident."""

    async def of_job(self, viewer: Viewer, job_id: int, run: int) -> Sequence[Finding]:
        """Findings that touched a job."""

    async def of_entity(self, viewer: Viewer, entity: Entity) -> Sequence[Finding]:
        """Findings about an entity."""

    async def words(self, viewer: Viewer, limit: int) -> Sequence[Said]:
        """All that was said."""

    async def say(
        self, viewer: Viewer, number: int, word: Word, *, label: str | None = None, silence_s: float | None = None
    ) -> FindingFacts | None:
        """Somebody says something of a finding; None where there is none."""

    async def undo(self, viewer: Viewer, number: int, word_number: int) -> FindingFacts | None:
        """What was said counts no more."""


class UsageReads(Protocol):
    """Usage, asked about a window."""

    async def usage(self, viewer: Viewer, window: UsageWindow, now_s: int, which: UsageFilter = ...) -> UsageFacts:
        """Who used what."""

    async def usage_of_pieces(
        self, viewer: Viewer, pieces: Sequence[UsageWindow], now_s: int, which: UsageFilter = ...
    ) -> Sequence[tuple[UsageWindow, UsageFacts]]:
        """The same of each piece of a longer time."""

    async def nodes(self, viewer: Viewer, window: UsageWindow, now_s: int) -> NodeTimeFacts:
        """What the nodes did."""

    async def waits(
        self, viewer: Viewer, window: UsageWindow, by: Collection[str] = ..., which: UsageFilter = ...
    ) -> Mapping[str, Sequence[WaitCount]]:
        """How long runs had waited, by each of these dimensions."""

    async def outages(self, viewer: Viewer, window: UsageWindow, machine_users: Collection[str]) -> Sequence[Outage]:
        """When nodes were out of service."""

    async def started(self, viewer: Viewer, window: UsageWindow, which: UsageFilter = ...) -> StartedRuns:
        """What the runs that started were like."""

    async def typed_runs(self, viewer: Viewer, window: UsageWindow) -> Sequence[TypedRun]:
        """Runs that completed, with their nodes."""

    async def daily_utilisation(self, viewer: Viewer, window: UsageWindow) -> Sequence[DayFigure]:
        """How full each day was."""

    async def hourly_utilisation(self, viewer: Viewer, window: UsageWindow) -> Sequence[HourFigure]:
        """How full each hour was."""

    async def daily_waits(self, viewer: Viewer, window: UsageWindow, which: UsageFilter = ...) -> Sequence[DayFigure]:
        """How long runs waited each day."""

    async def rebuild(self, viewer: Viewer) -> int:
        """Has everything counted again; returns how many jobs that is."""


class TriggerReads(Protocol):
    """Workflows that runs started, asked."""

    async def of_run(self, viewer: Viewer, job_id: int, run: int) -> Sequence[Trigger]:
        """Those about a run, the latest first."""

    async def latest(self, viewer: Viewer) -> Sequence[Trigger]:
        """Those about runs that the viewer may see, the latest first."""


class LiveFeed(Protocol):
    """Wakes whoever watches a job when it changed."""

    def watch(self, viewer: Viewer, job_id: int) -> AbstractContextManager[AsyncIterator[Fact]]:
        """What changes about one job until the block is left."""

    def looked(self, viewer: Viewer, job_id: int) -> None:
        """Somebody asked for a job once."""


TakeEvents = Callable[[bytes, Mapping[str, str], str | None], Awaitable[tuple[int, bytes]]]
"""Body, headers by lower-case name and the peer's address of `POST /api/v1/events` to status and JSON of the answer."""

SchedulerLoadOf = Callable[[Viewer], SchedulerLoad | None]
"""How slurmctld fares by its own counters; None while that is not known."""

StatusOf = Callable[[Viewer], Awaitable[dict[str, object]]]
"""What `/status.json` says."""


class JobSources(NamedTuple):
    """Whom a job's page asks beside history; None where a hub has no such room."""

    progress: ProgressReads
    logs: LogReads | None = None
    findings: FindingReads | None = None
    triggers: TriggerReads | None = None
    node_states: NodeStateReads | None = None
    controller: ControllerReads | None = None
    earlier: EarlierReads | None = None
    inventory: InventoryReads | None = None
