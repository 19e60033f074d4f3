"""One hub among several on one database: tells that it is there, takes the lead where nobody has it, hears the others.

Owns the stage that holds the session, this worker's name, and what it knows of the others. Whatever breaks ends the
lead at once; the supervisor begins the stage again, and then everybody reads anew. A worker that is no longer heard of
may have stored what it told nobody: then everybody reads anew as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

import msgspec

from slurmlens.hub.news import News
from slurmlens.hub.workers.exchange import Exchange
from slurmlens.hub.workers.known import KnownWorker, WorkerTold
from slurmlens.hub.workers.leadership import Leadership
from slurmlens.hub.workers.session import SessionLost, WorkerSession
from slurmlens.telemetry.internal import InternalEvent, Reporter

TELL_EVERY_S = 2.0
SILENT_S = 10.0
"""A worker that wrote nothing for so long has ended, or is cut off."""

LEADS = InternalEvent("worker_leads", logging.INFO, "{worker} leads: it asks the scheduler")
LEADS_NO_MORE = InternalEvent("worker_leads_no_more", logging.WARNING, "{worker} leads no more")

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(WorkerTold)


class WorkerMembership:
    """This worker. `tell` says what it has to say of itself; `hear_leader` takes what the one who leads says."""

    def __init__(
        self,
        url: str,
        news: News,
        reporter: Reporter,
        *,
        started_ns: int,
        name: Callable[[], str],
        tell: Callable[[], WorkerTold],
        hear_leader: Callable[[WorkerTold], None],
    ) -> None:
        self._url = url
        self._reporter = reporter
        self._started_ns = started_ns
        self._name = name
        self._tell = tell
        self._hear_leader = hear_leader
        self._exchange = Exchange(news)
        self._alive: frozenset[tuple[str, int]] = frozenset()
        self.leadership = Leadership()
        self.known: Sequence[KnownWorker] = ()

    @property
    def name(self) -> str:
        """This worker's, by which others know it."""
        return self._name()

    async def run(self) -> None:
        """A stage: one of the workers, for as long as the server answers; raises SessionLost when it does not."""
        session = await WorkerSession.open(self._url)
        try:
            self._exchange.missed()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._beat(session))
                group.create_task(self._exchange.send(self.name, session.notify))
                group.create_task(self._receive(session))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        finally:
            self._lose()
            with contextlib.suppress(SessionLost):
                await session.leave(self.name)
            await session.close()

    async def _beat(self, session: WorkerSession) -> None:
        while True:
            if not self.leadership.leads and await session.try_to_lead():
                self._gain()
            told = _encoder.encode(self._tell())
            rows = await session.tell(self.name, self._started_ns, leads=self.leadership.leads, told=told)
            self.known = [
                KnownWorker(
                    worker=row.worker,
                    started_ns=row.started_ns,
                    silent_s=max(0.0, float(row.silent_s)),
                    leads_s=None if row.leads_s is None else max(0.0, float(row.leads_s)),
                    told=_decoder.decode(row.told),
                )
                for row in rows
            ]
            self._look_at_the_others()
            await asyncio.sleep(TELL_EVERY_S)

    async def _receive(self, session: WorkerSession) -> None:
        async for payload in session.notifications():
            self._exchange.receive(self.name, payload)

    def _look_at_the_others(self) -> None:
        alive = frozenset((one.worker, one.started_ns) for one in self.known if one.silent_s < SILENT_S)
        if self._alive - alive:
            self._exchange.missed()
        self._alive = alive
        for one in self.known:
            if one.leads_s is not None and one.silent_s < SILENT_S and one.worker != self.name:
                self._hear_leader(one.told)

    def _gain(self) -> None:
        self._reporter.report(LEADS, worker=self.name)
        self.leadership.gain()
        self._exchange.missed()

    def _lose(self) -> None:
        if self.leadership.leads:
            self._reporter.report(LEADS_NO_MORE, worker=self.name)
        self.leadership.lose()
