"""Answers what pages and the command line ask of findings.

Owns the SELECTs on the room's tables. Each answer holds what the viewer who asks may see: who sees all jobs sees all
findings; anybody else those that touched a job of his, by their hint, with his own jobs alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec
from sqlalchemy import Connection, select

from slurmlens.clock import NS_PER_S
from slurmlens.hub.access.predicates import visible_runs
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.database.store import Store
from slurmlens.hub.findings import tables as schema
from slurmlens.hub.findings.claims import ClosedWhy, Finding, FindingKind, FindingState, Said
from slurmlens.hub.findings.facts import FindingFacts, FindingFilter, Helped
from slurmlens.hub.findings.rows import finding_of, said_of
from slurmlens.hub.history import tables as history
from slurmlens.hub.history.read.reading import fetch
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.inventory.runs import RunNumber

MOST_LOOKED_AT = 500
"""So many of the latest findings are looked through for one who may see some of them."""
MOST_OF_A_THING = 50
HELPED_FOR_NS = 7 * 86_400 * NS_PER_S
_NOT_OVER = (FindingState.OPEN, FindingState.QUIET, FindingState.SILENCED)


class FindingQueries:
    """The read side of findings for one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def listed(self, viewer: Viewer, wanted: FindingFilter) -> list[Finding]:
        """Findings that are not over by rank, or those that are by their end."""
        return await self._store.read(lambda connection: self._listed(viewer, connection, wanted))

    def _listed(self, viewer: Viewer, connection: Connection, wanted: FindingFilter) -> list[Finding]:
        table = schema.findings
        states = (FindingState.CLOSED,) if wanted.is_over else _NOT_OVER
        found: list[Finding] = []
        for state in states:
            query = select(table).where(table.c.cluster == self._cluster, table.c.state == state.value)
            query = query.order_by(table.c.last_ns.desc()).limit(MOST_LOOKED_AT)
            found += [finding_of(row) for row in fetch(connection, query)]
        if wanted.kind is not None:
            found = [finding for finding in found if finding.claim.kind is wanted.kind]
        found = self._seen_by(viewer, connection, found)
        order = (lambda one: -(one.closed_ns or 0)) if wanted.is_over else (lambda one: (-one.rank, -one.number))
        return sorted(found, key=order)[: wanted.limit]

    async def one(self, viewer: Viewer, number: int) -> FindingFacts | None:
        """A finding with its incident and what was said; None where there is none that may be seen."""
        return await self._store.read(lambda connection: self._one(viewer, connection, number))

    def _one(self, viewer: Viewer, connection: Connection, number: int) -> FindingFacts | None:
        table = schema.findings
        own = select(table).where(table.c.number == number, table.c.cluster == self._cluster)
        found = self._seen_by(viewer, connection, [finding_of(row) for row in fetch(connection, own)])
        if not found:
            return None
        (finding,) = found
        others = select(table).where(table.c.cluster == self._cluster, table.c.incident == finding.incident)
        rows = fetch(connection, others.order_by(table.c.number).limit(MOST_OF_A_THING))
        incident = self._seen_by(viewer, connection, [finding_of(row) for row in rows])
        return FindingFacts(
            finding=finding,
            incident=tuple(incident),
            words=tuple(self._words(connection, [one.number for one in incident])) if viewer.sees_all_jobs else (),
            helped=self._helped(connection, finding.claim.detail, finding.claim.kind),
            sees_all=viewer.sees_all_jobs,
        )

    async def of_job(self, viewer: Viewer, job_id: int, run: int) -> list[Finding]:
        """Findings that touched a run of a job, the newest first."""

        def question(connection: Connection) -> list[Finding]:
            table, jobs = schema.findings, schema.finding_runs
            query = select(table).select_from(jobs.join(table, table.c.number == jobs.c.finding))
            query = query.where(jobs.c.job_id == job_id, jobs.c.run == run, table.c.cluster == self._cluster)
            rows = fetch(connection, query.order_by(jobs.c.finding.desc()).limit(MOST_OF_A_THING))
            return self._seen_by(viewer, connection, [finding_of(row) for row in rows])

        return await self._store.read(question)

    async def of_entity(self, viewer: Viewer, entity: Entity) -> list[Finding]:
        """Findings about an entity, the newest first."""

        def question(connection: Connection) -> list[Finding]:
            table = schema.findings
            is_it = (table.c.subject_kind == entity.kind) & (table.c.subject_name == entity.name)
            query = select(table).where(table.c.cluster == self._cluster, is_it)
            rows = fetch(connection, query.order_by(table.c.last_ns.desc()).limit(MOST_OF_A_THING))
            return self._seen_by(viewer, connection, [finding_of(row) for row in rows])

        return await self._store.read(question)

    async def words(self, viewer: Viewer, limit: int) -> list[Said]:
        """Everything that was said, the newest first, for whoever sees all jobs: feedback to be exported."""

        def question(connection: Connection) -> list[Said]:
            words = schema.finding_words
            query = select(words).where(words.c.cluster == self._cluster).order_by(words.c.at_ns.desc()).limit(limit)
            return [said_of(row) for row in fetch(connection, query)]

        return await self._store.read(question) if viewer.sees_all_jobs else []

    def _words(self, connection: Connection, numbers: Collection[int]) -> list[Said]:
        words = schema.finding_words
        query = select(words).where(words.c.cluster == self._cluster, words.c.finding.in_(numbers))
        return [said_of(row) for row in fetch(connection, query.order_by(words.c.number.desc()).limit(200))]

    def _helped(self, connection: Connection, detail: str, kind: FindingKind) -> Helped:
        if kind is not FindingKind.KNOWN_PROBLEM:
            return Helped()
        table = schema.findings
        query = select(table).where(
            table.c.cluster == self._cluster, table.c.kind == kind.value, table.c.detail == detail
        )
        rows = fetch(connection, query.order_by(table.c.last_ns.desc()).limit(200))
        return helped([finding_of(row) for row in rows])

    def _seen_by(self, viewer: Viewer, connection: Connection, findings: Sequence[Finding]) -> list[Finding]:
        """The findings as this viewer may see them."""
        if viewer.sees_all_jobs:
            return list(findings)
        own = self._own_runs(viewer, connection, [finding.number for finding in findings])
        return [hinted(finding, own[finding.number]) for finding in findings if finding.number in own]

    def _own_runs(self, viewer: Viewer, connection: Connection, numbers: Collection[int]) -> dict[int, set[RunNumber]]:
        """The runs that each finding touched and that the viewer may see."""
        touched, runs = schema.finding_runs, history.runs
        is_it = (
            (runs.c.cluster == self._cluster) & (runs.c.job_id == touched.c.job_id) & (runs.c.number == touched.c.run)
        )
        found: dict[int, set[RunNumber]] = {}
        for piece in pieces_of(numbers):
            named = select(touched.c.finding, runs).join(runs, is_it).where(touched.c.finding.in_(piece))
            few = named.offset(0).subquery()  # a fence: PostgreSQL would go through all that the viewer ever ran
            query = select(few.c.finding, few.c.job_id, few.c.number).where(visible_runs(viewer, few))
            for finding, job_id, run in connection.execute(query):
                found.setdefault(finding, set()).add(RunNumber(job_id, run))
        return found


