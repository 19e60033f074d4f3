"""Lines in a real search server that keeps to OpenSearch's interface: what its tests share, whichever it is."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiohttp import ClientSession

from slurmlens.config.log_store import SearchServerConfig
from slurmlens.hub.logs.opensearch_store import OpenSearchStore
from testkit.log_store_promises import KEEP_DAYS
from testkit.manual_clock import ManualClock


class SearchServer(Protocol):
    """A running one."""

    @property
    def url(self) -> str: ...


async def ask(server: SearchServer, method: str, path: str) -> Any:
    """What an independent client is answered."""
    async with ClientSession() as session, session.request(method, server.url + path) as answer:
        return await answer.json()


@asynccontextmanager
async def new_store(server: SearchServer) -> AsyncIterator[OpenSearchStore]:
    """A store with indexes of its own, which are gone afterwards."""
    prefix = f"slurmlens-{uuid.uuid4().hex[:12]}"
    made = OpenSearchStore(SearchServerConfig(url=server.url, index=prefix), KEEP_DAYS, ManualClock())
    yield made
    await made.close()
    await ask(server, "DELETE", f"/{prefix}-*")
    await ask(server, "DELETE", f"/_index_template/{prefix}")
