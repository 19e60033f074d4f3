"""The stage that tells people: looks at the jobs of those who wished it, and sends what is due.

Owns its pace. Costs one question a turn while nobody wishes anything. Of several hubs the one that leads does it. Fed
by the store of wishes, history and progress; feeds `channels`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.notices import NoticesConfig
from slurmlens.errors import DeliveryError, RefusedError
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.history.facts import JobFilter, StateFilter
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.notices.channels import Send, address_problem
from slurmlens.hub.notices.facts import AT_ONCE, KeptNotice, NewNotice, NoticeChannel, NoticeKind, Wish
from slurmlens.hub.notices.job_wishes import JobWish, JobWishStore
from slurmlens.hub.notices.judging import FAILED_WITHIN_NS, notices_of, wishes_by_words
from slurmlens.hub.notices.keeping import NoticeStore
from slurmlens.hub.progress.facts import JobRun
from slurmlens.hub.progress.read import ProgressQueries
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.surroundings import RunSurroundings
from slurmlens.hub.views.job.terminal import render_job
from slurmlens.hub.views.jobs.build import build_jobs_view
from slurmlens.runtime.beside import beside
from slurmlens.shown.terminal import Sheet
from slurmlens.telemetry.internal import InternalEvent, Reporter

TURN_S = 15.0
MOST_RUNNING = 1_000
MOST_ENDED = 100
FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 3_600.0
GIVEN_UP_AFTER_S = 86_400.0

SENT = InternalEvent("notices_sent", logging.DEBUG, "told {user} of job {job_id}: {kind}", ("kind",))
FAILED = InternalEvent(
    "notices_not_sent", logging.WARNING, "{user} cannot be told of job {job_id} by {channel}: {problem}", ("reason",)
)


class NoticeStage:
    """Tells people of one cluster."""

    def __init__(
        self,
        config: NoticesConfig,
        store: NoticeStore,
        queries: Queries,
        progress: ProgressQueries,
        job_wishes: JobWishStore,
        channels: Mapping[NoticeChannel, Send],
        clock: Clock,
        reporter: Reporter,
        zone: tzinfo = UTC,
    ) -> None:
        self._config = config
        self._zone = zone
        self._store = store
        self._queries = queries
        self._progress = progress
        self._job_wishes = job_wishes
        self._channels = channels
        self._clock = clock
        self._reporter = reporter

    async def run(self) -> None:
        """A stage: for ever."""
        while True:
            await self.turn()
            await asyncio.sleep(TURN_S)

    async def turn(self) -> None:
        """Looks once, and sends what is due."""
        by_user: dict[str, list[Wish]] = {}
        for wish in await self._store.wishes(EVERYBODY):
            by_user.setdefault(wish.user, []).append(wish)
        of_jobs: dict[str, list[JobWish]] = {}
        for asked in await self._job_wishes.open(EVERYBODY):
            of_jobs.setdefault(asked.user, []).append(asked)
        for user in by_user.keys() | of_jobs.keys():
            await self._look(user, by_user.get(user, []), of_jobs.get(user, []))
        by_receiver: dict[tuple[NoticeChannel, str], list[KeptNotice]] = {}
        for kept in await self._store.due(EVERYBODY, self._clock.wall_ns()):
            by_receiver.setdefault((kept.notice.channel, kept.notice.address), []).append(kept)
        async with asyncio.TaskGroup() as sending:  # a receiver that hangs holds up nobody else
            for own in by_receiver.values():
                sending.create_task(self._send_all(own))

    async def _send_all(self, own: Sequence[KeptNotice]) -> None:
        """Those to one receiver, in order; where it is away, the others are put off as well, untried."""
        away: DeliveryError | None = None
        for kept in own:
            if away is None:
                away = await self._send(kept)
            else:
                await self._put_off(kept, away)

    async def _look(self, user: str, wishes: Sequence[Wish], of_jobs: Sequence[JobWish]) -> None:
        now_ns = self._clock.wall_ns()
        asked = {(one.job_id, one.run): self._reachable(one, wishes) for one in of_jobs}
        every = (*wishes, *(wish for own in asked.values() for wish in own))
        kinds = AT_ONCE.intersection(frozenset().union(*(wish.kinds for wish in every)))
        found: list[NewNotice] = []
        if kinds & {NoticeKind.STALLED, NoticeKind.LIMIT}:
            found += await self._due_of(user, wishes, asked, StateFilter.RUNNING, MOST_RUNNING, now_ns)
        if NoticeKind.FAILED in kinds:
            found += await self._due_of(user, wishes, asked, StateFilter.FAILED, MOST_ENDED, now_ns)
        if NoticeKind.ENDED in kinds:
            found += await self._due_of(user, wishes, asked, StateFilter.FINISHED, MOST_ENDED, now_ns)
        fresh = await self._store.never_made(found) if found else []
        if fresh:
            room = self._config.most_an_hour - await self._store.made_lately(EVERYBODY, user, now_ns)
            told = [await self._in_full(one) for one in fresh[: max(0, room)]]
            await self._store.add(told, now_ns, len(told))
        over = [one for one in of_jobs if one.end_ns is not None and one.end_ns < now_ns - FAILED_WITHIN_NS]
        if over:
            await self._job_wishes.done_with(over)

    async def _in_full(self, one: NewNotice) -> NewNotice:
        """Of a run that ended its report, as `slurmlens job` prints it; all else as it is."""
        if one.kind is not NoticeKind.ENDED:
            return one
        facts = await self._queries.job_facts(EVERYBODY, one.job_id, one.run)
        if facts is None:
            return one
        around = RunSurroundings(progress=await self._progress.of_job(EVERYBODY, one.job_id, one.run))
        address = self._config.web_address
        url = None if address is None else f"{address.rstrip('/')}/jobs/{one.job_id}/{one.run}"
        sheet = Sheet(self._zone, url=url)
        report = await beside(lambda: render_job(build_job_view(facts, around), sheet))
        return msgspec.structs.replace(one, text=report.rstrip("\n"))

    def _reachable(self, asked: JobWish, own: Sequence[Wish]) -> list[Wish]:
        """What a job asks for, by the ways that this hub has and to the addresses that it may use."""
        return [
            wish
            for wish in wishes_by_words(asked.words, own, asked.user)
            if address_problem(self._config, wish.channel, wish.address) is None
        ]

    async def _due_of(
        self,
        user: str,
        wishes: Sequence[Wish],
        of_jobs: Mapping[JobRun, Sequence[Wish]],
        state: StateFilter,
        limit: int,
        now_ns: int,
    ) -> list[NewNotice]:
        asked = JobFilter(state=state, user=user, limit=limit)
        listed = await self._queries.jobs(EVERYBODY, asked)
        running = {(row.job_id, row.run) for row in listed.rows if row.end_ns is None}
        told = await self._progress.of_runs(EVERYBODY, running)
        lines = build_jobs_view(listed, {}, asked, now_ns, told).rows
        address = self._config.web_address
        found = list(notices_of(lines, wishes, now_ns, address))
        for line in lines:
            found += notices_of([line], of_jobs.get((line.job_id, line.run), ()), now_ns, address)
        return found

    async def _send(self, kept: KeptNotice) -> DeliveryError | None:
        """Tries one; why it has to be tried again, None where it was taken or never will be."""
        one = kept.notice
        try:
            if (send := self._channels.get(one.channel)) is None:
                raise RefusedError("this hub has no such way any more", reason="channel")
            await send(kept)
        except RefusedError as error:
            self._report_failure(one, error)
            await self._store.settle(kept, f"refused: {error}")
        except DeliveryError as error:
            await self._put_off(kept, error)
            return error
        else:
            self._reporter.report(SENT, user=one.user, job_id=one.job_id, kind=one.kind.value)
            await self._store.settle(kept, "sent")
        return None

    async def _put_off(self, kept: KeptNotice, error: DeliveryError) -> None:
        now_ns = self._clock.wall_ns()
        if now_ns - kept.made_ns > GIVEN_UP_AFTER_S * NS_PER_S:
            self._report_failure(kept.notice, error)
            await self._store.settle(kept, f"given up after a day: {error}")
            return
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**kept.attempts)
        await self._store.try_again(kept, now_ns + round(pause_s * NS_PER_S), str(error))

    def _report_failure(self, one: NewNotice, error: RefusedError | DeliveryError) -> None:
        self._reporter.report(
            FAILED, user=one.user, job_id=one.job_id, channel=one.channel.value, problem=error, reason=error.reason
        )
