"""The stage that audits each day once it is over, and any day that somebody asks for.

Owns when: `AFTER_S` past midnight (UTC), when accounting has its last word on most jobs; a day that failed is tried
again after `AGAIN_S`. Fed by the clock, `slurm.source` and history; feeds `keeping`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.errors import SourceError
from slurmlens.hub.access.viewer import EVERYBODY, Viewer
from slurmlens.hub.audit.comparing import compare, compare_day
from slurmlens.hub.audit.facts import AuditCause, DayAudit, MeasuredUse
from slurmlens.hub.audit.keeping import DAY_S, AuditStore
from slurmlens.hub.database.store import StoreError
from slurmlens.hub.history.facts import JobFacts
from slurmlens.runtime.beside import beside
from slurmlens.slurm.accounted_use import AccountedUse
from slurmlens.slurm.records import Decoded
from slurmlens.telemetry.internal import InternalEvent, Reporter

AFTER_S = 2 * 3600
AGAIN_S = 1800.0
LOOK_S = 600.0
MOST_LOOKED_AT = 500
"""So many runs that differ are looked at node by node, to learn whether a part of them went unseen."""
FAILED = InternalEvent("audit_failed", logging.WARNING, "the audit of {day} failed and is tried again: {error}")
FOUND = InternalEvent("audit_unexplained", logging.WARNING, "audit of {day}: {count} figures are not explained")

UsedBetween = Callable[[int, int], Awaitable[Decoded[AccountedUse]]]
Facts = Callable[[Viewer, int, int], Awaitable[JobFacts | None]]


class Auditor:
    """The audits of one cluster."""

    def __init__(
        self, store: AuditStore, used_between: UsedBetween, facts: Facts, clock: Clock, reporter: Reporter
    ) -> None:
        self._store = store
        self._used_between = used_between
        self._facts = facts
        self._clock = clock
        self._reporter = reporter

    async def run(self) -> None:
        """A stage: yesterday, once it is old enough, for ever."""
        while True:
            wait_s = await self.step()
            await asyncio.sleep(wait_s)

    async def step(self) -> float:
        """Audits the last day that is due, if it was not; returns how long to wait before the next look, in seconds."""
        day_s = self.due_day_s()
        try:
            if await self._store.day(EVERYBODY, day_s) is None:
                audit = await self.audit(day_s)
                if audit.unexplained:
                    self._reporter.report(FOUND, day=day_text(day_s), count=audit.unexplained)
        except (SourceError, StoreError) as error:
            self._reporter.report(FAILED, day=day_text(day_s), error=str(error))
            return AGAIN_S
        return LOOK_S

    def due_day_s(self) -> int:
        """The first second of the last day that is over for long enough."""
        return ((self._clock.wall_ns() // NS_PER_S - AFTER_S) // DAY_S - 1) * DAY_S

    async def audit(self, day_s: int) -> DayAudit:
        """Compares a day and keeps what was found; SourceError where accounting does not answer."""
        told = await self._used_between(day_s, day_s + DAY_S)
        theirs = [one for one in told.records if one.end_s is not None and day_s <= one.end_s < day_s + DAY_S]
        ours = await self._store.runs(EVERYBODY, {one.job_id for one in theirs}, day_s)
        known = {(one.job_id, one.submit_s) for one in theirs}
        until_ns = (day_s + DAY_S) * NS_PER_S
        ours = [one for one in ours if (one.job_id, one.submit_s) in known or (one.end_ns or 0) < until_ns]
        ours = await self._looked_at(ours, theirs)
        now_ns = self._clock.wall_ns()
        audit = await beside(lambda: compare_day(day_s, now_ns, ours, theirs, told.refused))
        await self._store.keep(audit)
        return audit

    async def _looked_at(self, ours: Sequence[MeasuredUse], theirs: Sequence[AccountedUse]) -> list[MeasuredUse]:
        """The same runs; of those that nothing explains, whether all of them was seen."""
        told = {(one.job_id, one.submit_s): one for one in theirs}
        found, left = [], MOST_LOOKED_AT
        for one in ours:
            other = told.get((one.job_id, one.submit_s))
            if other is not None and left and _needs_a_look(one, other):
                left -= 1
                facts = await self._facts(EVERYBODY, one.job_id, one.run)
                one = one if facts is None else msgspec.structs.replace(one, is_whole=_is_whole(facts))
            found.append(one)
        return found


def _needs_a_look(one: MeasuredUse, other: AccountedUse) -> bool:
    wanted = (AuditCause.UNEXPLAINED, AuditCause.SHARED_PAGES)
    return any(verdict.cause in wanted for verdict in compare(one, other).verdicts)


def _is_whole(facts: JobFacts) -> bool:
    told = {node.node for node in facts.nodes if node.totals is not None and node.complete}
    wanted = set(facts.record.nodes) if facts.record else {node.node for node in facts.nodes}
    figures = [node.totals.cpu_s for node in facts.nodes if node.totals is not None]
    return wanted <= told and all(figure is not None and figure.complete for figure in figures)


def day_text(day_s: int) -> str:
    """2026-11-30."""
    return datetime.fromtimestamp(day_s, UTC).date().isoformat()
