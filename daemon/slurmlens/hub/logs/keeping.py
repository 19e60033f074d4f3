"""Keeps lines: gives each to its job, puts it into the store, tells who watches and counts, and completes it later.

Owns the order of these and what is not finished: lines that name a job of which history does not know yet whose it is,
and lines of trouble of a node whose job is not known yet. They are kept as they are, and again when history has heard
more, for an hour at most. What waits so is bounded; what a hub that ends had in mind, the next one finds in the store.
Made by `pipeline` where `[logs]` is enabled; fed by `intake`; feeds the store, `tail`, and whoever else listens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.logs.enriching import EnrichedLine, Enricher
from slurmlens.hub.logs.query import NOBODY, StoredLine
from slurmlens.hub.logs.store import Kept, Lines, LogStore, LogStoreError
from slurmlens.hub.news import Fact, FactOfJob, News, RunsChanged
from slurmlens.log_lines import LogLine
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting

MOST_UNFINISHED = 10_000
UNFINISHED_S = 3_600
ROUNDS = 5
"""So often a line is asked for again whatever has changed; after that, when its own job has."""
GATHER_S = 2.0
"""Runs change in bursts: lines are completed for all of them at once."""
FORGET_EVERY_S = 3_600.0
DAYS_FORGOTTEN = InternalEvent("log_days_forgotten", logging.INFO, "lines of {count} days were removed by age: {days}")
NOT_FORGOTTEN = lasting("log_days_not_forgotten", logging.WARNING, "old lines could not be removed: {problem}")
COMPLETED = InternalEvent("log_lines_completed", logging.DEBUG, "{count} lines have their job now")
NOT_COMPLETED = lasting("log_lines_not_completed", logging.WARNING, "lines could not be given to their jobs: {problem}")
GIVEN_UP = InternalEvent(
    "log_lines_not_finished", logging.WARNING, "{count} lines stay without whose job it is: too many wait for that"
)

Hear = Callable[[Sequence[StoredLine]], None]


@dataclass
class _Unfinished:
    stored: StoredLine
    rounds_left: int = ROUNDS

    def is_due(self, changed: set[int] | None) -> bool:
        """Whether it is to be asked for again; `changed` are the jobs that have, None stands for all."""
        is_due = changed is None or self.stored.line.job_id in changed or self.rounds_left > 0
        self.rounds_left -= 1
        return is_due


class LogKeeper:
    """One hub's lines on their way. `hear` is told of new lines, once they are kept."""

    def __init__(
        self, store: LogStore, enricher: Enricher, hear: Sequence[Hear], news: News, clock: Clock, reporter: Reporter
    ) -> None:
        self._store = store
        self._enricher = enricher
        self._hear = tuple(hear)
        self._heard = news.subscribe(RunsChanged)
        self._clock = clock
        self._reporter = reporter
        self._unfinished: dict[str, _Unfinished] = {}

    async def keep(self, lines: Sequence[LogLine]) -> Kept:
        """Keeps lines, each with its job as far as that is known; LogStoreError where they may be sent again."""
        try:
            kept = await self._store.append(_owned(await self._enricher.enriched(lines)))
        except LogStoreError as error:
            self._tell(error.kept)
            raise
        self._tell(kept.new)
        return kept

    async def run_completing(self) -> None:
        """A stage: completes lines whenever runs have changed, first of all what an earlier hub left."""
        since_ns = self._clock.wall_ns() - UNFINISHED_S * NS_PER_S
        self._wait_with(await self._store.unfinished(since_ns, MOST_UNFINISHED))
        changed: set[int] | None = None
        while True:
            await self.complete(changed)
            await self._heard.wait()
            await asyncio.sleep(GATHER_S)
            changed = _jobs_of(self._heard.take_all())

    async def complete(self, changed: set[int] | None = None) -> None:
        """Asks once more for the jobs of lines that are not finished, and writes anew those that now are.

        `changed` are the jobs whose runs have changed, None stands for all.
        """
        oldest_ns = self._clock.wall_ns() - UNFINISHED_S * NS_PER_S
        self._unfinished = {
            line_id: one for line_id, one in self._unfinished.items() if one.stored.line.time_ns >= oldest_ns
        }
        waiting = [one.stored for one in self._unfinished.values() if one.is_due(changed)]
        if not waiting:
            return
        now = _owned(await self._enricher.enriched([stored.line for stored in waiting]))
        done = [
            msgspec.structs.replace(stored, line=line, owner=owner)
            for stored, (line, owner) in zip(waiting, now, strict=True)
            if owner.user is not None
        ]
        if not done:
            return
        try:
            await self._store.replace(done)
        except LogStoreError as error:
            self._reporter.report(NOT_COMPLETED, problem=str(error))
            return
        for stored in done:
            self._unfinished.pop(stored.line.id, None)
        self._reporter.report(COMPLETED, count=len(done))

    async def run_forgetting(self) -> None:
        """A stage: removes days by age, for ever."""
        while True:
            try:
                if gone := await self._store.forget_old():
                    self._reporter.report(DAYS_FORGOTTEN, count=len(gone), days=", ".join(gone))
            except LogStoreError as error:
                self._reporter.report(NOT_FORGOTTEN, problem=str(error))
            await asyncio.sleep(FORGET_EVERY_S)

    def _tell(self, new: Sequence[StoredLine]) -> None:
        for hear in self._hear:
            hear(new)
        self._wait_with(new)

    def _wait_with(self, lines: Sequence[StoredLine]) -> None:
        for stored in lines:
            if stored.owner.user is None and (stored.line.job_id is not None or stored.line.kind is not None):
                self._unfinished[stored.line.id] = _Unfinished(stored)
        excess = len(self._unfinished) - MOST_UNFINISHED
        if excess > 0:
            for line_id in list(self._unfinished)[:excess]:
                del self._unfinished[line_id]
            self._reporter.report(GIVEN_UP, count=excess)


def _owned(lines: Sequence[EnrichedLine]) -> Lines:
    return [(one.line, NOBODY if one.job is None else one.job.owner) for one in lines]


def _jobs_of(facts: Sequence[Fact]) -> set[int] | None:
    """The jobs that changed; None where facts were missed and all may have."""
    jobs = {fact.job_id for fact in facts if isinstance(fact, FactOfJob)}
    return jobs if len(jobs) == len(facts) else None
