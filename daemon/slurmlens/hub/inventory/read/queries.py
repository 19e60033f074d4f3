"""Answers what pages and the command line ask of the inventory: the read side's front door.

Owns the questions. Each takes a viewer first and `at_ns`, the moment that is asked about; each answer is one consistent
view of the database. Jobs come from history and are joined here: nothing of them is copied. Feeds `views` through
`web.ports`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence

from sqlalchemy import Connection

from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.store import Store
from slurmlens.hub.inventory.common_cause import CommonCause, Trial, common_cause
from slurmlens.hub.inventory.entities import CONTAINS, FOREVER, Entity, EntityKind, HeldFact, HeldRelation
from slurmlens.hub.inventory.questions.below import nodes_below, switches_above
from slurmlens.hub.inventory.questions.blast_radius import BlastRadius, blast_radius
from slurmlens.hub.inventory.questions.memberships import Membership, memberships
from slurmlens.hub.inventory.questions.neighbourhood import Neighbourhood, explore
from slurmlens.hub.inventory.questions.software import LibraryVersion, library_versions, software_candidates
from slurmlens.hub.inventory.questions.trials import FAILURES, MADE_OF, SUCCESSES, trials
from slurmlens.hub.inventory.read import facts_at, runs_at
from slurmlens.hub.inventory.read.software_sets import SoftwareSets, held_sets
from slurmlens.hub.inventory.runs import PlacedRun
from slurmlens.hub.inventory.software import SET_ATTRIBUTES
from slurmlens.hub.inventory.states import EntityHistory, EntityState

JOB = "job"
"""The kind of a job in a neighbourhood; its name is its id, and /RUN for a later run."""

MOST_RUNS = 1_000
MOST_TRIALS = 20_000
MOST_PLACES = 200
"""Nodes of a run whose switches of then are looked up."""

MOST_SWITCH_LEVELS = 16
_OWNED = ("user", "account", "partition")


class InventoryQueries:
    """The read side of the inventory of one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster
        self._sets = SoftwareSets()

    async def entity(self, viewer: Viewer, entity: Entity, at_ns: int, since_ns: int | None = None) -> EntityHistory:
        """An entity at a moment, and from `since_ns` up to it; its state has no facts where it was not there then."""
        begin_ns = at_ns if since_ns is None else since_ns
        return await self._store.read(lambda connection: self._entity(viewer, connection, entity, at_ns, begin_ns))

    def _entity(
        self, viewer: Viewer, connection: Connection, entity: Entity, at_ns: int, since_ns: int
    ) -> EntityHistory:
        facts = facts_at.facts_of(viewer, connection, self._cluster, entity, since_ns, at_ns)
        relations = facts_at.relations_of(viewer, connection, self._cluster, [entity], at_ns)
        now = tuple(fact for fact in facts if fact.holds_at(at_ns))
        runs: list[PlacedRun] = []
        if entity.kind == EntityKind.NODE.value:
            span = since_ns, at_ns
            runs = runs_at.runs_on_nodes(viewer, connection, self._cluster, [entity.name], span, MOST_RUNS)
        state = EntityState(entity=entity, at_ns=at_ns, facts=now, relations=tuple(relations))
        return EntityHistory(state=state, facts=tuple(facts), runs=tuple(runs))

    async def kind(self, viewer: Viewer, kind: EntityKind, attributes: Collection[str], at_ns: int) -> list[HeldFact]:
        """These attributes of all entities of a kind, as they were at a moment."""
        span = at_ns, at_ns
        return await self._store.read(
            lambda connection: facts_at.facts_of_kind(viewer, connection, self._cluster, kind.value, attributes, span)
        )

    async def changes(
        self, viewer: Viewer, kind: EntityKind, names: Sequence[str], attributes: Collection[str], span: tuple[int, int]
    ) -> list[HeldFact]:
        """These attributes of entities that are named, every version that held in the span."""

        def question(connection: Connection) -> list[HeldFact]:
            return facts_at.facts_of_named(viewer, connection, self._cluster, kind.value, names, attributes, span)

        return await self._store.read(question)

    async def contained(self, viewer: Viewer, kind: EntityKind, at_ns: int) -> list[HeldRelation]:
        """What all entities of a kind contained, or were related to, at a moment."""
        span = at_ns, at_ns
        return await self._store.read(
            lambda connection: facts_at.relations_of_kind(viewer, connection, self._cluster, kind.value, span)
        )

    async def running_on(self, viewer: Viewer, nodes: Sequence[str], at_ns: int, most: int) -> list[PlacedRun]:
        """Runs that were on one of these nodes at a moment, newest first; at most so many."""
        span = at_ns, at_ns
        return await self._store.read(
            lambda connection: runs_at.runs_on_nodes(viewer, connection, self._cluster, nodes, span, most)
        )

    async def neighbourhood(self, viewer: Viewer, root: Entity, depth: int, at_ns: int) -> Neighbourhood:
        """What stood around an entity (or a job), jobs that ran then among it."""

        def question(connection: Connection) -> Neighbourhood:
            return explore(root, depth, at_ns, lambda level: self._around(viewer, connection, level, at_ns))

        return await self._store.read(question)

    def _around(
        self, viewer: Viewer, connection: Connection, level: Collection[Entity], at_ns: int
    ) -> Iterable[HeldRelation]:
        yield from facts_at.relations_of(viewer, connection, self._cluster, level, at_ns)
        span = at_ns, at_ns
        nodes = [one.name for one in level if one.kind == EntityKind.NODE.value]
        found = runs_at.runs_on_nodes(viewer, connection, self._cluster, nodes, span, MOST_RUNS) if nodes else []
        for one in level:
            if one.kind == EntityKind.USER.value:
                found += runs_at.runs_of(viewer, connection, self._cluster, one.kind, one.name, span, MOST_RUNS)
            elif one.kind == JOB:
                found += self._runs_of_job(viewer, connection, one.name)
        for run in found:
            yield from _relations_of_run(run)

    def _runs_of_job(self, viewer: Viewer, connection: Connection, name: str) -> list[PlacedRun]:
        job, _, number = name.partition("/")
        if not job.isascii() or not job.isdecimal() or len(job) > 18:
            return []
        runs = runs_at.runs_of_job(viewer, connection, self._cluster, int(job))
        return [run for run in runs if _job_name(run) == name or (not number and run is runs[-1])]

    async def memberships(
        self, viewer: Viewer, partition: str | None, user: str | None, nodes: Sequence[str], then_ns: int, now_ns: int
    ) -> tuple[Membership, ...]:
        """What a run's partition, user and nodes hung together with when it began, and what changed since."""
        entities = [Entity.of(EntityKind.NODE, node) for node in nodes[:MOST_PLACES]]
        entities += [] if partition is None else [Entity.of(EntityKind.PARTITION, partition)]
        entities += [] if user is None else [Entity.of(EntityKind.USER, user)]

        def question(connection: Connection) -> tuple[Membership, ...]:
            then, now = (
                facts_at.relations_of(viewer, connection, self._cluster, entities, at_ns) for at_ns in (then_ns, now_ns)
            )
            return memberships(partition, user, nodes, then, now)

        return await self._store.read(question)

    async def began_ns(self, viewer: Viewer, job: str) -> int | None:
        """When a job (its latest run, or `ID/RUN`) began; None where it did not, or there is none for the viewer."""
        found = await self._store.read(lambda connection: self._runs_of_job(viewer, connection, job))
        return found[-1].start_ns if found else None

    async def runs(
        self, viewer: Viewer, about: Entity | None, span: tuple[int, int], most: int, *, failed: bool = False
    ) -> list[PlacedRun]:
        """Runs of a job, node, user, account or partition that were there in a span, the newest first; of nothing those
        that ended in it. `failed` leaves those that did not go well."""

        def question(connection: Connection) -> list[PlacedRun]:
            if about is None:
                found = runs_at.runs_ended(viewer, connection, self._cluster, FAILURES | SUCCESSES, span, most)
            elif about.kind == JOB:
                found = self._runs_of_job(viewer, connection, about.name)
            elif about.kind in _OWNED:
                found = runs_at.runs_of(viewer, connection, self._cluster, about.kind, about.name, span, most)
            else:
                found = runs_at.runs_on_nodes(viewer, connection, self._cluster, [about.name], span, most)
            return [run for run in found if not failed or run.state in FAILURES]

        return await self._store.read(question)

    async def blast_radius(self, viewer: Viewer, entity: Entity, at_ns: int) -> BlastRadius:
        """Whom it touched if this entity had failed at that moment."""

        def question(connection: Connection) -> BlastRadius:
            if entity.kind == EntityKind.SOFTWARE.value:
                nodes = self._nodes_having(viewer, connection, entity.name, at_ns)
            else:
                nodes = self._nodes_below(viewer, connection, entity, at_ns)
            span = at_ns, at_ns
            if entity.kind in _OWNED:
                runs = runs_at.runs_of(viewer, connection, self._cluster, entity.kind, entity.name, span, MOST_RUNS)
            else:
                runs = runs_at.runs_on_nodes(viewer, connection, self._cluster, nodes, span, MOST_RUNS)
            return blast_radius(entity, at_ns, nodes, runs, MOST_RUNS)

        return await self._store.read(question)

    def _nodes_having(self, viewer: Viewer, connection: Connection, name: str, at_ns: int) -> tuple[str, ...]:
        """Nodes with a package of this name, or, as `NAME VERSION`, with that version of it."""
        found = self._versions(viewer, connection, name, at_ns)
        if not found:
            name, _, version = name.rpartition(" ")
            found = [one for one in self._versions(viewer, connection, name, at_ns) if one.version == version]
        return tuple(sorted({node for one in found for node in one.nodes}))

    def _versions(self, viewer: Viewer, connection: Connection, name: str, at_ns: int) -> list[LibraryVersion]:
        held = held_sets(viewer, connection, self._cluster, at_ns)
        sets = self._sets.of(viewer, connection, {one.digest for one in held if one.digest})
        return library_versions(name, held, sets)

    def _nodes_below(self, viewer: Viewer, connection: Connection, root: Entity, at_ns: int) -> tuple[str, ...]:
        found: dict[HeldRelation, None] = {}
        level, seen = [root], {root}
        for _ in range(MOST_SWITCH_LEVELS):
            relations = facts_at.relations_of(viewer, connection, self._cluster, level, at_ns)
            down = [one for one in relations if one.relation == CONTAINS and one.entity in seen]
            found.update(dict.fromkeys(down))
            level = [one.other for one in down if one.other not in seen and one.other.kind != EntityKind.NODE.value]
            seen.update(level)
            if not level:
                break
        return nodes_below(root, found)

    async def common_cause(self, viewer: Viewer, from_ns: int, to_ns: int) -> CommonCause:
        """What the runs that failed in a window had in common, against those that succeeded."""
        found = await self._store.read(lambda connection: self._trials(viewer, connection, from_ns, to_ns))
        return await asyncio.to_thread(common_cause, found)

    def _trials(self, viewer: Viewer, connection: Connection, from_ns: int, to_ns: int) -> list[Trial]:
        window = from_ns, to_ns
        runs = runs_at.runs_ended(viewer, connection, self._cluster, FAILURES | SUCCESSES, window, MOST_TRIALS)
        begun = min((run.start_ns for run in runs if run.start_ns is not None), default=from_ns), to_ns
        switches = facts_at.relations_of_kind(viewer, connection, self._cluster, EntityKind.SWITCH.value, begun)
        wanted = (*MADE_OF, *SET_ATTRIBUTES)
        made_of = facts_at.facts_of_kind(viewer, connection, self._cluster, EntityKind.NODE.value, wanted, begun)
        ran = {node for run in runs for node in run.nodes}
        sources = {
            str(fact.value): SET_ATTRIBUTES[fact.attribute]
            for fact in made_of
            if fact.attribute in SET_ATTRIBUTES and fact.entity.name in ran
        }
        software = software_candidates(sources, self._sets.of(viewer, connection, sources))
        return trials(runs, switches_above(switches), made_of, software)


def _job_name(run: PlacedRun) -> str:
    return f"{run.job_id}/{run.run}" if run.run > 1 else str(run.job_id)


def _relations_of_run(run: PlacedRun) -> Iterator[HeldRelation]:
    """How a run hangs together with the cluster, as relations that hold while it runs."""
    job = Entity(JOB, _job_name(run))
    begin_ns, end_ns = run.start_ns or 0, FOREVER if run.end_ns is None else run.end_ns
    ends = [("runs_on", Entity.of(EntityKind.NODE, node)) for node in run.nodes]
    ends += [("of", Entity("user", run.user))] if run.user else []
    ends += [("in", Entity("partition", run.partition))] if run.partition else []
    for relation, other in ends:
        yield HeldRelation(
            entity=job, relation=relation, other=other, source="history", valid_from_ns=begin_ns, valid_to_ns=end_ns
        )
