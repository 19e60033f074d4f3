"""The stage that mails what a day came to: to each user who wishes it, and to operators whom the settings name.

Owns when a day is due (an hour after its end, in the zone of `[management]`). Each mail is queued once by an id made of
whom and which day, so that no restart and no second hub sends it again; `hub.mail` delivers. A day without an end is no
mail to a user. Fed by the wishes, history, the inventory and findings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, time, timedelta, tzinfo
from typing import NamedTuple

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.hub import HubConfig
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.history.facts import JobFilter, JobRow, StateFilter
from slurmlens.hub.history.read.queries import Queries
from slurmlens.hub.mail.message import Mail, mail_id
from slurmlens.hub.mail.queue import MailQueue
from slurmlens.hub.notices.facts import NoticeChannel, NoticeKind
from slurmlens.hub.notices.keeping import NoticeStore
from slurmlens.hub.views.home.build import Failure, failure_of, newly_failed
from slurmlens.hub.views.home.digest import DigestText, OutOfService, ended_within, operator_digest, user_digest
from slurmlens.runtime.beside import beside

LOOK_EVERY_S = 600.0
SETTLE_S = 3_600
"""How long after its end a day is told: accounting tells the last ends a little later."""
PAGE = 500
MOST_ROWS = 5_000
MOST_FAILURES = 20


class Troubles(NamedTuple):
    """What is wrong now: nodes out of service, and open findings in words."""

    out: Sequence[OutOfService] = ()
    findings: Sequence[str] = ()


class _Day(NamedTuple):
    label: str
    from_s: int
    to_s: int


class Digests:
    """The digests of one hub."""

    def __init__(
        self,
        config: HubConfig,
        wishes: NoticeStore,
        queries: Queries,
        queue: MailQueue,
        troubles: Callable[[], Awaitable[Troubles]],
        clock: Clock,
    ) -> None:
        self._config = config
        self._wishes = wishes
        self._queries = queries
        self._queue = queue
        self._troubles = troubles
        self._clock = clock

    async def run(self) -> None:
        """A stage: queues the last day's digests that were not queued yet, now and then."""
        while True:
            await self.queue_due()
            await asyncio.sleep(LOOK_EVERY_S)

    async def queue_due(self) -> int:
        """Queues what is due; returns how many mails were new."""
        now_ns = self._clock.wall_ns()
        day = _last_day(now_ns // NS_PER_S, self._config.management.zone)
        known = await self._queue.states()
        new = 0
        for wish in await self._wishes.wishes(EVERYBODY):
            number = mail_id("digest", self._config.cluster, wish.user, day.label)
            is_wished = NoticeKind.DIGEST in wish.kinds and wish.channel is NoticeChannel.MAIL
            if not is_wished or number in known or wish.set_ns > day.to_s * NS_PER_S:
                continue
            rows = await self._ended(wish.user, day)
            if rows:
                made = await self._of_user(rows, day, now_ns)
                new += await self._queue.put(number, Mail(to=wish.address, subject=made.subject, text=made.text))
        for address in self._config.notices.operator_digests if self._config.notices else ():
            number = mail_id("operator digest", self._config.cluster, address, day.label)
            if number not in known:
                made = await self._of_all(day, now_ns)
                new += await self._queue.put(number, Mail(to=address, subject=made.subject, text=made.text))
        return new

    async def _ended(self, user: str | None, day: _Day) -> list[JobRow]:
        """The newest that ended on the day; `MOST_ROWS` at most."""
        found: list[JobRow] = []
        after = None
        while len(found) < MOST_ROWS:
            wanted = JobFilter(state=StateFilter.FINISHED, user=user, limit=PAGE, after=after)
            listed = await self._queries.jobs(EVERYBODY, wanted)
            found += ended_within(listed.rows, day.from_s, day.to_s)
            oldest = min((row.end_ns for row in listed.rows if row.end_ns is not None), default=0)
            if listed.next is None or oldest < day.from_s * NS_PER_S:
                break
            after = listed.next
        return found

    async def _of_user(self, rows: Sequence[JobRow], day: _Day, now_ns: int) -> DigestText:
        failures: dict[tuple[int, int], Failure] = {}
        for row in newly_failed(rows, now_ns, MOST_FAILURES):
            facts = await self._queries.job_facts(EVERYBODY, row.job_id, row.run)
            if facts is not None:
                failures[row.job_id, row.run] = await beside(lambda facts=facts: failure_of(facts))  # type: ignore[misc]
        web_address = self._config.notices.web_address if self._config.notices else None
        return await beside(lambda: user_digest(rows, failures, day.label, now_ns, web_address))

    async def _of_all(self, day: _Day, now_ns: int) -> DigestText:
        rows, wrong = await self._ended(None, day), await self._troubles()
        web_address = self._config.notices.web_address if self._config.notices else None
        cut = len(rows) >= MOST_ROWS
        return await beside(
            lambda: operator_digest(
                rows, wrong.out, wrong.findings, day.label, now_ns, is_cut=cut, web_address=web_address
            )
        )


def _last_day(now_s: int, zone: tzinfo) -> _Day:
    """The last day of the zone that has been over for `SETTLE_S`."""
    today = datetime.fromtimestamp(now_s - SETTLE_S, zone).date()
    begins = [datetime.combine(today - timedelta(days=back), time(), zone) for back in (1, 0)]
    return _Day(begins[0].date().isoformat(), *(round(one.timestamp()) for one in begins))
