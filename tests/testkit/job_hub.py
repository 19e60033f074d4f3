"""The web application on made-up jobs: real routes, templates and streams; history and ingest are values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import msgspec
from aiohttp import web

from slurmlens.config.hub import HubConfig, HubProfileConfig
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.history.facts import JobFacts, JobFilter, JobList, JobRow, ListPlace, StateFilter
from slurmlens.hub.intake.profile_demand import ProfileDemand
from slurmlens.hub.inventory.common_cause import CommonCause, common_cause
from slurmlens.hub.inventory.entities import Entity, EntityKind, HeldFact, HeldRelation
from slurmlens.hub.inventory.questions.blast_radius import BlastRadius, blast_radius
from slurmlens.hub.inventory.questions.memberships import Membership
from slurmlens.hub.inventory.questions.neighbourhood import Neighbourhood, explore
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.inventory.states import EntityHistory, EntityState
from slurmlens.hub.news import News, RunsChanged
from slurmlens.hub.progress.facts import JobProgressFacts, JobRun
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.web.app import make_app
from slurmlens.hub.web.ports import TakeEvents
from slurmlens.slurm.job_ids import JobReference
from slurmlens.slurm.records import ENDED_UNWELL, JobState
from testkit.job_gallery import GALLERY
from testkit.job_parts import START_NS, S

FIRST_JOB_ID = 4711


def renumbered(facts: JobFacts, job_id: int) -> JobFacts:
    """The same facts under another job id."""
    record = msgspec.structs.replace(facts.record, job_id=job_id) if facts.record else None
    return msgspec.structs.replace(facts, job_id=job_id, record=record)


class FixedHistory:
    """Answers `Queries` from a dictionary that a test may change while the server runs."""

    def __init__(self, facts: Mapping[int, JobFacts]) -> None:
        self.facts = dict(facts)
        self.asked: list[JobFilter] = []
        self.read = 0
        self.parts: dict[JobReference, int] = {}

    async def own_job_id(self, viewer: Viewer, reference: JobReference) -> int | None:
        is_part = reference.array_task_id is not None or reference.het_job_offset is not None
        return self.parts.get(reference) if is_part else reference.job_id

    async def job_facts(
        self, viewer: Viewer, job_id: int, run: int | None = None, cluster: str | None = None
    ) -> JobFacts | None:
        self.read += 1
        found = self.facts.get(job_id)
        return found if found is None or run in (None, found.run) else None

    async def jobs(self, viewer: Viewer, wanted: JobFilter, /) -> JobList:
        self.asked.append(wanted)
        rows = [row for row in map(row_of, self.facts.values()) if fits(row, wanted)]
        begin = wanted.after.run if wanted.after else 0
        end = begin + wanted.limit
        return JobList(rows=tuple(rows[begin:end]), next=ListPlace(2, 0, end) if len(rows) > end else None)

    async def job_events(self, viewer: Viewer, job_id: int, run: int | None = None) -> Sequence[bytes]:
        return [b'{"event":{"id":"p-c1"}}', b'{"event":{"id":"e-c1"}}'] if job_id in self.facts else []


class ToldInside:
    """Answers `ProgressReads` from a dictionary by job id that a test may change."""

    def __init__(self, facts: Mapping[int, JobProgressFacts] = MappingProxyType({})) -> None:
        self.facts = dict(facts)

    async def of_job(self, viewer: Viewer, job_id: int, run: int) -> JobProgressFacts:
        return self.facts.get(job_id, JobProgressFacts())

    async def of_runs(self, viewer: Viewer, runs: Collection[JobRun]) -> Mapping[JobRun, JobProgressFacts]:
        return {key: self.facts[key[0]] for key in runs if key[0] in self.facts}


def fits(row: JobRow, wanted: JobFilter) -> bool:
    """What history's own query decides, for the few filters that tests use."""
    state = row.outcome.state
    if wanted.state is StateFilter.FAILED and state not in ENDED_UNWELL:
        return False
    if wanted.state is StateFilter.PENDING and state is not JobState.PENDING:
        return False
    if wanted.state is StateFilter.RUNNING and state is not JobState.RUNNING:
        return False
    return wanted.user in (None, row.user) and (wanted.node is None or wanted.node in row.nodes)


def row_of(facts: JobFacts) -> JobRow:
    """The list's row of a job, as history would make it."""
    view, record = build_job_view(facts), facts.record
    return JobRow(
        cluster=facts.cluster,
        job_id=facts.job_id,
        run=facts.run,
        outcome=facts.outcome,
        record=record,
        identity=None if record else facts.identity,
        name=view.identity.name,
        user=view.identity.user,
        account=view.identity.account,
        partition=view.identity.partition,
        reason=record.reason if record else None,
        submit_ns=facts.submit_ns,
        expected_start_ns=view.times.expected_start_ns,
        start_ns=facts.start_ns,
        end_ns=facts.end_ns,
        nodes=tuple(dict.fromkeys((*(record.nodes if record else ()), *(node.node for node in facts.nodes)))),
        cpu_s=view.cpu.used,
        memory_peak_bytes=view.memory.used,
        array_job_id=view.identity.array_job_id,
        array_task_id=view.identity.array_task_id,
    )


