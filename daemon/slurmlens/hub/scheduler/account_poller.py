"""Asks slurmdbd now and then who belongs to which account, for the rules of who may see what.

A stage of its own, apart from the poller: it asks slurmdbd and not slurmctld, seldom, and what it said before stays
good while it does not answer. Runs only where `[access]` is set and there is accounting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from slurmlens.errors import DeliveryError, SourceError
from slurmlens.hub.news import AccountPeopleReceived, News
from slurmlens.slurm.associations import AccountPerson
from slurmlens.telemetry.internal import InternalEvent, Reporter

ACCOUNTS_UNKNOWN = InternalEvent(
    "account_people_not_told",
    logging.WARNING,
    "who belongs to which account is not known ({error}): the last answer stays good",
    lines=1,
)
RETRY_S = 30.0


class AccountPoller:
    """The stage. `ask` is the source's `account_people`, `take` the table's `replace`; then `news` is told."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[Sequence[AccountPerson]]],
        take: Callable[[Sequence[AccountPerson]], Awaitable[None]],
        news: News,
        *,
        interval_s: float,
        reporter: Reporter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ask = ask
        self._take = take
        self._news = news
        self._interval_s = interval_s
        self._reporter = reporter
        self._sleep = sleep

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            await self._sleep(self._interval_s if await self.poll() else min(RETRY_S, self._interval_s))

    async def poll(self) -> bool:
        """Asks once; whether there was an answer, and it was kept."""
        try:
            people = await self._ask()
            await self._take(people)
        except (SourceError, DeliveryError) as error:
            self._reporter.report(ACCOUNTS_UNKNOWN, error=error)
            return False
        self._news.publish(AccountPeopleReceived(people))
        return True
