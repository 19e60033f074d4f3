"""The room of usage, put together for the hub: its stages and its front door. Made by `pipeline`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from slurmlens.clock import Clock
from slurmlens.hub.database.store import Store
from slurmlens.hub.news import News
from slurmlens.hub.usage.keeping import UsageKeeper
from slurmlens.hub.usage.node_keeping import NodeTimeKeeper
from slurmlens.hub.usage.read import UsageQueries


class UsageRoom:
    """Usage of one cluster."""

    def __init__(self, store: Store, cluster: str, news: News, clock: Clock) -> None:
        self.queries = UsageQueries(store, cluster)
        self.stages: tuple[tuple[str, Callable[[], Coroutine[Any, Any, None]]], ...] = (
            ("usage", UsageKeeper(store, cluster, news, clock).run),
            ("node time", NodeTimeKeeper(store, cluster, clock).run),
        )
