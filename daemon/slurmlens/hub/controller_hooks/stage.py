"""The stage that drains the controller's dropbox: takes what waits, keeps it, lets the files go.

Owns its pace. Invariants: a file goes when its event is kept, so a hub that is killed takes it again; an event of
another cluster is left out, counted. A hub on another host than slurmctld has no such stage. Fed by `slurm_hooks/`
through the file system.
"""

from __future__ import annotations

import asyncio
import logging
import pwd

from slurmlens.dropbox import ControllerDropbox, Token
from slurmlens.errors import DeliveryError
from slurmlens.hub.controller_hooks.keeping import ControllerEventStore
from slurmlens.hub.news import News, RunsChanged, SightingEnded
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.controller_hook import ControllerEvent, ControllerRole

GATHER_S = 0.2
"""What comes together is kept in one transaction: slurmctld ends arrays in bursts."""

MOST_AT_ONCE = 500
RETRY_S = 5.0

TAKEN = InternalEvent("controller_hook_events", logging.DEBUG, "slurmctld's {role}: job {job_id}", ("role",))
FOREIGN = InternalEvent(
    "controller_hook_events_foreign", logging.WARNING, "slurmctld's {role} is of cluster {cluster}, which is not ours"
)
NOT_KEPT = InternalEvent(
    "controller_hook_events_not_kept", logging.WARNING, "what slurmctld's hooks told is not kept yet: {problem}"
)
NO_SUCH_USER = InternalEvent(
    "controller_user_unknown",
    logging.ERROR,
    "no user {user} on this host, so nothing that slurmctld's hooks write is believed: set slurm_user in [slurm]",
)


class ControllerHooks:
    """One hub's share in them."""

    def __init__(
        self,
        folder: ControllerDropbox,
        store: ControllerEventStore,
        cluster: str,
        news: News,
        reporter: Reporter,
    ) -> None:
        self._folder = folder
        self._store = store
        self._cluster = cluster
        self._news = news
        self._reporter = reporter
        self._waiting: asyncio.Queue[tuple[ControllerEvent, Token]] = asyncio.Queue(MOST_AT_ONCE)

    async def run(self) -> None:
        """For ever."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow())
                group.create_task(self._keep_for_ever())
        finally:
            self._folder.close()

    async def _follow(self) -> None:
        async for told in self._folder:
            await self._waiting.put(told)

    async def _keep_for_ever(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            await asyncio.sleep(GATHER_S)
            while len(batch) < MOST_AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            await self._keep(batch)

    async def _keep(self, batch: list[tuple[ControllerEvent, Token]]) -> None:
        own = [event for event, _ in batch if self._is_own(event)]
        while own:
            try:
                await self._store.keep(own)
                break
            except DeliveryError as error:  # the database is away: the files wait
                self._reporter.report(NOT_KEPT, problem=error)
                await asyncio.sleep(RETRY_S)
        for _, token in batch:
            self._folder.release(token)
        for event in own:
            self._reporter.report(TAKEN, role=event.role.value, job_id=event.job.job_id)
            self._news.publish(RunsChanged(event.job.job_id))
            if event.role is ControllerRole.EPILOG:
                self._news.publish(SightingEnded(event.job.job_id))

    def _is_own(self, event: ControllerEvent) -> bool:
        if event.cluster in (None, self._cluster):
            return True
        self._reporter.report(FOREIGN, role=event.role.value, cluster=event.cluster)
        return False


def owners_of(user: str, reporter: Reporter) -> frozenset[int]:
    """Whose files are believed: SlurmUser's (a name or a number), and root's."""
    try:
        return frozenset({0, int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid})
    except KeyError:
        reporter.report(NO_SUCH_USER, user=user)
        return frozenset({0})