def hinted(finding: Finding, own: Collection[RunNumber]) -> Finding:
    """What somebody may know of a finding who sees these runs alone."""
    claim, jobs = finding.claim, {number.job_id for number in own}
    is_own = claim.subject.kind == "job"
    entities = tuple(one for one in claim.entities if one.kind not in ("user", "job"))
    less = msgspec.structs.replace(
        claim,
        sentence=claim.hint,
        basis=claim.basis if is_own else "",
        p=claim.p if is_own else None,
        jobs=tuple(job_id for job_id in claim.jobs if job_id in jobs),
        runs=tuple(number for number in claim.runs if number in own),
        entities=entities,
        values=claim.values if is_own else {},
    )
    return msgspec.structs.replace(finding, claim=less, rank_note=None)


def helped(findings: Iterable[Finding]) -> Helped:
    """Of matches of one problem: how many ended by what was done, and how many of these did not come back."""
    ordered = sorted(findings, key=lambda one: one.first_ns)
    over = [one for one in ordered if one.closed_why in (ClosedWhy.VERIFIED, ClosedWhy.CONTAINED, ClosedWhy.FADED)]
    good = 0
    for one in over:
        ended_ns = one.closed_ns or 0
        back = any(
            other.claim.subject == one.claim.subject and ended_ns < other.first_ns < ended_ns + HELPED_FOR_NS
            for other in ordered
        )
        good += not back and one.closed_why is not ClosedWhy.FADED
    return Helped(len(over), good)
