"""The findings of one hub, behind one door: what stands, who says what of it, and who hears that it changed.

Owns the ledger and the order in which it is written: what changed is kept before anybody is told. Used by `stage`,
which brings claims, and by pages, which bring people's words. Everything here lives on one event loop.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from slurmlens.clock import Clock
from slurmlens.errors import RefusedError
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.database.store import StoreError
from slurmlens.hub.findings.claims import Claim, ClosedWhy, Finding, Said, Word
from slurmlens.hub.findings.facts import FindingFacts, FindingFilter
from slurmlens.hub.findings.keeping import FindingKeeper
from slurmlens.hub.findings.ledger import FindingLedger
from slurmlens.hub.findings.problems.problem import ProblemDefinition
from slurmlens.hub.findings.ranking import NOBODY_APART, SetApart
from slurmlens.hub.findings.read import FindingQueries
from slurmlens.hub.inventory.entities import Entity
from slurmlens.hub.news import FindingsChanged, News

MOST_LABEL = 60
LONGEST_SILENCE_S = 90 * 86_400.0


class FindingRoom:
    """What stands, and the way to change it."""

    def __init__(
        self,
        keeper: FindingKeeper,
        queries: FindingQueries,
        news: News,
        clock: Clock,
        problems: Sequence[ProblemDefinition] = (),
    ) -> None:
        self._keeper = keeper
        self._queries = queries
        self._news = news
        self._clock = clock
        self._ledger: FindingLedger | None = None
        self._name = uuid.uuid4().hex
        self._is_led = False
        self._apart: SetApart | None = None
        self.problems = {problem.name: problem for problem in problems}

    @property
    def standing(self) -> tuple[Finding, ...]:
        """Everything that is not over."""
        return () if self._ledger is None else tuple(self._ledger.standing.values())

    async def ledger(self) -> FindingLedger:
        """Loaded at the first call."""
        if self._ledger is None or not self._is_led:
            loaded = await self._keeper.load(self._clock.wall_ns())
            self._ledger = (self._ledger or loaded) if self._is_led else loaded
        self._ledger.apart = self._apart or NOBODY_APART
        return self._ledger

    def lead(self) -> None:
        """The stage that brings claims works here: nobody else begins findings."""
        self._ledger, self._is_led = None, True

    def set_apart(self, apart: SetApart) -> None:
        """The scheduler says which nodes are reserved; counts from the next claims on."""
        self._apart = apart

    def hear(self, fact: FindingsChanged) -> None:
        """Somebody said something by another hub of the same database: what is in memory is read anew."""
        if fact.room != self._name:
            self._ledger = None

    async def take(self, claims: Sequence[Claim], closed: Sequence[tuple[Finding, ClosedWhy]] = ()) -> list[Finding]:
        """Claims came, and these findings are over; returns what changed, once it is kept."""
        ledger, now_ns = await self.ledger(), self._clock.wall_ns()
        changed = ledger.take(claims, now_ns)
        for finding, why in closed:
            changed += ledger.close(finding, why, now_ns, whole_incident=True)
        over = [] if self._apart is None else ledger.end_reservations(now_ns)
        changed += ledger.fade(now_ns) + ledger.rerank(now_ns)
        newest = list({finding.number: finding for finding in changed}.values())
        await self._keep(newest, over)
        return newest

    async def say(
        self, viewer: Viewer, number: int, word: Word, *, label: str | None = None, silence_s: float | None = None
    ) -> FindingFacts | None:
        """Somebody says something of a finding; None where there is none. RefusedError for who may not.

        A silence without a time holds while the finding's node is reserved; RefusedError where it is not.
        """
        may_judge_or_refuse(viewer)
        facts = await self._queries.one(viewer, number)
        if facts is None:
            return None
        ledger, now_ns = await self.ledger(), self._clock.wall_ns()
        claim = facts.finding.claim
        finding = ledger.standing.get(claim.key, facts.finding)
        if word is Word.SILENCE and silence_s is None and claim.subject.name not in ledger.apart.reserved:
            raise RefusedError(f"{claim.subject.name} is in no reservation now", reason="reservation", status=409)
        until_ns = None if silence_s is None else now_ns + round(min(silence_s, LONGEST_SILENCE_S) * 1e9)
        said = Said(
            number=0,
            finding=number,
            kind=claim.kind,
            subject=claim.subject,
            detail=claim.detail,
            word=word,
            who=viewer.who,
            at_ns=now_ns,
            label=label,
            until_ns=until_ns,
        )
        said, changed = ledger.say(finding if finding.number == number else facts.finding, said)
        await self._keep(changed, [said])
        return await self._queries.one(viewer, number)

    async def undo(self, viewer: Viewer, number: int, word_number: int) -> FindingFacts | None:
        """What was said of a finding counts no more; None where nothing of that number was."""
        may_judge_or_refuse(viewer)
        facts = await self._queries.one(viewer, number)
        said = next((one for one in facts.words if one.number == word_number), None) if facts else None
        if facts is None or said is None:
            return None
        if said.stands:
            ledger, now_ns = await self.ledger(), self._clock.wall_ns()
            own = next((one for one in facts.incident if one.number == said.finding), None)
            undone, changed = ledger.undo(said, own, viewer.who, now_ns)
            await self._keep(changed, [undone])
        return await self._queries.one(viewer, number)

    async def _keep(self, findings: Sequence[Finding], words: Sequence[Said] = ()) -> None:
        """Written, then told; a database that does not take it leaves the ledger to be read anew."""
        if not findings and not words:
            return
        try:
            await self._keeper.write(findings, words)
        except StoreError:
            self._ledger = None
            raise
        self._news.publish(FindingsChanged(self._name))

    # what pages ask

    async def listed(self, viewer: Viewer, wanted: FindingFilter) -> list[Finding]:
        """Findings that the viewer may see."""
        return await self._queries.listed(viewer, wanted)

    async def jobs_touched(self) -> list[tuple[int, int]]:
        """Findings that are not over, by number, each with the first job that it touched."""
        found = await self._queries.listed(EVERYBODY, FindingFilter())
        return [(one.number, one.claim.jobs[0]) for one in found if one.claim.jobs]

    async def one(self, viewer: Viewer, number: int) -> FindingFacts | None:
        """A finding with its incident."""
        return await self._queries.one(viewer, number)

    async def of_job(self, viewer: Viewer, job_id: int, run: int) -> list[Finding]:
        """Findings that touched a run of a job."""
        return await self._queries.of_job(viewer, job_id, run)

    async def of_entity(self, viewer: Viewer, entity: Entity) -> list[Finding]:
        """Findings about an entity."""
        return await self._queries.of_entity(viewer, entity)

    async def words(self, viewer: Viewer, limit: int) -> list[Said]:
        """All that was said."""
        return await self._queries.words(viewer, limit)


def may_judge(viewer: Viewer) -> bool:
    """Who may say something of findings: operators, and whoever is on the hub's machine while there are no rules."""
    return not viewer.roles.isdisjoint({Role.OPERATOR, Role.EVERYBODY})


def may_judge_or_refuse(viewer: Viewer) -> None:
    """RefusedError (403) for anybody else."""
    if not may_judge(viewer):
        raise RefusedError("only operators judge findings", reason="role", status=403)
