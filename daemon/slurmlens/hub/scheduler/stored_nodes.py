"""The scheduler's nodes at a hub that does not ask it: read where the one who asks has stored them.

Hears of that in `news`, from the other hubs; publishes what it read for whoever needs the nodes' addresses.
"""

from __future__ import annotations

from collections.abc import Callable

from slurmlens.hub.news import News, NodesReceived, NodesStored
from slurmlens.hub.scheduler.records import SchedulerRecords


class StoredNodes:
    """The stage. `asks_itself` says whether this hub's own poller has the nodes already."""

    def __init__(self, records: SchedulerRecords, news: News, asks_itself: Callable[[], bool]) -> None:
        self._records = records
        self._news = news
        self._asks_itself = asks_itself
        self._heard = news.subscribe(NodesStored)

    async def run(self) -> None:
        """Works until the hub stops; StoreError where the database does not answer."""
        async for _ in self._heard:
            if not self._asks_itself():
                self._news.publish(NodesReceived(tuple((await self._records.nodes()).values())))