class FixedInventory:
    """Answers the inventory's questions with nothing, but for the entities that a test has put in."""

    def __init__(self) -> None:
        self.histories: dict[Entity, EntityHistory] = {}
        self.facts: list[HeldFact] = []
        self.relations: list[HeldRelation] = []
        self.cause = common_cause([])
        self.asked: list[tuple[int, ...]] = []

    async def entity(self, viewer: Viewer, entity: Entity, at_ns: int, since_ns: int | None = None) -> EntityHistory:
        self.asked.append((at_ns, since_ns or at_ns))
        found = self.histories.get(entity)
        return found or EntityHistory(state=EntityState(entity=entity, at_ns=at_ns), facts=(), runs=())

    async def kind(
        self, viewer: Viewer, kind: EntityKind, attributes: Collection[str], at_ns: int
    ) -> Sequence[HeldFact]:
        self.asked.append((at_ns,))
        return [fact for fact in self.facts if fact.entity.kind == kind.value]

    async def changes(
        self, viewer: Viewer, kind: EntityKind, names: Sequence[str], attributes: Collection[str], span: tuple[int, int]
    ) -> Sequence[HeldFact]:
        self.asked.append(span)
        return [fact for fact in self.facts if fact.entity.name in names and fact.attribute in attributes]

    async def contained(self, viewer: Viewer, kind: EntityKind, at_ns: int) -> Sequence[HeldRelation]:
        return [one for one in self.relations if one.entity.kind == kind.value]

    async def running_on(self, viewer: Viewer, nodes: Sequence[str], at_ns: int, most: int) -> Sequence[PlacedRun]:
        return ()

    async def neighbourhood(self, viewer: Viewer, root: Entity, depth: int, at_ns: int) -> Neighbourhood:
        def relations_of(level: Collection[Entity]) -> list[HeldRelation]:
            return [one for one in self.relations if one.entity in level or one.other in level]

        return explore(root, depth, at_ns, relations_of)

    async def memberships(
        self, viewer: Viewer, partition: str | None, user: str | None, nodes: Sequence[str], then_ns: int, now_ns: int
    ) -> Sequence[Membership]:
        return ()

    async def began_ns(self, viewer: Viewer, job: str) -> int | None:
        return None

    async def blast_radius(self, viewer: Viewer, entity: Entity, at_ns: int) -> BlastRadius:
        runs = self.histories[entity].runs if entity in self.histories else ()
        return blast_radius(entity, at_ns, [entity.name], runs, 100)

    async def common_cause(self, viewer: Viewer, from_ns: int, to_ns: int) -> CommonCause:
        self.asked.append((from_ns, to_ns))
        return self.cause


class StillClock:
    """Wall time stands where the gallery's jobs were looked at."""

    def wall_ns(self) -> int:
        return START_NS + 240 * S

    def monotonic_ns(self) -> int:
        return 0

    def boottime_ns(self) -> int:
        return 0


async def take_nothing(body: bytes, headers: Mapping[str, str], peer: str | None) -> tuple[int, bytes]:
    """An ingest that only says what it was handed."""
    answer = {"bytes": len(body), "node": headers.get("x-slurmlens-node"), "peer": peer}
    return 200, msgspec.json.encode(answer)


async def plain_status(viewer: Viewer) -> dict[str, object]:
    return {"nodes": []}


class Live:
    """What changes, and who is there to see it."""

    def __init__(self) -> None:
        self.news = News()
        self.demand = ProfileDemand(self.news, HubProfileConfig())

    @property
    def watcher_count(self) -> int:
        return self.demand.watcher_count()

    def change(self, job_id: int) -> None:
        """Something about a job's runs changed."""
        self.news.publish(RunsChanged(job_id))

    def close(self) -> None:
        """The hub stops."""
        self.news.close()


def make_gallery_app(
    facts: Mapping[int, JobFacts] | None = None,
    progress: ToldInside | None = None,
    take_events: TakeEvents = take_nothing,
    inventory: FixedInventory | None = None,
) -> tuple[web.Application, tuple[FixedHistory, Live]]:
    """The application over the whole gallery, numbered from `FIRST_JOB_ID` in its order, or over `facts`."""
    if facts is None:
        facts = {id_: renumbered(make(), id_) for id_, make in enumerate(GALLERY.values(), FIRST_JOB_ID)}
    history, live = FixedHistory(facts), Live()
    app = make_app(
        queries=history,
        progress=progress or ToldInside(),
        inventory=inventory or FixedInventory(),
        live=live.demand,
        take_events=take_events,
        status=plain_status,
        settings=HubConfig(),
        clock=StillClock(),
    )
    return app, (history, live)


def gallery_id(name: str) -> int:
    """The job id of a piece of the gallery."""
    return FIRST_JOB_ID + list(GALLERY).index(name)
